"""A provider's request to us, read: proven, and its events in one vocabulary (anymail's, and from there ours).

Laws: what a provider signs is verified; a body that cannot be read is said to be so, never raised. Opens and clicks are passed over: nobody
has a use for them yet, and they are people's own affair. Signature checks and readings are anymail's own where it has them.
"""

from __future__ import annotations

import hashlib
import json
import logging
import re
import time
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from functools import lru_cache
from importlib import import_module
from typing import Any

import requests
from anymail.exceptions import AnymailError, AnymailWebhookValidationFailure
from anymail.signals import AnymailTrackingEvent, EventType, RejectReason
from django.http import HttpRequest

from postroom.adapters.esp.messages import TOKEN
from postroom.adapters.esp.sessions import GuardedSession
from postroom.adapters.esp.signatures import is_amazons_confirmation, is_signed_as_standard, is_signed_by_amazon
from postroom.core.delivery.providers import PROVIDERS
from postroom.core.delivery.tracking import EventKind, HookPost, HookReading, HookRefusal, TrackingEvent
from postroom.core.terms.secret import Secret
from postroom.core.terms.states import Blame

_log = logging.getLogger(__name__)
_LONGEST_TEXT = 2_000

_KINDS = {
    EventType.QUEUED: EventKind.ACCEPTED,
    EventType.SENT: EventKind.ACCEPTED,
    EventType.DELIVERED: EventKind.DELIVERED,
    EventType.DEFERRED: EventKind.DEFERRED,
    EventType.BOUNCED: EventKind.BOUNCED,
    EventType.REJECTED: EventKind.REJECTED,
    EventType.FAILED: EventKind.REJECTED,
    EventType.COMPLAINED: EventKind.COMPLAINED,
    EventType.UNSUBSCRIBED: EventKind.UNSUBSCRIBED,
}

_HINTS = {
    RejectReason.INVALID: Blame.ADDRESS,
    RejectReason.BOUNCED: Blame.ADDRESS,
    RejectReason.TIMED_OUT: Blame.NETWORK,
    RejectReason.BLOCKED: Blame.POLICY,
    RejectReason.SPAM: Blame.POLICY,
    RejectReason.UNSUBSCRIBED: Blame.POLICY,
}

_STATUS = re.compile(r"(?<![\d.])([45]\.\d{1,3}\.\d{1,3})(?![\d.])")


def read_post(provider: str, post: HookPost, signing: Secret) -> HookReading | HookRefusal:
    """``signing``: what signs this provider's events, empty when nothing is set. Raises OSError when a certificate cannot be had."""
    found = PROVIDERS[provider]
    if found.needs_signing and not signing:
        return HookRefusal.FORGED
    if provider == "amazon_ses":
        return _read_sns(post)
    if provider == "resend" and not is_signed_as_standard(signing.reveal(), post.headers, post.body, time.time()):
        return HookRefusal.FORGED
    request = _as_request(post)
    try:
        view = _view(provider, signing)
        view.run_validators(request)
        events = _all_of(view.parse_events(request), provider)
    except AnymailWebhookValidationFailure:
        return HookRefusal.FORGED
    except Exception as error:
        _log.warning("an event of %s could not be read: %s", provider, type(error).__name__)
        return HookRefusal.UNREADABLE
    return HookReading(events=events)


# -- anymail's views, without their network and their signals


_VIEWS = {  # imported each when it is asked for
    "amazon_ses": "AmazonSESTrackingWebhookView",
    "brevo": "BrevoTrackingWebhookView",
    "mailgun": "MailgunTrackingWebhookView",
    "mailjet": "MailjetTrackingWebhookView",
    "postmark": "PostmarkTrackingWebhookView",
    "resend": "ResendTrackingWebhookView",
    "sendgrid": "SendGridTrackingWebhookView",
    "sparkpost": "SparkPostTrackingWebhookView",
}


def _view(provider: str, signing: Secret) -> Any:
    settings: dict[str, object] = {}
    match provider:
        case "amazon_ses":
            settings = {"auto_confirm_sns_subscriptions": False}
        case "mailgun":
            settings = {"webhook_signing_key": signing.reveal()}
        case "resend":
            settings = {"signing_secret": None}  # checked before, without a package more
        case "sendgrid":
            settings = {"tracking_webhook_verification_key": signing.reveal() or None}
        case _:
            pass
    view = getattr(import_module(f"anymail.webhooks.{provider}"), _VIEWS[provider])
    return _quiet(view)(**settings)


@lru_cache(maxsize=16)
def _quiet(view: type) -> Callable[..., Any]:
    """Our secret address stands for basic authentication, about which anymail would warn."""
    never = property(lambda _: False, lambda *_: None)
    return type(view.__name__, (view,), {"warn_if_no_basic_auth": never, "basic_auth": None})


def _as_request(post: HookPost) -> HttpRequest:
    request = HttpRequest()
    request.method = "POST"
    request.META = {f"HTTP_{name.upper().replace('-', '_')}": value for name, value in post.headers.items()}
    request.META["CONTENT_TYPE"] = post.headers.get("content-type", "")
    request.content_type = post.headers.get("content-type", "").partition(";")[0].strip().lower()
    request.content_params = {}
    request._body = post.body
    return request


# -- Amazon: notifications of SNS around events of SES


def _read_sns(post: HookPost) -> HookReading | HookRefusal:
    try:
        message = json.loads(post.body)
        kind = message["Type"]
    except (ValueError, KeyError, TypeError, RecursionError):
        return HookRefusal.UNREADABLE
    if not is_signed_by_amazon(message, amazons_certificate):
        return HookRefusal.FORGED
    if kind == "SubscriptionConfirmation":
        address = str(message.get("SubscribeURL", ""))
        return HookReading(confirm_at=address) if is_amazons_confirmation(address) else HookRefusal.UNREADABLE
    return _read_ses(message) if kind == "Notification" else HookReading()


def _read_ses(message: Mapping[str, Any]) -> HookReading | HookRefusal:
    try:
        told = json.loads(message["Message"])
    except (ValueError, KeyError, TypeError, RecursionError):
        return HookReading()  # the greeting after a subscription
    try:
        events = _all_of(_view("amazon_ses", Secret("")).esp_to_anymail_events(told, message), "amazon_ses")
    except (AnymailError, ValueError, KeyError, TypeError, AttributeError):
        return HookRefusal.UNREADABLE
    return HookReading(events=events)


@lru_cache(maxsize=16)
def amazons_certificate(address: str) -> bytes:
    """Fetched once: one signs for months. Raises as `ask`."""
    return ask(address)


def ask(address: str) -> bytes:
    """GET, for a certificate or a confirmation of Amazon's; whoever calls has looked at the address. Raises OSError, ValueError."""
    with GuardedSession(5.0, 10.0) as session:
        response = session.get(address)
    if response.status_code != requests.codes.ok:
        raise ValueError(f"HTTP {response.status_code}")
    return response.content


# -- from anymail's vocabulary to ours


def _all_of(events: Iterable[AnymailTrackingEvent], provider: str) -> tuple[TrackingEvent, ...]:
    return tuple(one for event in events if (one := _ours(event, provider)) is not None)


def _ours(event: AnymailTrackingEvent, provider: str) -> TrackingEvent | None:
    kind, told = _KINDS.get(event.event_type), event.esp_event
    if provider == "amazon_ses" and told.get("eventType") == "DeliveryDelay":
        kind = EventKind.DEFERRED
    if kind is None:
        return None
    text = _text(event, provider)
    status = _STATUS.search(text)
    return TrackingEvent(
        kind=kind,
        at=_moment(event.timestamp),
        token=_token(event, provider),
        message_id=_plain(event.message_id)[:200],
        recipient=_plain(event.recipient).strip().lower()[:320],
        event_id=_event_id(event, kind),
        status=status[1] if status else "",
        text=text,
        hint=_HINTS.get(event.reject_reason or ""),
        is_soft=_is_soft(told, provider),
    )


def _moment(at: datetime | None) -> datetime | None:
    if not isinstance(at, datetime):
        return None
    return at.astimezone(UTC) if at.tzinfo else at.replace(tzinfo=UTC)


def _token(event: AnymailTrackingEvent, provider: str) -> str:
    metadata = event.metadata if isinstance(event.metadata, dict) else {}
    found = metadata.get(TOKEN)
    if provider == "amazon_ses":
        tags = event.esp_event.get("mail", {}).get("tags", {}).get(TOKEN)
        found = tags[0] if isinstance(tags, list) and tags else found
    return found[:64] if isinstance(found, str) else ""


def _text(event: AnymailTrackingEvent, provider: str) -> str:
    """The recipient's server first; else what the provider says."""
    told = event.esp_event
    pieces = [event.mta_response, event.description]
    if provider == "amazon_ses" and told.get("eventType") == "DeliveryDelay":
        delayed = told.get("deliveryDelay", {}).get("delayedRecipients") or [{}]
        pieces = [delayed[0].get("diagnosticCode"), told.get("deliveryDelay", {}).get("delayType")]
    if provider == "sendgrid":
        pieces.append(told.get("reason"))
    if provider == "mailjet":
        pieces += [told.get("comment"), told.get("error")]
    text = next((str(piece) for piece in pieces if piece), "")
    return _plain(text).strip()[:_LONGEST_TEXT]


def _plain(value: object) -> str:
    """Without what no database keeps."""
    text = "" if value is None else str(value)
    return re.sub(r"[\x00-\x08\x0b-\x1f\x7f\ud800-\udfff]", " ", text)


def _event_id(event: AnymailTrackingEvent, kind: EventKind) -> str:
    """The provider's, else one made of what is told: the same event told twice is the same."""
    if event.event_id:
        return _plain(event.event_id)[:200]
    told = f"{kind}|{event.message_id}|{event.recipient}|{event.timestamp}|{event.mta_response}|{event.description}"
    return hashlib.sha256(told.encode("utf-8", "replace")).hexdigest()[:40]


def _is_soft(told: Any, provider: str) -> bool:
    match provider:
        case "amazon_ses":
            return bool(told.get("bounce", {}).get("bounceType", "Permanent") != "Permanent")
        case "brevo":
            return bool(told.get("event") == "soft_bounce")
        case "postmark":
            return bool(told.get("Type") == "SoftBounce")
        case _:
            return False
