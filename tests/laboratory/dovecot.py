"""A private Dovecot 2.3: mailboxes for the people of a test, with IMAP, IMAPS, POP3, POP3S and LMTP.

Laws: whoever has no mailbox is refused at LMTP with 550 5.1.1. All that it holds lives in its directory.
Runs as root (its processes then run as dovecot, dovenull and nobody) and as an ordinary user alike.
"""

from __future__ import annotations

import grp
import imaplib
import os
import pwd
import re
import smtplib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from imapclient import imap_utf7

from tests.laboratory.certificates import Certificates, make_certificates
from tests.laboratory.daemon import Daemon, find_program
from tests.laboratory.ports import LOOPBACK, greeting
from tests.laboratory.waiting import wait_until

CONFIG = """\
base_dir = {run}
state_dir = {home}/state
log_path = {home}/dovecot.log
instance_name = {name}
protocols = imap pop3 lmtp
listen = 127.0.0.1
login_greeting = {greeting}
default_internal_user = {internal_user}
default_internal_group = {internal_group}
default_login_user = {login_user}
default_vsz_limit = 0
first_valid_uid = 1
last_valid_uid = 0
first_valid_gid = 1
mail_location = {mail_location}
mail_fsync = never
mail_max_userip_connections = 0
mailbox_idle_check_interval = 1s
recipient_delimiter = +
lmtp_save_to_detail_mailbox = no
disable_plaintext_auth = no
auth_mechanisms = plain login
auth_failure_delay = 0
auth_username_format = %Lu
ssl = yes
ssl_cert = <{certificate}
ssl_key = <{key}
passdb {{
  driver = passwd-file
  args = scheme=PLAIN username_format=%Lu {home}/users
}}
userdb {{
  driver = passwd-file
  args = username_format=%Lu {home}/users
}}
namespace inbox {{
  inbox = yes
  separator = /
}}
service anvil {{
  chroot =
  unix_listener anvil-auth-penalty {{
    mode = 0
  }}
}}
service auth {{
  unix_listener {auth_socket} {{
    mode = 0666
  }}
}}
service imap-login {{
  chroot =
  inet_listener imap {{
    port = {imap}
  }}
  inet_listener imaps {{
    port = {imaps}
    ssl = yes
  }}
}}
service pop3-login {{
  chroot =
  inet_listener pop3 {{
    port = {pop3}
  }}
  inet_listener pop3s {{
    port = {pop3s}
    ssl = yes
  }}
}}
service lmtp {{
  inet_listener lmtp {{
    port = {lmtp}
  }}
}}
protocol lmtp {{
  postmaster_address = postmaster@lab.test
}}
"""


class Dovecot(Daemon):
    """``users`` maps addresses to passwords. ``settings`` is added to dovecot.conf as it is."""

    name = "dovecot"

    def __init__(
        self, users: Mapping[str, str], *, mail_location: str = "maildir:~/Maildir", settings: str = ""
    ) -> None:
        super().__init__()
        self.users = {address.lower(): password for address, password in users.items()}
        self.mail_location = mail_location
        self.settings = settings
        self.certificates: Certificates | None = None

    @property
    def imap_port(self) -> int:
        """IMAP in clear text, STARTTLS offered."""
        return self.port("imap")

    @property
    def imaps_port(self) -> int:
        return self.port("imaps")

    @property
    def pop3_port(self) -> int:
        """POP3 in clear text, STLS offered."""
        return self.port("pop3")

    @property
    def pop3s_port(self) -> int:
        return self.port("pop3s")

    @property
    def lmtp_port(self) -> int:
        return self.port("lmtp")

    @property
    def lmtp_transport(self) -> str:
        """This mailbox server as a transport of Postfix."""
        return f"lmtp:inet:{LOOPBACK}:{self.lmtp_port}"

    @property
    def auth_socket(self) -> Path:
        """Where a Postfix asks for logins (SASL)."""
        return self.directory / "auth"

    @property
    def ca_file(self) -> Path:
        """The authority that signed this server's certificate (for localhost and 127.0.0.1)."""
        assert self.certificates is not None, "it has not started"
        return self.certificates.ca_file

    def mails(self, user: str, folder: str = "INBOX") -> list[bytes]:
        """All mails of a folder, oldest first, as IMAP shows them; reading marks nothing."""
        with self.open_mailbox(user, folder) as box:
            _, found = box.uid("search", "ALL")
            uids = found[0].split() if found and found[0] else []
            if not uids:
                return []
            _, rows = box.uid("fetch", b",".join(uids).decode(), "(UID BODY.PEEK[])")
            return [row[1] for row in rows if isinstance(row, tuple)]

    def flags(self, user: str, folder: str = "INBOX") -> list[frozenset[str]]:
        r"""The flags of each mail of a folder, such as ``\Seen``, oldest first."""
        with self.open_mailbox(user, folder) as box:
            _, rows = box.fetch("1:*", "(FLAGS)")
            return [frozenset(map(bytes.decode, imaplib.ParseFlags(row))) for row in rows if isinstance(row, bytes)]

    def wait_for_mail(self, user: str, count: int = 1, deadline: float = 60.0, folder: str = "INBOX") -> list[bytes]:
        """The mails of a folder as soon as there are at least ``count``."""

        def enough() -> list[bytes]:
            mails = self.mails(user, folder)
            return mails if len(mails) >= count else []

        return wait_until(enough, f"{user} has {count} mails in {folder}", deadline)

    def deliver(self, user: str, raw: bytes, mail_from: str = "carla@customer.example") -> None:
        """Put a mail into a mailbox through LMTP; raises `smtplib.SMTPException` when it is refused."""
        with smtplib.LMTP(LOOPBACK, self.lmtp_port, timeout=60) as peer:
            peer.sendmail(mail_from, [user], raw)

    def append(self, user: str, raw: bytes, folder: str = "INBOX") -> None:
        """Put a mail into a folder as a mail program would; the folder is made when missing."""
        with self.open_mailbox(user) as box:
            box.create(_wire_name(folder))
            box.append(_wire_name(folder), "", "", raw)

    def recreate(self, user: str, folder: str) -> None:
        """Delete a folder and make it anew: its UIDVALIDITY changes."""
        with self.open_mailbox(user) as box:
            box.delete(_wire_name(folder))
            box.create(_wire_name(folder))

    @contextmanager
    def open_mailbox(self, user: str, folder: str = "INBOX") -> Iterator[imaplib.IMAP4]:
        """A plain IMAP session of this user with the folder selected."""
        box = imaplib.IMAP4(LOOPBACK, self.imap_port, timeout=60)
        try:
            box.login(user, self.users[user.lower()])
            answer, _ = box.select(_wire_name(folder))
            if answer == "OK":
                yield box
            else:
                raise LookupError(f"{user} has no folder {folder}")
        finally:
            box.logout()

    def log(self) -> str:
        file = self.directory / "dovecot.log"
        return file.read_text(encoding="utf-8", errors="replace") if file.exists() else ""

    def port_names(self) -> Sequence[str]:
        return ("imap", "imaps", "pop3", "pop3s", "lmtp")

    def command(self) -> Sequence[str]:
        return (find_program("dovecot"), "-F", "-c", str(self.directory / "dovecot.conf"))

    def is_ready(self) -> bool:
        ours = (self.imap_port, self.pop3_port, self.lmtp_port)
        return all(self.directory.name in greeting(port) for port in ours) and self.auth_socket.exists()

    def prepare(self) -> None:
        self.certificates = make_certificates(self.directory)
        mail_user = _mail_user()
        home = self.directory / "mail"
        home.mkdir(mode=0o700)
        if os.geteuid() == 0:
            os.chown(home, mail_user.pw_uid, mail_user.pw_gid)
        self._write_users(mail_user, home)
        internal, login = _internal_users()
        config = CONFIG.format(
            home=self.directory,
            run=self.directory / "run",
            name=self.directory.name,
            greeting=self.directory.name,
            internal_user=internal.pw_name,
            internal_group=grp.getgrgid(internal.pw_gid).gr_name,
            login_user=login.pw_name,
            mail_location=self.mail_location,
            certificate=self.certificates.certificate,
            key=self.certificates.key,
            auth_socket=self.auth_socket,
            **{name: str(port) for name, port in self.ports.items()},
        )
        (self.directory / "dovecot.conf").write_text(config + self.settings)

    def _write_users(self, mail_user: pwd.struct_passwd, home: Path) -> None:
        lines = []
        for address, password in self.users.items():
            if not re.fullmatch(r"[^:\s/]+@[^:\s/]+", address) or ":" in password:
                raise ValueError(f"not a user that a passwd-file can hold: {address}")
            lines.append(f"{address}:{{PLAIN}}{password}:{mail_user.pw_uid}:{mail_user.pw_gid}::{home}/{address}::\n")
        users = self.directory / "users"
        users.write_text("".join(lines), encoding="utf-8")
        users.chmod(0o644)


def _wire_name(folder: str) -> str:
    """A folder's name as IMAP wants it: quoted, in modified UTF-7."""
    name: bytes = imap_utf7.encode(folder)
    return '"' + name.decode("ascii").replace("\\", "\\\\").replace('"', '\\"') + '"'


def _mail_user() -> pwd.struct_passwd:
    """Who owns the mails: root must not, so nobody does."""
    return pwd.getpwnam("nobody") if os.geteuid() == 0 else pwd.getpwuid(os.geteuid())


def _internal_users() -> tuple[pwd.struct_passwd, pwd.struct_passwd]:
    """Who runs Dovecot's own processes and its logins."""
    if os.geteuid() != 0:
        me = pwd.getpwuid(os.geteuid())
        return me, me
    return pwd.getpwnam("dovecot"), pwd.getpwnam("dovenull")
