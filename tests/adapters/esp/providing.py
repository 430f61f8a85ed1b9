"""Mails, endpoints and documented answers of each provider, for the tests of this folder."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from postroom.adapters.esp.pool import EspPool
from postroom.core.delivery.providers import options_of
from postroom.core.delivery.wire import ApiEndpoint, WireMail, WireOutcome
from postroom.core.mime.composing import MailHeaders, OutgoingAttachment, render_body, render_headers, splice
from postroom.core.terms.addresses import Address
from postroom.core.terms.envelopes import Envelope
from postroom.core.terms.secret import Secret
from tests.adapters.esp.scripted_api import Says, ScriptedApi

PNG = b"\x89PNG\r\n\x1a\n tiny"
TOKEN = "b4qtokenoftests"
KEY = "key-secret-4711"

OPTIONS: dict[str, dict[str, str]] = {
    "amazon_ses": {"access_key_id": "AKIAIOSFODNN7EXAMPLE", "region": "eu-central-1", "configuration_set": "tracking"},
    "brevo": {},
    "mailgun": {"domain": "mg.northwind.example"},
    "mailjet": {"api_key": "public-half"},
    "postmark": {"message_stream": "outbound"},
    "resend": {},
    "sendgrid": {},
    "sparkpost": {},
}

ACCEPTED: dict[str, Says] = {  # as documented
    "amazon_ses": Says(json={"MessageId": "0107018f-amazon-000000"}),
    "brevo": Says(status=201, json={"messageId": "<202611.4711@smtp-relay.mailin.fr>"}),
    "mailgun": Says(json={"id": "<mail1@northwind.example>", "message": "Queued. Thank you."}),
    "mailjet": Says(
        json={
            "Messages": [
                {
                    "Status": "success",
                    "CustomID": "",
                    "To": [
                        {
                            "Email": "carla@customer.example",
                            "MessageUUID": "5f3c-4711",
                            "MessageID": 456789012345678901,
                            "MessageHref": "https://api.mailjet.com/v3/message/456",
                        }
                    ],
                    "Cc": [],
                    "Bcc": [],
                }
            ]
        }
    ),
    "postmark": Says(
        json={
            "To": "carla@customer.example",
            "SubmittedAt": "2026-11-21T05:30:00.0000000Z",
            "MessageID": "b7bc2f4a-e38e-4336-af7d-e6c392c2f817",
            "ErrorCode": 0,
            "Message": "OK",
        }
    ),
    "resend": Says(json={"id": "49a3999c-0ce1-4ea6-ab68-afcd6dc2e794"}),
    "sendgrid": Says(status=202, text="", headers={"X-Message-Id": "sg-message-1"}),
    "sparkpost": Says(
        json={"results": {"total_rejected_recipients": 0, "total_accepted_recipients": 1, "id": "11668787484950529"}}
    ),
}


def endpoint_at(api: ScriptedApi | str, provider: str, **more: Any) -> ApiEndpoint:
    url = api if isinstance(api, str) else api.url
    values: dict[str, Any] = {"connect_timeout": 2.0, "reply_timeout": 5.0, "max_connections": 4}
    return ApiEndpoint(
        provider=provider,
        secret=Secret(KEY),
        options=options_of(provider, OPTIONS[provider] | {"api_url": url}),
        **{**values, **more},
    )


def a_wire_mail(
    key: int = 1,
    to: str = "carla@customer.example",
    *,
    mail_from: str = "bounce+token@northwind.example",
    subject: str = "Größe und Preis",
    extra: Sequence[tuple[str, str]] = (("List-Unsubscribe", "<https://northwind.example/u/1>"),),
    attachments: Sequence[OutgoingAttachment] = (),
    html: str = '<p>Hello <b>Carla</b> ä</p><img src="cid:logo@northwind.example">',
) -> WireMail:
    local, _, domain = to.rpartition("@")
    headers = MailHeaders(
        header_from=Address(name="Alice, Northwind", local="notifications", domain="northwind.example"),
        to=(Address(name="Customer Carla", local=local, domain=domain),),
        reply_to=(Address(name="Northwind", local="catchall+rtoken", domain="northwind.example"),),
        subject=subject,
        message_id="<mail1@northwind.example>",
        date=datetime(2026, 11, 21, 5, 30, tzinfo=UTC),
        in_reply_to=("<before@customer.example>",),
        references=("<first@northwind.example>", "<before@customer.example>"),
        extra=(*extra, ("X-Postroom-Objects", "mark; message=7")),
    )
    body = render_body(text="Hello Carla ä\n", html=html, attachments=attachments)
    envelope = Envelope(mail_from=mail_from, rcpt_to=(to,))
    return WireMail(key=key, envelope=envelope, chunks=splice(render_headers(headers), body), token=TOKEN)


ATTACHMENTS = (
    OutgoingAttachment(name="logo.png", content_type="image/png", content=PNG, content_id="logo@northwind.example"),
    OutgoingAttachment(name="Rechnung März.pdf", content_type="application/pdf", content=b"%PDF-1.7 paid"),
    OutgoingAttachment(name="invite.ics", content_type="text/calendar; method=REQUEST", content=b"BEGIN:VCALENDAR\r\n"),
)


class MemoryJournal:
    """What was noted, in order."""

    def __init__(self) -> None:
        self.notes: list[tuple[str, int]] = []
        self.outcomes: list[WireOutcome] = []
        self.is_full = False

    def started(self, key: int) -> None:
        if self.is_full:
            raise OSError("the disk is full")
        self.notes.append(("started", key))

    def finished(self, outcome: WireOutcome) -> None:
        self.notes.append(("finished", outcome.key))
        self.outcomes.append(outcome)


def send_all(
    endpoint: ApiEndpoint, mails: Sequence[WireMail], journal: MemoryJournal | None = None
) -> list[WireOutcome]:
    """Through one pool, all at once; outcomes in the order of the mails."""

    async def run() -> list[WireOutcome]:
        pool = EspPool(endpoint, journal=journal or MemoryJournal())
        try:
            futures = [pool.submit(mail) for mail in mails]
            return list(await asyncio.wait_for(asyncio.gather(*futures), 120))
        finally:
            await pool.close(5.0)

    return asyncio.run(run())


def send_one(api: ScriptedApi, provider: str, mail: WireMail | None = None, **more: Any) -> WireOutcome:
    (outcome,) = send_all(endpoint_at(api, provider, **more), [mail or a_wire_mail()])
    return outcome
