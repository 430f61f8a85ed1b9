"""Test Connection for APIs: one cheap question that needs the key and sends nothing.

Laws: never raises. A key that may only send is not refused for not being allowed to look around: the answer says that only a real mail
will tell.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import requests

from postroom.adapters.esp.answers import innermost, said
from postroom.adapters.esp.backends import api_url
from postroom.adapters.esp.sessions import GuardedSession
from postroom.core.delivery.wire import ApiCheck, ApiEndpoint, Phase


@dataclass(frozen=True, slots=True, kw_only=True)
class _Question:
    """``shows`` are fields of the answer that a person wants to see."""

    path: str
    headers: Mapping[str, str] = field(default_factory=dict)
    auth: tuple[str, str] | None = None
    shows: tuple[str, ...] = ()


def check(endpoint: ApiEndpoint) -> ApiCheck:
    started = time.monotonic()
    found = _check_amazon(endpoint) if endpoint.provider == "amazon_ses" else _check(endpoint, _question(endpoint))
    return ApiCheck(
        is_good=found.is_good,
        phase=found.phase,
        text=found.text,
        is_told=found.is_told,
        duration=time.monotonic() - started,
    )


def _question(endpoint: ApiEndpoint) -> _Question:
    key, option = endpoint.secret.reveal(), endpoint.option
    bearer = {"Authorization": f"Bearer {key}"}
    questions = {
        "brevo": _Question(path="/v3/account", headers={"api-key": key}, shows=("email", "companyName")),
        "mailgun": _Question(path=f"/v3/domains/{option('domain')}", auth=("api", key), shows=("state",)),
        "mailjet": _Question(path="/v3/REST/user", auth=(option("api_key"), key), shows=("Email",)),
        "postmark": _Question(path="/server", headers={"X-Postmark-Server-Token": key}, shows=("Name", "DeliveryType")),
        "resend": _Question(path="/domains", headers=bearer, shows=("name", "status")),
        "sendgrid": _Question(path="/v3/scopes", headers=bearer),
        "sparkpost": _Question(path="/api/v1/sending-domains", headers={"Authorization": key}, shows=("domain",)),
    }
    return questions[endpoint.provider]


def _check(endpoint: ApiEndpoint, question: _Question) -> ApiCheck:
    session = GuardedSession(endpoint.connect_timeout, endpoint.reply_timeout)
    headers = {"Accept": "application/json", **question.headers}
    try:
        with session:
            response = session.get(api_url(endpoint, question.path), headers=headers, auth=question.auth)
    except requests.RequestException as error:
        return ApiCheck(is_good=False, phase=Phase.CONNECT, text=innermost(error))
    return _understand(endpoint.provider, response, question.shows)


def _understand(provider: str, response: requests.Response, shows: tuple[str, ...]) -> ApiCheck:
    status, words = response.status_code, f"{said(response.text)} (HTTP {response.status_code})"
    if 200 <= status < 300:
        if provider == "sendgrid" and "mail.send" not in response.text:
            return ApiCheck(is_good=False, text="The key is right, but it lacks the permission Mail Send.")
        return ApiCheck(is_good=True, text=_shown(response, shows))
    may_only_send = status == 403 and provider == "sparkpost"
    may_only_send = may_only_send or (provider == "resend" and "restricted_api_key" in response.text)
    if may_only_send:
        return ApiCheck(is_good=True, is_told=False, text=words)
    if provider == "mailgun" and status == 401:  # sending keys may ask nothing, and wrong ones are told the same
        return ApiCheck(is_good=False, is_told=False, text=words)
    if status in (401, 403, 407):
        return ApiCheck(is_good=False, phase=Phase.AUTH, text=words)
    return ApiCheck(is_good=False, phase=Phase.MAIL, text=words)


def _shown(response: requests.Response, shows: tuple[str, ...]) -> str:
    try:
        found = _fields(response.json(), shows)
    except (ValueError, RecursionError):
        return ""
    return ", ".join(list(dict.fromkeys(found))[:6])


def _fields(value: Any, names: tuple[str, ...]) -> list[str]:
    match value:
        case dict():
            mine = [str(inner)[:80] for name, inner in value.items() if name in names and isinstance(inner, str)]
            return mine + [one for inner in value.values() for one in _fields(inner, names)]
        case list():
            return [one for inner in value[:20] for one in _fields(inner, names)]
        case _:
            return []


def _check_amazon(endpoint: ApiEndpoint) -> ApiCheck:
    from botocore.exceptions import BotoCoreError, ClientError  # noqa: PLC0415 - half a second that others save

    from postroom.adapters.esp.amazon import ask_account  # noqa: PLC0415

    try:
        return ApiCheck(is_good=True, text=ask_account(endpoint))
    except ClientError as error:
        code = str(error.response.get("Error", {}).get("Code", ""))
        words = str(error.response.get("Error", {}).get("Message", "")) or code
        may_only_send = code == "AccessDeniedException" and "GetAccount" in words
        return ApiCheck(is_good=may_only_send, is_told=not may_only_send, text=f"{code}: {words}"[:500])
    except BotoCoreError as error:
        return ApiCheck(is_good=False, phase=Phase.CONNECT, text=innermost(error))
