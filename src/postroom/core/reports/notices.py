"""Failure notices in plain words: what mail servers write that do not know RFC 3464.

Duty: whether a mail is such a notice, and which recipients its text names, each with the words that stand by it.
Laws: pure; never raises. A mail server must speak, and of a failure: one that calls itself a mailer daemon needs one sign
of that (subject, words, an SMTP reply, Exim's header), every other two. And a recipient must be named in a place where
such notices name them: a person who merely writes about bounces is no mail server.
The sender of the mail that failed, which is whom the notice is written to, is never a failed recipient.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from postroom.core.mime.markup import html_to_text
from postroom.core.mime.parsed import ParsedMail
from postroom.core.reports.quoted import quoted_heads
from postroom.core.reports.status_fields import Group, read_groups, read_head, read_typed_address
from postroom.core.terms.addresses import normalize

_MAX_NOTICE = 20_000  # characters of a notice that are looked at
_MAX_RECIPIENTS = 100
_WORD = r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~.\-\u0080-\U0010ffff]{1,64}"
_ADDR = rf"(?:smtp:|rfc822;\s?|dda:smtp=|mailto:)?({_WORD}@[A-Za-z0-9\u0080-\U0010ffff._-]{{1,253}}[A-Za-z0-9\u0080-\U0010ffff])"
_I = re.IGNORECASE

_DAEMON = re.compile(
    r"mailer[-_. ]?daemon|mail[-_. ]?daemon|\bmdaemon@|\bpostmaster\b|mail[-_. ]delivery[-_. ](?:sub)?system|mail administrator",
    _I,
)
_SURE_DAEMON = re.compile(r"mailer[-_. ]?daemon|mail[-_. ]delivery[-_. ](?:sub)?system", _I)
_FAILED_SUBJECT = re.compile(
    r"undeliver|not delivered|non[- ]?delivery|delivery (?:has )?(?:fail|status|report|problem|delay|error)|failure notice|failure delivery"
    r"|(?:delivery|mail|message|system|sending) (?:failure|error)|mail failed|failed mail|returned (?:mail|message|to sender)|returning (?:message )?to sender"
    r"|could(?: not|n't) be delivered|(?:bounce|warning).{0,30}(?:notif|not yet|message)|error sending your (?:mail|message)|delayed mail"
    r"|unzustellbar|nicht zugestellt|non remis|non distribu|no entregado|mancata consegna|n[ãa]o entreg|не доставлено|недоставлен|配信できません|配信不能",
    _I,
)
_FAILED_TEXT = re.compile(
    r"could(?: not|n't) be delivered|(?:was|is|has) not (?:been |yet been )?delivered|un(?:able|deliverable)[^.\n]{0,40}(?:deliver|\bto\b|address)|delivery (?:to|of|has)\b[^.\n]{0,60}(?:fail|delay|not)"
    r"|(?:not|n't) able to deliver|did not (?:reach|receive)|had (?:permanent|transient|delivery|trouble)|permanent(?:ly)? (?:fatal )?(?:error|fail)|returned permanent errors|was rejected and|reason: mailbox"
    r"|undeliverable|invalid final delivery|mailbox is full|delivery failed|error delivering your mail|rejected recipient|encountered delivery problems"
    r"|pas pu [eê]tre d[eé]livr|no pudo ser entregado|nicht zugestellt|не может быть доставлено|невозможно доставить|failure reasons"
    r"|(?:送信|配信)(?:でき|に失敗)",
    _I,
)
_SMTP_REPLY = re.compile(r"(?:^|[\s:>])(?:4[0-7]|5[0-7])\d[ -][45]\.\d{1,3}\.\d{1,3}\s|(?:^|[\s:>])55\d[ -]")
_DELAYED = re.compile(
    r"(?:has been|is|was) delayed|not yet been delivered|\bdelay(?:ed)?\b|warning message only|warning only|this is (?:just )?a warning"
    r"|will be (?:retried|made)|will continue to (?:be )?(?:attempt|tr)|still being retried|do not need to resend",
    _I,
)
_QUOTE_BEGINS = re.compile(
    r"^[\s>|=*_-]{0,80}(?:below (?:this|the next) line is a copy|below is a copy of|this is a copy of (?:the|your)|(?:the |your )?original (?:e-?mail |message |mail )?(?:headers? |message |details )?(?:follows?|details|attached|--)"
    r"|original message\b|message headers? follow|message header\b|returned message\b|returned mail\b.*-|the headers? of the original|message text follows|unsent message|mensaje original|your message reads"
    r"|non-delivered message|received:\s{1,9}(?:from|by|\(|for)\b|return-path:|dkim-signature:|arc-seal:|x-received:|begin message|undelivered message)",
    _I,
)

# Where notices name a recipient, the surest place first. Group 1 is the address.
_LINE = re.compile(
    rf"^[\s>*•.\"'\[(=|-]{{0,40}}<?{_ADDR}>?[\"'\])]*(?![\w@.-]*@)\s*(?:[:,;(]|\.{1, 3}(?:\s|$)|\bon\b|-|$|invalid|<mailto)",
    _I,
)
_EXPANDED = re.compile(rf"^[^\n]{{0,80}}\n?\s{{0,80}}\((?:expanded|(?:ultimately )?generated) from:? <?{_ADDR}", _I)
_PHRASES = tuple(
    re.compile(pattern.replace("ADDR", f"[\\[(<\"'*\\s]*{_ADDR}"), _I)
    for pattern in (
        r"(?:undeliverable|delivered|deliver(?:y|ing)?(?:\s+\w+){0,4}|delivery failed[^:\n]{0,30})\s+(?:address|to|recipients?)\s*(?:the following recipients?)?\s*:?\s*ADDR",
        r"(?:undeliverable address|target mail address|final delivery userid|originally addressed to|addressed to(?: email address)?|recipient(?:s)?(?: address)?|permanent errors|d[eé]livr[eé] a|address failed|mailbox is full)\s*:?\s*(?:--)?\s*ADDR",
        r"(?:rcpt to|rejected recipient|your message to)\s*:?\s*ADDR",
        r"(?:\battempts|delivery failed)\s*:\s*ADDR",
        r"\b[45]\d\d[ -](?:[45]\.\d{1,3}\.\d{1,3}\s)?ADDR",
        r"\bT=ADDR",
        r"user\s+[^\n(]{0,60}\(ADDR\) (?:not|is not) ",
        r"(?:cannot|can not|can't|not) be delivered[^\n@]{0,60}?\bADDR",
    )
)


@dataclass(frozen=True, slots=True)
class NamedRecipient:
    """A recipient that a notice names, and the words by it. Addresses are normalised; see `ReportedAddress`."""

    address: str
    words: str
    final_address: str = ""


@dataclass(frozen=True, slots=True)
class Notice:
    """What a failure notice says."""

    recipients: tuple[NamedRecipient, ...]
    is_delay: bool


def read_notice(mail: ParsedMail, *, has_null_reverse_path: bool) -> Notice | None:
    """The notice that this mail is, or None."""
    sender = mail.header("From")
    is_daemon = bool(_SURE_DAEMON.search(sender))
    if not (is_daemon or has_null_reverse_path or _DAEMON.search(sender)):
        return None
    text = notice_text(mail)
    signs = (
        bool(_FAILED_SUBJECT.search(mail.subject)),
        bool(_FAILED_TEXT.search(text)),
        bool(_SMTP_REPLY.search(text)),
        bool(mail.header("X-Failed-Recipients")),
    )
    if sum(signs) < (1 if is_daemon else 2):
        return None
    recipients = named_recipients(mail, may_guess=is_daemon)
    return Notice(recipients=recipients, is_delay=_is_delay(mail, text)) if recipients else None


def named_recipients(mail: ParsedMail, *, may_guess: bool) -> tuple[NamedRecipient, ...]:
    """Whom the notice names, from the surest place that names anybody. ``may_guess``: at the last, whom the quoted mail
    was for, where that was one."""
    text = notice_text(mail)
    senders = {address.normal for address in (*mail.to, *mail.header_from)}
    places = (
        _in_failed_header(mail, text),
        _in_fields(text),
        (found for found in _on_lines(text) if found.address not in senders),
        (found for found in _in_phrases(text) if found.address not in senders),
        _in_quoted_to(mail, text) if may_guess else iter(()),
    )
    for place in places:
        found = {one.address: one for one in reversed(list(_some(place)))}
        if found:
            return tuple(reversed(found.values()))
    return ()


def notice_text(mail: ParsedMail) -> str:
    """What the notice says in its own words: the text without the mail that it quotes."""
    return _split(mail)[0]


def quoted_head_in_text(mail: ParsedMail) -> Group:
    """The header of the mail quoted in the notice's text."""
    return read_head("\n".join(line.strip() if ":" in line else line for line in _split(mail)[1].split("\n")))


def _split(mail: ParsedMail) -> tuple[str, str]:
    text = (mail.text or html_to_text(mail.html)).replace("\r\n", "\n")[:_MAX_NOTICE]
    lines = text.split("\n")
    for number, line in enumerate(lines):
        if number and _QUOTE_BEGINS.match(line):
            rest = lines[number:] if re.match(r"\s*[A-Za-z-]+:", line) else lines[number + 1 :]
            return "\n".join(lines[:number]), "\n".join(rest).lstrip("\n")
    return text, ""


def _is_delay(mail: ParsedMail, text: str) -> bool:
    return bool(re.search(r"delay|warning|not yet", mail.subject, _I) or _DELAYED.search(text[:3_000]))


def _some(found: Iterable[NamedRecipient]) -> Iterator[NamedRecipient]:
    for number, one in enumerate(found):
        if number >= _MAX_RECIPIENTS:
            return
        if one.address:
            yield _unexpanded(one)


def _unexpanded(named: NamedRecipient) -> NamedRecipient:
    """``bob@there.example (expanded from: bob@here.example)``: the latter is whom the mail was sent to."""
    match = _EXPANDED.search(named.words)
    original = normalize(match[1]) if match else ""
    if not original or original == named.address:
        return named
    return NamedRecipient(original, named.words, final_address=named.address)


def _in_failed_header(mail: ParsedMail, text: str) -> Iterator[NamedRecipient]:
    """Exim's X-Failed-Recipients."""
    for value in mail.all_headers("X-Failed-Recipients"):
        for part in value.split(","):
            address = normalize(part)
            yield NamedRecipient(address, _words_by(text, address) or text)


def _in_fields(text: str) -> Iterator[NamedRecipient]:
    """RFC 3464 fields that stand in the text."""
    if "final-recipient" not in text.lower():
        return
    for group in read_groups(text.encode("utf-8", "replace")):
        for value in group.get("final-recipient", ()):
            words = [*group.get("diagnostic-code", ()), *group.get("status", ())]
            yield NamedRecipient(read_typed_address(value), " ".join(words))


def _on_lines(text: str) -> Iterator[NamedRecipient]:
    """``<bob@example.org>: 550 no such user`` or an address on a line of its own, and what follows up to the next."""
    lines = text.split("\n")
    starts = [(number, match) for number, line in enumerate(lines) if (match := _LINE.match(line))]
    for index, (number, match) in enumerate(starts):
        end = starts[index + 1][0] if index + 1 < len(starts) else len(lines)
        words = "\n".join([lines[number][match.end(1) :], *lines[number + 1 : end]])
        yield NamedRecipient(normalize(match[1]), words.strip(" :>\n") or text)


def _in_phrases(text: str) -> Iterator[NamedRecipient]:
    for pattern in _PHRASES:
        found = [NamedRecipient(normalize(match[1]), text) for match in pattern.finditer(text)]
        if found:
            yield from found
            return


def _in_quoted_to(mail: ParsedMail, text: str) -> Iterator[NamedRecipient]:
    for head in (*quoted_heads(mail), quoted_head_in_text(mail)):
        addresses = re.findall(_ADDR, " ".join(head.get("to", ())), _I)
        if len(addresses) == 1:
            yield NamedRecipient(normalize(addresses[0]), text)
            return


def _words_by(text: str, address: str) -> str:
    """What the notice says after it has named the address on a line."""
    return next((found.words for found in _on_lines(text) if found.address == address), "")
