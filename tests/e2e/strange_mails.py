"""Mails as the world really sends them: broken, huge, hostile, in charsets of last century. Made anew, from a seed.

Each is put together from strange header lines and a strange body, and every third is then mutated byte by byte. Standards
are broken on purpose here: NUL bytes, lone surrogates, headers beyond every column, parts in parts in parts.
"""

from __future__ import annotations

import base64
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass

LONG = 6000  # characters: longer than every column

CHARSETS = (
    "utf-8", "us-ascii", "iso-8859-1", "windows-1252", "koi8-r", "gb2312", "iso-2022-jp", "utf-16", "utf-16le", "utf-32",
    "utf-7", "unicode-1-1-utf-7", "x-unknown", "unicode_escape", "raw_unicode_escape", "idna", "punycode", "hex", "base64",
    "zlib", "bz2", "rot13", "undefined", "mbcs", "cp-850", "", "'", "utf-8\0", "=?utf-8?q?utf-8?=", "a" * 300,
)  # fmt: skip
TEXTS = (
    b"Hello,\r\n\r\nwhere is my parcel?\r\n\r\nCarla\r\n",
    b"\x00" * 40 + b"zero\x00zero",
    b"\xed\xa0\x80 \xed\xb0\x80 \xff\xfe\xfd \xc0\x80",
    "Grüße 🙈 \u202egnp.exe \u0000 \u2028 \ufeff \ufffe".encode(),
    b"> " * 400 + b"deep\r\n" + b">>>>>> quoted\r\n" * 300,
    b"On Monday, Alice wrote:\r\n> hello\r\n\r\n-- \r\nCarla\r\n",
    b"x" * 20_000,
    b"=ED=A0=80=00=3D=\r\n=ZZ=F",
    base64.b64encode(b"\x00\xed\xa0\x80" * 50) + b"*!*==",
    "\ud83d lone".encode("utf-16le", "surrogatepass"),
    b"",
)
HTMLS = (
    b"<p>Hello <b>Bob</b></p><script>alert(1)</script>",
    b"<div>" * 3000 + b"deep",
    b"<p>\x00zero &#0; &#xD800; &#x110000; &#55357;</p>",
    b"<blockquote class='gmail_quote'>" * 200 + b"old",
    b"<p title='" + b"t" * 9000 + b"'>\xff\xfe</p><img src='cid:\x00'><a href='java\x00script:x'>y</a>",
    b"<!-- <p> --><![CDATA[ x ]]><?php ?><svg><style><p>",
    b"<table>" * 500 + b"<td>x",
    b"<",
    b"",
)
WORDS = (
    b"=?utf-8?b?7aCA7bCA?=", b"=?utf-16?b?2AA=?=", b"=?utf-7?q?+2AA-?=", b"=?x?q?=00=00?=", b"=?utf-8?q?=00zero=00?=",
    b"=?utf-8?q?a=0d=0aBcc:=20x@y.example?=", b"=?utf-8?b?////?=", b"=?unicode_escape?q?\\ud800?=", b"=?utf-8?z?x?=",
    "Grüße \U0001f648".encode(), b"\xff\xfe\xed\xa0\x80", b"\x00\x00", b"w" * LONG, "ü".encode() * LONG, b"a\tb\x0bc\x1bd\x7f",
    b"=?utf-8?q?" + b"=C3=BC" * 2000 + b"?=", b"Parcel", b"", b"   ",
)  # fmt: skip
ADDRESSES = (
    b"carla@customer.example", b"Customer Carla <carla@customer.example>", b"<>", b"@", b"a@b@c", b"\"a\0b\"@customer.example",
    b"undisclosed-recipients:;", b"A: b@customer.example, c@customer.example;", b"(comment (nested)) d@customer.example",
    b"\"" + b"q" * LONG + b"\" <e@customer.example>", b"l" * LONG + b"@customer.example", b"f@" + b"d" * LONG + b".example",
    "gr\u00fc\u00dfe@b\u00fccher.example".encode(), b"g@[127.0.0.1]", b"h@xn--\xff.example", b"i@xn--a.example",
    b"support@in.test", b"sales@in.test", b"catchall@in.test", b"bounce@in.test", b"catchall+rGARBAGE@in.test",
    b"bounce+bAAAA@in.test", b"SUPPORT@IN.TEST", b"alice@box.test", b"mailer-daemon@in.test", b"postmaster", b"j@" + b"a." * 200 + b"b",
    b"<<<<k@customer.example>>>>", b"=?utf-8?b?7aCA?= <l@customer.example>", b"m@customer.example, " * 400, b"\xff@\xff", b"n@\0",
)  # fmt: skip
IDS = (
    b"<%d@customer.example>", b"%d", b"<%d" + b"i" * LONG + b"@customer.example>", b"<\0%d\xff@x>", b"<%d@a> <b@c>", b"<%d",
    b"<%d \xed\xa0\x80>", b"<=?utf-8?b?7aCA?= %d>",
)  # fmt: skip
DATES = (
    b"Mon, 02 Mar 2026 12:00:00 +0000", b"yesterday", b"Mon, 99 Foo 99999 99:99:99 +9999", b"1 Jan 0000 00:00:00 -0000",
    b"Fri, 31 Dec 9999 23:59:59 -2359", b"Sat, 1 Jan 1 00:00:00 +2359", b"", b"\0", b"9" * 400,
)  # fmt: skip
NAMES = (
    b"offer.pdf", b"../../etc/passwd", b"a\0b.txt", b"n" * LONG + b".pdf", b"=?utf-8?b?7aCA?=.png", b"C:\\x\\y", b".", b"",
    "\u202efdp.exe".encode(), b"utf-8''%ED%A0%80%00.txt", b"CON", b"/",
)  # fmt: skip
TYPES = (
    b"application/pdf", b"image/png", b"message/rfc822", b"message/partial; id=1; number=1; total=9", b"message/external-body",
    b"application/ms-tnef", b"text/calendar", b"application/" + b"t" * LONG, b"a/b/c", b"\0/\0", b"text", b"multipart/mixed",
    b"text/rtf; charset=undefined", b"application/pgp-encrypted", b"message/global-delivery-status",
)  # fmt: skip
ENCODINGS = (
    b"7bit",
    b"8bit",
    b"base64",
    b"quoted-printable",
    b"x-uuencode",
    b"binary",
    b"x-nothing",
    b"",
    b"base64\0",
    b"BASE64;",
)
FRAGMENTS = (
    b"\0",
    b"\r\n\r\n",
    b"\xff",
    b"\r",
    b"\n",
    b"--b",
    b"=?",
    b"?=",
    b"<",
    b">",
    b'"',
    b"(",
    b"\r\n ",
    b"; x*0*=utf-8''%00",
)


@dataclass(slots=True)
class Maker:
    """Makes strange mails. ``known_ids`` are Message-IDs that the house knows, ``known_addresses`` its signed addresses."""

    dice: random.Random
    known_ids: Sequence[bytes] = ()
    known_addresses: Sequence[bytes] = ()
    made: int = 0

    def mail(self, *, to: bytes = b"support@in.test") -> bytes:
        """One mail, CRLF or not, whole or not."""
        self.made += 1
        head = self._head(to)
        body = self.dice.choice((self._plain, self._plain, self._html, self._multipart, self._deep, self._report))()
        raw = head + body
        return self._mutated(raw) if self.dice.random() < 0.3 else raw

    def _head(self, to: bytes) -> bytes:
        dice = self.dice
        lines = [
            b"From: " + self._address(),
            b"To: " + to + (b", " + self._address() if dice.random() < 0.5 else b""),
            b"Subject: " + self._words(),
            b"Message-ID: " + dice.choice(IDS).replace(b"%d", b"%d" % self.made),
            b"Date: " + dice.choice(DATES),
        ]
        extra: tuple[Callable[[], bytes], ...] = (
            lambda: b"Cc: " + self._address(),
            lambda: b"Reply-To: " + self._address(),
            lambda: b"Sender: " + self._address(),
            lambda: b"From: " + self._address(),
            lambda: b"Subject: " + self._words(),
            lambda: b"In-Reply-To: " + self._reference(),
            lambda: b"References: " + b" ".join(self._reference() for _ in range(dice.choice((1, 3, 200)))),
            lambda: b"Auto-Submitted: " + self._words(),
            lambda: b"Precedence: bulk",
            lambda: b"List-Id: <" + self._words() + b">",
            lambda: b"Return-Path: " + self._address(),
            lambda: b"Delivered-To: " + self._address(),
            lambda: b"X-Original-To: " + self._address(),
            lambda: b"MIME-Version: 1.0 (\0)",
            lambda: b"Content-Type: text/plain; charset=x",
            lambda: b"X-" + dice.randbytes(20).replace(b"\n", b"") + b": y",
            lambda: b" folded\r\n\tand folded",
            lambda: b"no colon here",
            lambda: b": nameless",
        )
        lines += [dice.choice(extra)() for _ in range(dice.randrange(6))]
        kept = [line for line in lines if dice.random() < 0.93]
        return b"\r\n".join(kept) + b"\r\n"

    def _words(self) -> bytes:
        return b" ".join(self.dice.choice(WORDS) for _ in range(self.dice.randrange(1, 4)))

    def _address(self) -> bytes:
        if self.dice.random() < 0.2:
            return self._words() + b" <" + self.dice.choice(ADDRESSES) + b">"
        return self.dice.choice((*ADDRESSES, *self.known_addresses))

    def _reference(self) -> bytes:
        if self.known_ids and self.dice.random() < 0.4:
            return self.dice.choice(self.known_ids)
        return self.dice.choice(IDS).replace(b"%d", b"%d" % self.dice.randrange(self.made + 1))

    def _plain(self) -> bytes:
        charset = self.dice.choice(CHARSETS).encode()
        return self._part(b'text/plain; charset="' + charset + b'"; format=flowed; delsp=yes', self.dice.choice(TEXTS))

    def _html(self) -> bytes:
        return self._part(b"text/html; charset=" + self.dice.choice(CHARSETS).encode(), self.dice.choice(HTMLS))

    def _part(self, content_type: bytes, content: bytes) -> bytes:
        encoding = self.dice.choice(ENCODINGS)
        coded = base64.encodebytes(content) if encoding == b"base64" and self.dice.random() < 0.7 else content
        return b"Content-Type: " + content_type + b"\r\nContent-Transfer-Encoding: " + encoding + b"\r\n\r\n" + coded

    def _attachment(self) -> bytes:
        dice = self.dice
        kind, name = dice.choice(TYPES), dice.choice(NAMES)
        naming = dice.choice((b'; name="', b'; filename="', b"; name*=", b'; name*0*="'))
        head = (
            b"Content-ID: <"
            + dice.choice(WORDS)
            + b">\r\nContent-Disposition: "
            + dice.choice((b"attachment", b"inline", b"", b"\0", b"x" * 400))
        )
        return head + b'; filename="' + name + b'"\r\n' + self._part(kind + naming + name + b'"', dice.randbytes(200))

    def _multipart(self) -> bytes:
        dice = self.dice
        kind = dice.choice(
            (b"mixed", b"alternative", b"related", b"report; report-type=x", b"digest", b"signed", b"\0", b"x" * 300)
        )
        parts = [dice.choice((self._plain, self._html, self._attachment))() for _ in range(dice.choice((0, 1, 3, 40)))]
        boundary = dice.choice((b"b", b'"b c"', b"", b"\0", b'"' + b"b" * 500 + b'"'))
        mark = b"\r\n--" + boundary.strip(b'"') + b"\r\n"
        end = b"\r\n--" + boundary.strip(b'"') + b"--\r\n" if dice.random() < 0.7 else b""
        return (
            b"Content-Type: multipart/" + kind + b"; boundary=" + boundary + b"\r\n\r\n" + mark + mark.join(parts) + end
        )

    def _deep(self) -> bytes:
        inner = self._plain()
        for level in range(self.dice.choice((3, 60, 400))):
            if self.dice.random() < 0.5:
                inner = b"Content-Type: message/rfc822\r\n\r\nSubject: inner\r\n" + inner
            else:
                inner = b"Content-Type: multipart/mixed; boundary=n%d\r\n\r\n--n%d\r\n%s\r\n--n%d--\r\n" % (
                    level, level, inner, level,
                )  # fmt: skip
        return inner

    def _report(self) -> bytes:
        dice = self.dice
        blocks = [
            b"Final-Recipient: rfc822; " + self._address() + b"\r\nAction: " + dice.choice((b"failed", b"delayed", b"\0", b"x" * 90))
            + b"\r\nStatus: " + dice.choice((b"5.1.1", b"4.2.2", b"9.9.9", b"5.1.1" * 90, b"\0", b""))
            + b"\r\nDiagnostic-Code: smtp; 550 " + self._words() + b"\r\n"
            for _ in range(dice.choice((0, 1, 5)))
        ]  # fmt: skip
        status = b"Reporting-MTA: dns; " + self._words() + b"\r\n\r\n" + b"\r\n".join(blocks)
        original = b"Message-ID: " + self._reference() + b"\r\nTo: " + self._address() + b"\r\n\r\nx\r\n"
        parts = (
            b"\r\n\r\nIt came back.\r\n",
            b"Content-Type: message/delivery-status\r\n\r\n" + status,
            b"Content-Type: " + dice.choice((b"message/rfc822", b"text/rfc822-headers")) + b"\r\n\r\n" + original,
        )
        return (
            b"Content-Type: multipart/report; report-type="
            + dice.choice((b"delivery-status", b"feedback-report", b"disposition-notification", b"\0"))
            + b"; boundary=b\r\n\r\n--b\r\n"
            + b"\r\n--b\r\n".join(parts)
            + b"\r\n--b--\r\n"
        )

    def _mutated(self, raw: bytes) -> bytes:
        dice = self.dice
        mail = bytearray(raw)
        for _ in range(dice.randrange(1, 8)):
            place = dice.randrange(len(mail) + 1)
            match dice.randrange(5):
                case 0:
                    mail[place:place] = dice.choice(FRAGMENTS)
                case 1:
                    del mail[place : place + dice.randrange(1, 60)]
                case 2:
                    mail[place:place] = dice.randbytes(dice.randrange(1, 200))
                case 3:
                    del mail[place:]
                case _:
                    mail[place:place] = mail[: dice.randrange(1, 500)] * dice.randrange(1, 10)
        return bytes(mail)
