"""The words for incoming mailboxes."""

from __future__ import annotations

import pytest

from postroom.core.terms.mailboxes import (
    Acknowledgement,
    AfterFetch,
    MailboxEndpoint,
    MailboxProtocol,
    MailboxTrouble,
    TroubleKind,
)
from postroom.core.terms.secret import Secret


@pytest.mark.parametrize("text", ["nothing", "mark_seen", "delete", "move:Done", "move:Archive/2026"])
def test_an_acknowledgement_is_written_as_it_was_read(text: str) -> None:
    assert str(Acknowledgement.read(text)) == text


def test_a_folder_name_may_contain_a_colon() -> None:
    assert Acknowledgement.read("move: a:b ") == Acknowledgement(AfterFetch.MOVE, "a:b")


@pytest.mark.parametrize("text", ["", "move", "move:", "move: ", "delete:Done", "burn"])
def test_a_setting_that_makes_no_sense_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        Acknowledgement.read(text)


def test_an_endpoint_shows_no_secret() -> None:
    endpoint = MailboxEndpoint(
        protocol=MailboxProtocol.IMAP,
        host="imap.example",
        port=993,
        username="alice",
        password=Secret("top-secret"),
        access_token=Secret("ya29.token"),
    )
    assert "top-secret" not in repr(endpoint)
    assert "ya29" not in repr(endpoint)


def test_trouble_reads_as_its_sentence() -> None:
    trouble = MailboxTrouble(TroubleKind.LOGIN, "Wrong password.", "AUTHENTICATIONFAILED")
    assert (str(trouble), trouble.kind, trouble.response_code) == (
        "Wrong password.",
        TroubleKind.LOGIN,
        "AUTHENTICATIONFAILED",
    )
