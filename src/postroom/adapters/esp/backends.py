"""anymail's backends, plugged into our sessions; those of providers that take whole mails send ours as it is.

Laws: everything is said here and nothing comes from Django's settings; no retries of its own, for only the pool knows what may be
sent again. Where a provider knows idempotency keys, each mail has one.
"""

from __future__ import annotations

import warnings
from typing import Any, cast

from anymail.backends import brevo, mailgun, mailjet, postmark, resend, sendgrid, sparkpost
from anymail.backends.base_requests import AnymailRequestsBackend

from postroom.adapters.esp.messages import RawMessage
from postroom.adapters.esp.sessions import GuardedSession
from postroom.core.delivery.providers import API_URL, PROVIDERS, host_of
from postroom.core.delivery.wire import ApiEndpoint

# said at every use; decision 0020 says why we offer it all the same
warnings.filterwarnings("ignore", message="django-anymail has dropped official support for SendGrid")

_QUIET = {"ignore_recipient_status": True, "debug_api_requests": False, "send_defaults": {}}


class Guarded:
    """Mixed in before an anymail backend: its session is ours."""

    endpoint: ApiEndpoint
    session: GuardedSession | None

    def create_session(self) -> GuardedSession:
        return GuardedSession(self.endpoint.connect_timeout, self.endpoint.reply_timeout)

    def forget(self) -> None:
        """A new mail begins."""
        if self.session is not None:
            self.session.was_written = False

    def was_written(self, _error: BaseException) -> bool:
        """Whether all of the request went to the wire before this error."""
        return self.session is not None and self.session.was_written


class MailgunMimePayload(mailgun.MailgunPayload):
    """``messages.mime``: the mail as it is, the recipient of the envelope."""

    message: RawMessage

    def get_api_endpoint(self) -> str:
        return f"{super().get_api_endpoint()}.mime"

    def serialize_data(self) -> dict[str, object]:
        self.files = [("message", ("message.eml", self.message.raw, "message/rfc822"))]
        variables = {name: value for name, value in self.data.items() if name.startswith(("v:", "o:"))}
        return {"to": [one.addr_spec for one in self.all_recipients], **variables}

    def set_envelope_sender(self, email: object) -> None:
        """Its sending domain is set; the local part is its own."""


class MailgunBackend(Guarded, mailgun.EmailBackend):
    def build_message_payload(self, message: RawMessage, defaults: object) -> MailgunMimePayload:
        return MailgunMimePayload(message, defaults, self)


class SparkPostMimePayload(sparkpost.SparkPostPayload):
    """``content.email_rfc822``: the mail as it is."""

    message: RawMessage

    def serialize_data(self) -> str:
        self._finalize_recipients()
        for recipient in self.data["recipients"]:
            del recipient["address"]["header_to"]
        self.data["content"] = {"email_rfc822": self.message.raw.decode("utf-8", "replace")}
        self.data["options"] = {"open_tracking": False, "click_tracking": False, "transactional": True}
        return cast("str", self.serialize_json(self.data))


class SparkPostBackend(Guarded, sparkpost.EmailBackend):
    def build_message_payload(self, message: RawMessage, defaults: object) -> SparkPostMimePayload:
        return SparkPostMimePayload(message, defaults, self)


class ResendPayload(resend.ResendPayload):
    def get_request_params(self, api_url: str) -> dict[str, Any]:
        params = cast("dict[str, Any]", super().get_request_params(api_url))
        params["headers"]["Idempotency-Key"] = self.message.idempotency_key
        return params

    def set_metadata(self, metadata: dict[str, object]) -> None:
        """In a header field beside the others; anymail's own way would forget these."""
        self.data.setdefault("headers", {})["X-Metadata"] = self.serialize_json(metadata)


class ResendBackend(Guarded, resend.EmailBackend):
    def build_message_payload(self, message: RawMessage, defaults: object) -> ResendPayload:
        return ResendPayload(message, defaults, self)


class BrevoPayload(brevo.BrevoPayload):
    def set_extra_headers(self, headers: Any) -> None:
        super().set_extra_headers(headers)
        self.data["headers"]["idempotencyKey"] = self.message.idempotency_key


class BrevoBackend(Guarded, brevo.EmailBackend):
    def build_message_payload(self, message: RawMessage, defaults: object) -> BrevoPayload:
        return BrevoPayload(message, defaults, self)


class MailjetBackend(Guarded, mailjet.EmailBackend):
    pass


class PostmarkBackend(Guarded, postmark.EmailBackend):
    pass


class SendGridBackend(Guarded, sendgrid.EmailBackend):
    """anymail's authors no longer test against SendGrid, and say so at every use; we do test, against its documentation."""


def api_url(endpoint: ApiEndpoint, path: str) -> str:
    """Where this API is: as the table says, or the stand-in on this machine."""
    provider = PROVIDERS[endpoint.provider]
    base = endpoint.option(API_URL).rstrip("/") or f"https://{host_of(provider, dict(endpoint.options))}"
    return f"{base}{path}"


def make_backend(endpoint: ApiEndpoint) -> AnymailRequestsBackend:
    """Open, for one thread. Raises `ValueError` for a provider that is not in the table."""
    secret, option = endpoint.secret.reveal(), endpoint.option
    backend: Any
    match endpoint.provider:
        case "amazon_ses":
            from postroom.adapters.esp.amazon import make_amazon_backend  # noqa: PLC0415 - half a second that others save

            backend = make_amazon_backend(endpoint, _QUIET)
        case "brevo":
            backend = BrevoBackend(api_key=secret, api_url=api_url(endpoint, "/v3/"), **_QUIET)
        case "mailgun":
            address = api_url(endpoint, "/v3/")
            backend = MailgunBackend(api_key=secret, api_url=address, sender_domain=option("domain"), **_QUIET)
        case "mailjet":
            address = api_url(endpoint, "/v3.1/")
            backend = MailjetBackend(api_key=option("api_key"), secret_key=secret, api_url=address, **_QUIET)
        case "postmark":
            stream = option("message_stream") or None
            backend = PostmarkBackend(
                server_token=secret, message_stream=stream, use_bulk_api=False, api_url=api_url(endpoint, "/"), **_QUIET
            )
        case "resend":
            backend = ResendBackend(
                api_key=secret, api_url=api_url(endpoint, "/"), verify_attachment_extensions=False, **_QUIET
            )
        case "sendgrid":
            backend = SendGridBackend(api_key=secret, api_url=api_url(endpoint, "/v3/"), **_QUIET)
        case "sparkpost":
            backend = SparkPostBackend(api_key=secret, subaccount=None, api_url=api_url(endpoint, "/api/v1/"), **_QUIET)
        case _:
            raise ValueError(f"{endpoint.provider!r} is no provider of ours")
    backend.endpoint = endpoint
    backend.open()
    return cast("AnymailRequestsBackend", backend)
