"""Mailbox lists: the addresses in From, To, Cc, Reply-To and their kin, as they are really written.

Duty: permissive reading of RFC 5322 3.4 address lists. Quoted strings and comments are recognised before
words are decoded, so that ``"Bike@Home" <a@b.example>`` is one address and an encoded comma separates
nothing.
Laws: never raises; linear in its input; at most `MAX_ADDRESSES` per field.
Standards: RFC 5322 3.4 and 4.4 (obsolete forms), RFC 2047 5 (3), RFC 6532.
"""

from __future__ import annotations

import re

from postroom.core.mime.words import decode_words
from postroom.core.terms.addresses import Address

MAX_ADDRESSES = 2_000

_ONE = re.compile(
    r"""(?:"?([^"',<>():;@\\\[\]\x00-\x1f\x7f-\x9f\u2028\u2029]*?)"?[ ]*<)?"""  # a plain name
    r"""([^\s"',<>():;@\\\[\]=]+)@([A-Za-z0-9.-]+)(>)?"""
)
_SHORT = 200  # the pattern above is for the ordinary mailbox only
_TOKEN = re.compile(
    r"""\s++
    | "([^"\\]*+(?:\\.[^"\\]*+)*+)"                  # 1: a quoted string
    | <((?:"[^"]*+"|[^<>"]++)*+)"?>?                # 2: what stands between angle brackets, closed or not
    | (=\?[^?\s]{1,64}\?[bBqQ]\?[^?]{0,998}\?=)      # 3: an encoded word, whatever it contains
    | \([^()\\]*+(?:\\.[^()\\]*+)*+\)               # a comment
    | [^\s",;:<(]++
    | .""",
    re.DOTALL | re.VERBOSE,
)
_ESCAPED = re.compile(r"\\(.)", re.DOTALL)
_LOCAL_ONLY = re.compile(r"[\w.+/-]{1,64}")


def read_addresses(raw: str) -> tuple[Address, ...]:
    """The mailboxes of a field's value, group members included, in order.

    ``raw`` is unfolded; encoded words may still be in it. A name alone in angle brackets
    (``<MAILER-DAEMON>``) or as the only word is kept with an empty domain; words without an address are
    dropped.
    """
    if len(raw) < _SHORT:
        match = _ONE.fullmatch(raw)
        if match is not None and (match[1] is None) == (match[4] is None):
            name = match[1] or ""
            is_plain = name.isascii() and "=?" not in name and "  " not in name
            return (Address(name.strip() if is_plain else _clean_name(name), match[2], match[3]),)
    found = _Reader().read(raw)
    if not found and "=?" in raw:  # the whole field was encoded, brackets and all
        found = _Reader().read(decode_words(raw))
    return tuple(found)


class _Reader:
    """Collects the words of one mailbox until a separator, or the next mailbox, closes it."""

    def __init__(self) -> None:
        self.found: list[Address] = []
        self.phrase: list[tuple[str, bool, bool]] = []  # text, is it quoted, does it touch the word before
        self.comments: list[str] = []
        self.spec: str | None = None
        self.touching = False

    def read(self, raw: str) -> list[Address]:
        position = 0
        while position < len(raw) and len(self.found) < MAX_ADDRESSES:
            match = _TOKEN.match(raw, position)
            if match is None:
                break
            start, position = match.span()
            first = raw[start]
            if match[1] is not None:
                self._add_word(_ESCAPED.sub(r"\1", match[1]), quoted=True)
            elif match[2] is not None:
                inner = match[2]
                if raw[position - 1] != ">" and "," in inner and inner[:1] != "@":  # never closed: it ends at the comma
                    inner = inner.partition(",")[0]
                    position = start + 1 + len(inner)
                self._take_spec(inner)
            elif first in ",;":
                self._close()
            elif first == ":":
                self._colon()
            elif first == '"':  # never closed: from here on quotes are white space, so that they are looked for once
                raw = raw[:start] + raw[start:].replace('"', " ")
            elif first == "(":
                end = position if position - start > 1 else _end_of_comment(raw, start)
                if end:
                    self._add_comment(raw[start:end])
                    position = end
                else:
                    raw = raw[:start] + raw[start:].replace("(", " ")
            elif not first.isspace():
                self._add_word(match[0], quoted=False)
            self.touching = bool(self.phrase) and self.spec is None and self._is_word(first)
        self._close()
        return self.found

    @staticmethod
    def _is_word(first: str) -> bool:
        return first not in ",;:(<" and not first.isspace()

    def _add_word(self, text: str, *, quoted: bool) -> None:
        if self.spec is not None:
            self._close()  # a comma is missing before this word
        self.phrase.append((text, quoted, self.touching))

    def _add_comment(self, token: str) -> None:
        text = _ESCAPED.sub(r"\1", token[1:-1]).strip()
        if text and len(self.comments) < 10:
            self.comments.append(text)

    def _colon(self) -> None:
        """The end of a group's name (dropped), of ``mailto:``, or noise."""
        if self.spec is None:
            words = self._glued()
            self.phrase = []
            for local, domain in words:
                self._found("", local, domain)

    def _take_spec(self, inner: str) -> None:
        if self.spec is not None:
            self._close()
        self.spec = inner

    def _close(self) -> None:
        """The mailbox is complete."""
        phrase, self.touching = self.phrase, False
        if self.spec is not None:
            local, domain = _split_spec(self.spec)
            bare = self._glued() if not domain else []
            if bare:
                local, domain = bare[-1]
            if local:
                self._found(self._name(), local, domain)
        else:
            specs = self._glued()
            for local, domain in specs:
                self._found(self._comment_name() if len(specs) == 1 else "", local, domain)
            if not specs and len(phrase) == 1 and not phrase[0][1] and _may_be_local(phrase[0][0]):
                self._found(self._comment_name(), phrase[0][0], "")
        self.phrase, self.comments, self.spec = [], [], None

    def _found(self, name: str, local: str, domain: str) -> None:
        if len(self.found) < MAX_ADDRESSES:
            self.found.append(Address(name, local, domain))

    def _glued(self) -> list[tuple[str, str]]:
        """The bare addr-specs among the words: neighbours that touch are one (``"john doe"@x.example``)."""
        words: list[str] = []
        for text, is_quoted, touches in self.phrase:
            word = f'"{text}"' if is_quoted else text
            last = words[-1] if words else ""
            if last and (touches or last[-1] == "@" or (word[:1] == "@" and "@" not in last)):
                words[-1] += word  # touching, or "john @ x.example"
            else:
                words.append(word)
        pairs = (
            _split_spec(word) for word in words if "@" in word and not (word[0] == word[-1] == '"' or "=?" in word)
        )
        return [(local, domain) for local, domain in pairs if local and domain]

    def _name(self) -> str:
        pieces: list[str] = []
        for text, _, touches in self.phrase:
            pieces.append(text if touches or not pieces else " " + text)
        name = _clean_name("".join(pieces))
        return name or self._comment_name()

    def _comment_name(self) -> str:
        return _clean_name(" ".join(self.comments))


def _end_of_comment(raw: str, start: int) -> int:
    """Behind the comment that opens at ``start``, those inside it included; 0 when it never closes."""
    depth = 0
    position = start
    while position < len(raw):
        char = raw[position]
        if char == "\\":
            position += 1
        elif char == "(":
            depth += 1
        elif char == ")":
            depth -= 1
            if not depth:
                return position + 1
        position += 1
    return 0


def _clean_name(name: str) -> str:
    name = decode_words(name)
    if "  " in name or not name.isascii() or name != name.strip():
        name = " ".join(name.split())
    for _ in range(3):  # quotes inside quotes, as address books collect them
        if len(name) > 1 and name[0] == name[-1] and name[0] in "'\"":
            name = name[1:-1].strip()
    return name


def _split_spec(spec: str) -> tuple[str, str]:
    """Local part and domain of what stood between angle brackets.

    Routes, ``mailto:``, white space and quotes removed.
    """
    if "=?" in spec:
        spec = decode_words(spec)
    spec = spec.strip()
    if spec[:1] == "@" and ":" in spec:  # a source route (RFC 5322 4.4)
        spec = spec.rpartition(":")[2]
    if spec[:7].lower() == "mailto:":
        spec = spec[7:]
    if spec[:1] in ("'", "`") and spec[-1:] in ("'", "`", "´"):
        spec = spec[1:-1]
    local, at, domain = spec.rpartition("@")
    if not at:
        return (spec, "") if _may_be_local(spec) else ("", "")
    domain = domain.split(",", 1)[0].split()[0] if domain.split(",", 1)[0].strip() else ""
    return _bare(local), domain.strip("'\"`;:!?.\\")


def _bare(local: str) -> str:
    """A local part without the white space and quotes around it; quotes that it needs stay."""
    local = local.strip()
    if len(local) > 2 and local[0] == local[-1] == '"':
        inner = local[1:-1]
        return (
            inner if inner.isascii() and inner.replace(".", "").replace("-", "").replace("_", "").isalnum() else local
        )
    return "".join(local.split()).strip('"')


def _may_be_local(word: str) -> bool:
    """Whether a word without a domain may be a mailbox of the peer's own machine.

    ``root``, ``MAILER-DAEMON``.
    """
    return _LOCAL_ONLY.fullmatch(word) is not None and not word.lower().startswith("undisclosed")
