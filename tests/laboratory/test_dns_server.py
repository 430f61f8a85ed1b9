"""The name server of the laboratory speaks as the standards want it."""

from __future__ import annotations

import dns.message
import dns.query
import dns.rcode
import pytest

from tests.laboratory.dns_server import DnsServer
from tests.laboratory.ports import LOOPBACK

ZONES = {
    "northwind.example": {"MX": ["10 mx.northwind.example."], "TXT": ["v=spf1 mx -all", ("one ", "two")]},
    "mx.northwind.example": {"A": ["192.0.2.1"]},
    "www.northwind.example": {"CNAME": ["mx.northwind.example."]},
    "a._domainkey.northwind.example": {"TXT": ["v=DKIM1; p=" + "A" * 900]},
}


@pytest.mark.parametrize(
    ("name", "kind", "code", "records"),
    [
        ("northwind.example", "MX", "NOERROR", {"10 mx.northwind.example."}),
        ("NORTHWIND.example", "TXT", "NOERROR", {'"v=spf1 mx -all"', '"one " "two"'}),
        ("northwind.example", "A", "NOERROR", set()),
        ("_domainkey.northwind.example", "TXT", "NOERROR", set()),  # something stands below it
        ("nobody.northwind.example", "A", "NXDOMAIN", set()),
        ("www.northwind.example", "A", "NOERROR", {"mx.northwind.example.", "192.0.2.1"}),
    ],
)
@pytest.mark.parametrize("ask", [dns.query.udp, dns.query.tcp])
def test_it_answers_over_udp_and_tcp(name: str, kind: str, code: str, records: set[str], ask: object) -> None:
    with DnsServer(ZONES) as server:
        query = dns.message.make_query(name, kind)
        reply = ask(query, LOOPBACK, port=server.port, timeout=60)  # type: ignore[operator]
    assert dns.rcode.to_text(reply.rcode()) == code
    assert {one.to_text() for rrset in reply.answer for one in rrset} == records


def test_what_does_not_fit_into_a_datagram_comes_over_tcp() -> None:
    with DnsServer(ZONES) as server:
        query = dns.message.make_query("a._domainkey.northwind.example", "TXT")
        reply, was_tcp = dns.query.udp_with_fallback(query, LOOPBACK, port=server.port, timeout=60)
    assert was_tcp
    assert len(b"".join(reply.answer[0][0].strings)) == 911


def test_it_fails_for_the_names_that_it_is_told_to_fail_for() -> None:
    with DnsServer(ZONES) as server:
        server.failing.add("northwind.example")
        query = dns.message.make_query("northwind.example", "MX")
        assert dns.query.udp(query, LOOPBACK, port=server.port, timeout=60).rcode() == dns.rcode.SERVFAIL
