"""Encoding: text and bytes in the forms that travel through every relay.

Duty: encoded words, parameters, phrases, folded header lines, and transfer encodings, for `composing`.
Laws: no value can end its field (CR, LF, NUL and other controls become spaces); no line exceeds 998 bytes,
header lines aim at 78; equal input gives equal output.
Standards: RFC 2045 6 (quoted-printable, base64), RFC 2047 (encoded words of at most 75), RFC 2231
(parameters), RFC 5322 2.1.1.
"""

from __future__ import annotations

import re
from binascii import b2a_base64, b2a_qp
from functools import lru_cache

from postroom.core.mime.words import LINE_BREAKING
from postroom.core.terms.addresses import normalize_domain

SOFT_LIMIT = 78
HARD_LIMIT = 998
MAX_WORD = 75

_SURROGATES = re.compile(r"[\ud800-\udfff]")
_ATOMS = re.compile(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+(?: [A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+)*")
_DOT_ATOM = re.compile(
    r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~\u0080-\U0010ffff-]+(?:\.[A-Za-z0-9!#$%&'*+/=?^_`{|}~\u0080-\U0010ffff-]+)*"
)
_SAFE_IN_WORD = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789!*+-/")
_Q = [chr(byte) if byte in _SAFE_IN_WORD else "_" if byte == 32 else f"={byte:02X}" for byte in range(256)]


def clean(value: str) -> str:
    """A header text that cannot end its field.

    Controls and separators become spaces, lone surrogates U+FFFD, the ends are stripped.
    """
    if not value.isprintable():
        value = _SURROGATES.sub("\ufffd", value.translate(LINE_BREAKING))
    return value.strip(" ")


@lru_cache(maxsize=4096)
def unstructured(value: str, used: int) -> str:
    """A text field's value behind a name of ``used`` characters.

    Folded, encoded where it is not plain ASCII.
    """
    value = clean(value)
    if value.isascii() and "=?" not in value:
        folded = _fold_at_spaces(value, used)
        if folded is not None:
            return folded
    return encoded_words(value, used)


def _fold_at_spaces(value: str, used: int) -> str | None:
    """Folded where one space stands alone, so that unfolding gives every space back.

    None when a line stays too long.
    """
    if used + len(value) <= SOFT_LIMIT:
        return value
    lines: list[str] = []
    line = ""
    room = SOFT_LIMIT - used
    for word in _LONE_SPACE.split(value):
        if line and len(line) + 1 + len(word) > room:
            lines.append(line)
            line, room = word, SOFT_LIMIT - 1
        else:
            line = f"{line} {word}" if line or lines else word
    lines.append(line)
    if used + max(map(len, lines)) >= HARD_LIMIT:
        return None
    return "\r\n ".join(lines)


_LONE_SPACE = re.compile(r"(?<=[^ ]) (?=[^ ])")


def encoded_words(value: str, used: int) -> str:
    """The whole value as encoded words in UTF-8, by Q or B, whichever is shorter, one a line."""
    data = value.encode("utf-8")
    quoted = sum(len(_Q[byte]) for byte in data)
    encode = _q_word if quoted <= len(data) * 4 // 3 + 4 else _b_word
    words: list[str] = []
    start, room = 0, min(MAX_WORD, SOFT_LIMIT - 2 - used) - 12  # less =?utf-8?q? and ?=
    while start < len(value):
        taken, text = encode(value, start, max(room, 12))
        words.append(text)
        start, room = start + taken, MAX_WORD - 12
    return "\r\n ".join(words)


def _q_word(value: str, start: int, room: int) -> tuple[int, str]:
    """How many characters fit into a Q word, and the word."""
    pieces: list[str] = []
    taken = 0
    for char in value[start : start + room]:
        piece = _q_char(char)
        room -= len(piece)
        if room < 0:
            break
        pieces.append(piece)
        taken += 1
    return taken, f"=?utf-8?q?{''.join(pieces)}?="


@lru_cache(maxsize=2048)
def _q_char(char: str) -> str:
    return "".join(_Q[byte] for byte in char.encode("utf-8"))


def _b_word(value: str, start: int, room: int) -> tuple[int, str]:
    budget = room // 4 * 3
    taken = 0
    for char in value[start : start + budget]:
        budget -= 1 if char < "\x80" else 2 if char < "\u0800" else 3 if char < "\U00010000" else 4
        if budget < 0:
            break
        taken += 1
    text = b2a_base64(value[start : start + taken].encode("utf-8"), newline=False).decode("ascii")
    return taken, f"=?utf-8?b?{text}?="


@lru_cache(maxsize=8192)
def phrase(name: str) -> str:
    """A display name: atoms as they are, a quoted string, or encoded words (folded)."""
    name = clean(name)
    if _ATOMS.fullmatch(name) and "=?" not in name and len(name) <= SOFT_LIMIT:
        return name
    if name.isascii() and "=?" not in name and len(name) <= 4 * SOFT_LIMIT:
        return '"' + name.replace("\\", "\\\\").replace('"', '\\"') + '"'
    return encoded_words(name, 12)


@lru_cache(maxsize=8192)
def addr_spec(local: str, domain: str) -> str:
    """An addr-spec: the local part quoted where it must be, the domain in A-labels.

    Without a domain the local part alone.
    """
    local = clean(local)
    if not _DOT_ATOM.fullmatch(local):
        inner = (
            local[1:-1]
            if len(local) > 1 and local[0] == local[-1] == '"'
            else local.replace("\\", "\\\\").replace('"', '\\"')
        )
        local = f'"{_properly_escaped(inner)}"'
    if not domain:
        return local
    domain = _FORBIDDEN_IN_DOMAIN.sub("", domain)
    return f"{local}@{domain if domain.isascii() else normalize_domain(domain) or domain}"


_FORBIDDEN_IN_DOMAIN = re.compile(r"[\x00-\x20\x7f<>()@,;:\\\"\ud800-\udfff]")
_STRAY = re.compile(r'\\(.)|\\\Z|"')


def _properly_escaped(inner: str) -> str:
    """The inside of a quoted string that was given in quotes.

    Every quote in it escaped, no escape left open.
    """
    return _STRAY.sub(lambda found: f"\\{found[1]}" if found[1] else '\\"' if found[0] == '"' else "\\\\", inner)


@lru_cache(maxsize=8192)
def mailbox(name: str, local: str, domain: str) -> str:
    """``phrase <addr-spec>`` or the bare addr-spec; in angle brackets where it could be taken for an encoded word."""
    spec = addr_spec(local, domain)
    if not name or not (words := phrase(name)):
        return spec if domain and "=?" not in local else f"<{spec}>"
    gap = "\r\n " if len(words) - words.rfind("\n") + len(spec) > SOFT_LIMIT - 14 else " "
    return f"{words}{gap}<{spec}>"


def parameter(name: str, value: str) -> str:
    """``; name="value"`` on a line of its own; RFC 2231 with continuations when it is long or not ASCII."""
    value = clean(value)
    if value.isascii() and len(value) <= 60:
        return f';\r\n {name}="' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'
    encoded = "".join(chr(b) if b in _SAFE_IN_PARAMETER else f"%{b:02X}" for b in value.encode("utf-8"))
    if len(encoded) <= 60:
        return f";\r\n {name}*=utf-8''{encoded}"
    return "".join(f";\r\n {name}*{number}*={section}" for number, section in enumerate(_sections("utf-8''" + encoded)))


_SAFE_IN_PARAMETER = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789!#$&+-.^_`{}~")


def _sections(encoded: str) -> list[str]:
    """Cut into pieces of at most 60 characters, never inside a percent sign's triplet."""
    sections = []
    while encoded:
        cut = min(60, len(encoded))
        mark = encoded.rfind("%", max(0, cut - 2), cut)
        if cut < len(encoded) and mark >= 0:
            cut = mark
        sections.append(encoded[:cut])
        encoded = encoded[cut:]
    return sections


# -- transfer encodings ----------------------------------------------------------------------------------

_LONG_LINE = re.compile(r"[^\n]{901}")


def encode_text(text: str) -> tuple[str, bytes]:
    """A text body for the wire.

    Its transfer encoding (7bit, quoted-printable or base64) and its lines by CRLF.
    """
    text = _SURROGATES.sub("\ufffd", text) if not text.isascii() else text
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    if text and not text.endswith("\n"):
        text += "\n"
    data = text.encode("utf-8")
    if text.isascii() and "\0" not in text and not _LONG_LINE.search(text):
        return "7bit", data.replace(b"\n", b"\r\n")
    foreign = len(data) - len(data.translate(None, _FOREIGN))
    if foreign * 6 > len(data):  # each costs two bytes more in quoted-printable, a third of all in base64
        return "base64", encode_base64(data.replace(b"\n", b"\r\n"))
    return "quoted-printable", b2a_qp(data, istext=True).replace(b"\n", b"\r\n")


_FOREIGN = bytes([*range(9), *range(11, 32), 61, *range(127, 256)])


def encode_base64(data: bytes) -> bytes:
    """Base64 in lines of 76 by CRLF."""
    line = b2a_base64(data, newline=False)
    return b"".join([line[start : start + 76] + b"\r\n" for start in range(0, len(line), 76)])
