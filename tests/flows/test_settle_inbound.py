"""Held, failed and refused mail in the hands of a person: set aside, allowed, many at once, and forgotten only after a warning."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from postroom.core.terms.reasons import reasons_from_json
from postroom.core.terms.states import Door, InboundState
from postroom.flows import settle_inbound
from postroom.flows.access import NotAllowed
from postroom.flows.allow_sender import CannotAllow, Permission, allow_sender, what_it_means
from postroom.flows.forget_old_mail import forget_old_mail
from postroom.flows.settings import parameters, set_parameter
from postroom.flows.settle_inbound import (
    AlreadySettled,
    discard_held,
    refuse_held,
    route_again,
    route_chosen_again,
    route_matching_again,
    settle_each,
)
from postroom.store.models import Contact, InboundMessage, Message, RawMail, Record
from postroom.store.queries.pages_home import attention
from postroom.store.queries.pages_inbound import InboundWish, inbound_list
from postroom.wiring import ports
from tests.flows.arriving import CARLA, answers, arrive, route_all
from tests.people import House, build_house, write_mail

pytestmark = pytest.mark.django_db


@pytest.fixture
def house() -> House:
    return build_house()


def stray(subject: str = "stray", **values: str) -> InboundMessage:
    """Fetched, and for nobody: held."""
    inbound = arrive(write_mail(to="nobody@in.test", subject=subject, **values), door=Door.IMAP)
    assert inbound.state == InboundState.HELD
    return inbound


def again(inbound: InboundMessage) -> InboundMessage:
    route_all()
    inbound.refresh_from_db()
    return inbound


def test_what_is_set_aside_stays_in_the_log_with_the_reason_and_its_bytes(house: House) -> None:
    held = stray()
    with pytest.raises(ValueError, match="why"):
        discard_held(ports(), held.pk, " \0 ", member=house.alice)
    discard_held(ports(), held.pk, "an advertisement", member=house.alice)
    held.refresh_from_db()
    told = [str(one) for one in reasons_from_json(held.verdict[0]["reasons"])]
    assert (held.state, told) == (InboundState.DISCARDED, ["Alice set it aside: an advertisement"])
    assert held.raw_mail.raw
    assert not answers()
    route_again(ports(), held.pk, member=house.alice)
    assert again(held).state == InboundState.HELD, "not seen before: it is the same mail"


def test_who_only_writes_on_records_decides_nothing(house: House) -> None:
    held = stray()
    InboundMessage.objects.update(company=house.company)
    for act in (
        lambda: discard_held(ports(), held.pk, "x", member=house.bob),
        lambda: allow_sender(ports(), held.pk, member=house.bob),
        lambda: route_chosen_again(ports(), [held.pk], member=house.bob),
        lambda: route_matching_again(ports(), InboundWish(), member=house.bob),
    ):
        with pytest.raises(NotAllowed):
            act()


# ---- always allow this sender


def test_allowing_a_stranger_makes_a_contact_and_routes_the_mail_again(house: House) -> None:
    house.support.policy = "known_contacts"
    house.support.save()
    refused = arrive(write_mail(), "support@in.test")
    assert refused.state == InboundState.REFUSED
    assert allow_sender(ports(), refused.pk, member=house.alice).permission is Permission.CONTACT
    assert again(refused).state == InboundState.ROUTED
    carla = Contact.objects.get(normal=CARLA)
    assert (carla.company, carla.name, Message.objects.get().author) == (house.company, "Customer Carla", carla)
    assert arrive(write_mail(subject="next"), "support@in.test").state == InboundState.ROUTED
    with pytest.raises(AlreadySettled):
        allow_sender(ports(), refused.pk, member=house.alice)
    assert Contact.objects.filter(normal=CARLA).count() == 1


def test_allowing_a_stranger_where_followers_write_makes_him_a_follower(house: House) -> None:
    arrive(write_mail(to="sales@in.test"), "sales@in.test")
    owner = Record.objects.get()
    house.support.policy, house.support.owner_record = "followers", owner
    house.support.save()
    refused = arrive(write_mail(subject="two"), "support@in.test")
    done = allow_sender(ports(), refused.pk, member=house.alice)
    assert (done.permission, done.record_id) == (Permission.FOLLOWER, owner.pk)
    assert again(refused).state == InboundState.ROUTED


def test_allowing_a_busy_sender_puts_him_on_the_list_of_the_breaker(house: House) -> None:
    set_parameter(ports(), "mail.gateway.loop.threshold", "1", member=None)
    set_parameter(ports(), "mail.gateway.allowed", "x@y.example", member=None)
    arrive(write_mail(subject="one"), "support@in.test")
    held = arrive(write_mail(subject="two"), "support@in.test")
    assert held.state == InboundState.HELD
    assert allow_sender(ports(), held.pk, member=house.alice).permission is Permission.LOOP
    assert again(held).state == InboundState.ROUTED
    assert parameters(ports()).words("mail.gateway.allowed") == ("x@y.example", CARLA)


def test_where_the_cause_does_not_lie_in_the_sender_there_is_nothing_to_allow(house: House) -> None:
    held = stray()
    assert what_it_means(reasons_from_json(held.verdict[0]["reasons"])) is None
    with pytest.raises(CannotAllow):
        allow_sender(ports(), held.pk, member=house.alice)


# ---- many at once


def test_all_that_match_are_routed_again_in_batches_and_each_once(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(settle_inbound, "BATCH", 2)
    mails = [stray(f"order {number}") for number in range(5)] + [stray("other")]
    InboundMessage.objects.filter(pk=mails[1].pk).update(
        state=InboundState.FAILED, error="ZeroDivisionError", attempt_count=5
    )
    wish, after, done = InboundWish(text="ORDER"), 0, []
    while True:
        found = route_matching_again(ports(), wish, member=house.alice, after=after)
        done.append(found.done)
        route_all()
        if found.after is None:
            break
        after = found.after
    assert sum(done) == 5
    assert len(done) >= 3
    assert set(InboundMessage.objects.values_list("state", flat=True)) == {InboundState.HELD}
    assert not InboundMessage.objects.exclude(error="").exists()


def test_a_batch_costs_as_much_as_one(house: House) -> None:
    few, many = [stray("a")], [stray(f"b {number}") for number in range(6)]
    counts = []
    for rows in (few, many):
        with CaptureQueriesContext(connection) as seen:
            done = route_chosen_again(ports(), [row.pk for row in rows], member=house.alice)
        assert (done.done, done.left) == (len(rows), 0)
        counts.append(len(seen))
    assert counts[1] <= counts[0]


def test_of_those_that_were_chosen_what_is_on_a_record_is_left_alone(house: House) -> None:
    routed = arrive(write_mail(), "support@in.test")
    held = stray()
    done = settle_each(
        [routed.pk, held.pk, 999_999], lambda one: refuse_held(ports(), one, member=house.alice), member=house.alice
    )
    assert (done.done, done.left) == (1, 2)
    held.refresh_from_db()
    assert held.state == InboundState.REFUSED
    assert len(answers()) == 1


# ---- the log, narrowed


def subjects(house: House, wish: InboundWish, cursor: str = "") -> list[str]:
    rows = inbound_list(InboundMessage.objects.all(), wish, cut=None, cursor=cursor).rows
    return [row.subject for row in rows]


def test_the_log_is_narrowed_by_each_of_its_filters(house: House) -> None:
    arrive(write_mail(subject="Ticket one"), "support@in.test")
    stray("Stray two", sender="Dora <dora@partner.example>")
    old = stray("Old three")
    InboundMessage.objects.filter(pk=old.pk).update(received_at=ports().clock.now() - timedelta(days=9))
    now = ports().clock.now()
    wishes = {
        "state": InboundWish(state=InboundState.ROUTED),
        "door": InboundWish(door="smtp"),
        "alias": InboundWish(alias="support@in.test"),
    }
    for name, wish in wishes.items():
        assert subjects(house, wish) == ["Ticket one"], name
    assert subjects(house, InboundWish(sender="DORA@")) == ["Stray two"]
    assert subjects(house, InboundWish(text="three")) == ["Old three"]
    assert "Old three" not in subjects(house, InboundWish(since=now - timedelta(days=7)))
    assert subjects(house, InboundWish(mailbox_id=1)) == []


@pytest.mark.parametrize(("glance", "most"), [(1, 3), (2, 2)])
def test_a_rare_wish_costs_a_glance_and_a_window_and_says_where_to_search_further(
    house: House, monkeypatch: pytest.MonkeyPatch, glance: int, most: int
) -> None:
    from postroom.store.queries import pages_inbound

    monkeypatch.setattr(pages_inbound, "GLANCE", glance)
    monkeypatch.setattr(pages_inbound, "WINDOW", 2)
    for number in range(5):
        stray(f"mail {number}")
    found, cursor, pages = [], "", 0
    while True:
        with CaptureQueriesContext(connection) as seen:
            page = inbound_list(InboundMessage.objects.all(), InboundWish(text="mail 0"), cut=None, cursor=cursor)
        assert len(seen) <= most
        found += [row.subject for row in page.rows]
        pages += 1
        if not page.next:
            break
        assert page.is_cut
        cursor = page.next
    assert (found, pages) == (["mail 0"], 3)


def test_what_is_often_costs_a_glance_alone(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    from postroom.store.queries import pages_inbound

    monkeypatch.setattr(pages_inbound, "GLANCE", 3)
    for number in range(5):
        stray(f"mail {number}")
    with CaptureQueriesContext(connection) as seen:
        page = inbound_list(InboundMessage.objects.all(), InboundWish(text="mail"), cut=None, size=2)
    assert [row.subject for row in page.rows] == ["mail 4", "mail 3"]
    assert len(seen) == 2


# ---- kept, and forgotten only after a warning


def test_bytes_of_what_waits_are_kept_whatever_their_age_and_size(house: House) -> None:
    large = write_mail(to="nobody@in.test", subject="large", text="x" * 300_000)
    held = arrive(large, door=Door.IMAP)
    failed = stray("failed")
    InboundMessage.objects.filter(pk=failed.pk).update(state=InboundState.FAILED)
    InboundMessage.objects.update(received_at=ports().clock.now() - timedelta(days=59))
    set_parameter(ports(), "retention.raw_days", "1", member=None)
    forget_old_mail(ports())
    assert RawMail.objects.count() == 2
    assert ports().blobs.get(RawMail.objects.get(inbound=held).sha256) == large


def test_held_mail_is_warned_about_a_week_before_it_goes(house: House) -> None:
    now = ports().clock.now()

    def warned() -> int:
        return attention(
            contact_id=house.alice.contact_id,
            member_id=house.alice.pk,
            records=Record.objects.all(),
            inbound=InboundMessage.objects.all(),
            deliveries=None,
            servers=None,
            mailboxes=None,
            alarms=None,
            now=now,
        ).soon_forgotten

    for age in (1, 52, 54, 59):
        row = stray(f"{age} days")
        InboundMessage.objects.filter(pk=row.pk).update(received_at=now - timedelta(days=age))
    assert warned() == 2
    set_parameter(ports(), "retention.held_days", "100", member=None)
    assert warned() == 0
