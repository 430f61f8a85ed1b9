"""A question in plain words, answered with evidence: by the doctor's walk, or by a language model where one is configured.

    question --> read_question (pure) --> what is stored, what an error means, the walk of the symptom --> sentences, commands
             \\-> a model, with the tools that read and nothing else --> its words; if it fails: as above, and it says so

Laws: reads only. The model gets the fenced answers of `agent_tools` and can use no tool that is not listed for a key that only looks; the
seconds and tokens of the configuration hold for all turns together.
"""

from __future__ import annotations

import shlex
from collections import Counter
from collections.abc import Callable, Iterator

from postroom.core.diagnosis.answers import Answered, Said
from postroom.core.diagnosis.errors import begun, explain_error
from postroom.core.diagnosis.intent import Question, read_question
from postroom.core.diagnosis.machine_health import MachineFacts
from postroom.core.diagnosis.symptoms import Outcome, Symptom, Walked, walk
from postroom.core.terms.reasons import Reason, because
from postroom.flows.access import NotAllowed, company_cut, company_ids, visible_addresses, visible_deliveries
from postroom.flows.ask_model import ModelFailed, ask_model
from postroom.flows.diagnose import DoctorWish, diagnose
from postroom.flows.ports import Ports
from postroom.flows.speak_language import known_language, teller
from postroom.store.models import Company, Member
from postroom.store.queries.pages_find import find_deliveries
from postroom.store.queries.pages_queue import DeliveryFact, delivery, rows_of
from postroom.store.queries.pages_suppression import address, find_address
from postroom.store.queries.queue_lists import QueueView, QueueWish, find

MOST_MAILS = 20
Tell = Callable[[Reason], str]
_TROUBLED = ("failed", "bounced", "deferred", "unknown", "complained")


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
    said = [*_of_error(question, tell), *_of_mails(ports, question, member, tell)]
    walked, more = _walked(ports, question, member, asks_world, machine, bool(said), tell)
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


def _of_mails(ports: Ports, question: Question, member: Member | None, tell: Tell) -> Iterator[Said]:
    for identifier in question.message_ids:
        yield from _of_one_mail(ports, identifier, member, tell)
    for about in (*question.addresses, *(f"@{domain}" for domain in question.domains)):
        yield from _of_recipient(ports, about, member, tell)


def _of_one_mail(ports: Ports, identifier: str, member: Member | None, tell: Tell) -> Iterator[Said]:
    found = find_deliveries(identifier, company_cut(member))
    told = [one for number in found.ids[:3] if (one := _delivery(ports, number, member)) is not None]
    for one in told:
        yield Said(what=because("answer.mail", about=identifier, to=one.row.to_address, state=one.row.state.value))
        yield from _of_delivery(one, tell)
    if not told:
        yield Said(what=because("answer.nothing_stored", about=identifier))


def _of_recipient(ports: Ports, about: str, member: Member | None, tell: Tell) -> Iterator[Said]:
    """An address, or a domain with its @. The trouble of the newest troubled mail is told whole."""
    wish = QueueWish(companies=company_cut(member), view=QueueView.ALL, recipient=about, size=MOST_MAILS)
    now = ports.clock.now()
    rows = rows_of(find(wish, now).ids, now=now)
    held = list(_of_address(about, member)) if not about.startswith("@") else []
    if rows:
        counts = Counter(row.state.value for row in rows)
        states = ", ".join(f"{count} {state}" for state, count in counts.most_common())
        yield Said(what=because("answer.mails", about=about, states=states))
        troubled = next((row for row in rows if row.state.value in _TROUBLED), None)
        if troubled is not None and (one := _delivery(ports, troubled.id, member)) is not None:
            yield from _of_delivery(one, tell)
    elif not held:
        yield Said(what=because("answer.nothing_stored", about=about))
    yield from held


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
    has_answer: bool,
    tell: Tell,
) -> tuple[Walked | None, list[Said]]:
    """Of the symptom; mails to somebody that are asked about without one are asked about because they do not arrive."""
    symptom = question.symptom
    if symptom is None and (question.addresses or question.domains) and not question.error:
        symptom = Symptom.BOUNCES
    if symptom is None or (question.error and has_answer):
        return None, []
    try:
        found = diagnose(ports, DoctorWish(asks_world=asks_world), member=member, machine=machine)
    except NotAllowed:
        return None, [Said(what=because("answer.not_yours"))]
    walked = walk(symptom, found.findings, asks_world=asks_world)
    return walked, list(_of_walk(walked, tell))


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
        yield f"postroom queue list --to={shlex.quote(one)}"
    if question.error:
        yield f"postroom explain-error {shlex.quote(question.error[:200])}"
    if question.symptom is not None:
        yield f"postroom doctor --symptom {question.symptom.value}"
    if not question.is_understood:
        yield 'postroom ask "why do mails to carla@customer.example bounce"'
    yield "postroom doctor"
