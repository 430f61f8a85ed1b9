"""Answers RCPT: whether a mail for this address would find a place here. The same `accepts()` as the router's."""

from __future__ import annotations

from collections.abc import Sequence

from postroom.core.routing.recipients import accepts, read_recipient
from postroom.core.routing.verdicts import RecipientVerdict
from postroom.flows.ports import Ports
from postroom.store.queries.routing_facts import known_addresses


def check_recipients(ports: Ports, addresses: Sequence[str]) -> dict[str, RecipientVerdict]:
    """A verdict with reasons for each address as given. One query for any number of them."""
    read = {address: read_recipient(address, ports.address_keys) for address in addresses}
    locals_ = {recipient.local for recipient in read.values()}
    locals_ |= {recipient.normal.rpartition("@")[0] for recipient in read.values()}
    directory = known_addresses(locals_)
    return {address: accepts(recipient, directory) for address, recipient in read.items()}
