"""The cursor moves over what was taken, and over nothing else."""

from __future__ import annotations

from datetime import date

from hypothesis import given
from hypothesis import strategies as st

from postroom.adapters.imap.progress import Progress
from postroom.core.terms.mailboxes import MailboxCursor


def test_nothing_is_passed_before_it_was_taken() -> None:
    progress = Progress(MailboxCursor(uidvalidity=7, last_uid=10), 7)
    for uid in (11, 12, 15):
        progress.offer(uid)
    assert progress.cursor() == MailboxCursor(uidvalidity=7, last_uid=10)
    progress.take([11, 12])
    assert progress.cursor() == MailboxCursor(uidvalidity=7, last_uid=12)
    progress.take([15])
    assert progress.cursor() == MailboxCursor(uidvalidity=7, last_uid=15)


def test_what_was_left_behind_is_remembered_and_wanted_again() -> None:
    progress = Progress(MailboxCursor(uidvalidity=7), 7)
    for uid in (1, 2, 3):
        progress.offer(uid)
    progress.take([1, 3])
    stored = progress.cursor()
    assert stored == MailboxCursor(uidvalidity=7, last_uid=3, open_uids=frozenset({2}))

    later = Progress(stored, 7)
    assert [uid for uid in (1, 2, 3, 4) if later.wants(uid)] == [2, 4]
    later.offer(2)
    later.offer(4)
    later.take([2])
    assert later.cursor() == MailboxCursor(uidvalidity=7, last_uid=3)


def test_what_was_left_behind_and_has_vanished_is_forgotten() -> None:
    progress = Progress(MailboxCursor(uidvalidity=7, last_uid=3, open_uids=frozenset({2})), 7)
    progress.is_gone([2])
    assert progress.cursor() == MailboxCursor(uidvalidity=7, last_uid=3)


def test_a_gap_in_a_cursor_of_former_days_is_looked_into() -> None:
    progress = Progress(MailboxCursor(uidvalidity=7, last_uid=1, seen_uidls=frozenset({"3"})), 7)
    assert [uid for uid in (1, 2, 3, 4) if progress.wants(uid)] == [2, 4]
    progress.offer(2)
    progress.offer(4)
    progress.take([4])
    assert progress.cursor() == MailboxCursor(uidvalidity=7, last_uid=4, open_uids=frozenset({2}))


def test_old_mail_that_was_left_is_left_in_a_folder_that_was_made_anew() -> None:
    before = MailboxCursor(uidvalidity=7, last_uid=90, old_before=date(2026, 3, 1))
    assert Progress(before, 8, uidnext=41).cursor() == MailboxCursor(
        uidvalidity=8, old_before=date(2026, 3, 1), old_up_to=40
    )
    assert Progress(before, 7, uidnext=41).cursor().old_up_to == 0


def test_another_uidvalidity_starts_over() -> None:
    progress = Progress(MailboxCursor(uidvalidity=7, last_uid=10, seen_uidls=frozenset({"12"})), 8)
    assert progress.wants(1)
    assert progress.wants(12)
    assert progress.cursor() == MailboxCursor(uidvalidity=8)


def test_a_cursor_of_another_protocol_does_no_harm() -> None:
    assert Progress(MailboxCursor(seen_uidls=frozenset({"abc"})), 0).wants(1)


@given(
    st.lists(st.sets(st.integers(1, 30)), max_size=6),
    st.sets(st.integers(1, 30), min_size=1),
)
def test_every_mail_is_taken_once_whatever_fails(rounds: list[set[int]], lying_there: set[int]) -> None:
    cursor = MailboxCursor(uidvalidity=7)
    taken: list[int] = []
    for succeeding in [*rounds, lying_there]:
        progress = Progress(cursor, 7)
        wanted = sorted(filter(progress.wants, lying_there))
        for uid in wanted:
            progress.offer(uid)
        progress.take(set(wanted) & succeeding)
        taken += set(wanted) & succeeding
        cursor = progress.cursor()
    assert sorted(taken) == sorted(lying_there)
    assert cursor == MailboxCursor(uidvalidity=7, last_uid=max(lying_there))
