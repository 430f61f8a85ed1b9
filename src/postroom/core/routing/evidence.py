"""What a mail shows by itself: recipients, tokens, thread, who wrote it, and whether a person did.

Laws: pure; never raises for any `ParsedMail`. The envelope names the recipients where there is one; headers do only
where there is none (law 5). A human mail is never taken for automatic: `X-Auto-Response-Suppress` alone proves nothing.
Standards: RFC 3834 (automatic responses), RFC 5436 (auto-notified), RFC 2919 and RFC 2369 (lists), RFC 5322 3.6.4.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Sequence
from dataclasses import replace

from postroom.core.mime.parsed import ParsedMail
from postroom.core.reports.authentication_reports import may_be_report
from postroom.core.reports.delivery_reports import DeliveryReport
from postroom.core.reports.reading import read_report
from postroom.core.routing.authenticity import UNASKED, Authenticity
from postroom.core.routing.automatic import read_machine_signs
from postroom.core.routing.loops import normal_text_digest
from postroom.core.routing.recipients import read_recipient
from postroom.core.routing.verdicts import Evidence, Recipient
from postroom.core.terms.addresses import Address, normalize
from postroom.core.terms.envelopes import Envelope
from postroom.core.terms.message_ids import MAX_REFERENCES
from postroom.core.terms.states import Door
from postroom.core.tokens.addresses import AddressToken, is_sealed_for

MARK_HEADERS = ("X-Postroom-Objects", "X-Odoo-Objects")
# In Message-IDs of our refusals (make them with ``unique="….notice"``), and of those sent before a migration (I-21).
NOTICE_TAGS = (".notice.postroom@", "-loop-detection-bounce-email@")
MAX_HEADER_RECIPIENTS = 1_000  # of a fetched mail, those nearest first
ENVELOPE_HEADERS = frozenset(("x-original-to", "envelope-to", "x-envelope-to"))
START_ANEW_TAG = "-reply_to@"  # in Message-IDs whose replies go by alias, not by thread (I-23, O-72)
MOST_TRACED = 20
_MARK = re.compile(r"[A-Za-z0-9._-]{4,80}")
_REPLY_PREFIX = re.compile(
    r"^\s{0,9}(?:re|aw|antw|antwort|sv|vs|odp|ref|rif|res|tr|ynt|atb|vá|απ|回复|答复|返信)\s{0,9}(?:\[\d{1,4}\]|\(\d{1,4}\))?\s{0,9}[:：]",
    re.IGNORECASE,
)


def collect(
    mail: ParsedMail,
    envelope: Envelope | None,
    door: Door,
    *,
    keys: Sequence[bytes],
    size: int,
    content_digest: str,
    our_mark: str,
    authenticity: Authenticity = UNASKED,
) -> Evidence:
    """What the mail shows. ``size`` in bytes; ``content_digest`` stands in for a missing Message-ID; ``our_mark`` is the
    text by which mails of this installation name themselves in `MARK_HEADERS` (``""``: none yet)."""
    if envelope is not None and not envelope.rcpt_to:
        envelope = None  # a fetched mail's: it says nothing
    to, cc = _normals(mail.to), _normals(mail.cc)
    recipients = _recipients(mail, envelope, keys, only_cc=set(cc).difference(to))
    has_null_reverse_path = _has_null_reverse_path(mail, envelope)
    report = read_report(mail, has_null_reverse_path=has_null_reverse_path)
    signs = read_machine_signs(mail, has_null_reverse_path=has_null_reverse_path)
    is_automatic = signs.is_automatic or report is not None
    return Evidence(
        door=door,
        size=size,
        recipients=recipients,
        to=to,
        cc=cc,
        mail_from=normalize(envelope.mail_from) if envelope is not None else mail.return_path or "",
        has_null_reverse_path=has_null_reverse_path,
        author=mail.author,
        author_normal=mail.author.normal if mail.author else "",
        subject=mail.subject,
        message_id=mail.message_id,
        thread_ids=_thread_ids(mail),
        in_reply_to=_threading(mail.in_reply_to),
        fingerprint=_fingerprint(mail, envelope, content_digest),
        text_digest=normal_text_digest(mail),
        report=report,
        report_token=_report_token(report, keys),
        is_auto_reply=signs.is_auto_reply and report is None,
        is_automatic=is_automatic,
        wants_no_answer=signs.wants_no_answer,
        has_our_mark=_has_our_mark(mail, our_mark) or (is_automatic and _answers_our_notice(mail)),
        is_bounce_addressed=any(r.token is not None and r.token.purpose == "b" for r in recipients),
        authenticity=authenticity,
        is_personal=_is_personal(recipients, mail, keys),
        subject_is_reply=bool(_REPLY_PREFIX.match(mail.subject)),
        trace=read_trace(mail.all_headers(MARK_HEADERS[0])),
        is_receivers_report=may_be_report(mail),
    )


def _recipients(
    mail: ParsedMail, envelope: Envelope | None, keys: Sequence[bytes], *, only_cc: set[str]
) -> tuple[Recipient, ...]:
    """Each address once, in order; addresses that are none are left out."""
    if envelope is not None:
        found = [read_recipient(address, keys) for address in envelope.rcpt_to]
    else:
        named = [*mail.delivered_to, *(address.spec for address in (*mail.to, *mail.cc, *mail.resent_to))]
        found = [read_recipient(address, keys) for address in _envelope_recipients(mail)]
        found += [read_recipient(address, keys, is_header=True) for address in named[:MAX_HEADER_RECIPIENTS]]
    first: dict[str, Recipient] = {}
    for recipient in found:
        if recipient.normal:
            first.setdefault(recipient.normal, recipient)
    return tuple(replace(one, is_cc=True) if one.normal in only_cc else one for one in first.values())


def _envelope_recipients(mail: ParsedMail) -> tuple[str, ...]:
    """For whom the server that put the mail into the mailbox had it: its field stands above all that came with the mail.

    Delivered-To is none of these fields: it names the mailbox that everything ends in, whatever it was sent to.
    """
    written = next((value for name, value in mail.headers if name.lower() in ENVELOPE_HEADERS), "")
    return tuple(one for part in written.split(",")[:MAX_HEADER_RECIPIENTS] if (one := normalize(part)))


def _normals(addresses: Iterable[Address]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(normal for address in addresses if (normal := address.normal)))


def _has_null_reverse_path(mail: ParsedMail, envelope: Envelope | None) -> bool:
    """Some servers name the null sender ``<>`` in so many characters."""
    if envelope is not None:
        return envelope.mail_from.strip() in ("", "<>")
    return mail.return_path == ""


def _thread_ids(mail: ParsedMail) -> tuple[str, ...]:
    """What is answered first, then its forebears from the nearest to the farthest."""
    return _threading((*mail.in_reply_to, *reversed(mail.references)))[:MAX_REFERENCES]


def _threading(identifiers: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(one for one in identifiers if START_ANEW_TAG not in one))


def _fingerprint(mail: ParsedMail, envelope: Envelope | None, content_digest: str) -> str:
    """The same mail for the same recipients: at the door its envelope, else the first place it was delivered to."""
    if envelope is not None:
        recipients = sorted({normalize(address) or address for address in envelope.rcpt_to})
    else:
        recipients = list(mail.delivered_to[:1])
    text = "\n".join([mail.message_id or content_digest, *recipients])
    return hashlib.sha256(text.encode("utf-8", "replace")).hexdigest()


def _report_token(report: DeliveryReport | None, keys: Sequence[bytes]) -> AddressToken | None:
    if report is None or not report.original_mail_from:
        return None
    token = read_recipient(report.original_mail_from, keys).token
    return token if token is not None and token.purpose == "b" else None


def _is_personal(recipients: Iterable[Recipient], mail: ParsedMail, keys: Sequence[bytes]) -> bool:
    """Whether the author, and he alone, was given one of these reply addresses. Two authors are nobody."""
    author = mail.author.normal if mail.author and len(mail.header_from) == 1 else ""
    return any(one.token is not None and is_sealed_for(keys, one.token, author) for one in recipients)


def _has_our_mark(mail: ParsedMail, our_mark: str) -> bool:
    """Whether it is our own mail that came back."""
    return bool(our_mark) and any(our_mark in value for name in MARK_HEADERS for value in mail.all_headers(name))


def read_trace(values: Iterable[str]) -> tuple[str, ...]:
    """The marks of the installations that relayed a mail, from the values of `MARK_HEADERS`; what looks like none is left out."""
    marks = (value.partition(";")[0].strip() for value in values)
    return tuple(dict.fromkeys(mark for mark in marks if _MARK.fullmatch(mark)))[:MOST_TRACED]


def _answers_our_notice(mail: ParsedMail) -> bool:
    """Whether it answers a refusal of ours. A person may; a machine that does is a loop."""
    return any(tag in one for one in (*mail.in_reply_to, *mail.references) for tag in NOTICE_TAGS)
