"""Access tokens from a scripted token server: asked for once, renewed ahead of their end, rotated, withdrawn."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs

import pytest

from postroom.adapters.oauth.refreshing import AHEAD, RefreshingTokens, ask_endpoint, endpoint_of
from postroom.core.terms.secret import Secret

GRANT = Secret(json.dumps({"client_id": "us", "client_secret": "shh", "refresh_token": "first"}))


class TokenServer:
    """Answers what it is told to, in order; the last answer for all that follow."""

    def __init__(self) -> None:
        self.answers: list[tuple[int, Any]] = [(200, {"access_token": "a1", "expires_in": 3600})]
        self.asked: list[dict[str, str]] = []
        self._http = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._thread = threading.Thread(target=self._http.serve_forever, kwargs={"poll_interval": 0.01})
        self.url = f"http://127.0.0.1:{self._http.server_address[1]}/token"

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        server = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"])).decode()
                server.asked.append({name: values[0] for name, values in parse_qs(body).items()})
                status, answer = server.answers[min(len(server.asked), len(server.answers)) - 1]
                text = answer if isinstance(answer, bytes) else json.dumps(answer).encode()
                self.send_response(status)
                self.send_header("Content-Length", str(len(text)))
                self.end_headers()
                self.wfile.write(text)

            def log_message(self, *_: Any) -> None:
                pass

        return Handler

    def __enter__(self) -> TokenServer:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._http.shutdown()
        self._http.server_close()
        self._thread.join()


class Clock:
    seconds = 0.0

    def __call__(self) -> float:
        return self.seconds


@pytest.fixture
def server() -> Iterator[TokenServer]:
    with TokenServer() as server:
        yield server


def tokens(clock: Clock | None = None, kept: list[tuple[Secret, Secret]] | None = None) -> RefreshingTokens:
    notes: list[tuple[Secret, Secret]] = [] if kept is None else kept
    return RefreshingTokens(
        on_rotation=lambda _, former, fresh: notes.append((former, fresh)),
        clock=clock or Clock(),
        allowed=["127.0.0.0/8"],
    )


def test_a_token_is_asked_for_once_and_renewed_ahead_of_its_end(server: TokenServer) -> None:
    server.answers.append((200, {"access_token": "a2", "expires_in": 3600}))
    clock = Clock()
    source = tokens(clock)
    assert [source.access_token(server.url, GRANT).reveal() for _ in range(3)] == ["a1"] * 3
    clock.seconds = 3600 - AHEAD - 1
    assert source.access_token(server.url, GRANT) == Secret("a1")
    clock.seconds += 2
    assert source.access_token(server.url, GRANT) == Secret("a2")
    assert (
        server.asked
        == [{"grant_type": "refresh_token", "client_id": "us", "client_secret": "shh", "refresh_token": "first"}] * 2
    )


def test_everybody_who_asks_at_once_gets_the_same_one(server: TokenServer) -> None:
    source = tokens()
    with ThreadPoolExecutor(8) as crowd:
        found = list(crowd.map(lambda _: source.access_token(server.url, GRANT).reveal(), range(32)))
    assert set(found) == {"a1"}
    assert len(server.asked) == 1


def test_a_rotated_refresh_token_is_kept_and_used_from_then_on(server: TokenServer) -> None:
    server.answers[0] = (200, {"access_token": "a1", "refresh_token": "second", "expires_in": 60})
    server.answers.append((200, {"access_token": "a2", "refresh_token": "second", "expires_in": 3600}))
    kept: list[tuple[Secret, Secret]] = []
    source = tokens(kept=kept)
    assert source.access_token(server.url, GRANT) == Secret("a1")
    [(former, fresh)] = kept
    assert former == GRANT
    assert json.loads(fresh.reveal()) == {"client_id": "us", "client_secret": "shh", "refresh_token": "second"}
    assert source.access_token(server.url, GRANT) == Secret("a2")  # by who still has the former grant
    assert source.access_token(server.url, fresh) == Secret("a2")
    assert [each["refresh_token"] for each in server.asked] == ["first", "second"]


@pytest.mark.parametrize(
    ("status", "answer", "kind", "words"),
    [
        (400, {"error": "invalid_grant", "error_description": "Token has been revoked."}, ValueError, "withdrawn .invalid_grant: Token has been revoked"),
        (401, {"error": "invalid_client"}, ValueError, "refuses: invalid_client"),
        (503, b"<html>busy</html>", OSError, "HTTP status 503"),
        (429, {"error": "slow_down"}, OSError, "HTTP status 429"),
        (200, b"no json", OSError, "HTTP status 200"),
        (200, {"token_type": "Bearer"}, ValueError, "gave no access token"),
    ],
)  # fmt: skip
def test_a_refusal_is_told_in_words_and_asked_again_next_time(
    server: TokenServer, status: int, answer: Any, kind: type[Exception], words: str
) -> None:
    server.answers[:] = [(status, answer), (200, {"access_token": "a2"})]
    source = tokens()
    with pytest.raises(kind, match=words) as trouble:
        source.access_token(server.url, GRANT)
    assert "shh" not in str(trouble.value)
    assert "first" not in str(trouble.value)
    assert source.access_token(server.url, GRANT) == Secret("a2")


def test_nobody_at_home_is_no_bug() -> None:
    with TokenServer() as server:
        url = server.url
    with pytest.raises(OSError, match="cannot be asked"):
        tokens().access_token(url, GRANT)


@pytest.mark.parametrize("grant", ["", "a password", "{}", '["x"]', '{"client_id": "us"}'])
def test_a_grant_that_is_none_is_named(server: TokenServer, grant: str) -> None:
    with pytest.raises(ValueError, match="the grant"):
        tokens().access_token(server.url, Secret(grant))
    assert server.asked == []


@pytest.mark.parametrize(
    ("source", "url"),
    [
        ("google", "https://oauth2.googleapis.com/token"),
        ("microsoft", "https://login.microsoftonline.com/common/oauth2/v2.0/token"),
        ("microsoft/contoso.example", "https://login.microsoftonline.com/contoso.example/oauth2/v2.0/token"),
        ("https://id.example/token", "https://id.example/token"),
    ],
)
def test_sources_have_their_endpoints(source: str, url: str) -> None:
    assert endpoint_of(source) == url


@pytest.mark.parametrize("source", ["", "yahoo", "http://id.example/token", "ftp://127.0.0.1/", "microsoft/a b"])
def test_what_is_no_source_is_refused(source: str) -> None:
    with pytest.raises(ValueError, match="token source"):
        endpoint_of(source)


def test_a_token_that_a_server_refused_is_replaced_before_its_time(server: TokenServer) -> None:
    server.answers.append((200, {"access_token": "a2", "expires_in": 3600}))
    source = tokens()
    first = source.another_token(server.url, GRANT, Secret(""))
    assert source.another_token(server.url, GRANT, Secret("of somebody else")) == first == Secret("a1")
    assert source.another_token(server.url, GRANT, first) == Secret("a2")
    assert source.another_token(server.url, GRANT, first) == Secret("a2"), (
        "who comes later with the old one gets the new one"
    )
    assert len(server.asked) == 2


def test_of_tokens_that_were_rotated_away_only_the_last_is_remembered(server: TokenServer) -> None:
    server.answers = [
        (200, {"access_token": f"a{number}", "expires_in": 1, "refresh_token": f"r{number}"}) for number in range(6)
    ]
    notes: list[tuple[Secret, Secret]] = []
    desk, grant = tokens(kept=notes), GRANT
    for number in range(5):
        assert desk.access_token(server.url, grant).reveal() == f"a{number}"
        grant = notes[-1][1]
    assert len(desk._kept) == 2
    assert desk.access_token(server.url, notes[-1][0]).reveal() == "a5", "whoever still holds the former one is served"
    assert server.asked[-1]["refresh_token"] == "r4"


def test_whoever_names_an_endpoint_reaches_no_address_that_is_not_public(server: TokenServer) -> None:
    source = RefreshingTokens(on_rotation=lambda *_: None, clock=Clock())
    for place in (server.url, "https://169.254.169.254/token", "https://10.1.2.3/token", "https://[::1]/token"):
        with pytest.raises(OSError, match="not a public one"):
            source.access_token(place, GRANT)
    assert server.asked == []


def test_an_answer_that_drips_ends_with_the_time_for_all_of_it() -> None:
    over = threading.Event()
    door = socket.create_server(("127.0.0.1", 0))

    def drip() -> None:
        line = door.accept()[0]
        line.sendall(b"HTTP/1.0 200 OK\r\n\r\n")
        try:
            while not over.wait(0.05):
                line.sendall(b" ")
        except OSError:
            pass
        line.close()

    thread = threading.Thread(target=drip, daemon=True)
    thread.start()
    with pytest.raises(OSError, match=r"HTTP status|cannot be asked"):
        ask_endpoint(f"http://127.0.0.1:{door.getsockname()[1]}/drip", {"a": "b"}, allowed=["127.0.0.0/8"], seconds=0.5)
    over.set()
    thread.join(30)
    door.close()


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        ({"error": "invalid_client", "error_description": "No such client."}, "refuses: invalid_client: No such client."),
        ({"error": "invalid_client", "error_description": "red \x1b[31m"}, "refuses: invalid_client"),
        ({"error": "<b>INTERNAL</b>"}, "refuses: an error without a code"),
        ({"error": "x", "error_description": "a" * 5000}, f"refuses: x: {'a' * 160}"),
        ({"error": "x", "error_description": {"inner": "secret"}}, "refuses: x"),
    ],
)  # fmt: skip
def test_of_a_refusal_little_and_only_plain_text_is_told(server: TokenServer, answer: Any, told: str) -> None:
    server.answers = [(400, answer)]
    with pytest.raises(ValueError, match="refuses") as trouble:
        tokens().access_token(server.url, GRANT)
    assert str(trouble.value) == f"127.0.0.1 {told}"
