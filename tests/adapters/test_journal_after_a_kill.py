"""kill -9 in the middle of sending: the journal tells all but what was on the wire at that moment."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from postroom.adapters.journal import find_dead_journals, read_journal, recovering

from .smtp.scripted_peer import Connection, ReceivedMail, ScriptedPeer

SENDING = """
import asyncio, sys
from pathlib import Path
from postroom.adapters.journal import WireJournalFile
from postroom.adapters.smtp.pool import SmtpPool
from postroom.core.delivery.wire import Encryption, Endpoint, WireMail
from postroom.core.terms.envelopes import Envelope

async def main() -> None:
    journal = WireJournalFile(Path(sys.argv[1]))
    endpoint = Endpoint(
        host="127.0.0.1",
        port=int(sys.argv[2]),
        encryption=Encryption.NONE,
        max_connections=int(sys.argv[3]),
        mails_per_connection=1000,
    )
    pool = SmtpPool(endpoint, journal=journal)
    futures = []
    for key in range(1000):
        envelope = Envelope(mail_from="alice@sender.example", rcpt_to=("bob@reader.example",))
        chunks = (b"Subject: %d\\r\\n\\r\\n" % key, b"a line\\r\\n" * 500)
        futures.append(pool.submit(WireMail(key=key, envelope=envelope, chunks=chunks)))
    await asyncio.gather(*futures)

asyncio.run(main())
"""

CONNECTIONS = 4
MAILS_BEFORE = 20  # that each connection answers; then it holds its tongue


@pytest.mark.parametrize("has_pipelining", [True, False])
def test_after_a_kill_no_more_is_unknown_than_connections_were_open(tmp_path: Path, has_pipelining: bool) -> None:
    held: list[int] = []
    accepted: list[int] = []

    def holding(peer: Connection) -> None:
        peer.say("220 peer.example")
        peer.hear("EHLO")
        peer.say("250-peer.example", "250 PIPELINING" if has_pipelining else "250 HELP")
        while True:
            for verb, reply in (("MAIL", "250 ok"), ("RCPT", "250 ok"), ("DATA", "354 go")):
                peer.hear(verb)
                peer.say(reply)
            content = peer.hear_content()
            key = int(content.split(b"\r\n")[0].removeprefix(b"Subject: "))
            mine = sum(mail.connection == peer.number for mail in peer.server.mails)
            if mine == MAILS_BEFORE:
                held.append(key)
                peer.server.touch()
                peer.sleep()
            accepted.append(key)
            peer.server.keep(ReceivedMail(connection=peer.number, mail="", rcpts=(), content=content))
            peer.say(f"250 2.0.0 taken {key}")

    path = tmp_path / "victim.journal"
    with ScriptedPeer(holding) as server:
        victim = subprocess.Popen(
            [sys.executable, "-c", SENDING, str(path), str(server.port), str(CONNECTIONS)],
            env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        )
        try:
            server.wait_until(lambda _: len(held) == CONNECTIONS)
            assert find_dead_journals(tmp_path) == [], "its owner lives"
            os.kill(victim.pid, signal.SIGKILL)
        finally:
            victim.kill()
            victim.wait()
    assert find_dead_journals(tmp_path) == [path]
    contents = read_journal(path)
    assert contents.started == set(held), "content was sent, no answer came"
    assert set(contents.finished) == set(accepted)
    assert {outcome.reply.text for outcome in contents.finished.values() if outcome.reply} == {
        f"taken {key}" for key in accepted
    }
    assert contents.damaged == 0
    with recovering(path) as recovered:
        assert recovered == contents
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("mails_before", [0, 1, 57, 300])
def test_a_kill_at_any_moment_loses_and_doubles_nothing(tmp_path: Path, mails_before: int) -> None:
    """The peer answers all it can, so the kill comes wherever it comes."""
    received: dict[int, bool] = {}  # key -> the answer was written

    def quick(peer: Connection) -> None:
        peer.say("220 peer.example")
        peer.hear("EHLO")
        peer.say("250-peer.example", "250 PIPELINING")
        while True:
            for verb, reply in (("MAIL", "250 ok"), ("RCPT", "250 ok"), ("DATA", "354 go")):
                peer.hear(verb)
                peer.say(reply)
            content = peer.hear_content()
            key = int(content.split(b"\r\n")[0].removeprefix(b"Subject: "))
            received[key] = False
            peer.server.keep(ReceivedMail(connection=peer.number, mail="", rcpts=(), content=content))
            peer.say("250 2.0.0 taken")
            received[key] = True

    path = tmp_path / "victim.journal"
    with ScriptedPeer(quick) as server:
        victim = subprocess.Popen(
            [sys.executable, "-c", SENDING, str(path), str(server.port), str(CONNECTIONS)],
            env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        )
        try:
            server.wait_until(lambda server: len(server.mails) > mails_before)
        finally:
            victim.kill()
            victim.wait()
    contents = read_journal(path)
    assert len(contents.started) <= CONNECTIONS
    assert len(received) == len(server.mails), "nothing twice"
    assert set(received) <= contents.started | set(contents.finished), "all that was received is known of"
    assert set(contents.finished) <= {key for key, answered in received.items() if answered}
