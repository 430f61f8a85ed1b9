"""SMTP replies (RFC 5321 4.2, RFC 2034)."""

from __future__ import annotations

import pytest

from postroom.core.terms.smtp_replies import SmtpReply, read_reply


@pytest.mark.parametrize(
    ("code", "lines", "enhanced", "text"),
    [
        (550, ["5.1.1 User unknown"], "5.1.1", "User unknown"),
        (250, ["2.0.0 Ok: queued as 1A2B"], "2.0.0", "Ok: queued as 1A2B"),
        (550, ["5.7.1 Go away", "5.7.1 really"], "5.7.1", "Go away\nreally"),
        (550, ["5.7.1 Go away", "for ever"], "5.7.1", "Go away\nfor ever"),
        (550, ["5.01.001 User unknown"], "5.1.1", "User unknown"),
        (550, ["5.1.1"], "5.1.1", ""),
        (550, ["User unknown"], "", "User unknown"),
        (450, ["5.1.1 of another class"], "", "5.1.1 of another class"),
        (250, ["mx.example", "SIZE 100"], "", "mx.example\nSIZE 100"),
        (250, [], "", ""),
    ],
)
def test_code_status_and_text_are_told_apart(code: int, lines: list[str], enhanced: str, text: str) -> None:
    assert read_reply(code, lines) == SmtpReply(code, enhanced, text)


@pytest.mark.parametrize(
    ("code", "positive", "transient", "permanent"),
    [
        (220, True, False, False),
        (250, True, False, False),
        (354, True, False, False),
        (421, False, True, False),
        (550, False, False, True),
        (599, False, False, True),
    ],
)
def test_a_reply_is_of_one_class(code: int, positive: bool, transient: bool, permanent: bool) -> None:
    reply = SmtpReply(code, "", "")
    assert (reply.is_positive, reply.is_transient, reply.is_permanent) == (positive, transient, permanent)


@pytest.mark.parametrize("code", [0, 7, 199, 600, -1])
def test_a_reply_without_a_code_counts_as_transient(code: int) -> None:
    """Law 11: temporary unless proven permanent."""
    assert SmtpReply(code, "", "").is_transient


def test_a_reply_shows_itself_on_one_line() -> None:
    assert str(SmtpReply(550, "5.1.1", "User\nunknown")) == "550 5.1.1 User unknown"
