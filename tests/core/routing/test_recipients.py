"""Whom an address means: the same answer at RCPT and in the router."""

from __future__ import annotations

from dataclasses import replace

import pytest

from postroom.core.routing.deciding import decide
from postroom.core.routing.recipients import KnownAddresses, accepts, matching_aliases, read_recipient
from postroom.core.routing.verdicts import CreateRecord, Discard, Refuse
from tests.core.routing.people import (
    FACTS,
    KEYS,
    OURS,
    SALES,
    SUPPORT,
    bounce_address,
    evidence,
    reply_address,
)

OLD = replace(OURS, name="old.example", is_retired=True)
DIRECTORY = KnownAddresses(
    domains=(OURS, OLD),
    aliases=(
        SUPPORT,
        replace(SALES, is_retired=True),
        replace(SUPPORT, alias_id=3, name="info", matches_local_part=True),
    ),
)


@pytest.mark.parametrize(
    ("address", "code"),
    [
        ("support@ours.example", "recipient.alias"),
        ("SUPPORT@Ours.Example", "recipient.alias"),
        ("support+x@ours.example", "recipient.alias"),
        ("<support@ours.example>", "recipient.alias"),
        ('"support"@ours.example', "recipient.alias"),
        ("sales@ours.example", "recipient.alias_retired"),
        ("info@anywhere.example", "recipient.alias_local"),
        ("catchall@ours.example", "recipient.catchall"),
        ("catchall@old.example", "recipient.catchall"),
        ("catchall+whatever@ours.example", "recipient.catchall"),
        ("bounce@ours.example", "recipient.bounce"),
        ("bounce+forged@ours.example", "recipient.bounce"),
        (reply_address(5), "recipient.reply_token"),
        (reply_address(5, "support@ours.example"), "recipient.reply_token"),
        (bounce_address(5), "recipient.bounce_token"),
        (bounce_address(5, "bounce@old.example").upper(), "recipient.bounce_token"),
        ("postmaster@ours.example", "recipient.duty"),
        ("ABUSE@old.example", "recipient.duty"),
        ("Postmaster", "recipient.duty"),
    ],
)
def test_our_addresses_are_accepted(address: str, code: str) -> None:
    verdict = accepts(read_recipient(address, KEYS), DIRECTORY)
    assert verdict.accepted
    assert [reason.code for reason in verdict.reasons] == [code]
    assert "?" not in str(verdict.reasons[0])


@pytest.mark.parametrize(
    ("address", "code"),
    [
        ("nobody@ours.example", "recipient.unknown"),
        ("support@old.example", "recipient.unknown"),
        ("support@elsewhere.example", "recipient.foreign"),
        ("postmaster@elsewhere.example", "recipient.foreign"),
        (reply_address(5, "catchall@elsewhere.example"), "recipient.foreign"),
        ("support@sub.ours.example", "recipient.foreign"),
        ("abuse", "recipient.no_address"),
        ("", "recipient.no_address"),
        ("no address", "recipient.no_address"),
        ("@ours.example", "recipient.no_address"),
    ],
)
def test_other_addresses_are_not(address: str, code: str) -> None:
    verdict = accepts(read_recipient(address, KEYS), DIRECTORY)
    assert not verdict.accepted
    assert [reason.code for reason in verdict.reasons] == [code]


def test_an_installation_without_domains_takes_mail_for_the_postmaster_alone() -> None:
    assert accepts("postmaster", KnownAddresses()).accepted
    assert not accepts("support@ours.example", KnownAddresses()).accepted


def test_facts_are_a_directory_too() -> None:
    assert accepts("support@ours.example", FACTS).accepted


def test_two_aliases_may_mean_one_address() -> None:
    local = replace(SALES, name="support", domain="second.example", matches_local_part=True)
    both = matching_aliases(
        read_recipient("support@ours.example"), KnownAddresses(domains=(OURS,), aliases=(SUPPORT, local))
    )
    assert [alias.alias_id for alias in both] == [1, 2]


@pytest.mark.parametrize(
    ("address", "kind"),
    [
        ("support@ours.example", CreateRecord),
        ("catchall@ours.example", Refuse),
        ("bounce@ours.example", Discard),
        ("nobody@ours.example", Refuse),
        ("support@elsewhere.example", Refuse),
    ],
)
def test_the_router_knows_a_recipient_exactly_when_the_door_accepts_it(address: str, kind: type) -> None:
    seen = evidence(to=[address])
    (decision,) = decide(seen, FACTS).decisions
    assert isinstance(decision, kind)
    is_unknown = isinstance(decision, Refuse) and decision.answer == "unknown"
    assert accepts(seen.recipients[0], FACTS).accepted is not is_unknown
