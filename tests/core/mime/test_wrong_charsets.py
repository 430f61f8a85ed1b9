"""Charsets that are missing, unknown or untrue: what is evident is read, and said."""

from __future__ import annotations

import pytest

from postroom.core.mime.defects import Defect
from postroom.core.mime.guessing import SAMPLE, guess_charset
from postroom.core.mime.parsing import parse
from postroom.core.mime.words import decode_text, decode_words

TEXTS = {
    "gb18030": "你好，我们的自行车坏了，请问什么时候可以修好？谢谢您的回复。",
    "cp950": "您好，我的腳踏車壞了，請問什麼時候可以修好？謝謝您的回覆。",
    "cp932": "こんにちは。自転車がこわれました。いつなおりますか。よろしくおねがいします。",
    "euc_jp": "こんにちは。自転車がこわれました。いつなおりますか。よろしくおねがいします。",
    "cp949": "안녕하세요. 자전거가 고장났습니다. 언제 수리가 되는지 알려 주세요.",
    "cp1251": "Здравствуйте, мой велосипед сломался. Когда его починят? Спасибо за ответ.",
    "koi8_r": "Здравствуйте, мой велосипед сломался. Когда его починят? Спасибо за ответ.",
    "cp866": "Здравствуйте, мой велосипед сломался. Когда его починят? Спасибо за ответ.",
    "cp1253": "Καλημέρα, το ποδήλατό μου χάλασε. Πότε θα είναι έτοιμο; Ευχαριστώ πολύ.",
    "cp1255": "שלום, האופניים שלי התקלקלו. מתי הם יהיו מוכנים? תודה רבה.",
    "cp1256": "مرحبا، دراجتي معطلة. متى ستكون جاهزة؟ شكرا جزيلا لكم.",
    "cp874": "สวัสดีครับ จักรยานของผมเสีย จะซ่อมเสร็จเมื่อไร ขอบคุณครับ",
    "cp1252": "Grüße aus Köln: größere Räder für fünf Mädchen – “schön”, über 3 €",
}
WESTERN = [
    "Größe",
    "größe größe größe",
    "Grüße “x”",
    "café déjà vu",
    "Ærøskøbing på øen",
    "ÄÖÜ ÄÖÜ äöüß",
    "naïveté ÀÉÈ",
    "Señor, ¿qué tal?",
    "São João não é irmão",
]


def body(charset: str, data: bytes) -> tuple[str, tuple[str, ...]]:
    head = f"From: a@x.example\r\nMessage-ID: <1@x.example>\r\nContent-Type: text/plain; charset={charset}\r\n\r\n"
    mail = parse(head.encode() + data)
    return mail.text, mail.defects


@pytest.mark.parametrize("declared", ["", "us-ascii", "utf-8", "x-nobody-knows"])
@pytest.mark.parametrize("codec", TEXTS)
def test_a_text_in_another_charset_than_declared_is_read(codec: str, declared: str) -> None:
    text, defects = body(declared, TEXTS[codec].encode(codec))
    assert text == TEXTS[codec]
    assert Defect.WRONG_CHARSET in defects or codec == "cp1252"


@pytest.mark.parametrize("text", WESTERN)
def test_western_words_are_not_taken_for_another_alphabet(text: str) -> None:
    assert decode_text(text.encode("cp1252"), "utf-8") == (text, (Defect.UNDECODABLE_TEXT,))


def test_the_guess_looks_at_the_beginning_alone() -> None:
    begun = TEXTS["cp1251"].encode("cp1251")
    assert guess_charset(begun * 60 + bytes(range(128, 256)) * 10_000) == "cp1251"
    cut = ("あ" + TEXTS["euc_jp"] * 200).encode("euc_jp")  # the sample ends within a character
    assert len(cut) > SAMPLE
    assert guess_charset(b"x" + cut) == "euc_jp"


def test_utf8_that_calls_itself_western_is_utf8() -> None:
    for declared in ("iso-8859-1", "windows-1252", "iso-8859-15"):
        text, defects = body(declared, "Grüße 你好".encode())
        assert (text, Defect.WRONG_CHARSET in defects) == ("Grüße 你好", True)
    assert body("iso-8859-1", "Grüße".encode("latin-1")) == ("Grüße", ())


@pytest.mark.parametrize(
    ("declared", "encoded"),
    [("utf-16", "utf-16"), ("utf-16", "utf-16-le"), ("utf-16", "utf-16-be"), ("utf-16le", "utf-16-le"), ("utf-16be", "utf-16-be"), ("utf-8", "utf-16"), ("", "utf-16-le"), ("utf-8", "utf-16-be"), ("utf-16be", "utf-16")],
)  # fmt: skip
def test_utf16_is_read_with_and_without_its_mark(declared: str, encoded: str) -> None:
    assert body(declared, "Grüße aus Köln\r\nBob".encode(encoded))[0] == "Grüße aus Köln\nBob"


def test_ascii_that_calls_itself_utf16_is_ascii() -> None:
    text, defects = body("utf-16", b"plain text")
    assert (text, defects) == ("plain text", (Defect.WRONG_CHARSET,))


@pytest.mark.parametrize("declared", ["", "utf-8", "iso-8859-1", "us-ascii", "windows-1252"])
def test_a_byte_order_mark_is_no_text(declared: str) -> None:
    assert body(declared, b"\xef\xbb\xbfGr\xc3\xbc\xc3\x9fe")[0] == "Grüße"


def test_microsofts_iso_2022_jp_is_read() -> None:
    assert body("iso-2022-jp", b'\x1b$B-!-"-j\x1b(B and \x1b(I1234\x1b(B')[0] == "①②㈱ and ｱｲｳｴ"
    assert body("iso-2022-jp", b"\x1b$B|b\x1b(B")[0] == "髙"
    assert body("iso-2022-jp", b"\x1b$B$3$s$K")[0] == "こんに"  # never shifted back
    assert body("iso-2022-jp", b"\x1b$(Q-!\x1b(B")[0] == "①"  # JIS X 0213
    text, defects = body("iso-2022-jp", b"\x1b$B$3\x1b(B\xff\xff")
    assert text.startswith("こ")
    assert defects


def test_utf7_is_read_only_where_it_is_declared() -> None:
    assert body("utf-7", b"+ADw-b+AD4- +2D3cAA-x")[0].startswith("<b>")
    for declared in ("", "utf-8", "us-ascii", "x-unknown"):
        assert body(declared, b"+ADw-script+AD4-")[0] == "+ADw-script+AD4-"


@pytest.mark.parametrize(
    "charset",
    [
        "punycode",
        "zlib",
        "idna",
        "unicode_escape",
        "hex",
        "rot13",
        "bz2",
        "uu",
        "raw_unicode_escape",
        "undefined",
        "mbcs",
    ],
)
def test_codecs_that_are_no_charsets_are_unknown(charset: str) -> None:
    text, defects = body(charset, b"a-\\u0041 x\x9c")
    assert text == "a-\\u0041 xœ"
    assert Defect.BAD_CHARSET in defects


@pytest.mark.parametrize(
    ("name", "codec"),
    [
        ("iso-8859-8-i", "iso8859_8"),
        ("ISO-8859-8-E", "iso8859_8"),
        ("windows-874", "cp874"),
        ("x-windows-874", "cp874"),
        ("TIS-620", "cp874"),
        ("ks_c_5601-1987", "cp949"),
        ("cp-850", "cp850"),
    ],
)
def test_rare_names_are_known(name: str, codec: str) -> None:
    word = {"iso8859_8": "שלום", "cp874": "สวัสดี", "cp949": "안녕", "cp850": "Grüße"}[codec]
    assert body(name, word.encode(codec)) == (word, ())


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("=?utf-8?B?4oK?= =?utf-8?B?s?=", "€"),  # the base64 was cut
        ("=?UTF-8?Q?=E2=82?= =?UTF-8?Q?=AC?=", "€"),  # the character was cut
        ("=?utf-8?B?YQ?= =?utf-8?B?Yg?=", "ab"),  # the padding is missing, and each word is whole
        ("=?utf-8*de-CH?Q?Gr=C3=BC?=", "Grü"),
        ("=?utf-8*?Q?Gr=C3=BC?=", "Grü"),
        ("=?utf-8?B?4oKs", "€"),
        ("=?us-ascii?q?Gr=C3=BC?=", "Grü"),
        ("=?iso-8859-1?Q?Gr=C3=BC=C3=9F?=", "Grüß"),
        ('"=?utf-8?q?a=2C_b?="', '"a, b"'),
        ("=?utf-8?X?a?=", "=?utf-8?X?a?="),
        ("=?x?q??=", ""),
        ("=?utf-8?Q?a=0D=0ABcc:_x?=", "a  Bcc: x"),
    ],
)
def test_abused_encoded_words(written: str, read: str) -> None:
    assert decode_words(written) == read
