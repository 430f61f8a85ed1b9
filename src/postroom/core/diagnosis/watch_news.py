"""What the watch tells: a mail in plain words, and a signed request for programs.

Laws: pure. A mail names each trouble once, the gravest first, with its cause and its cure, in a voice of `letters`, and is bounded; nothing
but the doctor's own sentences is in it. The signature follows the Standard Webhooks scheme: HMAC-SHA-256 over ``id.timestamp.body``.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from html import escape

from postroom.core.diagnosis.finding_codes import Severity
from postroom.core.diagnosis.watching import Watched
from postroom.core.terms.reasons import Reason
from postroom.core.terms.secret import Secret

MOST_TOLD = 20
SECRET_BYTES = 32


@dataclass(frozen=True, slots=True, kw_only=True)
class _Words:
    """The words of ours around the doctor's sentences, in one language. Those that count have one for 1 and one for more."""

    errors: tuple[str, str]
    warnings: tuple[str, str]
    less: tuple[str, str]
    severities: Mapping[Severity, str]
    looked: str
    new: str
    more: str
    over: str
    cure: str
    all: str


_WORDS = {
    "en": _Words(
        errors=("an error", "{n} errors"),
        warnings=("1 warning", "{n} warnings"),
        less=("1 trouble less", "{n} troubles less"),
        severities={Severity.ERROR: "Error", Severity.WARNING: "Warning", Severity.INFO: "Good to know"},
        looked="The doctor of your Postroom looked at it at {at} UTC.",
        new="New:",
        more="And {n} more.",
        over="Well again:",
        cure="What to do: {cure}",
        all="All findings, with what was seen: {link}",
    ),
    "de": _Words(
        errors=("ein Fehler", "{n} Fehler"),
        warnings=("1 Warnung", "{n} Warnungen"),
        less=("1 Störung weniger", "{n} Störungen weniger"),
        severities={Severity.ERROR: "Fehler", Severity.WARNING: "Warnung", Severity.INFO: "Gut zu wissen"},
        looked="Der Doktor Ihres Postroom hat am {at} UTC nachgesehen.",
        new="Neu:",
        more="Und {n} mehr.",
        over="Wieder in Ordnung:",
        cure="Was zu tun ist: {cure}",
        all="Alle Befunde, mit dem, was zu sehen war: {link}",
    ),
}
Tell = Callable[[Reason], str]


def subject_of_mail(raised: Sequence[Watched], over: int, voice: str = "en") -> str:
    """One line that says enough. ``over``: how many troubles are; ``voice`` as `voice_of` says."""
    words = _WORDS[voice]
    if not raised:
        return f"Postroom: {_counted(over, words.less)}"
    errors = sum(one.severity is Severity.ERROR for one in raised)
    worst = _counted(errors, words.errors) if errors else _counted(len(raised), words.warnings)
    return f"Postroom: {worst} ({_gravest_first(raised)[0].subject})"


def mail_html(
    raised: Sequence[Watched], over: Sequence[Watched], *, at: datetime, link: str, voice: str = "en", tell: Tell = str
) -> str:
    """``over``: what is well again. ``link``: the page that shows everything. ``tell`` makes the doctor's sentences, in the same language."""
    words = _WORDS[voice]
    parts = [f"<p>{words.looked.format(at=f'{at:%Y-%m-%d %H:%M}')}</p>"]
    if raised:
        items = [_item(one, words, tell) for one in _gravest_first(raised)[:MOST_TOLD]]
        parts += [f"<p>{words.new}</p><ul>", *items, "</ul>"]
    if len(raised) > MOST_TOLD:
        parts.append(f"<p>{words.more.format(n=len(raised) - MOST_TOLD)}</p>")
    if over:
        items = [f"<li>{escape(f'{one.subject}: {tell(one.cause)}')}</li>" for one in over[:MOST_TOLD]]
        parts += [f"<p>{words.over}</p><ul>", *items, "</ul>"]
    if len(over) > MOST_TOLD:
        parts.append(f"<p>{words.more.format(n=len(over) - MOST_TOLD)}</p>")
    shown = f'<a href="{escape(link)}">{escape(link)}</a>'
    parts.append(f"<p>{words.all.format(link=shown)}</p>")
    return "".join(parts)


def _gravest_first(raised: Sequence[Watched]) -> list[Watched]:
    return sorted(raised, key=lambda one: one.severity.rank)


def _item(one: Watched, words: _Words, tell: Tell) -> str:
    cure = escape(words.cure.format(cure=tell(one.cure)))
    head = escape(f"{words.severities[one.severity]}: {one.subject}")
    return f"<li><p><b>{head}</b></p><p>{escape(tell(one.cause))}</p><p>{cure}</p></li>"


def _counted(count: int, words: tuple[str, str]) -> str:
    return words[count != 1].format(n=count)


# ---- for programs


def news_body(raised: Sequence[Watched], cleared: Sequence[Watched], *, at: datetime, link: str, kind: str) -> bytes:
    """The JSON of a request. ``kind``: ``doctor.changed``, or ``doctor.test`` for a trial."""
    said = {
        "type": kind,
        "timestamp": at.isoformat(),
        "data": {
            "raised": [one.as_json() for one in raised[:MOST_TOLD]],
            "cleared": [one.as_json() for one in cleared[:MOST_TOLD]],
            "more": max(0, len(raised) - MOST_TOLD) + max(0, len(cleared) - MOST_TOLD),
            "link": link,
        },
    }
    return json.dumps(said, ensure_ascii=False, separators=(",", ":")).encode()


def signed_headers(body: bytes, *, secret: Secret, message_id: str, at: int) -> dict[str, str]:
    """``secret`` as `make_secret` wrote it; ``at`` in seconds since 1970. Raises ValueError for what is no secret."""
    key = base64.b64decode(secret.reveal().removeprefix("whsec_"), validate=True)
    signature = hmac.new(key, f"{message_id}.{at}.".encode() + body, hashlib.sha256).digest()
    return {
        "Content-Type": "application/json",
        "webhook-id": message_id,
        "webhook-timestamp": str(at),
        "webhook-signature": f"v1,{base64.b64encode(signature).decode()}",
    }


def make_secret(random_bytes: bytes) -> str:
    """As receivers paste it: ``whsec_`` and Base64."""
    return f"whsec_{base64.b64encode(random_bytes).decode()}"
