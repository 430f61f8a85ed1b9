r"""RTF: the rich text in which Outlook keeps a body, as the HTML that it was made of, or as plain text.

Duty: to unpack a compressed body, to find the HTML that it encapsulates, and else its words.
Laws: never raises; output is bounded before it grows; one pass over the tokens.
Standards: MS-OXRTFCP (compression), MS-OXRTFEX (HTML encapsulated in RTF), RTF 1.9.1 (``\'hh``, ``\u``, code pages of fonts).
"""

from __future__ import annotations

import re
import struct
from dataclasses import dataclass, field
from typing import NamedTuple

from postroom.core.mime.words import decode_text

MAX_RTF = 1_000_000  # bytes that are unpacked and read
MAX_GROUPS = 1_000  # depth of braces that keep a state of their own

_PRELOADED = (
    b"{\\rtf1\\ansi\\mac\\deff0\\deftab720{\\fonttbl;}{\\f0\\fnil \\froman \\fswiss \\fmodern \\fscript \\fdecor "
    b"MS Sans SerifSymbolArialTimes New RomanCourier{\\colortbl\\red0\\green0\\blue0\r\n\\par "
    b"\\pard\\plain\\f0\\fs20\\b\\i\\u\\tab\\tx"
)
_WINDOW = 4096


def decompress_rtf(data: bytes) -> bytes:
    """The RTF of a compressed body (MS-OXRTFCP 2.1), as far as it can be read; ``b""`` when it is none."""
    if len(data) < 16:
        return b""
    raw_size, kind = struct.unpack_from("<4xII", data)
    limit = min(raw_size, MAX_RTF)
    if kind == 0x414C454D:  # "MELA": not compressed
        return data[16 : 16 + limit]
    if kind != 0x75465A4C:  # "LZFu"
        return b""
    out = bytearray(_PRELOADED)  # the window is the last 4096 bytes of preload and output
    limit += len(_PRELOADED)
    position = 16
    while position < len(data) and len(out) < limit:
        control = data[position]
        position += 1
        for bit in range(8):
            if control >> bit & 1:
                if position + 2 > len(data):
                    return bytes(out[len(_PRELOADED) : limit])
                reference = data[position] << 8 | data[position + 1]
                position += 2
                offset, size = reference >> 4, (reference & 15) + 2
                back = (len(out) - offset) % _WINDOW
                if back == 0:  # the writer's own position: the end
                    return bytes(out[len(_PRELOADED) : limit])
                _copy(out, back, size)
            else:
                out += data[position : position + 1]
                position += 1
    return bytes(out[len(_PRELOADED) : limit])


def _copy(out: bytearray, back: int, size: int) -> None:
    """``size`` bytes from ``back`` bytes ago; they may reach into what is being written. Before the start lie spaces."""
    start = len(out) - back
    if start < 0:
        out += b" " * min(-start, size)
        return
    piece = out[start : start + size]
    while len(piece) < size:
        piece += piece[: size - len(piece)]
    out += piece


# -- reading ---------------------------------------------------------------------------------------------


class RtfBody(NamedTuple):
    """``html`` when the RTF was made of HTML, else ``text``; the other one is ``""``."""

    html: str
    text: str


_TOKEN = re.compile(
    rb"\\([a-zA-Z]{1,32})(-?[0-9]{1,9})? ?"  # 1, 2: a control word
    rb"|\\'([0-9a-fA-F]{2})"  # 3: a byte
    rb"|\\(.)"  # 4: a control symbol
    rb"|([{}])"  # 5: a group
    rb"|([^\\{}\r\n]+)"  # 6: text
    rb"|[\r\n]+|.",
    re.DOTALL,
)
_FONT_CHARSETS = {
    b"128": "cp932", b"129": "cp949", b"134": "gb18030", b"136": "cp950", b"161": "cp1253", b"162": "cp1254",
    b"163": "cp1258", b"177": "cp1255", b"178": "cp1256", b"186": "cp1257", b"204": "cp1251", b"222": "cp874",
    b"238": "cp1250",
}  # fmt: skip
_SKIPPED = frozenset(
    (b"colortbl", b"stylesheet", b"info", b"pict", b"object", b"header", b"footer", b"generator", b"listtable",
     b"listoverridetable", b"rsidtbl", b"themedata", b"datastore", b"latentstyles", b"xmlnstbl", b"mhtmltag", b"pntext")
)  # fmt: skip
_LETTERS = {
    b"par": "\n", b"line": "\n", b"row": "\n", b"sect": "\n", b"page": "\n", b"tab": "\t", b"cell": "\t",
    b"lquote": "‘", b"rquote": "’", b"ldblquote": "“", b"rdblquote": "”", b"bullet": "•", b"endash": "–",
    b"emdash": "—", b"emspace": " ", b"enspace": " ",
}  # fmt: skip
_SYMBOLS = {b"~": "\xa0", b"_": "-", b"\n": "\n", b"\r": "\n", b"\\": "\\", b"{": "{", b"}": "}"}


class _Group(NamedTuple):
    """What a closing brace brings back."""

    is_skipped: bool
    is_font_table: bool
    is_tag: bool
    in_rtf_only: bool
    charset: str
    fallback: int


@dataclass(slots=True)
class _Reader:
    """Walks over the tokens and writes what is to be seen."""

    out: list[str] = field(default_factory=list)
    data: bytearray = field(default_factory=bytearray)  # bytes of one charset, not yet decoded
    groups: list[_Group] = field(default_factory=list)
    fonts: dict[bytes, str] = field(default_factory=dict)
    font: bytes = b""  # in the font table
    default: str = "cp1252"
    is_html: bool = False
    to_skip: int = 0  # characters that stand in for a \u before them
    state: _Group = field(default_factory=lambda: _Group(False, False, False, False, "", 1))

    def read(self, rtf: bytes) -> RtfBody:
        for token in _TOKEN.finditer(rtf):
            word, number, code, symbol, brace, text = token.groups()
            if text is not None:
                self._text(text)
            elif word is not None:
                self._word(word, number or b"")
            elif code is not None:
                self._text(bytes([int(code, 16)]))
            elif brace is not None:
                self._brace(brace)
            elif symbol == b"*":
                self._star(rtf, token.end())
            elif symbol is not None and symbol in _SYMBOLS:
                self._write(_SYMBOLS[symbol])
        self._flush()
        whole = "".join(self.out)
        return RtfBody(whole, "") if self.is_html else RtfBody("", whole.strip("\n"))

    def _brace(self, brace: bytes) -> None:
        self._flush()
        self.to_skip = 0
        if brace == b"{":
            if len(self.groups) < MAX_GROUPS:
                self.groups.append(self.state)
        elif self.groups:
            self.state = self.groups.pop()

    def _star(self, rtf: bytes, position: int) -> None:
        r"""``{\*\destination``: passed over, but for the tags of the HTML."""
        if not rtf.startswith(b"\\htmltag", position):
            self._flush()
            self.state = self.state._replace(is_skipped=True)

    def _word(self, word: bytes, number: bytes) -> None:
        state = self.state
        match word:
            case b"u":
                code = int(number or b"0") & 0xFFFF
                self._write(chr(code))
                self.to_skip = state.fallback
            case b"uc":
                self.state = state._replace(fallback=min(int(number or b"1"), 100))
            case b"f" if state.is_font_table:
                self.font = number
            case b"fcharset" if self.font and number in _FONT_CHARSETS and len(self.fonts) < MAX_GROUPS:
                self.fonts[self.font] = _FONT_CHARSETS[number]
            case b"f" | b"plain":
                self._flush()
                self.state = state._replace(charset=self.fonts.get(number, "") if word == b"f" else "")
            case b"ansicpg":
                self.default = f"cp{int(number or b'1252')}" if number != b"65001" else "utf-8"
            case b"fonttbl":
                self.state = state._replace(is_font_table=True)
            case b"fromhtml":
                self.is_html = True
            case b"htmlrtf":
                self._flush()
                self.state = state._replace(in_rtf_only=number != b"0")
            case b"htmltag":
                self.state = state._replace(is_tag=True)
            case _ if word in _SKIPPED:
                self._flush()
                self.state = state._replace(is_skipped=True)
            case _ if word in _LETTERS:
                self._write(_LETTERS[word])
            case _:
                pass

    def _is_silent(self) -> bool:
        state = self.state
        return state.is_skipped or state.is_font_table or (state.in_rtf_only and self.is_html)

    def _text(self, text: bytes) -> None:
        if self.to_skip:
            skipped = min(self.to_skip, len(text))
            self.to_skip -= skipped
            text = text[skipped:]
        if not self._is_silent():
            self.data += text

    def _write(self, text: str) -> None:
        if not self._is_silent():
            self._flush()
            self.out.append(text)

    def _flush(self) -> None:
        if self.data:
            self.out.append(decode_text(bytes(self.data), self.state.charset or self.default)[0])
            self.data.clear()


def read_rtf(rtf: bytes) -> RtfBody:
    """The HTML or else the words of an RTF document; two empty texts when it is none."""
    if not rtf.lstrip().startswith(b"{\\rtf"):
        return RtfBody("", "")
    body = _Reader().read(rtf[:MAX_RTF])
    return RtfBody(*(text.encode("utf-16", "surrogatepass").decode("utf-16", "replace") for text in body))
