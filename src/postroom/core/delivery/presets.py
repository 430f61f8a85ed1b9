"""What providers of outgoing mail want: host, port, encryption, and what has to be done at their side first.

Laws: a preset fills a form and explains, it decides nothing later; every number of it may be changed. Limits are those of the
provider's ordinary account (mails a day, RFC 5321 recipients counted one by one); where they depend on the plan the number is 0
and the words say so. Port 25 is nobody's preset but that of a relay in the own house: networks block it (RFC 8314 3.3, RFC 6409 3.1).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType

from postroom.core.terms.encryption import Encryption

SUBMISSION_PORTS: tuple[tuple[int, Encryption], ...] = (
    (587, Encryption.STARTTLS),
    (465, Encryption.TLS),
    (2525, Encryption.STARTTLS),
)
_USUAL = dict(SUBMISSION_PORTS)


@dataclass(frozen=True, slots=True, kw_only=True)
class Preset:
    """``needs``: sentences, one thing to do each. ``ports`` are those that are offered, the preferred one first.

    ``signs_dkim``: whether *we* sign; off where the provider does it. ``host_ends`` recognise its hosts.
    """

    key: str
    label: str
    host: str = ""
    port: int = 587
    encryption: Encryption = Encryption.STARTTLS
    ports: tuple[tuple[int, Encryption], ...] = SUBMISSION_PORTS
    needs: tuple[str, ...] = ()
    username: str = ""  # where it is the same for everybody
    username_hint: str = "Your login there."
    envelope_sender: str = "signed"
    daily_limit: int = 0
    per_minute_limit: int = 0
    limit_note: str = ""
    max_connections: int = 10
    mails_per_connection: int = 100
    spf_include: str = ""
    dkim_selectors: tuple[str, ...] = ()
    signs_dkim: bool = False
    host_ends: tuple[str, ...] = ()

    def values(self) -> dict[str, object]:
        """What it fills in, by the names of a server's columns."""
        return {
            "preset": self.key,
            "host": self.host,
            "port": self.port,
            "encryption": self.encryption.value,
            "username": self.username,
            "envelope_sender": self.envelope_sender,
            "daily_limit": self.daily_limit,
            "per_minute_limit": self.per_minute_limit,
            "max_connections": self.max_connections,
            "mails_per_connection": self.mails_per_connection,
            "signs_dkim": self.signs_dkim,
        }


class PortAdvice(StrEnum):
    """What is to be said about a port and its encryption."""

    BLOCKED = "blocked"  # port 25, out of the house
    WANTS_TLS = "wants_tls"
    WANTS_STARTTLS = "wants_starttls"
    IN_CLEAR = "in_clear"  # a login without encryption


_TABLE = (
    Preset(
        key="gmail",
        label="Gmail and Google Workspace",
        host="smtp.gmail.com",
        ports=SUBMISSION_PORTS[:2],
        needs=(
            "Switch on 2-Step Verification for the Google account (Google Account, Security).",
            "Make an app password there (Security, App passwords) and enter its 16 letters here, not your own password.",
            "Put your address into the FROM filter: Gmail sends as the login, and as addresses confirmed under Send mail as, alone.",
        ),
        username_hint="The whole Gmail address.",
        envelope_sender="login",
        daily_limit=500,
        limit_note="500 mails a day, 2,000 with Workspace. Fine for trying out and for few mails; for more, use a provider made for it.",
        max_connections=3,
        spf_include="_spf.google.com",
        dkim_selectors=("google",),
        host_ends=("smtp.gmail.com", "smtp-relay.gmail.com", "smtp.googlemail.com"),
    ),
    Preset(
        key="microsoft365",
        label="Microsoft 365",
        host="smtp.office365.com",
        ports=SUBMISSION_PORTS[:1],
        needs=(
            "Enable Authenticated SMTP for this mailbox (Microsoft 365 admin center, Users, Active users, Mail, Manage email apps).",
            "With security defaults or multi-factor login use an app password, or an OAuth2 token: passwords are being switched off.",
            "The From must be the mailbox, or one for which it holds the right Send As.",
        ),
        username_hint="The mailbox's whole address.",
        envelope_sender="login",
        daily_limit=10_000,
        per_minute_limit=30,
        limit_note="10,000 recipients a day and 30 mails a minute for a mailbox.",
        max_connections=3,
        spf_include="spf.protection.outlook.com",
        dkim_selectors=("selector1", "selector2"),
        host_ends=("smtp.office365.com", "smtp-mail.outlook.com", "mail.protection.outlook.com"),
    ),
    Preset(
        key="ses",
        label="Amazon SES",
        host="email-smtp.us-east-1.amazonaws.com",
        needs=(
            "Make SMTP credentials (SES console, SMTP settings): they are not the keys of an IAM user, and hold for one region.",
            "Take the host of your region: email-smtp.REGION.amazonaws.com.",
            "Verify the domain or address of the From (Verified identities), and ask to leave the sandbox before writing to strangers.",
        ),
        username_hint="The SMTP user name (20 letters and digits).",
        limit_note="The daily quota depends on the account: see the SES console, Account dashboard.",
        spf_include="amazonses.com",
        host_ends=("amazonaws.com", "amazonaws.com.cn"),
    ),
    Preset(
        key="sendgrid",
        label="SendGrid",
        host="smtp.sendgrid.net",
        needs=(
            "Make an API key with the right Mail Send (Settings, API Keys): it is the password; the user name is the word apikey.",
            "Verify the From as a Sender Identity: the whole domain (Sender Authentication) or a single sender.",
        ),
        username="apikey",
        username_hint="The word apikey, for everybody.",
        limit_note="The daily number depends on the plan.",
        spf_include="sendgrid.net",
        dkim_selectors=("s1", "s2"),
        host_ends=("sendgrid.net",),
    ),
    Preset(
        key="mailgun",
        label="Mailgun",
        host="smtp.mailgun.org",
        needs=(
            "Verify your sending domain (Sending, Domains) and make SMTP credentials for it.",
            "Domains in the EU region use smtp.eu.mailgun.org.",
            "The From lies in that domain; sandbox domains write to authorised recipients alone.",
        ),
        username_hint="postmaster@ and the sending domain.",
        limit_note="The daily number depends on the plan.",
        spf_include="mailgun.org",
        dkim_selectors=("mailo", "k1", "smtp", "pic"),
        host_ends=("mailgun.org",),
    ),
    Preset(
        key="postmark",
        label="Postmark",
        host="smtp.postmarkapp.com",
        needs=(
            "Enter the Server API token (Servers, API Tokens) both as user name and as password.",
            "Verify the domain of the From, or a Sender Signature for the address.",
            "Campaigns need a broadcast stream of their own: add a second server for it.",
        ),
        username_hint="The Server API token; the password is the same.",
        limit_note="The monthly number depends on the plan.",
        spf_include="spf.mtasv.net",
        dkim_selectors=("pm",),
        host_ends=("postmarkapp.com",),
    ),
    Preset(
        key="brevo",
        label="Brevo",
        host="smtp-relay.brevo.com",
        needs=(
            "Make an SMTP key (SMTP & API, SMTP): it is the password, not that of your account.",
            "Verify the sender or authenticate its domain (Senders, Domains & Dedicated IPs).",
        ),
        username_hint="The login shown beside the SMTP key.",
        limit_note="The free plan sends 300 mails a day.",
        spf_include="spf.brevo.com",
        dkim_selectors=("brevo1", "brevo2", "mail"),
        host_ends=("brevo.com", "sendinblue.com"),
    ),
    Preset(
        key="mailjet",
        label="Mailjet",
        host="in-v3.mailjet.com",
        needs=(
            "The API key is the user name and the secret key the password (Account settings, SMTP and SEND API).",
            "Validate the sender address or its whole domain (Senders & Domains).",
        ),
        username_hint="The API key.",
        limit_note="The free plan sends 200 mails a day.",
        spf_include="spf.mailjet.com",
        dkim_selectors=("mailjet",),
        host_ends=("mailjet.com",),
    ),
    Preset(
        key="postfix",
        label="Postfix on this machine or network",
        host="localhost",
        port=25,
        encryption=Encryption.NONE,
        ports=((25, Encryption.NONE), (587, Encryption.STARTTLS), (465, Encryption.TLS)),
        needs=(
            "Let Postfix relay for this machine: its address in mynetworks, or a login on the submission port.",
            "Postfix needs a name in the DNS both ways (PTR) and its address in the SPF record of your domain.",
            "Nobody else signs: switch on signing with DKIM here, or run OpenDKIM or rspamd there.",
        ),
        username_hint="Empty where the address alone is trusted.",
        mails_per_connection=1000,
        signs_dkim=True,
        host_ends=("localhost", "127.0.0.1", "::1"),
    ),
    Preset(
        key="mailcow",
        label="Mailcow",
        host="mail.example.com",
        ports=SUBMISSION_PORTS[:2],
        needs=(
            "Put the name of your mailcow into the host, as its certificate has it.",
            "Use a mailbox, or an app password of it with the right SMTP.",
            "The From must be the mailbox or an alias of it; let the mailbox send as the whole domain if others write, too.",
        ),
        username_hint="The mailbox's whole address.",
        envelope_sender="login",
        dkim_selectors=("dkim",),
    ),
    Preset(
        key="custom",
        label="Another server",
        needs=(
            "Ask its operator for host, port, encryption and login.",
            "Port 587 with STARTTLS or 465 with TLS; 2525 where these are blocked. Port 25 is blocked by most networks.",
        ),
        signs_dkim=True,
    ),
)

PRESETS: Mapping[str, Preset] = MappingProxyType({preset.key: preset for preset in _TABLE})
CUSTOM = PRESETS["custom"]


def preset_named(key: str) -> Preset:
    """The preset of this key; what is not known any more is custom."""
    return PRESETS.get(key, CUSTOM)


def recognise(host: str) -> Preset:
    """The provider to whom a host belongs, else custom."""
    name = host.strip().rstrip(".").lower()
    for preset in _TABLE:
        if any(name == end or name.endswith(f".{end}") for end in preset.host_ends):
            return preset
    return CUSTOM


def advise_on_port(host: str, port: int, encryption: Encryption, *, has_login: bool = False) -> PortAdvice | None:
    """The first thing that is odd about them, or nothing."""
    is_local = recognise(host).key == "postfix"
    if port == 25 and not is_local:
        return PortAdvice.BLOCKED
    usual = _USUAL.get(port)
    if usual is Encryption.TLS and encryption is not Encryption.TLS:
        return PortAdvice.WANTS_TLS
    if usual is Encryption.STARTTLS and encryption is Encryption.TLS:
        return PortAdvice.WANTS_STARTTLS
    if has_login and encryption is Encryption.NONE and not is_local:
        return PortAdvice.IN_CLEAR
    return None
