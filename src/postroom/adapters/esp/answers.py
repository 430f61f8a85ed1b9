"""What a provider's answer means, in the words of SMTP: so that one judge decides for all transports.

Duty: an HTTP status, its header fields and its body become phase and reply of a `WireOutcome`. Laws: temporary unless proven permanent;
what concerns the account or the provider itself (login, credit, limits, outage) is a fact about the server and costs no
mail an attempt; 502 and 504 are answers of a middleman and tell nothing of the mail: unknown. The words are the provider's own.
Standards: RFC 9110 15 (status codes), 10.2.3 (Retry-After), RFC 6585 4 (429), RFC 3463.
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from enum import StrEnum

from postroom.core.delivery.wire import Phase
from postroom.core.terms.smtp_replies import SmtpReply

MOST_PATIENCE = 86_400.0  # seconds; who asks for more is asked again after a day


class Meaning(StrEnum):
    """Whose affair it is."""

    RECIPIENT = "recipient"  # no such address
    SUPPRESSED = "suppressed"  # on the provider's own list: bounced or complained before
    SENDER = "sender"  # this From may not be used
    CONTENT = "content"
    TOO_LARGE = "too_large"
    LOGIN = "login"
    ACCOUNT = "account"  # suspended, out of credit, set up wrongly
    LIMIT = "limit"
    BUSY = "busy"
    FAULT = "fault"  # theirs, with this mail
    SILENT = "silent"  # nobody knows


_AS_SMTP: Mapping[Meaning, tuple[Phase, int, str]] = {
    Meaning.RECIPIENT: (Phase.RCPT, 550, "5.1.1"),
    Meaning.SUPPRESSED: (Phase.RCPT, 550, "5.2.1"),
    Meaning.SENDER: (Phase.MAIL, 553, "5.1.8"),
    Meaning.CONTENT: (Phase.DATA, 554, "5.6.0"),
    Meaning.TOO_LARGE: (Phase.DATA, 552, "5.3.4"),
    Meaning.LOGIN: (Phase.AUTH, 535, "5.7.8"),
    Meaning.ACCOUNT: (Phase.MAIL, 421, "4.3.5"),
    Meaning.LIMIT: (Phase.MAIL, 421, "4.7.0"),
    Meaning.BUSY: (Phase.MAIL, 421, "4.3.2"),
    Meaning.FAULT: (Phase.DATA, 451, "4.3.0"),
}

# Ordered: the first row whose provider, status and words fit decides. Words are sought in the whole body, lower case.
_RULES: tuple[tuple[str, tuple[int, ...], str, Meaning], ...] = (
    ("amazon_ses", (), r"daily message quota|sending quota|maximum sending rate|throttling|too ?many ?requests", Meaning.LIMIT),
    ("amazon_ses", (), r"accountsuspended|sendingpaused|limitexceeded|notfoundexception", Meaning.ACCOUNT),
    ("amazon_ses", (), r"accessdenied|unrecognizedclient|signaturedoesnotmatch|invalidclienttoken|expiredtoken|invalidaccesskey|incompletesignature", Meaning.LOGIN),
    ("amazon_ses", (), r"not verified|notverified", Meaning.SENDER),
    ("amazon_ses", (400,), r"illegal address|missing final|invalid (?:to|recipient|destination)|domain contains|local address", Meaning.RECIPIENT),
    ("amazon_ses", (400,), r"message length|message too long|exceeds", Meaning.TOO_LARGE),
    ("brevo", (400,), r"not_enough_credits|account_under_validation|not yet activated", Meaning.ACCOUNT),
    ("brevo", (400,), r"sender", Meaning.SENDER),
    ("brevo", (400,), r"\bin to\b|\bto\b.{0,40}(?:valid|missing|empty)|recipient|blacklisted", Meaning.RECIPIENT),
    ("mailgun", (400,), r"'to' parameter|to parameter|recipient", Meaning.RECIPIENT),
    ("mailgun", (400,), r"'from' parameter|not allowed to send|sandbox", Meaning.SENDER),
    ("mailjet", (), r"not an authorized sender|errorrelatedto\W+from|send-0008", Meaning.SENDER),
    ("mailjet", (), r"errorrelatedto\W+to\b", Meaning.RECIPIENT),
    ("mailjet", (401, 403), r"temporarily blocked|account", Meaning.ACCOUNT),
    ("postmark", (422,), r'"errorcode"\s*:\s*406\b', Meaning.SUPPRESSED),
    ("postmark", (422,), r'"errorcode"\s*:\s*(?:400|401)\b|invalid \'from\'|parsing \'from\'', Meaning.SENDER),
    ("postmark", (422,), r'"errorcode"\s*:\s*(?:405|412|413|1235|1236)\b', Meaning.ACCOUNT),
    ("postmark", (422,), r'"errorcode"\s*:\s*10\b', Meaning.LOGIN),
    ("postmark", (422,), r"(?:invalid|parsing) '(?:to|cc|bcc)'", Meaning.RECIPIENT),
    ("resend", (403, 422), r"not verified|testing emails|invalid_from|`from`", Meaning.SENDER),
    ("resend", (422,), r"`to`|invalid_to|\bto field\b", Meaning.RECIPIENT),
    ("resend", (409,), r"concurrent_idempotent", Meaning.SILENT),
    ("sendgrid", (401, 403), r"maximum credits|credits exceeded|suspended", Meaning.ACCOUNT),
    ("sendgrid", (400, 403), r"verified sender identity|\"field\"\s*:\s*\"from", Meaning.SENDER),
    ("sendgrid", (400,), r"\"field\"\s*:\s*\"personalizations\.\d+\.to", Meaning.RECIPIENT),
    ("sparkpost", (400, 403, 422), r"sending domain", Meaning.SENDER),
    ("sparkpost", (400, 422), r"valid recipient|recipient address|invalid address|\"code\"\s*:\s*\"500[12]\"", Meaning.RECIPIENT),
    ("sparkpost", (420,), r"", Meaning.LIMIT),
)  # fmt: skip
_TABLE = tuple((who, statuses, re.compile(words), meaning) for who, statuses, words, meaning in _RULES)

_BY_STATUS: Mapping[int, Meaning] = {
    401: Meaning.LOGIN, 402: Meaning.ACCOUNT, 403: Meaning.LOGIN, 404: Meaning.ACCOUNT, 405: Meaning.ACCOUNT,
    407: Meaning.LOGIN, 408: Meaning.FAULT, 409: Meaning.FAULT, 410: Meaning.ACCOUNT, 413: Meaning.TOO_LARGE,
    423: Meaning.FAULT, 425: Meaning.FAULT, 429: Meaning.LIMIT, 502: Meaning.SILENT, 503: Meaning.BUSY, 504: Meaning.SILENT,
}  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """``reply`` None: nobody knows what became of the mail. ``retry_after`` in seconds, 0: not said."""

    phase: Phase
    reply: SmtpReply | None
    text: str
    retry_after: float = 0.0


def judge_answer(provider: str, status: int, headers: Mapping[str, str], body: str) -> Answer:
    """Of an answer that is no acceptance."""
    meaning = meaning_of(provider, status, body)
    text = f"{said(body) or 'no words'} (HTTP {status})"
    if 300 <= status < 400:
        text = f"It sent us elsewhere, and we do not follow (HTTP {status})"
    if meaning is Meaning.SILENT:
        return Answer(phase=Phase.BODY, reply=None, text=text)
    phase, code, enhanced = _AS_SMTP[meaning]
    waits = phase is Phase.MAIL and code == 421
    pause = _retry_after(headers) if waits else 0.0
    return Answer(phase=phase, reply=SmtpReply(code, enhanced, text), text=text, retry_after=pause)


def meaning_of(provider: str, status: int, body: str) -> Meaning:
    words = body[:8_000].lower()
    for who, statuses, pattern, meaning in _TABLE:
        if who == provider and (not statuses or status in statuses) and pattern.search(words):
            return meaning
    if status in _BY_STATUS:
        return _BY_STATUS[status]
    if 300 <= status < 400:
        return Meaning.ACCOUNT
    return Meaning.FAULT if status >= 500 or status < 300 else Meaning.CONTENT


def said(body: str) -> str:
    """The sentences in an answer, else the beginning of it; at most 500 characters on one line."""
    try:
        found = list(dict.fromkeys(_sentences(json.loads(body))))
    except (ValueError, RecursionError):
        found = []
    text = " ".join(found) or re.sub(r"<[^>]{0,200}>", " ", body[:2_000])
    return " ".join(re.sub(r"[^\x20-\x7e\xa0-\U0010ffff]", " ", text).split())[:500]


def innermost(error: BaseException) -> str:
    """The innermost cause that has words, on one line: libraries wrap the system's own in addresses of objects."""
    inner: BaseException | None = error
    text = type(error).__name__
    while inner is not None:
        text = str(inner) or text
        inner = inner.__cause__ or inner.__context__
    return " ".join(text.split())[:300]


_SPEAKING = frozenset({"message", "errormessage", "error", "description", "detail", "title", "error_message"})


def _sentences(value: object, name: str = "") -> Iterator[str]:
    match value:
        case dict():
            for key, inner in value.items():
                yield from _sentences(inner, str(key).lower())
        case list():
            for inner in value:
                yield from _sentences(inner, name if name == "errors" else "")
        case str() if name in _SPEAKING and value.strip():
            yield value.strip()
        case _:
            return


_RESET_IN_SECONDS = ("retry-after", "x-sib-ratelimit-reset", "ratelimit-reset", "x-ratelimit-reset")
_A_MOMENT = 1_000_000_000  # larger numbers are moments, seconds since 1970


def _retry_after(headers: Mapping[str, str]) -> float:
    lowered = {name.lower(): value for name, value in headers.items()}
    for name in _RESET_IN_SECONDS:
        if (seconds := _seconds(lowered.get(name, ""))) > 0:
            return min(seconds, MOST_PATIENCE)
    return 0.0


def _seconds(text: str) -> float:
    try:
        number = float(text)
        return number - time.time() if number > _A_MOMENT else number
    except ValueError:
        pass
    try:
        return parsedate_to_datetime(text).timestamp() - time.time()
    except ValueError:
        return 0.0
