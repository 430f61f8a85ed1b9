"""The table of providers, and the options that a person fills in."""

from __future__ import annotations

import re

import pytest

from postroom.core.delivery.providers import (
    PROVIDERS,
    Provider,
    check_options,
    host_of,
    is_on_this_machine,
    options_of,
    providers,
)


@pytest.mark.parametrize("provider", providers(), ids=lambda one: one.name)
def test_everything_that_a_form_needs_is_said(provider: Provider) -> None:
    assert provider.label
    assert provider.key_label
    assert provider.key_help
    assert provider.hook_help
    assert provider.max_message_size > 1_000_000
    assert bool(provider.signing_label) >= provider.needs_signing
    for option in provider.options:
        assert option.label
        assert not option.choices or option.default in dict(option.choices)
        re.compile(option.pattern)
    for host in provider.hosts.values():
        assert re.fullmatch(r"api(\.eu)?\.[a-z]+\.(com|net)", host)


def test_they_are_listed_by_label() -> None:
    labels = [one.label for one in providers()]
    assert labels == sorted(labels, key=str.lower)
    assert len(labels) == len(PROVIDERS) >= 6


def test_options_are_complete_with_their_defaults_and_nothing_else() -> None:
    assert options_of("mailgun", {"domain": "mg.northwind.example", "colour": "red"}) == (
        ("domain", "mg.northwind.example"),
        ("region", "us"),
    )
    assert options_of("brevo", {}) == ()


@pytest.mark.parametrize(
    ("provider", "given", "field"),
    [
        ("mailgun", {}, "domain"),
        ("mailgun", {"domain": "mg/../x"}, "domain"),
        ("mailgun", {"domain": "mg.northwind.example", "region": "moon"}, "region"),
        ("amazon_ses", {"access_key_id": "AKIAIOSFODNN7EXAMPLE", "region": "eu-central-1.evil.example"}, "region"),
        ("amazon_ses", {"region": "eu-central-1"}, "access_key_id"),
        ("postmark", {"message_stream": "a b"}, "message_stream"),
        ("resend", {"api_url": "https://evil.example/"}, "api_url"),
    ],
)
def test_what_cannot_be_right_is_told_by_field(provider: str, given: dict[str, str], field: str) -> None:
    assert list(check_options(PROVIDERS[provider], given)) == [field]
    with pytest.raises(ValueError, match=r"."):
        options_of(provider, given)


def test_a_provider_that_is_none_is_told() -> None:
    with pytest.raises(ValueError, match="no provider 'pigeon'"):
        options_of("pigeon", {})


@pytest.mark.parametrize(
    ("url", "is_here"),
    [
        ("http://127.0.0.1:8080", True),
        ("http://localhost:1", True),
        ("https://[::1]:1/v3", True),
        ("http://127.0.0.1.evil.example", False),
        ("http://user@127.0.0.1", False),
        ("ftp://127.0.0.1", False),
        ("http://[", False),
        ("http://10.0.0.1", False),
        ("", False),
    ],
)
def test_a_key_travels_to_its_provider_or_to_a_stand_in_on_this_machine(url: str, is_here: bool) -> None:
    assert is_on_this_machine(url) is is_here


def test_the_host_is_that_of_the_region() -> None:
    assert host_of(PROVIDERS["mailgun"], {"region": "eu"}) == "api.eu.mailgun.net"
    assert host_of(PROVIDERS["mailgun"], {}) == "api.mailgun.net"
    assert host_of(PROVIDERS["amazon_ses"], {"region": "eu-west-1"}) == "email.eu-west-1.amazonaws.com"
    assert host_of(PROVIDERS["postmark"], {}) == "api.postmarkapp.com"
