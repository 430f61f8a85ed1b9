"""What providers of mailboxes want: host, port, encryption, and what has to be done at their side before anything can be fetched.

Laws: a preset fills a form and explains, it decides nothing later.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from postroom.core.terms.encryption import Encryption


@dataclass(frozen=True, slots=True, kw_only=True)
class MailboxPreset:
    """``needs``: sentences, one thing to do each. ``token_source``: who gives access tokens, where passwords are not taken.

    ``host_ends`` recognise its hosts; ``pop3_host`` is empty where there is no POP3. ``authserv_ids``: under which name it says who
    wrote a mail (RFC 8601), and takes away what others say under it; ``-``: under none.
    """

    key: str
    label: str
    host: str = ""
    port: int = 993
    encryption: Encryption = Encryption.TLS
    pop3_host: str = ""
    needs: tuple[str, ...] = ()
    username_hint: str = "The whole address of the mailbox."
    login_cure: str = ""
    token_source: str = ""
    host_ends: tuple[str, ...] = ()
    authserv_ids: str = ""

    def values(self, protocol: str = "imap") -> dict[str, object]:
        """What it fills in, by the names of a mailbox's columns."""
        is_pop3 = protocol == "pop3" and bool(self.pop3_host)
        return {
            "preset": self.key,
            "protocol": "pop3" if is_pop3 else "imap",
            "host": self.pop3_host if is_pop3 else self.host,
            "port": 995 if is_pop3 else self.port,
            "encryption": self.encryption.value,
            "authentication": "token" if self.token_source else "password",
            "token_source": self.token_source,
            "authserv_ids": self.authserv_ids,
        }


_MAKE_ONE = "Make an app password in the account's security settings and enter it here, not your own password."

_TABLE = (
    MailboxPreset(
        key="gmail",
        label="Gmail and Google Workspace",
        host="imap.gmail.com",
        pop3_host="pop.gmail.com",
        needs=(
            "Switch IMAP on in Gmail: Settings, See all settings, Forwarding and POP/IMAP, IMAP access. (New personal accounts have it on.)",
            "In Google Workspace the administrator has to allow it for the organisation: Apps, Google Workspace, Gmail, End user access.",
            "Switch on 2-Step Verification and make an app password (Google Account, Security, App passwords); or use OAuth2 with the "
            "token source google.",
        ),
        login_cure="Google takes no account password from programs: enter an app password (it needs 2-Step Verification), or use "
        "OAuth2. IMAP must be on in Gmail's settings, and in Google Workspace for the organisation.",
        host_ends=("gmail.com", "googlemail.com"),
        authserv_ids="mx.google.com",
    ),
    MailboxPreset(
        key="microsoft365",
        label="Microsoft 365",
        host="outlook.office365.com",
        pop3_host="outlook.office365.com",
        needs=(
            "Microsoft takes no passwords for IMAP and POP3: save the mailbox, then press Connect with Microsoft (OAuth2). The application that is "
            "registered there has the delegated permissions IMAP.AccessAsUser.All and offline_access.",
            "IMAP must be on for the mailbox: Microsoft 365 admin center, Users, Active users, the mailbox, Mail, Manage email apps, IMAP.",
            "A shared mailbox is read with the login of somebody who has full access to it.",
        ),
        login_cure="Microsoft 365 takes OAuth2 alone for IMAP and POP3. Choose the login by access token, and check that IMAP is on for the "
        "mailbox (admin center, Users, Active users, Mail, Manage email apps).",
        token_source="microsoft",  # noqa: S106 - a name
        host_ends=("office365.com", "outlook.com", "hotmail.com"),
        authserv_ids="-",
    ),
    MailboxPreset(
        key="yahoo",
        label="Yahoo",
        host="imap.mail.yahoo.com",
        pop3_host="pop.mail.yahoo.com",
        needs=("Make an app password: Yahoo account, Security, Generate app password, and enter it here.",),
        login_cure="Yahoo wants an app password, made in the account's security settings.",
        host_ends=("mail.yahoo.com",),
    ),
    MailboxPreset(
        key="icloud",
        label="iCloud Mail",
        host="imap.mail.me.com",
        needs=(
            "Switch on two-factor authentication for the Apple account.",
            "Make an app-specific password at account.apple.com (Sign-In and Security) and enter it here.",
        ),
        username_hint="What stands before the @ of your iCloud address; if that fails, the whole address.",
        login_cure="iCloud wants an app-specific password, made at account.apple.com.",
        host_ends=("mail.me.com", "icloud.com"),
    ),
    MailboxPreset(
        key="gmx",
        label="GMX",
        host="imap.gmx.net",
        pop3_host="pop.gmx.net",
        needs=(
            "Allow POP3 and IMAP in GMX: E-Mail, Settings, POP3 & IMAP.",
            "With two-factor authentication: " + _MAKE_ONE,
        ),
        login_cure="Allow POP3 and IMAP in GMX's settings; with two-factor authentication an app password is needed.",
        host_ends=("gmx.net", "gmx.com", "gmx.de"),
    ),
    MailboxPreset(
        key="ionos",
        label="IONOS",
        host="imap.ionos.com",
        pop3_host="pop.ionos.com",
        needs=(
            "Enter the password of the mailbox, not that of the customer account.",
            "In Germany the host is imap.ionos.de, in the United Kingdom imap.ionos.co.uk.",
        ),
        login_cure="Enter the password of the mailbox itself, not that of the customer account; the host differs by country.",
        host_ends=("ionos.com", "ionos.de", "ionos.co.uk", "ionos.fr", "ionos.es", "ionos.it"),
    ),
    MailboxPreset(
        key="mailcow",
        label="Mailcow",
        needs=(
            "The host is that of your Mailcow (mail.example.com).",
            "Allow IMAP for the mailbox, and make an app password for it (user settings, App passwords) where two-factor login is on.",
        ),
        login_cure="Check that IMAP is allowed for the mailbox in Mailcow; with two-factor login it wants an app password.",
    ),
    MailboxPreset(
        key="dovecot",
        label="Dovecot",
        needs=(
            "The host by the name in its certificate; port 993 with TLS, or 143 with STARTTLS.",
            "On the same machine it may be 127.0.0.1 and port 143 without encryption, if Dovecot allows it.",
        ),
        username_hint="The login, as Dovecot's user database has it (often the whole address).",
    ),
    MailboxPreset(
        key="custom",
        label="Another server",
        needs=("Host, port and encryption as the provider names them: IMAP 993 with TLS, POP3 995 with TLS.",),
        username_hint="Mostly the whole address.",
    ),
)

MAILBOX_PRESETS: Mapping[str, MailboxPreset] = MappingProxyType({preset.key: preset for preset in _TABLE})


def mailbox_preset(key: str) -> MailboxPreset:
    """This one; custom when there is none of that key."""
    return MAILBOX_PRESETS.get(key, MAILBOX_PRESETS["custom"])


def preset_of_mailbox(host: str) -> MailboxPreset:
    """Whose host it is; custom for one that nobody knows."""
    name = host.strip().lower().rstrip(".")
    for preset in _TABLE:
        if any(name == end or name.endswith(f".{end}") for end in preset.host_ends):
            return preset
    return MAILBOX_PRESETS["custom"]
