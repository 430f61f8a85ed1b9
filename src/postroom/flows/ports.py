"""The sockets of the flows: what they need of the world, as protocols. `wiring` plugs the real pipes in."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Protocol, TypeVar

if TYPE_CHECKING:  # sockets name what flows through them, and enter no room for that
    from postroom.core.delivery.discovery import Proposal
    from postroom.core.delivery.probing import FollowProbe, Probe, ProbeOrder
    from postroom.core.delivery.tracking import HookPost, HookReading, HookRefusal
    from postroom.core.delivery.wire import ApiCheck, ApiEndpoint
    from postroom.core.diagnosis.bundle import Member as BundleMember
    from postroom.core.mailtest.evidence import SpamUnchecked, SpamVerdict
    from postroom.core.mailtest.outlook import OutlookMail, OutlookTrouble
    from postroom.core.reports.authentication_reports import ReadReportFiles
    from postroom.core.routing.authenticity import ArrivedMail, Authenticity, Checked
    from postroom.core.senders.questions import Asking
    from postroom.core.terms.configuration import Configuration
    from postroom.core.terms.envelopes import Envelope
    from postroom.core.terms.ingress import InboundReading
    from postroom.core.terms.log_lines import LogLine, LogQuestion
    from postroom.core.terms.mailboxes import MailboxEndpoint, MailboxSession
    from postroom.core.terms.models import ModelQuestion, ModelReply
    from postroom.core.terms.pictures import NoPicture, Picture
    from postroom.core.terms.secret import Secret
    from postroom.core.terms.storage import Room
    from postroom.core.terms.templates import Values
    from postroom.core.terms.visits import NoVisit, Visit

T = TypeVar("T")


class Clock(Protocol):
    """Tells the time: aware, UTC."""

    def now(self) -> datetime: ...


class Ids(Protocol):
    """Throws the dice."""

    def hex(self, size: int) -> str:
        """``size`` random bytes in hex."""

    def fraction(self) -> float:
        """At least 0, less than 1."""


class Blobs(Protocol):
    """Bytes under their own SHA-256 (hex). ``put`` returns when they are durable; ``get`` raises KeyError.

    Who names a blob in a row has put it shortly before: a blob that nobody names and nobody has put since ``unused_since`` may be
    deleted, safely against a ``put`` in the same moment. ``prefix``: two hex digits.
    """

    def put(self, content: bytes) -> str: ...
    def get(self, sha256: str) -> bytes: ...

    def delete(self, sha256: str, *, unused_since: datetime) -> bool:
        """Whether it was there and is gone."""

    def names(self, prefix: str) -> Sequence[str]:
        """Those that begin so."""

    def forget_drafts(self, prefix: str, *, unused_since: datetime) -> int:
        """What was half written when its process died; how many."""

    def room(self) -> Room:
        """How much more there is place for. Never raises."""


class Html(Protocol):
    """Makes HTML of strangers harmless, and writes style sheets into the elements."""

    def sanitize(self, html: str) -> str: ...
    def inline_css(self, html: str) -> str: ...


class Templates(Protocol):
    """Fills mail templates. Both raise `TemplateError` with the line that is wrong."""

    def check(self, source: str) -> None: ...
    def render(self, source: str, values: Values, *, language: str, is_html: bool) -> str: ...


class Vault(Protocol):
    """Encrypts secrets at rest, with keys outside the database: the first seals, all open.

    ``open`` raises ValueError for what it did not seal. ``key_of`` tells which key opens it: 0 is the present one, None: none of
    them. ``reseal`` seals anew with the present one and raises ValueError as ``open``.
    """

    def seal(self, value: str) -> bytes: ...
    def open(self, sealed: bytes) -> Secret: ...
    def key_of(self, sealed: bytes) -> int | None: ...
    def reseal(self, sealed: bytes) -> bytes: ...


class KeyStore(Protocol):
    """Where the installation's secret keys lie: the present one first, former ones after it.

    ``place`` is its name for people; ``is_ours`` says whether we may change it. Both changes are durable when they return, and
    every process sees them at its next use. Both raise OSError.
    """

    @property
    def place(self) -> str: ...
    @property
    def is_ours(self) -> bool: ...
    def count(self) -> int: ...
    def add(self) -> None:
        """Make a new key; it is the present one from now on."""

    def forget_former(self) -> None:
        """Keep the present key alone."""


class DkimKeyHandle(Protocol):
    """A private key that was opened, bound to its domain and selector."""

    @property
    def head(self) -> bytes: ...
    @property
    def sign(self) -> Callable[[bytes], bytes]: ...


class Dkim(Protocol):
    """DKIM (RFC 6376): keys and signatures. ``make_key`` gives the private half in PEM and the public one as DNS shows it.

    ``signatures`` are whole fields with line ends, to stand before the header block; times in seconds since 1970.
    ``make_key`` and ``open_key`` raise ValueError for what is no key.
    """

    def make_key(self, algorithm: str) -> tuple[Secret, str]: ...
    def open_key(self, *, domain: str, selector: str, algorithm: str, private: Secret) -> DkimKeyHandle: ...
    def body_hash(self, body: bytes) -> bytes: ...
    def signatures(
        self,
        keys: Sequence[DkimKeyHandle],
        header_block: bytes,
        body_hash: bytes,
        *,
        signed_at: int,
        expires_at: int | None = None,
    ) -> bytes: ...


class Submit(Protocol):
    """Hands a mail in at our own SMTP door, as a stranger would. Raises OSError, or ValueError with the refusal."""

    def __call__(self, envelope: Envelope, raw: bytes) -> None: ...


class MailHosts(Protocol):
    """The hosts that take a domain's mail, the preferred first; empty: it has none. None: nobody could tell. It waits for the network."""

    def __call__(self, domain: str) -> tuple[str, ...] | None: ...


class TextRecords(Protocol):
    """The TXT records of a name; empty: it has none. None: nobody could tell. It waits for the network."""

    def __call__(self, name: str) -> tuple[str, ...] | None: ...


class AskDns(Protocol):
    """Brings evaluations that ask the DNS to their end, side by side; when ``seconds`` are over, what was not answered is trouble.

    ``servers``: name servers with ports; none: those of the configuration. Never raises for what the network does. Blocks.
    """

    def __call__(
        self, askings: Sequence[Asking[T]], *, seconds: float, servers: Sequence[tuple[str, int]] = ()
    ) -> list[T]: ...


class FetchPublished(Protocol):
    """Fetches a file that a stranger publishes, by HTTPS from the public internet alone. None: there is none, it is larger than
    ``most_bytes``, or nobody could tell in time. Never raises; blocks for ``seconds`` at most."""

    def __call__(self, url: str, *, most_bytes: int, seconds: float) -> bytes | None: ...


class Knock(Protocol):
    """Whether a mail server answers at a place, with a certificate for its name where it speaks TLS. Says nothing but hello, and tells
    nobody what it heard. Never raises; blocks for ``seconds`` at most."""

    def __call__(self, proposal: Proposal, *, seconds: float) -> bool: ...


class Providers(Protocol):
    """Providers with HTTP APIs: what they ask of us, and what we ask of them beside sending."""

    def read_post(self, provider: str, post: HookPost, signing: Secret) -> HookReading | HookRefusal:
        """A request of a provider's, proven and read. Raises OSError or ValueError when a certificate cannot be had."""

    def read_inbound(self, provider: str, post: HookPost, secret: Secret, address: str) -> InboundReading | HookRefusal:
        """Mail that a provider hands in at ``address``, proven and read. Raises OSError or ValueError when a piece cannot be had now."""

    def confirm(self, address: str) -> None:
        """Ask an address that a proven request named. Raises OSError, ValueError."""

    def check(self, endpoint: ApiEndpoint) -> ApiCheck:
        """Whether the key opens the door, without sending anything. Never raises."""


class Senders(Protocol):
    """Checks who sent a mail, beside the caller's work. Never raises; each mail within its ``seconds``."""

    def waiting(self) -> int:
        """How many are being checked, or are done and were not given yet."""

    def waiting_bytes(self) -> int:
        """Of the mails that are being checked."""

    def take(self, mails: Mapping[int, ArrivedMail], *, seconds: float) -> None:
        """Begin to check these."""

    def finished(self, *, wait: float) -> Mapping[int, Checked]:
        """What is done, given once; waits ``wait`` seconds at most for all to be done."""

    def check(self, mail: ArrivedMail, *, seconds: float, servers: Sequence[tuple[str, int]] = ()) -> Authenticity:
        """One, now. It waits for the network. ``servers``: name servers with ports; none: those of the configuration."""


class Pictures(Protocol):
    """Fetches a picture from an address that a stranger wrote. Never raises; it waits for the network, some seconds at most.

    ``allowed``: networks that may be asked although they are not public.
    """

    def fetch(self, url: str, *, allowed: Sequence[str] = ()) -> Picture | NoPicture: ...


class LogBook(Protocol):
    """The files of logs: plain and compressed, the oldest first. Lines are cut at a length; memory is bounded."""

    def lines(self, question: LogQuestion) -> Iterator[LogLine]:
        """Those that are asked for. What cannot be read is left out, and `trouble` says so."""

    def last(self, count: int, question: LogQuestion) -> list[LogLine]:
        """The newest of those, the oldest of them first; those that were found when the question was over, and `trouble` says that."""

    def follow(self, question: LogQuestion, *, is_over: Callable[[], bool]) -> Iterator[LogLine]:
        """What is written from now on, across rotations, until ``is_over``. Blocks."""

    @property
    def trouble(self) -> Sequence[str]:
        """Files that could not be read, or not to their end, and why."""


class BundleStore(Protocol):
    """Support bundles as files."""

    def pack(self, members: Sequence[BundleMember], *, made_at: datetime) -> bytes: ...
    def read(self, path: str) -> Mapping[str, bytes]:
        """Names and contents. Raises `BundleError` for what must not be trusted, and OSError."""


class VisitWeb(Protocol):
    """One request to a web server that somebody named: https alone, only where it is public or ``allowed`` (networks), followed nowhere.

    GET, or POST with a ``body``; a bounded answer within ``seconds``. Never raises. Blocks.
    """

    def __call__(
        self,
        url: str,
        *,
        body: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        allowed: Sequence[str] = (),
        seconds: float = 8.0,
    ) -> Visit | NoVisit: ...


class ClientCertificateFacts(Protocol):
    """What a client certificate and its key show. ``key`` is PEM without a passphrase, to be sealed."""

    @property
    def subject(self) -> str: ...
    @property
    def expires_at(self) -> datetime: ...
    @property
    def key(self) -> Secret: ...


class ExchangeCode(Protocol):
    """Trades the code of a consent for a grant (JSON, as `TokenSource` takes it). Blocks. Raises ValueError or OSError in plain words."""

    def __call__(
        self,
        endpoint: str,
        *,
        client_id: str,
        client_secret: Secret,
        code: Secret,
        verifier: Secret,
        redirect: str,
        scope: str,
    ) -> Secret: ...


class AskModel(Protocol):
    """One turn of a language model that was configured. Blocks. Raises OSError for what may pass, ValueError for nonsense."""

    def __call__(self, question: ModelQuestion) -> ModelReply: ...


class ProbeServer(Protocol):
    """Asks a server as far as it would take a mail. Blocks; never raises for what the server does."""

    def __call__(self, order: ProbeOrder, *, follow: FollowProbe | None = None) -> Probe: ...


class ReadClientCertificate(Protocol):
    """Raises ValueError, in plain words, for what is no certificate, no key, or not its key."""

    def __call__(self, certificate: str, key: Secret, passphrase: Secret) -> ClientCertificateFacts: ...


class ReadOutlook(Protocol):
    """The mail in an Outlook file. Blocks for some seconds at most; never raises for what the file holds."""

    def __call__(self, raw: bytes) -> OutlookMail | OutlookTrouble: ...


class AskSpamd(Protocol):
    """What a spamd thinks of a mail, within ``seconds``. Blocks; never raises for what the server does."""

    def __call__(self, host: str, port: int, raw: bytes, *, seconds: float) -> SpamVerdict | SpamUnchecked: ...


class TokenSource(Protocol):
    """Gives OAuth2 access tokens that are good for a while. Blocks. Raises ValueError or OSError in plain words.

    ``source`` names who gives them (a provider, or the address of a token endpoint), ``grant`` is what was granted there (JSON).
    """

    def access_token(self, source: str, grant: Secret) -> Secret: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Ports:
    """Everything that the flows may touch."""

    configuration: Configuration
    clock: Clock
    ids: Ids
    blobs: Blobs
    html: Html
    templates: Templates
    vault: Vault
    key_store: KeyStore
    dkim: Dkim
    submit: Submit
    mail_hosts: MailHosts
    text_records: TextRecords
    ask_dns: AskDns
    fetch_published: FetchPublished
    knock: Knock
    read_report_files: ReadReportFiles
    providers: Providers
    senders: Senders
    pictures: Pictures
    visit: VisitWeb
    mailbox_session: Callable[[MailboxEndpoint], MailboxSession]
    probe_server: ProbeServer
    tokens: TokenSource
    exchange_code: ExchangeCode
    read_client_certificate: ReadClientCertificate
    read_outlook: ReadOutlook
    ask_spamd: AskSpamd
    ask_model: AskModel
    door_certificate_end: Callable[[], datetime | None]  # of our own SMTP door; None: it has none that can be read
    address_keys: Sequence[bytes] = field(repr=False)  # the first signs, all verify
    logbook: LogBook
    bundles: BundleStore
    our_mark: str  # names this installation in X-Postroom-Objects
