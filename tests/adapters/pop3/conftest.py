"""A mailbox of a real server for each test."""

from __future__ import annotations

import pytest

from postroom.core.terms.mailboxes import MailboxProtocol
from tests.adapters.mailbox.boxes import Box, fresh_box, own_dovecot, shared_dovecot
from tests.laboratory.dovecot import Dovecot

__all__ = ["box", "own_box", "own_dovecot", "shared_dovecot"]


@pytest.fixture
def box(shared_dovecot: Dovecot) -> Box:
    """A mailbox that nobody has used yet."""
    return fresh_box(shared_dovecot, MailboxProtocol.POP3)


@pytest.fixture
def own_box(own_dovecot: Dovecot) -> Box:
    """A mailbox on a server of its own, to be harmed."""
    return Box(server=own_dovecot, address="alice@box.test", protocol=MailboxProtocol.POP3)
