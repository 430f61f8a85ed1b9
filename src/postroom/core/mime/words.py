"""Words: from bytes and encoded words to text, whatever their charset claims.

Duty: one table of charsets, one chain of guesses, one reader of encoded words.
Laws: never raises; never asks the codec machinery for a name that a peer invented (the table is closed: no
transforming codecs, no quadratic ones, no growing caches); a result holds no NUL and no lone surrogate, so
that every text can be stored and sent.
Standards: RFC 2047 (encoded words), RFC 2231 5 (language tags), RFC 6532 (raw UTF-8), WHATWG Encoding
(supersets).
"""

from __future__ import annotations

import re
from binascii import Error as Base64Error
from binascii import a2b_base64, a2b_qp
from encodings.aliases import aliases
from functools import lru_cache

from postroom.core.mime.defects import Defect
from postroom.core.mime.guessing import decode_jis, guess_charset, looks_like_utf16

# Codecs that turn bytes into bytes, that are quadratic, or that some platforms lack.
_NOT_FOR_MAIL = frozenset(
    ("base64_codec", "bz2_codec", "hex_codec", "quopri_codec", "rot_13", "uu_codec", "zlib_codec", "idna",
     "punycode", "unicode_escape", "raw_unicode_escape", "undefined", "mbcs", "oem")
)  # fmt: skip
_WITHOUT_ALIAS = (
    "cp720", "cp737", "cp856", "cp874", "cp875", "cp1006", "koi8_r", "koi8_u", "koi8_t",
    "mac_croatian", "mac_farsi", "mac_romanian", "utf_8_sig",
)  # fmt: skip
_USED_IN_MAIL = {
    "iso88598i": "iso8859_8",
    "iso88598e": "iso8859_8",
    "iso885911": "cp874",
    "windows874": "cp874",
    "tis620": "cp874",
    "xwindows874": "cp874",
    "unicode11utf7": "utf_7",
    "unicode11utf8": "utf_8",
    "utf8mb4": "utf_8",
    "xutf8": "utf_8",
    "utf8n": "utf_8",
    "cp65001": "utf_8",
    "ansix341968": "ascii",
    "usascii7": "ascii",
    "7bit": "ascii",
    "8bit": "ascii",
    "xmaccyrillic": "mac_cyrillic",
    "macintosh": "mac_roman",
    "xmacroman": "mac_roman",
    "xmacce": "mac_latin2",
    "xmacgreek": "mac_greek",
    "xmacturkish": "mac_turkish",
    "xsjis": "cp932",
    "xmssjis": "cp932",
    "windows31j": "cp932",
    "cswindows31j": "cp932",
    "xeucjp": "euc_jp",
    "xgbk": "gb18030",
    "xeuccn": "gb18030",
    "csgb2312": "gb18030",
    "xbig5": "cp950",
    "xxbig5": "cp950",
    "ksc56011987": "cp949",
    "ksc5601": "cp949",
    "ksc56011992": "cp949",
    "xwindows949": "cp949",
    "windows949": "cp949",
    "xjohab": "johab",
    "xcp1250": "cp1250",
    "xcp1251": "cp1251",
    "xcp1252": "cp1252",
    "xansi": "cp1252",
    "ansi": "cp1252",
    "windows1252http": "cp1252",
    "latin": "latin_1",
    "koi8ru": "koi8_u",
    "koi8": "koi8_r",
    "visicii": "cp1258",
    "dosprobably866": "cp866",
    "xuserdefined": "cp1252",
}
_CHAINS = {  # a declared charset is read as its superset in practice first
    "latin_1": ("cp1252", "latin_1"),
    "iso8859_1": ("cp1252", "latin_1"),
    "iso8859_8": ("iso8859_8", "cp1255"),
    "iso8859_9": ("cp1254", "iso8859_9"),
    "gb2312": ("gb18030",),
    "gbk": ("gb18030",),
    "hz": ("hz", "gb18030"),
    "big5": ("cp950", "big5hkscs"),
    "euc_kr": ("cp949",),
    "shift_jis": ("cp932", "shift_jisx0213"),
    "euc_jp": ("euc_jp", "euc_jis_2004"),
    "iso2022_jp": ("iso2022_jp", "iso2022_jp_ext", "iso2022_jp_2004"),
}
_UTF8 = frozenset({"utf_8", "utf_8_sig", "ascii"})
_UNDECLARED = frozenset(
    {"", "unknown", "xunknown", "unknown8bit", "default", "none", "binary", "charset", "defaultcharset"}
)


def _squeeze(name: str) -> str:
    return "".join(c for c in name.lower() if c.isascii() and c.isalnum())


def _known_codecs() -> dict[str, str]:
    known = {_squeeze(alias): codec for alias, codec in aliases.items() if codec not in _NOT_FOR_MAIL}
    known |= {_squeeze(codec): codec for codec in known.values()}
    known |= {_squeeze(codec): codec for codec in _WITHOUT_ALIAS}
    return known | _USED_IN_MAIL


_CODECS = _known_codecs()


def charset_of(name: str) -> str:
    """The codec for a charset as mails name it (``ISO-8859-8-i``, ``windows-874``); ``""`` for none."""
    return _charset_of(name) if len(name) <= 64 else ""


@lru_cache(maxsize=512)
def _charset_of(name: str) -> str:
    return _CODECS.get(_squeeze(name.partition("*")[0]), "")


def decode_text(data: bytes, charset: str = "") -> tuple[str, tuple[str, ...]]:
    """The text of these bytes and what was wrong with them.

    The declared charset (its superset in practice) comes first, then UTF-8, then what is evident (see `guessing`), then
    windows-1252; without a declaration UTF-8 comes first. What still does not fit becomes U+FFFD.
    """
    codec = charset_of(charset)
    if codec in _UTF8 or not codec:
        text, defects = _decode_utf8(data, declared=codec.startswith("utf"))
        if not codec and _squeeze(charset[:64]) not in _UNDECLARED:
            defects = (Defect.BAD_CHARSET, *defects)
        return text.replace("\0", "") if "\0" in text else text, defects
    text, defects = _decode_declared(data, codec)
    return storable(text), defects


def _decode_utf8(data: bytes, *, declared: bool) -> tuple[str, tuple[str, ...]]:
    if data[:2] in (b"\xff\xfe", b"\xfe\xff"):
        return storable(data.decode("utf-16", "replace")), ()
    if b"\0" in data and (codec := looks_like_utf16(data)):
        return storable(data.decode(codec, "replace")), (Defect.WRONG_CHARSET,)
    try:
        return data.decode("utf-8-sig" if data[:1] == b"\xef" else "utf-8"), ()
    except UnicodeDecodeError:
        text = data.decode("utf-8", "replace")
    if declared and _is_mostly_utf8(text):
        return text, (Defect.UNDECODABLE_TEXT,)
    codec = guess_charset(data)
    if codec == "cp1252":
        return _decode_western(data), (Defect.UNDECODABLE_TEXT,)
    return storable(data.decode(codec, "replace")), (Defect.WRONG_CHARSET,)


def _is_mostly_utf8(text: str) -> bool:
    """Whether more multibyte characters were read than bytes replaced."""
    replaced = text.count("\ufffd")
    return len(text) - len(text.encode("ascii", "ignore")) > 2 * replaced


def _decode_western(data: bytes) -> str:
    """windows-1252, and its five holes as ISO 8859-1 has them: every byte is a character."""
    return data.decode("latin-1").translate(_WESTERN)


_WESTERN = {byte: bytes([byte]).decode("cp1252") for byte in range(0x80, 0xA0) if byte not in b"\x81\x8d\x8f\x90\x9d"}
_WESTERN_CODECS = frozenset(("latin_1", "iso8859_1", "iso8859_15", "cp1252"))


def _decode_declared(data: bytes, codec: str) -> tuple[str, tuple[str, ...]]:
    if codec.startswith("utf_16"):
        return _decode_utf16(data, codec)
    if codec in _WESTERN_CODECS and not data.isascii() and (text := _strict(data, "utf-8-sig")) is not None:
        return text, (Defect.WRONG_CHARSET,)  # what is UTF-8 throughout was not western by chance
    for candidate in _CHAINS.get(codec, (codec,)):
        if (text := _strict(data, candidate)) is not None:
            return text, ()
    return _decode_damaged(data, codec)


def _strict(data: bytes, codec: str) -> str | None:
    try:
        return data.decode(codec)
    except (UnicodeError, LookupError):
        return None


def _decode_damaged(data: bytes, codec: str) -> tuple[str, tuple[str, ...]]:
    """Bytes that the declared charset does not have."""
    if codec.startswith("iso2022_jp") and b"\x1b" in data:
        text = decode_jis(data)
        return text, () if data.isascii() and "\ufffd" not in text else (Defect.UNDECODABLE_TEXT,)
    if codec.startswith(("iso8859", "cp", "mac", "koi8", "latin")):
        return data.decode(codec, "replace"), (Defect.UNDECODABLE_TEXT,)
    if (utf8 := _strict(data, "utf-8")) is not None:
        return utf8, (Defect.UNDECODABLE_TEXT,)
    guessed = guess_charset(data)
    if guessed != "cp1252":
        return data.decode(guessed, "replace"), (Defect.WRONG_CHARSET,)
    return _replace(data, _CHAINS.get(codec, (codec,))[0]), (Defect.UNDECODABLE_TEXT,)


def _decode_utf16(data: bytes, codec: str) -> tuple[str, tuple[str, ...]]:
    """Without a byte order mark the order is seen from the NULs, else it is the little-endian one that programs write (WHATWG)."""
    if data[:2] in (b"\xff\xfe", b"\xfe\xff"):
        codec = "utf_16"
    elif b"\0" not in data and data.isascii():
        return data.decode("ascii"), (Defect.WRONG_CHARSET,)
    elif codec == "utf_16":
        codec = looks_like_utf16(data) or "utf_16_le"
    try:
        return data.decode(codec), ()
    except UnicodeError:
        return data.decode(codec, "replace"), (Defect.UNDECODABLE_TEXT,)


def _replace(data: bytes, codec: str) -> str:
    try:
        return data.decode(codec, "replace")
    except (UnicodeError, LookupError):  # some stateful codecs raise whatever they are told
        return _decode_western(data)


def storable(text: str) -> str:
    """The text without NUL, without a byte order mark at its start, and with U+FFFD for lone surrogates."""
    if text[:1] == "\ufeff":
        text = text[1:]
    if "\0" in text:
        text = text.replace("\0", "")
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        text = text.encode("utf-8", "surrogatepass").decode("utf-8", "replace")
    return text


# Bounded on purpose: at most nine question marks inside a word, so that a field of a million openings stays
# linear.
_WORD = re.compile(
    r"=\?([^?\s]{1,64})\?([bBqQ])\?([^?]*(?:\?(?!=)[^?]*){0,8})\?="
    r"|=\?([^?\s]{1,64})\?([bBqQ])\?([^?\s]{1,200})\??\Z"  # cut off at the end of the field
)
_NOT_BASE64 = bytes(sorted({*range(256)} - {*b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"}))
LINE_BREAKING = dict.fromkeys([*range(32), *range(127, 160), 0x2028, 0x2029], " ")  # controls and separators


def decode_words(value: str) -> str:
    """A header text with its encoded words decoded (RFC 2047), inside quotes too; controls become spaces.

    Neighbouring words of one charset are joined before they are decoded: senders split characters between
    them.
    """
    if "=?" in value:
        value = "".join(_decoded_pieces(value))
    return value if value.isprintable() else storable(value.translate(LINE_BREAKING))


def _decoded_pieces(value: str) -> list[str]:
    pieces: list[str] = []
    run: list[tuple[str, str]] = []  # text and encoding of neighbouring words
    run_charset = ""
    end = 0
    for match in _WORD.finditer(value):
        charset, encoding, text = match.group(1, 2, 3) if match[1] else match.group(4, 5, 6)
        gap = value[end : match.start()]
        charset = charset.lower()
        if run and (charset != run_charset or gap.strip(" \t\r\n")):
            pieces.append(_decoded_run(run, run_charset))
            run = []
            if gap.strip(" \t\r\n"):
                pieces.append(gap)
        elif not run:
            pieces.append(gap)
        run.append((text, encoding))
        run_charset = charset
        end = match.end()
    if run:
        pieces.append(_decoded_run(run, run_charset))
    pieces.append(value[end:])
    return pieces


def _decoded_run(run: list[tuple[str, str]], charset: str) -> str:
    """Words are joined as bytes; where that gives no text, as base64: some senders cut that anywhere."""
    if len(run) == 1:
        return decode_text(_word_bytes(*run[0]), charset)[0]
    text, defects = decode_text(b"".join([_word_bytes(*word) for word in run]), charset)
    if defects and all(encoding in "bB" and "=" not in word for word, encoding in run[:-1]):
        again, more = decode_text(_word_bytes("".join(word for word, _ in run), "b"), charset)
        return text if more else again
    return text


def _word_bytes(text: str, encoding: str) -> bytes:
    data = text.encode("utf-8", "replace")
    return a2b_qp(data, header=True) if encoding in "qQ" else decode_base64(data)[0]


def decode_base64(data: bytes) -> tuple[bytes, bool]:
    """The content of base64 in any state, and whether it was in order: what is missing or foreign is mended.

    Encoded pieces that were strung together, each with its own padding, are read one after the other.
    """
    inner = data.rstrip(b"= \t\r\n")
    if b"=" not in inner:
        try:
            return a2b_base64(data), True
        except Base64Error:
            return _mend_base64(inner), False
    pieces = inner.split(b"=")
    if len(pieces) > 10_000:
        return _mend_base64(inner), False
    return b"".join(_mend_base64(piece) for piece in pieces), False


def _mend_base64(data: bytes) -> bytes:
    data = data.translate(None, _NOT_BASE64)
    if len(data) % 4 == 1:
        data = data[:-1]
    return a2b_base64(data + b"=" * (-len(data) % 4))
