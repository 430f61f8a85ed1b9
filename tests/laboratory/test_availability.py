"""Skips must say what is missing."""

from __future__ import annotations

import os

import pytest

from tests.laboratory import availability
from tests.laboratory.daemon import find_program


def test_what_is_not_installed_is_named_with_its_package(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(availability, "find_program", lambda _: "")
    assert "apt-get install postfix" in availability.missing_for_postfix()
    assert "apt-get install dovecot-imapd" in availability.missing_for_dovecot()
    assert "postfix" in availability.missing_for_smtp_sink()


def test_an_ordinary_user_is_told_that_postfix_needs_root(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(availability, "find_program", lambda name: f"/usr/sbin/{name}")
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    assert "ordinary user" in availability.missing_for_postfix()


def test_programs_are_found_where_an_ordinary_users_path_does_not_look(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("PATH", "/nonexistent")
    found = find_program("ldconfig")
    assert found.endswith("sbin/ldconfig")
