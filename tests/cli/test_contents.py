"""The table of contents of the command says what the commands say, and who asks for it opens none of them."""

from __future__ import annotations

import inspect
import pkgutil
from importlib import import_module
from typing import Any

import pytest
import typer

import postroom.cli
from postroom.cli.contents import OPTIONS, PARTS, Part, overview
from postroom.cli.main import app


def first_paragraph(text: str) -> str:
    return " ".join(inspect.cleandoc(text).split("\n\n")[0].split())


@pytest.mark.parametrize("part", PARTS, ids=lambda part: part.word)
def test_a_line_of_the_contents_says_what_the_command_says(part: Part) -> None:
    command: Any = typer.main.get_command(app)
    found = command.commands[part.word]
    assert first_paragraph(found.help) == part.about
    assert found.name == part.word
    assert (found.rich_help_panel or "Commands") == part.panel
    assert found.hidden == part.is_hidden


def test_no_command_of_a_module_is_left_out() -> None:
    listed = {part.word for part in PARTS}
    for module in {part.module for part in PARTS if part.panel != "Commands"}:
        opened = import_module(f"postroom.cli.{module}")
        assert set(typer.main.get_group(opened.app).commands) <= listed, module


def test_no_module_of_commands_is_left_out() -> None:
    with_commands = {
        found.name
        for found in pkgutil.iter_modules(postroom.cli.__path__)
        if found.name != "main"
        and isinstance(getattr(import_module(f"postroom.cli.{found.name}"), "app", None), typer.Typer)
    }
    assert with_commands == {part.module for part in PARTS}


def test_the_options_of_the_overview_are_those_that_there_are() -> None:
    command: Any = typer.main.get_command(app)
    with typer.Context(command, help_option_names=["-h", "--help"]) as context:
        found = {frozenset(option.opts): option.help for option in command.get_params(context)}
    assert {frozenset(names.split(", ")): about for names, about in OPTIONS} == found


@pytest.mark.parametrize("columns", [20, 80, 200])
def test_no_line_of_the_overview_is_wider_than_the_terminal(columns: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", str(columns))
    said = overview()
    assert max(map(len, said.splitlines())) <= max(columns, 84)
    assert all(f"│ {part.word} " in said for part in PARTS if not part.is_hidden)
    assert "\x1b" not in said
