"""Outgoing servers: what their settings, their state and a test of the connection tell.

Laws: pure. A test that failed brings its own cause and cure (`server_errors`); what the settings alone show is a finding where it is
surely wrong. A server that a person paused is worth a warning only when mail waits for it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from postroom.core.diagnosis import acting
from postroom.core.diagnosis.acting import Actor
from postroom.core.diagnosis.domain_facts import is_internal
from postroom.core.diagnosis.ends import EndingFact, check_ends
from postroom.core.diagnosis.finding_codes import FindingCode, Severity
from postroom.core.diagnosis.findings import Finding, Fix, FixKind, found, server_named
from postroom.core.terms.reasons import Reason, because, catalogue

ENDS_SOON = timedelta(days=21)

catalogue(
    {
        "finding.server_secret": "The password of {server} cannot be read: the key of this installation is another one.",
        "heal.server_secret": "Enter the password of {server} again.",
        "finding.server_port_pair": "{server} has port {port} with {encryption}: at that port servers want {wanted}.",
        "heal.server_port_pair": "Choose {wanted} for port {port}, or the port that fits: 587 with STARTTLS, 465 with TLS.",
        "finding.server_port_25": "{server} uses port 25 to a host outside: most networks block it.",
        "heal.server_port_25": "Use port 587 with STARTTLS, 465 with TLS, or 2525.",
        "finding.server_in_clear": "{server} logs in without encryption: whoever listens reads the password.",
        "heal.server_in_clear": "Choose STARTTLS (587) or TLS (465).",
        "finding.server_certificate_ends": "The client certificate of {server} {what} at {until}.",
        "heal.server_certificate_ends": "Get a new one from whoever gave it to you, and enter it with its key.",
        "finding.server_refuses": "{server} does not take mail from us: {reply}",
        "heal.server_refuses": "Test its connection and put right what it says: postroom server test '{server}'",
        "heal.server_password_changed": "It was accepted until {at}, so it was changed there: enter the new password (the page Settings, Outgoing servers, "
        "{server}, or postroom server edit '{server}' --password-stdin).",
        "finding.server_broken": "{server} was in trouble {count} times, and is left alone until {until}: {trouble}",
        "heal.server_broken": "Test its connection; a success ends the trouble at once: postroom server test '{server}'",
        "finding.server_paused": "{server} is paused by a person since {since}; mails that wait for it: {count}.",
        "heal.server_paused": "Resume it: postroom server resume '{server}'",
        "finding.server_limit": "Daily limit reached: {server} has sent {used} mails today, and the rest waits until {until}.",
        "heal.server_limit": "Raise the limit if the provider allows more, set up another server that takes over, or let colleagues hear of messages in the app instead of by mail.",
        "finding.server_slowed": "{server} asked us to slow down: it gets {rate} mails a minute. It said: {reply}",
        "heal.server_slowed": "It becomes faster by itself; on the page Limits it can be lifted at once.",
        "finding.server_unchecked": "{server} could not be tried within {seconds} seconds.",
        "heal.server_unchecked": "Try it alone: postroom server test '{server}'",
        "finding.server_captured": "{server} was not tried: nothing leaves at present.",
        "heal.server_captured": "Nothing is to be done. To try it all the same: postroom server test '{server}'",
    }
)  # fmt: skip

# what a server says today and perhaps not tomorrow, or says of the recipient of the test alone
_PASSING = frozenset(
    "greylisted recipient_unknown login_later later going_down too_many_connections too_fast storage".split()
)
_PASSWORDS = frozenset("login_refused gmail_app_password microsoft_login ses_credentials sendgrid_key".split())
_PAIRS = {465: ("TLS", ("tls",)), 587: ("STARTTLS", ("starttls", "none"))}


@dataclass(frozen=True, slots=True, kw_only=True)
class TriedServer:
    """What a test found. ``code`` of `server_errors`; ``reply`` verbatim."""

    is_ok: bool
    code: str = ""
    cause: Reason | None = None
    cure: Reason | None = None
    step: str = ""
    reply: str = ""
    certificate_until: datetime | None = None
    fingerprint: str = ""
    greeting: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerFacts:
    """An active server. ``tried`` None: it was not, because of ``untried`` (captured, slow, or ``""``: not asked for)."""

    id: int
    name: str
    host: str = ""
    port: int = 587
    encryption: str = "starttls"
    is_smtp: bool = True
    has_login: bool = False
    is_secret_unreadable: bool = False
    certificate_until: datetime | None = None
    token_until: datetime | None = None
    paused_at: datetime | None = None
    waiting: int = 0
    broken_until: datetime | None = None
    trouble: str = ""
    trouble_count: int = 0
    trouble_code: str = ""
    trouble_cause: Reason | None = None
    trouble_cure: Reason | None = None
    limit_until: datetime | None = None
    used_today: int = 0
    slowed_to: int = 0
    slow_reply: str = ""
    accepted_at: datetime | None = None  # by these same settings
    tried: TriedServer | None = None
    untried: str = ""
    patience: float = 0.0

    @property
    def subject(self) -> str:
        return server_named(self.name)


def check_server(facts: ServerFacts, now: datetime) -> list[Finding]:
    return [*_settings(facts, now), *_ends(facts, now), *_state(facts, now), *_trial(facts)]


def _settings(facts: ServerFacts, now: datetime) -> Iterator[Finding]:
    if facts.is_secret_unreadable:
        yield found(
            FindingCode.SERVER_SECRET,
            facts.subject,
            evidence=["its password cannot be opened"],
            facts={"server": facts.name},
        )
    if facts.certificate_until is not None and facts.certificate_until < now + ENDS_SOON:
        is_over = facts.certificate_until < now
        until = f"{facts.certificate_until:%Y-%m-%d}"
        yield found(
            FindingCode.SERVER_CERTIFICATE_ENDS,
            facts.subject,
            evidence=[f"client certificate: good until {until}"],
            severity=Severity.ERROR if is_over else None,
            facts={"server": facts.name, "what": "ended" if is_over else "ends", "until": until},
        )
    if not facts.is_smtp or facts.tried is not None:
        return  # what a test says is surer
    wanted, allowed = _PAIRS.get(facts.port, ("", ()))
    evidence = [f"{facts.host}:{facts.port}, encryption {facts.encryption}"]
    if wanted and facts.encryption not in allowed:
        yield found(
            FindingCode.SERVER_PORT_PAIR,
            facts.subject,
            evidence=evidence,
            facts={"server": facts.name, "port": facts.port, "encryption": facts.encryption, "wanted": wanted},
        )
    if not _is_at_home(facts.host):
        if facts.port == 25:
            yield found(FindingCode.SERVER_PORT_25, facts.subject, evidence=evidence, facts={"server": facts.name})
        if facts.encryption == "none" and facts.has_login:
            yield found(FindingCode.SERVER_IN_CLEAR, facts.subject, evidence=evidence, facts={"server": facts.name})


def _ends(facts: ServerFacts, now: datetime) -> Iterator[Finding]:
    if facts.tried is not None and facts.tried.certificate_until is not None:
        until = facts.tried.certificate_until
        yield from check_ends(
            EndingFact(code=FindingCode.SERVER_TLS_ENDS, subject=facts.subject, name=facts.name, until=until), now
        )
    if facts.token_until is not None:
        yield from check_ends(
            EndingFact(code=FindingCode.TOKEN_ENDS, subject=facts.subject, name=facts.name, until=facts.token_until),
            now,
        )


def _is_at_home(host: str) -> bool:
    return is_internal(host) or "." not in host.strip(".")


def _state(facts: ServerFacts, now: datetime) -> Iterator[Finding]:
    if facts.paused_at is not None:
        since = _moment(facts.paused_at)
        yield found(
            FindingCode.SERVER_PAUSED,
            facts.subject,
            evidence=[f"paused at {since}", f"{facts.waiting} mails wait for it"],
            severity=None if facts.waiting else Severity.INFO,
            fix=Fix(kind=FixKind.RESUME_SERVER, target=str(facts.id)),
            facts={"server": facts.name, "since": since, "count": facts.waiting},
        )
    if facts.broken_until is not None and facts.broken_until > now and not (facts.tried and facts.tried.is_ok):
        yield _broken(facts)
    if facts.limit_until is not None:
        yield found(
            FindingCode.SERVER_LIMIT,
            facts.subject,
            evidence=[f"{facts.used_today} mails today"],
            facts={"server": facts.name, "used": facts.used_today, "until": _moment(facts.limit_until)},
        )
    if facts.slowed_to:
        yield found(
            FindingCode.SERVER_SLOWED,
            facts.subject,
            evidence=[facts.slow_reply],
            facts={"server": facts.name, "rate": facts.slowed_to, "reply": facts.slow_reply},
        )


def _broken(facts: ServerFacts) -> Finding:
    until = _moment(facts.broken_until) if facts.broken_until else "?"
    return found(
        FindingCode.SERVER_BROKEN,
        facts.subject,
        evidence=[f"{facts.trouble} ({facts.trouble_count} times; left alone until {until})"],
        detail=facts.trouble_code,
        who=_who(facts.trouble_code),
        fix=Fix(kind=FixKind.TEST_SERVER, target=str(facts.id)),
        cause=facts.trouble_cause,
        cure=_cure(facts, facts.trouble_code, facts.trouble_cure),
        facts={"server": facts.name, "count": facts.trouble_count, "until": until, "trouble": facts.trouble},
    )


def _trial(facts: ServerFacts) -> Iterator[Finding]:
    tried = facts.tried
    if tried is not None and not tried.is_ok:
        yield found(
            FindingCode.SERVER_REFUSES,
            facts.subject,
            evidence=[f"{facts.host}:{facts.port}, {tried.step or 'test'}: {tried.reply}"],
            severity=Severity.WARNING if tried.code in _PASSING else None,
            detail=tried.code,
            who=_who(tried.code),
            fix=Fix(kind=FixKind.TEST_SERVER, target=str(facts.id)),
            cause=tried.cause,
            cure=_cure(facts, tried.code, tried.cure),
            facts={"server": facts.name, "reply": tried.reply},
        )
    elif facts.untried == "captured":
        yield found(FindingCode.SERVER_CAPTURED, facts.subject, facts={"server": facts.name})
    elif facts.untried == "slow":
        yield found(
            FindingCode.SERVER_UNCHECKED, facts.subject, facts={"server": facts.name, "seconds": round(facts.patience)}
        )


def _cure(facts: ServerFacts, code: str, cure: Reason | None) -> Reason | None:
    """A password that was good until lately was not mistyped here."""
    if code not in _PASSWORDS or facts.accepted_at is None:
        return cure
    return because("heal.server_password_changed", at=_moment(facts.accepted_at), server=facts.name)


def _who(code: str) -> Actor | None:
    try:
        return acting.of_case(code)[1]
    except KeyError:  # a case of a provider's API, or none
        return None


def _moment(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M} UTC"
