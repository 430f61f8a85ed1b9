"""Which keys sign, what selectors are called, what DNS must have."""

from __future__ import annotations

from datetime import date
from itertools import islice

import pytest

from postroom.core.delivery.dkim import DkimAlgorithm, DkimKeyFact, fitting_keys, record_of, selectors_of, with_parents


def key(number: int, domain: str, algorithm: str = "rsa", company_id: int | None = None) -> DkimKeyFact:
    return DkimKeyFact(
        id=number, domain=domain, selector=f"s{number}", algorithm=DkimAlgorithm(algorithm), company_id=company_id
    )


def chosen(domain: str, *keys: DkimKeyFact, company_id: int = 1) -> list[int]:
    return [found.id for found in fitting_keys(domain, company_id, keys)]


def test_the_domain_itself_comes_before_its_parent() -> None:
    keys = [key(1, "northwind.example"), key(2, "news.northwind.example")]
    assert chosen("news.northwind.example", *keys) == [2]
    assert chosen("a.b.northwind.example", *keys) == [1]
    assert chosen("northwind.example", *keys) == [1]


@pytest.mark.parametrize("domain", ["other.example", "notnorthwind.example", "example", "northwind.example.org", ""])
def test_a_key_signs_for_no_stranger(domain: str) -> None:
    assert chosen(domain, key(1, "northwind.example"), key(2, "example")) == []


def test_both_algorithms_sign_rsa_first() -> None:
    keys = [key(1, "a.example", "ed25519"), key(2, "a.example"), key(3, "example.org")]
    assert chosen("a.example", *keys) == [2, 1]


def test_a_company_signs_with_its_own_keys_and_with_everybodys_but_not_with_anothers() -> None:
    ours, everybodys, theirs = key(1, "a.example", company_id=1), key(2, "a.example"), key(3, "a.example", company_id=3)
    assert chosen("a.example", ours, everybodys, theirs) == [1]
    assert chosen("a.example", everybodys, theirs) == [2]
    assert chosen("a.example", theirs) == []


def test_the_newest_of_several_signs() -> None:
    assert chosen("a.example", key(5, "a.example"), key(9, "a.example"), key(7, "a.example")) == [9]


def test_parents_end_before_the_last_label() -> None:
    assert list(with_parents("a.b.example")) == ["a.b.example", "b.example"]


def test_selectors_are_named_by_month_and_never_taken_twice() -> None:
    day = date(2026, 11, 21)
    assert list(islice(selectors_of(day, {"pr202611a", "pr202611c"}), 2)) == ["pr202611b", "pr202611d"]
    many = list(islice(selectors_of(day, set()), 26 + 26 * 26 + 1))
    assert (many[25], many[26], many[-1]) == ("pr202611z", "pr202611aa", "pr202611aaa")
    assert len(set(many)) == len(many)


def test_a_long_value_is_cut_into_strings_of_255_bytes() -> None:
    record = record_of("northwind.example", "pr202611a", "rsa", "M" * 392)
    assert record.name == "pr202611a._domainkey.northwind.example"
    assert record.value == f"v=DKIM1; k=rsa; p={'M' * 392}"
    assert [len(piece) for piece in record.strings] == [255, 155]
    assert "".join(record.strings) == record.value
    first, second = record.strings
    assert record.zone_line == f'pr202611a._domainkey.northwind.example. 3600 IN TXT ( "{first}" "{second}" )'


def test_a_short_value_is_one_string() -> None:
    assert record_of("a.example", "s", "ed25519", "x" * 44).strings == (f"v=DKIM1; k=ed25519; p={'x' * 44}",)
