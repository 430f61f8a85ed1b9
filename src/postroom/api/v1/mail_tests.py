"""The mail test for programs: a mail, a header or an Outlook file is looked at, or a seed message sent; the report is asked for by its number."""

from __future__ import annotations

import json
from base64 import b64decode
from binascii import Error as NotBase64
from datetime import datetime
from typing import Any

from django.http import HttpRequest
from ninja import Router, Schema, Status
from ninja.errors import HttpError

from postroom.api.v1.bodies import read_body
from postroom.api.v1.schemas import Trouble
from postroom.core.mailtest.facts import Source
from postroom.core.mailtest.rules import Outcome, RuleCode, Section
from postroom.core.mime.words import storable
from postroom.core.terms.states import MailTestState
from postroom.flows import mail_tests as flow
from postroom.flows.analyse_mail import CannotTest, TestWish
from postroom.flows.send_seed import send_seed
from postroom.wiring import ports

router = Router(tags=["mail tests"])

LARGEST = 36_000_000  # bytes of a mail
_BODY = {
    "requestBody": {
        "required": True,
        "content": {
            "message/rfc822": {"schema": {"type": "string", "format": "binary"}},
            "application/vnd.ms-outlook": {"schema": {"type": "string", "format": "binary"}},
            "application/json": {
                "schema": {
                    "type": "object",
                    "properties": {
                        "raw": {"type": "string", "description": "The mail as text (UTF-8)."},
                        "raw_base64": {"type": "string", "description": "The mail or the Outlook file in base64; instead of raw."},
                        "headers": {"type": "string", "description": "A header alone; instead of raw."},
                        "name": {"type": "string", "description": "What to call the test."},
                        "offline": {"type": "boolean", "description": "Ask nobody outside: no DNS, no filter."},
                        "server_id": {"type": "integer", "description": "Send a mail through this outgoing server; instead of raw."},
                        "mailbox_id": {"type": "integer", "description": "With server_id: read it back from this mailbox."},
                        "to": {"type": "string", "description": "With server_id: the address that leads there; none: its login."},
                    },
                }
            },
        },
    },
}  # fmt: skip
_TROUBLE = dict.fromkeys((400, 401, 403, 404, 413, 415, 422), Trouble)


class TestRecordOut(Schema):
    type: str
    name: str
    value: str


class TestFindingOut(Schema):
    """``points``: what it costs, of ten."""

    code: RuleCode
    section: Section
    outcome: Outcome
    points: float
    why: str
    what_to_do: str
    evidence: list[str]
    records: list[TestRecordOut]


class ReportOut(Schema):
    """``arithmetic``: how the score came about. ``path``: the servers that it passed, the first one first."""

    score: float
    of: int
    arithmetic: str
    source: Source
    subject: str
    author: str
    message_id: str
    size: int
    findings: list[TestFindingOut]
    path: list[dict[str, str]]


class MailTestOut(Schema):
    """``trouble``: why there is no report, once it is over."""

    id: int
    source: Source
    state: MailTestState
    name: str
    asked_at: datetime
    finished_at: datetime | None
    report: ReportOut | None
    trouble: str | None


@router.post(
    "/mail-tests", response={200: MailTestOut, 202: MailTestOut, **_TROUBLE}, summary="Test a mail", openapi_extra=_BODY
)
def test_mail(request: HttpRequest) -> Any:
    """200 with the report; 202 for a mail that is sent and read back: ask for it by its number until its state is no longer waiting. For
    administrators of the house. The mail itself is not kept, and nothing that stands in it is fetched."""
    member = request.auth  # type: ignore[attr-defined]
    flow.require_tester(member)
    body = _read(request)
    try:
        match (request.content_type or "").lower():
            case "message/rfc822" | "application/octet-stream" | "application/vnd.ms-outlook":
                return _out(flow.test_mail(ports(), body, member=member, name="", wish=TestWish()))
            case "application/json":
                told = _json(body)
                if "server_id" in told:
                    sent = send_seed(
                        ports(),
                        _number(told, "server_id"),
                        _number(told, "mailbox_id"),
                        member=member,
                        to=_text(told, "to"),
                    )
                    return Status(200 if sent.is_over else 202, _out(sent))
                raw, is_header = _mail(told)
                wish = TestWish(is_header=is_header, asks_world=told.get("offline") is not True)
                return _out(flow.test_mail(ports(), raw, member=member, name=_text(told, "name"), wish=wish))
            case _:
                raise HttpError(415, "Send message/rfc822, application/vnd.ms-outlook or application/json.")
    except CannotTest as why:
        raise HttpError(422, str(why)) from None


test_mail.__test__ = False  # type: ignore[attr-defined]  # pytest takes it for one of its own


@router.get("/mail-tests/{test_id}", response={200: MailTestOut, **_TROUBLE}, summary="How a test came out")
def mail_test(request: HttpRequest, test_id: int) -> Any:
    """The report once it is there; tests are kept for two weeks."""
    return _out(flow.mail_test(ports(), test_id, member=request.auth))  # type: ignore[attr-defined]


mail_test.__test__ = False  # type: ignore[attr-defined]


def _read(request: HttpRequest) -> bytes:
    return read_body(request, most=LARGEST * 4 // 3 + 10_000)


def _json(body: bytes) -> dict[str, Any]:
    try:
        told = json.loads(body)
    except (ValueError, RecursionError):
        raise HttpError(400, "That is no JSON.") from None
    if not isinstance(told, dict) or sum(name in told for name in ("raw", "raw_base64", "headers", "server_id")) != 1:
        raise HttpError(400, "An object with one of raw, raw_base64, headers and server_id is needed.")
    return told


def _mail(told: dict[str, Any]) -> tuple[bytes, bool]:
    """The bytes, and whether they are a header alone."""
    for name in ("raw", "headers"):
        if name in told:
            return _text(told, name).encode("utf-8", "surrogatepass"), name == "headers"
    try:
        return b64decode(_text(told, "raw_base64"), validate=True), False
    except (NotBase64, ValueError):
        raise HttpError(400, "raw_base64 is not base64.") from None


def _text(told: dict[str, Any], name: str) -> str:
    given = told.get(name) or ""
    if not isinstance(given, str):
        raise HttpError(400, f"{name} is a text.")
    return given if name in ("raw", "headers") else storable(given)


def _number(told: dict[str, Any], name: str) -> int:
    given = told.get(name)
    if not isinstance(given, int) or isinstance(given, bool) or not 0 < given < 2**63:
        raise HttpError(400, f"{name} is a number.")
    return given


def _out(test: flow.MailTestFact) -> dict[str, Any]:
    report = test.report.as_json() if test.report is not None else None
    if report is not None:
        report["author"] = report.pop("from")
    return {
        "id": test.id,
        "source": test.source,
        "state": test.state,
        "name": test.name,
        "asked_at": test.asked_at,
        "finished_at": test.finished_at,
        "report": report,
        "trouble": str(test.trouble) if test.trouble is not None else None,
    }
