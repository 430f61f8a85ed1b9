"""Waking a wait from another thread."""

from __future__ import annotations

import threading

from postroom.adapters.mailbox.waking import Waker


def test_a_bell_that_is_not_rung_lets_the_wait_end_by_itself() -> None:
    waker = Waker()
    assert not waker.wait(0.01)
    assert not waker.take()


def test_a_bell_rung_before_the_wait_is_heard_at_once() -> None:
    waker = Waker()
    waker.ring()
    assert waker.wait(60)
    assert waker.take()
    assert not waker.take()
    assert not waker.wait(0.01)


def test_a_bell_rung_during_the_wait_ends_it() -> None:
    waker = Waker()
    listens = threading.Event()
    heard: list[bool] = []

    def wait() -> None:
        listens.set()
        heard.append(waker.wait(60))

    waiting = threading.Thread(target=wait)
    waiting.start()
    listens.wait(60)
    waker.ring()
    waiting.join(60)
    assert heard == [True]


def test_ringing_a_thousand_times_blocks_nobody() -> None:
    waker = Waker()
    with waker.listening() as bell:
        for _ in range(100_000):
            waker.ring()
        assert bell.recv(1) == b"!"
    assert waker.take()
