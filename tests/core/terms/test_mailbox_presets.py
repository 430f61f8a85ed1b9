"""What the presets of mailboxes fill in."""

from __future__ import annotations

from postroom.core.senders.authentication_results import read_servers
from postroom.core.terms.mailbox_presets import MAILBOX_PRESETS


def test_who_fetches_from_gmail_hears_what_gmail_found_about_senders() -> None:
    assert MAILBOX_PRESETS["gmail"].values()["authserv_ids"] == "mx.google.com"
    assert MAILBOX_PRESETS["custom"].values()["authserv_ids"] == ""


def test_every_preset_names_servers_that_can_be_read() -> None:
    for preset in MAILBOX_PRESETS.values():
        assert bool(read_servers(preset.authserv_ids)) == bool(preset.authserv_ids)
