"""A grammar of strange mails: every abuse that the parser knows of, put together by dice and then damaged.

A mail is wholly decided by the dice that are handed in, so that a seed is enough to see it again.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Sequence
from random import Random

from tests.core.mime import tnef_writer as tnef

CHARSETS = [
    "utf-8", "us-ascii", "iso-8859-1", "ISO-8859-8-I", "windows-874", "iso-2022-jp", "gb2312", "big5", "utf-16", "utf-16le",
    "utf-7", "koi8-r", "euc-kr", "shift_jis", "x-unknown", "punycode", "zlib", "", "utf-8; x", "cp\0", "'utf-8", "hz-gb-2312",
    "iso-2022-kr", "utf-32", "unicode-1-1-utf-7", "idna", "a" * 100, "ISO_8859-1:1987", "utf8mb4", "unicode_escape",
]  # fmt: skip
WORDS = [
    "Hello", "Grüße", "書きました", "שלום", "مرحبا", "สวัสดี", "\u202egpj.exe", "a\0b", "🚲", "\ufeff", "x" * 90, "\x1b[2J", "\x85", "\u2028",
    "-- ", "> quoted", "wrote:", "On 1.2.2024 10:00 Bob <b@x.example> wrote:", "Von: Bob <b@x.example>", "Gesendet: heute",
    "An: mich", "Betreff: Rad", "---------- Forwarded message ---------", "-----Original Message-----", "________________",
    "Sent from my iPhone", "-----BEGIN PGP SIGNED MESSAGE-----", "-----BEGIN PGP SIGNATURE-----", "begin 644 a.txt", "#86)C", "end",
    "=ybegin line=128 size=3 name=a.bin", "=yend size=3", "550 5.1.1 <bob@there.example> unknown", "undeliverable", "",
]  # fmt: skip
RAW = [
    b"\xff\xfe", b"\xfe\xff", b"\xef\xbb\xbf", b"\xc3", b"\xe9t\xe9", b"\x1b$B$3$s", b"\xb0\xa1", b"\0", b"\r", b"\x80", b"+ADw-b+AD4-",
]  # fmt: skip
ENCODED = [
    "=?utf-8?q?Gr=C3=BC=C3=9Fe?=", "=?utf-8?B?4oKs?=", "=?utf-8?B?4oK?= =?utf-8?B?s?=", "=?utf-8*de?q?a?=", "=?x?q?=?=", "=?utf-8?q?a b?=",
    "=?iso-2022-jp?B?GyRC?=", '"=?utf-8?q?a=2C_b?="', "=?utf-8?q?=00=0D=0Ax?=", "=?utf-7?q?+AGE-?=", "=?utf-8?b?====?=", "=?",
    "=?utf-8?q?" + "=20" * 50 + "?=", "=?gb2312?B?sKE?=x=?gb2312?B?sKE=?=",
]  # fmt: skip
ADDRESSES = [
    "bob@there.example", "Bob <bob@there.example>", '"Bob, the" <bob@there.example>', "<>", "MAILER-DAEMON", "bob@", "@x", "a: b@x.example;",
    "=?utf-8?q?b=40x=2Eexample?= <c@x.example>", "0@:¡", "ü@ü.example", "(c) b@x.example (d)", "<@r.example:b@x.example>", '"a b"@x.example',
    "b@x.example b@y.example", "undisclosed-recipients:;", "<<b@x.example>>", "b@[192.0.2.1]", "b@x.example,,c@x.example", "bounce+x@ours.example",
    "support@ours.example", "b@xn--a.example", "b@" + "a" * 70 + ".example", "İ@İ.example", "b@x.example;", "ß@faß.example", "b@x。example",
]  # fmt: skip
NAMES = [
    "filename=a.pdf", 'filename="a b.pdf"', "filename*=utf-8''%E2%82%AC.pdf", "filename*1=b.pdf; filename*0=a", "filename*0*=utf-8''a%; filename*2=c",
    'filename="=?utf-8?q?a=2Epdf?="', 'filename="../../etc/passwd"', 'filename="C:\\\\x\\\\a.exe"', "filename=" + "a" * 5000, "filename*=zlib'x'%00",
    "filename*0*=''%; filename*1*=%2", 'filename="a\u202egpj.exe"', "filename=a; filename=b", "filename", 'name="winmail.dat"', "filename*99999=a",
]  # fmt: skip
TYPES = [
    "text/plain", "text/html", "text/calendar; method=REQUEST", "application/ms-tnef", "message/rfc822", "message/delivery-status", "text/enriched",
    "image/png", "application/pgp-signature", "application/pkcs7-mime; smime-type=signed-data", "multipart/mixed", "multipart/alternative",
    "multipart/related", "multipart/report; report-type=delivery-status", "multipart/signed", "multipart/digest", "application/octet-stream",
    "text", "/", "text/plain text/html", "message/feedback-report", "message/disposition-notification", "text/rfc822-headers", "message/global",
    "multipart/encrypted", "text/richtext", "multipart/appledouble", "message/partial; number=1; total=2", "message/external-body",
]  # fmt: skip
ENCODINGS = [
    "",
    "7bit",
    "8bit",
    "base64",
    "quoted-printable",
    "x-uuencode",
    "binary",
    "BASE 64",
    "utf-8",
    "base64; x=y",
    "x-yenc",
]
ICS = [
    "BEGIN:VCALENDAR", "METHOD:REQUEST", "BEGIN:VTIMEZONE", "TZID:X", "BEGIN:STANDARD", "DTSTART:16010101T030000", "TZOFFSETTO:+0100", "TZOFFSETTO:+9999",
    "RRULE:FREQ=YEARLY;BYDAY=-1SU;BYMONTH=10", "RRULE:FREQ=YEARLY;BYDAY=9SU;BYMONTH=99", "END:STANDARD", "END:VTIMEZONE", "BEGIN:VEVENT",
    "DTSTART;TZID=X:20240702T150400", "DTSTART:00010101T000000Z", "DTEND;VALUE=DATE:99991231", "DURATION:P9999W", "DURATION:-P1D", "SUMMARY:a\\", "LOCATION;X=\":\":b",
    "ORGANIZER;CN=\"B:ob\":MAILTO:b@x.example", "ATTENDEE:x", "END:VEVENT", "BEGIN:VALARM", "END:VCALENDAR", " folded", "RRULE:=", "DTSTART:20240230T246199",
]  # fmt: skip
DSN = [
    "Reporting-MTA: dns; x.example", "", "Final-Recipient: rfc822; bob@there.example", "Final-Recipient: utf-8; \\x{FFFFFF}", "Action: failed", "Action: delayed",
    "Status: 5.1.1", "Status: 5.²", "Diagnostic-Code: smtp; 550 5.1.1 no", "Original-Envelope-Id: x", "X-Failed-Recipients: 0@:¡", "Feedback-Type: abuse",
    "Original-Rcpt-To: bob@there.example", "Disposition: automatic-action/MDN-sent-automatically; displayed",
]  # fmt: skip
MARKUP = [
    "<p>", "</p>", "<div class=gmail_quote>", "<div id=appendonsend>", "<blockquote type=cite>", "</blockquote>", "<table><tr><td>", "<!--", "<script>", "&#9999999999;",
    '<img src="cid:a@x">', "<img src=a.png>", "</div>", "<style>", "<a href='", "&nbsp;", "<div style='border:none;border-top:solid #E1E1E1 1.0pt'>", "<base>",
]  # fmt: skip
RTF = [
    b"{\\rtf1\\ansi\\fromhtml1 ", b"{\\*\\htmltag64 <p>}", b"\\htmlrtf \\par\\htmlrtf0 ", b"\\u8364?", b"\\'e4", b"{\\fonttbl{\\f0\\fcharset204 A;}}", b"\\f0 ", b"}", b"{",
    b"\\u-10179?\\u-8910?", b"\\ansicpg99999 ", b"\\bin9 ", b"\\uc9 ", b"{\\*\\x ", b"\\par ", b"text", b"\\",
]  # fmt: skip
FIELDS = [
    "From",
    "To",
    "Cc",
    "Reply-To",
    "Sender",
    "Return-Path",
    "Delivered-To",
    "X-Failed-Recipients",
    "X-Original-To",
    "Resent-To",
]
TEXTS = [
    "Subject", "Message-ID", "In-Reply-To", "References", "Date", "Auto-Submitted", "Precedence", "List-Id", "X-Postroom-Objects", "Content-ID",
    "Content-Location", "Received", "Authentication-Results", "X-Loop", "Comments", "Keywords", "DKIM-Signature", "X-Autoreply",
]  # fmt: skip
VALUES = [
    "<1@x.example>", "<1@x.example> <2@x.example>", "Tue, 2 Jan 2024 15:04:05 +0000", "Fri, 99 Foo 99999 99:99:99 +9999", "auto-replied", "bulk", "Fwd: Rad", "WG: AW: Rad",
    "Undelivered Mail Returned to Sender", "Out of office", "a\r\n b\r\n\tc", "a\r\n\r\n", "from x by y; z", "2024-01-02T15:04:05+99:99", "0", "<>", "<@>",
]  # fmt: skip
SPICES = [
    b"--b1", b"--b1--", b"--b1 \r\n", b"\r\n\r\n", b"\n", b"\r", b"\0", b'"', b"\\", b"(", b"<", b";", b"=", b"?=", b"\xff", b":", b"\n ", b" ", b"\x1a", b">From ",
    b"\nContent-Type: multipart/mixed; boundary=b1\n", b"\nContent-Transfer-Encoding: base64\n", b"charset=utf-16", b"*0*=", b"\xe2\x80\xae", b"begin 644 x\n",
]  # fmt: skip
ENDS = [b"\r\n", b"\r\n", b"\r\n", b"\n", b"\r"]


def strange_mail(dice: Random) -> bytes:
    """A mail of the grammar; about half of them are damaged once more."""
    raw = _head(dice) + _part(dice, 0)
    return damaged(raw, dice) if dice.random() < 0.5 else raw


def damaged(raw: bytes, dice: Random, *, others: Sequence[bytes] = ()) -> bytes:
    """The mail with a few places cut, doubled, swapped or spiced; sometimes with a piece of another one."""
    data = bytearray(raw)
    for _ in range(dice.randint(1, 6)):
        start = dice.randint(0, len(data))
        end = min(len(data), start + dice.choice((0, 0, 1, 2, 20, 300)))
        match dice.randrange(6):
            case 0:
                data[start:end] = dice.choice(SPICES)
            case 1:
                data[start:end] = dice.randbytes(dice.randint(0, 8))
            case 2:
                data[start:start] = data[start:end]
            case 3:
                del data[start:end]
            case 4 if others:
                other = dice.choice(others)
                begin = dice.randint(0, len(other))
                data[start:end] = other[begin : begin + dice.choice((10, 100, 1000))]
            case _:
                for place in range(start, end, 7):
                    data[place] ^= 1 << dice.randrange(8)
    return bytes(data)


def _head(dice: Random) -> bytes:
    lines = []
    for _ in range(dice.randint(0, 9)):
        if dice.random() < 0.5:
            name, value = dice.choice(FIELDS), ", ".join(_some(dice, ADDRESSES, 3))
        else:
            name, value = dice.choice(TEXTS), dice.choice(VALUES)
        if dice.random() < 0.3:
            value += dice.choice((" ", "")) + dice.choice(ENCODED)
        colon = dice.choice((": ", ": ", ": ", ":", " : ", ""))
        lines.append(_bytes(dice, name + colon + value))
    if dice.random() < 0.1:
        lines.insert(0, b"From bob Tue Jan  2 15:04:05 2024")
    end = dice.choice(ENDS)
    return b"".join(line + end for line in lines)


def _some(dice: Random, choices: Sequence[str], most: int) -> list[str]:
    return [dice.choice(choices) for _ in range(dice.randint(1, most))]


def _bytes(dice: Random, text: str) -> bytes:
    codec = dice.choice(("utf-8", "utf-8", "utf-8", "cp1252", "gb18030", "utf-16-le", "iso2022_jp", "cp874"))
    data = text.encode(codec, "replace") if dice.random() < 0.4 else text.encode("utf-8", "surrogatepass")
    return data + dice.choice(RAW) if dice.random() < 0.1 else data


def _part(dice: Random, depth: int) -> bytes:
    end = dice.choice(ENDS)
    kind = dice.choice(TYPES)
    if kind.startswith("multipart") and depth > 4:
        kind = "text/plain"
    fields = [f"Content-Type: {kind}"]
    if kind.startswith("multipart"):
        return _multipart(dice, depth, kind, end)
    if dice.random() < 0.6:
        fields[0] += f'; charset="{dice.choice(CHARSETS)}"'
    if dice.random() < 0.2:
        fields[0] += "; format=flowed; delsp=" + dice.choice(("yes", "no"))
    encoding = dice.choice(ENCODINGS)
    if encoding:
        fields.append(f"Content-Transfer-Encoding: {encoding}")
    if dice.random() < 0.5:
        fields.append(f"Content-Disposition: {dice.choice(('attachment', 'inline', 'x', ''))}; {dice.choice(NAMES)}")
    if dice.random() < 0.3:
        fields.append(dice.choice(("Content-ID: <a@x>", "Content-Location: a.png", "Content-ID: a@x", "Content-ID:")))
    if dice.random() < 0.05:
        fields = []
    head = b"".join(_bytes(dice, field) + end for field in fields)
    return head + end + _encoded(_content(dice, kind, depth), encoding, dice)


def _multipart(dice: Random, depth: int, kind: str, end: bytes) -> bytes:
    boundary = dice.choice((f"b{depth}", "b1", "b1", "b11", "b 1", "", "=_x", "b" * 100))
    written = dice.choice((f'"{boundary}"', boundary, f"{boundary} ", f'"{boundary}'))
    head = f"Content-Type: {kind}; boundary={written}".encode() + end
    delimiter = b"--" + boundary.encode()
    parts = [_part(dice, depth + 1) for _ in range(dice.choice((0, 1, 2, 2, 3, 5)))]
    gap = end if dice.random() < 0.95 else b""
    body = b"".join(delimiter + dice.choice((b"", b"", b" ", b"\t ")) + end + part + end for part in parts)
    closing = delimiter + b"--" + end if dice.random() < 0.8 else b""
    return head + gap + dice.choice((b"", b"preamble" + end)) + body + closing + dice.choice((b"", b"epilogue"))


def _content(dice: Random, kind: str, depth: int) -> bytes:
    kind = kind.partition(";")[0]
    if kind == "application/ms-tnef" or dice.random() < 0.02:
        return _tnef(dice, 0)
    if kind.startswith("message/rfc822") and depth < 5:
        return _head(dice) + _part(dice, depth + 1)
    choices = {"text/calendar": ICS, "text/html": [*MARKUP, *WORDS]}.get(
        kind, [*WORDS, *DSN] if "text" in kind else DSN
    )
    glue = dice.choice(("\r\n", "\n", "\n", " ", "\n\n"))
    return _bytes(dice, glue.join(_some(dice, choices, 25)))


def _tnef(dice: Random, depth: int) -> bytes:
    rtf = b"".join(dice.choice(RTF) for _ in range(dice.randint(0, 20)))
    packed = tnef.compressed(rtf) if dice.random() < 0.5 else tnef.uncompressed(rtf)
    values = [
        tnef.variable(tnef.BINARY, 0x1009, packed),
        tnef.variable(tnef.BINARY, 0x1013, b"<p>body"),
        tnef.unicode(0x1000, dice.choice(WORDS)),
        tnef.fixed(3, 0x3FDE, (65001).to_bytes(4, "little")),
        tnef.named(0x1F, "x", b"y\0"),
        tnef.numbered(0x40, bytes(8)),
        tnef.variable(0x101E, 0x1001, b"a", b"bc"),
    ]
    dice.shuffle(values)
    pieces = [
        tnef.attribute(1, tnef.CODE_PAGE, dice.choice((1252, 65001, 0, 1200, 99999)).to_bytes(4, "little")),
        tnef.attribute(1, tnef.PROPERTIES, tnef.properties(*values[: dice.randint(0, len(values))])),
        tnef.file(dice.choice(WORDS), b"content"),
        tnef.attribute(1, tnef.BODY, b"body\0"),
    ]
    if depth < 5 and dice.random() < 0.3:
        pieces.append(tnef.mail_within("m", _tnef(dice, depth + 1)))
    dice.shuffle(pieces)
    raw = tnef.stream(*pieces)
    return damaged(raw, dice) if dice.random() < 0.4 else raw


def _encoded(content: bytes, encoding: str, dice: Random) -> bytes:
    if dice.random() < 0.1:
        return content
    match encoding:
        case "base64" | "BASE 64" | "base64; x=y":
            packed = b64encode(content)
            return b"\r\n".join(packed[place : place + 76] for place in range(0, len(packed), 76))
        case "quoted-printable":
            return b"".join(b"=%02X" % byte if byte > 126 or byte == 61 else bytes([byte]) for byte in content)
        case "x-uuencode":
            return b"begin 644 a\n#86)C\n`\nend\n"
        case _:
            return content
