"""The providers with HTTP APIs: what each wants to know, what it keeps of a mail as we wrote it, how its events come back.

Duty: one table, for forms, flows and adapters alike; `adapters.esp` speaks to exactly these. Laws: only what the tests hold against a
scripted server is offered. Hosts are fixed here: no setting can point an API key elsewhere, but for a stand-in on this very
machine (``api_url``), for tests. No secrets are options: the key is the server's secret, what signs events has a place of its own.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from urllib.parse import urlsplit

from postroom.core.terms.web_addresses import LOOPBACK

API_URL = "api_url"


class Keeps(StrEnum):
    """What leaves of the envelope sender that we give."""

    DOMAIN = "domain"  # its domain is; the provider puts its own local part before it
    REPORTS = "reports"  # the provider's own is; reports are sent on to ours
    NO = "no"  # the provider's own is; its events tell what came back


@dataclass(frozen=True, slots=True, kw_only=True)
class Option:
    """A field of the form. ``choices`` are (value, label); without them any text that ``pattern`` matches whole."""

    name: str
    label: str
    help: str = ""
    required: bool = False
    choices: tuple[tuple[str, str], ...] = ()
    default: str = ""
    pattern: str = r"[\x21-\x7e]{1,500}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Provider:
    """``hosts`` by the value of the option ``region`` (``""``: without one). ``max_message_size`` in bytes, of the mail as we
    count it. ``signing_label`` names what signs events (``""``: nothing does, the secret address alone proves them)."""

    name: str
    label: str
    key_label: str
    key_help: str
    hosts: Mapping[str, str]
    is_raw: bool
    keeps_message_id: bool
    envelope_sender: Keeps
    keeps_inline_images: bool
    max_message_size: int
    hook_help: str
    options: tuple[Option, ...] = ()
    is_idempotent: bool = False
    signing_label: str = ""
    needs_signing: bool = False


_EU_US = (("us", "United States"), ("eu", "Europe"))


def _region(words: str) -> Option:
    return Option(name="region", label="Region", help=words, choices=_EU_US, default="us")


_MIB = 1024 * 1024
_REGION_HELP = "Where the account was opened: a key works in its region alone."

_ALL = (
    Provider(
        name="amazon_ses",
        label="Amazon SES",
        key_label="Secret access key",
        key_help="Of an IAM user that may call ses:SendEmail and ses:SendRawEmail (and ses:GetAccount, for Test Connection).",
        hosts={},  # botocore knows them, by region
        is_raw=True,
        keeps_message_id=False,
        envelope_sender=Keeps.REPORTS,
        keeps_inline_images=True,
        max_message_size=40 * _MIB * 3 // 4,
        options=(
            Option(name="access_key_id", label="Access key ID", required=True, pattern=r"[A-Z0-9]{16,128}"),
            Option(
                name="region",
                label="AWS region",
                help="Such as eu-central-1: where the sender's domain is verified.",
                required=True,
                pattern=r"[a-z]{2}(-[a-z]+){1,3}-\d",
            ),
            Option(
                name="configuration_set",
                label="Configuration set",
                help="Needed for events: its event destination is an SNS topic that posts to the address below.",
                pattern=r"[A-Za-z0-9_-]{1,64}",
            ),
        ),
        hook_help="SES: a configuration set with an SNS event destination (Send, Delivery, Bounce, Complaint, Reject, Delivery Delay)."
        " SNS: an HTTPS subscription to the address; it is confirmed by itself.",
        signing_label="",
    ),
    Provider(
        name="brevo",
        label="Brevo",
        key_label="API key",
        key_help="A v3 API key (xkeysib-…), not the SMTP key.",
        hosts={"": "api.brevo.com"},
        is_raw=False,
        keeps_message_id=False,
        envelope_sender=Keeps.NO,
        keeps_inline_images=False,
        max_message_size=15 * _MIB,
        is_idempotent=True,
        hook_help="Transactional, Settings, Webhook: the address, with Delivered, Hard bounce, Soft bounce, Blocked, Invalid email,"
        " Error, Deferred, Complaint, Unsubscribed.",
    ),
    Provider(
        name="mailgun",
        label="Mailgun",
        key_label="API key",
        key_help="A sending key of the domain, or the account's private key.",
        hosts={"us": "api.mailgun.net", "eu": "api.eu.mailgun.net"},
        is_raw=True,
        keeps_message_id=True,
        envelope_sender=Keeps.DOMAIN,
        keeps_inline_images=True,
        max_message_size=25 * _MIB,
        options=(
            _region(_REGION_HELP),
            Option(
                name="domain",
                label="Sending domain",
                help="As verified at Mailgun.",
                required=True,
                pattern=r"[A-Za-z0-9.-]{3,253}",
            ),
        ),
        hook_help="Send, Sending, Webhooks: the address, for Delivered, Permanent Failure, Temporary Failure, Spam Complaints and"
        " Unsubscribes. The HTTP webhook signing key of that page belongs into the field below.",
        signing_label="HTTP webhook signing key",
        needs_signing=True,
    ),
    Provider(
        name="mailjet",
        label="Mailjet",
        key_label="Secret key",
        key_help="The second half of the API key.",
        hosts={"": "api.mailjet.com"},
        is_raw=False,
        keeps_message_id=False,
        envelope_sender=Keeps.NO,
        keeps_inline_images=True,
        max_message_size=15 * _MIB,
        options=(Option(name="api_key", label="API key", help="The first half.", required=True),),
        hook_help="Account, Event notifications (webhooks): the address, for sent, bounce, spam, blocked and unsub; grouped or not.",
    ),
    Provider(
        name="postmark",
        label="Postmark",
        key_label="Server API token",
        key_help="Of the Postmark server, not of the account.",
        hosts={"": "api.postmarkapp.com"},
        is_raw=False,
        keeps_message_id=True,
        envelope_sender=Keeps.NO,
        keeps_inline_images=True,
        max_message_size=10 * _MIB,
        options=(
            Option(
                name="message_stream",
                label="Message stream",
                help="Empty: the default transactional stream.",
                pattern=r"[a-z0-9-]{1,30}",
            ),
        ),
        hook_help="The message stream, Webhooks: the address, for Delivery, Bounce, Spam Complaint and Subscription Change.",
    ),
    Provider(
        name="resend",
        label="Resend",
        key_label="API key",
        key_help="With sending access at least (re_…).",
        hosts={"": "api.resend.com"},
        is_raw=False,
        keeps_message_id=False,
        envelope_sender=Keeps.NO,
        keeps_inline_images=True,
        max_message_size=40 * _MIB * 3 // 4,
        is_idempotent=True,
        hook_help="Webhooks, Add: the address, for email.delivered, email.delivery_delayed, email.bounced and email.complained."
        " Its signing secret (whsec_…) belongs into the field below.",
        signing_label="Signing secret",
        needs_signing=True,
    ),
    Provider(
        name="sendgrid",
        label="SendGrid",
        key_label="API key",
        key_help="With the permission Mail Send (SG.…).",
        hosts={"us": "api.sendgrid.com", "eu": "api.eu.sendgrid.com"},
        is_raw=False,
        keeps_message_id=False,
        envelope_sender=Keeps.NO,
        keeps_inline_images=True,
        max_message_size=30 * _MIB * 3 // 4,
        options=(_region("Europe only with a regional subuser."),),
        hook_help="Settings, Mail Settings, Event Webhook: the address, for Delivered, Bounced, Deferred, Dropped, Spam Reports and"
        " Unsubscribes. With Signed Event Webhook on, its verification key belongs into the field below.",
        signing_label="Verification key",
    ),
    Provider(
        name="sparkpost",
        label="SparkPost",
        key_label="API key",
        key_help="With the permission Transmissions: Read/Write.",
        hosts={"us": "api.sparkpost.com", "eu": "api.eu.sparkpost.com"},
        is_raw=True,
        keeps_message_id=False,
        envelope_sender=Keeps.DOMAIN,
        keeps_inline_images=True,
        max_message_size=20 * _MIB,
        options=(_region(_REGION_HELP),),
        hook_help="Configuration, Webhooks: the address, for Delivery, Bounce, Delay, Policy Rejection, Out of Band, Spam Complaint,"
        " Generation Failure and the unsubscribes.",
    ),
)

PROVIDERS: Mapping[str, Provider] = {one.name: one for one in _ALL}


def providers() -> tuple[Provider, ...]:
    """Those that can be chosen, by label."""
    return tuple(sorted(_ALL, key=lambda one: one.label.lower()))


def options_of(provider: str, given: Mapping[str, object]) -> tuple[tuple[str, str], ...]:
    """The options as an `ApiEndpoint` has them: known ones, with their defaults. Raises ValueError with a sentence for a person."""
    found = PROVIDERS.get(provider)
    if found is None:
        raise ValueError(f"There is no provider {provider!r}.")
    if problems := check_options(found, given):
        raise ValueError(" ".join(problems.values()))
    values = {option.name: str(given.get(option.name) or option.default) for option in found.options}
    if given.get(API_URL):
        values[API_URL] = str(given[API_URL])
    return tuple(sorted((name, value) for name, value in values.items() if value))


def check_options(provider: Provider, given: Mapping[str, object]) -> Mapping[str, str]:
    """What is wrong with these options, by field; empty when nothing is."""
    problems = {}
    for option in provider.options:
        value = str(given.get(option.name) or "")
        if not value:
            if option.required:
                problems[option.name] = f"{option.label}: {provider.label} needs it."
        elif option.choices and value not in [choice for choice, _ in option.choices]:
            problems[option.name] = f"{option.label}: {_one_of([choice for choice, _ in option.choices])}."
        elif not option.choices and not re.fullmatch(option.pattern, value):
            problems[option.name] = f"{option.label}: {value!r} cannot be right."
    if given.get(API_URL) and not is_on_this_machine(str(given[API_URL])):
        problems[API_URL] = "API address: only a stand-in on this machine can be named."
    return problems


def _one_of(values: Sequence[str]) -> str:
    return f"one of {', '.join(values)}"


def is_on_this_machine(url: str) -> bool:
    try:
        parts = urlsplit(url)
        host = parts.hostname
    except ValueError:
        return False
    return parts.scheme in ("http", "https") and host in LOOPBACK and not parts.username and not parts.query


def host_of(provider: Provider, options: Mapping[str, str]) -> str:
    """Where its API is."""
    if provider.name == "amazon_ses":
        return f"email.{options.get('region', '')}.amazonaws.com"
    return provider.hosts.get(options.get("region", "")) or next(iter(provider.hosts.values()))
