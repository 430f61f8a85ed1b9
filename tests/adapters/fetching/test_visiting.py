"""One request to a web server that somebody named: https alone, public places alone, led nowhere, in bounds."""

from __future__ import annotations

import ssl
from datetime import UTC, datetime
from pathlib import Path

import pytest

from postroom.adapters.fetching.visiting import MOST_BYTES, Visitor
from postroom.core.terms.reasons import because
from postroom.core.terms.visits import NoVisit, Visit
from tests.laboratory.certificates import Certificates, make_certificates
from tests.laboratory.pictures import PictureServer, Script, leads_to, says
from tests.laboratory.ports import closed_port

OWN = ("127.0.0.0/8",)
HOST = "mta-sts.northwind.example"
DATE = "Date: Sat, 21 Nov 2026 18:00:00 GMT"


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return make_certificates(tmp_path_factory.mktemp("certificates"), HOST)


def a_server(made: Certificates, script: Script) -> PictureServer:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(made.certificate, made.key)
    return PictureServer({"/policy": script}, context=context)


def visitor(made: Certificates) -> Visitor:
    return Visitor(resolve=lambda _: ["127.0.0.1"], ssl_context=ssl.create_default_context(cafile=str(made.ca_file)))


def test_a_policy_is_read_with_the_clock_of_its_server(made: Certificates) -> None:
    with a_server(made, says(b"version: STSv1\n", "text/plain", "200 OK", DATE)) as server:
        found = visitor(made).visit(server.url("/policy", HOST, "https"), allowed=OWN)
    assert found == Visit(status=200, content_type="text/plain", date=datetime(2026, 11, 21, 18, tzinfo=UTC), body=b"version: STSv1\n")  # fmt: skip


def test_news_are_posted_with_their_headers(made: Certificates) -> None:
    with a_server(made, says(b"", "text/plain", "204 No Content")) as server:
        found = visitor(made).visit(server.url("/policy", HOST, "https"), body=b"{}", headers={"webhook-id": "7"}, allowed=OWN)  # fmt: skip
        head = server.asked[0]
    assert isinstance(found, Visit)
    assert found.is_taken
    assert head.startswith("POST /policy ")
    assert "webhook-id: 7" in head


def test_nobody_is_followed_elsewhere(made: Certificates) -> None:
    with a_server(made, leads_to("http://127.0.0.1/secret")) as server:
        found = visitor(made).visit(server.url("/policy", HOST, "https"), allowed=OWN)
        assert isinstance(found, Visit)
        assert (found.status, found.is_taken, len(server.asked)) == (302, False, 1)


def test_an_answer_without_end_is_cut(made: Certificates) -> None:
    with a_server(made, says(b"x" * (MOST_BYTES * 4), "text/plain")) as server:
        found = visitor(made).visit(server.url("/policy", HOST, "https"), allowed=OWN)
    assert isinstance(found, Visit)
    assert len(found.body) == MOST_BYTES


def test_a_certificate_of_another_name_is_their_fault(made: Certificates) -> None:
    with a_server(made, says(b"")) as server:
        found = visitor(made).visit(server.url("/policy", "other.example", "https"), allowed=OWN)
    assert isinstance(found, NoVisit)
    assert found.is_theirs
    assert "certificate" in str(found.reason)


def test_a_server_that_is_silent_is_left_after_a_while(made: Certificates) -> None:
    with a_server(made, lambda line: line.recv(1) and None) as server:
        found = visitor(made).visit(server.url("/policy", HOST, "https"), allowed=OWN, seconds=0.5)
        server.over.set()
    assert isinstance(found, NoVisit)
    assert not found.is_theirs


def test_without_an_allowance_no_private_place_is_asked(made: Certificates) -> None:
    with a_server(made, says(b"")) as server:
        found = visitor(made).visit(server.url("/policy", HOST, "https"))
        assert found == NoVisit(reason=because("visit.not_public"))
        assert server.asked == []


@pytest.mark.parametrize("url", ["http://127.0.0.1/", "ftp://a.example/", "https://user@a.example/", "https://127.1/"])
def test_only_https_is_spoken(made: Certificates, url: str) -> None:
    assert isinstance(visitor(made).visit(url, allowed=OWN), NoVisit)


def test_a_closed_door_is_their_fault(made: Certificates, tmp_path: Path) -> None:
    port = closed_port()
    found = visitor(made).visit(f"https://{HOST}:{port}/policy", allowed=OWN)
    port.release()
    assert found == NoVisit(reason=because("visit.refused"), is_theirs=True)
