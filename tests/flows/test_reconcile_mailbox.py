"""Resetting a mailbox, and comparing it with what is here."""

from __future__ import annotations

import pytest

from postroom.core.terms.mailboxes import Completeness, MailboxTrouble, TroubleKind
from postroom.flows.access import NotAllowed
from postroom.flows.fetch_mailbox import fetch_now, take_lease
from postroom.flows.mailbox_facts import standing_of
from postroom.flows.reconcile_mailbox import reconcile_all, reconcile_mailbox
from postroom.flows.reset_mailbox import ResetTo, reset_mailbox
from postroom.store.models import InboundMessage, Mailbox, Member, SettingChange, TakenMail
from postroom.wiring import ports as wired_ports
from tests.flows.scripted_mailbox import ScriptedMailbox, kept_mails, make_mailbox, ports_with

pytestmark = pytest.mark.django_db(transaction=True)

MAIL = b"Message-ID: <%d@customer.example>\r\nFrom: carla@customer.example\r\n\r\nHello %d\r\n"


def mail(number: int) -> bytes:
    return MAIL % (number, number)


def a_read_box(count: int = 3) -> tuple[ScriptedMailbox, Mailbox]:
    box, mailbox = ScriptedMailbox(), make_mailbox()
    for number in range(1, count + 1):
        box.put(mail(number))
    fetch_now(ports_with(box), mailbox.pk)
    return box, mailbox


# ---- reset


def test_after_a_reset_to_the_beginning_what_is_here_is_recognised() -> None:
    box, mailbox = a_read_box()
    reset_mailbox(ports_with(box), mailbox.pk, ResetTo.BEGINNING, member=None)
    box.put(mail(4))
    done = fetch_now(ports_with(box), mailbox.pk)
    assert (done.taken, done.recognised) == (1, 3)
    assert kept_mails() == [mail(n) for n in (1, 2, 3, 4)]


def test_after_a_reset_to_the_end_what_lies_there_is_left() -> None:
    box, mailbox = a_read_box()
    box.put(mail(4))
    reset_mailbox(ports_with(box), mailbox.pk, ResetTo.END, member=None)
    box.put(mail(5))
    assert fetch_now(ports_with(box), mailbox.pk).taken == 1
    assert kept_mails()[-1] == mail(5)
    found = reconcile_mailbox(ports_with(box), mailbox.pk)
    assert (found.missing, found.left, found.here) == (0, 1, 4)


def test_a_reset_is_recorded_and_needs_the_right() -> None:
    box, mailbox = a_read_box()
    reset_mailbox(ports_with(box), mailbox.pk, ResetTo.BEGINNING, member=None)
    assert SettingChange.objects.get().after == {"reading goes on": "at the beginning"}
    from postroom.core.terms.states import Role
    from tests.web import seeding

    agent: Member = seeding.a_member("bob", "Bob Brandt", mailbox.company, Role.AGENT)
    with pytest.raises(NotAllowed):
        reset_mailbox(ports_with(box), mailbox.pk, ResetTo.BEGINNING, member=agent)


def test_whoever_reads_while_it_is_reset_stores_no_cursor_over_it() -> None:
    box, mailbox = ScriptedMailbox(), make_mailbox()
    box.put(mail(1))
    ports = ports_with(box)
    box.before["acknowledge"] = lambda: reset_mailbox(wired_ports(), mailbox.pk, ResetTo.BEGINNING, member=None)
    with pytest.raises(Exception, match=str(mailbox.pk)):
        fetch_now(ports, mailbox.pk)
    mailbox.refresh_from_db()
    assert mailbox.last_uid == 0
    assert fetch_now(ports, mailbox.pk).recognised == 1
    assert kept_mails() == [mail(1)]


# ---- reconciliation


def test_when_all_is_well_nothing_is_done() -> None:
    box, mailbox = a_read_box()
    found = reconcile_mailbox(ports_with(box), mailbox.pk)
    assert (found.on_server, found.here, found.missing, found.vanished) == (3, 3, 0, 0)
    mailbox.refresh_from_db()
    standing = standing_of(wired_ports(), mailbox)
    assert standing.reconciliation == found
    assert standing.reconciled_at is not None


def test_what_is_on_the_server_and_not_here_is_fetched() -> None:
    box, mailbox = a_read_box()
    TakenMail.objects.get(uid="2").delete()
    InboundMessage.objects.get(message_id__contains="2@").delete()
    found = reconcile_mailbox(ports_with(box), mailbox.pk)
    assert (found.on_server, found.here, found.missing, found.fetched) == (3, 2, 1, 1)
    assert sorted(kept_mails()) == [mail(1), mail(2), mail(3)]
    assert reconcile_mailbox(ports_with(box), mailbox.pk).missing == 0


def test_what_the_server_still_does_not_hand_out_is_counted_and_stays_wanted() -> None:
    box, mailbox = ScriptedMailbox(), make_mailbox()
    box.put(mail(1), Completeness.REFUSED)
    box.put(mail(2))
    fetch_now(ports_with(box), mailbox.pk)
    found = reconcile_mailbox(ports_with(box), mailbox.pk)
    assert (found.missing, found.fetched) == (1, 0)
    mailbox.refresh_from_db()
    assert mailbox.open_uids == [1]


def test_what_left_the_server_is_fine_and_forgotten() -> None:
    box, mailbox = a_read_box()
    del box.mails[1]
    found = reconcile_mailbox(ports_with(box), mailbox.pk)
    assert (found.on_server, found.vanished, found.missing) == (2, 1, 0)
    assert sorted(TakenMail.objects.values_list("uid", flat=True)) == ["2", "3"]


def test_a_folder_made_anew_is_looked_through_and_its_mails_are_recognised() -> None:
    box, mailbox = a_read_box()
    box.uidvalidity = 8
    box.mails = {uid + 40: one for uid, one in box.mails.items()}
    box.mails = {uid: type(one)(uid=uid, raw=one.raw, size=one.size) for uid, one in box.mails.items()}
    found = reconcile_mailbox(ports_with(box), mailbox.pk)
    assert found.recognised == 3
    assert len(kept_mails()) == 3
    assert reconcile_mailbox(ports_with(box), mailbox.pk).here == 3
    assert set(TakenMail.objects.values_list("uid_validity", flat=True)) == {8}


def test_what_was_not_settled_on_the_server_is_settled() -> None:
    box, mailbox = ScriptedMailbox(), make_mailbox()
    box.put(mail(1))
    box.trouble["acknowledge"] = MailboxTrouble(TroubleKind.FOLDER, "no right")
    fetch_now(ports_with(box), mailbox.pk)
    assert not TakenMail.objects.get().is_settled
    box.trouble.clear()
    found = reconcile_mailbox(ports_with(box), mailbox.pk)
    assert found.settled == 1
    assert "acknowledge 1 mark_seen" in box.diary
    assert TakenMail.objects.get().is_settled


def test_it_borrows_the_mailbox_from_its_watcher_and_waits_for_a_fetch() -> None:
    box, mailbox = a_read_box()
    ports = ports_with(box)
    assert take_lease(ports, mailbox.pk, "watcher:1")
    assert reconcile_mailbox(ports, mailbox.pk).on_server == 3
    assert take_lease(ports, mailbox.pk, "fetch-1")
    found = reconcile_mailbox(ports, mailbox.pk)
    assert found.is_leased_elsewhere
    assert "being read" in str(found)


def test_trouble_is_told_and_noted() -> None:
    box, mailbox = a_read_box()
    box.trouble["list"] = MailboxTrouble(TroubleKind.TIMEOUT, "It does not answer in time.")
    found = reconcile_all(ports_with(box))
    assert [one.trouble for one in found] == ["It does not answer in time."]
    mailbox.refresh_from_db()
    assert mailbox.last_error == "It does not answer in time."


def test_the_cost_is_that_of_one_list(django_assert_max_num_queries: object) -> None:
    box, mailbox = a_read_box(40)
    with django_assert_max_num_queries(40):  # type: ignore[operator]
        reconcile_mailbox(ports_with(box), mailbox.pk)
