"""Reads files with receivers' reports: unpacks, looks over, and lets parsedmarc read what is left.

Laws: never raises for what a stranger wrote. parsedmarc reads text that was looked over, and nothing else: it asks neither DNS nor a table of
countries (`_EveryAddress` answers before it could), splits no days, opens no archive, and its warnings with strangers' words stay out of the
log. It is imported when the first report is read: that takes a second and more. Standards: RFC 7489 app. C, RFC 9990, RFC 8460.
"""

from __future__ import annotations

import atexit
import logging
import math
import sys
import threading
import warnings
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from postroom.adapters.receivers_reports.guarding import LookedOver, decode, is_span, look_over_json, look_over_xml
from postroom.adapters.receivers_reports.unpacking import unpack
from postroom.core.reports.authentication_reports import (
    MOST_TEXT,
    NoReport,
    ReadFile,
    ReceiversReport,
    ReportFile,
    ReportForm,
    SourceCount,
    TlsCount,
    count_of,
    plain_ip,
)
from postroom.core.terms.addresses import normalize_domain
from postroom.core.terms.reasons import Reason, because

MOST_ROWS = 5_000  # of one report; what is beyond is counted as lost
_WORDS = ("none", "quarantine", "reject")
_importing = threading.Lock()


def read_report_files(files: Sequence[ReportFile], *, now: datetime) -> tuple[ReadFile, ...]:
    """What is in these files: reports, and pieces that are none with the reason. One that unpacks to nothing readable is told, too."""
    return tuple(one for file in files for piece in unpack(file) for one in _read(piece, now))


def _read(piece: ReportFile | NoReport, now: datetime) -> Iterator[ReadFile]:
    if isinstance(piece, NoReport):
        yield piece
        return
    text = decode(piece.content)
    is_json = text.lstrip("\ufeff \t\r\n").startswith("{")
    looked = look_over_json(text, piece.name) if is_json else _looked_xml(text, piece.name, now)
    if isinstance(looked, Reason):
        yield NoReport(name=piece.name, reason=looked)
        return
    try:
        yield _tls(looked, piece.name, now) if is_json else _aggregate(looked, piece.name)
    except (ValueError, TypeError, LookupError, AttributeError, ArithmeticError, RecursionError) as error:
        yield _unreadable(piece.name, str(error))


def _looked_xml(text: str, name: str, now: datetime) -> LookedOver | Reason:
    if "<" not in text[:2000]:
        return because("receivers.none")
    return look_over_xml(text, name, now=now)


def _aggregate(looked: LookedOver, name: str) -> ReadFile:
    library = _library()
    try:
        read: Mapping[str, Any] = library.parse_aggregate_report_xml(looked.text, config=_config())
    except library.ParserError as error:
        return _unreadable(name, str(error))
    metadata, published = read["report_metadata"], read["policy_published"]
    domain = normalize_domain(_text(published.get("domain")))
    if not domain:
        return NoReport(name=name, reason=because("receivers.no_domain", name=name))
    records = read["records"]
    sources = [one for record in records[:MOST_ROWS] if (one := _source(record)) is not None]
    return ReceiversReport(
        form=ReportForm.AGGREGATE,
        organisation=_text(metadata.get("org_name")),
        contact=_text(metadata.get("org_email")),
        report_id=_text(metadata.get("report_id")),
        domain=domain,
        begins_at=looked.begins_at,
        ends_at=looked.ends_at,
        policy=_text(published.get("p")).lower()[:20],
        sources=_merged(sources),
        lost=max(0, looked.records - len(sources)),
    )


def _source(record: Mapping[str, Any]) -> SourceCount | None:
    ip = plain_ip(_text(record["source"].get("ip_address")))
    count = count_of(record.get("count", 0))
    if not ip or count < 1:
        return None
    evaluated, results = record["policy_evaluated"], record["auth_results"]
    disposition = _text(evaluated.get("disposition")).lower()
    reasons = evaluated.get("policy_override_reasons") or ()
    return SourceCount(
        ip=ip,
        count=count,
        disposition=disposition if disposition in _WORDS else "none",
        dkim_aligned=bool(record["alignment"]["dkim"]),
        spf_aligned=bool(record["alignment"]["spf"]),
        header_from=normalize_domain(_text(record["identifiers"].get("header_from"))),
        dkim_domain=_result(results.get("dkim") or ()),
        spf_domain=_result(results.get("spf") or ()),
        override=", ".join(dict.fromkeys(_text(one.get("type")) for one in reasons if isinstance(one, dict)))[:80],
    )


def _result(results: Sequence[Mapping[str, Any]]) -> str:
    """The first that passed, else the first: ``example.com=pass``."""
    told = [f"{_text(one.get('domain'))}={_text(one.get('result'))}" for one in results[:20]]
    return next((one for one in told if one.endswith("=pass")), told[0] if told else "")[:MOST_TEXT]


def _merged(sources: Iterable[SourceCount]) -> tuple[SourceCount, ...]:
    """What differs in nothing but its number is one row."""
    counts: dict[SourceCount, int] = {}
    for one in sources:
        key = replace(one, count=0)
        counts[key] = counts.get(key, 0) + one.count
    return tuple(replace(key, count=count_of(count)) for key, count in counts.items())


def _tls(looked: LookedOver, name: str, now: datetime) -> ReadFile:
    library = _library()
    try:
        read: Mapping[str, Any] = library.parse_smtp_tls_report_json(looked.text)
    except library.ParserError as error:
        return _unreadable(name, str(error))
    begins_at, ends_at = _moment(read["begin_date"]), _moment(read["end_date"])
    if begins_at is None or ends_at is None or not is_span(begins_at, ends_at, now):
        return NoReport(name=name, reason=because("receivers.dates", name=name))
    counts = [one for policy in read["policies"][:MOST_ROWS] for one in _tls_counts(policy)]
    domain = next((one.domain for one in counts), "") or _first_domain(read["policies"])
    if not domain:
        return NoReport(name=name, reason=because("receivers.no_domain", name=name))
    return ReceiversReport(
        form=ReportForm.TLS,
        organisation=_text(read["organization_name"]),
        contact=_text(read["contact_info"]),
        report_id=_text(read["report_id"]),
        domain=domain,
        begins_at=begins_at,
        ends_at=ends_at,
        policy=_text(next((policy.get("policy_type") for policy in read["policies"]), ""))[:20],
        tls=tuple(counts[:MOST_ROWS]),
        lost=max(0, len(counts) - MOST_ROWS),
    )


def _first_domain(policies: Sequence[Mapping[str, Any]]) -> str:
    return next((domain for one in policies if (domain := normalize_domain(_text(one.get("policy_domain"))))), "")


def _tls_counts(policy: Mapping[str, Any]) -> Iterator[TlsCount]:
    """The sessions that went well, each kind of failure, and failures that nothing is told of."""
    domain, kind = normalize_domain(_text(policy.get("policy_domain"))), _text(policy.get("policy_type"))[:20]
    good, bad = count_of(policy.get("successful_session_count")), count_of(policy.get("failed_session_count"))
    if good:
        yield TlsCount(domain=domain, policy=kind, count=good)
    told = 0
    for one in policy.get("failure_details") or ():
        count = count_of(one.get("failed_session_count"))
        told += count
        if count:
            yield TlsCount(
                domain=domain,
                policy=kind,
                count=count,
                result=_text(one.get("result_type"))[:60] or "unknown",
                sending_ip=plain_ip(_text(one.get("sending_mta_ip"))),
                receiving_host=_text(one.get("receiving_mx_hostname"))[:253],
                detail=_text(one.get("failure_reason_code") or one.get("additional_info_uri")),
            )
    if bad > told:
        yield TlsCount(domain=domain, policy=kind, count=bad - told, result="unknown")


def _moment(value: object) -> datetime | None:
    try:
        moment = datetime.fromisoformat(_text(value))
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError):  # the first hours of the calendar have none in UTC
        return None


def _text(value: object) -> str:
    """A stranger's word on one line, short; what is no text is none."""
    if isinstance(value, Mapping):
        value = value.get("#text")
    if isinstance(value, list):
        value = next((one for one in value if isinstance(one, str)), "")
    return " ".join(value.replace("\0", "").split())[:MOST_TEXT] if isinstance(value, str) else ""


def _unreadable(name: str, trouble: str) -> NoReport:
    words = " ".join(trouble.replace("\0", "").split())[:200].rstrip(".")
    return NoReport(name=name, reason=because("receivers.unreadable", name=name, trouble=words or "it is none"))


# ---- the library


class _EveryAddress:
    """In the place of its memory for addresses: says of each at once that nothing more is known, so that nobody is asked."""

    def get(self, ip: str, _default: object = None) -> dict[str, object]:
        return {"ip_address": ip}

    def __setitem__(self, ip: str, facts: object) -> None:
        return None


def _library() -> Any:
    """parsedmarc, imported once."""
    with _importing:
        if "parsedmarc" not in sys.modules:
            _import()
        return sys.modules["parsedmarc"]


def _import() -> None:
    """A module that it brings along opens /dev/null and leaves it open: closed when the process ends, so that nothing is warned of."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import parsedmarc  # noqa: F401, PLC0415
    logging.getLogger("parsedmarc").setLevel(logging.CRITICAL)
    left_open = getattr(sys.modules.get("mailsuite.utils"), "null_file", None)
    if left_open is not None:
        atexit.register(left_open.close)


def _config() -> Any:
    from parsedmarc.config import ParserConfig  # noqa: PLC0415

    return ParserConfig(
        offline=True,
        always_use_local_files=True,
        normalize_timespan_threshold_hours=math.inf,
        ip_address_cache=_EveryAddress(),
    )
