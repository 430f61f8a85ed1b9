"""A question in plain words, answered with evidence: by the doctor's walk, or by a language model where one is configured.

    question --> read_question (pure) --> what is stored, what an error means, the walk of the symptom --> sentences, commands
             \\-> a model, with the tools that read and nothing else --> its words; if it fails: as above, and it says so

Laws: reads only. What the mails tell that were asked for is the answer: no other cause is looked for then, and where something of them waits,
only at what holds it. What befell other recipients, and what only will happen, explains nothing. The model gets the fenced answers of `agent_tools` and can use no tool that is not listed for a key that only looks; the
seconds and tokens of the configuration hold for all turns together.
"""

from __future__ import annotations

import shlex
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field

from postroom.core.diagnosis.answers import Answered, Said
from postroom.core.diagnosis.errors import begun, explain_error
from postroom.core.diagnosis.intent import Question, read_question
from postroom.core.diagnosis.machine_health import MachineFacts
from postroom.core.diagnosis.relevance import NOT_OF_LEAVING, Asked, what_counts
from postroom.core.diagnosis.symptoms import Outcome, Symptom, Walked, walk
from postroom.core.terms.reasons import Reason, because
from postroom.flows.access import (
    NotAllowed,
    company_cut,
    company_ids,
    is_house_administrator,
    visible_addresses,
    visible_deliveries,
)
from postroom.flows.ask_model import ModelFailed, ask_model
from postroom.flows.diagnose import DoctorWish, diagnose
from postroom.flows.ports import Ports
from postroom.flows.speak_language import known_language, teller
from postroom.store.models import Company, Member, OutgoingServer
from postroom.store.queries.pages_find import find_deliveries
from postroom.store.queries.pages_queue import DeliveryFact, DeliveryRow, delivery, rows_of
from postroom.store.queries.pages_suppression import address, find_address
from postroom.store.queries.queue_lists import QueueView, QueueWish, find

MOST_MAILS = 20
MOST_TOLD = 3  # findings, where everything was asked about
Tell = Callable[[Reason], str]
_TROUBLED = ("failed", "bounced", "deferred", "unknown", "complained")
_WAITING = ("queued", "sending", "deferred")


@dataclass(slots=True)
class _Own:
    """What the mails tell that were asked for. ``is_told``: why one of them did not arrive. ``servers``: through which those must go that wait."""

    said: list[Said] = field(default_factory=list)
    is_told: bool = False
    waits: bool = False
    servers: set[str] = field(default_factory=set)

    def tell(self, said: Iterable[Said], *, is_cause: bool = False) -> None:
        told = list(said)
        self.said += told
        self.is_told = self.is_told or (is_cause and bool(told))

    def note_waiting(self, rows: Iterable[DeliveryRow]) -> None:
        for row in rows:
            if row.state.value in _WAITING:
                self.waits = True
                self.servers.add(row.server or str(row.waits_for.facts.get("server", "") if row.waits_for else ""))
        if "" in self.servers:  # of some it is not known yet
            self.servers = self.servers - {""} | _only_server()


def _only_server() -> set[str]:
    """Through which everything goes; nothing where there are several."""
    names = set(OutgoingServer.objects.filter(is_active=True).values_list("name", flat=True)[:2])
    return names if len(names) == 1 else set()


def answer_question(
    ports: Ports,
    text: str,
    *,
    member: Member | None,
    asks_world: bool = True,
    uses_model: bool = True,
    machine: MachineFacts | None = None,
    language: str = "",
) -> Answered:
    """In the language of the question; ``language``: that of whoever asks, where its words do not tell. Raises only what a lost database raises."""
    question = read_question(text)
    spoken = known_language(question.language, language)
    tell = teller(spoken)
    note = None
    if uses_model and ports.configuration.model_url:
        try:
            words, tools = ask_model(ports, question.text, member=member)
            return Answered(
                question=question, language=spoken, words=words, tools=tools, commands=tuple(_commands(question))
            )
        except ModelFailed as trouble:
            note = because("answer.model_failed", why=str(trouble))
    own = _of_mails(ports, question, member, tell)
    said = [*_of_error(question, tell), *own.said]
    walked, more = _walked(ports, question, member, asks_world, machine, own, tell)
    said += more
    if not question.is_understood:
        said.append(Said(what=because("answer.nothing_understood")))
    return Answered(
        question=question,
        language=spoken,
        said=tuple(said),
        walked=walked,
        commands=tuple(_commands(question)),
        note=note,
    )


def _of_error(question: Question, tell: Tell) -> Iterator[Said]:
    if question.error:
        yield from _explained(question.error, tell, evidence=(question.error,))


def _explained(error: str, tell: Tell, *, evidence: tuple[str, ...] = ()) -> Iterator[Said]:
    found = explain_error(error)
    yield Said(what=because("answer.error", cause=begun(tell(found.means))), evidence=evidence)
    yield Said(what=because("answer.error_cure", cure=begun(tell(found.helps))))


# ---- what is stored


def _of_mails(ports: Ports, question: Question, member: Member | None, tell: Tell) -> _Own:
    own = _Own()
    for identifier in question.message_ids:
        _of_one_mail(ports, own, identifier, member, tell)
    for about in (*question.addresses, *(f"@{domain}" for domain in question.domains)):
        _of_recipient(ports, own, about, member, tell)
    return own


def _of_one_mail(ports: Ports, own: _Own, identifier: str, member: Member | None, tell: Tell) -> None:
    found = find_deliveries(identifier, company_cut(member), shows_house=is_house_administrator(member))
    told = [one for number in found.ids[:3] if (one := _delivery(ports, number, member)) is not None]
    own.note_waiting(one.row for one in told)
    for one in told:
        mail = because("answer.mail", about=identifier, to=one.row.to_address, state=one.row.state.value)
        own.tell([Said(what=mail)])
        own.tell(_of_delivery(one, tell), is_cause=True)
    if not told:
        own.tell([Said(what=because("answer.nothing_stored", about=identifier))])


def _of_recipient(ports: Ports, own: _Own, about: str, member: Member | None, tell: Tell) -> None:
    """An address, or a domain with its @. The trouble of the newest troubled mail is told whole, and what the newest waits for."""
    wish = QueueWish(
        companies=company_cut(member),
        shows_house=is_house_administrator(member),
        view=QueueView.ALL,
        recipient=about,
        size=MOST_MAILS,
    )
    now = ports.clock.now()
    rows = rows_of(find(wish, now).ids, now=now)
    held = list(_of_address(about, member)) if not about.startswith("@") else []
    own.note_waiting(rows)
    if rows:
        counts = Counter(row.state.value for row in rows)
        states = ", ".join(f"{count} {state}" for state, count in counts.most_common())
        own.tell([Said(what=because("answer.mails", about=about, states=states))])
        troubled = next((row for row in rows if row.state.value in _TROUBLED), None)
        waiting = next((row for row in rows if row.waits_for is not None), None)
        for number in dict.fromkeys(row.id for row in (troubled, waiting) if row is not None):
            if (one := _delivery(ports, number, member)) is not None:
                own.tell(_of_delivery(one, tell), is_cause=True)
    elif not held:
        own.tell([Said(what=because("answer.nothing_stored", about=about))])
    own.tell(held, is_cause=True)


def _delivery(ports: Ports, number: int, member: Member | None) -> DeliveryFact | None:
    return delivery(visible_deliveries(member), number, now=ports.clock.now())


def _of_delivery(one: DeliveryFact, tell: Tell) -> Iterator[Said]:
    if one.row.waits_for is not None:
        yield Said(what=because("answer.waits", what=tell(one.row.waits_for)))
    reply = (
        next((report.reply for report in one.reports if report.reply), "")
        or one.row.last_reply
        or one.row.failure_reason
    )
    if reply and one.row.state.value in _TROUBLED:
        yield Said(what=because("answer.said", reply=reply[:500]), evidence=(reply[:500],))
        yield from _explained(reply, tell)


def _of_address(text: str, member: Member | None) -> Iterator[Said]:
    companies = company_ids(member) if member is not None else list(Company.objects.values_list("pk", flat=True))
    for number in find_address(companies, text)[:3]:
        found = address(visible_addresses(member), number)
        if found is None:
            continue
        row = found.row
        if row.bounce_count:
            said = because("answer.bounced", address=row.address, times=row.bounce_count, reply=row.last_reply or "?")
            yield Said(what=said, evidence=(row.last_reply,) if row.last_reply else ())
        if row.suppression is not None:
            yield Said(what=because("answer.left_out", address=row.address, since=f"{row.suppression.since:%Y-%m-%d}"))


# ---- the walk


def _walked(
    ports: Ports,
    question: Question,
    member: Member | None,
    asks_world: bool,
    machine: MachineFacts | None,
    own: _Own,
    tell: Tell,
) -> tuple[Walked | None, list[Said]]:
    """Of the symptom; mails to somebody that are asked about without one are asked about because they do not arrive."""
    symptom = question.symptom
    if question.is_about_all:
        return None, list(_of_all(ports, member, asks_world, machine, tell))
    is_named = bool(question.addresses or question.domains or question.message_ids)
    if symptom is None and is_named and not question.error:
        symptom = Symptom.BOUNCES
    is_of_leaving = is_named and symptom not in NOT_OF_LEAVING
    is_answered = bool(question.error) or (is_of_leaving and own.is_told and not own.waits)
    if symptom is None or is_answered:
        return None, []
    try:
        found = diagnose(ports, DoctorWish(asks_world=asks_world), member=member, machine=machine)
    except NotAllowed:
        return None, [Said(what=because("answer.not_yours"))]
    if is_of_leaving and own.waits:
        symptom = Symptom.QUEUED
    domains = {*question.domains, *(address.rpartition("@")[2] for address in question.addresses)}
    asked = Asked(
        domains=frozenset(domains),
        is_named=is_named,
        is_of_leaving=is_of_leaving,
        waits=own.waits,
        servers=frozenset(own.servers),
    )
    walked = walk(symptom, what_counts(found.findings, asked), asks_world=asks_world)
    is_silent = is_of_leaving and own.is_told and not walked.found  # what it waits for is told already
    return walked, [] if is_silent else list(_of_walk(walked, tell))


def _of_all(
    ports: Ports, member: Member | None, asks_world: bool, machine: MachineFacts | None, tell: Tell
) -> Iterator[Said]:
    """What the doctor finds: the gravest."""
    try:
        found = diagnose(ports, DoctorWish(asks_world=asks_world), member=member, machine=machine)
    except NotAllowed:
        yield Said(what=because("answer.not_yours"))
        return
    wrong = [one for one in found.findings if one.severity.is_problem]
    for one in wrong[:MOST_TOLD]:
        yield Said(what=because("answer.wrong", cause=tell(one.finding.cause)), evidence=one.finding.evidence)
        yield Said(what=because("answer.cure", cure=tell(one.finding.cure)))
    if not wrong:
        yield Said(what=because("answer.well"))
    elif len(wrong) > MOST_TOLD:
        yield Said(what=because("answer.more_wrong", count=len(wrong) - MOST_TOLD))


def _of_walk(walked: Walked, tell: Tell) -> Iterator[Said]:
    for one in walked.found:
        yield Said(what=because("answer.found", cause=tell(one.finding.cause)), evidence=one.finding.evidence)
        yield Said(what=because("answer.cure", cure=tell(one.finding.cure)))
    if not walked.found:
        clear = sum(look.outcome is Outcome.CLEAR for look in walked.looks)
        yield Said(what=because("answer.clear", count=clear))
        unchecked = sum(look.outcome is Outcome.UNCHECKED for look in walked.looks)
        if unchecked:
            yield Said(what=because("answer.unchecked", count=unchecked))
        if walked.advice is not None:
            yield Said(what=because("answer.cure", cure=tell(walked.advice)))


# ---- how to go on


def _commands(question: Question) -> Iterator[str]:
    """Safe to paste: whatever stands in them is quoted."""
    for one in (*question.addresses, *question.domains):
        if "@" in one:
            yield f"postroom story {shlex.quote(one)}"
        yield f"postroom queue list --to={shlex.quote(one)}"
    for one in question.message_ids:
        yield f"postroom story {shlex.quote(one)}"
    if question.error:
        yield f"postroom explain-error {shlex.quote(question.error[:200])}"
    if question.symptom is not None:
        yield f"postroom doctor --symptom {question.symptom.value}"
    if not question.is_understood:
        yield 'postroom ask "why do mails to carla@customer.example bounce"'
    yield "postroom doctor"
