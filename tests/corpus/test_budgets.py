"""What a mail may cost is bounded by counts, not by hope: every limit is named as a defect, and what is over it is kept."""

from __future__ import annotations

import sys

import pytest

from postroom.core.mime import bodies, embedded, parts
from postroom.core.mime.attachments import MAX_NAME
from postroom.core.mime.bodies import MAX_BODY
from postroom.core.mime.contents import MAX_REPLY_SOURCE
from postroom.core.mime.defects import Defect
from postroom.core.mime.headers import MAX_VALUE
from postroom.core.mime.mailboxes import MAX_ADDRESSES
from postroom.core.mime.parsing import parse
from postroom.core.mime.parts import MAX_DEPTH, MAX_PARTS
from tests.corpus.wholeness import assert_whole

HEAD = b"From: bob@x.example\nMessage-ID: <1@x.example>\n"


class Steps:
    """Counts the lines of our own code that run: work that no clock can blur."""

    def __init__(self) -> None:
        self.count = 0

    def __enter__(self) -> Steps:
        sys.settrace(lambda frame, _event, _argument: self._local if "postroom" in frame.f_code.co_filename else None)
        return self

    def _local(self, _frame: object, event: str, _argument: object) -> object:
        self.count += event == "line"
        return self._local

    def __exit__(self, *_: object) -> None:
        sys.settrace(None)


def steps(raw: bytes) -> int:
    with Steps() as counted:
        parse(raw)
    return counted.count


def parts_of(count: int) -> bytes:
    return HEAD + b"Content-Type: multipart/mixed; boundary=a\n\n" + b"--a\n\nHi\n" * count + b"--a--\n"


SHAPES = {
    "parts": parts_of,
    "recipients": lambda count: HEAD + b"To: " + b"bob@x.example, " * count + b"\n\nHi",
    "header lines": lambda count: HEAD + b"X-A: b\n" * count + b"\nHi",
    "encoded words": lambda count: HEAD + b"Subject: " + b"=?utf-8?q?=C3=BC?= " * count + b"\n\nHi",
    "encoded words without an end": lambda count: HEAD + b"Subject: " + b"=?utf-8?q?" * count + b"\n\nHi",
    "one long header line": lambda count: HEAD + b"Subject: " + b"a b " * count + b"\n\nHi",
    "levels": lambda count: HEAD + b"".join(b"Content-Type: multipart/mixed; boundary=b%d\n\n--b%d\n" % (n, n) for n in range(count)) + b"\nDeep",
    "false delimiters": lambda count: HEAD + b"Content-Type: multipart/mixed; boundary=a\n\n--a\n\n" + b"--ab\n" * count,
    "quoted lines": lambda count: HEAD + b"\n" + b">>>> quoted\n" * count,
    "short lines": lambda count: HEAD + b"\n" + b"a\n" * count,
    "attributions": lambda count: HEAD + b"\n" + b"On 1.2.2024 10:00 bob@x.example wrote:\n" * count,
    "weak attributions": lambda count: HEAD + b"\n" + b"Alice wrote:\n" * count,
    "labels": lambda count: HEAD + b"\n" + b"From: a@b.example\nSent: 2024\n" * count,
    "GroupWise lines": lambda count: HEAD + b"\n" + b">>> Bob 1/2/2024 3:04 PM\n" * count,
    "nested div": lambda count: HEAD + b"Content-Type: text/html\n\n" + b"<div>" * count,
    "nested block quotations": lambda count: HEAD + b"Content-Type: text/html\n\n" + b"<blockquote>On 1.1.2024 10:00 a@b.example wrote:" * count,
    "uuencoded openings": lambda count: HEAD + b"\n" + b"begin 644 a\n#86)C\n" * count,
    "uuencoded files": lambda count: HEAD + b"\n" + b"begin 644 a\n#86)C\nend\n" * count,
    "calendar lines": lambda count: HEAD + b"Content-Type: text/calendar\n\nBEGIN:VEVENT\n" + b"ATTENDEE:x\n" * count,
    "telephones": lambda count: HEAD + b"\nHi\n" + b"Sent from my iPhone\n" * count,
    "disclaimers": lambda count: HEAD + b"\nHi\n\n" + (b"This email and any attachments are confidential and intended for somebody else, who is not you.\n\n") * count,
    "parameters": lambda count: HEAD + b"Content-Type: text/plain" + b"; a=b" * count + b"\n\nHi",
    "sections of a name": lambda count: HEAD + b"Content-Disposition: attachment" + b"".join(b"; filename*%d=a" % n for n in range(count)) + b"\n\nHi",
}  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("shape", SHAPES)
def test_twice_as_much_is_at_most_about_twice_the_work(shape: str) -> None:
    small, large = steps(SHAPES[shape](400)), steps(SHAPES[shape](1_600))
    print(f"{shape}: {small} steps for 400, {large} for 1,600")
    assert large <= 4.6 * small + 4_000


def test_a_body_over_the_limit_is_cut_and_kept_whole_as_a_file(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bodies, "MAX_BODY", 1_000)
    text = b"A line of words.\n" * 100
    mail = parse(HEAD + b"\n" + text)
    assert_whole(mail)
    assert Defect.OVERSIZE in mail.defects
    assert len(mail.text) == 1_000
    assert [one.content for one in mail.attachments] == [text]
    assert MAX_BODY == 10_000_000


def test_translations_between_text_and_html_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bodies, "MAX_TRANSLATED", 100)
    html = b"--a\nContent-Type: text/html\n\n<p>" + b"word " * 10 + b"</p>\n"
    mail = parse(HEAD + b"Content-Type: multipart/mixed; boundary=a\n\n--a\n\nHi\n" + html * 5 + b"--a--")
    assert mail.text.count("word") == 20
    assert mail.html.count("word") == 50
    assert Defect.OVERSIZE in mail.defects


def test_the_budget_of_delimiters_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parts, "MAX_DELIMITERS", 10)
    mail = parse(
        HEAD + b"Content-Type: multipart/mixed; boundary=a\n\n--a\n\n" + b"--ab\n" * 50 + b"--a\n\nlast\n--a--"
    )
    assert "last" in mail.text, "what is behind the last delimiter that was looked at belongs to its part"
    assert Defect.MISSING_CLOSING_BOUNDARY in mail.defects


def test_files_in_the_text_beyond_the_budget_stay_text(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(embedded, "MAX_TRIES", 3)
    mail = parse(HEAD + b"\n" + b"begin 644 a\n#86)C\nend\n" * 5)
    assert len(mail.attachments) == 3
    assert mail.text.count("begin 644 a") == 2


@pytest.mark.slow
def test_limits_hold_for_the_bombs_of_the_trade() -> None:
    assert len(parse(SHAPES["parts"](10_000)).attachments) <= MAX_PARTS
    assert len(parse(SHAPES["recipients"](100_000)).to) == MAX_ADDRESSES
    assert len(parse(SHAPES["one long header line"](2_500_000)).subject) <= MAX_VALUE
    assert Defect.TOO_DEEP in parse(SHAPES["levels"](1_000)).defects
    assert MAX_DEPTH < 100
    long = parse(SHAPES["short lines"](1_000_000))
    assert len(long.reply_text) <= MAX_REPLY_SOURCE < len(long.text)


def test_a_name_of_five_thousand_characters_is_cut_and_keeps_its_extension() -> None:
    raw = HEAD + b'Content-Disposition: attachment; filename="' + "ä".encode() * 5_000 + b'.pdf"\n\nx'
    (file,) = parse(raw).attachments
    assert file.name.endswith("ä.pdf")
    assert len(file.name.encode()) <= MAX_NAME
