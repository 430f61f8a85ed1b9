"""Guessing: which charset bytes are in whose declaration is missing or evidently wrong.

Duty: an ordered, bounded guess. Looks at the first `SAMPLE` bytes, tries each of a dozen charsets once, and takes the one whose
most frequent letters the text is full of; western windows-1252 when none is.
Laws: never raises, deterministic; work is bounded whatever the size of the text; names codecs of the closed table of `words` alone.
Standards: WHATWG Encoding (names of legacy charsets); frequencies of letters are common knowledge.
"""

from __future__ import annotations

import re

SAMPLE = 4096
LEAST_RUN = 0.6  # how many of the high bytes stand in runs, in writings that have no ASCII letters

_PAIRS = re.compile(rb"[\x80-\xff]{2,}")
_WORDS = re.compile(rb"[\x80-\xff]{3,}")
_HAN = "的一是不了人我在有他这为之大来以个中上们到说国和地也子时道出而要于就下得可你年生自会那后能对着事其里所去行过家十用发天如然作方成者多日都三小军二无同么经法当起与好看学进种将还分此心前面又定见只主没公从问请谢您测试世界电邮件收发单订货元月号"
_HAN_TRADITIONAL = "的一是不了人我在有他這為之大來以個中上們到說國和地也子時道出而要於就下得可你年生自會那後能對著事其裡所去行過家十用發天如然作方成者多日都三小軍二無同麼經法當起與好看學進種將還分此心前面又定見只主沒公從問請謝您測試世界電郵件收訂貨元月號"
_KANA = "".join(map(chr, [*range(0x3041, 0x3094), *range(0x30A1, 0x30F7), 0x30FC, 0x3001, 0x3002]))
_HANGUL = "이다는을가의에하고한지도로은사기나리시아대어자인일게니그수보라전해서안녕요세주정부제있들만면과했를상문"
# Codec, its frequent letters, and how many of the letters beyond ASCII they must be. Most telling first: a tie goes to the one above.
_CHARACTERS = (
    ("euc_jp", frozenset(_KANA), 0.3),
    ("cp932", frozenset(_KANA), 0.3),
    ("cp949", frozenset(_HANGUL), 0.3),
    ("gb18030", frozenset(_HAN + "，。、：；！？（）"), 0.3),
    ("cp950", frozenset(_HAN_TRADITIONAL + "，。、：；！？"), 0.3),
)
_ALPHABETS = (
    ("cp1251", frozenset("оеаинтсрвлкмдпуяы"), 0.6),
    ("koi8_r", frozenset("оеаинтсрвлкмдпуяы"), 0.6),
    ("cp866", frozenset("оеаинтсрвлкмдпуяы"), 0.6),
    ("cp1253", frozenset("αιοετνσηυρπκλμςάέίό"), 0.6),
    ("cp1255", frozenset("יוהלאמרתבשנדעםח"), 0.6),
    ("cp1256", frozenset("اليمنورتبةعدسفهك"), 0.6),
    ("cp874", frozenset("านรอกเงคมยลวดทสตะปบแ่้ิีั์"), 0.6),
)


def guess_charset(data: bytes) -> str:
    """The codec these bytes, which are no UTF-8, are most likely in: ``cp1252`` unless another alphabet is evident."""
    sample = data[:SAMPLE]
    total = len(sample) - len(sample.translate(None, _HIGH))
    best, best_share = "cp1252", 0.0
    if total < 4 or _length(_PAIRS, sample) < LEAST_RUN * total:
        return best
    candidates = _CHARACTERS + _ALPHABETS if _length(_WORDS, sample) >= LEAST_RUN * total else _CHARACTERS
    for codec, frequent, least in candidates:
        share = _share(sample, codec, frequent)
        if share >= least and share > best_share:
            best, best_share = codec, share
    return best


def _length(runs: re.Pattern[bytes], sample: bytes) -> int:
    return sum(map(len, runs.findall(sample)))


_HIGH = bytes(range(0x80, 0x100))


def _share(sample: bytes, codec: str, frequent: frozenset[str]) -> float:
    """Of the letters beyond ASCII, how many are frequent ones; 0 when the bytes are not of this charset."""
    try:
        text = sample.decode(codec)
    except UnicodeDecodeError as error:
        if error.start < len(sample) - 4 or len(sample) < SAMPLE:  # else the sample ends within a character
            return 0.0
        text = sample[: error.start].decode(codec, "ignore")
    letters = [char for char in text if char > "\x7f" and char != "\xa0"]
    return sum(char in frequent for char in letters) / len(letters) if letters else 0.0


def looks_like_utf16(data: bytes) -> str:
    """``utf_16_le`` or ``utf_16_be`` when every other byte of the beginning is mostly NUL, as in western text; else ``""``."""
    sample = data[:SAMPLE]
    half = len(sample) // 2
    if half < 4:
        return ""
    even, odd = sample[0::2].count(0), sample[1::2].count(0)
    if odd > 0.6 * half and even < 0.1 * half:
        return "utf_16_le"
    return "utf_16_be" if even > 0.6 * half and odd < 0.1 * half else ""


# -- ISO-2022-JP as Microsoft writes it --------------------------------------------------------------------

_ESCAPE = re.compile(rb"\x1b(\$[@B]|\([BJI])")


def decode_jis(data: bytes) -> str:
    """ISO-2022-JP with the rows 13 and 89 to 92 of Microsoft's table, which the codec of the standard does not have."""
    pieces: list[bytes] = []
    mode, position = b"(B", 0
    for match in _ESCAPE.finditer(data):
        pieces.append(_as_shift_jis(data[position : match.start()], mode))
        mode, position = match[1], match.end()
    pieces.append(_as_shift_jis(data[position:], mode))
    return b"".join(pieces).decode("cp932", "replace")


def _as_shift_jis(piece: bytes, mode: bytes) -> bytes:
    if mode == b"(I":
        return bytes(byte | 0x80 for byte in piece)
    if mode[:1] != b"$":
        return piece
    out = bytearray()
    for first, second in zip(piece[0::2], piece[1::2], strict=False):
        if not (0x21 <= first <= 0x7E and 0x21 <= second <= 0x7E):
            out += bytes((first, second))
            continue
        out.append(((first + 1) >> 1) + (0x70 if first < 0x5F else 0xB0))
        out.append(second + (0x7E if not first & 1 else 0x1F if second < 0x60 else 0x20))
    return bytes(out)
