"""Connecting to a mailbox server, and saying in plain words what went wrong.

Laws: certificates are verified unless the endpoint says otherwise; a private authority is trusted the usual
way (the system's store, or SSL_CERT_FILE). No text contains a password or token, not even one that the server
repeats.
Standards: RFC 8314 (TLS for IMAP and POP3), RFC 5530 and RFC 3206 (response codes).
"""

from __future__ import annotations

import base64
import imaplib
import poplib
import re
import socket
import ssl
from collections.abc import Iterator
from contextlib import contextmanager

from imapclient.exceptions import ProtocolError

from postroom.core.terms.encryption import Encryption
from postroom.core.terms.mailboxes import MailboxEndpoint, MailboxTrouble, TroubleKind

PATIENCE = 4  # times the tolerated silence: how long an answer may drip
MAX_TEXT = 300
NOT_NOW = frozenset({"UNAVAILABLE", "INUSE", "IN-USE", "LIMIT", "OVERQUOTA", "SERVERBUG", "SYS/TEMP", "LOGIN-DELAY"})
_CODE = re.compile(r"\[([A-Z][A-Z0-9/-]*)[^\]]*\]")
_NOT_NOW_WORDS = re.compile(r"too many|try again|temporar|locked|in use", re.IGNORECASE)


class Goodbye(ConnectionError):  # noqa: N818 - it is no error of ours
    """The server ended the session and said why."""


def connect(endpoint: MailboxEndpoint) -> socket.socket:
    """A connected socket, encrypted already when the endpoint says ``tls``. Raises OSError."""
    try:
        sock = socket.create_connection((endpoint.host, endpoint.port), timeout=endpoint.timeout)
    except UnicodeError as error:
        raise socket.gaierror(socket.EAI_NONAME, "this is no host name") from error
    _keep_alive(sock)
    try:
        return encrypt(sock, endpoint) if endpoint.encryption is Encryption.TLS else sock
    except BaseException:
        sock.close()
        raise


def encrypt(sock: socket.socket, endpoint: MailboxEndpoint) -> ssl.SSLSocket:
    """The same connection under TLS. Raises ssl.SSLError."""
    context = ssl.create_default_context()
    if not endpoint.verify_certificate:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context.wrap_socket(sock, server_hostname=endpoint.host)


@contextmanager
def troubles(endpoint: MailboxEndpoint, doing: str, refused: TroubleKind = TroubleKind.PROTOCOL) -> Iterator[None]:
    """Whatever the libraries raise inside becomes a `MailboxTrouble`.

    ``doing`` completes "while ..."; ``refused`` is the kind of trouble when the server simply says no.
    """
    try:
        yield
    except MailboxTrouble:
        raise
    except Exception as error:
        # The libraries turn a peer's nonsense into whatever they trip over: ValueError, IndexError, KeyError.
        raise as_trouble(error, endpoint, doing, refused) from error


def as_trouble(error: Exception, endpoint: MailboxEndpoint, doing: str, refused: TroubleKind) -> MailboxTrouble:
    """What this exception means for the mailbox."""
    where = f"{endpoint.host}:{endpoint.port}"
    match error:
        case Goodbye():
            return refusal(str(error), endpoint, doing, TroubleKind.CONNECT)
        case ssl.SSLError() | OSError() | EOFError():
            kind, text = _lost(error, endpoint, doing)
        case imaplib.IMAP4.error() if said(error).startswith("* BYE"):
            return refusal(said(error)[2:], endpoint, doing, TroubleKind.CONNECT)
        case imaplib.IMAP4.readonly():
            kind, text = TroubleKind.FOLDER, f"The folder {endpoint.folder} may only be read."
        case imaplib.IMAP4.abort() if "EOF" in str(error) or "socket error" in str(error):
            kind, text = TroubleKind.CONNECT, f"{where} ended the connection while {doing}."
        case imaplib.IMAP4.error() | poplib.error_proto() if not _is_nonsense(error):
            return refusal(said(error), endpoint, doing, refused)
        case _:
            text = f"{where} says something unintelligible while {doing}: {said(error)}"
            kind = TroubleKind.PROTOCOL
    return MailboxTrouble(kind, plain(text, endpoint))


def _lost(error: Exception, endpoint: MailboxEndpoint, doing: str) -> tuple[TroubleKind, str]:
    where = f"{endpoint.host}:{endpoint.port}"
    match error:
        case ssl.SSLCertVerificationError():
            found = TroubleKind.TLS, f"The certificate of {where} is not trusted: {error.verify_message}"
        case ssl.SSLError():
            why = getattr(error, "reason", None) or error
            found = TroubleKind.TLS, f"No encrypted connection with {where}: {why}"
        case TimeoutError():
            found = TroubleKind.TIMEOUT, f"{where} does not answer in time while {doing}."
        case socket.gaierror():
            found = TroubleKind.CONNECT, f"The name {endpoint.host} cannot be resolved: {error.strerror}"
        case ConnectionRefusedError():
            found = TroubleKind.CONNECT, f"{where} refuses the connection."
        case _:
            found = TroubleKind.CONNECT, f"The connection to {where} was lost while {doing}: {error}"
    return found


def _is_nonsense(error: Exception) -> bool:
    """Not a refusal, but an answer that the libraries cannot read."""
    return isinstance(error, imaplib.IMAP4.abort | ProtocolError)


def refusal(text: str, endpoint: MailboxEndpoint, doing: str, refused: TroubleKind) -> MailboxTrouble:
    """The server said no, in these words."""
    found = _CODE.search(text)
    code = found[1] if found else ""
    is_passing = code in NOT_NOW or (code in ("", "ALERT") and _NOT_NOW_WORDS.search(text) is not None)
    kind = TroubleKind.UNAVAILABLE if is_passing else refused
    sentence = f"{endpoint.host}:{endpoint.port} says no while {doing}: {text}"
    return MailboxTrouble(kind, plain(sentence, endpoint), code)


def said(error: Exception) -> str:
    """The server's own words in an exception of imaplib or poplib, which carry them as text or as bytes."""
    words = error.args[0] if error.args else ""
    text = words.decode("utf-8", "replace") if isinstance(words, bytes) else str(words)
    return text.removeprefix("-ERR").strip()


def plain(text: str, endpoint: MailboxEndpoint) -> str:
    """On one line, printable, not long, and without the secrets of the endpoint."""
    for secret in _secrets(endpoint):
        text = text.replace(secret, "********")
    text = " ".join("".join(char if char.isprintable() else " " for char in text).split())
    return text if len(text) <= MAX_TEXT else text[: MAX_TEXT - 1] + "…"


def sasl_plain(endpoint: MailboxEndpoint) -> str:
    """The initial response of PLAIN (RFC 4616)."""
    return f"\0{endpoint.username}\0{endpoint.password.reveal()}"


def sasl_xoauth2(endpoint: MailboxEndpoint) -> str:
    """The initial response of XOAUTH2, as Google and Microsoft define it."""
    return f"user={endpoint.username}\1auth=Bearer {endpoint.access_token.reveal()}\1\1"


def _keep_alive(sock: socket.socket) -> None:
    """Lets the system notice, within two minutes, that a peer to whom we only listen is gone."""
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for option, seconds in (("TCP_KEEPIDLE", 60), ("TCP_KEEPINTVL", 20), ("TCP_KEEPCNT", 3)):
        if hasattr(socket, option):
            sock.setsockopt(socket.IPPROTO_TCP, getattr(socket, option), seconds)


def _secrets(endpoint: MailboxEndpoint) -> Iterator[str]:
    """The secrets in every form in which a server has seen them."""
    if endpoint.password:
        yield from (
            endpoint.password.reveal(),
            _base64(endpoint.password.reveal()),
            _base64(sasl_plain(endpoint)),
        )
    if endpoint.access_token:
        yield from (endpoint.access_token.reveal(), _base64(sasl_xoauth2(endpoint)))


def _base64(text: str) -> str:
    return base64.b64encode(text.encode()).decode()
