"""Handing in mail: the door for programs."""

from __future__ import annotations

import json
from base64 import b64decode
from binascii import Error as NotBase64
from typing import Any

from django.conf import settings
from django.http import HttpRequest
from ninja import Status
from ninja.errors import HttpError

from postroom.api.ingress import most_bytes
from postroom.api.v1.authentication import ByKey
from postroom.api.v1.bodies import read_body
from postroom.api.v1.mail import router
from postroom.api.v1.schemas import HandedInOut, Trouble
from postroom.flows.hand_in_mail import HandInRefused, hand_in_mail
from postroom.wiring import ports

_BODY = {
    "requestBody": {
        "required": True,
        "content": {
            "message/rfc822": {"schema": {"type": "string", "format": "binary"}},
            "application/json": {
                "schema": {
                    "type": "object",
                    "properties": {
                        "raw": {"type": "string", "description": "The mail as text (UTF-8)."},
                        "raw_base64": {"type": "string", "description": "The mail in base64; instead of raw."},
                        "mail_from": {"type": "string", "description": "The envelope's sender; empty: none."},
                        "rcpt_to": {"type": "array", "items": {"type": "string"}},
                    },
                }
            },
        },
    },
    "parameters": [
        {"name": "Idempotency-Key", "in": "header", "schema": {"type": "string", "maxLength": 200}},
        {"name": "mail_from", "in": "query", "schema": {"type": "string"}, "description": "With message/rfc822."},
        {"name": "rcpt_to", "in": "query", "schema": {"type": "array", "items": {"type": "string"}}, "description": "With message/rfc822."},
    ],
}  # fmt: skip


@router.post(
    "/inbound",
    auth=[ByKey(scopes=("all", "ingress"))],
    response={200: HandedInOut, 201: HandedInOut, **dict.fromkeys((400, 401, 403, 413, 415, 422, 503), Trouble)},
    summary="Hand in a mail",
    openapi_extra=_BODY,
)
def hand_in(request: HttpRequest) -> Any:
    """The raw mail as message/rfc822, its envelope in the query; or all of it as JSON. 201 when it is durable, 200 when it was here
    under this Idempotency-Key already; routing follows at once. Without rcpt_to the recipient headers decide. 503 (with Retry-After)
    is our trouble: nothing was stored, hand it in again."""
    body = _read(request)
    match (request.content_type or "").lower():
        case "message/rfc822" | "application/octet-stream":
            mail_from, rcpt_to, raw = request.GET.get("mail_from", ""), tuple(request.GET.getlist("rcpt_to")), body
        case "application/json":
            raw, mail_from, rcpt_to = _of_json(body)
        case _:
            raise HttpError(415, "Hand in message/rfc822 or application/json.")
    key = request.headers.get("Idempotency-Key", "")
    member = request.auth  # type: ignore[attr-defined]
    try:
        found = hand_in_mail(ports(), raw, member=member, mail_from=mail_from, rcpt_to=rcpt_to, key=key)
    except HandInRefused as refusal:
        raise HttpError(refusal.status, str(refusal)) from None
    return Status(201 if found.is_new else 200, {"id": found.inbound_id, "is_new": found.is_new})


def _read(request: HttpRequest) -> bytes:
    return read_body(request, most=most_bytes(settings.POSTROOM.max_message_size))


def _of_json(body: bytes) -> tuple[bytes, str, tuple[str, ...]]:
    try:
        told = json.loads(body)
    except (ValueError, RecursionError):
        raise HttpError(400, "That is no JSON.") from None
    if not isinstance(told, dict) or ("raw" in told) == ("raw_base64" in told):
        raise HttpError(400, "An object with raw or raw_base64, and perhaps mail_from and rcpt_to, is needed.")
    mail_from, rcpt_to = told.get("mail_from") or "", told.get("rcpt_to") or []
    given = told.get("raw", told.get("raw_base64"))
    is_right = isinstance(mail_from, str) and isinstance(rcpt_to, list) and all(isinstance(one, str) for one in rcpt_to)
    if not is_right or not isinstance(given, str):
        raise HttpError(400, "raw, raw_base64 and mail_from are texts, rcpt_to is a list of texts.")
    if "raw" in told:
        return given.encode("utf-8", "surrogatepass"), mail_from, tuple(rcpt_to)
    try:
        return b64decode(given, validate=True), mail_from, tuple(rcpt_to)
    except (NotBase64, ValueError):
        raise HttpError(400, "raw_base64 is not base64.") from None
