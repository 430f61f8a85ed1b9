"""System parameters: every key that users know, with default, meaning and what may stand in it.

Duty: one table. Laws: pure; a value that cannot be used raises `ParameterError` saying what would be right;
the stored form is a text. ``docs/reference/parameters.md`` is made from this table.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from postroom.core.terms.addresses import normalize, normalize_domain
from postroom.core.terms.networks import read_network

LONGEST_UNDO = 120  # seconds
LONGEST_CHECK = 30  # seconds


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


def _check_seconds(value: str) -> str:
    number = _number(value)
    if not 1 <= int(number) <= LONGEST_CHECK:
        raise ParameterError(f"From 1 to {LONGEST_CHECK} seconds.")
    return number


def _networks(value: str) -> str:
    words = [word.strip() for word in value.split(",") if word.strip()]
    for word in words:
        try:
            read_network(word)
        except ValueError:
            raise ParameterError(f"{word!r} is no address and no network, such as: 192.0.2.1, 10.0.0.0/8") from None
    return ",".join(words)


def _place(value: str) -> str:
    """A host with a port; an IPv6 address in brackets."""
    text = value.strip()
    if text and not _PLACE.fullmatch(text):
        raise ParameterError(f"{value!r} is no host with a port, such as: localhost:783")
    return text


_PLACE = re.compile(r"(?:[A-Za-z0-9._-]{1,253}|\[[0-9A-Fa-f:.]{2,45}\]):\d{1,5}")


def read_place(text: str) -> tuple[str, int]:
    """``localhost:783`` as host and port. Raises `ParameterError`."""
    host, _, port = _place(text).rpartition(":")
    if not host or not 0 < int(port) < 65_536:
        raise ParameterError(f"{text!r} is no host with a port, such as: localhost:783")
    return host.strip("[]"), int(port)


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
    if not domain or "_" in domain or "[" in domain:  # records stand below such names, mail does not
        raise ParameterError(f"{value!r} is no domain name.")
    return domain


def _directory(value: str) -> str:
    text = value.strip().rstrip("/")
    if text and not re.fullmatch(r"https://[a-z0-9.-]+(:\d{1,5})?(/[A-Za-z0-9._~/-]*)?", text):
        raise ParameterError(f"An address with https:// is needed, without a query, not {value!r}.")
    return text


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


_FAULTS = ("address", "mailbox", "full", "policy", "sender", "server", "network")


def _faults(value: str) -> str:
    """``Address, mailbox`` is stored ``address,mailbox``."""
    words = [part.strip().lower() for part in value.split(",") if part.strip()]
    if not set(words) <= set(_FAULTS):
        raise ParameterError(f"Words separated by commas, out of: {', '.join(_FAULTS)}.")
    return ",".join(word for word in _FAULTS if word in words)


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
        "mail.dmarc.address",
        "dmarc",
        _local_or_address,
        "Where receivers send their reports (DMARC, SMTP TLS): a local part on each of our domains, or one address. It stands in the DNS "
        "records to publish; reports that come there are read and make no record. Empty: none are asked for.",
    ),
    (
        "mail.catchall.domain.allowed",
        "",
        _domains,
        "Foreign domains for which aliases that match by local part are accepted, separated by commas.",
    ),
    (
        "mail.authentication.check",
        "1",
        _switch,
        "Whether it is checked who sent incoming mail (SPF, DKIM, DMARC, ARC).",
    ),
    (
        "mail.authentication.servers",
        "",
        _text,
        "Servers whose Authentication-Results count for mail from LMTP, the pipe and relays: authserv-ids, separated by commas.",
    ),
    (
        "mail.authentication.relays",
        "",
        _networks,
        "Own servers that hand over other people's mail to the SMTP door: addresses and networks, separated by commas.",
    ),
    (
        "mail.authentication.sealers",
        "",
        _domains,
        "Domains whose ARC seals count: mailing lists and forwarders that you know, separated by commas.",
    ),
    (
        "mail.authentication.seconds",
        "5",
        _check_seconds,
        "Seconds that the check of one sender may take; then the mail is routed without proof.",
    ),
    ("mail.gateway.loop.minutes", "120", _number, "Window of the loop breaker, in minutes."),
    (
        "mail.gateway.loop.threshold",
        "20",
        _number,
        "Records one sender may make through one alias within the window, and replies to one record; all senders together: five times as many; 0: the loop breaker is off.",
    ),
    ("mail.gateway.allowed", "", _text, "Addresses and domains that the loop breaker lets pass, separated by commas."),
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
        "mail.upload.files",
        "20",
        _number,
        "How many files one message written on a page may have.",
    ),
    (
        "mail.upload.size",
        "25",
        _number,
        "How large, in MB, the files of one message written on a page may be together.",
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
    (
        "mail.suppression.bounces",
        "5",
        _number,
        "Bounces after which campaigns leave an address out; 0: only a proof that it does not exist, or a complaint, does that.",
    ),
    ("mail.suppression.within_days", "30", _number, "Days within which these bounces must lie."),
    (
        "mail.suppression.spread_days",
        "7",
        _number,
        "Days that must be exceeded between the first and the last of them: one bad week is not enough.",
    ),
    (
        "mail.suppression.faults",
        "address,mailbox",
        _faults,
        "Whose fault a bounce must be to count: address, mailbox, full (a full mailbox), policy, sender, server, network; "
        "separated by commas.",
    ),
    (
        "mail.suppression.expiry_days",
        "0",
        _number,
        "Days after which an address that was left out because of bounces is written to again; 0: never by itself.",
    ),
    (
        "mail.mailbox.silence.hours",
        "24",
        _number,
        "Hours without mail after which a mailbox may be called silent; it must also be five times its usual longest pause.",
    ),
    ("retention.raw_days", "400", _number, "Days that raw inbound mail is kept."),
    (
        "retention.delivery_days",
        "90",
        _number,
        "Days that deliveries, their attempts and contents, and captured mail are kept; never under 35.",
    ),
    ("retention.held_days", "60", _number, "Days that held mail is kept."),
    (
        "retention.bounce_days",
        "400",
        _number,
        "Days that bounces and complaints are kept as evidence, and suppressions after their end; never under 35.",
    ),
    ("retention.report_days", "400", _number, "Days that receivers' reports (DMARC, SMTP TLS) are kept."),
    ("retention.draft_days", "60", _number, "Days that what somebody began to write and never sent is kept."),
    ("retention.log_days", "90", _number, "Days that logs and histories are kept."),
    (
        "mail.images.private_networks",
        "",
        _networks,
        "Networks of your own from which pictures in mails may be fetched, such as 10.1.2.0/24. Empty: only public addresses are asked.",
    ),
    (
        "mail.setup.directory",
        "",
        _directory,
        "Directory of providers (in the format of Mozilla's autoconfig) that the set-up asks about a mail domain, such as "
        "https://autoconfig.thunderbird.net/v1.1. Empty: only the domain's own servers are asked.",
    ),
    (
        "mail.test.spamd",
        "",
        _place,
        "Where a spamd (SpamAssassin) listens that the mail test asks, such as localhost:783. Empty: none is asked.",
    ),
    (
        "doctor.blocklists",
        "",
        _domains,
        "Blocklists (DNSBL) that the doctor asks about the addresses of own relays, such as zen.spamhaus.org; separated by commas. Empty: none is asked.",
    ),
    (
        "doctor.watch.mail",
        "administrators",
        _text,
        "Who hears by mail what the doctor's watch finds: administrators (of the house), nobody, or addresses separated by commas.",
    ),
    (
        "doctor.watch.private_networks",
        "",
        _networks,
        "Networks of your own to which the doctor's watch may post its news, such as 10.1.2.0/24. Empty: only to public addresses.",
    ),
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
