from __future__ import annotations

import pytest

from postroom.core.mime.defects import Defect
from postroom.core.mime.words import charset_of, decode_base64, decode_text, decode_words


@pytest.mark.parametrize(
    ("name", "codec"),
    [
        ("UTF-8", "utf_8"),
        ('"utf8"', "utf_8"),
        ("ISO-8859-8-i", "iso8859_8"),
        ("iso-8859-8-E", "iso8859_8"),
        ("windows-874", "cp874"),
        ("TIS-620", "cp874"),
        ("ks_c_5601-1987", "cp949"),
        ("x-sjis", "cp932"),
        ("us-ascii*en", "ascii"),
        ("x-unknown-to-us", ""),
        ("", ""),
    ],
)
def test_charsets_are_known_by_the_names_that_mails_use(name: str, codec: str) -> None:
    assert charset_of(name) == codec


@pytest.mark.parametrize(
    "name", ["punycode", "idna", "unicode_escape", "rot13", "zlib", "base64", "hex", "uu", "undefined"]
)
def test_codecs_that_transform_or_execute_are_no_charsets(name: str) -> None:
    assert charset_of(name) == ""
    assert decode_text(b"abc-", name) == ("abc-", (Defect.BAD_CHARSET,))


def test_without_a_charset_utf_8_comes_first_and_windows_1252_second() -> None:
    assert decode_text("Grüße".encode()) == ("Grüße", ())
    assert decode_text("Grüße – „gut“".encode("cp1252")) == ("Grüße – „gut“", (Defect.UNDECODABLE_TEXT,))


def test_every_byte_is_some_character() -> None:
    text, _ = decode_text(bytes(range(1, 256)))
    assert len(text) == 255
    assert "\ufffd" not in text


def test_latin_1_is_read_as_its_superset() -> None:
    assert decode_text("10 € – „ja“".encode("cp1252"), "iso-8859-1") == ("10 € – „ja“", ())


def test_a_few_bad_bytes_in_declared_utf_8_are_replaced_not_reinterpreted() -> None:
    text, defects = decode_text("Grüße aus Köln und Überlingen".encode() + b"\xff!", "utf-8")
    assert text == "Grüße aus Köln und Überlingen\ufffd!"
    assert defects == (Defect.UNDECODABLE_TEXT,)


def test_windows_1252_that_claims_to_be_utf_8_is_read_as_what_it_is() -> None:
    assert decode_text("Größe".encode("cp1252"), "utf-8")[0] == "Größe"


def test_a_byte_order_mark_is_no_text() -> None:
    assert decode_text(b"\xef\xbb\xbfHi") == ("Hi", ())
    assert decode_text("Hi".encode("utf-16")) == ("Hi", ())


def test_a_text_holds_neither_nul_nor_lone_surrogates() -> None:
    assert decode_text(b"a\0b") == ("ab", ())
    text, _ = decode_text(b"+2AA-", "utf-7")
    assert text.encode("utf-8")


@pytest.mark.parametrize(
    ("word", "text"),
    [
        ("=?utf-8?q?Gr=C3=BC=C3=9Fe?=", "Grüße"),
        ("=?UTF-8?B?R3LDvMOfZQ==?=", "Grüße"),
        ("=?iso-8859-1*de?q?Gr=FC=DFe_!?=", "Grüße !"),
        ("Re: =?utf-8?q?a?= b =?utf-8?q?c?=", "Re: a b c"),
        ("=?utf-8?q?a?= =?utf-8?q?b?=", "ab"),
        ("=?utf-8?q?a?=\t  =?iso-8859-1?q?=E4?=", "aä"),
        ("=?utf-8?b?w4Q=?= =?utf-8?b?w5w=?=", "ÄÜ"),
        ("=?utf-8?q?=E4=BD?= =?utf-8?q?=A0?=", "你"),  # one character, split between two words
        ("=?utf-8?B?R3LDvMOfZQ?=", "Grüße"),  # without its padding
        ("=?utf-8?q?half", "half"),  # cut off
        ('"=?utf-8?q?=C3=A4?="', '"ä"'),  # in quotes, where RFC 2047 forbids it
        ("=?utf-8?q?a b?=", "a b"),
        ("a=?utf-8?q?=C3=A4?=b", "aäb"),
        ("=?iso-2022-jp?B?GyRCRnxLXBsoQg==?=", "日本"),
        ("=?nobody-knows?q?Gr=C3=BC=C3=9Fe?=", "Grüße"),
        ("=?utf-8?q?What??=", "What?"),
        ("=?utf-8?x?abc?=", "=?utf-8?x?abc?="),
        ("2 =? 3 ?= 4", "2 =? 3 ?= 4"),
        ("=?utf-8?q?a=0D=0ABcc:_evil?=", "a  Bcc: evil"),
    ],
)
def test_encoded_words_are_read_however_broken(word: str, text: str) -> None:
    assert decode_words(word) == text


def test_base64_is_mended() -> None:
    assert decode_base64(b"SGVs\r\nbG8=") == (b"Hello", True)
    assert decode_base64(b"SGVsbG8") == (b"Hello", False)
    assert decode_base64(b"SGVs*bG8=") == (b"Hello", True)
    assert decode_base64(b"YQ==YQ==YQ==") == (b"aaa", False)
    assert decode_base64(b"SGVsbG8hA")[0] == b"Hello!"
    assert decode_base64(b"") == (b"", True)
