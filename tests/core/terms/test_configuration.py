"""The configuration: file and variables, and what is said about wrong ones."""

from __future__ import annotations

from dataclasses import fields

import pytest

from postroom.core.terms.configuration import HELP, Configuration, ConfigurationError, read_configuration
from postroom.core.terms.secret import Secret


def test_nothing_given_means_the_defaults() -> None:
    assert read_configuration({}, {}) == Configuration()


def test_every_setting_is_explained_and_nothing_else_is() -> None:
    assert set(HELP) == {field.name for field in fields(Configuration)}


def test_variables_win_over_the_file() -> None:
    found = read_configuration(
        {"smtp_port": 25, "hostname": "mx.ours.example"}, {"POSTROOM_SMTP_PORT": "2500", "HOME": "/"}
    )
    assert (found.smtp_port, found.hostname) == (2500, "mx.ours.example")


@pytest.mark.parametrize(
    ("name", "given", "value"),
    [
        ("debug", "yes", True),
        ("debug", "off", False),
        ("debug", True, True),
        ("max_recipients", " 7 ", 7),
        ("allowed_hosts", "a.example, b.example,", ("a.example", "b.example")),
        ("allowed_hosts", ["a.example"], ("a.example",)),
        ("secret_key", "hush", Secret("hush")),
        ("server_encryption", "tls", "tls"),
        ("base_url", " https://post.ours.example ", "https://post.ours.example"),
    ],
)
def test_a_value_is_read_by_the_kind_of_its_setting(name: str, given: object, value: object) -> None:
    assert getattr(read_configuration({name: given}, {}), name) == value


@pytest.mark.parametrize(
    ("values", "environ", "words"),
    [
        ({"smtp_prot": 25}, {}, ["smtp_prot", "smtp_port"]),
        ({"smtp_port": 0}, {}, ["smtp_port", "65535"]),
        ({"smtp_port": 70_000}, {}, ["smtp_port", "70000"]),
        ({"web_port": "eighty"}, {}, ["web_port", "eighty"]),
        ({"max_recipients": -1}, {}, ["max_recipients", "-1"]),
        ({"debug": "perhaps"}, {}, ["debug", "perhaps"]),
        ({"hostname": 7}, {}, ["hostname", "text"]),
        ({}, {"POSTROOM_SERVER_ENCRYPTION": "ssl"}, ["POSTROOM_SERVER_ENCRYPTION", "ssl", "starttls"]),
        ({"log_level": "LOUD"}, {}, ["log_level", "WARNING"]),
    ],
)
def test_a_wrong_value_is_named_with_what_would_be_right(
    values: dict[str, object], environ: dict[str, str], words: list[str]
) -> None:
    with pytest.raises(ConfigurationError) as refusal:
        read_configuration(values, environ)
    assert all(word in str(refusal.value) for word in words)


def test_secrets_are_not_shown() -> None:
    found = read_configuration(
        {"secret_key": "hush", "server_password": "hush", "former_secret_keys": "hush, hush2"}, {}
    )
    assert "hush" not in repr(found)
    assert "hush" not in repr(found.secret_keys)
    assert "hush" not in f"{found.secret_key} {found.server_password!r}"
    assert found.secret_key.reveal() == "hush"


def test_former_secret_keys_stand_behind_the_present_one() -> None:
    found = read_configuration({"secret_key": "new", "former_secret_keys": "old, older,"}, {})
    assert [key.reveal() for key in found.secret_keys] == ["new", "old", "older"]


@pytest.mark.parametrize(
    ("base_url", "public"),
    [("", "http://127.0.0.1:8000"), ("https://post.ours.example/", "https://post.ours.example")],
)
def test_links_lead_to_the_public_address(base_url: str, public: str) -> None:
    assert Configuration(base_url=base_url).public_url == public
