"""System parameters under the keys that users know."""

from __future__ import annotations

import pytest

from postroom.core.terms.parameters import PARAMETERS, ParameterError, Parameters


def test_every_default_is_a_value_that_may_stand_there() -> None:
    for key, spec in PARAMETERS.items():
        if spec.default:
            assert spec.clean(spec.default) == spec.default, key


def test_every_parameter_is_explained() -> None:
    for key, spec in PARAMETERS.items():
        assert spec.key == key
        assert spec.help.endswith("."), key


@pytest.mark.parametrize(
    ("given", "stored"),
    [
        ("hello.COM, BONJOUR.com", "hello.com,bonjour.com"),
        ("hello.com,,", "hello.com"),
        ("", ""),
        (" exämple.org ", "xn--exmple-cua.org"),
    ],
)
def test_a_list_of_domains_is_stored_clean(given: str, stored: str) -> None:
    """T-068."""
    assert PARAMETERS["mail.catchall.domain.allowed"].clean(given) == stored


@pytest.mark.parametrize(
    ("key", "given"),
    [
        ("mail.catchall.domain.allowed", ","),
        ("mail.catchall.domain.allowed", ", ,"),
        ("mail.catchall.domain.allowed", "hello.com, not a domain"),
        ("mail.catchall.domain", "not a domain"),
        ("mail.catchall.alias", "catch all"),
        ("mail.catchall.alias", "catchall@ours.example"),
        ("mail.bounce.alias", "bounce+x"),
        ("mail.default.from", "a b@ours.example"),
        ("mail.gateway.loop.threshold", "many"),
        ("mail.gateway.loop.minutes", "-1"),
        ("mail.gateway.unknown", "drop"),
        ("mail.server.order", "random"),
        ("mail.reply.signed", "perhaps"),
    ],
)
def test_a_value_that_cannot_be_used_is_refused_with_a_word_on_what_can(key: str, given: str) -> None:
    with pytest.raises(ParameterError) as refusal:
        PARAMETERS[key].clean(given)
    assert str(refusal.value).endswith((".", "example.org"))


@pytest.mark.parametrize(
    ("key", "given", "stored"),
    [
        ("mail.catchall.alias", " Catchall ", "catchall"),
        ("mail.default.from", "Notifications", "notifications"),
        ("mail.default.from", "Info@ours.example", "Info@ours.example"),
        ("mail.gateway.loop.threshold", " 007 ", "7"),
        ("mail.reply.signed", "Yes", "1"),
        ("mail.reply.signed", "", "0"),
        ("mail.gateway.unknown", "refuse", "refuse"),
    ],
)
def test_a_value_is_stored_in_one_form(key: str, given: str, stored: str) -> None:
    assert PARAMETERS[key].clean(given) == stored


def test_what_is_not_stored_has_its_default() -> None:
    parameters = Parameters({"mail.gateway.loop.threshold": "5", "mail.catchall.domain.allowed": "a.example,b.example"})
    assert parameters.number("mail.gateway.loop.threshold") == 5
    assert parameters.number("mail.gateway.loop.minutes") == 120
    assert parameters.text("mail.bounce.alias") == "bounce"
    assert parameters.is_on("mail.reply.signed")
    assert parameters.words("mail.catchall.domain.allowed") == ("a.example", "b.example")
    assert parameters.words("mail.default.from_filter") == ()


def test_a_key_that_nobody_knows_is_a_mistake_of_ours() -> None:
    with pytest.raises(KeyError):
        Parameters({}).text("mail.no.such.key")
