"""From where a request comes, with and without proxies."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from django.conf import settings
from django.test import Client, RequestFactory

from postroom.project.logs import JsonFormatter
from postroom.web.whereabouts import address_of, network_of, settle


@pytest.fixture
def behind(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        settings, "POSTROOM", replace(settings.POSTROOM, trusted_proxies=("10.0.0.1", "10.1.0.0/16", "nonsense"))
    )


def asked(peer: str, chain: str = "", **more: str) -> Any:
    headers = {"X-Forwarded-For": chain} if chain else {}
    return RequestFactory().get("/", REMOTE_ADDR=peer, headers={**headers, **more})


@pytest.mark.parametrize(
    ("peer", "chain", "found"),
    [
        ("192.0.2.1", "", "192.0.2.1"),
        ("192.0.2.1", "203.0.113.9", "192.0.2.1"),  # a stranger's word
        ("10.0.0.1", "203.0.113.9", "203.0.113.9"),
        ("10.0.0.1", "1.1.1.1, 203.0.113.9", "203.0.113.9"),  # what the client itself put there
        ("10.0.0.1", "1.1.1.1, 203.0.113.9, 10.1.2.3", "203.0.113.9"),
        ("10.0.0.1", "10.1.2.3", "10.1.2.3"),
        ("10.0.0.1", "rubbish", "10.0.0.1"),
        ("10.0.0.1", "203.0.113.9:4711", "203.0.113.9"),
        ("10.0.0.1", "[2001:db8::5]:443", "2001:db8::5"),
        ("::ffff:192.0.2.1", "", "192.0.2.1"),
        ("", "", ""),
    ],
)
@pytest.mark.usefixtures("behind")
def test_the_last_one_that_is_no_proxy_of_ours_counts(peer: str, chain: str, found: str) -> None:
    assert address_of(asked(peer, chain)) == found


@pytest.mark.usefixtures("behind")
def test_headers_of_proxies_are_taken_off_a_strangers_request() -> None:
    request = asked("192.0.2.1", "203.0.113.9", **{"X-Forwarded-Proto": "https", "X-Forwarded-Host": "evil.example"})
    settle(request)
    assert not [name for name in request.META if "FORWARDED" in name]
    assert not request.is_secure()


def test_tries_of_ipv6_are_counted_by_the_network() -> None:
    assert network_of(asked("2001:db8:1:2:3:4:5:6")) == "2001:db8:1:2::"
    assert network_of(asked("192.0.2.1")) == "192.0.2.1"
    assert network_of(asked("")) is None


@pytest.mark.django_db
def test_a_strange_host_is_one_line_of_warning(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("WARNING")
    assert Client(raise_request_exception=False).get("/login/", headers={"Host": "evil.example"}).status_code == 400
    for record in caplog.records:
        assert (record.levelname, record.exc_info) == ("WARNING", None), record
        assert "\n" not in JsonFormatter().format(record)
    assert any("evil.example" in record.getMessage() for record in caplog.records)
