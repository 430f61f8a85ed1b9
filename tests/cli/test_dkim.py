"""dkim: keys from the command line."""

from __future__ import annotations

import dataclasses

import pytest

from postroom import wiring
from postroom.store.models import Company, DkimKey
from tests.cli.conftest import Command

pytestmark = pytest.mark.django_db

Zone = dict[str, tuple[str, ...]]


@pytest.fixture(autouse=True)
def zone(monkeypatch: pytest.MonkeyPatch) -> Zone:
    """DNS, which has what a test puts there, and knows nobody else's names."""
    records: Zone = {}
    found = dataclasses.replace(wiring.ports(), text_records=lambda name: records.get(name, ()))
    monkeypatch.setattr(wiring, "ports", lambda: found)
    return records


def publish(postroom: Command, zone: Zone) -> None:
    """All that there is to publish."""
    for key in postroom("dkim", "list", "--json").data:
        zone[key["name"]] = (key["value"],)


def test_from_the_first_key_to_its_successor(postroom: Command, zone: Zone) -> None:
    made = postroom("dkim", "create", "northwind.example", "-a", "ed25519")
    assert made.code == 0
    key = DkimKey.objects.get()
    assert f"{key.selector}._domainkey.northwind.example" in made.out
    assert f"v=DKIM1; k=ed25519; p={key.public_key}" in made.out
    assert "postroom dkim activate northwind.example" in made.out
    early = postroom("dkim", "activate", "northwind.example")
    assert (early.code, "--unchecked" in early.err) == (1, True)
    assert postroom("dkim", "check", "northwind.example").code == 1
    publish(postroom, zone)
    assert postroom("dkim", "check", "northwind.example").out.endswith("is published.\n")
    activated = postroom("dkim", "activate", "northwind.example")
    assert activated.out == f"Mail from northwind.example is signed with {key.selector} (Ed25519).\n"
    (successor,) = postroom("dkim", "rotate", "northwind.example", "--json").data
    assert (successor["state"], successor["selector"] != key.selector) == ("prepared", True)
    publish(postroom, zone)
    assert postroom("dkim", "activate", "northwind.example", "--json").data[0]["state"] == "active"
    rows = {row["selector"]: row for row in postroom("dkim", "list", "--json").data}
    assert rows[key.selector]["state"] == "retired"
    assert rows[key.selector]["keep_until"]
    assert "signs no more; leave its record in DNS until" in postroom("dkim", "retire", "northwind.example").out


def test_records_are_lines_for_a_zone_file(postroom: Command) -> None:
    postroom("dkim", "create", "northwind.example", "-a", "both")
    lines = [line for line in postroom("dkim", "records", "northwind.example").out.splitlines() if line[:1] != ";"]
    assert len(lines) == 2
    for line in lines:
        name, rest = line.split(". ", maxsplit=1)
        assert name.endswith("._domainkey.northwind.example")
        assert rest.startswith("3600 IN TXT ( ")
        assert all(len(piece) <= 255 for piece in rest.split('"')[1::2])


def test_of_several_prepared_keys_the_newest_of_each_algorithm_signs(postroom: Command) -> None:
    postroom("dkim", "create", "northwind.example", "-a", "both")
    DkimKey.objects.update(state="retired")
    postroom("dkim", "create", "northwind.example", "-a", "both")
    DkimKey.objects.update(state="prepared")  # as before it gave what is prepared once more
    keys = postroom("dkim", "activate", "northwind.example", "--unchecked", "--json").data
    newest = list(DkimKey.objects.order_by("-id").values_list("selector", flat=True)[:2])
    assert {key["selector"] for key in keys} == set(newest)
    assert DkimKey.objects.filter(state="prepared").count() == 2


def test_one_key_is_named_by_its_selector(postroom: Command) -> None:
    for _ in range(2):
        postroom("dkim", "create", "northwind.example", "-a", "ed25519")
    first = DkimKey.objects.earliest("id")
    assert postroom("dkim", "activate", "northwind.example", "-s", first.selector, "--unchecked").code == 0
    first.refresh_from_db()
    assert first.state == "active"


def test_a_key_may_be_one_companys(postroom: Command) -> None:
    company = Company.objects.create(name="Northwind Prints")
    (key,) = postroom(
        "dkim", "create", "northwind.example", "-a", "ed25519", "--company", "Northwind Prints", "--json"
    ).data
    assert key["company"] == "Northwind Prints"
    assert DkimKey.objects.get().company == company


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["create", "localhost"], "no domain with mail addresses"),
        (["create", "a.example", "-a", "dsa"], "rsa, ed25519 or both"),
        (["create", "a.example", "--company", "Nobody"], "no company 'Nobody'"),
        (["activate", "a.example"], "no prepared key"),
        (["activate", "a.example", "-s", "x"], "no key x"),
        (["check", "a.example"], "There is no DKIM key"),
        (["retire", "a.example"], "no active key"),
        (["rotate", "a.example"], "No key signs"),
        (["records", "a.example"], "postroom dkim create a.example"),
    ],
)
def test_what_cannot_be_done_is_said_with_what_can(postroom: Command, words: list[str], said: str) -> None:
    answer = postroom("dkim", *words)
    assert answer.code == 2
    assert said in answer.err
    assert not DkimKey.objects.exists()


def test_without_keys_the_list_says_how_to_make_one(postroom: Command) -> None:
    assert "postroom dkim create example.com" in postroom("dkim", "list").out


def test_nothing_private_is_ever_said(postroom: Command) -> None:
    said = postroom("dkim", "create", "northwind.example", "-a", "both").out
    for words in (["list"], ["list", "--json"], ["activate", "northwind.example"], ["records", "northwind.example"]):
        said += postroom("dkim", *words).out
    assert "PRIVATE" not in said
    for sealed in DkimKey.objects.values_list("private_key", flat=True):
        assert bytes(sealed).decode() not in said


def test_the_check_is_read_by_programs(postroom: Command, zone: Zone) -> None:
    postroom("dkim", "create", "northwind.example", "-a", "ed25519")
    key = DkimKey.objects.get()
    zone[f"{key}"] = ("v=DKIM1; k=ed25519; p=another",)
    answer = postroom("dkim", "check", "northwind.example", "--json")
    assert answer.code == 1
    assert answer.data == [{"name": str(key), "ok": False, "trouble": answer.data[0]["trouble"]}]
    assert "another key" in answer.data[0]["trouble"]
