"""Fields of reports that were written to harm: what the database cannot hold, and what takes endless time to read."""

from __future__ import annotations

from postroom.core.mime.parsing import parse
from postroom.core.reports.reading import read_report
from postroom.core.reports.status_fields import read_typed_address

REPORT = b"""Content-Type: multipart/report; report-type=delivery-status; boundary=b

--b

It came back.
--b
Content-Type: message/delivery-status

Reporting-MTA: dns; mx\0.customer.example

Final-Recipient: rfc822; carla@customer.example
Action: failed
Status: 5.1.1
Diagnostic-Code: smtp; 550 No such\0 user \xed\xa0\x80
--b
Content-Type: text/rfc822-headers

Message-ID: <17\0@in.test>
--b--
"""


def test_no_nul_byte_and_no_lone_surrogate_comes_out_of_a_report() -> None:
    report = read_report(parse(REPORT))
    assert report is not None
    assert report.reporting_mta == "mx.customer.example"
    assert report.original_message_id == "<17@in.test>"
    (recipient,) = report.recipients
    assert recipient.reply.startswith("550 No such user")
    assert "\0" not in repr(report)
    repr(report).encode()


def test_a_field_without_end_is_read_no_further_than_addresses_are_long() -> None:
    assert read_typed_address("rfc822; " + "w" * 10_000_000) == ""
    assert read_typed_address("rfc822; (no) carla@customer.example " + "w" * 10_000) == "carla@customer.example"
