"""DMARC: whose policy holds, and what speaks for an author."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from postroom.core.senders.dmarc import DmarcFinding, evaluate, names_to_ask, read_dmarc
from postroom.core.senders.results import Method, MethodResult, Policy, Result
from tests.core.senders.zones import Zones, conclude


def dkim(domain: str, result: Result = Result.PASS) -> MethodResult:
    return MethodResult(method=Method.DKIM, result=result, domain=domain)


def spf(domain: str, result: Result = Result.PASS) -> MethodResult:
    return MethodResult(method=Method.SPF, result=result, domain=domain)


def dmarc(
    author: str, *findings: MethodResult, broken: tuple[str, ...] = (), names: tuple[str, ...] = (), **records: str
) -> DmarcFinding:
    """``records``: by domain, with underscores for dots."""
    zone = {f"TXT _dmarc.{name.replace('_', '.')}": [text] for name, text in records.items()}
    zone |= {f"A {name}": ["192.0.2.1"] for name in names}
    return conclude(evaluate(author, findings), Zones(zone, frozenset(broken)))


@pytest.mark.parametrize(
    ("passed", "record", "result"),
    [
        (dkim("shop.example"), "v=DMARC1; p=reject", Result.PASS),
        (spf("shop.example"), "v=DMARC1; p=reject", Result.PASS),
        (dkim("news.shop.example"), "v=DMARC1; p=reject", Result.PASS),  # relaxed: one organisation
        (spf("bounce.shop.example"), "v=DMARC1; p=reject", Result.PASS),
        (dkim("news.shop.example"), "v=DMARC1; p=reject; adkim=s", Result.FAIL),
        (spf("news.shop.example"), "v=DMARC1; p=reject; adkim=s", Result.PASS),
        (spf("bounce.shop.example"), "v=DMARC1; p=reject; aspf=s", Result.FAIL),
        (dkim("shop.example"), "v=DMARC1; p=reject; adkim=s; aspf=s", Result.PASS),
        (dkim("evil.example"), "v=DMARC1; p=reject", Result.FAIL),
        (dkim("notshop.example"), "v=DMARC1; p=reject", Result.FAIL),
        (dkim("shop.example.evil.test"), "v=DMARC1; p=reject", Result.FAIL),
        (dkim("shop.example", Result.FAIL), "v=DMARC1; p=reject", Result.FAIL),
        (spf("shop.example", Result.SOFTFAIL), "v=DMARC1; p=reject", Result.FAIL),
        (dkim("shop.example", Result.POLICY), "v=DMARC1; p=reject", Result.FAIL),
    ],
)
def test_alignment(passed: MethodResult, record: str, result: Result) -> None:
    assert dmarc("shop.example", passed, shop_example=record).result is result


def test_an_author_on_a_subdomain_is_proven_by_his_organisation() -> None:
    found = dmarc("mail.shop.example", dkim("shop.example"), shop_example="v=DMARC1; p=reject")
    assert (found.result, found.organisation) == (Result.PASS, "shop.example")


@pytest.mark.parametrize(
    ("author", "record", "policy"),
    [
        ("shop.example", "v=DMARC1; p=reject; sp=none", Policy.REJECT),
        ("mail.shop.example", "v=DMARC1; p=reject; sp=none", Policy.NONE),
        ("mail.shop.example", "v=DMARC1; p=none; sp=quarantine", Policy.QUARANTINE),
        ("mail.shop.example", "v=DMARC1; p=reject", Policy.REJECT),
        ("ghost.shop.example", "v=DMARC1; p=none; np=reject", Policy.REJECT),  # there is no such name
        ("mail.shop.example", "v=DMARC1; p=none; np=reject", Policy.NONE),
        ("ghost.shop.example", "v=DMARC1; p=none; sp=quarantine", Policy.QUARANTINE),
        ("shop.example", "v=DMARC1; p=reject; t=y", Policy.QUARANTINE),  # a test: one step milder
        ("shop.example", "v=DMARC1; p=quarantine; t=y", Policy.NONE),
        ("shop.example", "v=DMARC1; p=bogus", Policy.NONE),
        ("shop.example", "v=DMARC1; rua=mailto:a@shop.example", Policy.NONE),
        ("shop.example", "v=DMARC1;p=REJECT", Policy.REJECT),
    ],
)
def test_whose_policy_holds(author: str, record: str, policy: Policy) -> None:
    found = dmarc(author, names=("mail.shop.example",), shop_example=record)
    assert (found.result, found.policy, found.policy_domain) == (Result.FAIL, policy, "shop.example")


def test_a_domains_own_record_goes_before_its_organisations() -> None:
    found = dmarc("mail.shop.example", shop_example="v=DMARC1; p=reject", mail_shop_example="v=DMARC1; p=none")
    assert (found.policy, found.policy_domain) == (Policy.NONE, "mail.shop.example")


def test_the_walk_ends_at_an_organisation_that_says_so() -> None:
    records = {"example": "v=DMARC1; p=reject", "dept_shop_example": "v=DMARC1; p=none; psd=n"}
    found = dmarc("mail.dept.shop.example", dkim("other.shop.example"), **records)
    assert (found.organisation, found.result) == ("dept.shop.example", Result.FAIL)


def test_under_a_public_suffix_each_name_is_an_organisation_of_its_own() -> None:
    found = dmarc("a.gov", dkim("b.gov"), gov="v=DMARC1; p=reject; psd=y")
    assert (found.organisation, found.result, found.policy_domain) == ("a.gov", Result.FAIL, "gov")


def test_without_a_record_there_is_no_policy_and_only_the_same_name_is_kin() -> None:
    found = dmarc("shop.example", dkim("shop.example"))
    assert (found.result, len(found.aligned)) == (Result.NONE, 1)
    assert dmarc("shop.example", dkim("mail.shop.example")).aligned == ()


def test_two_records_are_none() -> None:
    zone = Zones({"TXT _dmarc.shop.example": ["v=DMARC1; p=reject", "v=DMARC1; p=none"]})
    assert conclude(evaluate("shop.example", ()), zone).result is Result.NONE


def test_other_texts_beside_the_record_do_no_harm() -> None:
    zone = Zones({"TXT _dmarc.shop.example": ["hello", "v=spf1 -all", "v=DMARC1; p=reject"]})
    assert conclude(evaluate("shop.example", ()), zone).policy is Policy.REJECT


def test_trouble_is_no_failure() -> None:
    assert dmarc("shop.example", broken=("_dmarc.shop.example",)).result is Result.TEMPERROR
    aligned = dmarc("shop.example", dkim("shop.example"), broken=("_dmarc.shop.example",)).aligned
    assert len(aligned) == 1


def test_a_walk_asks_eight_questions_at_most() -> None:
    """RFC 9989 4.10: of a long name seven labels after the name itself."""
    name = "a.b.c.d.e.f.g.h.i.j.mail.example.com"
    asked = names_to_ask(name)
    assert asked[0] == name
    assert asked[1] == "g.h.i.j.mail.example.com"
    assert (len(asked), asked[-1]) == (8, "com")
    assert names_to_ask("mail.example.com") == ["mail.example.com", "example.com", "com"]


@pytest.mark.parametrize(
    "text", ["", "v=DMARC2; p=none", "p=none; v=DMARC1", "v=DMARC1 p=none; p=none; p=none", "x", "v"]
)
def test_what_is_no_record(text: str) -> None:
    assert read_dmarc(text) is None


@given(st.text(max_size=200), st.text(max_size=80))
def test_nothing_raises(text: str, author: str) -> None:
    read_dmarc(text)
    read_dmarc(f"v=DMARC1; {text}")
    conclude(evaluate(author or "x", [dkim("shop.example")]), Zones({f"TXT _dmarc.{author}": [text]}))
