"""Tells a sender that his mail was not taken: without backscatter.

Laws: never to a null reverse-path, an automatic mail or a report (the verdict says so); null return path and
``Auto-Submitted: auto-replied`` (RFC 3834); at most one a day per sender and kind (`count_refusals`); nothing of the mail but its subject is quoted.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

from postroom.core.mime.parsed import ParsedMail
from postroom.core.routing.verdicts import Refuse
from postroom.core.terms.addresses import Address, normalize
from postroom.core.terms.message_ids import make_message_id
from postroom.core.terms.states import Lane
from postroom.flows.count_refusals import first_today
from postroom.flows.enqueue_mail import DraftRecipient, MailDraft, enqueue_mails
from postroom.flows.ports import Ports
from postroom.store.models import Alias, Company
from postroom.store.queries.conversations import homes


@dataclass(frozen=True, slots=True, kw_only=True)
class Refused:
    """A mail of the batch that is to be answered; ``sender`` is the reverse-path, else the author, normalised."""

    mail: ParsedMail
    sender: str
    decision: Refuse


def answer_refusals(ports: Ports, refused: Sequence[Refused]) -> int:
    """Queue the answers that are due. Inside the routing transaction. Returns how many there are."""
    able = [one for one in refused if one.decision.may_answer and normalize(one.sender)]
    first = first_today(ports, [(one.sender, one.decision.answer) for one in able])
    due = [one for one, is_first in zip(able, first, strict=True) if is_first]
    if not due:
        return 0
    drafts = [draft for one in due if (draft := _draft(ports, one)) is not None]
    enqueue_mails(ports, drafts)
    return len(drafts)


def _draft(ports: Ports, refused: Refused) -> MailDraft | None:
    alias = Alias.objects.select_related("domain").filter(pk=refused.decision.alias_id or 0).first()
    company_id = (
        alias.company_id if alias else Company.objects.filter(is_active=True).values_list("pk", flat=True).first()
    )
    if company_id is None:
        return None
    home = homes([company_id])[company_id]
    if not home.domain:
        return None
    own_id = make_message_id(unique=f"{ports.ids.hex(12)}.notice", domain=home.domain)
    answered = refused.mail.message_id
    return MailDraft(
        company_id=company_id,
        header_from=Address("MAILER-DAEMON", "mailer-daemon", home.domain),
        recipients=[DraftRecipient(name="", address=refused.sender)],
        subject=f"Re: {refused.mail.subject}"[:900],
        html=_words(refused, alias),
        header_message_id=own_id,
        in_reply_to=answered,
        references=[one for one in (answered, own_id) if one],
        lane=Lane.NORMAL,
        alias_domain_id=home.domain_id,
        null_return_path=True,
        extra_headers=[("Auto-Submitted", "auto-replied"), ("X-Auto-Response-Suppress", "All")],
    )


def _words(refused: Refused, alias: Alias | None) -> str:
    subject = escape(refused.mail.subject)
    if alias is not None and alias.refusal_text.strip():
        body = f"<p>{escape(alias.refusal_text)}</p>"
    elif refused.decision.answer == "policy":
        body = f"<p>Your mail to {escape(refused.decision.recipient)} was not taken: only people who are known there may write to it.</p>"
    elif refused.decision.answer == "catchall":
        body = "<p>Your mail was not taken: this address only takes answers. Please write to the company's contact address.</p>"
    else:
        body = f"<p>Your mail was not taken: there is no mailbox {escape(refused.decision.recipient)} here.</p>"
    return f"{body}<p>Subject: {subject}</p>"
