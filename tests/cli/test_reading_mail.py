"""parse, read-report, split-reply: what mails say, without a database."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest

from tests.cli.conftest import Command
from tests.cli.mails import AWAY, BOUNCE, HELLO, REPLY


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name, raw in {"hello": HELLO, "bounce": BOUNCE, "away": AWAY, "reply": REPLY}.items():
        (tmp_path / f"{name}.eml").write_bytes(raw)
    return tmp_path


def test_parse_says_everything_on_one_line_of_json(postroom: Command, folder: Path) -> None:
    file = str(folder / "hello.eml")
    answer = postroom("parse", "--jsonl", file)
    assert answer.code == 0
    assert answer.out.count("\n") == 1
    mail = answer.data
    assert list(mail) == [
        "file", "subject", "from", "to", "cc", "message_id", "in_reply_to", "references", "date",
        "text", "html", "reply_text", "attachments", "defects",
    ]  # fmt: skip
    assert mail["file"] == file
    assert mail["subject"] == "Grüße"
    assert mail["from"] == [{"name": "Customer Carla", "address": "carla@customer.example"}]
    assert mail["date"] == "2026-01-05T09:00:00+00:00"
    assert mail["text"].strip() == "The printer smokes."
    (costs,) = mail["attachments"]
    assert (costs["name"], costs["type"]) == ("costs.csv", "text/csv")
    assert len(costs["sha256"]) == len(hashlib.sha256().hexdigest())


def test_parse_shows_people_the_subject(postroom: Command, folder: Path) -> None:
    answer = postroom("parse", str(folder / "hello.eml"))
    assert "Grüße" in answer.out
    assert "{" not in answer.out


def test_a_file_that_is_missing_does_not_spoil_the_others(postroom: Command, folder: Path) -> None:
    answer = postroom("parse", "--jsonl", str(folder / "nothing.eml"), str(folder / "hello.eml"))
    assert answer.code == 1
    assert "No such file" in answer.err
    assert answer.data["subject"] == "Grüße"


def test_a_mail_of_any_bytes_is_parsed(postroom: Command, tmp_path: Path) -> None:
    (tmp_path / "noise.eml").write_bytes(bytes(range(256)) * 3)
    answer = postroom("parse", "--jsonl", str(tmp_path / "noise.eml"))
    assert answer.code == 0
    assert answer.data["defects"]


def test_a_mail_can_come_from_standard_input(postroom: Command) -> None:
    assert postroom("parse", "--jsonl", "-", stdin=HELLO).data["message_id"] == "<hello.1@customer.example>"


def test_a_bounce_is_read_with_recipient_reason_and_verdict(postroom: Command, folder: Path) -> None:
    report = postroom("read-report", "--jsonl", str(folder / "bounce.eml")).data
    assert report["kind"] == "bounce"
    assert report["original_message_id"] == "<ours.7@postroom.test>"
    assert report["recipients"] == [
        {
            "address": "nobody@customer.example",
            "action": "failed",
            "status": "5.1.1",
            "reply": "550 5.1.1 User unknown",
            "reason": "user_unknown",
            "verdict": "address",
            "permanence": "permanent",
            "original_address": "",
        }
    ]


@pytest.mark.parametrize(
    ("before", "after", "kind", "permanence", "verdict"),
    [
        (b"Action: failed\nStatus: 5.1.1", b"Action: delayed\nStatus: 4.4.1", "delayed", "transient", "address"),
        (b"Action: failed\nStatus: 5.1.1", b"Action: delivered\nStatus: 2.0.0", "receipt", "none", ""),
        (
            b"Status: 5.1.1\nDiagnostic-Code: smtp; 550 5.1.1",
            b"Status: 4.2.2\nDiagnostic-Code: smtp; 452 4.2.2",
            "bounce",
            "transient",
            "mailbox",
        ),
    ],
)
def test_a_delay_and_a_receipt_are_no_failures(
    postroom: Command, before: bytes, after: bytes, kind: str, permanence: str, verdict: str
) -> None:
    report = postroom("read-report", "--jsonl", "-", stdin=BOUNCE.replace(before, after)).data
    (recipient,) = report["recipients"]
    assert (report["kind"], recipient["permanence"], recipient["verdict"]) == (kind, permanence, verdict)


@pytest.mark.parametrize(
    ("original", "final", "address", "sent_to"),
    [
        ("bob@here.test", "robert@there.test", "robert@there.test", "bob@here.test"),
        ("bob@here.test", "robert@mail.here.test", "bob@here.test", ""),
        ("bob@here.test", "bob@localhost", "bob@here.test", ""),
        ("bob@here.test", "bob@here.test", "bob@here.test", ""),
    ],
)
def test_a_mail_that_was_forwarded_failed_where_it_went(
    postroom: Command, original: str, final: str, address: str, sent_to: str
) -> None:
    """An alias within the same domain is the address itself."""
    fields = f"Original-Recipient: rfc822; {original}\nFinal-Recipient: rfc822; {final}".encode()
    bounce = BOUNCE.replace(b"Final-Recipient: rfc822; nobody@customer.example", fields)
    (recipient,) = postroom("read-report", "--jsonl", "-", stdin=bounce).data["recipients"]
    assert (recipient["address"], recipient["original_address"]) == (address, sent_to)


def test_feedback_is_a_complaint_and_its_reason_tells_which(postroom: Command) -> None:
    for feedback, reason, verdict in (("abuse", "feedback", "policy"), ("auth-failure", "auth_failure", "sender")):
        mail = (
            "From: fbl@provider.test\nSubject: report\nMIME-Version: 1.0\n"
            'Content-Type: multipart/report; report-type=feedback-report; boundary="b"\n\n'
            f"--b\nContent-Type: message/feedback-report\n\nFeedback-Type: {feedback}\nVersion: 1\n"
            "Original-Rcpt-To: carla@customer.test\n\n--b--\n"
        )
        report = postroom("read-report", "--jsonl", "-", stdin=mail.encode()).data
        (recipient,) = report["recipients"]
        assert (report["kind"], recipient["reason"], recipient["verdict"]) == ("complaint", reason, verdict)


def test_an_automatic_reply_and_an_ordinary_mail_are_told_apart(postroom: Command, folder: Path) -> None:
    answer = postroom("read-report", "--jsonl", str(folder / "away.eml"), str(folder / "hello.eml"))
    first, second = (json.loads(line) for line in answer.out.splitlines())
    assert (first["kind"], first["original_message_id"]) == ("autoreply", "<ours.8@postroom.test>")
    assert (second["kind"], second["recipients"]) == ("ordinary", [])


def test_split_reply_keeps_the_new_words(postroom: Command, folder: Path) -> None:
    answer = postroom("split-reply", "--jsonl", str(folder / "reply.eml"))
    assert answer.data["reply_text"].startswith("It works now, thank you.")
    assert set(answer.data) == {"file", "reply_text"}


def test_a_text_file_is_a_body_itself(postroom: Command, tmp_path: Path) -> None:
    (tmp_path / "body.txt").write_text("From: here on it is text.\n\nYes.\n")
    answer = postroom("split-reply", "--jsonl", str(tmp_path / "body.txt"))
    assert answer.data["reply_text"].startswith("From: here on it is text.")


HOSTILE = (
    b'From: "\x1b[31mMallory" <mallory@evil.example>\r\nTo: alice@shop.example\r\n'
    b"Subject: =?utf-8?b?G10wO3B3bmVkBxtbMko=?=\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n"
    b"One\r\n\x1b[2J\x1b]52;c;cm0gLXJmIH4=\x07Two\x08\x08\x08 \xc2\x9b31m \x7f \xe2\x80\xae gnorw\r\n\tThree\r\n"
)


@pytest.mark.parametrize("command", ["parse", "split-reply", "read-report"])
@pytest.mark.parametrize("how", [(), ("--jsonl",)])
def test_what_a_mail_says_never_commands_the_terminal(
    postroom: Command, tmp_path: Path, command: str, how: tuple[str, ...]
) -> None:
    file = tmp_path / "hostile.eml"
    file.write_bytes(HOSTILE)
    answer = postroom(command, *how, str(file))
    said = answer.out + answer.err
    assert answer.code == 0
    assert [char for char in said if (char < " " and char not in "\n\t") or "\x7f" <= char <= "\x9f"] == []
    assert "\N{RIGHT-TO-LEFT OVERRIDE}" not in said


def test_control_characters_are_shown_and_lines_stay_lines(postroom: Command, tmp_path: Path) -> None:
    file = tmp_path / "hostile.eml"
    file.write_bytes(HOSTILE)
    shown = postroom("split-reply", str(file)).out
    assert shown == "One\n␛[2J␛]52;c;cm0gLXJmIH4=␇Two␈␈␈ \\x9b31m ␡ \\u202e gnorw\n\tThree\n"
    assert json.loads(postroom("split-reply", "--jsonl", str(file)).out)["reply_text"].count("\x1b") == 2
