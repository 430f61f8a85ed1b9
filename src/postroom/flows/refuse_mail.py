"""Tells a sender that his mail was not taken: without backscatter.

Laws: never to a null reverse-path, an automatic mail, a list or a report (the verdict says so), nor to an address of our own; null
return path and ``Auto-Submitted: auto-replied`` (RFC 3834); at most one a day per sender and kind (`count_refusals`), and so many an hour from the whole
house (``mail.gateway.answers.hour``); nothing of the mail but its subject is quoted. A flat number of statements for any number of
refusals.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from postroom.core.conversations.refusals import Refusal, language_of, refusal_html
from postroom.core.mime.markup import html_to_text, text_to_html
from postroom.core.mime.parsed import ParsedMail
from postroom.core.routing.recipients import is_accepted, meaning, read_recipient
from postroom.core.routing.verdicts import Refuse
from postroom.core.terms.addresses import Address, normalize
from postroom.core.terms.message_ids import make_message_id
from postroom.core.terms.reasons import because, catalogue
from postroom.core.terms.states import Lane
from postroom.flows.alarms import raise_alarm
from postroom.flows.count_refusals import first_today, notice_key
from postroom.flows.enqueue_mail import DraftRecipient, MailDraft, enqueue_mails
from postroom.flows.ports import Ports
from postroom.flows.settings import parameters
from postroom.store.models import Alias, Company
from postroom.store.queries.conversations import Home, homes
from postroom.store.queries.refusals import mark_told
from postroom.store.queries.routing_facts import known_addresses

catalogue(
    {
        "alarm.answers_capped": "More senders were refused than are answered within an hour ({limit}): the others were told nothing. "
        "A flood of strangers, or an alias that should take mail from more people.",
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Refused:
    """A mail of the batch that is to be answered; ``sender`` is the reverse-path, else the author, normalised."""

    mail: ParsedMail
    sender: str
    decision: Refuse


def answer_refusals(ports: Ports, refused: Sequence[Refused]) -> int:
    """Queue the answers that are due. Inside the routing transaction. Returns how many there are."""
    asked = [one for one in refused if one.decision.may_answer and normalize(one.sender)]
    due = _claimed(ports, _of_others(ports, asked))
    if not due:
        return 0
    aliases = {
        alias.pk: alias for alias in Alias.objects.filter(pk__in={one.decision.alias_id for one in due}).only(
            "pk", "company_id", "refusal_text"
        )
    }  # fmt: skip
    default_id = Company.objects.filter(is_active=True).values_list("pk", flat=True).first()
    company_ids = {alias.company_id for alias in aliases.values()} | ({default_id} if default_id else set())
    found = homes(company_ids)
    drafts = [draft for one in due if (draft := _draft(ports, one, aliases, found, default_id)) is not None]
    enqueue_mails(ports, drafts)
    return len(drafts)


def _of_others(ports: Ports, refused: Sequence[Refused]) -> list[Refused]:
    """Without those that came from an address at which we take mail ourselves: the answer would come in again. One query."""
    if not refused:
        return []
    senders = {one.sender: read_recipient(one.sender, ports.address_keys) for one in refused}
    directory = known_addresses({sender.local for sender in senders.values()})
    return [one for one in refused if not is_accepted(meaning(senders[one.sender], directory))]


def _claimed(ports: Ports, refused: Sequence[Refused]) -> list[Refused]:
    """Those that are told: of the mails of one sender and kind the first of the day, as far as the cap an hour allows."""
    first = first_today(ports, [(one.sender, one.decision.answer) for one in refused])
    due = {
        notice_key(one.sender, one.decision.answer): one
        for one, is_first in zip(refused, first, strict=True)
        if is_first
    }
    if not due:
        return []
    most = parameters(ports).number("mail.gateway.answers.hour")
    told, is_capped = mark_told(list(due), now=ports.clock.now(), most_an_hour=most)
    if is_capped and most:
        raise_alarm(
            ports,
            code="answers.capped",
            subject="",
            reason=because("alarm.answers_capped", limit=most),
            link="/inbound/?state=refused",
        )
    return [one for key, one in due.items() if key in told]


def _draft(
    ports: Ports,
    refused: Refused,
    aliases: Mapping[int, Alias],
    homes_of: Mapping[int, Home],
    default_id: int | None,
) -> MailDraft | None:
    alias = aliases.get(refused.decision.alias_id or 0)
    home = homes_of.get((alias.company_id if alias else default_id) or 0)
    if home is None or not home.domain:
        return None
    own_id = make_message_id(unique=f"{ports.ids.hex(12)}.notice", domain=home.domain)
    answered = refused.mail.message_id
    return MailDraft(
        company_id=home.company_id,
        header_from=Address("MAILER-DAEMON", "mailer-daemon", home.domain),
        recipients=[DraftRecipient(name="", address=refused.sender)],
        subject=f"Re: {refused.mail.subject}"[:900],
        html=_words(ports, refused, alias, home),
        header_message_id=own_id,
        in_reply_to=answered,
        references=[one for one in (answered, own_id) if one],
        lane=Lane.NORMAL,
        alias_domain_id=home.domain_id,
        null_return_path=True,
        extra_headers=[("Auto-Submitted", "auto-replied"), ("X-Auto-Response-Suppress", "All")],
    )


def _words(ports: Ports, refused: Refused, alias: Alias | None, home: Home) -> str:
    """The alias's own text, unless there is nothing to be seen in it; else ours."""
    mail = refused.mail
    language = language_of(mail.header("Content-Language"), f"{mail.subject}\n{mail.reply_text or mail.text}")
    refusal = Refusal(
        answer=refused.decision.answer,
        recipient=refused.decision.recipient,
        company=home.company_name,
        subject=mail.subject,
    )
    body, about = refusal_html(refusal, language)
    own = _own_words(ports, alias.refusal_text) if alias is not None else ""
    return f"{own or body}{about}"


def _own_words(ports: Ports, text: str) -> str:
    """HTML made harmless, or a plain text as it was typed; ``""`` where a reader would see nothing (T-056)."""
    if "<" not in text:
        return text_to_html(text.strip()) if text.strip() else ""
    harmless = ports.html.sanitize(text)
    seen = html_to_text(harmless).replace("\N{NO-BREAK SPACE}", " ").replace("\N{ZERO WIDTH SPACE}", "")
    return harmless if seen.strip() or "<img" in harmless else ""
