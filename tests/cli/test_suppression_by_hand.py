"""suppression: the blacklist by hand, lists in and out, and who fails most."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest

from postroom.store.models import AddressHealth, Company, Suppression
from tests.cli.conftest import Command
from tests.web import bouncing

pytestmark = pytest.mark.django_db

CARLA = "carla@customer.example"


@pytest.fixture
def company() -> Company:
    return Company.objects.create(name="Northwind Prints")


@pytest.fixture
def carla(company: Company) -> AddressHealth:
    return bouncing.some_addresses(company)


def test_the_list_says_why(postroom: Command, carla: AddressHealth) -> None:
    out = postroom("suppression", "list").out
    assert "carla@customer.example" in out
    assert "The address does not exist: 550 5.1.1" in out
    rows = postroom("suppression", "list", "--view", "bouncing", "--search", "tanaka", "--json").data
    assert [(row["address"], row["bounce_count"]) for row in rows] == [("yuki@tanaka-paper.example", 3)]
    assert postroom("suppression", "list", "--view", "lost").code == 2


def test_an_address_is_shown_with_its_evidence(postroom: Command, carla: AddressHealth) -> None:
    answer = postroom("suppression", "show", CARLA)
    assert (answer.code, answer.out.count(bouncing.CLOSED)) == (0, 5)
    assert len(postroom("suppression", "show", "Carla@Customer.example", "--json").data[0]["events"]) == 5
    nothing = postroom("suppression", "show", "nobody@nowhere.example")
    assert (nothing.code, "Nothing ever came back" in nothing.out) == (1, True)


def test_it_is_put_on_and_released(postroom: Command, company: Company) -> None:
    said = postroom("suppression", "add", "Dora@Customer.example", "--why", "asked for it").out
    assert said == "Campaigns leave dora@customer.example out from now on.\n"
    assert postroom("suppression", "add", "dora@customer.example", "--why", "again").code == 2
    assert postroom("suppression", "release", "dora@customer.example", "--why", "she wrote").code == 0
    row = Suppression.objects.get()
    assert (row.who, row.released_why) == ("", "she wrote")
    assert postroom("suppression", "release", "dora@customer.example").code == 1
    assert postroom("suppression", "release", "nobody@nowhere.example").code == 1


def test_what_is_exported_can_be_imported(postroom: Command, carla: AddressHealth, tmp_path: Path) -> None:
    written = postroom("suppression", "export").out
    head, *rows = csv.reader(written.splitlines())
    assert head == ["address", "reason", "cause", "since", "expires"]
    assert len(rows) == 7
    lines = [json.loads(line) for line in postroom("suppression", "export", "--json").out.splitlines()]
    assert {line["address"] for line in lines} == {row[0] for row in rows}

    Company.objects.create(name="Elsewhere")
    file = tmp_path / "blacklist.csv"
    file.write_text(written, encoding="utf-8")
    assert postroom("suppression", "import", str(file)).code == 2, "whose list?"
    answer = postroom("suppression", "import", str(file), "--company", "Elsewhere", "--json")
    assert answer.data == {"added": 7, "known": 0, "unusable": []}
    again = postroom("suppression", "import", str(file), "--company", "Elsewhere")
    assert again.out == "0 added, 7 were on the list already.\n"


def test_lines_that_are_no_addresses_are_told(postroom: Command, company: Company, tmp_path: Path) -> None:
    file = tmp_path / "list.txt"
    file.write_bytes(b"dora@customer.example\nrubbish \xff\n")
    answer = postroom("suppression", "import", str(file))
    assert (answer.code, answer.out) == (1, "1 added, 0 were on the list already.\n")
    assert "No address: rubbish" in answer.err


def test_who_failed_most(postroom: Command, carla: AddressHealth) -> None:
    found = postroom("suppression", "worst", "--json").data
    assert (found["domains"][0]["name"], found["domains"][0]["failures"]) == ("customer.example", 5)
    assert found["addresses"][0]["name"] == CARLA
    assert "█" in postroom("suppression", "worst").out


def test_a_reason_is_no_formula(postroom: Command, company: Company) -> None:
    row = bouncing.an_address(company, CARLA)
    bouncing.a_suppression(row, "imported", "suppression.imported", {"why": "x"})
    Suppression.objects.update(reasons=[{"code": "=cmd()", "facts": {}}])
    assert f"{CARLA},'=cmd()," in postroom("suppression", "export").out


def test_an_address_is_no_formula_and_comes_back_as_it_was(postroom: Command, company: Company, tmp_path: Path) -> None:
    odd = "=1+1+cmd@evil.example"
    assert postroom("suppression", "add", odd, "--why", "odd").code == 0
    written = postroom("suppression", "export").out
    assert f"\n'{odd}," in written
    file = tmp_path / "blacklist.csv"
    file.write_text(written, encoding="utf-8")
    assert postroom("suppression", "import", str(file), "--json").data == {"added": 0, "known": 1, "unusable": []}
