"""Mail that is handed in over HTTP: by programs, and by providers who receive it for us.

Laws: where the raw mail is given, it is kept as it is; where a provider gives its fields alone, a mail is composed of all of them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType


@dataclass(frozen=True, slots=True, kw_only=True)
class HandedIn:
    """A mail from a provider. ``rcpt_to`` are the envelope's recipients, empty where it does not tell."""

    raw: bytes
    mail_from: str = ""
    rcpt_to: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class InboundReading:
    """What a request brought. ``confirm_at``: an address that must be asked once, so that mail begins to come."""

    mails: tuple[HandedIn, ...] = ()
    confirm_at: str = ""
    nonce: str = ""  # signed, of this request alone: it is believed once
    signed_at: int = 0  # seconds since 1970, signed; 0: the provider does not say
    topic: str = ""  # Amazon's name of what is subscribed: one address belongs to one


@dataclass(frozen=True, slots=True, kw_only=True)
class InboundProvider:
    """Who may hand in mail. ``help``: where the address is entered there; ``secret_label``: what proves or opens, if anything does."""

    name: str
    label: str
    help: str
    secret_label: str = ""
    needs_secret: bool = False
    gives_raw: bool = True


_TABLE = (
    InboundProvider(
        name="mailgun",
        label="Mailgun",
        help="Receiving, Create route: forward() to this address. Mailgun gives the raw mail to addresses that end in mime, as this one does.",
        secret_label="HTTP webhook signing key",  # noqa: S106 - a label
        needs_secret=True,
    ),
    InboundProvider(
        name="sendgrid",
        label="SendGrid",
        help="Settings, Inbound Parse, Add Host & URL: this address, with POST the raw, full MIME message ticked.",
    ),
    InboundProvider(
        name="postmark",
        label="Postmark",
        help="The inbound stream, Settings: this address as the webhook, with Include raw email content ticked.",
    ),
    InboundProvider(
        name="mailjet",
        label="Mailjet",
        help="Parse API: POST /v3/REST/parseroute with this address as Url. Mailjet gives the fields, not the raw mail.",
        gives_raw=False,
    ),
    InboundProvider(
        name="brevo",
        label="Brevo",
        help="Inbound parsing webhook (POST /v3/webhooks, type inbound, event inboundEmailProcessed) with this address. Brevo gives the fields, "
        "and attachments only to its API key.",
        secret_label="API key",  # noqa: S106 - a label
        needs_secret=True,
        gives_raw=False,
    ),
    InboundProvider(
        name="amazon_ses",
        label="Amazon SES",
        help="A receipt rule with the action SNS (encoding Base64), and this address as an HTTPS subscription of the topic; it is confirmed by "
        "itself. SNS carries mails up to 150 KB.",
    ),
    InboundProvider(
        name="sparkpost",
        label="SparkPost",
        help="Inbound relay webhooks: this address as the target, protocol SMTP.",
    ),
    InboundProvider(
        name="mandrill",
        label="Mailchimp Transactional (Mandrill)",
        help="Inbound, the domain, Routes: this address. The key is shown under Settings, Webhooks.",
        secret_label="Webhook key",  # noqa: S106 - a label
        needs_secret=True,
    ),
)

INBOUND_PROVIDERS: Mapping[str, InboundProvider] = MappingProxyType({one.name: one for one in _TABLE})
