"""Doors: who names the target."""

from __future__ import annotations

import pytest

from postroom.core.terms.envelopes import Envelope
from postroom.core.terms.states import Door


@pytest.mark.parametrize("door", Door)
def test_at_smtp_and_lmtp_alone_the_recipient_decides(door: Door) -> None:
    """Law 5."""
    assert door.recipient_decides is (door in (Door.SMTP, Door.LMTP))


def test_an_empty_sender_is_the_null_reverse_path() -> None:
    """RFC 5321 4.5.5."""
    assert Envelope(mail_from="", rcpt_to=("bob@ours.example",)).has_null_reverse_path
    assert not Envelope(mail_from="a@b.example", rcpt_to=()).has_null_reverse_path
