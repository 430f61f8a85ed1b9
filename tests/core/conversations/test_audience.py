"""Who hears of a message."""

from __future__ import annotations

from dataclasses import replace

import pytest

from postroom.core.conversations.audience import Audience, Candidate, decide
from postroom.core.terms.states import Channel, MessageKind

ALICE = Candidate(
    contact_id=1,
    name="Alice",
    address="alice@shop.example",
    normal="alice@shop.example",
    is_colleague=True,
    follows_comments=True,
    follows_notes=True,
)
BOB = replace(ALICE, contact_id=2, name="Bob", address="bob@shop.example", normal="bob@shop.example")
CARLA = Candidate(
    contact_id=3,
    name="Customer Carla",
    address="carla@customer.example",
    normal="carla@customer.example",
    follows_comments=True,
)


def audience(kind: MessageKind, *people: Candidate, author: int | None = None, author_normal: str = "") -> Audience:
    return decide(kind, people, author_contact_id=author, author_normal=author_normal)


def names(found: Audience) -> list[str]:
    return [member.name for member in found.members]


def why_not(found: Audience) -> dict[str, str]:
    return {one.name: reason.code for one, reason in found.left_out}


def test_followers_of_comments_hear_of_comments() -> None:
    found = audience(MessageKind.COMMENT, BOB, replace(CARLA, follows_comments=False))
    assert names(found) == ["Bob"]
    assert why_not(found) == {"Customer Carla": "audience.not_this_kind"}
    assert [reason.code for reason in found.members[0].reasons] == ["audience.follows", "audience.mail"]


@pytest.mark.case("T-185")
def test_an_archived_contact_hears_nothing() -> None:
    found = audience(
        MessageKind.COMMENT, replace(CARLA, is_active=False), replace(BOB, is_active=False, is_explicit=True)
    )
    assert names(found) == []
    assert set(why_not(found).values()) == {"audience.inactive"}


@pytest.mark.case("T-193")
@pytest.mark.parametrize("is_explicit", [False, True])
def test_the_author_hears_nothing_of_his_own_words_even_when_he_is_named(is_explicit: bool) -> None:
    found = audience(MessageKind.COMMENT, replace(ALICE, is_explicit=is_explicit), BOB, author=ALICE.contact_id)
    assert names(found) == ["Bob"]
    assert why_not(found) == {"Alice": "audience.author"}


def test_the_author_is_known_by_his_address_too() -> None:
    assert names(audience(MessageKind.COMMENT, CARLA, BOB, author_normal=CARLA.normal)) == ["Bob"]


@pytest.mark.case("T-197")
@pytest.mark.parametrize("is_explicit", [False, True])
def test_an_outside_person_who_follows_notes_or_is_named_hears_of_no_note(is_explicit: bool) -> None:
    wrongly = replace(CARLA, follows_notes=True, is_explicit=is_explicit)
    found = audience(MessageKind.NOTE, wrongly, BOB)
    assert names(found) == ["Bob"]
    assert why_not(found) == {"Customer Carla": "audience.outside"}


@pytest.mark.case("T-196")
def test_a_person_is_in_it_once_and_hears_of_it_in_the_inbox_when_that_is_the_choice() -> None:
    inbox = replace(BOB, channel=Channel.INBOX)
    found = audience(MessageKind.COMMENT, replace(inbox, is_explicit=True), inbox)
    assert [(member.name, member.channel, member.needs_mail) for member in found.members] == [
        ("Bob", Channel.INBOX, False)
    ]


def test_notes_may_be_kept_from_leaving_by_mail() -> None:
    for kind, channel, code in (
        (MessageKind.NOTE, Channel.INBOX, "audience.note_inbox"),
        (MessageKind.COMMENT, Channel.MAIL, "audience.mail"),
    ):
        (bob,) = decide(kind, [BOB], author_contact_id=1, author_normal="", notes_by_mail=False).members
        assert (bob.channel, bob.needs_mail, bob.reasons[-1].code) == (channel, channel is Channel.MAIL, code)


def test_the_inbox_is_for_colleagues_alone() -> None:
    found = audience(MessageKind.COMMENT, replace(CARLA, channel=Channel.INBOX))
    assert [(member.channel, member.needs_mail) for member in found.members] == [(Channel.MAIL, True)]


def test_who_was_addressed_by_the_mail_itself_gets_no_second_copy() -> None:
    found = decide(
        MessageKind.COMMENT,
        [CARLA, BOB],
        author_contact_id=None,
        author_normal="",
        already_addressed=frozenset({CARLA.normal}),
    )
    assert [(member.name, member.needs_mail) for member in found.members] == [("Customer Carla", False), ("Bob", True)]


@pytest.mark.case("T-134")
def test_who_has_no_address_is_in_it_without_a_mail() -> None:
    found = audience(MessageKind.COMMENT, replace(CARLA, address="", normal=""))
    assert [(member.needs_mail, member.reasons[-1].code) for member in found.members] == [
        (False, "audience.no_address")
    ]
