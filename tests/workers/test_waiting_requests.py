"""Requests that wait for strangers' servers: they hold no connection to the database, they are few, and the house goes on."""

from __future__ import annotations

import http.cookiejar
import socket
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from urllib.error import HTTPError
from urllib.parse import urlencode
from urllib.request import HTTPCookieProcessor, OpenerDirector, Request, build_opener

import pytest
from django.db import connection

from postroom.core.terms.states import Role
from postroom.store import lent
from postroom.store.lent import AT_ONCE
from postroom.store.models import Mailbox
from postroom.wiring import ports
from postroom.workers.web import CONNECTIONS
from tests.laboratory.waiting import wait_until
from tests.web import seeding
from tests.web.served import served

OTHERS = 3  # more than may wait


class SilentServer:
    """Takes every connection, and says nothing until it is over."""

    def __init__(self) -> None:
        self._door = socket.create_server(("127.0.0.1", 0), backlog=128)
        self.port = int(self._door.getsockname()[1])
        self.lines: list[socket.socket] = []
        threading.Thread(target=self._take, daemon=True).start()

    def _take(self) -> None:
        with suppress(OSError):
            while True:
                self.lines.append(self._door.accept()[0])

    def close(self) -> None:
        for line in (self._door, *self.lines):
            with suppress(OSError):
                line.shutdown(socket.SHUT_RDWR)
            line.close()


@contextmanager
def silence() -> Iterator[SilentServer]:
    server = SilentServer()
    try:
        yield server
    finally:
        server.close()


def window(base: str, login: str) -> tuple[OpenerDirector, str]:
    """Signed in; the token that forms want."""
    jar = http.cookiejar.CookieJar()
    opener = build_opener(HTTPCookieProcessor(jar))

    def token() -> str:
        return next(str(one.value) for one in jar if "csrf" in one.name)

    opener.open(f"{base}/login/", timeout=60).read()
    form = {"username": login, "password": seeding.PASSWORD, "csrfmiddlewaretoken": token()}
    opener.open(Request(f"{base}/login/", urlencode(form).encode(), {"Referer": base}), timeout=60).read()  # noqa: S310
    return opener, token()


def status_of(opener: OpenerDirector, request: Request | str) -> int:
    try:
        with opener.open(request, timeout=180) as answer:
            return int(answer.status)
    except HTTPError as error:
        return error.code


@pytest.mark.slow
@pytest.mark.django_db(transaction=True)
def test_the_house_goes_on_while_requests_wait_at_a_silent_server() -> None:
    assert AT_ONCE > CONNECTIONS, "more wait than there are connections"
    with silence() as server, served() as base:
        ada = seeding.a_member("ada", "Ada Admin", seeding.a_company(), Role.ADMINISTRATOR)
        mailbox = Mailbox.objects.create(
            company=ada.company, name="Silent", host="127.0.0.1", port=server.port, encryption="none", username="a@b.example",
            secret=ports().vault.seal("x"),
        )  # fmt: skip
        opener, token = window(base, "ada")
        form = urlencode({"csrfmiddlewaretoken": token}).encode()

        def ask(_number: int) -> int:
            place = f"{base}/settings/mailboxes/{mailbox.pk}/test/"
            return status_of(opener, Request(place, form, {"Referer": base}))  # noqa: S310

        with ThreadPoolExecutor(AT_ONCE + OTHERS) as hands:
            answers = [hands.submit(ask, number) for number in range(AT_ONCE + OTHERS)]
            try:
                wait_until(lambda: len(server.lines) >= AT_ONCE, "as many wait as may", 60)
                wait_until(lambda: sum(one.done() for one in answers) == OTHERS, "the others are told", 60)
                assert [one.result() for one in answers if one.done()] == [503] * OTHERS
                began = time.monotonic()
                assert status_of(opener, f"{base}/settings/mailboxes/") == 200
                print(f"another page took {time.monotonic() - began:.2f} s")
                assert not all(one.done() for one in answers), "they wait still"
            finally:
                server.close()
        assert sum(one.result() == 503 for one in answers) == OTHERS


@pytest.mark.django_db
def test_what_is_in_a_transaction_or_kept_is_not_given_back(monkeypatch: pytest.MonkeyPatch) -> None:
    closed: list[str] = []
    monkeypatch.setitem(connection.settings_dict, "OPTIONS", {"pool": True})
    monkeypatch.setattr(connection, "close", lambda: closed.append("closed"))
    lent.give_back()
    assert closed == [], "the test is a transaction"
    monkeypatch.setattr(connection, "in_atomic_block", False)
    with lent.kept():
        lent.give_back()
    assert closed == []
    lent.give_back()
    assert closed == ["closed"]


def test_a_place_among_those_who_wait_is_free_again_with_the_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lent, "_places", threading.BoundedSemaphore(1))
    monkeypatch.setattr(lent, "PATIENCE", 0.01)
    monkeypatch.setattr(lent, "give_back", lambda: None)
    refused: list[bool] = []

    def another() -> None:
        try:
            with lent.answering():
                lent.before_waiting()
        except lent.ManyWait:
            refused.append(True)
        else:
            refused.append(False)

    def at_the_same_time() -> bool:
        thread = threading.Thread(target=another)
        thread.start()
        thread.join(30)
        return refused.pop()

    with lent.answering():
        lent.before_waiting()
        lent.before_waiting()
        assert at_the_same_time()
    assert not at_the_same_time()
    lent.before_waiting()  # no request: nobody counts
