"""One mail through a provider's API, in a thread: handed over, or the reason why not.

Laws: a refusal is an outcome, never an exception. Before the last byte of the request was written nothing can have been accepted:
that is trouble with the server. After it, and without an answer that says so, nobody knows.
"""

from __future__ import annotations

import json
import logging
import time
from typing import Any

import requests
from anymail.exceptions import AnymailAPIError, AnymailError, AnymailInvalidAddress

from postroom.adapters.esp.answers import Answer, innermost, judge_answer, said
from postroom.adapters.esp.backends import make_backend
from postroom.adapters.esp.messages import message_for
from postroom.core.delivery.providers import API_URL, PROVIDERS, host_of
from postroom.core.delivery.wire import ApiEndpoint, Phase, WireMail, WireOutcome
from postroom.core.terms.smtp_replies import SmtpReply

_log = logging.getLogger(__name__)
_LONGEST_ID = 200


class Clerk:
    """Speaks to one API. For one thread at a time."""

    def __init__(self, endpoint: ApiEndpoint) -> None:
        self.endpoint = endpoint
        self._backend: Any = None

    def send(self, mail: WireMail, *, label: str, idempotency_key: str) -> WireOutcome:
        """Never raises."""
        started = time.monotonic()
        try:
            answer, message_id = self._hand_over(mail, idempotency_key)
        except Exception as error:  # a bug: it shall cost this mail an attempt, and nobody else anything
            _log.exception("delivery %d could not be handed to the API of %s", mail.key, self.endpoint.provider)
            answer, message_id = self._our_fault(error), ""
        return WireOutcome(
            key=mail.key,
            phase=answer.phase,
            reply=answer.reply,
            trouble="" if answer.reply is not None else answer.text,
            connection=label,
            duration=time.monotonic() - started,
            provider_message_id=message_id[:_LONGEST_ID],
            retry_after=answer.retry_after,
        )

    def close(self) -> None:
        if self._backend is not None:
            self._backend.close()
            self._backend = None

    def _hand_over(self, mail: WireMail, idempotency_key: str) -> tuple[Answer, str]:
        provider = self.endpoint.provider
        try:
            if self._backend is None:
                self._backend = make_backend(self.endpoint)
            self._backend.forget()
            message = message_for(mail, PROVIDERS[provider])
            message.idempotency_key = idempotency_key
            self._backend.send_messages([message])
        except AnymailAPIError as error:
            return self._refused(error), ""
        except AnymailInvalidAddress as error:
            return _by_us(Phase.RCPT, SmtpReply(553, "5.1.3", _first_line(error))), ""
        except AnymailError as error:
            return _by_us(Phase.DATA, SmtpReply(554, "5.6.3", _first_line(error))), ""
        return self._accepted(message.anymail_status)

    def _accepted(self, status: Any) -> tuple[Answer, str]:
        """A 2xx, or an answer that anymail took apart for each recipient."""
        code, headers, body = _parts_of(status.esp_response)
        told = list(status.recipients.values())  # of one recipient, but perhaps in two spellings
        one = next((each for each in told if each.status in ("sent", "queued")), next(iter(told), None))
        if one is not None and one.status in ("sent", "queued"):
            message_id = str(one.message_id or "")
            text = said(body) or "accepted"
            reply = SmtpReply(250, "2.0.0", f"{text} (HTTP {code}, id {message_id or 'unknown'})")
            return Answer(phase=Phase.BODY, reply=reply, text=text), message_id
        if one is not None and one.status in ("rejected", "invalid") and 200 <= code < 300:
            reply = SmtpReply(550, "5.2.1", f"{said(body) or 'The recipient was refused'} (HTTP {code})")
            return Answer(phase=Phase.RCPT, reply=reply, text=reply.text), ""
        if 200 <= code < 300:
            return Answer(phase=Phase.BODY, reply=None, text=f"an answer that says nothing: {said(body)[:200]}"), ""
        return judge_answer(self.endpoint.provider, code, headers, body), ""

    def _refused(self, error: AnymailAPIError) -> Answer:
        code, headers, body = _parts_of(error.response)
        if code and not 200 <= code < 300:
            return judge_answer(self.endpoint.provider, code, headers, body)
        if code:
            return Answer(phase=Phase.BODY, reply=None, text=f"an answer that makes no sense: {said(body)[:200]}")
        cause = error.__cause__ or error
        phase = Phase.BODY if self._backend.was_written(cause) else Phase.CONNECT
        return Answer(phase=phase, reply=None, text=f"{type(cause).__name__}: {innermost(cause)}")

    def _our_fault(self, error: Exception) -> Answer:
        text = f"a bug of ours, see the log: {type(error).__name__}"
        if self._backend is not None and self._backend.was_written(error):
            return Answer(phase=Phase.BODY, reply=None, text=text)
        return _by_us(Phase.DATA, SmtpReply(451, "4.3.0", text))


def label_of(endpoint: ApiEndpoint) -> str:
    """The host, for the history of a delivery."""
    return endpoint.option(API_URL).partition("://")[2] or host_of(PROVIDERS[endpoint.provider], dict(endpoint.options))


def _parts_of(response: Any) -> tuple[int, dict[str, str], str]:
    """Status (0 without an answer), header fields, body: of requests and of botocore."""
    if isinstance(response, requests.Response):
        return response.status_code, dict(response.headers), response.text
    if isinstance(response, dict):
        meta = response.get("ResponseMetadata", {})
        body = {name: value for name, value in response.items() if name != "ResponseMetadata"}
        return int(meta.get("HTTPStatusCode", 0)), dict(meta.get("HTTPHeaders", {})), json.dumps(body, default=str)
    return 0, {}, ""


def _by_us(phase: Phase, reply: SmtpReply) -> Answer:
    """Refused before anything was written."""
    return Answer(phase=phase, reply=reply, text=reply.text)


def _first_line(error: BaseException) -> str:
    return (str(error).splitlines() or ["refused"])[0][:300]
