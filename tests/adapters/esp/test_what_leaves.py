"""What each provider is given of a mail: as its documentation asks, and as much as we composed as it takes."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest

from postroom.core.delivery.providers import PROVIDERS
from postroom.core.delivery.wire import Phase, WireMail
from tests.adapters.esp.providing import ACCEPTED, ATTACHMENTS, KEY, PNG, TOKEN, a_wire_mail, send_one
from tests.adapters.esp.scripted_api import Request, api_that


def asked(provider: str, mail: WireMail | None = None) -> Request:
    """The one request that hands this mail over."""
    with api_that(ACCEPTED[provider]) as api:
        outcome = send_one(api, provider, mail or a_wire_mail(attachments=ATTACHMENTS))
    assert outcome.is_accepted, outcome
    (request,) = api.requests
    assert request.method == "POST"
    assert KEY not in request.path
    return request


@pytest.mark.parametrize("provider", sorted(PROVIDERS))
def test_an_accepted_mail_has_a_reply_an_id_and_a_connection(provider: str) -> None:
    with api_that(ACCEPTED[provider]) as api:
        outcome = send_one(api, provider)
    assert outcome.phase is Phase.BODY
    assert outcome.reply is not None
    assert (outcome.reply.code, outcome.reply.enhanced) == (250, "2.0.0")
    assert outcome.provider_message_id
    assert outcome.provider_message_id in outcome.reply.text
    assert outcome.connection == f"{api.url.removeprefix('http://')}#1"
    assert outcome.duration > 0
    assert KEY not in repr(outcome)


def test_amazon_gets_the_very_bytes_and_sends_reports_to_our_bounce_address() -> None:
    mail = a_wire_mail(attachments=ATTACHMENTS)
    request = asked("amazon_ses", mail)
    assert request.path == "/v2/email/outbound-emails"
    assert request.headers["authorization"].startswith("AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/")
    assert "/eu-central-1/ses/aws4_request" in request.headers["authorization"]
    body = request.json
    assert base64.b64decode(body["Content"]["Raw"]["Data"]) == b"".join(mail.chunks)
    assert body["Destination"] == {"ToAddresses": ["carla@customer.example"]}
    assert body["FeedbackForwardingEmailAddress"] == mail.envelope.mail_from
    assert body["EmailTags"] == [{"Name": "postroom", "Value": TOKEN}]
    assert body["ConfigurationSetName"] == "tracking"


def test_mailgun_gets_the_very_bytes_with_the_recipient_of_the_envelope() -> None:
    mail = a_wire_mail(attachments=ATTACHMENTS)
    request = asked("mailgun", mail)
    assert request.path == "/v3/mg.northwind.example/messages.mime"
    assert request.headers["authorization"] == "Basic " + base64.b64encode(f"api:{KEY}".encode()).decode()
    assert request.form == {
        "to": [b"carla@customer.example"],
        "message": [b"".join(mail.chunks)],
        "v:postroom": [TOKEN.encode()],
        "o:tracking-clicks": [b"no"],
        "o:tracking-opens": [b"no"],
    }


def test_sparkpost_gets_the_very_text_and_our_return_path() -> None:
    mail = a_wire_mail(attachments=ATTACHMENTS)
    request = asked("sparkpost", mail)
    assert request.path == "/api/v1/transmissions/"
    assert request.headers["authorization"] == KEY
    assert request.json == {
        "content": {"email_rfc822": b"".join(mail.chunks).decode()},
        "recipients": [{"address": {"email": "carla@customer.example"}}],
        "return_path": mail.envelope.mail_from,
        "metadata": {"postroom": TOKEN},
        "options": {"open_tracking": False, "click_tracking": False, "transactional": True},
    }


THREADING = {
    "In-Reply-To": "<before@customer.example>",
    "References": "<first@northwind.example> <before@customer.example>",
    "List-Unsubscribe": "<https://northwind.example/u/1>",
    "X-Postroom-Objects": "mark; message=7",
}
WITH_ID = THREADING | {"Message-ID": "<mail1@northwind.example>"}
TEXT = "Hello Carla ä\n"
HTML = '<p>Hello <b>Carla</b> ä</p><img src="cid:logo@northwind.example">'
INVITE = "BEGIN:VCALENDAR\r\n"


def b64(content: bytes | str) -> str:
    return base64.b64encode(content.encode() if isinstance(content, str) else content).decode()


def test_postmark_keeps_our_message_id_and_everything_else() -> None:
    request = asked("postmark")
    assert request.path == "/email"
    assert request.headers["x-postmark-server-token"] == KEY
    body = request.json
    assert {one["Name"]: one["Value"] for one in body.pop("Headers")} == WITH_ID | {"X-PM-KeepID": "true"}
    assert body.pop("HtmlBody").strip() == HTML
    logo, bill, invite = body.pop("Attachments")
    assert body == {
        "MessageStream": "outbound",
        "From": '"Alice, Northwind" <notifications@northwind.example>',
        "To": "Customer Carla <carla@customer.example>",
        "Subject": "Größe und Preis",
        "ReplyTo": "Northwind <catchall+rtoken@northwind.example>",
        "TextBody": TEXT,
        "Metadata": {"postroom": TOKEN},
        "TrackOpens": False,
        "TrackLinks": "None",
    }
    assert (logo["Name"], logo["Content"], logo["ContentID"]) == ("logo.png", b64(PNG), "cid:logo@northwind.example")
    assert (bill["Name"], bill["Content"]) == ("Rechnung März.pdf", b64("%PDF-1.7 paid"))
    assert "ContentID" not in bill
    assert invite["ContentType"].startswith("text/calendar; method=")
    assert invite["Content"] == b64(INVITE)


def test_sendgrid_gets_parts_and_header_fields() -> None:
    request = asked("sendgrid")
    assert request.path == "/v3/mail/send"
    assert request.headers["authorization"] == f"Bearer {KEY}"
    body = request.json
    (person,) = body["personalizations"]
    assert person["to"] == [{"email": "carla@customer.example", "name": "Customer Carla"}]
    assert body["custom_args"] == {"postroom": TOKEN}
    assert body["headers"] == WITH_ID
    assert body["from"] == {"email": "notifications@northwind.example", "name": "Alice, Northwind"}
    assert body["reply_to_list"] == [{"email": "catchall+rtoken@northwind.example", "name": "Northwind"}]
    assert [(one["type"], one["value"].strip()) for one in body["content"]] == [
        ("text/plain", TEXT.strip()),
        ("text/html", HTML),
    ]
    logo, bill, _ = body["attachments"]
    assert (logo["disposition"], logo["content_id"]) == ("inline", "logo@northwind.example")
    assert bill["filename"] == "Rechnung März.pdf"
    assert body["tracking_settings"] == {"click_tracking": {"enable": False}, "open_tracking": {"enable": False}}


def test_mailjet_is_not_given_the_header_fields_that_it_forbids() -> None:
    extra = (("List-Id", "news <news.northwind.example>"), ("List-Unsubscribe", "<https://northwind.example/u/1>"))
    request = asked("mailjet", a_wire_mail(attachments=ATTACHMENTS, extra=extra))
    assert request.path == "/v3.1/send"
    assert request.headers["authorization"] == "Basic " + b64(f"public-half:{KEY}")
    body = request.json["Globals"]
    assert body["Headers"] == THREADING
    assert json.loads(body["EventPayload"]) == {"postroom": TOKEN}
    assert body["InlinedAttachments"][0]["ContentID"] == "logo@northwind.example"
    assert [one["Filename"] for one in body["Attachments"]] == ["Rechnung März.pdf", "invite.ics"]
    assert (body["TrackOpens"], body["TrackClicks"]) == ("disabled", "disabled")
    assert request.json["Messages"] == [{"To": [{"Email": "carla@customer.example", "Name": "Customer Carla"}]}]


def test_resend_gets_an_idempotency_key_and_our_token_among_the_header_fields() -> None:
    request = asked("resend")
    assert request.path == "/emails"
    assert request.headers["authorization"] == f"Bearer {KEY}"
    assert len(request.headers["idempotency-key"]) == 36
    body = request.json
    assert body["headers"] == WITH_ID | {"X-Metadata": json.dumps({"postroom": TOKEN})}
    assert body["attachments"][0]["content_id"] == "logo@northwind.example"
    assert body["reply_to"] == ["Northwind <catchall+rtoken@northwind.example>"]


def test_brevo_gets_an_idempotency_key_and_shown_images_as_files() -> None:
    request = asked("brevo")
    assert request.path == "/v3/smtp/email"
    assert request.headers["api-key"] == KEY
    body = request.json
    assert len(body["headers"].pop("idempotencyKey")) == 36
    assert json.loads(body["headers"].pop("X-Mailin-custom")) == {"postroom": TOKEN}
    assert body["headers"] == WITH_ID
    assert [one["name"] for one in body["attachment"]] == ["logo.png", "Rechnung März.pdf", "invite.ics"]
    assert body["replyTo"] == {"email": "catchall+rtoken@northwind.example", "name": "Northwind"}


@pytest.mark.parametrize("provider", sorted(PROVIDERS))
def test_a_plain_text_to_a_recipient_with_a_domain_in_its_own_letters_leaves(provider: str) -> None:
    mail = a_wire_mail(to="carla@xn--mller-kva.example", html="")
    with api_that(ACCEPTED[provider]) as api:
        outcome = send_one(api, provider, mail)
    assert len(api.requests) == 1
    assert b"xn--mller-kva.example" in api.requests[0].body
    assert outcome.key == mail.key


def test_a_mail_attached_to_a_mail_arrives_as_one() -> None:
    from postroom.core.mime.composing import OutgoingAttachment

    inner = b"From: Bob <bob@customer.example>\r\nSubject: Before\r\n\r\nText of Bob\r\n"
    mail = a_wire_mail(
        attachments=[OutgoingAttachment(name="before.eml", content_type="message/rfc822", content=inner)], html=""
    )
    body: Any = asked("postmark", mail).json
    (attached,) = body["Attachments"]
    assert attached["ContentType"].startswith("message/rfc822")
    assert b"Text of Bob" in base64.b64decode(attached["Content"])
    assert body["TextBody"] == TEXT
