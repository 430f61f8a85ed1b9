"""Failure notices in plain words: what mail servers write that do not know RFC 3464.

Duty: whether a mail is such a notice, and which recipients its text names.
Laws: pure; never raises. A mail server must speak, and of a failure: one that calls itself a mailer daemon needs one sign
of that (subject, words, an SMTP reply, Exim's header), a postmaster or a null reverse-path two, any other program its own mark
or a subject and words. And a recipient must be named in a place where such notices name them: a person who merely writes about
bounces is no mail server.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from enum import IntEnum

from postroom.core.mime.parsed import ParsedMail
from postroom.core.reports.classifying import tells_reason
from postroom.core.reports.delivery_reports import DeliveryReport
from postroom.core.reports.named import named_recipients, quoted_head_in_text, split_notice
from postroom.core.reports.quoted import original_message_id, quoted_heads, quoted_return_path
from postroom.core.reports.recipients import MAX_TEXT, draft_by_words, judge_all, kind_of

_I = re.IGNORECASE
_MAX_LINE = 1_000  # characters of a subject or sender

_DAEMON = re.compile(
    r"mailer[-_. ]?daemon|mail[-_. ]?daemon|\bmdaemon@|post[-_]?master\b|mail[-_. ]delivery?[-_. ](?:sub)?system|mail administrator",
    _I,
)
_SURE_DAEMON = re.compile(r"mailer[-_. ]?daemon|mail[-_. ]delivery?[-_. ](?:sub)?system", _I)
# Most mails are written by persons: one of these must be in the name of whoever is looked at more closely.
_MACHINE_WORDS = (
    "daemon", "post", "deliver", "administrator", "reply", "mailer", "gateway", "system", "scan", "virus", "spam",
    "smtp", "bounce", "inetgw", "notif", "robot", "automat", "server", "filter",
)  # fmt: skip
_PROGRAM = re.compile(
    r"no[-_.]?reply|do[-_.]?not[-_.]?reply|mail[-_. ]?(?:er|server|gateway|system|scan|filter|robot)|gateway|(?:anti|inter)[-_]?(?:virus|spam|scan)|\bsmtp|bounce|inetgw|system|notif|robot|automat|administrator",
    _I,
)
_FAILED_SUBJECT = re.compile(
    r"undeliver|not delivered|non[- ]?delivery|not? deliverable|delivery (?:has )?(?:fail|status|report|problem|delay|error)|failure notice|failure delivery|\[bounce\]"
    r"|(?:delivery|mail|message|system|sending) (?:failure|error)|mail failed|failed mail|returned (?:mail|message|to sender)|returning (?:message )?to sender|systems bounce"
    r"|could(?: not|n't) be (?:delivered|sent)|(?:bounce|warning).{0,30}(?:notif|not yet|message)|error sending your (?:mail|message)|delayed mail|message you sent blocked|delivery has failed|loop alert|loop back warning|not member article|mail (?:to|from) [^ ]{1,200} (?:was )?rejected"
    r"|unzustellbar|nicht zugestellt|fehler bei der zustellung|non remis|non distribu|no (?:se )?(?:puede )?entrega|no entregado|mancata consegna|non recapitabile|n[ãa]o (?:[ée] poss[íi]vel )?entreg|kan inte levereras|kunne ikke leveres|niet bezorgbaar|onbestelbaar|niedostarcz|nedoru[cč]|toimittamaton|k[eé]zbes[ií]thetetlen|iletilemedi|nelivrat"
    r"|не доставлено|недоставлен|не удалось доставить|配信できません|配信不能|送信できません|エラーメール|无法送达|退信|無法傳遞|전달되지|반송|배달 실패",
    _I,
)
_FAILED_TEXT = re.compile(
    r"(?:could(?: not|n't)|can(?: ?not|'t)) be (?:delivered|sent)|(?:was|is|has) not (?:been |yet been )?delivered|un(?:able|deliverable)[^.\n]{0,40}(?:deliver|\bto\b|address)|delivery (?:to|of|has)\b[^.\n]{0,60}(?:fail|delay|not)"
    r"|(?:not|n't) able to deliver|did not (?:reach|receive)|had (?:permanent|transient|delivery|trouble)|permanent(?:ly)? (?:fatal )?(?:error|fail)|returned permanent errors|was rejected (?:and|by)|reason: mailbox|trouble delivering"
    r"|undeliverable|invalid final delivery|mailbox is full|delivery failed|error delivering your mail|rejected recipient|encountered delivery problems|(?:not|n't) be able to deliver|incorrectly constructed|duplicated message-id|could not deliver|you(?:'| a)re not a member|not member article|reject mail (?:from|to)|loop condition|security alert"
    r"|pas pu [eê]tre d[eé]livr|[eé]chec de la remise|no (?:pudo|ha podido) (?:ser entregado|entregarse)|error de entrega|nicht zugestellt|fehler bei der nachrichtenzustellung|impossibile recapitare|falha na entrega|non e' stato possibile|niet bezorgen|det gick inte att leverera|nie powiod[lł]o si[eę]"
    r"|не может быть (?:доставлено|отправлено)|невозможно доставить|сбой доставки|failure reasons|delivery errors"
    r"|(?:送信|配信)(?:でき|に失敗)|への配信|被退回|无法送达|未能向|전송(?:되지|하지)",
    _I,
)
_SMTP_REPLY = re.compile(r"(?:^|[\s:>])(?:4[0-7]|5[0-7])\d[ -][45]\.\d{1,3}\.\d{1,3}\s|(?:^|[\s:>])55\d[ -]")
_DELAYED_SUBJECT = re.compile(r"delay|warning|not yet", _I)
_DELAYED = re.compile(
    r"(?:has been|is|was) delayed|not yet been delivered|\bdelay(?:ed)?\b|warning message only|warning only|this is (?:just )?a warning"
    r"|will be (?:retried|made)|will continue to (?:be )?(?:attempt|tr|made)|still being retried|do not need to resend",
    _I,
)
_GIVEN_UP = re.compile(r"no (?:further|more) (?:delivery )?attempts|given up|gave up|permanent", _I)
_ANSWERS = re.compile(r"\s*(?:re|aw|fwd?|wg|tr|rv|antw|sv|vs)\s?:", _I)

# Programs that do not call themselves daemons, by a header of theirs.
_MARKS: Mapping[str, re.Pattern[str]] = {
    name: re.compile(pattern, _I)
    for name, pattern in (
        ("x-failed-recipients", r"@"),
        ("x-mailer", r"<SMTP32|m-?filter|internet mail service|mailmarshal"),
        ("x-mlserver", r"fml"),
        ("x-mx-bounce", r"."),
        ("x-ahmailid", r"."),
        ("x-sef-processed", r"."),
        ("x-ms-embedded-report", r""),
        ("x-mimecast-originator", r"<>"),
    )
}


_RETURN_PATH = re.compile(r"^(?:bounces?|return)[-+=_.]|[-+=_.]bounces?(?:[-+=]|$)", _I)


class _Speaker(IntEnum):
    """Who seems to speak, by header alone."""

    PERSON = 0
    PROGRAM = 1
    POSTMASTER = 2
    DAEMON = 3


def read_notice(mail: ParsedMail, is_null: bool) -> DeliveryReport | None:
    """The notice that this mail is, or None."""
    speaker = _speaker(mail, is_null)
    if speaker is _Speaker.PERSON:
        return None
    text, quoted = split_notice(mail)
    if not _speaks_of_failure(mail, speaker, text, is_null):
        return None
    named = named_recipients(mail, text, guessed_from=quoted if speaker is _Speaker.DAEMON else None)
    if not named and not (_is_certain(mail, text) and quoted_heads(mail)):
        return None
    is_delay = _is_delay(mail.subject[:_MAX_LINE], text[:3_000])
    recipients = judge_all(
        draft_by_words(one.address, one.words, text=text, is_delay=is_delay, final_address=one.final_address)
        for one in named
    )
    head = quoted_head_in_text(quoted)
    return DeliveryReport(
        kind=kind_of(recipients),
        recipients=recipients,
        original_message_id=original_message_id(mail, head),
        text=text.strip()[:MAX_TEXT],
        original_mail_from=quoted_return_path(mail, head),
    )


def _is_certain(mail: ParsedMail, text: str) -> bool:
    """A notice that names nobody: subject and words must both speak of a failure, and the mail must be there."""
    subject = mail.subject[:_MAX_LINE]
    return bool(_FAILED_SUBJECT.search(subject) and _FAILED_TEXT.search(text)) and not _ANSWERS.match(subject)


def _is_delay(subject: str, text: str) -> bool:
    return bool(_DELAYED_SUBJECT.search(subject) or (_DELAYED.search(text) and not _GIVEN_UP.search(text)))


def _speaker(mail: ParsedMail, is_null: bool) -> _Speaker:
    sender, subject = mail.header("From")[:_MAX_LINE].lower(), mail.subject[:_MAX_LINE]
    is_machine = any(word in sender for word in _MACHINE_WORDS)
    if is_machine and _SURE_DAEMON.search(sender):
        return _Speaker.DAEMON
    if is_null or (is_machine and _DAEMON.search(sender)) or _has_mark(mail) or _comes_to_return_path(mail):
        return _Speaker.POSTMASTER
    is_program = is_machine and _PROGRAM.search(sender) and not _ANSWERS.match(subject)
    return _Speaker.PROGRAM if is_program and _FAILED_SUBJECT.search(subject) else _Speaker.PERSON


def _comes_to_return_path(mail: ParsedMail) -> bool:
    """Nobody but a mail server writes to an envelope sender."""
    return any(_RETURN_PATH.search(address.local) for address in mail.to)


def _has_mark(mail: ParsedMail) -> bool:
    return any(
        (pattern := _MARKS.get(name.lower())) is not None and pattern.search(value[:_MAX_LINE])
        for name, value in mail.headers
    )


def _speaks_of_failure(mail: ParsedMail, speaker: _Speaker, text: str, is_null: bool) -> bool:
    signs = (
        bool(_FAILED_SUBJECT.search(mail.subject[:_MAX_LINE])),
        bool(_FAILED_TEXT.search(text)) or tells_reason(text[:MAX_TEXT]),
        bool(_SMTP_REPLY.search(text)),
        _has_mark(mail),
        is_null and any(part.content_type == "message/rfc822" for part in mail.report_parts),
    )
    return sum(signs) >= (1 if speaker is _Speaker.DAEMON else 2)
