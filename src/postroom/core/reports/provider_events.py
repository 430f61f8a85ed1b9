"""What providers tell by mail in the form of a program: Amazon SES through a topic of SNS.

The mail's body is a JSON object with ``notificationType`` (or ``eventType``) Bounce, Complaint, Delivery or DeliveryDelay, as the
provider's documentation describes it. Laws: pure, never raises, whatever the JSON holds.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from postroom.core.mime.parsed import ParsedMail
from postroom.core.reports.delivery_reports import Action, DeliveryReport, ReportedAddress, ReportKind
from postroom.core.reports.feedback import complained
from postroom.core.reports.recipients import MAX_TEXT, Draft, judge_all, kind_of, read_action
from postroom.core.reports.status_fields import bare_value
from postroom.core.terms.addresses import normalize
from postroom.core.terms.message_ids import read_message_ids

_MAX_EVENT = 300_000
_MAX_RECIPIENTS = 100


def read_provider_event(mail: ParsedMail, _is_null: bool) -> DeliveryReport | None:
    """A notification of Amazon's, recognised by its header or sender and by what it holds."""
    event = _event(mail) if _is_notification(mail) else None
    if event is None:
        return None
    mailing = _mapping(event.get("mail"))
    recipients, is_complaint = _recipients(event)
    return DeliveryReport(
        kind=ReportKind.COMPLAINT if is_complaint else kind_of(recipients),
        recipients=recipients,
        original_message_id=_message_id(mailing),
        reporting_mta=_text(_mapping(event.get("bounce")).get("reportingMTA")).rpartition(";")[2].strip(),
        text=mail.text.strip()[:MAX_TEXT],
        original_mail_from=normalize(_text(mailing.get("source"))),
    )


def _is_notification(mail: ParsedMail) -> bool:
    text = mail.text.lstrip()
    if not text.startswith("{"):
        return False
    return bool(mail.header("x-amz-sns-message-id")) or (
        mail.author is not None and mail.author.domain.lower() == "sns.amazonaws.com"
    )


def _event(mail: ParsedMail) -> Mapping[str, Any] | None:
    """The object at the beginning of the text, also out of the envelope of the topic."""
    event = _decoded(mail.text.lstrip())
    if isinstance(inner := event.get("Message"), str):
        event = _decoded(inner)
    return event if _type(event) in ("bounce", "complaint", "delivery", "deliverydelay") else None


def _decoded(text: str) -> Mapping[str, Any]:
    """Lines that were folded on the way may stand within a string."""
    try:
        value, _ = json.JSONDecoder(strict=False).raw_decode(text[:_MAX_EVENT])
    except (ValueError, RecursionError):
        return {}
    return _mapping(value)


def _recipients(event: Mapping[str, Any]) -> tuple[tuple[ReportedAddress, ...], bool]:
    match _type(event):
        case "bounce":
            bounce = _mapping(event.get("bounce"))
            is_passing = _text(bounce.get("bounceType")).lower() == "transient"
            found = _list(bounce.get("bouncedRecipients"))
            return judge_all(_bounced(one, is_passing) for one in found), False
        case "complaint":
            found = _list(_mapping(event.get("complaint")).get("complainedRecipients"))
            return tuple(complained(address) for one in found if (address := _address(one))), True
        case "deliverydelay":
            found = _list(_mapping(event.get("deliveryDelay")).get("delayedRecipients"))
            return judge_all(_delayed(one) for one in found), False
        case _:
            found = _list(_mapping(event.get("delivery")).get("recipients"))
            drafts = (Draft(address=_address(one), action=Action.DELIVERED, status="2.0.0") for one in found)
            return judge_all(drafts), False


def _bounced(one: object, is_passing: bool) -> Draft:
    given = _mapping(one)
    status = _text(given.get("status")) or ("4.0.0" if is_passing else "5.0.0")
    return Draft(
        address=_address(one),
        action=read_action(_text(given.get("action")) or "failed", status),
        status=status,
        reply=bare_value(_text(given.get("diagnosticCode"))),
    )


def _delayed(one: object) -> Draft:
    given = _mapping(one)
    return Draft(
        address=_address(one),
        action=Action.DELAYED,
        status=_text(given.get("status")) or "4.0.0",
        reply=bare_value(_text(given.get("diagnosticCode"))),
    )


def _message_id(mailing: Mapping[str, Any]) -> str:
    """Ours, out of the headers that the provider kept; its own number is none."""
    headers = (_mapping(header) for header in _list(mailing.get("headers")))
    values = [_text(header.get("value")) for header in headers if _text(header.get("name")).lower() == "message-id"]
    values.append(_text(_mapping(mailing.get("commonHeaders")).get("messageId")))
    return next((ids[0] for value in values if (ids := read_message_ids(value))), "")


def _address(one: object) -> str:
    written = one if isinstance(one, str) else _text(_mapping(one).get("emailAddress"))
    return normalize(written) or normalize(written.rpartition("<")[2].rstrip("> "))


def _type(event: Mapping[str, Any]) -> str:
    return (_text(event.get("notificationType")) or _text(event.get("eventType"))).lower()


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def _list(value: object) -> list[object]:
    return value[:_MAX_RECIPIENTS] if isinstance(value, list) else []


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""
