"""postroom user password: for who gets no link by mail."""

from __future__ import annotations

import pytest
from django.contrib.auth import get_user_model

from postroom.core.terms.states import Role
from tests.cli.conftest import Command
from tests.web import seeding

pytestmark = pytest.mark.django_db


def opens(login: str, password: str) -> bool:
    return bool(get_user_model().objects.get(username=login).check_password(password))


def test_a_new_password_is_made_and_shown_once(postroom: Command) -> None:
    seeding.a_member("hilde", "Hilde House", seeding.a_company(), Role.ADMINISTRATOR)
    answer = postroom("user", "password", "hilde")
    assert answer.code == 0
    assert opens("hilde", answer.out.strip().rpartition(" ")[2])


def test_a_password_may_come_by_the_environment_and_is_not_shown(
    postroom: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    seeding.a_member("hilde", "Hilde House", seeding.a_company(), Role.ADMINISTRATOR)
    monkeypatch.setenv("POSTROOM_NEW_PASSWORD", "a-lighthouse-at-night")
    answer = postroom("user", "password", "hilde")
    assert opens("hilde", "a-lighthouse-at-night")
    assert "lighthouse" not in answer.out + answer.err
    monkeypatch.setenv("POSTROOM_NEW_PASSWORD", "1234")
    assert postroom("user", "password", "hilde").code == 2, "too weak"
    assert opens("hilde", "a-lighthouse-at-night")


def test_who_is_unknown_is_named(postroom: Command) -> None:
    answer = postroom("user", "password", "nobody")
    assert answer.code == 2
    assert "Nobody signs in as nobody" in answer.err
