"""SPF: the standard's own examples, its limits, and what nobody should write into a record."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from postroom.core.senders.questions import RecordType
from postroom.core.senders.results import Result
from postroom.core.senders.spf import SpfFinding, check_sender
from postroom.core.senders.spf_macros import MacroValues, dotted, expand
from tests.core.senders.zones import Zones, conclude

HERE = "192.0.2.10"  # the peer
V6 = "2001:db8::cb01"


def spf(
    record: str | list[str], ip: str = HERE, sender: str = "strong-bad@email.example.com", **zone: list[str]
) -> SpfFinding:
    return found(record, ip, sender, **zone)[0]


def found(
    record: str | list[str], ip: str = HERE, sender: str = "strong-bad@email.example.com", **zone: list[str]
) -> tuple[SpfFinding, Zones]:
    domain = sender.rpartition("@")[2]
    records = {f"TXT {domain}": [record] if isinstance(record, str) else record}
    records |= {name.replace("__", " ").replace("_dot_", "."): values for name, values in zone.items()}
    zones = Zones(records)
    return conclude(check_sender(ip, sender, "mx.example.com"), zones), zones


def with_zone(record: str, zone: dict[str, list[str]], ip: str = HERE, broken: tuple[str, ...] = ()) -> SpfFinding:
    zones = Zones({"TXT d.example": [record], **zone}, frozenset(broken))
    return conclude(check_sender(ip, "carla@d.example", "mx.d.example"), zones)


@pytest.mark.parametrize(
    ("record", "result"),
    [
        ("v=spf1 -all", Result.FAIL),
        ("v=spf1 ~all", Result.SOFTFAIL),
        ("v=spf1 ?all", Result.NEUTRAL),
        ("v=spf1 all", Result.PASS),
        ("v=spf1 +all", Result.PASS),
        ("V=SPF1 -ALL", Result.FAIL),
        ("v=spf1", Result.NEUTRAL),  # nothing matches
        ("v=spf1 ip4:192.0.2.10 -all", Result.PASS),
        ("v=spf1 ip4:192.0.2.0/24 -all", Result.PASS),
        ("v=spf1 ip4:192.0.2.0/29 -all", Result.FAIL),
        ("v=spf1 ip4:0.0.0.0/0 -all", Result.PASS),
        ("v=spf1 ip6:2001:db8::/32 -all", Result.FAIL),
        ("v=spf1 -ip4:192.0.2.10 +all", Result.FAIL),
        ("v=spf1   ip4:192.0.2.10   -all", Result.PASS),  # blanks
        ("v=spf1 unknown-modifier=anything -all", Result.FAIL),
        ("v=spf1 exp=explain.%{d} -all", Result.FAIL),
        ("v=spf10 -all", Result.NONE),
        ("spf2.0/pra -all", Result.NONE),
        ("v=spf1-all", Result.NONE),
        # what cannot be read makes the whole record useless, wherever it stands
        ("v=spf1 all:example.com", Result.PERMERROR),
        ("v=spf1 +all nonsense", Result.PERMERROR),
        ("v=spf1 ip4:192.0.2.256 -all", Result.PERMERROR),
        ("v=spf1 ip4:192.0.2.0/33 -all", Result.PERMERROR),
        ("v=spf1 ip4 -all", Result.PERMERROR),
        ("v=spf1 ip6:192.0.2.1 -all", Result.PERMERROR),
        ("v=spf1 a:example.com/33 -all", Result.PERMERROR),
        ("v=spf1 a//129 -all", Result.PERMERROR),
        ("v=spf1 a/ -all", Result.PERMERROR),
        ("v=spf1 include -all", Result.PERMERROR),
        ("v=spf1 include: -all", Result.PERMERROR),
        ("v=spf1 exists -all", Result.PERMERROR),
        ("v=spf1 redirect=a.example redirect=b.example", Result.PERMERROR),
        ("v=spf1 redirect= -all", Result.PERMERROR),
        ("v=spf1 a:%{x}.example -all", Result.PERMERROR),
        ("v=spf1 a:%d.example -all", Result.PERMERROR),
        ("v=spf1 a:%{d0}.example -all", Result.PERMERROR),
        ("v=spf1 a:example -all", Result.PERMERROR),  # one label
        ("v=spf1 a:example.123 -all", Result.PERMERROR),  # no top label
        ("v=spf1 --all", Result.PERMERROR),
        ("v=spf1 -all\x00", Result.PERMERROR),
        ("v=spf1 é -all", Result.PERMERROR),
    ],
)
def test_a_record_alone(record: str, result: Result) -> None:
    assert spf(record).result is result


def test_no_record_no_domain_no_address() -> None:
    assert conclude(check_sender(HERE, "carla@nowhere.example", ""), Zones()).result is Result.NONE
    assert conclude(check_sender(HERE, "carla@localhost", ""), Zones()).result is Result.NONE
    assert conclude(check_sender(HERE, "", "[192.0.2.10]"), Zones()).result is Result.NONE
    assert conclude(check_sender("", "carla@d.example", ""), Zones()).result is Result.NONE
    assert conclude(check_sender("not an address", "carla@d.example", ""), Zones()).result is Result.NONE


def test_two_records_are_none_that_counts() -> None:
    assert spf(["v=spf1 -all", "v=spf1 +all"]).result is Result.PERMERROR
    assert spf(["v=spf1 -all", "v=DKIM1; p=x"]).result is Result.FAIL


def test_a_null_return_path_is_judged_by_helo() -> None:
    zones = Zones({"TXT mx.d.example": ["v=spf1 a -all"], "A mx.d.example": [HERE]})
    finding = conclude(check_sender(HERE, "", "mx.d.example"), zones)
    assert (finding.result, finding.domain) == (Result.PASS, "mx.d.example")


@pytest.mark.parametrize(
    ("record", "zone", "result"),
    [
        ("v=spf1 a -all", {"A d.example": [HERE]}, Result.PASS),
        ("v=spf1 a -all", {"A d.example": ["192.0.2.11"]}, Result.FAIL),
        ("v=spf1 a/28 -all", {"A d.example": ["192.0.2.11"]}, Result.PASS),
        ("v=spf1 a:out.d.example -all", {"A out.d.example": ["198.51.100.1", HERE]}, Result.PASS),
        ("v=spf1 a:OUT.D.example. -all", {"A out.d.example": [HERE]}, Result.PASS),
        ("v=spf1 mx -all", {"MX d.example": ["mx1.d.example"], "A mx1.d.example": [HERE]}, Result.PASS),
        ("v=spf1 mx/24 -all", {"MX d.example": ["mx1.d.example"], "A mx1.d.example": ["192.0.2.99"]}, Result.PASS),
        ("v=spf1 mx -all", {"MX d.example": ["mx1.d.example"]}, Result.FAIL),
        ("v=spf1 include:i.example -all", {"TXT i.example": ["v=spf1 ip4:192.0.2.10 -all"]}, Result.PASS),
        ("v=spf1 include:i.example ?all", {"TXT i.example": ["v=spf1 -all"]}, Result.NEUTRAL),
        ("v=spf1 include:i.example -all", {}, Result.PERMERROR),
        ("v=spf1 include:i.example -all", {"TXT i.example": ["v=spf1 nonsense"]}, Result.PERMERROR),
        ("v=spf1 redirect=r.example", {"TXT r.example": ["v=spf1 ip4:192.0.2.10 -all"]}, Result.PASS),
        ("v=spf1 redirect=r.example", {}, Result.PERMERROR),
        ("v=spf1 -all redirect=r.example", {"TXT r.example": ["v=spf1 +all"]}, Result.FAIL),
        ("v=spf1 redirect=r.example", {"TXT r.example": ["v=spf1 a -all"], "A r.example": [HERE]}, Result.PASS),
        ("v=spf1 exists:%{ir}.list.example -all", {"A 10.2.0.192.list.example": ["127.0.0.2"]}, Result.PASS),
        ("v=spf1 exists:%{l}.%{o}.u.example -all", {"A carla.d.example.u.example": ["127.0.0.2"]}, Result.PASS),
        ("v=spf1 exists:%{i}.list.example -all", {}, Result.FAIL),
        (
            "v=spf1 ptr -all",
            {"PTR 10.2.0.192.in-addr.arpa": ["out.d.example"], "A out.d.example": [HERE]},
            Result.PASS,
        ),
        (  # a name that does not lead back proves nothing
            "v=spf1 ptr -all",
            {"PTR 10.2.0.192.in-addr.arpa": ["out.d.example"], "A out.d.example": ["198.51.100.1"]},
            Result.FAIL,
        ),
        (
            "v=spf1 ptr:other.example -all",
            {"PTR 10.2.0.192.in-addr.arpa": ["out.d.example"], "A out.d.example": [HERE]},
            Result.FAIL,
        ),
        (
            "v=spf1 exists:%{p}.known.example -all",
            {
                "PTR 10.2.0.192.in-addr.arpa": ["out.d.example"],
                "A out.d.example": [HERE],
                "A out.d.example.known.example": ["127.0.0.2"],
            },
            Result.PASS,
        ),
    ],
)
def test_mechanisms_that_ask(record: str, zone: dict[str, list[str]], result: Result) -> None:
    assert with_zone(record, zone).result is result


def test_an_ipv6_peer_is_looked_up_by_aaaa() -> None:
    assert with_zone("v=spf1 a -all", {"AAAA d.example": [V6]}, V6).result is Result.PASS
    assert with_zone("v=spf1 a//64 -all", {"AAAA d.example": ["2001:db8::1"]}, V6).result is Result.PASS
    assert with_zone("v=spf1 ip6:2001:db8::/32 -all", {}, V6).result is Result.PASS
    assert with_zone("v=spf1 ip4:192.0.2.10 -all", {}, "::ffff:192.0.2.10").result is Result.PASS


def test_ten_look_ups_are_allowed_and_eleven_are_not() -> None:
    zone = {f"A h{number}.example": ["198.51.100.1"] for number in range(11)}
    ten = " ".join(f"a:h{number}.example" for number in range(10))
    assert with_zone(f"v=spf1 {ten} -all", zone).result is Result.FAIL
    assert with_zone(f"v=spf1 {ten} a:h10.example -all", zone).result is Result.PERMERROR


def test_includes_count_together_with_what_they_ask() -> None:
    zone = {f"TXT i{number}.example": [f"v=spf1 include:i{number + 1}.example -all"] for number in range(20)}
    assert with_zone("v=spf1 include:i0.example -all", zone).result is Result.PERMERROR


def test_a_record_that_includes_itself_ends() -> None:
    zones = Zones({"TXT d.example": ["v=spf1 include:d.example -all"]})
    finding = conclude(check_sender(HERE, "carla@d.example", ""), zones)
    assert finding.result is Result.PERMERROR
    assert len(zones.asked) <= 11


def test_two_void_look_ups_are_allowed_and_three_are_not() -> None:
    assert with_zone("v=spf1 a:x.example mx:y.example -all", {}).result is Result.FAIL
    assert with_zone("v=spf1 a:x.example mx:y.example exists:z.example -all", {}).result is Result.PERMERROR


def test_more_than_ten_mail_hosts_are_too_many() -> None:
    hosts = [f"mx{number}.d.example" for number in range(11)]
    assert with_zone("v=spf1 mx -all", {"MX d.example": hosts}).result is Result.PERMERROR


def test_of_many_names_of_an_address_ten_are_looked_at() -> None:
    names = [f"n{number}.elsewhere.example" for number in range(40)]
    zones = Zones({"TXT d.example": ["v=spf1 ptr -all"], "PTR 10.2.0.192.in-addr.arpa": names})
    assert conclude(check_sender(HERE, "carla@d.example", ""), zones).result is Result.FAIL
    assert zones.times(RecordType.A) == 10


@pytest.mark.parametrize(
    ("record", "broken"),
    [
        ("v=spf1 -all", "d.example"),
        ("v=spf1 a:x.example -all", "x.example"),
        ("v=spf1 include:x.example -all", "x.example"),
        ("v=spf1 redirect=x.example", "x.example"),
        ("v=spf1 exists:x.example -all", "x.example"),
        ("v=spf1 mx:x.example -all", "x.example"),
    ],
)
def test_trouble_is_temporary(record: str, broken: str) -> None:
    assert with_zone(record, {}, broken=(broken,)).result is Result.TEMPERROR


def test_what_matched_before_the_trouble_counts() -> None:
    assert with_zone("v=spf1 ip4:192.0.2.10 a:x.example -all", {}, broken=("x.example",)).result is Result.PASS


def test_a_ptr_that_nobody_can_tell_does_not_match() -> None:
    assert with_zone("v=spf1 ptr -all", {}, broken=("10.2.0.192.in-addr.arpa",)).result is Result.FAIL


VALUES = MacroValues(
    sender="strong-bad@email.example.com",
    domain="email.example.com",
    ip=__import__("ipaddress").ip_address("192.0.2.3"),
    helo="mx.example.com",
)


@pytest.mark.parametrize(
    ("text", "expanded"),  # RFC 7208 7.4
    [
        ("%{s}", "strong-bad@email.example.com"),
        ("%{o}", "email.example.com"),
        ("%{d}", "email.example.com"),
        ("%{d4}", "email.example.com"),
        ("%{d3}", "email.example.com"),
        ("%{d2}", "example.com"),
        ("%{d1}", "com"),
        ("%{dr}", "com.example.email"),
        ("%{d2r}", "example.email"),
        ("%{l}", "strong-bad"),
        ("%{l-}", "strong.bad"),
        ("%{lr}", "strong-bad"),
        ("%{lr-}", "bad.strong"),
        ("%{l1r-}", "strong"),
        ("%{ir}.%{v}._spf.%{d2}", "3.2.0.192.in-addr._spf.example.com"),
        ("%{lr-}.lp._spf.%{d2}", "bad.strong.lp._spf.example.com"),
        ("%{lr-}.lp.%{ir}.%{v}._spf.%{d2}", "bad.strong.lp.3.2.0.192.in-addr._spf.example.com"),
        ("%{ir}.%{v}.%{l1r-}.lp._spf.%{d2}", "3.2.0.192.in-addr.strong.lp._spf.example.com"),
        ("%{d2}.trusted-domains.example.net", "example.com.trusted-domains.example.net"),
        ("%{h}", "mx.example.com"),
        ("%%%_%-", "% %20"),
        ("%{S}", "strong-bad%40email.example.com"),
    ],
)
def test_the_macros_of_the_standard(text: str, expanded: str) -> None:
    assert expand(text, VALUES) == expanded


def test_an_ipv6_address_is_its_nibbles() -> None:
    address = __import__("ipaddress").ip_address("2001:db8::cb01")
    assert dotted(address) == "2.0.0.1.0.d.b.8.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.c.b.0.1"


def test_a_name_that_grows_too_long_loses_labels_on_its_left() -> None:
    sender = "a" * 60 + "." + "b" * 3 + "@d.example"
    long = ".".join(["c" * 60] * 3)
    zones = Zones({"TXT d.example": [f"v=spf1 exists:%{{l}}.{long}.d.example -all"]})
    conclude(check_sender(HERE, sender, ""), zones)
    assert all(len(question.name) <= 253 for question in zones.asked)


@given(st.text(max_size=300), st.text(max_size=60), st.text(max_size=60), st.sampled_from([HERE, V6, "", "::1"]))
def test_nothing_raises_whatever_the_record_says(record: str, sender: str, helo: str, ip: str) -> None:
    for text in (record, f"v=spf1 {record}"):
        zones = Zones({"TXT d.example": [text]})
        assert conclude(check_sender(ip, f"{sender}@d.example", helo), zones).result in Result
        assert len(zones.asked) < 150
