"""Many mails through one API: order, limits, bad days, and what the journal knows at each moment."""

from __future__ import annotations

import asyncio
import socket
import struct
import threading
from collections.abc import Callable
from contextlib import closing

import pytest

from postroom.adapters.esp.pool import EspPool
from postroom.adapters.journal import read_journal
from postroom.core.delivery.wire import Phase, WireOutcome
from postroom.core.mime.composing import OutgoingAttachment
from tests.adapters.esp.providing import ACCEPTED, MemoryJournal, a_wire_mail, endpoint_at, send_all, send_one
from tests.adapters.esp.scripted_api import Does, Request, Says, ScriptedApi, api_that
from tests.adapters.smtp.certificates import self_signed_context
from tests.adapters.smtp.scripted_peer import closed_port
from tests.laboratory.waiting import wait_until

OK = ACCEPTED["postmark"]
UNAUTHORIZED = Says(status=401, json={"ErrorCode": 10, "Message": "Bad token"})


async def until(met: Callable[[], bool]) -> None:
    async with asyncio.timeout(60):
        while not met():  # noqa: ASYNC110 - what is waited for happens in a thread of the server
            await asyncio.sleep(0.005)


def mails(count: int) -> list:
    return [a_wire_mail(key, f"customer{key}@customer.example") for key in range(1, count + 1)]


def told(request: Request) -> Says:
    """As Postmark would: to whom."""
    return Says(json={**OK.json, "To": request.json["To"], "MessageID": f"id of {request.json['To']}"})


def test_many_mails_go_by_several_hands_and_each_has_its_own_outcome() -> None:
    journal = MemoryJournal()
    with api_that(always=told) as api:
        outcomes = send_all(endpoint_at(api, "postmark", max_connections=3), mails(40), journal)
    assert [one.key for one in outcomes] == list(range(1, 41))
    assert all(one.is_accepted for one in outcomes)
    assert outcomes[6].provider_message_id == "id of Customer Carla <customer7@customer.example>"
    assert 1 <= api.most_at_once <= 3
    assert sorted(journal.notes) == sorted(
        note for key in range(1, 41) for note in (("started", key), ("finished", key))
    )
    assert len({one.connection for one in outcomes}) == 40


def test_a_wrong_key_is_tried_once_and_is_everybodys_trouble() -> None:
    with api_that(always=UNAUTHORIZED) as api:
        outcomes = send_all(endpoint_at(api, "postmark"), mails(30))
    assert len(api.requests) == 1
    assert {one.phase for one in outcomes} == {Phase.AUTH}
    assert [one.key for one in outcomes] == list(range(1, 31))


def test_a_server_that_is_not_there_is_trouble_before_any_mail() -> None:
    journal = MemoryJournal()
    with closed_port() as port:
        outcomes = send_all(endpoint_at(f"http://127.0.0.1:{port}", "mailgun"), mails(5), journal)
    assert {one.phase for one in outcomes} == {Phase.CONNECT}
    assert all(one.reply is None and "refused" in one.trouble for one in outcomes)


def test_amazon_that_is_not_there_is_trouble_before_any_mail() -> None:
    with closed_port() as port:
        (outcome,) = send_all(endpoint_at(f"http://127.0.0.1:{port}", "amazon_ses"), mails(1))
    assert (outcome.phase, outcome.reply) == (Phase.CONNECT, None)


@pytest.mark.parametrize("provider", ["postmark", "amazon_ses"])
def test_a_certificate_that_nobody_vouches_for_is_trouble_before_any_mail(provider: str) -> None:
    with ScriptedApi(always=OK, tls=self_signed_context("127.0.0.1")) as api:
        (outcome,) = send_all(endpoint_at(api, provider), mails(1))
    assert (outcome.phase, outcome.reply) == (Phase.CONNECT, None)
    assert "certificate" in outcome.trouble.lower()
    assert api.requests == []


def test_plain_text_where_tls_is_spoken_is_trouble_before_any_mail() -> None:
    with api_that(always=OK) as api:
        (outcome,) = send_all(endpoint_at(api.url.replace("http://", "https://"), "postmark"), mails(1))
    assert (outcome.phase, outcome.reply) == (Phase.CONNECT, None)
    assert api.requests == []


@pytest.mark.slow
def test_a_connection_that_dies_within_the_request_is_no_riddle() -> None:
    with closing(socket.create_server(("127.0.0.1", 0))) as door:

        def slam() -> None:
            peer, _ = door.accept()
            peer.recv(1000)
            peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            peer.close()

        doorman = threading.Thread(target=slam)
        doorman.start()
        large = a_wire_mail(
            attachments=[OutgoingAttachment(name="a.bin", content_type="x/y", content=bytes(12_000_000))]
        )
        (outcome,) = send_all(endpoint_at(f"http://127.0.0.1:{door.getsockname()[1]}", "mailgun"), [large])
        doorman.join()
    assert (outcome.phase, outcome.reply) == (Phase.CONNECT, None), outcome


@pytest.mark.parametrize("provider", ["postmark", "mailgun", "sendgrid", "mailjet", "sparkpost", "amazon_ses"])
@pytest.mark.parametrize("bad", [Does.DROP, Does.GARBAGE, Does.HANG])
def test_a_mail_whose_answer_is_lost_is_unknown_and_never_sent_again(provider: str, bad: str) -> None:
    with api_that(bad, always=ACCEPTED[provider]) as api:
        outcome = send_one(api, provider, reply_timeout=1.0 if bad == Does.HANG else 60.0)
        wait_until(lambda: api.requests, "the server has read it")
        api.gate.set()
    assert outcome.is_unknown, outcome
    assert outcome.trouble
    assert len(api.requests) == 1


@pytest.mark.parametrize("bad", [Does.DRIP, Does.FLOOD])
def test_an_answer_that_never_ends_is_cut_off(bad: str) -> None:
    with api_that(bad) as api:
        outcome = send_one(api, "postmark", reply_timeout=0.4)
        api.gate.set()
    assert outcome.is_unknown


@pytest.mark.parametrize("answer", [Says(text="<html>login, please</html>"), Says(json=[]), Says(json={"a": 1})])
@pytest.mark.parametrize("provider", ["postmark", "mailgun", "mailjet", "sparkpost", "amazon_ses"])
def test_an_acceptance_that_makes_no_sense_is_unknown(provider: str, answer: Says) -> None:
    with api_that(answer) as api:
        outcome = send_one(api, provider)
    assert outcome.is_unknown, outcome


@pytest.mark.parametrize("provider", ["resend", "brevo"])
@pytest.mark.parametrize("bad", [Does.DROP, Does.GARBAGE])
def test_with_an_idempotency_key_a_lost_answer_is_asked_for_again(provider: str, bad: str) -> None:
    with api_that(bad, always=ACCEPTED[provider]) as api:
        outcome = send_one(api, provider)
    assert outcome.is_accepted
    first, second = (_idempotency_key(one) for one in api.requests)
    assert first == second


def _idempotency_key(request: Request) -> str:
    return request.headers.get("idempotency-key") or str(request.json["headers"]["idempotencyKey"])


@pytest.mark.parametrize("answer", [Says(status=400, json={"message": "no"}), Does.DROP, UNAUTHORIZED])
def test_what_was_sent_once_stays_unknown_unless_it_is_known_to_be_taken(answer: Says | str) -> None:
    with api_that(Does.DROP, always=answer) as api:
        outcome = send_one(api, "resend")
    assert outcome.is_unknown
    assert len(api.requests) == (3 if answer == Does.DROP else 2)


def test_what_was_sent_once_is_not_noted_as_refused_while_it_is_asked_for() -> None:
    journal = MemoryJournal()
    slow = Says(status=429, json={}, headers={"Retry-After": "0.01"})
    with api_that(Does.DROP, slow, always=ACCEPTED["resend"]) as api:
        (outcome,) = send_all(endpoint_at(api, "resend"), mails(1), journal)
    assert outcome.is_accepted
    assert journal.notes == [("started", 1), ("started", 1), ("started", 1), ("finished", 1)]


def test_two_mails_have_two_idempotency_keys() -> None:
    with api_that(always=ACCEPTED["resend"]) as api:
        send_all(endpoint_at(api, "resend"), mails(2))
    assert len({_idempotency_key(one) for one in api.requests}) == 2


def test_after_two_lost_answers_nothing_more_is_risked() -> None:
    with api_that(OK, always=Does.DROP) as api:
        outcomes = send_all(endpoint_at(api, "postmark", max_connections=1), mails(20))
    assert [one.is_accepted for one in outcomes[:1]] == [True]
    assert [one.is_unknown for one in outcomes[1:3]] == [True, True]
    assert {one.phase for one in outcomes[3:]} == {Phase.CONNECT}
    assert len(api.requests) == 3


def test_asked_to_slow_down_the_pool_waits_and_the_mail_goes_again() -> None:
    journal = MemoryJournal()
    slow = Says(status=429, json={"Message": "Rate limit exceeded"}, headers={"Retry-After": "0.3"})
    loop_times: list[float] = []

    def note(request: Request) -> Says:
        import time

        loop_times.append(time.monotonic())
        return told(request)

    def refuse(request: Request) -> Says:
        note(request)
        return slow

    with api_that(note, refuse, always=note) as api:
        outcomes = send_all(endpoint_at(api, "postmark", max_connections=1), mails(4), journal)
    assert all(one.is_accepted for one in outcomes)
    assert loop_times[2] - loop_times[1] >= 0.3
    assert [note for note in journal.notes if note[1] == 2] == [
        ("started", 2),
        ("finished", 2),
        ("started", 2),
        ("finished", 2),
    ]
    assert journal.outcomes[1].reply is not None
    assert journal.outcomes[1].reply.code == 421


def test_a_limit_that_lasts_is_the_servers_affair_with_the_time_to_wait() -> None:
    slow = Says(status=429, json={"name": "daily_quota_exceeded"}, headers={"Retry-After": "3600"})
    with api_that(always=slow) as api:
        outcomes = send_all(endpoint_at(api, "resend"), mails(6))
    assert len(api.requests) == 1
    assert {one.retry_after for one in outcomes} == {3600.0}
    assert {str(one.reply)[:9] for one in outcomes} == {"421 4.7.0"}


def test_a_limit_without_end_is_given_up_after_some_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("postroom.adapters.esp.pool._MOST_PAUSES", 2)
    slow = Says(status=429, json={}, headers={"Retry-After": "0.01"})
    with api_that(always=slow) as api:
        outcome = send_one(api, "postmark")
    assert len(api.requests) == 3
    assert outcome.phase is Phase.MAIL


def test_one_refused_recipient_harms_no_other() -> None:
    refused = Says(status=422, json={"ErrorCode": 406, "Message": "Found inactive addresses: x@customer.example."})
    with api_that(told, refused, always=told) as api:
        outcomes = send_all(endpoint_at(api, "postmark", max_connections=1), mails(5))
    assert [one.is_accepted for one in outcomes] == [True, False, True, True, True]
    assert outcomes[1].phase is Phase.RCPT


def test_without_a_journal_nothing_is_asked() -> None:
    journal = MemoryJournal()
    journal.is_full = True
    with api_that(always=OK) as api:
        with pytest.raises(OSError, match="disk is full"):
            send_all(endpoint_at(api, "postmark"), mails(3), journal)
        assert api.requests == []


def test_a_mail_that_is_cancelled_while_it_waits_is_not_sent() -> None:
    async def run(api: ScriptedApi) -> list[bool]:
        pool = EspPool(endpoint_at(api, "postmark", max_connections=1), journal=MemoryJournal())
        first, second, third = (pool.submit(mail) for mail in mails(3))
        second.cancel()
        await asyncio.gather(first, third)
        await pool.close()
        return [first.done(), second.cancelled(), third.done()]

    with api_that(always=OK) as api:
        assert asyncio.run(run(api)) == [True, True, True]
        assert len(api.requests) == 2


def test_closed_it_finishes_what_is_under_way_and_gives_back_what_waits() -> None:
    async def run(api: ScriptedApi) -> tuple[WireOutcome, bool]:
        pool = EspPool(endpoint_at(api, "postmark", max_connections=1), journal=MemoryJournal())
        first, second = (pool.submit(mail) for mail in mails(2))
        await until(lambda: bool(api.requests))
        asyncio.get_running_loop().call_later(0.05, api.gate.set)
        await pool.close(60.0)
        with pytest.raises(RuntimeError):
            pool.submit(mails(1)[0])
        return first.result(), second.cancelled()

    def wait(request: Request) -> Says:
        api.gate.wait(60)
        return OK

    with api_that(wait) as api:
        outcome, is_given_back = asyncio.run(run(api))
    assert outcome.is_accepted
    assert is_given_back


def test_what_does_not_come_back_in_time_is_unknown_when_the_pool_closes() -> None:
    journal = MemoryJournal()

    async def run(api: ScriptedApi) -> WireOutcome:
        pool = EspPool(endpoint_at(api, "postmark"), journal=journal)
        future = pool.submit(mails(1)[0])
        await until(lambda: bool(api.requests))
        await pool.close(0.05)
        return future.result()

    with api_that(Does.HANG) as api:
        outcome = asyncio.run(run(api))
        api.gate.set()
    assert outcome.is_unknown
    assert journal.outcomes == [outcome]


def test_a_bug_of_ours_costs_the_mail_an_attempt_and_nobody_else(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    from postroom.adapters.esp import sending

    real = sending.message_for

    def breaks(mail, provider):
        if mail.key == 2:
            raise TypeError("surprise")
        return real(mail, provider)

    monkeypatch.setattr(sending, "message_for", breaks)
    with api_that(always=told) as api:
        outcomes = send_all(endpoint_at(api, "postmark"), mails(3))
    assert [one.is_accepted for one in outcomes] == [True, False, True]
    assert str(outcomes[1].reply) == "451 4.3.0 a bug of ours, see the log: TypeError"
    assert "surprise" in caplog.text


@pytest.mark.parametrize("provider", ["nobody", "", "sendinblue"])
def test_a_provider_that_is_not_in_the_table_has_no_pool(provider: str) -> None:
    from postroom.core.delivery.wire import ApiEndpoint

    with pytest.raises(ValueError, match="no provider of ours"):
        EspPool(ApiEndpoint(provider=provider), journal=MemoryJournal())


def test_the_journal_on_disk_keeps_the_providers_id(tmp_path) -> None:
    from postroom.adapters.journal import WireJournalFile

    journal = WireJournalFile(tmp_path / "worker.journal")
    with api_that(always=told) as api:
        (outcome,) = send_all(endpoint_at(api, "postmark"), mails(1), journal)
    contents = read_journal(journal.path)
    assert contents.damaged == 0
    assert contents.finished[1].provider_message_id == outcome.provider_message_id != ""
    journal.forget_committed([1])
    assert read_journal(journal.path).finished == {}
    journal.close()


def test_no_proxy_and_no_netrc_of_the_machine_sees_the_key(monkeypatch: pytest.MonkeyPatch, tmp_path) -> None:
    (tmp_path / ".netrc").write_text("machine 127.0.0.1 login eve password stolen\n")
    (tmp_path / ".netrc").chmod(0o600)
    monkeypatch.setenv("HOME", str(tmp_path))
    with api_that(always=Says(status=500)) as proxy, api_that(always=OK) as api:
        for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
            monkeypatch.setenv(name, proxy.url)
        assert send_one(api, "postmark").is_accepted
        assert send_one(api, "amazon_ses").reply is None  # Postmark's answer: but it was asked, and no proxy was
        assert proxy.requests == []
    assert "authorization" not in api.requests[0].headers
