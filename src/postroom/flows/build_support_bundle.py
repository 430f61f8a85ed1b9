"""A support bundle: everything that somebody else needs to understand what happened to a mail, in one file.

    case (rows) --> members: mails as they came or left, headers, timeline, record, answers, settings, changes, versions, findings, log lines,
                    and what the router knew --> masked --> manifest with sizes and SHA-256 --> ZIP

Laws: who may see the whole house may make one (it shows settings and logs), and that it was made is noted. No secret is in it, sealed or not.
Where addresses are masked, all that the case knows is learned first, so that an address in a log line is found though only a header named it;
people's names go with their addresses, and with the bodies every sentence of a mail, wherever it is told.
Reads only, but for the line of the audit log; bounded in size and time.
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

from django.contrib.auth import get_user_model

from postroom import __version__
from postroom.core.diagnosis.bundle import Member as BundleMember
from postroom.core.diagnosis.bundle import json_bytes, write_manifest
from postroom.core.diagnosis.masked_mail import learn_mail, masked_mail
from postroom.core.diagnosis.masked_story import masked_event
from postroom.core.diagnosis.masking import Masker
from postroom.core.diagnosis.support_answers import CaseFacts, answers
from postroom.core.mime.parsing import parse_headers
from postroom.core.terms.log_lines import LogLine, LogQuestion
from postroom.flows import audit
from postroom.flows.access import require_house
from postroom.flows.describe_house import describe_settings, recent_changes, row_as_json, versions
from postroom.flows.diagnose import DoctorWish, diagnose
from postroom.flows.gather_case import Case, CaseWish, case_facts, find_case
from postroom.flows.note_routing import house_as_json, mail_as_json, read_evidence
from postroom.flows.ports import Ports
from postroom.flows.route_message import raw_of
from postroom.flows.show_source import left_as
from postroom.flows.tell_story import tell_together
from postroom.store.models import Alias, AliasDomain, Contact, InboundMessage, Member, Message, RawMail

MASKS = ("addresses", "bodies", "message-ids")
MOST_BYTES = 48 * 1024 * 1024  # of mails; what is larger is named and left out
MOST_LINES = 4000
MOST_LOG = 8 * 1024 * 1024  # characters of them
LOG_SECONDS = 10.0
LOG_BACK = timedelta(days=7)  # of a bundle about the house
CHANGES_BACK = timedelta(days=30)


@dataclass(frozen=True, slots=True, kw_only=True)
class Bundle:
    """``name`` for the file; ``content`` is the ZIP."""

    name: str
    content: bytes = field(repr=False)
    members: tuple[str, ...]
    notes: tuple[str, ...] = ()  # what was left out, and why


@dataclass(slots=True, kw_only=True)
class _Mails:
    """``inbound`` by number; ``sent`` with the message each belongs to."""

    inbound: dict[int, tuple[InboundMessage, bytes]] = field(default_factory=dict)
    sent: list[tuple[int, bytes]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    size: int = 0

    def fits(self, content: bytes, name: str) -> bool:
        self.size += len(content)
        if self.size > MOST_BYTES:
            self.notes.append(f"{name}: left out, the bundle would be too large")
        return self.size <= MOST_BYTES


def build_support_bundle(ports: Ports, wish: CaseWish, *, masks: Iterable[str] = (), member: Member | None) -> Bundle:
    """``masks``: of `MASKS`. Raises `NotAllowed`, `NoSuchCase`, ValueError for an unknown mask, and what a lost database raises."""
    require_house(member)
    wanted = frozenset(masks)
    if unknown := wanted - set(MASKS):
        raise ValueError(f"There is no mask {', '.join(sorted(unknown))}; there are {', '.join(MASKS)}.")
    now = ports.clock.now()
    case = find_case(wish, member=member)
    mails = _mails(ports, case)
    masker = Masker(
        bytes.fromhex(ports.ids.hex(32)),
        hides_addresses="addresses" in wanted or "message-ids" in wanted,
        hides_bodies="bodies" in wanted,
        hides_message_ids="message-ids" in wanted,
    )
    _learn(masker, case, mails)
    members = _members(ports, case, mails, masker, now, member)
    about = {"kind": case.kind, "number": case.number, "wish": masker.text(wish.words)}
    manifest = write_manifest(members, version=__version__, made_at=now, about=about, masks=sorted(wanted))
    audit.note(ports, "bundle_made", member=member, subject=wish.words, masks=sorted(wanted))
    content = ports.bundles.pack([manifest, *members], made_at=now)
    return Bundle(
        name=_file_name(case, now),
        content=content,
        members=(manifest.name, *(one.name for one in members)),
        notes=tuple(mails.notes),
    )


def _file_name(case: Case, now: datetime) -> str:
    number = f"-{case.number}" if case.number is not None else ""
    return f"postroom-bundle-{case.kind}{number}-{now:%Y%m%d-%H%M}.zip"


# ---- mails


def _mails(ports: Ports, case: Case) -> _Mails:
    found = _Mails()
    for row in case.inbounds:
        try:
            raw = raw_of(ports, row)
        except (RawMail.DoesNotExist, KeyError):
            found.notes.append(f"inbound {row.pk}: its bytes were cleaned up")
            continue
        if found.fits(raw, f"inbound {row.pk}"):
            found.inbound[row.pk] = (row, raw)
    for message in case.messages:
        found.sent += _copies(message, found)
    return found


def _copies(message: Message, found: _Mails) -> list[tuple[int, bytes]]:
    copies = []
    for source in left_as(message):
        if source.content is None:
            found.notes.append(f"message {message.pk}: a mail that it became was cleaned up")
        elif found.fits(source.content, f"message {message.pk}"):
            copies.append((message.pk, source.content))
    return copies


def _learn(masker: Masker, case: Case, mails: _Mails) -> None:
    """All addresses that the case or the house knows, before the first text is masked."""
    for _, raw in (*mails.inbound.values(), *mails.sent):
        learn_mail(masker, raw)
    masker.keep_message_ids(case.message_ids)
    for row in case.inbounds:
        masker.learn([row.mail_from, *row.rcpt_to])
        masker.learn_text(row.header_from)
    masker.learn(one.author_address for one in case.messages)
    masker.learn(one.to_address for one in case.deliveries)
    masker.learn(one.mail.from_address for one in case.deliveries)
    if case.record is not None:
        masker.learn([case.record.contact_address])
    masker.learn_domains(AliasDomain.objects.values_list("name", flat=True)[:1000])
    masker.learn(f"{name}@{domain}" for name, domain in Alias.objects.values_list("name", "domain__name")[:5000])
    members = Contact.objects.filter(member__isnull=False)
    masker.learn(members.values_list("normal", flat=True)[:5000])
    masker.learn_people(members.values_list("name", flat=True)[:5000])
    masker.learn_people(get_user_model().objects.values_list("username", flat=True)[:5000])
    masker.learn_people(_people(case))
    masker.learn_words(one.subject for one in case.messages)
    masker.learn_words(one.mail.subject for one in case.deliveries)
    if case.record is not None:
        masker.learn_words([case.record.title])


def _people(case: Case) -> Iterable[str]:
    yield from (one.author_name for one in case.messages)
    if case.record is not None:
        yield case.record.contact_name


# ---- members


def _members(
    ports: Ports, case: Case, mails: _Mails, masker: Masker, now: datetime, member: Member | None
) -> list[BundleMember]:
    happened = tell_together(
        ports,
        messages=[one.pk for one in case.messages],
        inbound=[one.pk for one in case.inbounds],
        deliveries=[one.pk for one in case.deliveries],
        member=member,
    )
    story = [masked_event(one, masker).as_json() for one in happened]
    facts = case_facts(case, {n: raw for n, (_, raw) in mails.inbound.items()}, now=now)
    asked = [masker.told_value(one.as_json()) for one in answers(_without_words(facts, case, masker))]
    found = diagnose(ports, DoctorWish(asks_world=False), member=member)
    log = _log_lines(ports, case, now, mails.notes)

    def as_json(name: str, value: Any, what: str) -> BundleMember:
        return BundleMember(name=name, content=json_bytes(masker.value(value)), what=what)

    def as_told(name: str, value: Any, what: str) -> BundleMember:
        return as_json(name, masker.told_value(value), what)

    changes = [one | {"by": masker.person(one["by"])} for one in recent_changes(now, back=CHANGES_BACK)]
    members = [
        BundleMember(
            name="summary.txt",
            content=masker.text(_summary(case, asked, story)).encode("utf-8", "replace"),
            what="the story in words, to begin with",
        ),
        *_mail_members(mails, masker),
        as_json("timeline.json", story, "what happened, the oldest first"),
        as_json("answers.json", asked, "what support asks first"),
        as_told("settings.json", describe_settings(ports), "configuration, parameters, servers, mailboxes, aliases; no secrets"),
        as_told("changes.json", changes, "what was changed in the last 30 days"),
        as_json("versions.json", versions(), "versions of what takes part"),
        as_told("findings.json", [one.as_json() for one in found.findings], "what the doctor found without asking the world"),
        BundleMember(name="log.jsonl", content=_masked_log(log, masker), what="lines of the logs about it, the oldest first"),
        BundleMember(name="replay.json", content=json_bytes(_replay(ports, mails, masker)), what="what the router knew"),
    ]  # fmt: skip
    if case.record is not None:
        told = row_as_json(case.record) | {"title": masker.words(case.record.title), "values": {}, "contact_name": masker.person(case.record.contact_name)}  # fmt: skip
        members.append(as_told("record.json", told, "the record that is concerned; its values are left out"))
    if mails.notes:
        members.append(as_json("left_out.json", mails.notes, "what is not in this bundle, and why"))
    return members


def _without_words(facts: CaseFacts, case: Case, masker: Masker) -> CaseFacts:
    """The title of its record is what somebody wrote above a mail."""
    if case.record is None or masker.is_idle:
        return facts
    return replace(facts, record=f"{case.record.pk} ({masker.words(case.record.title)})")


def _mail_members(mails: _Mails, masker: Masker) -> list[BundleMember]:
    members = []
    for number, (_, raw) in mails.inbound.items():
        members += _mail_and_headers(f"received-{number}", masked_mail(raw, masker), "a mail as it came in", masker)
    for at, (number, raw) in enumerate(mails.sent, 1):
        name = f"sent-{number}-{at}"
        members += _mail_and_headers(name, masked_mail(raw, masker), f"a mail that message {number} became", masker)
    return members


def _mail_and_headers(name: str, raw: bytes, what: str, masker: Masker) -> list[BundleMember]:
    how = "" if masker.is_idle else ", masked"
    headers = [list(one) for one in parse_headers(raw).headers]
    return [
        BundleMember(name=f"mails/{name}.eml", content=raw, what=what + how),
        BundleMember(name=f"headers/{name}.json", content=json_bytes(headers), what=f"its headers, decoded{how}"),
    ]


def _replay(ports: Ports, mails: _Mails, masker: Masker) -> dict[str, Any]:
    noted = read_evidence(ports, mails.inbound)
    return {
        "mails": [mail_as_json(one, f"mails/received-{one.row.pk}.eml", masker) for one in noted],
        "house": house_as_json(ports, noted, masker),
    }


# ---- the logs


def _log_lines(ports: Ports, case: Case, now: datetime, notes: list[str]) -> list[LogLine]:
    """About the case; of the whole house the newest that are warnings. What takes too long or is too much is left out, and noted."""
    end = time.monotonic() + LOG_SECONDS
    question = LogQuestion(since=now - LOG_BACK, level="WARNING", is_over=lambda: time.monotonic() > end)
    if case.kind == "house":
        lines = ports.logbook.last(MOST_LINES, question)
        is_cut = bool(ports.logbook.trouble)
    else:
        since = (case.begins or now) - timedelta(hours=1)
        lines, is_cut = _from_the_first(ports, replace(question, since=since, level="", matches=_about(case)))
    fitting = _newest_that_fit(lines)
    if is_cut or len(fitting) < len(lines):
        notes.append("log.jsonl: not all lines are in it, that would take too long or be too much")
    return fitting


def _from_the_first(ports: Ports, question: LogQuestion) -> tuple[list[LogLine], bool]:
    """And whether there may be more."""
    lines: list[LogLine] = []
    try:
        for line in ports.logbook.lines(question):
            lines.append(line)
            if len(lines) >= MOST_LINES:
                return lines, True
    except TimeoutError:
        return lines, True
    return lines, bool(ports.logbook.trouble)


def _newest_that_fit(lines: Sequence[LogLine]) -> list[LogLine]:
    size, kept = 0, []
    for line in reversed(lines):
        size += len(line.raw)
        if size > MOST_LOG:
            break
        kept.append(line)
    return kept[::-1]


def _about(case: Case) -> Callable[[str], bool]:
    words = [re.escape(one.strip("<>")) for one in case.message_ids[:100]]
    for name, rows in (("delivery", case.deliveries), ("inbound", case.inbounds), ("message", case.messages)):
        numbers = "|".join(str(one.pk) for one in rows)
        words += [rf"\b{name}[= ](?:{numbers})\b", rf"{_MANY[name]}=\[[^\]]*\b(?:{numbers})\b"] if numbers else []
    expression = re.compile("|".join(words) or r"(?!)")
    return lambda text: expression.search(text) is not None


_MANY = {"delivery": "deliveries", "inbound": "inbounds", "message": "messages"}  # lines about a batch


def _masked_log(lines: Sequence[LogLine], masker: Masker) -> bytes:
    return b"".join(_masked_line(line.raw, masker).encode("utf-8", "replace") + b"\n" for line in lines)


def _masked_line(raw: str, masker: Masker) -> str:
    """What is JSON is read first: a letter may be written as a number there."""
    if masker.is_idle:
        return raw
    try:
        fields = json.loads(raw)
    except (ValueError, RecursionError):
        return masker.told(raw)
    return json.dumps(masker.told_value(fields), ensure_ascii=False)


# ---- in words


def _summary(case: Case, asked: Sequence[dict[str, Any]], story: Sequence[dict[str, Any]]) -> str:
    lines = [
        f"Support bundle of Postroom {__version__}: {case.kind} {case.number if case.number is not None else ''}".rstrip(),
        "",
    ]
    for one in asked:
        lines += [one["question"], f"  {one['answer']}", ""]
    lines += [
        "What happened (UTC):",
        *(f"  {one['at'][:19].replace('T', ' ')}  {one['sentence']}" for one in story[-60:]),
        "",
    ]
    lines += ["Read the rest with: postroom bundle read FILE"]
    return "\n".join(lines) + "\n"
