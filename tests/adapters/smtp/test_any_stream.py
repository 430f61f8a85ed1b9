"""Whatever a peer says, in whatever pieces: nothing raises, nothing hangs, every mail has one fate."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from postroom.adapters.smtp.capabilities import Capabilities
from postroom.adapters.smtp.content import WireContent
from postroom.adapters.smtp.exchanges import Job
from postroom.adapters.smtp.handshake import Greeted
from postroom.adapters.smtp.patience import Patience
from postroom.adapters.smtp.transactions import Session
from postroom.core.delivery.wire import Phase, WireOutcome

from .posting import MemoryJournal, endpoint, mail, mails, post
from .scripted_peer import Answer, Does, ScriptedPeer, polite

replies = st.sampled_from(
    [
        b"250 ok\r\n",
        b"250 2.0.0 ok\r\n",
        b"250-more\r\n250 ok\r\n",
        b"354 go\r\n",
        b"421 bye\r\n",
        b"450 4.2.0 later\r\n",
        b"550 5.1.1 no\r\n",
        b"250-unfinished\r\n",
        b"25",
        b"\r\n",
        b"garbage\r\n",
        b"\xff\xfe\0\r\n",
        b"250 ok\r\n250 ok\r\n354 go\r\n",
        b"250 2.0.0 taken\r\n250 ok\r\n250 ok\r\n354 go\r\n",
    ]
)


class Wire(asyncio.Transport):
    """Takes everything, and keeps the end of DATA in mind."""

    def __init__(self) -> None:
        super().__init__()
        self.is_aborted = False

    def set_protocol(self, protocol: asyncio.BaseProtocol) -> None:
        pass

    def write(self, data: Any) -> None:
        assert not self.is_aborted, "written after the end"

    def is_closing(self) -> bool:
        return self.is_aborted

    def close(self) -> None:
        self.is_aborted = True

    def abort(self) -> None:
        self.is_aborted = True


class Desk:
    """An office with one session."""

    def __init__(self, jobs: list[Job], journal: MemoryJournal) -> None:
        self.jobs = jobs
        self.journal = journal
        self.fates: list[tuple[int, str]] = []
        self.ended = 0

    def take(self) -> Job | None:
        return self.jobs.pop(0) if self.jobs else None

    def settle(self, job: Job, outcome: WireOutcome) -> None:
        self.journal.finished(outcome)
        self.fates.append((job.mail.key, "settled"))

    def journal_failed(self, job: Job, error: Exception) -> None:
        raise AssertionError

    def session_idles(self, session: Session) -> None:
        job = self.take()
        if job is None or session.is_used_up:
            if job is not None:
                self.jobs.insert(0, job)
            session.quit()
        elif not session.begin(job):
            self.session_idles(session)

    def session_ended(self, session: Session, carried: Job | None) -> None:
        self.ended += 1
        if carried is not None:
            self.fates.append((carried.mail.key, "carried"))


def session_at(desk: Desk, *, has_pipelining: bool = True, limit: int = 100) -> Session:
    return Session(
        Greeted(transport=Wire(), capabilities=Capabilities(has_pipelining=has_pipelining), tls=""),
        office=desk,
        endpoint=endpoint(25, mails_per_connection=limit, body_timeout=300.0),
        label="peer#1",
        journal=desk.journal,
        content=WireContent(),
        clock=time.monotonic,
    )


@given(
    pieces=st.lists(replies | st.binary(max_size=20), max_size=30),
    has_pipelining=st.booleans(),
    count=st.integers(min_value=1, max_value=6),
    limit=st.integers(min_value=1, max_value=6),
    recipients=st.integers(min_value=1, max_value=3),
)
@settings(max_examples=400, deadline=None)
@pytest.mark.slow
def test_every_mail_has_one_fate_and_content_is_never_carried(
    pieces: list[bytes], has_pipelining: bool, count: int, limit: int, recipients: int
) -> None:
    async def work() -> None:
        loop = asyncio.get_running_loop()
        journal = MemoryJournal()
        rcpt_to = tuple(f"bob{number}@reader.example" for number in range(recipients))
        jobs = [Job(mail(key, rcpt_to=rcpt_to), loop.create_future()) for key in range(count)]
        desk = Desk(jobs, journal)
        session = session_at(desk, has_pipelining=has_pipelining, limit=limit)
        desk.session_idles(session)
        for piece in pieces:
            session.data_received(piece)
        session.connection_lost(None)
        assert desk.ended == 1
        check(desk, count, journal)

    asyncio.run(work())


def check(desk: Desk, count: int, journal: MemoryJournal) -> None:
    keys = [key for key, _ in desk.fates] + [job.mail.key for job in desk.jobs]
    assert sorted(keys) == list(range(count)), "each has one fate or still waits"
    started = {key for note, key in journal.notes if note == "started"}
    carried = [key for key, fate in desk.fates if fate == "carried"]
    assert len(carried) <= 1
    assert not started & set(carried), "content is never sent twice"
    assert not started & {job.mail.key for job in desk.jobs}
    in_flight: set[int] = set()
    for note, key in journal.notes:
        in_flight ^= {key} if note == "started" or key in in_flight else set()
        assert len(in_flight) <= 1, "one content at a time"
    for outcome in journal.outcomes:
        assert (outcome.phase is Phase.BODY) == (outcome.key in started)


class NotedPatience(Patience):
    __slots__ = ("waits",)

    def __init__(self, loop: asyncio.AbstractEventLoop, ended: Callable[[], None]) -> None:
        super().__init__(loop, ended)
        self.waits: list[float] = []

    def wait(self, seconds: float) -> None:
        self.waits.append(seconds)


def test_a_slow_peer_has_its_time_anew_whenever_it_takes_something() -> None:
    async def work() -> None:
        desk = Desk([Job(mail(1, chunks=(b"x" * 10_000_000,)), asyncio.Future())], MemoryJournal())
        session = session_at(desk)
        desk.session_idles(session)
        session.data_received(b"250 ok\r\n250 ok\r\n")
        session.pause_writing()
        session.data_received(b"354 go\r\n")
        session._patience.stop()
        session._patience = patience = NotedPatience(asyncio.get_running_loop(), session._waited_enough)
        session.resume_writing()
        assert patience.waits == [300.0]
        session.connection_lost(None)

    asyncio.run(work())


def test_a_connection_that_does_not_end_after_the_goodbye_is_ended() -> None:
    async def work() -> None:
        desk = Desk([], MemoryJournal())
        session = session_at(desk)
        desk.session_idles(session)
        session.data_received(b"221 bye\r\n")
        assert desk.ended == 0
        session._waited_enough()
        assert desk.ended == 1

    asyncio.run(work())


answers: st.SearchStrategy[Answer] = replies | st.binary(min_size=1, max_size=30) | st.sampled_from(list(Does))


@given(
    plan=st.dictionaries(
        st.sampled_from(["GREETING", "EHLO", "HELO", "AUTH", "MAIL", "RCPT", "DATA", "END", "RSET", "QUIT"]),
        st.lists(answers, min_size=1, max_size=3),
        max_size=5,
    ),
    extensions=st.sampled_from([("SIZE",), ("PIPELINING", "AUTH PLAIN")]),
)
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@pytest.mark.slow
def test_no_server_makes_the_pool_raise_or_hang(plan: dict[str, list[Answer]], extensions: tuple[str, ...]) -> None:
    journal = MemoryJournal()
    with ScriptedPeer(polite(extensions=extensions, answers=plan)) as server:
        to = endpoint(
            server.port,
            username="alice" if len(extensions) > 1 else "",
            password="secret",
            connect_timeout=5.0,
            reply_timeout=0.05,
            body_timeout=0.05,
            max_connections=2,
        )
        outcomes = post(to, *mails(4), journal=journal)
    assert [outcome.key for outcome in outcomes] == [1, 2, 3, 4]
    assert sorted(outcome.key for outcome in journal.outcomes) == [1, 2, 3, 4]
    for outcome in outcomes:
        assert outcome.reply is not None or outcome.trouble
