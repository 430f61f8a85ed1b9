"""Whom a report in plain words names, and the words that stand by each.

Laws: pure, never raises, linear in what is read (20,000 characters). The surest place counts, and only that one: a header, fields
in the text, lines that begin with an address, phrases, and at last whom the quoted mail was for. The sender of the mail that
failed, which is whom the report is written to, is never a failed recipient.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from postroom.core.mime.markup import html_to_text
from postroom.core.mime.parsed import ParsedMail
from postroom.core.reports.classifying import tells_reason
from postroom.core.reports.quoted import quoted_heads
from postroom.core.reports.recipients import basic_code
from postroom.core.reports.status_fields import Group, first, read_groups, read_head, read_typed_address
from postroom.core.terms.addresses import normalize

_MAX_NOTICE = 20_000  # characters of a notice that are looked at
_MAX_HTML = 100_000
_MAX_HEADER = 4_000
_MAX_RECIPIENTS = 100
# Said by what may not stand there: the same signs, but a range up to the last sign of Unicode takes a tenth of a second to compile, each time.
_SIGN = r"[^\x00-\x20\"(),:;<>@\[\\\]\x7f]"  # letters and digits of any script, and !#$%&'*+/=?^_`{|}~.-
_HOST_SIGN = r"[^\x00-)+,/:-@\[-\^`{-\x7f]"  # the same, and ._*-
_HOST_END = r"[^\x00-/:-@\[-`{-\x7f]"
_WORD = rf"{_SIGN}{{1,64}}"
ADDRESS = rf"(?:smtp:|rfc822;\s?|dda:smtp=|mailto:)?({_WORD}@{_HOST_SIGN}{{0,253}}{_HOST_END})"
_I = re.IGNORECASE

_QUOTE_BEGINS = re.compile(
    r"^[\s>|=*_-]{0,80}(?:below (?:this|the next) line is a copy|below is a copy of|this is a copy of (?:the|your)|(?:the |your )?original (?:e-?mail |message |mail )?(?:headers? |message |details )?(?:follows?|details|attached|--|as follows)"
    r"|original (?:message|mail)\b|message headers? follow|message header\b|returned message\b|returned mail\b.*-|the headers? (?:of the original|and top)|message text follows|unsent message|mensaje original|your message reads"
    r"|possibly truncated original|urspr[uü]ngliche nachrichtenkopf|en-t[eê]tes de message|intestazioni originali|encabezados de mensaje|cabe[cç]alhos de mensage|ursprungligt meddelande|oorspronkelijke berichtkop|oryginalne nag[lł][oó]wki|исходные заголовки|元のメッセージ|原始邮件|di seguito la copia"
    r"|non-delivered message|received:\s{1,9}(?:from|by|\(|for)\b|return-path:|dkim-signature:|arc-seal:|x-received:|begin message|undelivered message)",
    _I,
)

# Where notices name a recipient, the surest place first. Group 1 is the address.
_LINE = re.compile(
    rf"^[\s>*•.\"'\[(=|-]{{0,40}}(?:[^\s<>@]{{1,64}}@[^\s<>@]{{1,253}} <)?<?{ADDRESS}>?[\"'\])]*(?![\w@.-]*@)\s*(?:[:,;(\[]|\.{1, 3}(?:\s|$)|\bon\b|-|$|invalid|<mailto)",
    _I,
)
_EXPANDED = re.compile(rf"^[^\n]{{0,80}}\n?\s{{0,80}}\((?:expanded|(?:ultimately )?generated) from:? <?{ADDRESS}", _I)
_PHRASES = tuple(
    re.compile(pattern.replace("ADDR", f"[\\[(<\"'*\\s]*{ADDRESS}"), _I)
    for pattern in (
        r"(?:undeliverable|delivered|deliver(?:y|ing)?(?:\s+\w+){0,4}|delivery failed[^:\n]{0,30})\s+(?:address|to|recipients?)\s*(?:the following recipients?)?\s*:?\s*ADDR",
        r"(?:undeliverable address|target mail address|final delivery userid|originally addressed to|addressed to(?: email address)?|(?:failed )?recipient(?:s)?(?: address)?|failed address|permanent errors|d[eé]livr[eé] a|address failed|mailbox is full|unknown (?:user|host|domain)|exceeds allowed size|status: error, address|无法发送到|收件人[^\n@]{0,12})\s*:?\s*(?:--)?\s*ADDR",
        r"(?:rcpt to|rejected recipient|your message to|verify that|message-id in)\s*:?\s*ADDR",
        r"(?:\battempts|delivery failed)\s*:\s*ADDR",
        r"your message\s{1,20}to:\s{1,20}ADDR",
        r"\b[45]\d\d[ -](?:[45]\.\d{1,3}\.\d{1,3}\s)?ADDR",
        r"\bT=ADDR",
        r":ADDR>\s{1,3}:",
        r"user\s+[^\n(]{0,60}\(ADDR\) (?:not|is not) ",
        r"(?:cannot|can not|can't|not) be delivered[^\n@]{0,60}?\bADDR",
        r"(?:to|in|list) <ADDR>\.\s",
    )
)


@dataclass(frozen=True, slots=True)
class NamedRecipient:
    """A recipient that a notice names, and the words by it. Addresses are normalised; see `ReportedAddress`."""

    address: str
    words: str
    final_address: str = ""


def named_recipients(mail: ParsedMail, text: str, *, guessed_from: str | None = None) -> tuple[NamedRecipient, ...]:
    """From the surest place that names any. ``text`` is the notice's own, ``guessed_from`` the mail quoted behind it: where no
    place names any, whom that or a quoted part was for, if it was one."""
    senders = {address.normal for address in (*mail.to, *mail.header_from)}
    places = (
        _in_failed_header(mail, text, senders),
        _in_fields(text),
        _on_lines_but(senders, text),
        (found for found in _in_phrases(text, senders)),
        _in_quoted_to(mail, text, guessed_from) if guessed_from is not None else iter(()),
    )
    for place in places:
        found = {one.address: one for one in reversed(list(_some(place)))}
        if found:
            return tuple(reversed(found.values()))
    return ()


def quoted_head_in_text(quoted: str) -> Group:
    """The header of the mail quoted in the notice's text."""
    return read_head("\n".join(line.strip() if ":" in line else line for line in quoted.split("\n"))) if quoted else {}


def words_by_address(text: str) -> dict[str, str]:
    """What the notice says after it has named an address on a line."""
    return {found.address: found.words for found in reversed(list(_on_lines(text)))}


def split_notice(mail: ParsedMail) -> tuple[str, str]:
    """What the notice says in its own words, and the mail that it quotes behind them."""
    text = (mail.text[:_MAX_NOTICE] or html_to_text(mail.html[:_MAX_HTML])).replace("\r\n", "\n")[:_MAX_NOTICE]
    lines = text.split("\n")
    for number, line in enumerate(lines):
        if number and _QUOTE_BEGINS.match(line):
            rest = lines[number:] if re.match(r"\s*[A-Za-z-]+:", line) else lines[number + 1 :]
            return "\n".join(lines[:number]), "\n".join(rest).lstrip("\n")
    return text, ""


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


def _in_failed_header(mail: ParsedMail, text: str, senders: set[str]) -> Iterator[NamedRecipient]:
    """Exim's X-Failed-Recipients; where the words name others with a reason, the words count."""
    values = mail.all_headers("X-Failed-Recipients")
    addresses = [normalize(part) for value in values for part in value[:_MAX_HEADER].split(",")]
    by_line = {one.address: one for one in _on_lines_but(senders, text)} if addresses else {}
    others = [one for one in by_line.values() if tells_reason(one.words) or basic_code(one.words)]
    if others and not any(address in by_line for address in addresses):
        yield from others
        return
    for address in addresses:
        yield NamedRecipient(address, by_line[address].words if address in by_line else text)


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
    starts: list[tuple[int, re.Match[str]]] = []
    for number, line in enumerate(lines):
        match = _LINE.match(line) if "@" in line else None
        if match is not None and not (starts and _goes_on(lines, starts[-1], number, match)):
            starts.append((number, match))
    for index, (number, match) in enumerate(starts):
        end = starts[index + 1][0] if index + 1 < len(starts) else len(lines)
        words = "\n".join([lines[number][match.end(1) :], *lines[number + 1 : end]])
        yield NamedRecipient(normalize(match[1]), words.strip(" :>\n") or text)


def _goes_on(lines: list[str], start: tuple[int, re.Match[str]], number: int, match: re.Match[str]) -> bool:
    """Whether this line belongs to the words by the address before it: the same one again, or set deeper below it."""
    if normalize(match[1]) == normalize(start[1][1]):
        return True
    is_deeper = _indent(lines[number]) > _indent(lines[start[0]])
    return is_deeper and all(line.strip() for line in lines[start[0] : number])


def _indent(line: str) -> int:
    return len(line) - len(line.lstrip())


def _on_lines_but(senders: set[str], text: str) -> Iterator[NamedRecipient]:
    """Who writes to himself may fail too: then words of a refusal stand by his address."""
    found = list(_on_lines(text))
    others = [one for one in found if one.address not in senders]
    yield from others or [one for one in found if tells_reason(one.words) or basic_code(one.words)]


def _in_phrases(text: str, senders: set[str]) -> Iterator[NamedRecipient]:
    for pattern in _PHRASES:
        addresses = (normalize(match[1]) for match in pattern.finditer(text))
        found = [NamedRecipient(address, text) for address in addresses if address not in senders]
        if found:
            yield from found
            return


def _in_quoted_to(mail: ParsedMail, text: str, quoted: str) -> Iterator[NamedRecipient]:
    for head in (*quoted_heads(mail), quoted_head_in_text(quoted)):
        addresses = re.findall(ADDRESS, first(head, "to")[:_MAX_HEADER], _I)
        if len(addresses) == 1:
            yield NamedRecipient(normalize(addresses[0]), text)
            return
