"""One mail checked: SPF, DKIM, DMARC and ARC, or what a named server found instead (RFC 7208, 6376, 9989, 8617, 8601).

Laws: never raises; no longer than its deadline. What a named server found is not found again; ARC is asked only where nothing
else proves the author.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from typing import TypeVar

from postroom.adapters.dkim.arc import Chain, verify_chain
from postroom.adapters.dkim.raw_mail import RawMail
from postroom.adapters.dkim.verifying import verify_signatures
from postroom.core.mime.parsed import ParsedMail
from postroom.core.mime.parsing import parse_headers
from postroom.core.routing.authenticity import ArrivedMail, Authenticity, Observed, Path, judge
from postroom.core.senders.authentication_results import trusted_findings
from postroom.core.senders.dmarc import DmarcFinding, evaluate
from postroom.core.senders.questions import Answer, Asking, Question
from postroom.core.senders.results import Method, MethodResult, Policy, Result
from postroom.core.senders.spf import check_sender

T = TypeVar("T")
Ask = Callable[[Question], Awaitable[Answer]]


async def check_mail(mail: ArrivedMail, ask: Ask) -> Authenticity:
    """The judgement on one mail; ``ask`` always answers."""
    head = parse_headers(mail.raw)
    author = head.header_from[0].normal if head.header_from else ""
    domain = author.rpartition("@")[2]
    trusted = trusted_findings(head.headers, mail.servers)
    raw = RawMail(mail.raw)
    methods = await _methods(mail, raw, domain, trusted, ask)
    named = [one for one in trusted if one.method is Method.DMARC and one.domain in ("", domain)]
    dmarc: DmarcFinding | None = None
    if domain and _needs_dmarc(mail, methods, named):
        dmarc = await _drive(evaluate(domain, methods), ask)
    findings = _with_dmarc(methods, dmarc, named, domain)
    seen = Observed(
        path=mail.path,
        author=author,
        from_fields=_from_fields(head, raw),
        findings=findings,
        organisation_policy=dmarc.policy if dmarc is not None else None,
        submission=mail.submission,
    )
    if not _is_settled(findings):
        chain = await _drive(verify_chain(raw), ask)
        seen = _with_chain(seen, chain, domain, mail.sealers)
    return judge(seen)


async def _methods(
    mail: ArrivedMail, raw: RawMail, domain: str, trusted: Sequence[MethodResult], ask: Ask
) -> tuple[MethodResult, ...]:
    """SPF and DKIM: a named server's, else our own."""
    known = {one.method for one in trusted}
    given = [one for one in trusted if one.method in (Method.SPF, Method.DKIM)]
    spf = _spf(mail, ask) if Method.SPF not in known and mail.path is Path.DIRECT else _nothing()
    dkim = _nothing() if Method.DKIM in known else _dkim(mail, raw, domain, ask)
    found = await asyncio.gather(spf, dkim)
    return (*given, *found[0], *found[1])


async def _nothing() -> tuple[MethodResult, ...]:
    return ()


async def _spf(mail: ArrivedMail, ask: Ask) -> tuple[MethodResult, ...]:
    found = await _drive(check_sender(mail.ip, mail.mail_from, mail.helo), ask)
    return (MethodResult(method=Method.SPF, result=found.result, domain=found.domain, detail=found.detail[:300]),)


async def _dkim(mail: ArrivedMail, raw: RawMail, domain: str, ask: Ask) -> tuple[MethodResult, ...]:
    return await _drive(verify_signatures(raw, author_domain=domain, received_at=mail.received_at), ask)


def _needs_dmarc(mail: ArrivedMail, methods: Sequence[MethodResult], named: Sequence[MethodResult]) -> bool:
    """Whether anything hangs on it: something passed and may speak for the author, or a failure must be weighed."""
    if any(one.is_pass for one in named):
        return False
    if named and named[0].result is Result.FAIL:
        return named[0].policy is None
    return mail.path is Path.DIRECT or any(one.is_pass or one.method is Method.SPF for one in methods)


def _with_dmarc(
    methods: Sequence[MethodResult], dmarc: DmarcFinding | None, named: Sequence[MethodResult], domain: str
) -> tuple[MethodResult, ...]:
    """Who speaks for the author is marked. A named server's word on DMARC goes before ours; ours adds what it left out."""
    aligned = dmarc.aligned if dmarc is not None else ()
    marked = [replace(one, aligned=any(one is kin for kin in aligned)) for one in methods]
    if named:
        if named[0].result is Result.FAIL:
            marked = [replace(one, aligned=False) for one in marked]
        return (*marked, named[0])
    if dmarc is None:
        return tuple(marked)
    detail = ""
    if dmarc.policy_domain:
        detail = f"{dmarc.policy_domain} asks for {dmarc.policy.value}" + (", as a test" if dmarc.is_test else "")
    policy: Policy | None = dmarc.policy if dmarc.policy_domain else None
    return (
        *marked,
        MethodResult(method=Method.DMARC, result=dmarc.result, domain=domain, detail=detail, policy=policy),
    )


def _from_fields(head: ParsedMail, raw: RawMail) -> int:
    """How many authors it names: fields, or domains within one."""
    fields = max(len(raw.named(b"from")), len(head.all_headers("from")))
    return max(fields, len({one.normal.rpartition("@")[2] for one in head.header_from}))


def _is_settled(findings: Sequence[MethodResult]) -> bool:
    return any((one.aligned or one.method is Method.DMARC) and one.is_pass for one in findings)


def _with_chain(seen: Observed, chain: Chain, domain: str, sealers: frozenset[str]) -> Observed:
    if chain.result is Result.NONE:
        return seen
    sealer = chain.sealers[-1] if chain.sealers else ""
    finding = MethodResult(method=Method.ARC, result=chain.result, domain=sealer, detail=chain.detail)
    return replace(
        seen, findings=(*seen.findings, finding), chain_vouches=bool(domain) and chain.vouches_for(domain, sealers)
    )


async def _drive(asking: Asking[T], ask: Ask) -> T:
    try:
        question = next(asking)
        while True:
            question = asking.send(await ask(question))
    except StopIteration as end:
        result: T = end.value
        return result
