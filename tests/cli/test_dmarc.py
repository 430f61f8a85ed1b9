"""dmarc: receivers' reports from the command line."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cli.conftest import Command
from tests.receivers import DOMAIN, Row, a_failure_mail, a_mail, aggregate, gzipped, tls, zipped
from tests.web.reported import RELAY, some_reports

pytestmark = pytest.mark.django_db


@pytest.fixture
def files(tmp_path: Path) -> dict[str, str]:
    """Of each form one, and one that is none."""
    contents = {
        "zip": zipped(
            ("report.xml", aggregate(Row(count=41), Row(ip="203.0.113.66", dkim="fail", spf="fail")).encode())
        ),
        "gz": gzipped(tls()),
        "eml": a_mail(gzipped(aggregate())).as_bytes(),
        "failure": a_failure_mail(),
        "bomb": gzipped(b" " * 9_000_000),
        "letter": b"From: a@b.example\r\nSubject: Hello\r\n\r\nHello\r\n",
    }
    for name, content in contents.items():
        (tmp_path / name).write_bytes(content)
    return {name: str(tmp_path / name) for name in contents}


def test_files_are_read_whatever_they_are_and_nothing_is_stored(postroom: Command, files: dict[str, str]) -> None:
    answer = postroom("dmarc", "read", files["zip"], files["gz"], files["eml"], files["failure"], "--json")
    assert answer.code == 0, answer.err
    assert [one["form"] for one in answer.data] == ["aggregate", "tls", "aggregate", "failure"]
    assert {row["count"] for row in answer.data[0]["sources"]} == {41, 7}
    assert postroom("dmarc", "list", "--json").data["reports"] == []


def test_what_is_no_report_is_told_and_ends_with_1(postroom: Command, files: dict[str, str]) -> None:
    answer = postroom("dmarc", "read", files["bomb"], files["letter"], files["zip"], "--json")
    assert answer.code == 1
    assert [one.get("code") for one in answer.data] == ["receivers.too_packed", "receivers.none", None]
    assert "unpacks to more than it may" in postroom("dmarc", "read", files["bomb"]).out


def test_a_report_is_told_in_words(postroom: Command, files: dict[str, str]) -> None:
    answer = postroom("dmarc", "read", files["zip"])
    assert f"aggregate report 4711 of receiver.example about {DOMAIN}" in answer.out
    assert "203.0.113.66" in answer.out
    assert "certificate-expired" in postroom("dmarc", "read", files["gz"]).out


def test_standard_input_is_read_and_a_file_that_is_not_there_is_told(postroom: Command, tmp_path: Path) -> None:
    answer = postroom("dmarc", "read", "-", "--json", stdin=aggregate().encode())
    assert answer.data[0]["domain"] == DOMAIN
    gone = postroom("dmarc", "read", str(tmp_path / "gone"))
    assert (gone.code, "No such file" in gone.err) == (2, True)


def test_what_came_is_listed_and_shown(postroom: Command) -> None:
    assert "No report has come" in postroom("dmarc", "list").out
    number = some_reports()
    told = postroom("dmarc", "list", "--days", "30")
    for piece in (RELAY, "Own relay", "certificate-host-mismatch", "receiver.example"):
        assert piece in told.out, piece
    shown = postroom("dmarc", "show", str(number), "--json").data
    assert {row["ip"] for row in shown["sources"]} >= {RELAY}
    assert RELAY in postroom("dmarc", "show", str(number)).out
    assert postroom("dmarc", "show", "999999").code == 2
