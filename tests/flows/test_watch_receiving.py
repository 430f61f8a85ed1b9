"""What comes in is looked after: failures, the disk, and doors that do not see who knocks."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from postroom.adapters.blobs.disk import DiskBlobs
from postroom.core.routing.authenticity import Proof
from postroom.core.terms.envelopes import Envelope
from postroom.core.terms.states import Door, InboundState
from postroom.core.terms.storage import Room
from postroom.flows.accept_message import Arrival, accept_message
from postroom.flows.alarms import dismiss_alarm
from postroom.flows.how_is_it import how_is_it
from postroom.flows.route_message import route_waiting
from postroom.flows.settings import set_parameter
from postroom.flows.watch_receiving import FAILED, PROXIED, STORAGE, watch_receiving
from postroom.store.models import Alarm, InboundMessage, Message
from postroom.wiring import ports
from tests.people import House, build_house, write_mail

pytestmark = pytest.mark.django_db

OURS = b"Received: from relay ([172.17.0.1])\r\n\tby door.test (Postroom) with ESMTP id 1\r\n"
FROM_OUTSIDE = (
    b"Received: from evil.example (unknown [203.0.113.9])\r\n\tby mail.house.test (Postfix) with ESMTPS id 3\r\n"
)
FROM_INSIDE = b"Received: from app (app [10.0.0.5])\r\n\tby mail.house.test (Postfix) with ESMTP id 4\r\n"
RELAY = "172.17.0.1 (mail.house.test)"


@pytest.fixture
def house() -> House:
    return build_house()


def arrive(raw: bytes, *, peer: str = RELAY) -> InboundMessage:
    number = accepted(raw, peer=peer)
    while route_waiting(ports()):
        pass
    return InboundMessage.objects.get(pk=number)


def accepted(raw: bytes, *, peer: str) -> int:
    envelope = Envelope(mail_from="bob@box.test", rcpt_to=("support@in.test",))
    return accept_message(ports(), Arrival(door=Door.SMTP, raw=raw, envelope=envelope, peer=peer))


def open_alarms(code: str) -> list[str]:
    return [str(row.reason["code"]) for row in Alarm.objects.filter(code=code, ended_at=None)]


def point(name: str) -> bool:
    return next(one.is_well for one in how_is_it(ports()).points if one.name == name)


# ---- failures


def test_mail_that_could_not_be_routed_is_an_alarm_until_it_is_settled(house: House) -> None:
    row = arrive(write_mail())
    InboundMessage.objects.update(state=InboundState.FAILED, error="KeyError: 'blob'")
    watch_receiving(ports())
    assert open_alarms(FAILED) == ["inbound.failed"]
    assert not point("incoming")
    watch_receiving(ports())
    assert Alarm.objects.get().count == 1  # it has nothing new to say
    InboundMessage.objects.filter(pk=row.pk).update(state=InboundState.ROUTED)
    watch_receiving(ports())
    assert open_alarms(FAILED) == []
    assert point("incoming")


def test_who_has_seen_a_failure_is_told_of_the_next_one_only(house: House) -> None:
    first = arrive(write_mail())
    InboundMessage.objects.update(state=InboundState.FAILED, error="x")
    watch_receiving(ports())
    dismiss_alarm(ports(), Alarm.objects.get().pk, member=house.alice)
    watch_receiving(ports())
    assert open_alarms(FAILED) == []
    InboundMessage.objects.filter(pk=first.pk).update(due_at=ports().clock.now() + timedelta(seconds=30))
    watch_receiving(ports())
    assert open_alarms(FAILED) == ["inbound.failed"]


# ---- the disk


class NoRoom(DiskBlobs):
    """As full as is said."""

    def __init__(self, free: int, trouble: str = "") -> None:
        super().__init__(Path("/nowhere"))
        self._room = Room(place="/nowhere", free=free, trouble=trouble)

    def room(self) -> Room:
        return self._room


def test_a_disk_that_is_nearly_full_is_an_alarm_until_there_is_room() -> None:
    watch_receiving(replace(ports(), blobs=NoRoom(50_000_000)))
    assert open_alarms(STORAGE) == ["door.storage_full"]
    watch_receiving(replace(ports(), blobs=NoRoom(0, "Read-only file system")))
    assert open_alarms(STORAGE) == ["door.storage_broken"]
    found = how_is_it(replace(ports(), blobs=NoRoom(0, "Read-only file system")))
    assert not found.is_well
    watch_receiving(replace(ports(), blobs=NoRoom(10**12)))
    assert open_alarms(STORAGE) == []


def test_the_room_of_a_real_place_is_told_and_a_place_that_is_none_too(tmp_path: Path) -> None:
    assert DiskBlobs(tmp_path / "blobs").room().free > 0
    assert list((tmp_path / "blobs").iterdir()) == []  # nothing is left of the look
    (tmp_path / "file").write_text("no folder")
    assert DiskBlobs(tmp_path / "file").room().trouble


# ---- doors that do not see who knocks


def test_what_a_relay_at_home_took_from_outside_is_not_from_home(house: House) -> None:
    """Else everybody outside could write as one of us."""
    bob = write_mail(sender="Bob <bob@box.test>")
    row = arrive(OURS + FROM_OUTSIDE + bob)
    assert Proof(row.authentication["proof"]) is Proof.UNPROVEN
    assert (Message.objects.get().author, Message.objects.get().is_unverified) == (None, True)
    assert open_alarms(PROXIED) == ["door.proxied_relay"]
    dismiss_alarm(ports(), Alarm.objects.get().pk, member=house.alice)
    arrive(OURS + FROM_OUTSIDE + write_mail())
    assert open_alarms(PROXIED) == []  # he knows it


def test_a_relay_that_is_named_is_no_alarm(house: House) -> None:
    set_parameter(ports(), "mail.authentication.relays", "172.17.0.1", member=None)
    arrive(OURS + FROM_OUTSIDE + write_mail())
    assert open_alarms(PROXIED) == []


def test_what_a_program_at_home_hands_to_a_relay_at_home_is_from_home(house: House) -> None:
    row = arrive(OURS + FROM_INSIDE + write_mail(sender="Bob <bob@box.test>"))
    assert Proof(row.authentication["proof"]) is Proof.NOT_APPLICABLE
    assert not Message.objects.get().is_unverified
    assert open_alarms(PROXIED) == []


def test_one_address_of_ours_with_many_names_hides_who_knocks(house: House) -> None:
    for number in range(8):
        accepted(write_mail(), peer=f"172.17.0.1 (mx{number}.stranger.example)")
    for number in range(20):
        accepted(
            write_mail(), peer=f"203.0.113.{number} (mx{number}.stranger.example)"
        )  # strangers with addresses of their own
    watch_receiving(ports())
    alarm = Alarm.objects.get(code=PROXIED)
    assert (alarm.subject, alarm.reason["facts"]["count"]) == ("172.17.0.1", "8")
