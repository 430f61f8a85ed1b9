"""Whose is an address that sent mail in our name? A server's of ours, by its own addresses or by its provider's SPF record, or a stranger's.

Laws: pure; a generator of questions. What nobody could tell stays open (None), and is asked again another day. Standards: RFC 7208, RFC 1912 2.1.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass

from postroom.core.diagnosis.domain_facts import SendingServer, addresses_of
from postroom.core.senders.questions import Asking, Question, RecordType
from postroom.core.senders.results import Result
from postroom.core.senders.spf import check_sender
from postroom.core.senders.spf_macros import reverse_name
from postroom.core.terms.reasons import Reason, because, catalogue

catalogue(
    {
        "source.fine": "It passes: nothing is to be done.",
        "source.ours": "It is your server {server}, and its mail fails: sign it with a DKIM key of {domain}, or let its return path be of {domain} and SPF name it.",
        "source.ours_partly": "It is your server {server}, and some of its mail fails: look whether all of it is signed, also after it was forwarded.",
        "source.in_spf": "SPF of {domain} names it, but its mail has neither a return path nor a signature of {domain}: set up DKIM for {domain} there.",
        "source.forwarder": "It passed your mail on, and that broke it: a signature of {domain} that survives helps; otherwise nothing is to be done.",
        "source.partly": "Some of its mail passes: a service that sends for you, or somebody who passes your mail on. Set up DKIM for {domain} there if it is yours.",
        "source.stranger": "None of your servers. If it is a service of yours, set up DKIM for {domain} there and name it in SPF; if not, somebody uses your name: "
        "DMARC with p=quarantine or p=reject lets receivers stop it.",
    }
)  # fmt: skip

_TOLD = {Result.PASS: True, Result.TEMPERROR: None, Result.PERMERROR: None}


@dataclass(frozen=True, slots=True, kw_only=True)
class Owner:
    """``server``: the name of the outgoing server that it belongs to, ``""``: none of ours. ``in_spf``: whether the domain's SPF names it."""

    ip: str
    domain: str
    server: str = ""
    name: str = ""
    in_spf: bool | None = None


def whose(ip: str, domain: str, servers: Sequence[SendingServer]) -> Asking[Owner]:
    """``domain``: as which it sent; ``servers``: those that send for it."""
    answer = yield Question(reverse_name(ipaddress.ip_address(ip)), RecordType.PTR)
    server = ""
    for one in servers:
        if (yield from _belongs(ip, one)):
            server = one.name
            break
    spf = yield from check_sender(ip, f"postmaster@{domain}", domain)
    name = answer.records[0] if answer.records else ""
    return Owner(ip=ip, domain=domain, server=server, name=name[:253], in_spf=_TOLD.get(spf.result, False))


def _belongs(ip: str, server: SendingServer) -> Asking[bool]:
    if server.include:
        found = yield from check_sender(ip, f"postmaster@{server.include}", server.include)
        return found.result is Result.PASS
    if not server.host:
        return False
    addresses = yield from addresses_of(server.host)
    return ip in (addresses or ())


def advise(*, domain: str, count: int, passed: int, server: str, in_spf: bool | None, override: str) -> Reason:
    """What is to be done about an address that sent mail in our name."""
    if passed >= count:
        return because("source.fine")
    if server:
        return because("source.ours_partly" if passed else "source.ours", server=server, domain=domain)
    if "forward" in override or "mailing_list" in override:
        return because("source.forwarder", domain=domain)
    if in_spf:
        return because("source.in_spf", domain=domain)
    return because("source.partly" if passed else "source.stranger", domain=domain)
