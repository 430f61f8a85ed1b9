"""Who sent it: SPF, DKIM, DMARC and ARC as receivers weigh them, each with the record to publish where one is missing.

Laws: pure. What could not be asked costs nothing and is said to be unchecked, with what the mail itself says of it (which proves nothing).
Standards: RFC 7208, 6376, 9989, 8617, 8601.
"""

from __future__ import annotations

from collections.abc import Sequence

from postroom.core.mailtest.evidence import SenderChecks
from postroom.core.mailtest.facts import MailFacts
from postroom.core.mailtest.findings import DnsRecord, TestFinding, found
from postroom.core.mailtest.rules import RuleCode
from postroom.core.senders.results import Method, MethodResult, Result
from postroom.core.terms.reasons import Reason, because

_SPF = {
    Result.PASS: RuleCode.SPF_PASS,
    Result.FAIL: RuleCode.SPF_FAIL,
    Result.SOFTFAIL: RuleCode.SPF_SOFTFAIL,
    Result.NEUTRAL: RuleCode.SPF_NEUTRAL,
    Result.POLICY: RuleCode.SPF_NEUTRAL,
    Result.NONE: RuleCode.SPF_NONE,
    Result.PERMERROR: RuleCode.SPF_BROKEN,
}


NOBODY_ASKED = because("piece.nobody_asked")
_NO_ANSWER = because("piece.no_answer")
_ITS_AUTHOR = because("piece.its_author")


def check_authentication(facts: MailFacts, checks: SenderChecks) -> list[TestFinding]:
    """One finding each for SPF, DKIM and DMARC, and one for ARC where there is a chain."""
    return [*_spf(facts, checks), *_dkim(facts, checks), *_dmarc(facts, checks), *_arc(checks)]


def _line(one: MethodResult) -> str:
    words = [f"{one.method.value}={one.result.value}", one.domain]
    words += [f"({one.by})"] if one.by else []
    return " ".join(filter(None, words)) + (f": {one.detail}" if one.detail else "")


# ---- SPF


def _spf(facts: MailFacts, checks: SenderChecks) -> list[TestFinding]:
    results = checks.of(Method.SPF)
    if not results or results[0].result is Result.TEMPERROR:
        return [_spf_open(facts, checks, results)]
    one = results[0]
    code = _SPF[one.result]
    evidence = [_line(one)]
    if checks.ip and not one.by:
        evidence.append(f"{checks.by or '?'}: client-ip={checks.ip}; envelope-from={checks.mail_from or '<>'}")
    told = found(
        code,
        evidence=evidence,
        publish=_spf_record(one, checks) if code is RuleCode.SPF_NONE else (),
        domain=one.domain or checks.mail_from.rpartition("@")[2] or checks.helo,
        ip=checks.ip or because("piece.its_server"),
    )
    if one.is_pass and not one.aligned and not any(other.aligned for other in checks.of(Method.DKIM)):
        return [told, found(RuleCode.SPF_NOT_ALIGNED, domain=one.domain, author=facts.author_domain or _ITS_AUTHOR)]
    return [told]


def _spf_open(facts: MailFacts, checks: SenderChecks, results: Sequence[MethodResult]) -> TestFinding:
    said = checks.said(Method.SPF)
    if results:
        return found(RuleCode.SPF_UNCHECKED, evidence=[_line(results[0])], why=_NO_ANSWER)
    if not checks.is_asked:
        return found(RuleCode.SPF_UNCHECKED, evidence=said, why=NOBODY_ASKED)
    if not facts.hops:
        return found(RuleCode.SPF_UNCHECKED, evidence=said, why=because("piece.no_received"))
    return found(RuleCode.SPF_NOT_APPLICABLE, evidence=said)


def _spf_record(one: MethodResult, checks: SenderChecks) -> tuple[DnsRecord, ...]:
    domain = one.domain or checks.mail_from.rpartition("@")[2]
    if not domain or not checks.ip:
        return ()
    kind = "ip6" if ":" in checks.ip else "ip4"
    return (DnsRecord(type="TXT", name=domain, value=f"v=spf1 {kind}:{checks.ip} ~all"),)


# ---- DKIM


def _dkim(facts: MailFacts, checks: SenderChecks) -> list[TestFinding]:
    author = facts.author_domain or _ITS_AUTHOR
    signed = facts.mail.all_headers("dkim-signature")
    results = [one for one in checks.of(Method.DKIM) if checks.is_body_known or one.by]
    if not signed and not results:
        return [found(RuleCode.DKIM_NONE, author=author)]
    lines = [_line(one) for one in results]
    passed = [one for one in results if one.is_pass]
    if any(one.aligned for one in passed):
        return [found(RuleCode.DKIM_PASS, evidence=lines, domain=next(one.domain for one in passed if one.aligned))]
    if passed:
        return [found(RuleCode.DKIM_NOT_ALIGNED, evidence=lines, domain=passed[0].domain, author=author)]
    failed = [one for one in results if one.result not in (Result.TEMPERROR, Result.NONE)]
    if failed:
        told = failed[0]
        return [
            found(RuleCode.DKIM_FAIL, evidence=lines, domain=told.domain or "?", why=told.detail or told.result.value)
        ]
    return [found(RuleCode.DKIM_UNCHECKED, evidence=lines or checks.said(Method.DKIM), why=_why_no_dkim(checks, lines))]


def _why_no_dkim(checks: SenderChecks, lines: Sequence[str]) -> Reason:
    if not checks.is_body_known:
        return because("piece.no_body")
    return _NO_ANSWER if lines or checks.is_asked else NOBODY_ASKED


# ---- DMARC and ARC


def _dmarc(facts: MailFacts, checks: SenderChecks) -> list[TestFinding]:
    domain = facts.author_domain
    if not domain:
        return []
    one = next(iter(checks.of(Method.DMARC)), None)
    if one is None or one.result not in (Result.PASS, Result.FAIL, Result.NONE, Result.POLICY):
        return [_dmarc_open(one, checks)]
    policy = one.policy.value if one.policy is not None else "none"
    if one.is_pass:
        return [found(RuleCode.DMARC_PASS, evidence=[_line(one)], domain=domain, policy=policy)]
    if one.result is Result.NONE:
        record = DnsRecord(type="TXT", name=f"_dmarc.{domain}", value=f"v=DMARC1; p=none; rua=mailto:dmarc@{domain}")
        return [found(RuleCode.DMARC_NONE, evidence=[_line(one)], publish=[record], domain=domain)]
    if not one.by and not _was_all_seen(facts, checks):
        return [_dmarc_open(one, checks)]
    return [found(RuleCode.DMARC_FAIL, evidence=[_line(one)], domain=domain, policy=policy)]


def _dmarc_open(one: MethodResult | None, checks: SenderChecks) -> TestFinding:
    why = because("piece.too_little") if checks.is_asked else NOBODY_ASKED
    if one is not None and one.result is Result.TEMPERROR:
        why = _NO_ANSWER
    evidence = [*([_line(one)] if one is not None else []), *checks.said(Method.DMARC)]
    return found(RuleCode.DMARC_UNCHECKED, evidence=evidence, why=why)


def _was_all_seen(facts: MailFacts, checks: SenderChecks) -> bool:
    """Whether a failure means something: what could have spoken for the author was looked at."""
    signed = bool(facts.mail.all_headers("dkim-signature"))
    dkim_seen = not signed or checks.is_body_known or any(one.by for one in checks.of(Method.DKIM))
    return dkim_seen and bool(checks.of(Method.SPF) or signed)


def _arc(checks: SenderChecks) -> list[TestFinding]:
    results = [one for one in checks.of(Method.ARC) if checks.is_body_known or one.by]
    if not results or results[0].result in (Result.NONE, Result.TEMPERROR):
        return []
    one = results[0]
    code = RuleCode.ARC_PASS if one.is_pass else RuleCode.ARC_FAIL
    return [found(code, evidence=[_line(one)], sealer=one.domain or "?")]
