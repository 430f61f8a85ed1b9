"""What the watch tells: a mail in plain words, and a signed request for programs.

Laws: pure. A mail names each trouble once, with its cause, its cure and whose turn it is, and is bounded; nothing but the doctor's own
sentences and verbatim evidence is in it. The signature follows the Standard Webhooks scheme: HMAC-SHA-256 over ``id.timestamp.body``.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from collections.abc import Sequence
from datetime import datetime
from html import escape

from postroom.core.diagnosis.finding_codes import Severity
from postroom.core.diagnosis.watching import Watched
from postroom.core.terms.secret import Secret

MOST_TOLD = 20
_WORDS = {Severity.ERROR: "Error", Severity.WARNING: "Warning"}
SECRET_BYTES = 32


def subject_of_mail(raised: Sequence[Watched], well: Sequence[str]) -> str:
    """One line that says enough."""
    if not raised:
        return f"Postroom: {_counted(len(well), 'trouble')} less"
    errors = sum(one.severity is Severity.ERROR for one in raised)
    worst = "an error" if errors == 1 else f"{errors} errors" if errors else _counted(len(raised), "warning")
    return f"Postroom: {worst} ({raised[0].subject})"


def mail_html(raised: Sequence[Watched], well: Sequence[str], *, at: datetime, link: str) -> str:
    """``well``: sentences of what is over. ``link``: the page that shows everything."""
    parts = [f"<p>The doctor of your Postroom looked at it at {at:%Y-%m-%d %H:%M} UTC.</p>"]
    if raised:
        parts.append("<p>New:</p><ul>")
        parts += [_item(one) for one in raised[:MOST_TOLD]]
        parts.append("</ul>")
    if len(raised) > MOST_TOLD:
        parts.append(f"<p>And {len(raised) - MOST_TOLD} more.</p>")
    if well:
        parts.append("<p>Well again:</p><ul>")
        parts += [f"<li>{escape(one)}</li>" for one in well[:MOST_TOLD]]
        parts.append("</ul>")
    parts.append(f'<p>All findings, with what was seen: <a href="{escape(link)}">{escape(link)}</a></p>')
    return "".join(parts)


def _item(one: Watched) -> str:
    return (
        f"<li><p><b>{_WORDS.get(one.severity, 'Note')}: {escape(one.subject)}</b></p>"
        f"<p>{escape(str(one.cause))}</p><p>What to do: {escape(str(one.cure))}</p></li>"
    )


def _counted(count: int, what: str) -> str:
    return f"{count} {what}{'' if count == 1 else 's'}"


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
