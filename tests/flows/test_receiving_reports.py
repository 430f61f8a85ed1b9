"""Reports and loops, case by case: what comes to the bounce address, what a report changes, and where the breaker holds."""

from __future__ import annotations

import pytest

from postroom.core.terms.states import DeliveryState, Door, InboundState, NotificationState
from postroom.flows.settings import set_parameter
from postroom.store.models import (
    Attempt,
    BounceEvent,
    Contact,
    Delivery,
    InboundMessage,
    Notification,
    Record,
    ReportedRecipient,
)
from postroom.wiring import ports
from tests.flows.arriving import CARLA, Thread, a_report, a_thread, answers, arrive, return_path, why
from tests.people import House, add_contact, build_house, write_mail

pytestmark = pytest.mark.django_db


@pytest.fixture
def house() -> House:
    return build_house()


@pytest.fixture
def thread(house: House) -> Thread:
    add_contact("Carla", CARLA)
    found = a_thread(house)
    Delivery.objects.update(state=DeliveryState.SENT)
    return found


def state_of(thread: Thread) -> DeliveryState:
    return DeliveryState(Delivery.objects.get(pk=thread.delivery.pk).state)


def bounces() -> int:
    return sum(Contact.objects.values_list("bounce_count", flat=True))


@pytest.mark.case("T-100")
def test_a_plain_mail_to_the_bounce_address_makes_no_record_and_counts_nothing(thread: Thread) -> None:
    inbound = arrive(write_mail(to="bounce@in.test"), "bounce@in.test")
    assert (inbound.state, Record.objects.count(), bounces()) == (InboundState.DISCARDED, 1, 0)
    assert inbound.raw_mail.raw, "it stays in the log with its bytes"


@pytest.mark.case("T-101")
def test_a_mail_server_that_writes_to_an_alias_is_held_for_a_person(thread: Thread) -> None:
    mail = write_mail(sender="MAILER-DAEMON@relay.example", subject="Hello")
    inbound = arrive(mail, "support@in.test", sender="mailer-daemon@relay.example")
    assert (inbound.state, Record.objects.count(), bounces()) == (InboundState.HELD, 1, 0)
    assert not answers()


@pytest.mark.case("T-103")
def test_a_report_that_proves_its_delivery_turns_the_envelope_red_with_the_servers_words(thread: Thread) -> None:
    arrive(a_report(CARLA), return_path(thread.delivery), sender="")
    told = Notification.objects.get(contact__normal=CARLA, message=thread.message)
    assert (told.state, told.failure_type) == (NotificationState.BOUNCE, "mail_bounce")
    assert "550 5.1.1 no such user" in told.failure_reason
    assert (state_of(thread), bounces()) == (DeliveryState.BOUNCED, 1)


@pytest.mark.case("T-103", "T-014")
def test_a_report_without_our_return_path_proves_itself_by_our_message_id_and_the_recipient(thread: Thread) -> None:
    inbound = arrive(a_report(CARLA, original=thread.message_id), "bounce@in.test", sender="")
    told = ["report.bounce", "report.by_message_id", "report.from_home", "report.hearsay"]  # the mail went to two
    assert why(inbound) == told
    assert state_of(thread) is DeliveryState.BOUNCED


def test_a_stranger_who_knows_message_id_and_recipient_only_claims_it(thread: Thread) -> None:
    """Shown with the delivery; no state, no counter, no notification."""
    raw = b"DKIM-Signature: v=1; d=evil.example\r\n" + a_report(CARLA, original=thread.message_id)  # not from home
    inbound = arrive(raw, "bounce@in.test", sender="", door=Door.LMTP)
    assert why(inbound) == ["report.bounce", "report.by_message_id", "report.claim"]
    row = ReportedRecipient.objects.get()
    assert (row.delivery_id, row.is_claim) == (thread.delivery.pk, True)
    assert (state_of(thread), bounces()) == (DeliveryState.SENT, 0)
    assert not Notification.objects.filter(state=NotificationState.BOUNCE).exists()
    assert not BounceEvent.objects.exists()


def test_a_report_that_names_the_queue_number_of_the_next_server_is_believed(thread: Thread) -> None:
    Attempt.objects.create(
        delivery=thread.delivery, tried_at=ports().clock.now(), phase="data", code=250, enhanced="2.0.0",
        text="Ok: queued as 4Zx9QK1dLpz2", state="sent",
    )  # fmt: skip
    raw = a_report(CARLA, original=thread.message_id)
    raw = raw.replace(
        b"Reporting-MTA: dns; relay.example\r\n",
        b"Reporting-MTA: dns; relay.example\r\nX-Postfix-Queue-ID: 4Zx9QK1dLpz2\r\n",
    )
    inbound = arrive(b"DKIM-Signature: v=1; d=evil.example\r\n" + raw, "bounce@in.test", sender="", door=Door.LMTP)
    assert "report.queue_id" in why(inbound)
    assert state_of(thread) is DeliveryState.BOUNCED


@pytest.mark.case("T-104")
def test_a_report_about_an_address_that_we_never_wrote_to_changes_nothing(thread: Thread) -> None:
    inbound = arrive(a_report("other@x.example", original=thread.message_id), "bounce@in.test", sender="")
    assert (inbound.state, state_of(thread), bounces()) == (InboundState.ROUTED, DeliveryState.SENT, 0)
    assert ReportedRecipient.objects.get().address == "other@x.example"


@pytest.mark.case("T-106")
def test_a_report_with_a_malformed_type_and_a_human_sender_is_one(thread: Thread) -> None:
    broken = a_report(
        CARLA,
        original=thread.message_id,
        kind="multipart/report: report-type=delivery-status",
        author="Postmaster <it@relay.example>",
    )
    assert arrive(broken, "support@in.test", sender="").state == InboundState.ROUTED
    assert (state_of(thread), Record.objects.count()) == (DeliveryState.BOUNCED, 1)


@pytest.mark.case("T-107", "T-011")
def test_a_report_that_names_nobody_changes_nothing(thread: Thread) -> None:
    inbound = arrive(a_report(original="<unknown@in.test>"), "bounce@in.test", sender="")
    assert inbound.state in (InboundState.ROUTED, InboundState.DISCARDED, InboundState.HELD)
    assert (state_of(thread), Record.objects.count(), bounces()) == (DeliveryState.SENT, 1, 0)


@pytest.mark.case("T-109")
def test_the_same_report_ten_times_is_one_bounce(thread: Thread) -> None:
    for _ in range(10):
        arrive(a_report(CARLA), return_path(thread.delivery), sender="")
    assert (state_of(thread), bounces()) == (DeliveryState.BOUNCED, 1)
    assert InboundMessage.objects.filter(state=InboundState.DISCARDED).count() == 9


@pytest.mark.case("T-110")
def test_a_bounce_counts_its_contact_once_whatever_the_record_is_about(thread: Thread) -> None:
    thread.record.contact = Contact.objects.get(normal=CARLA)
    thread.record.save()
    arrive(a_report(CARLA, original=thread.message_id), "bounce@in.test", sender="")
    assert bounces() == 1


def test_a_report_of_two_recipients_tells_of_both(thread: Thread) -> None:
    """W-8."""
    arrive(a_report("bob@box.test", CARLA, original=thread.message_id), "bounce@in.test", sender="")
    assert set(ReportedRecipient.objects.values_list("address", flat=True)) == {CARLA, "bob@box.test"}
    states = Delivery.objects.filter(mail__message=thread.message).values_list("state", flat=True)
    assert set(states) <= {DeliveryState.BOUNCED, DeliveryState.SENT}
    assert state_of(thread) is DeliveryState.BOUNCED


@pytest.mark.parametrize("action", ["delayed", "relayed", "delivered", "expanded"])
def test_what_is_not_failed_is_no_bounce(thread: Thread, action: str) -> None:
    """W-7."""
    arrive(a_report(CARLA, action=action, status="2.0.0"), return_path(thread.delivery), sender="")
    assert (state_of(thread), bounces()) == (DeliveryState.SENT, 0)


def test_a_forged_report_changes_nothing(thread: Thread) -> None:
    """W-42: neither the address alone, nor a guessed token, nor an id that was never on a mail to that person."""
    for number, (mail, to) in enumerate(
        (
            (a_report(CARLA), "bounce@in.test"),
            (a_report(CARLA), "bounce+baaaaaaaaaaaaaaaaaaaa@in.test"),
            (a_report(CARLA, original="<question@customer.example>"), "bounce@in.test"),
        )
    ):
        arrive(mail.replace(b"<dsn-", b"<dsn-%d-" % number), to, sender="")
    assert (state_of(thread), bounces()) == (DeliveryState.SENT, 0)


def test_a_vacation_note_is_kept_with_what_it_answers_and_tells_nobody(thread: Thread) -> None:
    """W-10."""
    before = Notification.objects.count()
    mail = write_mail(subject="Out of office", Auto_Submitted="auto-replied", In_Reply_To=thread.message_id)
    assert arrive(mail, return_path(thread.delivery), sender="").state == InboundState.ROUTED
    assert (thread.record.messages.count(), Notification.objects.count()) == (3, before)
    stray = write_mail(subject="Out of office", Auto_Submitted="auto-replied")
    assert arrive(stray, "support@in.test", sender="").state == InboundState.DISCARDED
    assert Record.objects.count() == 1


# ---- loops


@pytest.fixture
def few(house: House) -> None:
    set_parameter(ports(), "mail.gateway.loop.threshold", "5", member=None)
    set_parameter(ports(), "mail.gateway.loop.minutes", "30", member=None)


def write(number: int, sender: str = f"Carla <{CARLA}>") -> InboundMessage:
    mail = write_mail(sender=sender, subject=f"Question {number}", text=f"About {number}\n")
    return arrive(mail, "support@in.test")


@pytest.mark.case("T-115", "T-116")
def test_the_sixth_mail_of_a_sender_within_the_window_is_held_and_not_answered(house: House, few: None) -> None:
    write(0)
    Record.objects.update(created_at=ports().clock.now().replace(year=2020))
    states = [write(number).state for number in range(1, 7)]
    assert states == [InboundState.ROUTED] * 5 + [InboundState.HELD]
    assert write(7, f"CARLA <{CARLA.upper()}>").state == InboundState.HELD, "in any spelling"
    assert write(8, f"Other <not{CARLA}>").state == InboundState.ROUTED, "W-12: another person"
    assert Record.objects.count() == 7
    assert not answers()


@pytest.mark.case("T-118")
def test_a_listed_sender_is_never_too_many(house: House, few: None) -> None:
    set_parameter(ports(), "mail.gateway.allowed", CARLA.upper(), member=None)
    assert {write(number).state for number in range(10)} == {InboundState.ROUTED}
