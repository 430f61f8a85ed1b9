"""Secrets leave by https, or stay within this machine."""

from __future__ import annotations

import pytest

from postroom.core.terms.web_addresses import keeps_secrets


@pytest.mark.parametrize(
    "address",
    ["https://login.example", "https://login.example:8443/x?y", "http://localhost:8080/", "http://[::1]/token"],
)
def test_https_and_this_machine_keep_secrets(address: str) -> None:
    assert keeps_secrets(address)


@pytest.mark.parametrize(
    "address",
    [
        "http://login.example",
        "http://localhost.evil.example/",
        "http://127.0.0.1.evil.example/",
        "http://localhost:word@evil.example/token",
        "https://",
        "https://[::1",
        "ftp://localhost/",
        "",
    ],
)
def test_nothing_else_does_whatever_it_begins_with(address: str) -> None:
    assert not keeps_secrets(address)
