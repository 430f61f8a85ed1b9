"""What reading a mail costs: processor time and memory, one fresh process for each mail.

Duty: mails of every size and malice, and the measure of each. ``python -m postroom.cli.benching.reading FILE`` is the process that reads one.
Law: the ordinary mails are timed many times, the hostile ones once, as they come.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from base64 import encodebytes
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from time import process_time

from postroom.cli.benching.counting import MEGABYTE, cost_of

ORDINARY = 100_000  # bytes; mails up to that are timed many times
HEAD = b"From: Bob <bob@customer.example>\r\nTo: support@example.com\r\nSubject: Bike\r\nMessage-ID: <1@customer.example>\r\n"


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadingCost:
    """What one mail took. ``memory_ratio`` is the memory at its highest, less the empty process's, per byte of the mail."""

    name: str
    size: int  # bytes
    cpu_ms: float
    memory_mb: float
    memory_ratio: float
    defects: list[str]


def bench_parse(*, megabytes: int, only: str = "") -> Iterator[ReadingCost]:
    """Every mail of `mails`, each in a process of its own. ``only``: those whose name holds this text."""
    with tempfile.TemporaryDirectory() as folder:
        for name, write in mails(megabytes).items():
            if only.lower() in name.lower():
                path = Path(folder) / "mail.eml"
                path.write_bytes(write())
                yield _measured(name, path)


def _measured(name: str, path: Path) -> ReadingCost:
    child = subprocess.run(
        [sys.executable, "-m", __name__, str(path)], check=True, capture_output=True, text=True, timeout=600
    )
    found = json.loads(child.stdout)
    size = path.stat().st_size
    return ReadingCost(
        name=name,
        size=size,
        cpu_ms=found["cpu_ms"],
        memory_mb=round(found["memory"] / MEGABYTE, 1),
        memory_ratio=round(found["memory"] / size, 1) if size > 500_000 else 0.0,
        defects=found["defects"],
    )


def mails(megabytes: int) -> dict[str, Callable[[], bytes]]:
    """By name; ``megabytes`` is the size of the large ones."""
    large = megabytes * 1_000_000
    return {
        "4 KB, text and HTML, answer": ordinary,
        "100 KB attachment": lambda: _attached(75_000),
        f"{megabytes} MB attachment in base64": lambda: _attached(large * 3 // 4),
        f"{megabytes} MB of plain text": lambda: _plain(b"A line of words that nobody will read to its end.\r\n" * (large // 51)),
        f"{megabytes} MB of umlauts": lambda: _plain("Grüße aus Köln, größtenteils\r\n".encode() * (large // 34)),
        f"{megabytes} MB in a guessed charset": lambda: _plain("Привет, как дела\r\n".encode("cp1251") * (large // 18)),
        f"{megabytes} MB of HTML": lambda: _html(b"<p>A <b>paragraph</b> of words.</p>\r\n" * (large // 37)),
        f"{megabytes} MB of quoted-printable": lambda: HEAD + b"Content-Transfer-Encoding: quoted-printable\r\n\r\n" + b"Gr=C3=BC=C3=9Fe=\r\n" * (large // 18),
        "10,000 parts": lambda: _parts(10_000),
        "100,000 recipients": lambda: b"To: " + b", ".join(b"bob%d@customer.example" % n for n in range(100_000)) + b"\r\n\r\nHi",
        "a header line of 10 MB": lambda: b"Subject: " + b"bike " * (2_000_000) + b"\r\n\r\nHi",
        "200,000 header lines": lambda: b"X-Line: of many\r\n" * 200_000 + b"\r\nHi",
        "1 MB of nested quotations": lambda: _plain(b"\r\n".join(b">" * (n % 1_000) + b" quoted" for n in range(2_000))),
        "multiparts nested 1,000 deep": lambda: _deep(1_000),
        "100,000 nested div": lambda: _html(b"<div>" * 100_000 + b"words" + b"</div>" * 100_000),
        "100,000 block quotations": lambda: _html(b"<blockquote>On 1.1.2024 10:00 a@b.example wrote:" * 100_000),
        "100,000 encoded words": lambda: b"Subject: " + b"=?utf-8?q?=C3=BC?= " * 100_000 + b"\r\n\r\nHi",
        "encoded words that never close": lambda: b"Subject: " + b"=?utf-8?q?" * 100_000 + b"\r\n\r\nHi",
        "1,000,000 short lines": lambda: _plain(b"a\r\n" * 1_000_000),
        "1,000,000 lines that open a quotation": lambda: _plain(b"Alice wrote:\r\n" * 1_000_000),
        "5 MB that may be uuencoded": lambda: _plain(b"begin 644 a\r\n#86)C\r\n" * 260_000),
        "a calendar of 5 MB": lambda: HEAD + b"Content-Type: text/calendar\r\n\r\nBEGIN:VEVENT\r\n" + b"ATTENDEE:mailto:bob@x.example\r\n" * 170_000,
        "a winmail.dat that unpacks to 1 MB": _winmail,
        "500 attached mails": lambda: _parts(500, b"Content-Type: message/rfc822\r\n\r\n" + HEAD + b"\r\nHi"),
    }  # fmt: skip


def ordinary() -> bytes:
    """A customer's answer as mail programs write it."""
    text = b"Hello Alice,\r\n\r\nthe order 4711 has arrived, but two of the boxes are damaged.\r\n\r\n" * 9
    quoted = (
        b"On Tue, 2 Jan 2024 at 15:04, Alice <alice@example.com> wrote:\r\n" + b"> What was it that you wanted?\r\n" * 9
    )
    html = (
        b"<html><body>"
        + b"<p>the order 4711 has arrived, but <b>two</b> of the boxes are damaged.</p>\r\n" * 18
        + b"</body></html>"
    )
    parts = b"--b1\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n" + text + quoted
    parts += b"\r\n--b1\r\nContent-Type: text/html; charset=utf-8\r\n\r\n" + html + b"\r\n--b1--\r\n"
    return HEAD + b"MIME-Version: 1.0\r\nContent-Type: multipart/alternative; boundary=b1\r\n\r\n" + parts


def _plain(body: bytes) -> bytes:
    return HEAD + b"Content-Type: text/plain; charset=utf-8\r\n\r\n" + body


def _html(body: bytes) -> bytes:
    return HEAD + b"Content-Type: text/html; charset=utf-8\r\n\r\n" + body


def _attached(size: int) -> bytes:
    file = encodebytes(bytes(range(256)) * (size // 256))
    part = b"Content-Type: application/pdf; name=a.pdf\r\nContent-Transfer-Encoding: base64\r\n\r\n" + file
    return (
        HEAD
        + b"Content-Type: multipart/mixed; boundary=b1\r\n\r\n--b1\r\n\r\nHi\r\n--b1\r\n"
        + part
        + b"\r\n--b1--\r\n"
    )


def _parts(count: int, part: bytes = b"\r\nHi") -> bytes:
    return (
        HEAD
        + b"Content-Type: multipart/mixed; boundary=b1\r\n\r\n"
        + (b"--b1\r\n" + part + b"\r\n") * count
        + b"--b1--\r\n"
    )


def _deep(depth: int) -> bytes:
    levels = (b"Content-Type: multipart/mixed; boundary=b%d\r\n\r\n--b%d\r\n" % (n, n) for n in range(depth))
    return HEAD + b"".join(levels) + b"\r\nDeep inside\r\n"


def _winmail() -> bytes:
    tokens = b"\xff" + b"\x0c\xff" * 8  # eight references of 17 bytes each
    packed = b"\xff\xff\xff\x00\xff\xff\xff\x7fLZFu\x00\x00\x00\x00" + tokens * 10_000
    value = (
        b"\x02\x01\x09\x10\x01\x00\x00\x00" + len(packed).to_bytes(4, "little") + packed + b"\0" * (-len(packed) % 4)
    )
    data = b"\x01\x00\x00\x00" + value
    stream = b"\x78\x9f\x3e\x22\x01\x00\x01\x03\x90\x06\x00" + len(data).to_bytes(4, "little") + data + b"\0\0"
    return (
        HEAD + b"Content-Type: application/ms-tnef\r\nContent-Transfer-Encoding: base64\r\n\r\n" + encodebytes(stream)
    )


def _read_one(path: str) -> None:
    from postroom.core.mime.parsing import parse

    parse(ordinary())
    before = cost_of(os.getpid()).peak_rss
    raw = Path(path).read_bytes()
    begun = process_time()
    mail = parse(raw)
    seconds = process_time() - begun
    memory = max(0, cost_of(os.getpid()).peak_rss - before)
    if len(raw) <= ORDINARY * 2:
        rounds = 500
        begun = process_time()
        for _ in range(rounds):
            parse(raw)
        seconds = (process_time() - begun) / rounds
    found = {"cpu_ms": round(seconds * 1000, 3), "memory": memory, "defects": list(mail.defects)}
    sys.stdout.write(json.dumps(found))


if __name__ == "__main__":
    _read_one(sys.argv[1])
