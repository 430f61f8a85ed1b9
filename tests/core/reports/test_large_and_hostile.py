"""A megabyte of anything is read in time with its length: what it took is printed."""

from __future__ import annotations

import json
import time

import pytest

from postroom.core.mime.parsed import ParsedMail, ReportPart
from postroom.core.reports.delivery_reports import DeliveryReport
from postroom.core.reports.reading import read_report
from tests.core.reports.mails import report

SIZE = 1_000_000
UNITS = [
    "a", "@", "a@b.example ", "<bob@there.example>:\n", "bob@there.example\n", "\n", ">", " ", "-", "550 5.1.1 ", "user ", "address ",
    "Received: ", "Final-Recipient: rfc822; bob@there.example\n\n", "(expanded from ", "delivered to ", "undeliverable ", "{", "[",
    "\x1b$B", "<", "a.", "could not be delivered ", "rcpt to:", "x\n ", ": ", "=?", " \n", "5.1.1.", "T=a@b", "user (a@b.c) ",
]  # fmt: skip


def timed(mail: ParsedMail) -> tuple[DeliveryReport | None, float]:
    begun = time.perf_counter()
    found = read_report(mail)
    return found, time.perf_counter() - begun


def places(filled: str) -> list[ParsedMail]:
    part = ReportPart(content_type="message/delivery-status", content=filled.encode())
    quoted = ReportPart(content_type="message/rfc822", content=filled.encode())
    return [
        report(text=filled),
        report(html=filled),
        report(subject=filled, text="x"),
        report(text="x", headers=(("X-Failed-Recipients", filled), ("Content-Type", filled))),
        report(part, text="x"),
        report(quoted, text="x"),
    ]


@pytest.mark.slow
@pytest.mark.parametrize("unit", UNITS, ids=repr)
def test_a_megabyte_of_one_thing_is_read(unit: str) -> None:
    filled = (unit * (SIZE // len(unit) + 1))[:SIZE]
    taken = [timed(mail)[1] for mail in places(filled)]
    print(f"{unit!r}: at most {max(taken) * 1000:.0f} ms")
    assert len(taken) == 6


@pytest.mark.slow
def test_thousands_of_recipients_that_all_fail_for_another_reason_are_read_up_to_a_limit() -> None:
    group = "Final-Recipient: rfc822; bob{0}@there.example\nAction: failed\nStatus: 5.1.1\nDiagnostic-Code: smtp; 550 {0} no user\n\n"
    content = "".join(group.format(number) for number in range(8_000)).encode()
    found, taken = timed(report(ReportPart(content_type="message/delivery-status", content=content), text="x"))
    print(f"{taken * 1000:.0f} ms")
    assert found is not None
    assert len(found.recipients) == 1_000
    assert {one.reason for one in found.recipients} == {"user_unknown"}


@pytest.mark.slow
def test_long_words_by_each_of_many_recipients_are_weighed_up_to_a_limit() -> None:
    lines = "".join(f"bob{number}@there.example: {'address user ' * 12}{number}\n" for number in range(100))
    found, taken = timed(report(text=lines))
    print(f"{taken * 1000:.0f} ms")
    assert found is not None
    assert len(found.recipients) == 100


@pytest.mark.slow
def test_thousands_of_recipients_in_json_are_read_up_to_a_limit() -> None:
    one = {"emailAddress": "bob@there.example", "diagnosticCode": "address user " * 100}
    event = {"notificationType": "Bounce", "bounce": {"bouncedRecipients": [one] * 200}}
    found, taken = timed(ParsedMail(headers=(("x-amz-sns-message-id", "1"),), text=json.dumps(event)))
    print(f"{taken * 1000:.0f} ms")
    assert found is not None
    assert len(found.recipients) == 1


@pytest.mark.parametrize("name", ["Original-Rcpt-To", "Final-Recipient"])
def test_a_field_without_a_type_is_searched_no_further_than_one_with_a_type(name: str) -> None:
    """The search for an address takes time with the square of what is searched: a megabyte took an hour."""
    kind = "message/feedback-report" if name.startswith("Original") else "message/delivery-status"
    content = f"Feedback-Type: abuse\n{name}: {'&' * 2_000} bob@there.example\n".encode()
    found, _ = timed(report(ReportPart(content_type=kind, content=content), text="x"))
    assert found is not None
    assert not any(one.address for one in found.recipients)
