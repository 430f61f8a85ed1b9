"""A private Postfix: smtpd on loopback, the routes that the test names, and nothing else in the world.

Laws: what has no route is refused at RCPT (554 5.7.1); mail is never sent beyond 127.0.0.1 (no DNS, source
address pinned to loopback, every default transport is an error). It never speaks to the system's own Postfix.
Needs root, as Postfix does, and the users postfix and group postdrop that its package makes.
"""

from __future__ import annotations

import grp
import json
import os
import pwd
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tests.laboratory.certificates import Certificates, make_certificates
from tests.laboratory.daemon import Daemon, find_program
from tests.laboratory.ports import LOOPBACK, greeting
from tests.laboratory.waiting import Overdue, wait_until

QUEUES = ["incoming", "active", "deferred", "defer", "bounce", "corrupt", "flush", "hold", "saved", "trace"]
MASTER_CF = """\
{smtp} inet n - n - - smtpd
{submission}
pickup unix n - n 60 1 pickup
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
tlsmgr unix - - n 1000? 1 tlsmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
verify unix - - n - 1 verify
flush unix n - n 1000? 0 flush
proxymap unix - - n - - proxymap
proxywrite unix - - n - 1 proxymap
smtp unix - - n - - smtp
relay unix - - n - - smtp
lmtp unix - - n - - lmtp
showq unix n - n - - showq
error unix - - n - - error
retry unix - - n - - error
discard unix - - n - - discard
anvil unix - - n - 1 anvil
scache unix - - n - 1 scache
postlog unix-dgram n - n - 1 postlogd
"""
SUBMISSION = """\
{port} inet n - n - - smtpd
  -o smtpd_tls_security_level=encrypt
  -o smtpd_sasl_auth_enable=yes
  -o smtpd_client_restrictions=permit_sasl_authenticated,reject
"""


class Postfix(Daemon):
    """``relays`` maps each domain that is accepted to a Postfix transport.

    For example ``{"in.test": "lmtp:inet:127.0.0.1:2424", "out.test": "smtp:[127.0.0.1]:2525",
    "void.test": "discard:", "bad.test": "error:5.1.2 no such domain"}`` (the last is refused at RCPT with
    these words). With ``auth_socket`` (a Dovecot's) there is a submission port with STARTTLS and SASL.
    ``settings`` overrides lines of main.cf, ``services`` adds to master.cf.
    """

    name = "postfix"

    def __init__(
        self,
        relays: Mapping[str, str],
        *,
        auth_socket: Path | None = None,
        settings: Mapping[str, str] | None = None,
        services: str = "",
    ) -> None:
        super().__init__()
        self.relays = dict(relays)
        self.auth_socket = auth_socket
        self.settings = dict(settings or {})
        self.services = services
        self.certificates: Certificates | None = None

    @property
    def smtp_port(self) -> int:
        return self.port("smtp")

    @property
    def submission_port(self) -> int:
        """STARTTLS and login required; only with ``auth_socket``."""
        return self.port("submission")

    @property
    def ca_file(self) -> Path:
        """The authority that signed this server's certificate (for localhost and 127.0.0.1)."""
        assert self.certificates is not None, "it has not started"
        return self.certificates.ca_file

    def queue(self) -> list[dict[str, Any]]:
        """What ``postqueue -j`` says: a dictionary per mail with queue_name, sender, recipients and more."""
        return [json.loads(line) for line in self._run("postqueue", "-j").splitlines() if line.strip()]

    def flush(self) -> None:
        """Try everything in the queue again, now."""
        self._run("postqueue", "-f")

    def log(self) -> str:
        """All that its daemons logged so far."""
        file = self.directory / "mail.log"
        return file.read_text(encoding="utf-8", errors="replace") if file.exists() else ""

    def wait_for_log(self, text: str, deadline: float = 60.0) -> str:
        """The first line of the log that contains ``text``."""

        def line() -> str:
            return next((line for line in self.log().splitlines() if text in line), "")

        try:
            return wait_until(line, f"the log of Postfix says {text!r}", deadline)
        except Overdue as error:
            raise Overdue(f"{error}\n{self.log()}") from None

    def wait_until_idle(self, deadline: float = 60.0) -> None:
        """Until nothing is left in the queue."""
        wait_until(lambda: not self.queue(), "the queue of Postfix is empty", deadline)

    def port_names(self) -> Sequence[str]:
        return ("smtp", "submission") if self.auth_socket else ("smtp",)

    def command(self) -> Sequence[str]:
        return (_default("daemon_directory") + "/master", "-c", str(self.directory / "config"), "-s")

    def is_ready(self) -> bool:
        return self.hostname in greeting(self.smtp_port)

    @property
    def hostname(self) -> str:
        """Unlike any other's, so that nobody takes another server on a lost port for this one."""
        return f"{self.directory.name.replace('_', 'x').lower()}.lab.test"

    def prepare(self) -> None:
        self.certificates = make_certificates(self.directory, self.hostname)
        self._make_queue()
        config = self.directory / "config"
        config.mkdir()
        lines = {**self._main_cf(), **self.settings}
        (config / "main.cf").write_text("".join(f"{name} = {value}\n" for name, value in lines.items()))
        submission = SUBMISSION.format(port=f"{LOOPBACK}:{self.port('submission')}") if self.auth_socket else ""
        master = MASTER_CF.format(smtp=f"{LOOPBACK}:{self.smtp_port}", submission=submission)
        (config / "master.cf").write_text(master + self.services)
        for file in config.iterdir():
            os.utime(file, (0, 0))  # Postfix does not trust a file of this very second, and waits two

    def _make_queue(self) -> None:
        """The directories that ``postfix check`` would make, with the owners that the daemons insist on."""
        postfix, postdrop = pwd.getpwnam("postfix").pw_uid, grp.getgrnam("postdrop").gr_gid
        for name, mode, group in (
            *((queue, 0o700, 0) for queue in QUEUES),
            ("private", 0o700, 0),
            ("public", 0o2710, postdrop),
            ("maildrop", 0o1730, postdrop),
        ):
            folder = self.directory / "queue" / name
            folder.mkdir(parents=True)
            os.chown(folder, postfix, group)
            folder.chmod(mode)
        (self.directory / "queue" / "pid").mkdir()
        (self.directory / "data").mkdir()
        os.chown(self.directory / "data", postfix, 0)

    def _main_cf(self) -> dict[str, str]:
        nowhere = "error:5.4.4 the laboratory has no way out"
        transports = "".join(f" {{ {domain} = {transport} }}" for domain, transport in self.relays.items())
        main = {
            "compatibility_level": "3.6",
            "queue_directory": f"{self.directory}/queue",
            "data_directory": f"{self.directory}/data",
            "maillog_file": f"{self.directory}/mail.log",
            "maillog_file_prefixes": str(self.directory),
            "mail_owner": "postfix",
            "setgid_group": "postdrop",
            # Loopback and nothing else
            "myhostname": self.hostname,
            "mydestination": "",
            "mynetworks": "",
            "inet_interfaces": LOOPBACK,
            "inet_protocols": "ipv4",
            "smtp_bind_address": LOOPBACK,
            "smtp_dns_support_level": "disabled",
            "lmtp_dns_support_level": "disabled",
            "smtp_host_lookup": "native",
            "lmtp_host_lookup": "native",
            "smtpd_peername_lookup": "no",
            "default_transport": nowhere,
            "relay_transport": nowhere,
            "local_transport": nowhere,
            "virtual_transport": nowhere,
            # Only where the test says
            "relay_domains": " ".join(self.relays),
            "transport_maps": f"inline:{{{transports} }}" if self.relays else "",
            "alias_maps": "",
            "alias_database": "",
            "local_recipient_maps": "",
            "smtpd_relay_restrictions": "reject_unauth_destination",
            "smtpd_recipient_restrictions": "reject_unauth_destination",
            "notify_classes": "",
            # In a hurry
            "queue_run_delay": "1s",
            "minimal_backoff_time": "1s",
            "maximal_backoff_time": "2s",
            "in_flow_delay": "0",
            "smtpd_error_sleep_time": "0",
            "smtpd_soft_error_limit": "1000",
            "smtpd_hard_error_limit": "1000",
            "smtpd_client_connection_count_limit": "0",
            "smtp_connect_timeout": "5s",
            "lmtp_connect_timeout": "5s",
            # TLS offered, and used by its clients where a door of ours offers it
            "smtpd_tls_chain_files": str(self._certificates().chain),
            "smtpd_tls_security_level": "may",
            "smtp_tls_security_level": "may",
            "lmtp_tls_security_level": "may",
        }
        if self.auth_socket:
            main |= {"smtpd_sasl_type": "dovecot", "smtpd_sasl_path": str(self.auth_socket)}
        return main

    def _certificates(self) -> Certificates:
        assert self.certificates is not None
        return self.certificates

    def _run(self, program: str, *arguments: str) -> str:
        done = subprocess.run(
            [find_program(program), "-c", str(self.directory / "config"), *arguments],
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        if done.returncode:
            raise RuntimeError(f"{program} {' '.join(arguments)} failed: {done.stderr.strip()}")
        return done.stdout


def _default(parameter: str) -> str:
    """A parameter's compiled-in value: where this system keeps its daemons."""
    done = subprocess.run(
        [find_program("postconf"), "-dh", parameter], capture_output=True, text=True, timeout=60, check=True
    )
    return done.stdout.strip()
