"""System parameters: every key that users know, with default, meaning and what may stand in it.

Duty: one table. Laws: pure; a value that cannot be used raises `ParameterError` saying what would be right;
the stored form is a text. ``docs/reference/parameters.md`` is made from this table.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from postroom.core.terms.addresses import normalize, normalize_domain

LONGEST_UNDO = 120  # seconds


class ParameterError(ValueError):
    """The value does not fit the parameter; the text says what does."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ParameterSpec:
    """One parameter. ``clean`` turns what was typed into the stored text or raises `ParameterError`."""

    key: str
    default: str
    help: str
    clean: Callable[[str], str]


def _text(value: str) -> str:
    return value.strip()


def _number(value: str) -> str:
    if not re.fullmatch(r"\d{1,9}", value.strip()):
        raise ParameterError(f"A whole number of 0 or more is needed, not {value!r}.")
    return str(int(value))


def _seconds(value: str) -> str:
    number = _number(value)
    if int(number) > LONGEST_UNDO:
        raise ParameterError(f"At most {LONGEST_UNDO} seconds: urgent mail shall not wait longer for nobody.")
    return number


def _switch(value: str) -> str:
    text = value.strip().lower()
    if text in ("1", "true", "yes", "on"):
        return "1"
    if text in ("0", "false", "no", "off", ""):
        return "0"
    raise ParameterError(f"Say true or false, not {value!r}.")


def _local_part(value: str) -> str:
    text = value.strip().lower()
    if not re.fullmatch(r"[a-z0-9_.-]{1,40}", text):
        raise ParameterError(f"Letters, digits, dots, dashes and underscores, without @ or +, not {value!r}.")
    return text


def _domain_or_empty(value: str) -> str:
    if not value.strip():
        return ""
    domain = normalize_domain(value)
    if not domain:
        raise ParameterError(f"{value!r} is no domain name.")
    return domain


def _domains(value: str) -> str:
    """``hello.COM, BONJOUR.com`` is stored ``hello.com,bonjour.com``; only separators are refused (T-068)."""
    if not value.strip():
        return ""
    domains = [normalize_domain(part) for part in value.split(",") if part.strip()]
    if not domains or not all(domains):
        raise ParameterError("Domain names separated by commas, such as: example.com, example.org")
    return ",".join(domains)


def _local_or_address(value: str) -> str:
    text = value.strip()
    if text and "@" in text and not normalize(text):
        raise ParameterError(f"{value!r} is no address.")
    return text.lower() if "@" not in text else text


def _choice(*allowed: str) -> Callable[[str], str]:
    def clean(value: str) -> str:
        if value.strip() not in allowed:
            raise ParameterError(f"One of: {', '.join(allowed)}.")
        return value.strip()

    return clean


_TABLE = (
    (
        "mail.catchall.domain",
        "",
        _domain_or_empty,
        "The default alias domain, to which replies come. Written to the first alias domain.",
    ),
    (
        "mail.catchall.alias",
        "catchall",
        _local_part,
        "Local part of the catchall address of the default alias domain.",
    ),
    (
        "mail.bounce.alias",
        "bounce",
        _local_part,
        "Local part of the bounce address of the default alias domain.",
    ),
    (
        "mail.default.from",
        "notifications",
        _local_or_address,
        "From used where a server may not send as the author: a local part or a full address.",
    ),
    (
        "mail.default.from_filter",
        "",
        _text,
        "FROM filter of the default server of the configuration: domains and addresses, separated by commas.",
    ),
    (
        "mail.catchall.domain.allowed",
        "",
        _domains,
        "Foreign domains for which aliases that match by local part are accepted, separated by commas.",
    ),
    ("mail.gateway.loop.minutes", "120", _number, "Window of the loop breaker, in minutes."),
    (
        "mail.gateway.loop.threshold",
        "20",
        _number,
        "Records one sender may create through one alias within the window.",
    ),
    ("mail.gateway.allowed", "", _text, "Addresses that the loop breaker lets pass, separated by commas."),
    (
        "mail.gateway.unknown",
        "hold",
        _choice("hold", "refuse"),
        "What becomes of fetched mail for nobody: hold or refuse.",
    ),
    (
        "mail.gateway.answers.hour",
        "100",
        _number,
        "Answers to refused senders that leave the whole house within an hour at most; 0: nobody is answered.",
    ),
    (
        "mail.mail.queue.batch.size",
        "1000",
        _number,
        "Deliveries that a worker claims at once; 0: the default.",
    ),
    ("mail.session.batch.size", "1000", _number, "Mails on one SMTP connection at most; 0: the default."),
    (
        "mail.mail.force.send.limit",
        "100",
        _number,
        "Notifications of one message up to this number count as urgent; above they wait their turn.",
    ),
    (
        "mail.batch_size",
        "50",
        _number,
        "Kept for those who know it, without effect: a mail is prepared once for all its recipients.",
    ),
    (
        "base.default_max_email_size",
        "10",
        _number,
        "Largest mail in MB before attachments become links, where the server names no limit of its own; 0: no limit.",
    ),
    (
        "mail.attachment.link.days",
        "30",
        _number,
        "Days that links to attachments work which were too large for the mail; 0: such mail fails instead.",
    ),
    (
        "mail.server.order",
        "documented",
        _choice("documented", "odoo18"),
        "The order in which an outgoing server is chosen.",
    ),
    ("mail.retry.days", "5", _number, "Days until a mail that meets only temporary troubles is given up."),
    (
        "mail.undo.seconds",
        "10",
        _seconds,
        "Seconds within which a person may take back what was written on the page, before it leaves; 0: at once.",
    ),
    (
        "mail.unknown.policy",
        "keep",
        _choice("keep", "resend"),
        "What becomes of deliveries whose outcome a crash hid: keep them, or send again (twice at most).",
    ),
    (
        "mail.unknown.policy.urgent",
        "",
        _choice("", "keep", "resend"),
        "The same for mail that a person wrote (lane urgent): keep or resend; empty: as mail.unknown.policy says.",
    ),
    (
        "mail.unknown.policy.normal",
        "",
        _choice("", "keep", "resend"),
        "The same for mail that automation wrote (lane normal): keep or resend; empty: as mail.unknown.policy says.",
    ),
    (
        "mail.unknown.policy.campaign",
        "",
        _choice("", "keep", "resend"),
        "The same for mail that campaigns sent (lane campaign): keep or resend; empty: as mail.unknown.policy says.",
    ),
    (
        "mail.reply.signed",
        "1",
        _switch,
        "Whether reply addresses carry a signed token (the domain must accept plus-addresses).",
    ),
    (
        "mail.dkim.grace_days",
        "7",
        _number,
        "Days that a retired DKIM key stays published for mail under way, and can sign again; then its private half is deleted.",
    ),
    ("mail.dkim.expiry_days", "0", _number, "Days that a DKIM signature is good for (x=); 0: it does not expire."),
    ("mail.note.by_mail", "1", _switch, "Whether colleagues who follow notes hear of them by mail."),
    ("retention.raw_days", "400", _number, "Days that raw inbound mail is kept."),
    (
        "retention.delivery_days",
        "90",
        _number,
        "Days that deliveries, their attempts and contents, and captured mail are kept; never under 35.",
    ),
    ("retention.held_days", "60", _number, "Days that held mail is kept."),
    ("retention.log_days", "90", _number, "Days that logs and histories are kept."),
    (
        "web.base.url",
        "",
        _text,
        "Public address of the pages, for links in mails; empty: from the configuration.",
    ),
)

PARAMETERS: Mapping[str, ParameterSpec] = {
    key: ParameterSpec(key=key, default=default, clean=clean, help=help_text)
    for key, default, clean, help_text in _TABLE
}


@dataclass(frozen=True, slots=True)
class Parameters:
    """The values in force. A key that is not stored has its default."""

    stored: Mapping[str, str]

    def text(self, key: str) -> str:
        return self.stored.get(key, PARAMETERS[key].default)

    def number(self, key: str) -> int:
        return int(self.text(key) or PARAMETERS[key].default)

    def is_on(self, key: str) -> bool:
        return self.text(key) == "1"

    def words(self, key: str) -> tuple[str, ...]:
        return tuple(part.strip() for part in self.text(key).split(",") if part.strip())
