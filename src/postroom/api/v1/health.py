"""How the house fares: the doctor for programs and for those who watch."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from ninja import Field, Query, Router, Schema

from postroom.api.v1.authentication import ApiRequest
from postroom.api.v1.schemas import Trouble
from postroom.core.diagnosis.finding_codes import FindingCode, Severity
from postroom.core.diagnosis.findings import is_well
from postroom.core.diagnosis.symptoms import Symptom, walk
from postroom.core.terms.addresses import normalize_domain
from postroom.flows.diagnose import DoctorWish, diagnose
from postroom.wiring import ports

router = Router(tags=["health"])

TROUBLE = {401: Trouble, 403: Trouble, 422: Trouble}
PATIENCE = 8.0  # seconds that servers, mailboxes and the DNS have


class HealthQuery(Schema):
    ask: bool = Field(False, description="Ask servers, mailboxes and the DNS, too: takes some seconds.")
    symptom: Symptom | None = Field(None, description="Look for the causes of this alone, and stop at the first.")
    only: list[FindingCode] = Field(default_factory=list, max_length=len(FindingCode))
    domain: list[str] = Field(default_factory=list, max_length=20, description="These domains instead of all of ours.")


class RecordOut(Schema):
    type: str
    name: str
    value: str


class FixOut(Schema):
    kind: str
    target: str


class FindingOut(Schema):
    """``follows``: what only follows from it and goes away with it."""

    code: FindingCode
    severity: Severity
    subject: str
    evidence: list[str]
    cause: str
    cure: str
    who: str
    detail: str | None
    records: list[RecordOut]
    fix: FixOut | None
    since: datetime | None = Field(description="When the watch saw it first; null where it has not.")
    follows: list[FindingOut]


class LookOut(Schema):
    look: str
    what: str
    outcome: str
    hindered: list[str]


class WalkOut(Schema):
    """``next``: what to do when nothing was found. ``elsewhere``: how many problems the house has that would not explain this."""

    symptom: Symptom
    what: str
    ok: bool
    looked_at: list[LookOut]
    found: list[FindingOut]
    next: str | None
    elsewhere: int


class MomentOut(Schema):
    at: datetime
    what: str
    is_trouble: bool = Field(description="Mail failed then; else something changed.")


class HealthOut(Schema):
    """``ok``: there is no error. ``asked``: whether anybody outside was asked."""

    ok: bool
    asked: bool
    seconds: float
    findings: list[FindingOut]
    moments: list[MomentOut] = Field(
        description="What changed before it broke, the newest first; none where mail did not fail."
    )
    walk: WalkOut | None = Field(None, description="With a symptom: what was looked at, and what was found.")


@router.get("/health", response={200: HealthOut, **TROUBLE}, summary="What is wrong, why, and what to do")
def health(request: ApiRequest, query: Query[HealthQuery]) -> Any:
    """As `postroom doctor --json`, root causes first; for administrators of the house. Nothing is changed and nothing is sent."""
    domains = tuple(name for name in map(normalize_domain, query.domain) if name)
    wish = DoctorWish(
        domains=domains,
        only=frozenset(code.value for code in query.only) if query.symptom is None else frozenset(),
        asks_world=query.ask,
        patience=PATIENCE,
    )
    found = diagnose(ports(), wish, member=request.auth)
    walked = walk(query.symptom, found.findings, asks_world=query.ask) if query.symptom else None
    return {
        "ok": is_well(found.findings),
        "asked": query.ask,
        "seconds": round(found.seconds, 3),
        "findings": [one.as_json() for one in found.findings],
        "moments": [one.as_json() for one in found.moments],
        "walk": walked.as_json() if walked else None,
    }
