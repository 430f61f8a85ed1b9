"""What findings prove, and how a mail came."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from postroom.core.routing.arrival import Peer, comes_from_home, handed_in_by, path_of, read_peer
from postroom.core.routing.authenticity import (
    Authenticity,
    Observed,
    Path,
    Proof,
    authenticity_as_json,
    authenticity_from_json,
    judge,
)
from postroom.core.senders.results import Method, MethodResult, Policy, Result
from postroom.core.terms.networks import read_networks
from postroom.core.terms.states import Door

CARLA = "carla@shop.example"


def finding(method: Method, result: Result, domain: str = "shop.example", **more: object) -> MethodResult:
    return MethodResult(method=method, result=result, domain=domain, **more)  # type: ignore[arg-type]


GOOD_DKIM = finding(Method.DKIM, Result.PASS, aligned=True)
STRANGE_DKIM = finding(Method.DKIM, Result.PASS, "list.example")
REJECTS = finding(Method.DMARC, Result.FAIL, policy=Policy.REJECT)


def judged(*findings: MethodResult, path: Path = Path.DIRECT, author: str = CARLA, **more: object) -> Authenticity:
    more = {"from_fields": 1} | more
    return judge(Observed(path=path, author=author, findings=findings, **more))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("findings", "path", "proof", "code"),
    [
        ((GOOD_DKIM, finding(Method.DMARC, Result.PASS)), Path.DIRECT, Proof.PROVEN, "sender.proven"),
        ((finding(Method.SPF, Result.PASS, aligned=True),), Path.DIRECT, Proof.PROVEN, "sender.proven"),
        ((GOOD_DKIM, finding(Method.DMARC, Result.NONE)), Path.RELAYED, Proof.PROVEN, "sender.proven"),
        ((STRANGE_DKIM, REJECTS), Path.DIRECT, Proof.SPOOFED, "sender.spoofed"),
        ((finding(Method.DMARC, Result.FAIL, policy=Policy.QUARANTINE),), Path.DIRECT, Proof.SPOOFED, "sender.spoofed"),
        ((finding(Method.DMARC, Result.FAIL, policy=Policy.NONE),), Path.DIRECT, Proof.UNPROVEN, "sender.lenient"),
        ((finding(Method.DMARC, Result.NONE),), Path.DIRECT, Proof.UNPROVEN, "sender.no_policy"),
        # trouble never makes a forgery
        ((finding(Method.DKIM, Result.TEMPERROR), REJECTS), Path.DIRECT, Proof.UNPROVEN, "sender.trouble"),
        ((finding(Method.SPF, Result.TEMPERROR), REJECTS), Path.DIRECT, Proof.UNPROVEN, "sender.trouble"),
        ((finding(Method.DMARC, Result.TEMPERROR),), Path.DIRECT, Proof.UNPROVEN, "sender.trouble"),
        # what was fetched arrived elsewhere: without that server's word, nobody knows whence
        ((STRANGE_DKIM, REJECTS), Path.RELAYED, Proof.UNPROVEN, "sender.nothing"),
        ((), Path.RELAYED, Proof.UNPROVEN, "sender.nothing"),
        ((), Path.HERE, Proof.NOT_APPLICABLE, "sender.here"),
        ((STRANGE_DKIM,), Path.HERE, Proof.UNPROVEN, "sender.nothing"),
        # a server whose word counts
        (
            (finding(Method.DMARC, Result.PASS, by="mx.ours.example"),),
            Path.RELAYED,
            Proof.PROVEN,
            "sender.vouched",
        ),
        (
            (finding(Method.DMARC, Result.FAIL, by="mx.ours.example", policy=Policy.REJECT),),
            Path.RELAYED,
            Proof.SPOOFED,
            "sender.spoofed",
        ),
        (
            (finding(Method.SPF, Result.FAIL, by="mx.ours.example"), REJECTS),
            Path.RELAYED,
            Proof.SPOOFED,
            "sender.spoofed",
        ),
    ],
)
def test_what_findings_prove(findings: tuple[MethodResult, ...], path: Path, proof: Proof, code: str) -> None:
    found = judged(*findings, path=path)
    assert (found.proof, found.reasons[0].code) == (proof, code)
    assert "?" not in str(found.reasons[0])


def test_nobody_and_several_authors_are_never_proven() -> None:
    assert judged(GOOD_DKIM, author="").reasons[0].code == "sender.nobody"
    assert judged(GOOD_DKIM, from_fields=2).reasons[0].code == "sender.several"


def test_a_chain_that_counts_vouches() -> None:
    arc = finding(Method.ARC, Result.PASS, "list.example")
    assert judged(REJECTS, arc, chain_vouches=True).proof is Proof.PROVEN
    assert judged(REJECTS, arc).proof is Proof.SPOOFED


def test_a_return_path_that_spf_denies_is_remembered() -> None:
    assert judged(finding(Method.SPF, Result.FAIL)).return_path_denied
    assert not judged(finding(Method.SPF, Result.SOFTFAIL)).return_path_denied


def test_what_is_stored_is_read_again() -> None:
    found = judged(STRANGE_DKIM, REJECTS)
    assert authenticity_from_json(authenticity_as_json(found)) == found


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(max_size=20),
        lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=12), inner, max_size=4),
        max_leaves=10,
    )
)
def test_whatever_is_stored_can_be_read(stored: object) -> None:
    for given_ in (stored, {"proof": stored}, {"findings": [stored]}, {"findings": [{"method": stored}]}):
        if isinstance(given_, dict):
            authenticity_from_json(given_)


@pytest.mark.parametrize(
    ("door", "ip", "path"),
    [
        (Door.SMTP, "8.8.8.8", Path.DIRECT),
        (Door.SMTP, "2a00:1450:4001:800::200e", Path.DIRECT),
        (Door.SMTP, "198.51.100.7", Path.DIRECT),
        (Door.SMTP, "127.0.0.1", Path.HERE),
        (Door.SMTP, "::1", Path.HERE),
        (Door.SMTP, "::ffff:127.0.0.1", Path.HERE),
        (Door.SMTP, "10.1.2.3", Path.HERE),
        (Door.SMTP, "192.168.1.9", Path.HERE),
        (Door.SMTP, "172.18.0.3", Path.HERE),
        (Door.SMTP, "fd00::1", Path.HERE),
        (Door.SMTP, "fe80::1", Path.HERE),
        (Door.SMTP, "", Path.HERE),
        (Door.SMTP, "203.0.113.25", Path.RELAYED),  # a relay of ours
        (Door.LMTP, "8.8.8.8", Path.RELAYED),
        (Door.IMAP, "", Path.COMPANYS),
        (Door.POP3, "", Path.COMPANYS),
        (Door.HTTP, "", Path.HANDED_IN),
        (Door.PIPE, "", Path.RELAYED),
    ],
)
def test_how_a_mail_came(door: Door, ip: str, path: Path) -> None:
    assert path_of(door, Peer(ip, "mail.example"), read_networks(["203.0.113.0/26", "nonsense"])) is path


def test_what_is_handed_in_over_http_is_the_houses_a_companys_or_nobodys() -> None:
    house, company = (handed_in_by("Alice", sees_house=one) for one in (True, False))
    assert path_of(Door.HTTP, read_peer(house)) is Path.RELAYED
    assert path_of(Door.HTTP, read_peer(company)) is Path.HANDED_IN
    assert path_of(Door.HTTP, read_peer("Mailgun (Incoming)"), by_provider=True) is Path.COMPANYS
    assert path_of(Door.HTTP, read_peer(f"Mailgun ({house})")) is Path.HANDED_IN


def test_the_doors_own_words_are_read_back() -> None:
    assert read_peer("192.0.2.1 (mail.example)") == Peer("192.0.2.1", "mail.example")
    assert read_peer("2001:db8::1 ([IPv6:2001:db8::1])") == Peer("2001:db8::1", "[IPv6:2001:db8::1]")
    assert read_peer("192.0.2.1 ()") == Peer("192.0.2.1", "")
    assert read_peer("support at imap.example") == Peer("", "")
    assert read_peer("") == Peer("", "")


def test_from_home_without_a_sign_nothing_need_be_asked() -> None:
    assert comes_from_home(Door.SMTP, "127.0.0.1 (localhost)", ["From", "Subject"])
    assert not comes_from_home(Door.SMTP, "127.0.0.1 (localhost)", ["From", "DKIM-Signature"])
    assert not comes_from_home(Door.SMTP, "127.0.0.1 (localhost)", ["authentication-results"])
    assert not comes_from_home(Door.SMTP, "8.8.8.8 (mail.example)", ["From"])
    assert not comes_from_home(Door.IMAP, "box at imap.example", ["From"])
