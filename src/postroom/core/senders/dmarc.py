"""DMARC: does what passed speak for the author, and what does his domain want otherwise? (RFC 9989, which replaces RFC 7489)

Duty: policy record and organisational domain by the tree walk (4.10): no list of public suffixes is needed, and none can be old.
Laws: pure; an evaluation is a generator of questions, at most 8 for one walk. Standards: RFC 9989 4.7 (tags), 4.10; alignment 4.4.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from postroom.core.senders.questions import AnswerStatus, Asking, Question, RecordType
from postroom.core.senders.results import Method, MethodResult, Policy, Result
from postroom.core.senders.tag_lists import TagListError, read_tags
from postroom.core.terms.remembering import remembered

MOST_LABELS = 8  # RFC 9989 4.10: of a longer name the walk goes on with the seven on its right


@dataclass(frozen=True, slots=True, kw_only=True)
class DmarcRecord:
    """What a domain published, with defaults filled in."""

    policy: Policy = Policy.NONE
    subdomains: Policy | None = None  # sp=
    missing: Policy | None = None  # np=: of names that do not exist
    strict_dkim: bool = False
    strict_spf: bool = False
    psd: str = "u"  # y: a public suffix; n: an organisational domain; u: the walk decides
    is_test: bool = False  # t=y


@dataclass(frozen=True, slots=True, kw_only=True)
class DmarcFinding:
    """``result``: pass, fail, none (no record), temperror. ``aligned``: of the findings given, those that speak for the author."""

    result: Result
    policy: Policy = Policy.NONE
    policy_domain: str = ""
    organisation: str = ""
    aligned: tuple[MethodResult, ...] = ()
    is_test: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class _Walk:
    """``records``: what was found on the way up, the longest name first."""

    start: str
    records: tuple[tuple[str, DmarcRecord], ...]
    organisation: str
    is_trouble: bool = False

    def at(self, domain: str) -> DmarcRecord | None:
        return next((record for name, record in self.records if name == domain), None)


@remembered(most=4096, longest=1000)
def read_dmarc(text: str) -> DmarcRecord | None:
    """A record, or None for a text that is none. A policy that cannot be read asks for nothing (RFC 9989 4.7)."""
    if not text.lstrip().startswith("v"):
        return None
    try:
        tags = read_tags(text)
    except TagListError:
        return None
    if next(iter(tags), "") != "v" or tags["v"] != "DMARC1":
        return None
    policy = _policy(tags.get("p", "none")) or Policy.NONE
    psd = tags.get("psd", "u").lower()
    return DmarcRecord(
        policy=policy,
        subdomains=_policy(tags.get("sp", "")),
        missing=_policy(tags.get("np", "")),
        strict_dkim=tags.get("adkim", "r").lower() == "s",
        strict_spf=tags.get("aspf", "r").lower() == "s",
        psd=psd if psd in ("y", "n") else "u",
        is_test=tags.get("t", "n").lower() == "y",
    )


def _policy(word: str) -> Policy | None:
    try:
        return Policy(word.lower())
    except ValueError:
        return None


def evaluate(author_domain: str, findings: Sequence[MethodResult]) -> Asking[DmarcFinding]:
    """``author_domain`` in A-labels; ``findings`` of SPF and DKIM. Never raises."""
    walk = yield from _walk_up(author_domain)
    where, record = _policy_record(walk)
    aligned: list[MethodResult] = []
    trouble = walk.is_trouble
    for finding in findings:
        if not finding.is_pass or not finding.domain:
            continue
        if finding.domain == author_domain:
            aligned.append(finding)
            continue
        strict = record is not None and (record.strict_dkim if finding.method is Method.DKIM else record.strict_spf)
        if strict or not _may_be_kin(finding.domain, author_domain):
            continue
        other = yield from _walk_up(finding.domain)
        trouble = trouble or other.is_trouble
        if not other.is_trouble and other.organisation == walk.organisation:
            aligned.append(finding)
    if record is None:
        result = Result.TEMPERROR if walk.is_trouble else Result.NONE
        return DmarcFinding(result=result, organisation=walk.organisation, aligned=tuple(aligned))
    policy = record.policy if where == author_domain else (yield from _policy_of_others(author_domain, record))
    if record.is_test:
        policy = Policy.QUARANTINE if policy is Policy.REJECT else Policy.NONE  # RFC 9989 4.7: one step milder
    result = Result.PASS if aligned else Result.TEMPERROR if trouble else Result.FAIL
    return DmarcFinding(
        result=result,
        policy=policy,
        policy_domain=where,
        organisation=walk.organisation,
        aligned=tuple(aligned),
        is_test=record.is_test,
    )


def _may_be_kin(one: str, other: str) -> bool:
    """Two names with one organisational domain end in the same label at least; asking about others is a waste."""
    return one.rpartition(".")[2] == other.rpartition(".")[2]


def _policy_record(walk: _Walk) -> tuple[str, DmarcRecord | None]:
    """RFC 9989 4.10.1: the author's own, else of his organisation, else of the public suffix above it."""
    for domain in (walk.start, walk.organisation):
        if (record := walk.at(domain)) is not None:
            return domain, record
    suffix = next(((name, record) for name, record in walk.records if record.psd == "y"), None)
    return suffix if suffix is not None else ("", None)


def _policy_of_others(author_domain: str, record: DmarcRecord) -> Asking[Policy]:
    """sp= for names below; np= for those that do not exist (RFC 8020: NXDOMAIN)."""
    below = record.subdomains or record.policy
    if record.missing is None or record.missing is below:
        return below
    answer = yield Question(author_domain, RecordType.A)
    return record.missing if answer.status is AnswerStatus.NO_NAME else below


def _walk_up(domain: str) -> Asking[_Walk]:
    """RFC 9989 4.10: from the name towards the root, until a record says that this is far enough."""
    records: list[tuple[str, DmarcRecord]] = []
    trouble = False
    organisation = ""
    below = domain
    for name in names_to_ask(domain):
        answer = yield Question(f"_dmarc.{name}", RecordType.TXT)
        if answer.is_trouble:
            trouble = True
            break
        found = [record for text in answer.records if (record := read_dmarc(text)) is not None]
        if len(found) == 1:
            records.append((name, found[0]))
            if found[0].psd == "n":
                organisation = name
                break
            if found[0].psd == "y" and name != domain:
                organisation = below
                break
        below = name
    if not organisation:
        # the shortest name with a record; a suffix that was asked about itself is no organisation of others
        organisation = records[-1][0] if records else domain
    return _Walk(start=domain, records=tuple(records), organisation=organisation, is_trouble=trouble)


def names_to_ask(domain: str) -> list[str]:
    """The name itself, then its parents down to one label; of a very long name seven labels at most after the first."""
    labels = domain.split(".")
    names = [domain]
    rest = labels[1:] if len(labels) <= MOST_LABELS else labels[-(MOST_LABELS - 1) :]
    names += [".".join(rest[place:]) for place in range(len(rest))]
    return [name for name in names if name]
