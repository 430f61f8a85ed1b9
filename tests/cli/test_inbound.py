"""Mail that came in, by hand: list, route again, set aside, allow; and every rule told aloud."""

from __future__ import annotations

from pathlib import Path

import pytest

from postroom.core.terms.states import Door
from postroom.store.models import Contact, InboundMessage, Parameter, RawMail
from tests.cli.conftest import Command
from tests.flows.arriving import arrive
from tests.people import House, build_house, write_mail

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def house() -> House:
    return build_house()


@pytest.fixture
def held() -> InboundMessage:
    return arrive(write_mail(to="nobody@in.test", subject="A stray"), door=Door.IMAP)


def test_what_is_held_is_listed_with_the_reason(postroom: Command, held: InboundMessage) -> None:
    answer = postroom("inbound", "list", "--json")
    assert [(one["id"], one["subject"]) for one in answer.data] == [(held.pk, "A stray")]
    assert answer.data[0]["why"] == "None of its recipients is known here: nobody@in.test."
    assert "A stray" in postroom("inbound", "list", "--text", "STRAY").out
    assert "There is none." in postroom("inbound", "list", "--state", "failed").out
    assert postroom("inbound", "list", "--state", "lost").code == 2


def test_what_became_a_record_is_listed_too_unless_only_one_state_is_asked_for(
    postroom: Command, held: InboundMessage
) -> None:
    routed = arrive(write_mail(subject="A ticket"), "support@in.test")
    assert [one["id"] for one in postroom("inbound", "list", "--json").data] == [routed.pk, held.pk]
    assert [one["id"] for one in postroom("inbound", "list", "--state", "held", "--json").data] == [held.pk]


def test_what_the_breaker_holds_is_listed_with_the_limit_and_not_with_the_alias(postroom: Command) -> None:
    Parameter.objects.update_or_create(key="mail.gateway.loop.threshold", defaults={"value": "1"})
    arrive(write_mail(subject="The first"), "support@in.test")
    held = arrive(write_mail(subject="The second"), "support@in.test")
    answer = postroom("inbound", "list", "--state", "held", "--json")
    assert [one["id"] for one in answer.data] == [held.pk]
    assert "the limit is 1." in answer.data[0]["why"]


def test_mails_are_routed_again_by_number_or_all_that_match(postroom: Command, held: InboundMessage) -> None:
    assert postroom("inbound", "again", str(held.pk)).out == "1 mail is routed again.\n"
    InboundMessage.objects.update(state="failed")
    assert postroom("inbound", "again", "--all", "--text", "other").out == "0 mails are routed again.\n"
    assert postroom("inbound", "again", "--all", "--text", "stray").code == 0
    held.refresh_from_db()
    assert held.state == "received"
    missing = postroom("inbound", "again", "999999")
    assert (missing.code, "1 left alone" in missing.err) == (1, True)
    assert postroom("inbound", "again").code == 2


def test_a_mail_is_set_aside_and_a_sender_is_allowed(postroom: Command, held: InboundMessage, house: House) -> None:
    assert postroom("inbound", "allow", str(held.pk)).code == 1
    assert postroom("inbound", "discard", str(held.pk), "--why", "spam").code == 0
    held.refresh_from_db()
    assert held.state == "discarded"
    assert postroom("inbound", "discard", "999999", "--why", "x").code == 2

    house.support.policy = "known_contacts"
    house.support.save()
    refused = arrive(write_mail(), "support@in.test")
    assert "known contact now" in postroom("inbound", "allow", str(refused.pk)).out
    assert Contact.objects.filter(normal="carla@customer.example").exists()


def test_a_mail_that_came_is_explained_aloud_with_what_was_decided(postroom: Command, held: InboundMessage) -> None:
    said = postroom("explain", "--inbound", str(held.pk), "--aloud").out
    for words in ("It is held.", "It would be held.", "It was not seen before.", "-> None of its recipients is known"):
        assert words in said, words
    told = postroom("explain", "--inbound", str(held.pk), "--aloud", "--json").data
    assert (told["was"], told["state"], told["rules"][0]["answered"]) == ("held", "held", False)
    assert postroom("explain").code == 2
    assert postroom("explain", "--inbound", "999999").code == 1
    RawMail.objects.all().delete()
    assert "cleaned up" in postroom("explain", "--inbound", str(held.pk)).err


def test_what_cannot_be_explained_is_said_before_anything_is_asked(postroom: Command, tmp_path: Path) -> None:
    file = tmp_path / "mail.eml"
    file.write_bytes(write_mail())
    assert "no IP address" in postroom("explain", str(file), "--peer", "mail.example").err
    assert "no mail address" in postroom("explain", str(file), "--rcpt", "bogus").err
    missing = postroom("explain", "--inbound", "999999")
    assert (missing.code, "postroom inbound list" in missing.err) == (1, True)
