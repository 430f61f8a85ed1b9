"""Who wrote it? What is known about a mail's author beyond its own words, and what that proves.

Duty: `judge` makes one `Authenticity` of the findings about a mail, with reasons; `believed` takes from the facts what rests on a
From that nobody may rely on. Laws: pure. Trouble never makes a forgery: `SPOOFED` needs a domain that forbids such mail, and checks
that could all be made. Whether the author is *ours* is asked more strictly than whether he is somebody (`claims_to_be_ours`).
Standards: RFC 7208, 6376, 8463, 9989, 8617, 8601; the table of consequences is docs/explanation/who-wrote-this.md.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import Any

from postroom.core.routing.submission import UNKNOWN_ENTRANCE, Submission
from postroom.core.senders.results import Method, MethodResult, Policy, Result
from postroom.core.terms.reasons import Reason, because, catalogue, reasons_as_json, reasons_from_json

catalogue(
    {
        "sender.off": "Senders are not checked: mail.authentication.check is off.",
        "sender.here": "It was handed over on this machine or network, without a word about its author: there is nothing to check.",
        "sender.unchecked": "It came in before senders were checked.",
        "sender.unreadable": "Its bytes cannot be read, so nobody can say who wrote it.",
        "sender.proven": "{author} is proven: {how}.",
        "sender.vouched": "{author} is proven: {server}, whose word counts here, found so.",
        "sender.chain": "{author} was proven before it was passed on: {sealer}, whose seal counts here, vouches for it (ARC).",
        "sender.spoofed": "It only claims to be from {author}: {domain} asks that such mail be {treated}, and nothing in it speaks for {domain}.",
        "sender.nobody": "It names no author.",
        "sender.several": "It has {count} From fields: nobody can say which one counts.",
        "sender.trouble": "Whether {author} wrote it could not be found out: the domain name system gave no answer in time.",
        "sender.no_policy": "Nothing proves that {author} wrote it, and {domain} does not say how its mail is known (DMARC).",
        "sender.lenient": "Nothing proves that {author} wrote it; {domain} asks for nothing to be done about such mail.",
        "sender.not_aligned": "What is proven in it speaks for {domains}, not for {domain}.",
        "sender.nothing": "Nothing in it proves that {author} wrote it.",
        "sender.elsewhere": "It came through another server first, and whom that one took it from is not known here: name that server's Authentication-Results to have its findings.",
        "sender.handed_in": "It was handed in with an API key that is not of the whole house: what servers wrote into it about its sender counts for nothing.",
        "sender.name_it": "{server} took it from its sender: name {server} among the servers whose word on senders counts, and answers to personal reply addresses prove themselves.",
        "sender.not_signed_in": "{server} took it from somebody who had not signed in there.",
        "claim.in_person": "{author} answers from the address that was written to, at a reply address that was given to nobody else, and {server} took it from somebody who had signed in: so it is {author}.",
        "claim.not_in_person": "The reply address was given to {author} alone, and may have been passed on: it proves who writes only together with a sign-in at a server of ours.",
        "claim.colleague": "{author} would be one of us, but nothing proves it: so the name counts for nothing.",
        "claim.spoofed": "{author} is claimed, not proven: so the name counts for nothing.",
    }
)


class Proof(StrEnum):
    """How sure it is that the author is who he claims to be."""

    PROVEN = "proven"
    UNPROVEN = "unproven"  # nothing speaks for it, nothing speaks against it for certain
    SPOOFED = "spoofed"  # his domain asks not to believe such mail
    NOT_APPLICABLE = "not_applicable"  # nothing was asked: switched off, or handed over at home


class Path(StrEnum):
    """How a mail came to us: what the peer's address can tell."""

    DIRECT = "direct"  # from a stranger's server to our door: SPF speaks
    RELAYED = "relayed"  # through a server of ours or a mailbox: what it saw is in its Authentication-Results
    HERE = "here"  # from this machine or network
    COMPANYS = "companys"  # the same, through a mailbox or a provider's address that belongs to a company
    HANDED_IN = "handed_in"  # by somebody of one company, who may write into it what he likes: no server's word counts


@dataclass(frozen=True, slots=True, kw_only=True)
class Authenticity:
    """The judgement, with the findings it rests on."""

    proof: Proof = Proof.NOT_APPLICABLE
    author_domain: str = ""
    findings: tuple[MethodResult, ...] = ()
    reasons: tuple[Reason, ...] = ()
    return_path_denied: bool = False  # SPF says that the envelope sender is a lie: it is not answered
    submission: Submission = UNKNOWN_ENTRANCE  # where it entered the house, and whether its sender had signed in there
    is_companys: bool = (
        False  # it came through what belongs to a company: a server's word reaches no further (`vouching`)
    )

    @property
    def is_spoofed(self) -> bool:
        return self.proof is Proof.SPOOFED

    @property
    def vouches(self) -> bool:
        """Whether the From may be taken for what it says: proven, or from home."""
        return self.proof in (Proof.PROVEN, Proof.NOT_APPLICABLE)

    @property
    def rests_on_word(self) -> bool:
        """Whether nothing proves the author but what a named server says: no signature or address that we checked ourselves."""
        checked = any(f.aligned and f.is_pass and not f.by and f.method is not Method.DMARC for f in self.findings)
        by_chain = any(reason.code == "sender.chain" for reason in self.reasons)
        return self.proof is Proof.PROVEN and not checked and not by_chain and any(f.by for f in self.findings)

    @property
    def may_be_answered(self) -> bool:
        """No backscatter: whoever is answered did not forge the address for all we know (RFC 3834 2)."""
        return not self.is_spoofed and not self.return_path_denied

    @property
    def lines(self) -> tuple[str, ...]:
        """The findings, one line each, in the words of the standards: what an operator compares with other servers' headers."""
        return tuple(_in_one_line(one) for one in self.findings)


def _in_one_line(one: MethodResult) -> str:
    words = [f"{one.method.value}={one.result.value}"]
    words += [one.domain] if one.domain else []
    words += ["(speaks for the author)"] if one.aligned else []
    words += [f"policy={one.policy.value}"] if one.policy is not None else []
    words += [f"found by {one.by}"] if one.by else []
    return " ".join(words) + (f": {one.detail}" if one.detail else "")


@dataclass(frozen=True, slots=True, kw_only=True)
class ArrivedMail:
    """A mail to be checked. ``ip``, ``helo`` and ``mail_from`` count on the direct path; ``servers`` are the authserv-ids whose
    findings count (lower case), ``sealers`` the domains whose ARC seals do. ``received_at`` in seconds since 1970; 0: signatures
    do not expire (what was fetched may have lain for weeks)."""

    raw: bytes
    path: Path
    ip: str = ""
    helo: str = ""
    mail_from: str = ""
    servers: frozenset[str] = frozenset()
    sealers: frozenset[str] = frozenset()
    received_at: int = 0
    submission: Submission = UNKNOWN_ENTRANCE
    due_at: datetime | None = None  # when it was due to be routed: given back with what is found


@dataclass(frozen=True, slots=True, kw_only=True)
class Checked:
    """What was found out about a mail that was taken, and when that one was due."""

    found: Authenticity
    due_at: datetime | None = None


UNASKED = Authenticity()


@dataclass(frozen=True, slots=True, kw_only=True)
class Observed:
    """What was found out about a mail. ``findings``: our own or a trusted server's; of DMARC at most one. ``chain_vouches``:
    an ARC chain of sealers that count here says that the author was proven before."""

    path: Path
    author: str  # normalised, "" without one
    from_fields: int
    findings: tuple[MethodResult, ...] = ()
    organisation_policy: Policy | None = None
    chain_vouches: bool = False
    submission: Submission = UNKNOWN_ENTRANCE


def judge(seen: Observed) -> Authenticity:
    """What the findings prove."""
    domain = seen.author.rpartition("@")[2]
    proof, reasons = _weigh(seen, domain)
    if proof is Proof.UNPROVEN and seen.path is Path.HERE and not seen.findings:
        proof, reasons = Proof.NOT_APPLICABLE, (because("sender.here"),)
    return Authenticity(
        proof=proof,
        author_domain=domain,
        findings=seen.findings,
        reasons=reasons,
        return_path_denied=any(f.method is Method.SPF and f.result is Result.FAIL for f in seen.findings),
        submission=seen.submission,
        is_companys=seen.path is Path.COMPANYS,
    )


def _weigh(seen: Observed, domain: str) -> tuple[Proof, tuple[Reason, ...]]:
    if not domain:
        return Proof.UNPROVEN, (because("sender.nobody"),)
    if seen.from_fields != 1:
        return Proof.UNPROVEN, (because("sender.several", count=seen.from_fields),)
    dmarc = next((one for one in seen.findings if one.method is Method.DMARC), None)
    speaking = [one for one in seen.findings if one.aligned and one.is_pass and one.method is not Method.DMARC]
    if speaking:
        return Proof.PROVEN, (_how_proven(seen.author, speaking),)
    if dmarc is not None and dmarc.is_pass and dmarc.by:
        return Proof.PROVEN, (because("sender.vouched", author=seen.author, server=dmarc.by),)
    if seen.chain_vouches:
        sealer = next((one.domain for one in seen.findings if one.method is Method.ARC), "")
        return Proof.PROVEN, (because("sender.chain", author=seen.author, sealer=sealer),)
    return _weigh_failure(seen, domain, dmarc)


def _weigh_failure(seen: Observed, domain: str, dmarc: MethodResult | None) -> tuple[Proof, tuple[Reason, ...]]:
    """Nothing speaks for the author."""
    mine = [one for one in seen.findings if one.method is not Method.ARC]
    if any(one.result is Result.TEMPERROR for one in mine):
        return Proof.UNPROVEN, (because("sender.trouble", author=seen.author),)
    reasons = _what_else_is_proven(mine, domain)
    was_seen_arriving = seen.path is Path.DIRECT or any(one.by and one.method is not Method.DKIM for one in mine)
    if dmarc is None or dmarc.result is not Result.FAIL:
        code = "sender.no_policy" if dmarc is not None else "sender.nothing"
        elsewhere = () if any(one.by for one in mine) else _whence(seen.path)
        return Proof.UNPROVEN, (because(code, author=seen.author, domain=domain), *reasons, *elsewhere)
    policy = dmarc.policy or seen.organisation_policy
    if policy is not None and policy.is_strict and was_seen_arriving:
        treated = "refused" if policy is Policy.REJECT else "kept apart"
        return Proof.SPOOFED, (because("sender.spoofed", author=seen.author, domain=domain, treated=treated), *reasons)
    if policy is not None and policy.is_strict:
        return Proof.UNPROVEN, (
            because("sender.nothing", author=seen.author), *reasons, *(_whence(seen.path) or (because("sender.elsewhere"),)),
        )  # fmt: skip
    return Proof.UNPROVEN, (because("sender.lenient", author=seen.author, domain=domain), *reasons)


def _whence(path: Path) -> tuple[Reason, ...]:
    """Why nobody knows where it came from."""
    codes = {Path.RELAYED: "sender.elsewhere", Path.COMPANYS: "sender.elsewhere", Path.HANDED_IN: "sender.handed_in"}
    return (because(codes[path]),) if path in codes else ()


def _how_proven(author: str, speaking: Sequence[MethodResult]) -> Reason:
    server = next((one.by for one in speaking if one.by), "")
    if server:
        return because("sender.vouched", author=author, server=server)
    best = next((one for one in speaking if one.method is Method.DKIM), speaking[0])
    how = {
        Method.DKIM: f"{best.domain} signed it (DKIM)",
        Method.SPF: f"it came from a server that {best.domain} names (SPF)",
    }.get(best.method, best.method.value)
    return because("sender.proven", author=author, how=how)


def _what_else_is_proven(findings: Iterable[MethodResult], domain: str) -> tuple[Reason, ...]:
    named = [f.domain for f in findings if f.is_pass and f.domain and f.method in (Method.SPF, Method.DKIM)]
    if not named:
        return ()
    return (because("sender.not_aligned", domains=", ".join(dict.fromkeys(named)), domain=domain),)


def not_asked(code: str = "sender.here") -> Authenticity:
    """Nothing was checked, and why."""
    return Authenticity(reasons=(because(code),))


# ---- kept with the mail


def authenticity_as_json(found: Authenticity) -> dict[str, Any]:
    row: dict[str, Any] = {
        "proof": found.proof.value,
        "author_domain": found.author_domain,
        "return_path_denied": found.return_path_denied,
        "findings": [_finding_as_json(one) for one in found.findings],
        "reasons": reasons_as_json(found.reasons),
    }
    if found.is_companys:
        row["companys"] = True
    if found.submission.server:
        entered = found.submission
        row["entered"] = {
            "at": entered.server,
            "signed_in": entered.is_signed_in,
            "counts": entered.is_named,
            "written_there": entered.is_born_here,
        }
    return row


def _finding_as_json(one: MethodResult) -> dict[str, Any]:
    row: dict[str, Any] = {"method": one.method.value, "result": one.result.value}
    row |= {name: value for name in ("domain", "aligned", "by", "detail") if (value := getattr(one, name))}
    if one.policy is not None:
        row["policy"] = one.policy.value
    return row


def authenticity_from_json(stored: Mapping[str, Any] | None) -> Authenticity:
    """What is stored, also by another version; nothing stored: it was never asked."""
    if not stored:
        return Authenticity(reasons=(because("sender.unchecked"),))
    findings = [_finding_from_json(row) for row in _rows(stored, "findings")]
    try:
        proof = Proof(str(stored.get("proof", "")))
    except ValueError:
        proof = Proof.UNPROVEN
    return Authenticity(
        proof=proof,
        author_domain=str(stored.get("author_domain", "")),
        findings=tuple(one for one in findings if one is not None),
        reasons=reasons_from_json(_rows(stored, "reasons")),
        return_path_denied=bool(stored.get("return_path_denied")),
        submission=_submission_from_json(stored.get("entered")),
        is_companys=stored.get("companys") is True,
    )


def _submission_from_json(stored: object) -> Submission:
    if not isinstance(stored, Mapping):
        return Submission()
    return Submission(
        server=str(stored.get("at", "")),
        is_signed_in=stored.get("signed_in") is True,
        is_named=stored.get("counts") is True,
        is_born_here=stored.get("written_there") is True,
    )


def _rows(stored: Mapping[str, Any], name: str) -> list[Mapping[str, Any]]:
    rows = stored.get(name)
    return [row for row in rows if isinstance(row, Mapping)] if isinstance(rows, list) else []


def _finding_from_json(row: Mapping[str, Any]) -> MethodResult | None:
    try:
        finding = MethodResult(
            method=Method(str(row["method"])),
            result=Result(str(row["result"])),
            domain=str(row.get("domain", "")),
            aligned=bool(row.get("aligned")),
            by=str(row.get("by", "")),
            detail=str(row.get("detail", "")),
        )
        return replace(finding, policy=Policy(str(row["policy"]))) if "policy" in row else finding
    except (KeyError, ValueError):
        return None
