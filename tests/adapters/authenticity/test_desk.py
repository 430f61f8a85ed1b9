"""The desk: checks beside each other over a real name server, within their seconds, and what it remembers."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from postroom.adapters.authenticity.desk import SenderDesk
from postroom.core.routing.authenticity import ArrivedMail, Authenticity, Path, Proof
from postroom.core.senders.results import Method, Result
from tests.adapters.dkim.test_arc import a_chain
from tests.adapters.dkim.test_verifying import BODY, HEAD, rsa_key, signed
from tests.adapters.dns.name_server import NameServer

PEER = "198.51.100.7"
PLAIN = HEAD + b"\r\n" + BODY


@pytest.fixture
def names() -> Iterator[NameServer]:
    with NameServer() as server:
        server.txt["shop.example"] = [("v=spf1 ip4:198.51.100.7 -all",)]
        server.txt["_dmarc.shop.example"] = [("v=DMARC1; p=reject",)]
        for domain in ("shop.example", "list.example", "forward.example"):
            server.txt[f"s1._domainkey.{domain}"] = [tuple(pieces(f"v=DKIM1; p={rsa_key()[1]}"))]
        yield server


def pieces(text: str) -> list[str]:
    return [text[place : place + 200] for place in range(0, len(text), 200)]


@contextmanager
def desk_at(names: NameServer) -> Iterator[SenderDesk]:
    desk = SenderDesk([("127.0.0.1", names.port)])
    try:
        yield desk
    finally:
        desk.close()


@pytest.fixture
def desk(names: NameServer) -> Iterator[SenderDesk]:
    with desk_at(names) as made:
        yield made


def direct(raw: bytes = PLAIN, ip: str = PEER, mail_from: str = "carla@shop.example", **more: object) -> ArrivedMail:
    return ArrivedMail(raw=raw, path=Path.DIRECT, ip=ip, helo="mx.shop.example", mail_from=mail_from, **more)  # type: ignore[arg-type]


def results(found: Authenticity) -> dict[Method, Result]:
    return {one.method: one.result for one in found.findings}


def test_a_mail_from_a_server_that_its_domain_names_is_proven(desk: SenderDesk) -> None:
    found = desk.check(direct(), seconds=60)
    assert found.proof is Proof.PROVEN
    assert results(found) == {Method.SPF: Result.PASS, Method.DMARC: Result.PASS}


def test_a_signed_mail_is_proven_wherever_it_comes_from(desk: SenderDesk) -> None:
    found = desk.check(direct(signed(), ip="203.0.113.9", mail_from="bounce@mailer.example"), seconds=60)
    assert found.proof is Proof.PROVEN
    assert "signed it (DKIM)" in str(found.reasons[0])


def test_a_forged_mail_is_forged(desk: SenderDesk) -> None:
    found = desk.check(direct(ip="203.0.113.9"), seconds=60)
    assert found.proof is Proof.SPOOFED
    assert found.return_path_denied
    assert results(found) == {Method.SPF: Result.FAIL, Method.DMARC: Result.FAIL}


def test_a_signed_mail_that_was_fetched_is_proven(desk: SenderDesk) -> None:
    assert desk.check(ArrivedMail(raw=signed(), path=Path.RELAYED), seconds=60).proof is Proof.PROVEN


def test_a_second_from_field_is_never_proven(desk: SenderDesk) -> None:
    raw = b"From: The Bank <ceo@bank.example>\r\n" + signed()
    found = desk.check(direct(raw), seconds=60)
    assert found.proof is not Proof.PROVEN
    assert found.reasons[0].code == "sender.several"


def test_a_named_servers_word_needs_no_question(desk: SenderDesk, names: NameServer) -> None:
    field = b"Authentication-Results: mx.ours.example; spf=pass smtp.mailfrom=shop.example; dkim=pass header.d=shop.example;"
    raw = field + b" dmarc=pass header.from=shop.example\r\n" + PLAIN
    mail = ArrivedMail(raw=raw, path=Path.RELAYED, servers=frozenset({"mx.ours.example"}))
    assert desk.check(mail, seconds=60).proof is Proof.PROVEN
    assert names.asked == []
    stranger = ArrivedMail(raw=raw, path=Path.RELAYED, servers=frozenset({"mx.other.example"}))
    assert desk.check(stranger, seconds=60).proof is Proof.UNPROVEN


def test_a_named_servers_no_is_weighed_by_the_domains_policy(desk: SenderDesk) -> None:
    raw = b"Authentication-Results: mx.ours.example; dmarc=fail header.from=shop.example\r\n" + PLAIN
    mail = ArrivedMail(raw=raw, path=Path.RELAYED, servers=frozenset({"mx.ours.example"}))
    assert desk.check(mail, seconds=60).proof is Proof.SPOOFED


def test_a_list_that_counts_vouches_for_what_it_changed(desk: SenderDesk) -> None:
    raw = a_chain().replace(b"Authentication-Results: mx.list", b"X-Was: mx.list", 0)
    sealers = frozenset({"list.example", "forward.example"})
    found = desk.check(direct(raw, ip="203.0.113.9", mail_from="list@list.example", sealers=sealers), seconds=60)
    assert (found.proof, results(found)[Method.ARC]) == (Proof.PROVEN, Result.PASS)
    unknown = desk.check(direct(raw, ip="203.0.113.9", mail_from="list@list.example"), seconds=60)
    assert unknown.proof is Proof.SPOOFED


def test_answers_are_remembered(desk: SenderDesk, names: NameServer) -> None:
    desk.check(direct(signed()), seconds=60)
    asked = len(names.asked)
    assert asked
    for _ in range(5):
        assert desk.check(direct(signed()), seconds=60).proof is Proof.PROVEN
    assert len(names.asked) == asked


def test_many_at_once_ask_each_thing_once(desk: SenderDesk, names: NameServer) -> None:
    desk.take({number: direct(signed()) for number in range(100)}, seconds=60)
    done: dict[int, Authenticity] = {}
    while len(done) < 100:
        got = {number: one.found for number, one in desk.finished(wait=60).items()}
        assert got
        done |= got
    assert {one.proof for one in done.values()} == {Proof.PROVEN}
    assert sorted(names.asked) == sorted(set(names.asked))
    assert desk.waiting() == 0


@pytest.mark.parametrize("trouble", ["silent", "garbage", "refuses", "cut"])
def test_in_trouble_nothing_is_proven_and_nothing_forged(names: NameServer, trouble: str) -> None:
    names.trouble = trouble
    with desk_at(names) as desk:
        began = time.monotonic()
        found = desk.check(direct(signed()), seconds=1)
        assert time.monotonic() - began < 60
    assert found.proof is Proof.UNPROVEN
    assert found.reasons[0].code == "sender.trouble"
    assert results(found)[Method.SPF] is Result.TEMPERROR


@pytest.mark.slow
def test_a_dead_name_server_costs_each_mail_its_seconds_beside_each_other(names: NameServer) -> None:
    """Two hundred domains, of which nobody can tell anything: together they take hardly longer than one."""
    names.trouble = "silent"
    with desk_at(names) as desk:
        began = time.monotonic()
        mails = {
            number: direct(
                PLAIN.replace(b"shop.example", b"shop%d.example" % number), mail_from=f"c@shop{number}.example"
            )
            for number in range(200)
        }
        desk.take(mails, seconds=1)
        done: dict[int, Authenticity] = {}
        while len(done) < 200:
            done |= {number: one.found for number, one in desk.finished(wait=5).items()}
            assert time.monotonic() - began < 120
    assert {one.reasons[0].code for one in done.values()} == {"sender.trouble"}


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=40)
@given(noise=st.binary(max_size=300))
def test_nothing_raises_for_any_bytes(desk: SenderDesk, noise: bytes) -> None:
    for raw in (noise, b"From: " + noise + b"\r\n\r\n", b"DKIM-Signature: " + noise + b"\r\n" + PLAIN):
        for path in Path:
            found = desk.check(
                ArrivedMail(raw=raw, path=path, ip=PEER, helo="x", servers=frozenset({"x", "-"})), seconds=2
            )
            assert found.proof in Proof
            assert not any(reason.facts.get("author") == "the author" for reason in found.reasons)
