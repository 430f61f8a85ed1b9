"""postroom watch: look now, list what is known, set and try the webhook."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterator

import pytest
from typer.testing import CliRunner

from postroom.cli.main import app
from postroom.core.terms.visits import Visit
from tests.doctor.ward import Ward

pytestmark = pytest.mark.django_db


@pytest.fixture
def ward(monkeypatch: pytest.MonkeyPatch) -> Iterator[Ward]:
    with Ward(monkeypatch) as made:
        made.ports = dataclasses.replace(made.ports, visit=lambda *_, **__: Visit(status=200))
        monkeypatch.setattr("postroom.cli.watch.entered", lambda: _Entered(made))
        yield made


class _Entered:
    def __init__(self, ward: Ward) -> None:
        self._ward = ward

    def __enter__(self) -> object:
        return self._ward.ports

    def __exit__(self, *_: object) -> None:
        """Nothing was opened."""


def said(*words: str, code: int = 0) -> str:
    result = CliRunner().invoke(app, list(words), standalone_mode=False)
    outcome = result.return_value if result.exception is None else result.exit_code
    assert (outcome or 0) == code, result.output
    return result.output


def test_it_looks_lists_and_says_since_when(ward: Ward) -> None:
    assert "It has not looked yet" in said("watch", "list")
    ward.spf("v=spf1 -all", "v=spf1 ~all")
    assert "1 new" in said("watch", "run", code=1)
    told = json.loads(said("watch", "list", "--json"))
    assert [one["code"] for one in told["findings"]] == ["spf_several"]
    assert told["findings"][0]["since"]
    assert "spf" in said("doctor", "--watch-now", "--json", code=1)


def test_a_webhook_is_set_tried_and_taken_away(ward: Ward) -> None:
    assert "Posts nowhere." in said("watch", "webhook")
    assert "whsec_" in said("watch", "webhook", "https://hooks.example.com/postroom")
    assert "whsec_" not in said("watch", "webhook")
    assert "It was taken: HTTP 200" in said("watch", "test")
    assert "Posts nowhere." in said("watch", "webhook", "off")
