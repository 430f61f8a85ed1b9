"""What somebody pasted: an SMTP reply, an exception of Python, an answer of a mailbox or of a token server, read for its parts.

Laws: pure, never raises, linear; at most `MOST` characters are read; what is not recognised stays words.
Standards: RFC 5321 4.2, RFC 3463, RFC 5530 (codes in brackets); the shapes of Python's smtplib, imaplib, poplib, ssl and socket errors.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum

from postroom.core.diagnosis.oauth_errors import SIGNS as OAUTH_SIGNS
from postroom.core.terms.mailboxes import MailboxProtocol, TroubleKind
from postroom.core.terms.smtp_replies import SmtpReply, read_reply
from postroom.core.terms.steps import Step

MOST = 20_000  # characters


class ErrorTopic(StrEnum):
    """What was going on."""

    SENDING = "sending"
    FETCHING = "fetching"
    CONSENT = "consent"


@dataclass(frozen=True, slots=True, kw_only=True)
class ErrorText:
    """``trouble``: in the words of our own connections, where none of the other side came. ``words``: verbatim, at most `MOST` characters.

    ``step`` and ``kind`` None: the text does not tell. ``port`` 0, other texts "": not named.
    """

    topic: ErrorTopic
    words: str
    reply: SmtpReply | None = None
    step: Step | None = None
    trouble: str = ""
    kind: TroubleKind | None = None
    response_code: str = ""
    protocol: MailboxProtocol = MailboxProtocol.IMAP
    host: str = ""
    port: int = 0
    sender: str = ""


def read_error_text(text: str) -> ErrorText:
    """Its parts."""
    words = text[:MOST].strip()
    if OAUTH_SIGNS.search(words):
        return ErrorText(topic=ErrorTopic.CONSENT, words=words)
    host, port = _place(words)
    trouble, kind = _trouble(words)
    if _MAILBOX.search(words):
        code = _bracketed(words)
        return ErrorText(
            topic=ErrorTopic.FETCHING,
            words=words,
            trouble=trouble or words,
            kind=kind or _kind(code, words),
            response_code=code,
            protocol=MailboxProtocol.POP3 if _POP3.search(words) else MailboxProtocol.IMAP,
            host=host,
            port=port,
        )
    reply = _reply(words)
    return ErrorText(
        topic=ErrorTopic.SENDING,
        words=words,
        reply=reply,
        trouble="" if reply is not None else trouble,
        step=_step(words, trouble if reply is None else "", kind),
        kind=kind,
        host=host,
        port=port,
        sender=_sender(words),
    )


# ---- who speaks

_MAILBOX = re.compile(
    r"imaplib|imapclient|\bIMAP4?\b|poplib|\bPOP3?\b|fetchmail|\[(?:AUTHENTICATIONFAILED|AUTHORIZATIONFAILED|LOGINDISABLED|PRIVACYREQUIRED|WEBALERT|"
    r"UNAVAILABLE|INUSE|IN-USE|NONEXISTENT|TRYCREATE|OVERQUOTA|LIMIT|EXPIRED|SYS/TEMP|SYS/PERM|ALERT|SERVERBUG)\b|-ERR\b|LOGIN failed|"
    r"AUTHENTICATE failed|mailbox .{0,60}(?:cannot be (?:opened|read)|doesn't exist)|:(?:993|995|143|110)\b"
)
_POP3 = re.compile(r"poplib|\bPOP3?\b|-ERR\b|:(?:995|110)\b")
_CODE_IN_BRACKETS = re.compile(r"\[([A-Z][A-Z/-]{2,30})(?: [^\]]{0,80})?\]")
_NOT_A_CODE = frozenset({"SSL"})


def _bracketed(words: str) -> str:
    return next((found for found in _CODE_IN_BRACKETS.findall(words) if found not in _NOT_A_CODE), "")


def _kind(code: str, words: str) -> TroubleKind | None:
    """The kind of a mailbox's trouble, by the code in brackets and then by the words."""
    for kind, codes, says in _KINDS:
        if code in codes or says.search(words):
            return kind
    return None


_KINDS = (
    (TroubleKind.UNAVAILABLE, {"UNAVAILABLE", "INUSE", "IN-USE", "LIMIT", "SYS/TEMP", "SERVERBUG"},
     re.compile(r"too many|simultaneous connections|temporar|bandwidth|try again later|rate limit", re.IGNORECASE)),
    (TroubleKind.LOGIN, {"AUTHENTICATIONFAILED", "AUTHORIZATIONFAILED", "LOGINDISABLED", "PRIVACYREQUIRED", "WEBALERT", "EXPIRED", "SYS/PERM", "AUTH"},
     re.compile(r"login|auth|credential|password|username|not enabled for (?:imap|pop)|(?:imap|pop) (?:access )?(?:is )?disabled", re.IGNORECASE)),
    (TroubleKind.FOLDER, {"NONEXISTENT", "TRYCREATE"},
     re.compile(r"unknown mailbox|mailbox .{0,60}(?:doesn't exist|does not exist|not found)|no such mailbox|SELECT|EXAMINE|folder", re.IGNORECASE)),
)  # fmt: skip


# ---- what a connection ran into

_TROUBLES: tuple[tuple[TroubleKind, str, re.Pattern[str]], ...] = tuple(
    (kind, trouble, re.compile(says, re.IGNORECASE))
    for kind, trouble, says in (
        (TroubleKind.TLS, "the certificate was not accepted: {0}",
         r"certificate verify failed:? ?([^(\n]{0,160})|(?:certificate was not accepted|not trusted): ([^\n]{0,160})|((?:hostname|ip address) mismatch[^\n]{0,120}|hostname '[^']{0,200}' doesn't match)"),
        (TroubleKind.TLS, "the server does not offer STARTTLS", r"STARTTLS extension not supported|does not offer STARTTLS"),
        (TroubleKind.LOGIN, "it offers no login that fits: it offers: none", r"SMTP AUTH extension not supported"),
        (TroubleKind.TLS, "TLS handshake failed: {0}",
         r"\b((?:wrong[_ ]version[_ ]number|unsupported[_ ]protocol|(?:tlsv1[_ ])?alert[_ ][a-z_ ]{3,40}|(?:sslv3[_ ])?(?:alert[_ ])?handshake[_ ]failure|"
         r"no[_ ]shared[_ ]cipher|no[_ ]protocols[_ ]available|record[_ ]layer[_ ]failure|packet[_ ]length[_ ]too[_ ]long|http[_ ]request|"
         r"unexpected[_ ]eof|version[_ ]too[_ ]low)\w*)"),
        (TroubleKind.CONNECT, "this machine's resolver does not answer", r"temporary failure in name resolution|errno -3\b"),
        (TroubleKind.CONNECT, "the name could not be resolved",
         r"gaierror|name or service not known|nodename nor servname|getaddrinfo failed|no address associated|errno -[25]\b|errno 1100[14]\b|could not be resolved|cannot be resolved|host not found"),
        (TroubleKind.CONNECT, "connection refused: refuses the connection",
         r"connection ?refused|actively refused|refuses the connection|errno (?:111|61|10061)\b|winerror 10061"),
        (TroubleKind.CONNECT, "network is unreachable", r"network is unreachable|no route to host|errno (?:101|113|65|51|10051|10065)\b|unreachable"),
        (TroubleKind.CONNECT, "permission denied", r"permissionerror|errno 13\b"),
        (TroubleKind.TIMEOUT, "timed out", r"timeouterror|timed? ?-?out|errno (?:110|60|10060)\b|no answer within"),
        (TroubleKind.CONNECT, "the server closed the connection",
         r"connectionreset|reset by peer|broken ?pipe|unexpectedly closed|serverdisconnected|connection (?:was )?(?:lost|closed|broke)|closed the connection|eof occurred|\beof\b|errno (?:104|54|32|10054)\b"),
    )
)  # fmt: skip


def _trouble(words: str) -> tuple[str, TroubleKind | None]:
    """In the words that our own connections use; nothing where there is none."""
    for kind, trouble, says in _TROUBLES:
        if found := says.search(words):
            detail = next((group for group in found.groups() if group), "").replace("_", " ").strip(" .:'\")")
            return trouble.format(detail or "it was not trusted"), kind
    return "", None


# ---- SMTP

_IN_TUPLE = re.compile(r"\(\s*([245]\d\d)\s*,\s*b?(?:'((?:[^'\\]|\\.){0,3000})'|\"((?:[^\"\\]|\\.){0,3000})\")")
_AT_LINE_START = re.compile(r"(?:^|\n)\s*(?:SMTP[- ;:])?\s*([245]\d\d)[ -]([^\n]*)")
_ANYWHERE = re.compile(r"(?<![\d.:#])([245]\d\d)(?:[ -]|: )(?=\S)([^\n]*)")
_STATUS_ALONE = re.compile(r"(?<![\d.])([245]\.\d{1,3}\.\d{1,3})(?![\d.]*\d)[ :;-]*([^\n]*)")
_CODE_ALONE = re.compile(r"(?<![\d.])([245]\d\d)(?![\d.]*\d)")


def _reply(words: str) -> SmtpReply | None:
    """The first reply in the text, with its further lines."""
    if found := _IN_TUPLE.search(words):
        said = (
            (found[2] or found[3] or "").replace("\\n", "\n").replace("\\'", "'").replace('\\"', '"').replace("\\r", "")
        )
        return read_reply(int(found[1]), said.split("\n"))
    for shape in (_AT_LINE_START, _ANYWHERE):
        if found := shape.search(words):
            code = found[1]
            rest = words[found.end() :].split("\n")[1:] if found.end() < len(words) else []
            more = [line.strip().removeprefix(code).lstrip(" -") for line in rest if line.strip()][:20]
            return read_reply(int(code), [found[2].strip(), *more])
    if found := _STATUS_ALONE.search(words):
        return SmtpReply(int(found[1][0]) * 100 + 50, found[1], found[2].strip() or words)
    if (alone := _CODE_ALONE.fullmatch(words)) is not None:
        return SmtpReply(int(alone[1]), "", "")
    return None


_STEPS = (
    (Step.LOGIN, re.compile(r"SMTPAuthenticationError|\bAUTH\b|login failed|logging in|username and password not accepted|"
                            r"authentication (?:failed|failure|unsuccessful|credentials invalid)|BadCredentials|5\.7\.8\b|5\.7\.3 auth", re.IGNORECASE)),
    (Step.MAIL, re.compile(r"SMTPSenderRefused|MAIL FROM|domain of sender|sender address|5\.1\.[78]\b|sender identity|send as", re.IGNORECASE)),
    (Step.RCPT, re.compile(r"SMTPRecipientsRefused|RCPT TO", re.IGNORECASE)),
    (Step.DATA, re.compile(r"SMTPDataError|end of data", re.IGNORECASE)),
    (Step.EHLO, re.compile(r"SMTPHeloError|\b(?:HELO|EHLO)\b", re.IGNORECASE)),
    (Step.STARTTLS, re.compile(r"STARTTLS", re.IGNORECASE)),
    (Step.GREETING, re.compile(r"SMTPConnectError", re.IGNORECASE)),
)  # fmt: skip
_STEP_OF_KIND = {
    TroubleKind.TLS: Step.TLS,
    TroubleKind.LOGIN: Step.LOGIN,
    TroubleKind.CONNECT: Step.CONNECT,
    TroubleKind.TIMEOUT: Step.CONNECT,
}
_LOGIN_CODES = re.compile(r"(?<![\d.])(?:53[458]|525)[ -]")


def _step(words: str, trouble: str, kind: TroubleKind | None) -> Step | None:
    if trouble and kind is not None:
        return Step.STARTTLS if "STARTTLS" in trouble else _STEP_OF_KIND[kind]
    if _LOGIN_CODES.search(words):
        return Step.LOGIN
    return next((step for step, says in _STEPS if says.search(words)), None)


# ---- places and people

_HOST_AND_PORT = re.compile(r"\b((?:[a-z0-9-]{1,63}\.){1,10}[a-z]{2,24})(?::|'?, ?)(\d{2,5})\b", re.IGNORECASE)
_PORT = re.compile(r"\bport[ =:]{1,3}(\d{1,5})\b", re.IGNORECASE)
_KNOWN_HOST = re.compile(
    r"\b((?:smtp|imap|pop|outlook|email-smtp|mail)[a-z0-9.-]{0,60}\.(?:com|net|org|de|eu|io|cloud))\b", re.IGNORECASE
)
_SENDER_OF_PYTHON = re.compile(r"SMTPSenderRefused: ?\(.{3,3000}, ?'([^'\s]{3,254})'\)", re.DOTALL)
_SENDER_OF_SMTP = re.compile(r"MAIL FROM: ?<([^>\s]{3,254})>", re.IGNORECASE)


def _place(words: str) -> tuple[str, int]:
    found = _HOST_AND_PORT.search(words)
    if found is not None and int(found[2]) < 65_536:
        return found[1].lower(), int(found[2])
    port = _PORT.search(words)
    host = _KNOWN_HOST.search(words)
    return host[1].lower() if host else "", int(port[1]) if port is not None and int(port[1]) < 65_536 else 0


def _sender(words: str) -> str:
    found = _SENDER_OF_PYTHON.search(words) or _SENDER_OF_SMTP.search(words)
    return found[1] if found is not None else ""
