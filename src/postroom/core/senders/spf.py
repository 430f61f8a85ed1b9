"""SPF: may this address send mail in the name of this domain? (RFC 7208)

Laws: pure; an evaluation is a generator of questions. At most 10 terms that ask, at most 2 void answers, at most 10 hosts of
an MX, 10 names of an address (4.6.4): whoever asks for more gets ``permerror``. Explanations (exp=) are not fetched: they are the
stranger's words, and nobody is told them.
"""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass, replace

from postroom.core.senders.questions import Answer, AnswerStatus, Asking, Question, RecordType
from postroom.core.senders.results import Result
from postroom.core.senders.spf_macros import Ip, MacroValues, expand_domain, needs_validated_name, reverse_name
from postroom.core.senders.spf_terms import Mechanism, SpfRecord, SpfSyntaxError, Term, is_spf, read_record
from postroom.core.terms.addresses import normalize_domain

MOST_LOOKUPS = 10
MOST_VOIDS = 2
MOST_HOSTS = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class SpfFinding:
    """``detail`` says which term decided, or what is wrong, in a few words."""

    result: Result
    domain: str
    detail: str = ""


class _Stop(Exception):  # noqa: N818 (how an evaluation ends early, not a fault)
    """The evaluation ends with this result."""

    def __init__(self, result: Result, detail: str) -> None:
        super().__init__(detail)
        self.result = result


@dataclass(slots=True, kw_only=True)
class _Count:
    lookups: int = 0
    voids: int = 0

    def look_up(self) -> None:
        self.lookups += 1
        if self.lookups > MOST_LOOKUPS:
            raise _Stop(Result.PERMERROR, f"it takes more than {MOST_LOOKUPS} look-ups")

    def note(self, answer: Answer) -> Answer:
        """Trouble ends it; too many answers without records too."""
        if answer.is_trouble:
            raise _Stop(Result.TEMPERROR, "the domain name system gave no answer")
        if answer.is_void:
            self.voids += 1
            if self.voids > MOST_VOIDS:
                raise _Stop(Result.PERMERROR, f"more than {MOST_VOIDS} look-ups found nothing")
        return answer


def check_sender(ip: str, mail_from: str, helo: str) -> Asking[SpfFinding]:
    """For a mail from ``ip``: its return path, or HELO where that is null (RFC 7208 2.4). Never raises."""
    local, _, domain = mail_from.rpartition("@")
    if not domain:
        local, domain = "postmaster", helo
    domain = normalize_domain(domain)
    try:
        address = _plain(ipaddress.ip_address(ip))
    except ValueError:
        return SpfFinding(result=Result.NONE, domain=domain, detail="the peer has no address")
    values = MacroValues(sender=f"{local or 'postmaster'}@{domain}", domain=domain, ip=address, helo=helo)
    try:
        result, detail = yield from _check_host(values, _Count())
    except _Stop as stop:
        result, detail = stop.result, str(stop)
    return SpfFinding(result=result, domain=domain, detail=detail)


def _plain(ip: Ip) -> Ip:
    """RFC 7208 5: an IPv4 address in IPv6's clothes is an IPv4 address."""
    mapped = ip.ipv4_mapped if isinstance(ip, ipaddress.IPv6Address) else None
    return mapped or ip


def _check_host(values: MacroValues, count: _Count) -> Asking[tuple[Result, str]]:
    """RFC 7208 4: the result for one domain."""
    if not _is_askable(values.domain):
        return Result.NONE, "there is no such domain"
    record = yield from _fetch(values.domain)
    if record is None:
        return Result.NONE, f"{values.domain} has no SPF record"
    for term in record.terms:
        if (yield from _matches(term, values, count)):
            return term.result, f"{term.text} of {values.domain}"
    if not record.redirect:
        return Result.NEUTRAL, f"no term of {values.domain} matches"
    count.look_up()
    target = yield from _name(record.redirect, values, count)
    result, detail = yield from _check_host(replace(values, domain=target), count)
    if result is Result.NONE:
        raise _Stop(Result.PERMERROR, f"redirect leads to {target}, which has no SPF record")
    return result, detail


def _is_askable(domain: str) -> bool:
    """RFC 7208 4.3: a name of several labels."""
    return (
        "." in domain
        and not domain.startswith("[")
        and len(domain) <= 253
        and all(0 < len(label) <= 63 for label in domain.split("."))
    )


def _fetch(domain: str) -> Asking[SpfRecord | None]:
    answer = yield Question(domain, RecordType.TXT)
    if answer.is_trouble:
        raise _Stop(Result.TEMPERROR, f"the domain name system gave no answer about {domain}")
    found = [text for text in answer.records if is_spf(text)]
    if len(found) > 1:
        raise _Stop(Result.PERMERROR, f"{domain} has {len(found)} SPF records")
    try:
        return read_record(found[0]) if found else None
    except SpfSyntaxError as error:
        raise _Stop(Result.PERMERROR, f"the SPF record of {domain} cannot be read: {error}") from None


def _matches(term: Term, values: MacroValues, count: _Count) -> Asking[bool]:  # noqa: PLR0911 (one per mechanism)
    if term.mechanism.asks:
        count.look_up()
    match term.mechanism:
        case Mechanism.ALL:
            return True
        case Mechanism.IP4 | Mechanism.IP6:
            return term.network is not None and values.ip in term.network
        case Mechanism.INCLUDE:
            return (yield from _includes(term, values, count))
        case Mechanism.A:
            name = yield from _name(term.target, values, count)
            return (yield from _has_address(name, term, values.ip, count, counts_voids=True))
        case Mechanism.MX:
            return (yield from _is_mail_host(term, values, count))
        case Mechanism.PTR:
            target = yield from _name(term.target, values, count)
            names = yield from _validated_names(values.ip, count)
            return any(name == target or name.endswith(f".{target}") for name in names)
        case Mechanism.EXISTS:
            name = yield from _name(term.target, values, count)
            if not _is_askable(name):
                return False
            answer = count.note((yield Question(name, RecordType.A)))
            return answer.status is AnswerStatus.FOUND


def _name(target: str, values: MacroValues, count: _Count) -> Asking[str]:
    """The domain that a term speaks of."""
    if not target:
        return values.domain
    if needs_validated_name(target):
        names = yield from _validated_names(values.ip, count)
        best = sorted(names, key=lambda name: (name != values.domain, not name.endswith(f".{values.domain}")))
        values = replace(values, validated_name=best[0] if best else "unknown")
    return expand_domain(target, values)


def _includes(term: Term, values: MacroValues, count: _Count) -> Asking[bool]:
    """RFC 7208 5.2: pass is a match; no record, or one that is wrong, makes ours wrong."""
    target = yield from _name(term.target, values, count)
    result, detail = yield from _check_host(replace(values, domain=target), count)
    match result:
        case Result.PASS:
            return True
        case Result.FAIL | Result.SOFTFAIL | Result.NEUTRAL:
            return False
        case _:
            raise _Stop(Result.PERMERROR, f"{term.text} of {values.domain}: {detail}")


def _has_address(name: str, term: Term, ip: Ip, count: _Count, *, counts_voids: bool) -> Asking[bool]:
    if not _is_askable(name):
        return False
    answer = yield Question(name, RecordType.A if ip.version == 4 else RecordType.AAAA)
    if counts_voids or answer.is_trouble:
        count.note(answer)
    prefix = term.prefix4 if ip.version == 4 else term.prefix6
    return any(_is_in(ip, record, prefix) for record in answer.records)


def _is_in(ip: Ip, record: str, prefix: int) -> bool:
    try:
        return ip in ipaddress.ip_network(f"{record}/{prefix}", strict=False)
    except ValueError:
        return False


def _is_mail_host(term: Term, values: MacroValues, count: _Count) -> Asking[bool]:
    name = yield from _name(term.target, values, count)
    if not _is_askable(name):
        return False
    answer = count.note((yield Question(name, RecordType.MX)))
    if len(answer.records) > MOST_HOSTS:
        raise _Stop(Result.PERMERROR, f"{name} has more than {MOST_HOSTS} mail hosts")
    for host in answer.records:
        if (yield from _has_address(host, term, values.ip, count, counts_voids=False)):
            return True
    return False


def _validated_names(ip: Ip, count: _Count) -> Asking[list[str]]:
    """RFC 7208 5.5: what the address is called, by names that lead back to it. Trouble is no name, never an end."""
    answer = yield Question(reverse_name(ip), RecordType.PTR)
    if answer.is_trouble:
        return []
    count.note(answer)
    found = []
    for name in answer.records[:MOST_HOSTS]:
        if _is_askable(name):
            back = yield Question(name, RecordType.A if ip.version == 4 else RecordType.AAAA)
            if any(_is_in(ip, record, ip.max_prefixlen) for record in back.records):
                found.append(name)
    return found
