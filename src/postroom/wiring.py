"""The only plug board: which real pipe is plugged into which socket of the flows."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING

from django.conf import settings

from postroom.adapters.blobs.disk import DiskBlobs
from postroom.adapters.clock import SystemClock
from postroom.adapters.html.sanitizing import Sanitizer
from postroom.adapters.ids import SystemIds
from postroom.adapters.vault import FernetVault
from postroom.core.terms.configuration import Configuration
from postroom.core.terms.mailboxes import MailboxEndpoint, MailboxProtocol, MailboxSession
from postroom.core.tokens.addresses import derive_key
from postroom.flows.ports import Ports

if TYPE_CHECKING:
    from postroom.core.terms.envelopes import Envelope


@lru_cache(maxsize=1)
def ports() -> Ports:
    """The ports of this process."""
    return make_ports(settings.POSTROOM)


def make_ports(configuration: Configuration) -> Ports:
    """Ports for a configuration; tests change single ones with ``dataclasses.replace``."""
    secret = configuration.secret_key
    return Ports(
        configuration=configuration,
        clock=SystemClock(),
        ids=SystemIds(),
        blobs=DiskBlobs(Path(configuration.data_dir) / "blobs"),
        html=Sanitizer(),
        vault=FernetVault([secret]),
        submit=_submitter(configuration),
        mailbox_session=_mailbox_session,
        address_keys=(derive_key(secret.reveal()),),
        our_mark=sha256(b"postroom mark 1" + secret.reveal().encode()).hexdigest()[:16],
    )


def _submitter(configuration: Configuration) -> Callable[[Envelope, bytes], None]:
    from postroom.adapters.smtp.submitting import DoorSubmitter

    host = configuration.smtp_host if configuration.smtp_host not in ("0.0.0.0", "::") else "127.0.0.1"  # noqa: S104
    return DoorSubmitter(host, configuration.smtp_port)


def _mailbox_session(endpoint: MailboxEndpoint) -> MailboxSession:
    """IMAPClient is imported only by those who fetch."""
    if endpoint.protocol is MailboxProtocol.IMAP:
        from postroom.adapters.imap.client import ImapSession

        return ImapSession(endpoint)
    from postroom.adapters.pop3.client import Pop3Session

    return Pop3Session(endpoint)
