"""The only plug board: which real pipe is plugged into which socket of the flows."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from functools import lru_cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from django.conf import settings

from postroom.adapters.blobs.disk import DiskBlobs
from postroom.adapters.bundle_file import BundleFiles
from postroom.adapters.clock import SystemClock
from postroom.adapters.dns.lazily import MailHosts, TextRecords
from postroom.adapters.esp import FETCHES_TO_EVENTS, FETCHES_TO_MAIL, ProviderDesk
from postroom.adapters.ids import SystemIds
from postroom.adapters.key_file import DerivedKeys, FixedKeys, KeyFile
from postroom.adapters.late import late
from postroom.adapters.log_files import LogFiles
from postroom.adapters.vault import FernetVault
from postroom.core.terms.configuration import Configuration, read_name_servers
from postroom.core.terms.mailboxes import MailboxEndpoint, MailboxProtocol, MailboxSession
from postroom.core.terms.pictures import NoPicture, Picture
from postroom.core.terms.reasons import rooms_are_opened_by
from postroom.core.terms.secret import Secret
from postroom.core.terms.visits import NoVisit, Visit
from postroom.core.tokens.addresses import derive_key
from postroom.flows.open_rooms import open_rooms
from postroom.flows.ports import Ports, Submit
from postroom.store.lent import before_waiting, give_back, waits

T = TypeVar("T")

if TYPE_CHECKING:
    from postroom.adapters.authenticity.desk import SenderDesk
    from postroom.adapters.dkim.signing import DkimWriter

    # named here again for workers, who may not import adapters
    from postroom.adapters.esp.pool import EspPool as EspPool  # noqa: PLC0414
    from postroom.adapters.fetching.pictures import PictureFetcher
    from postroom.adapters.fetching.visiting import Visitor
    from postroom.adapters.html.styling import MailHtml
    from postroom.adapters.html.templating import TemplateRenderer
    from postroom.adapters.journal import JournalContents as JournalContents  # noqa: PLC0414
    from postroom.adapters.journal import WireJournalFile as WireJournalFile  # noqa: PLC0414
    from postroom.adapters.mailbox.session import TokenGiver as MailboxTokens
    from postroom.adapters.oauth.refreshing import RefreshingTokens
    from postroom.adapters.smtp.handshake import TokenSource as ConnectionTokens
    from postroom.adapters.smtp.pool import SmtpPool as SmtpPool  # noqa: PLC0414
    from postroom.core.delivery.discovery import Proposal
    from postroom.core.delivery.probing import FollowProbe, Probe, ProbeOrder
    from postroom.core.delivery.tracking import HookPost, HookReading, HookRefusal
    from postroom.core.delivery.wire import ApiCheck, ApiEndpoint, Endpoint, WireJournal
    from postroom.core.mailtest.evidence import SpamUnchecked, SpamVerdict
    from postroom.core.mailtest.outlook import OutlookMail, OutlookTrouble
    from postroom.core.reports.authentication_reports import ReadFile, ReportFile
    from postroom.core.routing.authenticity import ArrivedMail, Authenticity, Checked
    from postroom.core.senders.questions import Asking
    from postroom.core.terms.ingress import InboundReading
    from postroom.core.terms.models import ModelQuestion, ModelReply
    from postroom.flows.ports import ClientCertificateFacts


rooms_are_opened_by(open_rooms)


@lru_cache(maxsize=1)
def ports() -> Ports:
    """The ports of this process."""
    return make_ports(settings.POSTROOM)


def make_ports(configuration: Configuration) -> Ports:
    """Ports for a configuration; tests change single ones with ``dataclasses.replace``."""
    store = _key_store(configuration)
    names = read_name_servers(configuration.dns_servers)
    return Ports(
        configuration=configuration,
        clock=SystemClock(),
        ids=SystemIds(),
        blobs=DiskBlobs(Path(configuration.data_dir) / "blobs"),
        html=late(_html),
        templates=late(_template_renderer),
        vault=FernetVault(store.keys),
        key_store=store,
        dkim=late(_dkim),
        submit=_submitter(configuration),
        mail_hosts=waits(MailHosts(names)),
        text_records=waits(TextRecords(names)),
        ask_dns=_DnsAsker(configuration.dns_servers),
        fetch_published=_PublishedFiles(configuration.dns_servers),
        knock=_knock,
        read_report_files=read_report_files,
        providers=_Providers(),
        senders=_Senders(configuration.dns_servers),
        pictures=_Pictures(configuration.dns_servers),
        visit=_Visits(configuration.dns_servers),
        mailbox_session=_mailbox_session,
        probe_server=_probe_server,
        tokens=_Tokens(),
        exchange_code=_exchange_code,
        read_client_certificate=_read_client_certificate,
        read_outlook=_read_outlook,
        ask_spamd=_ask_spamd,
        ask_model=_ModelAsker(configuration),
        door_certificate_end=partial(_door_certificate_end, configuration.tls_certificate),
        address_keys=DerivedKeys(store.keys, derive_key),
        logbook=LogFiles(Path(configuration.log_dir)),
        bundles=BundleFiles(),
        our_mark=store.mark(),
    )


def _html() -> MailHtml:
    from postroom.adapters.html.styling import MailHtml

    return MailHtml()


def _dkim() -> DkimWriter:
    from postroom.adapters.dkim.signing import DkimWriter

    return DkimWriter()


def _key_store(configuration: Configuration) -> KeyFile | FixedKeys:
    if configuration.secret_key_file:
        return KeyFile(Path(configuration.secret_key_file))
    return FixedKeys(configuration.secret_keys)


def _submitter(configuration: Configuration) -> Submit:
    from postroom.adapters.smtp.submitting import DoorSubmitter

    host = configuration.smtp_host if configuration.smtp_host not in ("0.0.0.0", "::") else "127.0.0.1"  # noqa: S104
    return waits(DoorSubmitter(host, configuration.smtp_port))


@waits
def _mailbox_session(endpoint: MailboxEndpoint) -> MailboxSession:
    """IMAPClient is imported only by those who fetch."""
    tokens = _mailbox_tokens(endpoint)
    if endpoint.protocol is MailboxProtocol.IMAP:
        from postroom.adapters.imap.client import ImapSession

        return ImapSession(endpoint, tokens=tokens)
    from postroom.adapters.pop3.client import Pop3Session

    return Pop3Session(endpoint, tokens=tokens)


def _mailbox_tokens(endpoint: MailboxEndpoint) -> MailboxTokens | None:
    """Who gives the access token of a mailbox; nobody where it is read by a password."""
    if not endpoint.token_source:
        return None
    return lambda refused: _refreshing_tokens().another_token(endpoint.token_source, endpoint.password, refused)


def _template_renderer() -> TemplateRenderer:
    from postroom.adapters.html.templating import TemplateRenderer

    return TemplateRenderer()


class _DnsAsker:
    """The socket for evaluations that ask the DNS; dnspython is imported when the first is made."""

    def __init__(self, servers: tuple[str, ...]) -> None:
        self._servers = servers

    def __call__(
        self, askings: Sequence[Asking[T]], *, seconds: float, servers: Sequence[tuple[str, int]] = ()
    ) -> list[T]:
        before_waiting()
        from postroom.adapters.dns.side_by_side import ask_side_by_side

        return ask_side_by_side(askings, seconds=seconds, servers=servers or read_name_servers(self._servers))


class _PublishedFiles:
    """The socket for files that providers publish; its pipe speaks HTTP, and is imported when the first one is asked for."""

    def __init__(self, servers: tuple[str, ...]) -> None:
        self._servers = servers

    def __call__(self, url: str, *, most_bytes: int, seconds: float) -> bytes | None:
        before_waiting()
        from postroom.adapters.fetching.published import fetch_published

        return fetch_published(url, most_bytes=most_bytes, seconds=seconds, servers=read_name_servers(self._servers))


@waits
def _knock(proposal: Proposal, *, seconds: float) -> bool:
    from postroom.adapters.mailbox.knocking import knock

    return knock(proposal, seconds=seconds)


def right_now() -> datetime:
    """For commands that need no house, and so have no ports."""
    return SystemClock().now()


def read_bundle(path: str) -> Mapping[str, bytes]:
    """As `Ports.bundles` reads it, for those who have no house. Raises `BundleError` and OSError."""
    return BundleFiles().read(path)


def read_report_files(files: Sequence[ReportFile], *, now: datetime) -> tuple[ReadFile, ...]:
    """parsedmarc is imported only by those who read such reports, and that only with the first one."""
    from postroom.adapters.receivers_reports import reading

    return reading.read_report_files(files, now=now)


@waits
def _probe_server(order: ProbeOrder, *, follow: FollowProbe | None = None) -> Probe:
    from postroom.adapters.smtp.testing import probe_server

    return probe_server(order, access_token=_connection_tokens(order.endpoint), follow=follow)


def _read_client_certificate(certificate: str, key: Secret, passphrase: Secret) -> ClientCertificateFacts:
    from postroom.adapters.smtp.client_certificates import read_client_certificate

    return read_client_certificate(certificate, key, passphrase)


def _read_outlook(raw: bytes) -> OutlookMail | OutlookTrouble:
    from postroom.adapters.outlook.reading import read_outlook

    return read_outlook(raw)


@waits
def _ask_spamd(host: str, port: int, raw: bytes, *, seconds: float) -> SpamVerdict | SpamUnchecked:
    from postroom.adapters.spamd.client import ask_spamd

    return ask_spamd(host, port, raw, seconds=seconds)


class _ModelAsker:
    """The socket for a language model; its pipe is made when a question is asked."""

    def __init__(self, configuration: Configuration) -> None:
        self._configuration = configuration

    def __call__(self, question: ModelQuestion) -> ModelReply:
        before_waiting()
        from postroom.adapters.models.chat import ChatEndpoint

        given = self._configuration
        return ChatEndpoint(given.model_url, model=given.model_name, key=given.model_key)(question)


def _door_certificate_end(path: str) -> datetime | None:
    if not path:
        return None
    from cryptography.x509 import load_pem_x509_certificate

    try:
        return load_pem_x509_certificate(Path(path).read_bytes()).not_valid_after_utc
    except (OSError, ValueError):
        return None


class _Providers(ProviderDesk):
    """As it is; who asks a provider waits: also who reads a request to which something is fetched."""

    def read_post(self, provider: str, post: HookPost, signing: Secret) -> HookReading | HookRefusal:
        if provider in FETCHES_TO_EVENTS:
            before_waiting()
        return super().read_post(provider, post, signing)

    def read_inbound(self, provider: str, post: HookPost, secret: Secret, address: str) -> InboundReading | HookRefusal:
        if provider in FETCHES_TO_MAIL:
            before_waiting()
        return super().read_inbound(provider, post, secret, address)

    def confirm(self, address: str) -> None:
        before_waiting()
        super().confirm(address)

    def check(self, endpoint: ApiEndpoint) -> ApiCheck:
        before_waiting()
        return super().check(endpoint)


class _Senders:
    """The socket for checks of senders; its pipe has a thread and dnspython, and is made when the first mail is to be checked."""

    def __init__(self, servers: tuple[str, ...]) -> None:
        self._servers = servers
        self._desk: SenderDesk | None = None

    def waiting(self) -> int:
        return self._desk.waiting() if self._desk is not None else 0

    def waiting_bytes(self) -> int:
        return self._desk.waiting_bytes() if self._desk is not None else 0

    def take(self, mails: Mapping[int, ArrivedMail], *, seconds: float) -> None:
        if mails:
            self._made().take(mails, seconds=seconds)

    def finished(self, *, wait: float) -> Mapping[int, Checked]:
        return self._desk.finished(wait=wait) if self._desk is not None else {}

    def check(self, mail: ArrivedMail, *, seconds: float, servers: Sequence[tuple[str, int]] = ()) -> Authenticity:
        before_waiting()
        if not servers:
            return self._made().check(mail, seconds=seconds)
        from postroom.adapters.authenticity.desk import SenderDesk

        desk = SenderDesk(servers)
        try:
            return desk.check(mail, seconds=seconds)
        finally:
            desk.close()

    def _made(self) -> SenderDesk:
        if self._desk is None:
            from postroom.adapters.authenticity.desk import SenderDesk

            self._desk = SenderDesk(read_name_servers(self._servers))
        return self._desk


class _Pictures:
    """The socket for pictures from elsewhere; its pipe counts who is on his way, and is made when the first one is shown."""

    def __init__(self, servers: tuple[str, ...]) -> None:
        self._servers = servers
        self._fetcher: PictureFetcher | None = None

    def fetch(self, url: str, *, allowed: Sequence[str] = ()) -> Picture | NoPicture:
        give_back()  # the fetcher has few places of its own
        if self._fetcher is None:
            from postroom.adapters.fetching.pictures import PictureFetcher

            self._fetcher = PictureFetcher(name_servers=read_name_servers(self._servers))
        return self._fetcher.fetch(url, allowed=allowed)


class _Visits:
    """The socket for requests to web servers; its pipe is made when the first one is asked."""

    def __init__(self, servers: tuple[str, ...]) -> None:
        self._servers = servers
        self._visitor: Visitor | None = None

    def __call__(
        self,
        url: str,
        *,
        body: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        allowed: Sequence[str] = (),
        seconds: float = 8.0,
    ) -> Visit | NoVisit:
        before_waiting()
        if self._visitor is None:
            from postroom.adapters.fetching.visiting import Visitor

            self._visitor = Visitor(name_servers=read_name_servers(self._servers))
        return self._visitor.visit(url, body=body, headers=headers, allowed=allowed, seconds=seconds)


class _Tokens:
    """The socket for access tokens; its pipe speaks HTTP, and is made when the first one is asked for."""

    def access_token(self, source: str, grant: Secret) -> Secret:
        before_waiting()
        return _refreshing_tokens().access_token(source, grant)


@waits
def _exchange_code(
    endpoint: str, *, client_id: str, client_secret: Secret, code: Secret, verifier: Secret, redirect: str, scope: str
) -> Secret:
    from postroom.adapters.oauth.consenting import exchange_code

    return exchange_code(
        endpoint,
        client_id=client_id,
        client_secret=client_secret,
        code=code,
        verifier=verifier,
        redirect=redirect,
        scope=scope,
        allowed=settings.POSTROOM.token_networks,
    )


@lru_cache(maxsize=1)
def _refreshing_tokens() -> RefreshingTokens:
    """One for the process: it keeps tokens for as long as they are good."""
    from postroom.adapters.oauth.refreshing import RefreshingTokens

    return RefreshingTokens(on_rotation=_keep_grant, allowed=settings.POSTROOM.token_networks)


def _keep_grant(source: str, former: Secret, fresh: Secret) -> None:
    """In a thread of somebody's, which may never ask the database again."""
    from django.db import connection

    from postroom.flows.keep_grant import keep_grant

    try:
        keep_grant(ports(), source, former, fresh)
    finally:
        if not connection.in_atomic_block:
            connection.close()


def _connection_tokens(endpoint: Endpoint) -> ConnectionTokens | None:
    """Who gives the access token of a new connection; nobody where it logs in otherwise."""
    if endpoint.authentication.value != "token":
        return None

    async def fresh() -> Secret:
        return await asyncio.to_thread(_refreshing_tokens().access_token, endpoint.token_source, endpoint.password)

    return fresh


def wire_journal(path: Path) -> WireJournalFile:
    """A new journal at ``path``. Raises `FileExistsError`, `OSError`."""
    from postroom.adapters.journal import WireJournalFile

    path.parent.mkdir(parents=True, exist_ok=True)
    return WireJournalFile(path)


def smtp_pool(endpoint: Endpoint, journal: WireJournal) -> SmtpPool:
    """Connections to a server; for one event loop."""
    from postroom.adapters.smtp.pool import SmtpPool

    return SmtpPool(endpoint, journal=journal, access_token=_connection_tokens(endpoint))


def api_pool(endpoint: ApiEndpoint, journal: WireJournal) -> EspPool:
    """Hands at a provider's API; for one event loop. Raises `ValueError` for an endpoint that is none."""
    from postroom.adapters.esp.pool import EspPool

    return EspPool(endpoint, journal=journal)


def journal_names(directory: Path) -> list[str]:
    """Whose journals are here, of the living, of the dead, and of those who were settled a short while ago."""
    from postroom.adapters.journal import SUFFIX
    from postroom.adapters.settled_journals import remembered

    here = {path.name.removesuffix(SUFFIX) for path in directory.glob(f"*{SUFFIX}")}
    return sorted(here.union(remembered(_settled(directory))))


def _settled(directory: Path) -> Path:
    return directory.with_name("settled-journals")


def read_dead_journals(directory: Path, settle: Callable[[str, JournalContents], None]) -> None:
    """``settle`` each journal here whose owner is gone, by its name; it is removed when ``settle`` returns. Two who do this share
    the work. For some minutes each is settled again and again, with nothing in it: see `adapters.settled_journals`. Raises what
    ``settle`` raises, and `OSError`."""
    from postroom.adapters.journal import (
        SUFFIX,
        JournalContents,
        JournalInUseError,
        find_dead_journals,
        recovering,
    )
    from postroom.adapters.settled_journals import forget_old, remember, remembered

    folder = _settled(directory)
    for name in remembered(folder):
        if (directory / f"{name}{SUFFIX}").exists():
            continue  # somebody of that name is at work again, or will be settled below
        settle(name, JournalContents(started=frozenset(), finished={}))
    forget_old(folder)
    for path in find_dead_journals(directory):
        name = path.name.removesuffix(SUFFIX)
        try:
            with recovering(path) as contents:
                settle(name, contents)
                remember(folder, name)
        except (JournalInUseError, FileNotFoundError):
            continue  # somebody else was quicker
