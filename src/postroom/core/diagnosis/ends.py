"""What ends on a day that is known before: certificates of servers and of our own door, consents (OAuth2).

Laws: pure. It is told early enough that somebody can act, and told as an error once the day has come.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from postroom.core.diagnosis.acting import Actor
from postroom.core.diagnosis.finding_codes import FindingCode, Severity
from postroom.core.diagnosis.findings import HOUSE, Finding, found
from postroom.core.terms.reasons import catalogue

CERTIFICATE_SOON = timedelta(days=14)
CONSENT_SOON = timedelta(days=3)

catalogue(
    {
        "finding.server_tls_ends": "The certificate of {server} {what} at {until} ({days} days): then nothing is sent through it any more.",
        "heal.server_tls_ends": "Whoever runs the server has to renew it (Let's Encrypt: certbot renew, and reload the mail server); many renew by themselves some days before.",
        "finding.door_tls_ends": "The certificate of our own SMTP door {what} at {until} ({days} days): then others hand in mail without encryption, or not at all.",
        "heal.door_tls_ends": "Renew the certificate (tls_certificate in postroom.toml: {place}) and start the doors again.",
        "finding.token_ends": "The consent (OAuth2) for {subject} ends at {until}.",
        "heal.token_ends": "Connect the account again before that day. Google ends consents after a week while its consent screen is in testing: publish the app there.",
    }
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class EndingFact:
    """``subject`` as findings name it (`HOUSE` for our door), ``name`` for sentences, ``until`` aware."""

    code: FindingCode
    subject: str
    name: str
    until: datetime
    place: str = ""


def check_ends(facts: EndingFact, now: datetime) -> Iterator[Finding]:
    """One finding where the end is near or over."""
    is_consent = facts.code is FindingCode.TOKEN_ENDS
    if facts.until - now > (CONSENT_SOON if is_consent else CERTIFICATE_SOON):
        return
    is_over = facts.until <= now
    until = f"{facts.until:%Y-%m-%d %H:%M} UTC"
    days = abs(facts.until - now).days
    thing = "consent" if is_consent else "certificate"
    yield found(
        facts.code,
        facts.subject,
        evidence=[f"{thing} of {facts.name}: good until {until}"],
        severity=Severity.ERROR if is_over else None,
        who=Actor.PROVIDER if facts.code is FindingCode.SERVER_TLS_ENDS else None,
        facts={
            "server": facts.name,
            "subject": facts.subject if facts.subject != HOUSE else facts.name,
            "what": "ended" if is_over else "ends",
            "until": until,
            "days": days,
            "place": facts.place,
        },
    )
