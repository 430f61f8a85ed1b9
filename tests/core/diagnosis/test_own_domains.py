"""SPF, DKIM, DMARC and MX of a domain of ours, from answers in a table."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import pytest

from postroom.core.diagnosis.dkim_record import check_dkim, rsa_bits
from postroom.core.diagnosis.dmarc import check_dmarc
from postroom.core.diagnosis.domain_facts import DomainFacts, OurKey, SendingServer, is_internal, is_private
from postroom.core.diagnosis.findings import Finding
from postroom.core.diagnosis.mx import check_mx
from postroom.core.diagnosis.spf import check_spf, wanted_record
from postroom.core.senders.questions import TROUBLE, Answer, AnswerStatus, Asking, Question
from tests.core.senders.zones import conclude

Zone = Mapping[tuple[str, str], tuple[str, ...]]
RELAY = SendingServer(name="Relay", host="relay.a.example", signs=True, return_path="a.example")
GMAIL = SendingServer(
    name="Gmail", host="smtp.gmail.com", include="_spf.google.com", selectors=("google",), return_path="a.example"
)
FACTS = DomainFacts(name="a.example", servers=(RELAY,))


def ask(asking: Asking[list[Finding]], zone: Zone) -> list[Finding]:
    names = {name for name, _ in zone}

    def answer(question: Question) -> Answer:
        found = zone.get((question.name, question.type.value))
        if found == ("trouble",):
            return TROUBLE
        if found:
            return Answer(AnswerStatus.FOUND, found)
        return Answer(AnswerStatus.EMPTY if question.name in names else AnswerStatus.NO_NAME)

    return conclude(asking, answer)


def codes(findings: list[Finding]) -> list[str]:
    return [one.code.value for one in findings]


def spf(record: str, facts: DomainFacts = FACTS, **more: tuple[str, ...]) -> list[Finding]:
    zone = {("a.example", "TXT"): (record,), ("relay.a.example", "A"): ("192.0.2.25",)}
    return ask(check_spf(facts), zone | {tuple(key.split("/")): value for key, value in more.items()})  # type: ignore[misc]


def test_ten_look_ups_are_allowed_and_the_eleventh_is_not() -> None:
    hosts = [f"h{number}.example" for number in range(10)]
    known = {f"{host}/A": ("192.0.2.25",) for host in hosts}
    ten = " ".join(f"a:{host}" for host in hosts)
    assert codes(spf(f"v=spf1 {ten} -all", **known)) == []
    assert codes(spf(f"v=spf1 {ten} a:relay.a.example -all", **known)) == ["spf_lookups"]


def test_the_count_says_what_each_include_costs() -> None:
    more = {"b.example/TXT": ("v=spf1 a:relay.a.example mx:relay.a.example exists:%{i}.x.example -all",)}
    includes = " ".join(["include:b.example", *[f"a:x{number}.example" for number in range(7)]])
    more |= {f"x{number}.example/A": ("192.0.2.1",) for number in range(7)} | {"relay.a.example/MX": ("m.example",)}
    (finding,) = spf(f"v=spf1 {includes} -all", **more)
    assert finding.code == "spf_lookups"
    assert "include:b.example of a.example: 4" in finding.evidence


def test_includes_in_a_ring_end() -> None:
    more = {"b.example/TXT": ("v=spf1 include:c.example -all",), "c.example/TXT": ("v=spf1 include:b.example -all",)}
    assert codes(spf("v=spf1 a:relay.a.example include:b.example -all", **more)) == []


def test_a_redirect_is_followed() -> None:
    assert codes(spf("v=spf1 redirect=b.example", **{"b.example/TXT": ("v=spf1 a:relay.a.example -all",)})) == []
    assert codes(spf("v=spf1 redirect=b.example")) == ["spf_include"]


def test_the_wanted_record_names_all_servers_in_use() -> None:
    both = replace(
        FACTS, servers=(RELAY, GMAIL, SendingServer(name="six", host="2001:db8::1", return_path="a.example"))
    )
    assert wanted_record(both).value == "v=spf1 a:relay.a.example include:_spf.google.com ip6:2001:db8::1 ~all"
    assert wanted_record(replace(FACTS, servers=())).value == "v=spf1 mx ~all"


def test_a_server_at_home_or_with_a_return_path_of_its_own_is_not_asked_for() -> None:
    for server in (
        replace(RELAY, host="127.0.0.1"),
        replace(RELAY, return_path="bounces.provider.example"),
        replace(RELAY, is_api=True),
    ):
        assert codes(spf("v=spf1 ip4:198.51.100.1 -all", replace(FACTS, servers=(server,)))) == []


def test_what_the_name_server_does_not_tell_is_unchecked() -> None:
    zone = {(name, "TXT"): ("trouble",) for name in ("a.example", "_dmarc.a.example")} | {
        ("a.example", "MX"): ("trouble",)
    }
    facts = replace(FACTS, is_alias_domain=True)
    for check in (check_spf, check_dmarc, check_mx):
        (finding,) = ask(check(facts), zone)
        assert (finding.code, finding.severity) == ("dns_unchecked", "unchecked")


def test_the_size_of_an_rsa_key_is_read_with_and_without_its_wrapping() -> None:
    assert rsa_bits(_WRAPPED) == rsa_bits(_BARE) == 1024
    assert rsa_bits("AAAA") == 0
    assert rsa_bits("not base64!") == 0


_WRAPPED = "MIGfMA0GCSqGSIb3DQEBAQUAA4GNADCBiQKBgQCgoxJ+VtF+6Yegnh/5GlBA3x9zQoCysUDCmLBAZSmnXXX0zmzMGsa0Zf6vZBnpUGlDmyzaKGsAYBkT0cG6cxRkbDebUvvnCGk+F1sG6ecMXMAqvuAlXh/0yvklpOSHA+oTSGUD0s2/SXO3SKQJgkl0roA35CjP9PiMVm/3VIZ0bwIDAQAB"  # 1024 bits
_BARE = "MIGJAoGBAKCjEn5W0X7ph6CeH/kaUEDfH3NCgLKxQMKYsEBlKadddfTObMwaxrRl/q9kGelQaUObLNooawBgGRPRwbpzFGRsN5tS++cIaT4XWwbp5wxcwCq+4CVeH/TK+SWk5IcD6hNIZQPSzb9Jc7dIpAmCSXSugDfkKM/0+IxWb/dUhnRvAgMBAAE="


def test_a_short_key_of_a_provider_is_told() -> None:
    facts = replace(FACTS, servers=(GMAIL,))
    (finding,) = ask(check_dkim(facts), {("google._domainkey.a.example", "TXT"): (f"v=DKIM1; p={_WRAPPED}",)})
    assert (finding.code, finding.severity) == ("dkim_short", "info")
    assert "1024" in str(finding.cause)


def test_a_prepared_key_need_not_be_published_yet() -> None:
    key = OurKey(domain="a.example", selector="s1", algorithm="rsa", public_key="AAAA", is_active=False)
    findings = ask(check_dkim(replace(FACTS, keys=(key,), servers=())), {("a.example", "A"): ("192.0.2.1",)})
    assert [(one.code, one.severity) for one in findings] == [("dkim_missing", "info")]


def test_a_policy_of_the_organisation_counts_for_its_subdomains() -> None:
    facts = replace(FACTS, name="mail.a.example", servers=())
    assert codes(ask(check_dmarc(facts), {("_dmarc.a.example", "TXT"): ("v=DMARC1; p=reject",)})) == []


def test_a_policy_that_only_watches_is_no_fault() -> None:
    findings = ask(check_dmarc(replace(FACTS, servers=())), {("_dmarc.a.example", "TXT"): ("v=DMARC1; p=none",)})
    assert [(one.code, one.severity) for one in findings] == [("dmarc_watches", "info")]


def test_reports_may_go_where_they_are_taken() -> None:
    zone = {
        ("_dmarc.a.example", "TXT"): ("v=DMARC1; p=reject; rua=mailto:x@b.example!10m",),
        ("a.example._report._dmarc.b.example", "TXT"): ("v=DMARC1;",),
    }
    assert codes(ask(check_dmarc(replace(FACTS, servers=())), zone)) == []


MX = {("a.example", "MX"): ("mx.a.example",), ("mx.a.example", "A"): ("192.0.2.10",)}


@pytest.mark.parametrize(
    ("facts", "found"),
    [
        ({"ways_in": ("imap.a.example",)}, []),
        ({"hostname": "mx.a.example"}, []),
        ({"ways_in": ("imap.gmail.com",)}, ["mx_elsewhere"]),
        ({}, ["mx_elsewhere"]),
        ({"is_alias_domain": False}, []),
    ],
)
def test_mail_comes_back_where_we_take_it_or_fetch_it(facts: dict[str, object], found: list[str]) -> None:
    assert codes(ask(check_mx(replace(FACTS, **({"is_alias_domain": True} | facts))), MX)) == found  # type: ignore[arg-type]


def test_a_provider_is_known_by_its_other_names() -> None:
    zone = {("a.example", "MX"): ("aspmx.l.google.com",), ("aspmx.l.google.com", "A"): ("203.0.113.1",)}
    facts = replace(FACTS, is_alias_domain=True, ways_in=("imap.gmail.com",))
    assert codes(ask(check_mx(facts), zone)) == []


@pytest.mark.parametrize("name", ["a.test", "b.example", "c.local", "d", "mail.example.com", "e.internal"])
def test_private_names_are_known(name: str) -> None:
    assert is_private(name)
    assert not is_private("northwind-trading.com")


def test_addresses_of_the_house_are_known() -> None:
    assert [is_internal(one) for one in ("127.0.0.1", "10.1.2.3", "fe80::1", "192.0.2.1", "no address")] == [
        True,
        True,
        True,
        False,
        False,
    ]
