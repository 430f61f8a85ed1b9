"""Authentication-Results: whose count, and what a stranger's are worth."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from postroom.core.senders.authentication_results import NAMELESS, read_field, read_servers, trusted_findings
from postroom.core.senders.results import Method, MethodResult, Policy, Result

A_R = "Authentication-Results"
OURS = read_servers("mx.ours.example")
GOOGLE = (
    "mx.google.com; dkim=pass header.i=@shop.example header.s=s1 header.b=Zx; spf=pass (google.com: domain of"
    " bounce@mail.shop.example designates 192.0.2.1 as permitted sender) smtp.mailfrom=bounce@mail.shop.example;"
    " dmarc=fail (p=REJECT sp=REJECT dis=NONE) header.from=shop.example"
)
MICROSOFT = (
    "spf=fail (sender IP is 192.0.2.1) smtp.mailfrom=shop.example; dkim=none (message not signed) header.d=none;"
    "dmarc=fail action=oreject header.from=shop.example;compauth=fail reason=000"
)


def only(findings: tuple[MethodResult, ...], method: Method) -> MethodResult:
    (found,) = [one for one in findings if one.method is method]
    return found


def test_the_fields_of_a_large_provider() -> None:
    found = trusted_findings([(A_R, GOOGLE)], read_servers("MX.google.com."))
    assert only(found, Method.DKIM).domain == "shop.example"
    assert (only(found, Method.SPF).result, only(found, Method.SPF).domain) == (Result.PASS, "mail.shop.example")
    dmarc = only(found, Method.DMARC)
    assert (dmarc.result, dmarc.policy, dmarc.domain, dmarc.by) == (
        Result.FAIL,
        Policy.REJECT,
        "shop.example",
        "mx.google.com",
    )


def test_a_provider_that_does_not_name_itself_counts_where_that_was_allowed() -> None:
    found = trusted_findings([(A_R, MICROSOFT)], read_servers(NAMELESS))
    assert only(found, Method.DMARC).policy is Policy.REJECT
    assert trusted_findings([(A_R, MICROSOFT)], OURS) == ()


def test_a_strangers_field_counts_nothing() -> None:
    assert trusted_findings([(A_R, "mx.evil.example; dmarc=pass header.from=bank.example")], OURS) == ()
    assert trusted_findings([(A_R, "mx.ours.example.evil.test; dmarc=pass")], OURS) == ()
    assert trusted_findings([(A_R, GOOGLE)], frozenset()) == ()


def test_a_forged_field_below_our_servers_own_counts_nothing() -> None:
    headers = [
        (A_R, "mx.ours.example; dmarc=fail (p=reject) header.from=bank.example"),
        ("Received", "from evil.example by mx.ours.example"),
        (A_R, "mx.ours.example; dmarc=pass header.from=bank.example; arc=pass"),
    ]
    found = trusted_findings(headers, OURS)
    assert [(one.method, one.result) for one in found] == [(Method.DMARC, Result.FAIL)]


def test_directly_below_each_other_the_upper_field_says_it() -> None:
    headers = [
        (A_R, "mx.ours.example; dmarc=fail header.from=bank.example"),
        (A_R, "mx.ours.example; dmarc=pass header.from=bank.example"),
    ]
    assert only(trusted_findings(headers, OURS), Method.DMARC).result is Result.FAIL


def test_filters_that_write_a_field_each_are_read_together() -> None:
    headers = [
        ("Return-Path", "<a@shop.example>"),
        ("DMARC-Filter", "OpenDMARC Filter"),
        (A_R, "mx.ours.example; dmarc=pass header.from=shop.example"),
        ("DKIM-Filter", "OpenDKIM Filter"),
        (A_R, "mx.ours.example; dkim=pass header.d=shop.example; dkim=fail header.d=other.example"),
        ("Received", "from mail.shop.example"),
    ]
    found = trusted_findings(headers, OURS)
    assert [one.method for one in found] == [Method.DMARC, Method.DKIM, Method.DKIM]


def test_quotes_comments_versions_and_none() -> None:
    field = read_field(
        'mx.ours.example 1 (a (nested; comment)); dkim/1 = pass reason="so; it (is)" header.d = shop.example'
    )
    assert field.server == "mx.ours.example"
    assert field.statements[0].property("header.d") == "shop.example"
    assert read_field("mx.ours.example; none").statements == ()


@pytest.mark.slow
def test_hostile_fields_take_no_time() -> None:
    began = time.process_time()
    for piece in ("(", '"', ";", "a=b ", "=", "()", "x" * 10, "p = "):
        read_field(piece * 200_000)
    assert time.process_time() - began < 20


@given(st.text(max_size=400))
def test_nothing_raises(value: str) -> None:
    read_field(value)
    trusted_findings([(A_R, value), (A_R, f"mx.ours.example; {value}")], OURS | {NAMELESS})
