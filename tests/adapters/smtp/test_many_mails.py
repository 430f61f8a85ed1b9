"""The pool: many mails, several connections, and an orderly end."""

from __future__ import annotations

import asyncio
import socket
import subprocess
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial

import pytest

from postroom.adapters.smtp.pool import SmtpPool
from postroom.core.delivery.wire import Phase, WireOutcome
from tests.laboratory.availability import requires_smtp_sink
from tests.laboratory.daemon import find_program

from .posting import MemoryJournal, endpoint, mail, mails, post, run
from .scripted_peer import Answer, Connection, Does, ScriptedPeer, polite, wait_for

SINK = find_program("smtp-sink")
PLAIN = ("SIZE",)
PIPELINED = ("SIZE", "PIPELINING")
both_ways = pytest.mark.parametrize("extensions", [PLAIN, PIPELINED], ids=["singly", "pipelined"])


@contextmanager
def smtp_sink(*options: str) -> Iterator[int]:
    """Postfix's own test server. It takes no port 0: one that was free a moment ago is tried, and another."""
    for _ in range(5):
        with socket.create_server(("127.0.0.1", 0)) as holder:
            port = holder.getsockname()[1]
        arguments = [SINK, "-u", "nobody", *options, f"127.0.0.1:{port}", "1000"]
        process = subprocess.Popen(arguments, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            wait_for(partial(has_begun, process, port))
            if process.poll() is None:
                yield port
                return
        finally:
            process.kill()
            process.wait()
    pytest.fail("smtp-sink does not start")


def has_begun(process: subprocess.Popen[bytes], port: int) -> bool:
    """Or has given up."""
    if process.poll() is not None:
        return True
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


@requires_smtp_sink
@pytest.mark.parametrize("options", [(), ("-p",)], ids=["pipelined", "singly"])
def test_2000_mails_are_taken_by_the_sink(options: tuple[str, ...]) -> None:
    journal = MemoryJournal()
    with smtp_sink(*options) as port:
        outcomes = post(endpoint(port, max_connections=10), *mails(2000), journal=journal)
    assert all(outcome.is_accepted for outcome in outcomes)
    assert [outcome.key for outcome in outcomes] == list(range(1, 2001))
    assert len({outcome.connection for outcome in outcomes}) >= 20, "at most a hundred mails a connection"
    assert Counter(journal.notes) == Counter((note, key) for key in range(1, 2001) for note in ("started", "finished"))


@pytest.mark.slow
def test_ten_thousand_may_wait_at_once() -> None:
    with ScriptedPeer(polite()) as server:
        to = endpoint(server.port, max_connections=4, mails_per_connection=10_000)
        outcomes = post(to, *mails(10_000))
    assert all(outcome.is_accepted for outcome in outcomes)
    assert len(server.mails) == 10_000
    assert len(server.connections) <= 4


@pytest.mark.case("T-127")
@both_ways
def test_a_connection_carries_so_many_mails_and_no_more(extensions: tuple[str, ...]) -> None:
    with ScriptedPeer(polite(extensions=extensions)) as server:
        outcomes = post(endpoint(server.port, mails_per_connection=3), *mails(10))
    assert all(outcome.is_accepted for outcome in outcomes)
    assert [each.connection for each in server.mails] == [0, 0, 0, 1, 1, 1, 2, 2, 2, 3]
    assert all(connection.heard[-1] == "QUIT" for connection in server.connections)


def test_a_server_may_announce_how_many_mails_a_connection_carries() -> None:
    """RFC 9422."""
    with ScriptedPeer(polite(extensions=("PIPELINING", "LIMITS MAILMAX=2"))) as server:
        outcomes = post(endpoint(server.port), *mails(5))
    assert all(outcome.is_accepted for outcome in outcomes)
    assert [each.connection for each in server.mails] == [0, 0, 1, 1, 2]


def test_no_more_connections_are_open_than_allowed() -> None:
    most = 0

    def counting(peer: Connection) -> None:
        nonlocal most
        most = max(most, sum("QUIT" not in each.heard for each in peer.server.connections))
        polite()(peer)

    with ScriptedPeer(counting) as server:
        to = endpoint(server.port, max_connections=3, mails_per_connection=5)
        assert all(outcome.is_accepted for outcome in post(to, *mails(200)))
    assert 1 <= most <= 3


def test_one_mail_after_the_other_uses_one_connection() -> None:
    async def work(port: int) -> list[WireOutcome]:
        pool = SmtpPool(endpoint(port, max_connections=10), journal=MemoryJournal())
        outcomes = [await pool.send(each) for each in mails(20)]
        await pool.close()
        return outcomes

    with ScriptedPeer(polite()) as server:
        assert all(outcome.is_accepted for outcome in run(work(server.port)))
    assert len(server.connections) == 1
    assert server.connections[0].heard[-1] == "QUIT"


def test_a_slow_connection_does_not_hold_up_the_others() -> None:
    def slow(peer: Connection) -> None:
        if peer.number == 0:
            polite(answers={"END": [Does.SLEEP]})(peer)
        polite()(peer)

    async def work(server: ScriptedPeer) -> list[WireOutcome]:
        pool = SmtpPool(endpoint(server.port, max_connections=2), journal=MemoryJournal())
        futures = [pool.submit(each) for each in mails(30)]
        accepted = []
        for earliest in asyncio.as_completed(futures):
            accepted.append(await earliest)
            if len(accepted) == 28:  # the slow connection holds one on the wire and one behind it
                break
        assert not all(future.done() for future in futures)
        await pool.close(grace=0.1)
        return accepted

    with ScriptedPeer(slow) as server:
        assert all(outcome.is_accepted for outcome in run(work(server)))


def test_an_idle_connection_is_closed_politely() -> None:
    async def work(server: ScriptedPeer) -> None:
        pool = SmtpPool(endpoint(server.port, idle_timeout=0.1), journal=MemoryJournal())
        assert (await pool.send(mail(1))).is_accepted
        await asyncio.to_thread(server.wait_until, lambda server: server.connections[0].is_closed)
        assert server.connections[0].heard[-1] == "QUIT"
        assert (await pool.send(mail(2))).is_accepted
        await pool.close()

    with ScriptedPeer(polite()) as server:
        run(work(server))
    assert len(server.connections) == 2


@pytest.mark.parametrize("answer", [Does.SLEEP, Does.DROP, "500 you stay", b"\xff\xff\xff\n"])
@pytest.mark.slow
def test_quit_is_bounded_whatever_the_server_makes_of_it(answer: Answer) -> None:
    with ScriptedPeer(polite(answers={"QUIT": [answer]})) as server:
        [outcome] = post(endpoint(server.port, reply_timeout=2.0 if answer is Does.SLEEP else 60.0), mail())
    assert outcome.is_accepted


def test_a_server_that_takes_few_connections_gets_few() -> None:
    """The connections beyond its limit are refused; their work is done by those that stand."""

    def limited(peer: Connection) -> None:
        if peer.number in (0, 1):
            polite()(peer)
        polite(answers={"GREETING": ["421 4.7.0 too many connections"]})(peer)

    with ScriptedPeer(limited) as server:
        to = endpoint(server.port, max_connections=10, mails_per_connection=1000)
        outcomes = post(to, *mails(300))
    assert all(outcome.is_accepted for outcome in outcomes)
    assert len(server.connections) <= 10


def test_a_mail_of_a_dead_connection_goes_to_a_standing_one_when_no_fresh_one_is_had() -> None:
    def peers(peer: Connection) -> None:
        match peer.number:
            case 0:
                first_holds_until_the_third_is_refused(peer)
            case 1:
                polite(answers={"MAIL": [Does.DROP]})(peer)
            case _:
                polite(answers={"GREETING": ["421 4.7.0 too many connections"]})(peer)

    def first_holds_until_the_third_is_refused(peer: Connection) -> None:
        def is_refused(server: ScriptedPeer) -> bool:
            return len(server.connections) == 3 and server.connections[2].is_closed

        peer.say("220 peer.example")
        peer.hear("EHLO")
        peer.say("250 peer.example")
        while peer.hear() != "QUIT":
            peer.say("250 ok")
            peer.hear("RCPT")
            peer.say("250 ok")
            peer.hear("DATA")
            peer.say("354 go")
            peer.hear_content()
            peer.server.wait_until(is_refused)
            peer.say("250 taken")
        peer.say("221 bye")

    with ScriptedPeer(peers) as server:
        outcomes = post(endpoint(server.port, max_connections=2), *mails(2))
    assert all(outcome.is_accepted for outcome in outcomes)
    assert {outcome.connection[-2:] for outcome in outcomes} == {"#1"}


def test_after_a_while_a_modest_pool_grows_again() -> None:
    now = 1000.0
    refusing = True

    def limited(peer: Connection) -> None:
        if peer.number and refusing:
            polite(answers={"GREETING": ["421 4.7.0 too many connections"]})(peer)
        polite(answers={"END": [Does.SLEEP if peer.number else "250 ok"]})(peer)

    async def work(server: ScriptedPeer) -> int:
        nonlocal now, refusing
        pool = SmtpPool(endpoint(server.port, max_connections=2), journal=MemoryJournal(), clock=lambda: now)
        await asyncio.gather(*(pool.send(each) for each in mails(5)))
        await asyncio.to_thread(server.wait_until, lambda server: len(server.connections) == 2)
        await asyncio.to_thread(server.wait_until, lambda server: server.connections[1].is_closed)
        refusing = False
        await asyncio.gather(*(pool.send(each) for each in mails(5)))
        modest = len(server.connections)
        now += 60.0
        futures = [pool.submit(each) for each in mails(5)]
        await asyncio.to_thread(server.wait_until, lambda server: len(server.connections) == 3)
        await pool.close(grace=0.1)
        await asyncio.gather(*futures, return_exceptions=True)
        return modest

    with ScriptedPeer(limited) as server:
        assert run(work(server)) == 2


class WatchedJournal(MemoryJournal):
    """Tells when the first content goes out."""

    def __init__(self) -> None:
        super().__init__()
        self.first_start = asyncio.Event()

    def started(self, key: int) -> None:
        super().started(key)
        self.first_start.set()


def test_cancelled_while_waiting_a_mail_is_not_sent() -> None:
    async def work(server: ScriptedPeer) -> None:
        pool = SmtpPool(endpoint(server.port), journal=MemoryJournal())
        tasks = [asyncio.ensure_future(pool.send(each)) for each in mails(5)]
        await asyncio.sleep(0)
        tasks[1].cancel()
        tasks[3].cancel()
        outcomes = await asyncio.gather(*tasks, return_exceptions=True)
        assert [isinstance(each, asyncio.CancelledError) for each in outcomes] == [
            False,
            True,
            False,
            True,
            False,
        ]
        await pool.close()

    with ScriptedPeer(polite()) as server:
        run(work(server))
    assert len(server.mails) == 3


def test_cancelled_on_the_wire_a_mail_goes_its_way_and_the_journal_knows() -> None:
    journal = WatchedJournal()

    async def work(server: ScriptedPeer) -> None:
        pool = SmtpPool(endpoint(server.port), journal=journal)
        task = asyncio.ensure_future(pool.send(mail(1)))
        await journal.first_start.wait()
        task.cancel()
        assert (await pool.send(mail(2))).is_accepted
        await pool.close()
        assert task.cancelled()

    with ScriptedPeer(polite()) as server:
        run(work(server))
    assert len(server.mails) == 2
    assert [outcome.is_accepted for outcome in journal.outcomes] == [True, True]


def test_close_finishes_what_is_on_the_wire_and_cancels_what_waits() -> None:
    journal = WatchedJournal()

    async def work(server: ScriptedPeer) -> list[WireOutcome | BaseException]:
        pool = SmtpPool(endpoint(server.port), journal=journal)
        futures = [pool.submit(each) for each in mails(10)]
        await journal.first_start.wait()
        await pool.close()
        with pytest.raises(RuntimeError, match="closed"):
            pool.submit(mail(11))
        return await asyncio.gather(*futures, return_exceptions=True)

    with ScriptedPeer(polite()) as server:
        results = run(work(server))
    sent = [each for each in results if isinstance(each, WireOutcome)]
    assert 1 <= len(sent) < 10
    assert all(outcome.is_accepted for outcome in sent)
    assert all(isinstance(each, asyncio.CancelledError) for each in results[len(sent) :])
    assert len(server.mails) == len(sent)
    assert server.connections[0].heard[-1] == "QUIT"


def test_close_waits_only_so_long() -> None:
    async def work(server: ScriptedPeer) -> list[WireOutcome | BaseException]:
        pool = SmtpPool(endpoint(server.port), journal=MemoryJournal())
        futures = [pool.submit(each) for each in mails(3)]
        await asyncio.to_thread(server.wait_until, lambda server: len(server.mails) == 1)
        await pool.close(grace=0.1)
        return await asyncio.gather(*futures, return_exceptions=True)

    with ScriptedPeer(polite(answers={"END": [Does.SLEEP]})) as server:
        first, *others = run(work(server))
    assert isinstance(first, WireOutcome)
    assert first.is_unknown
    assert first.trouble == "the pool was closed"
    assert all(isinstance(each, asyncio.CancelledError) for each in others)


def test_close_does_not_wait_for_a_connection_that_is_being_made() -> None:
    async def work(server: ScriptedPeer) -> list[WireOutcome | BaseException]:
        pool = SmtpPool(endpoint(server.port), journal=MemoryJournal())
        future = pool.submit(mail())
        await asyncio.to_thread(server.wait_until, lambda server: len(server.connections) == 1)
        await pool.close()
        return list(await asyncio.gather(future, return_exceptions=True))

    with ScriptedPeer(polite(answers={"GREETING": [Does.SLEEP]})) as server:
        [result] = run(work(server))
    assert isinstance(result, asyncio.CancelledError)


def test_closing_a_pool_that_did_nothing_is_nothing() -> None:
    async def work() -> None:
        pool = SmtpPool(endpoint(25), journal=MemoryJournal())
        await pool.close()
        await pool.close()

    run(work())


class FullJournal(MemoryJournal):
    """Takes two starts, and then no more: the disk is full."""

    def started(self, key: int) -> None:
        if len(self.outcomes) >= 2:
            raise OSError("the disk is full")
        super().started(key)


def test_without_a_note_in_the_journal_nothing_is_sent() -> None:
    async def work(server: ScriptedPeer) -> list[WireOutcome | BaseException]:
        pool = SmtpPool(endpoint(server.port), journal=FullJournal())
        try:
            return await asyncio.gather(*(pool.send(each) for each in mails(6)), return_exceptions=True)
        finally:
            await pool.close()

    with ScriptedPeer(polite()) as server:
        first, second, *others = run(work(server))
    assert isinstance(first, WireOutcome)
    assert isinstance(second, WireOutcome)
    assert first.is_accepted
    assert second.is_accepted
    assert all(str(each) == "the disk is full" for each in others)
    assert len(server.mails) == 2, "the third was asked for, and not sent"
    assert len(server.connections) == 1, "nobody tries again by himself"


def test_an_outcome_that_cannot_be_noted_is_told_all_the_same(caplog: pytest.LogCaptureFixture) -> None:
    class Forgetful(MemoryJournal):
        def finished(self, outcome: WireOutcome) -> None:
            raise OSError("the disk is full")

    with ScriptedPeer(polite()) as server:
        [outcome] = post(endpoint(server.port), mail(17), journal=Forgetful())
    assert outcome.is_accepted
    assert "delivery 17: the disk is full" in caplog.text


def test_a_mail_that_is_none_is_a_bug_of_its_own() -> None:
    async def work(server: ScriptedPeer) -> list[WireOutcome | BaseException]:
        pool = SmtpPool(endpoint(server.port), journal=MemoryJournal())
        letters = [mail(1), mail(2, chunks=("text",)), mail(3)]  # type: ignore[arg-type]
        try:
            return await asyncio.gather(*(pool.send(each) for each in letters), return_exceptions=True)
        finally:
            await pool.close()

    with ScriptedPeer(polite()) as server:
        first, second, third = run(work(server))
    assert isinstance(first, WireOutcome)
    assert isinstance(second, TypeError)
    assert isinstance(third, WireOutcome)
    assert third.is_accepted


def test_the_outcome_is_in_the_journal_before_anybody_hears_of_it() -> None:
    journal = MemoryJournal()
    heard: list[bool] = []

    async def work(server: ScriptedPeer) -> None:
        pool = SmtpPool(endpoint(server.port), journal=journal)
        for each in mails(5):
            future = pool.submit(each)
            future.add_done_callback(lambda done: heard.append(done.result() in journal.outcomes))
            await future
        await pool.close()

    with ScriptedPeer(polite()) as server:
        run(work(server))
    assert heard == [True] * 5


@pytest.mark.usefixtures("every_loop")
def test_short_and_long_mails_share_connections() -> None:
    body = b"line\r\n" * 200_000
    letters = [*mails(50), mail(51, chunks=(b"\r\n", body)), mail(52)]
    with ScriptedPeer(polite()) as server:
        outcomes = post(endpoint(server.port, max_connections=3), *letters)
    assert all(outcome.is_accepted for outcome in outcomes)
    assert {outcome.phase for outcome in outcomes} == {Phase.BODY}
    assert max(len(each.content) for each in server.mails) == len(body) + 2
