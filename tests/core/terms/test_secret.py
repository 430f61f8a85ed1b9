"""A secret shows itself to nobody."""

from __future__ import annotations

import pickle

import pytest

from postroom.core.terms.secret import Secret


def test_a_secret_is_masked_wherever_it_is_written() -> None:
    secret = Secret("hush")
    assert "hush" not in f"{secret} {secret!r} {[secret]}" + str(vars(type(secret)))
    assert repr(Secret("")) == "Secret('')"


def test_a_secret_is_compared_and_hashed_by_what_it_hides() -> None:
    assert Secret("a") == Secret("a") != Secret("b")
    assert len({Secret("a"), Secret("a")}) == 1
    assert Secret("a") != "a"
    assert not Secret("")


def test_a_secret_does_not_travel() -> None:
    with pytest.raises(TypeError):
        pickle.dumps(Secret("hush"))
