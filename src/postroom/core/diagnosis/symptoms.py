"""Symptoms: what people say is wrong, and the causes to look for, in order, until one is found.

    symptom --> looks, one after the other --> the first that meets a finding --> its root cause
                                           \\-> none: what was looked at, what could not be, what to do next

Laws: pure. The documents' own cause of a symptom stands first, then what is likely, the cheapest look first. A problem ends the walk;
what is only good to know does so when nothing graver is met. A finding that follows from another is told with its root. Where a look could
not be made, it counts as unchecked, never as clear.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from postroom.core.diagnosis.broken_checks import unknown_codes
from postroom.core.diagnosis.domain_facts import EXISTENCE
from postroom.core.diagnosis.finding_codes import FindingCode, Severity
from postroom.core.diagnosis.findings import Finding, Folded
from postroom.core.terms.reasons import Reason, because, catalogue


class Symptom(StrEnum):
    """What people say."""

    NOT_SENDING = "not-sending"
    SPAM = "spam"
    CONNECTION_REFUSED = "connection-refused"
    AUTHENTICATION_FAILED = "authentication-failed"
    NO_REPLIES = "no-replies"
    DUPLICATES = "duplicates"
    QUEUED = "queued"
    DAILY_LIMIT = "daily-limit"
    NO_ERROR = "no-error"
    BOUNCES = "bounces"
    NOT_RECEIVING = "not-receiving"


catalogue(
    {
        "symptom.not-sending": "Mails are not sent",
        "symptom.spam": "Mails land in spam",
        "symptom.connection-refused": "Connection refused",
        "symptom.authentication-failed": "Authentication failed",
        "symptom.no-replies": "Replies do not come back to their records",
        "symptom.duplicates": "Mails come twice",
        "symptom.queued": "Mails are queued and not sent",
        "symptom.daily-limit": "Daily limit reached",
        "symptom.no-error": "A delivery failed and no error is shown",
        "symptom.bounces": "Mails bounce",
        "symptom.not-receiving": "Mails are not received",
        "next.not-sending": "Open a mail that should have left: its envelope says which gate it waits for, or what the server answered. Then send a test mail from the page of the outgoing server.",
        "next.spam": "Open the mail in the mailbox that put it into spam and read its Authentication-Results: they say what failed there. Content, links and a young domain are judged by the receiver alone.",
        "next.connection-refused": "All ways out and in answer now. If it comes and goes, ask who looks after the firewall whether it counts connections.",
        "next.authentication-failed": "All logins work now. Paste the error into: postroom explain-error",
        "next.no-replies": "Open a mail that left and look at its Reply-To: write to that address from outside, and look whether it comes in under Incoming mail.",
        "next.duplicates": "Compare the Message-ID of both copies. The same one: the receiver, or a forwarding, doubled the mail. Two different ones: it was written twice, perhaps by a rule or a program.",
        "next.queued": "Open the queue: each mail says what it waits for and until when. What is scheduled waits for its date.",
        "next.daily-limit": "Nothing is at a limit now. The error may speak of the provider's own limit: paste it into: postroom explain-error",
        "next.no-error": "Ask the recipient to search the spam folder for the Message-ID; the receiver's postmaster can say what became of it. Show the sent mail's own history in the queue.",
        "next.bounces": "Open a bounced mail: the report says who refused it and why. Paste its words into: postroom explain-error",
        "next.not-receiving": "Ask the sender for the report that came back to them: it names the server that refused. If there is none, look under Incoming mail for what is held or was discarded.",
        "look.admin": "the addresses of the administrators",
        "look.addresses": "mails that could not be delivered to their address",
        "look.aliases": "aliases, and whether their tests arrived",
        "look.bounce_way": "the way back for reports of failed deliveries",
        "look.capture": "whether anything may leave here at all",
        "look.catchall": "the alias domain (catchall domain)",
        "look.certificates": "certificates and encryption of the outgoing servers",
        "look.connection": "the connection to the outgoing servers",
        "look.deferred": "mails that were put off",
        "look.delivering": "whether the queue is worked through",
        "look.dkim": "DKIM",
        "look.dmarc": "DMARC",
        "look.domain": "whether the domains of senders exist",
        "look.doors": "the doors by which mail is handed in",
        "look.fetch_action": "the scheduled action that fetches mail",
        "look.from": "the default From and the FROM filters",
        "look.gmail": "whether an account for one person sends for all",
        "look.incoming": "mails that came in and stay where they are",
        "look.limits": "daily limits, and providers who ask us to slow down",
        "look.login": "logins at the outgoing servers",
        "look.machine": "the machine: disk, clock, database, processes",
        "look.mailbox_connection": "the connection to the mailboxes",
        "look.mailbox_login": "logins at the mailboxes",
        "look.mailboxes": "mailboxes that are off, unconfirmed, unread or silent",
        "look.mx": "MX records, and whether they lead back here",
        "look.names": "names (PTR) and reputation of the sending machines",
        "look.outcomes": "mails of which nobody knows whether they arrived",
        "look.paused": "outgoing servers that are missing or paused",
        "look.queue": "what waits in the queue, and for what",
        "look.queue_action": "the scheduled action that works through the queue",
        "look.readers": "accounts that are read twice",
        "look.refusals": "what receivers refused lately, and with which words",
        "look.retired": "addresses that were given up",
        "look.same_filter": "several active servers with the same FROM filter",
        "look.secrets": "whether stored passwords can be opened",
        "look.senders": "whether the outgoing servers accept our From",
        "look.servers": "the outgoing servers as a whole",
        "look.spf": "SPF",
        "look.trend": "failures of the last day",
    }
)  # fmt: skip

_NO_LINE = (
    "refused unreachable forbidden_here connect_timeout silent hung_up host_unknown host_malformed port_25 tls_on_plain_port plain_on_tls_port "
    "not_smtp other going_down too_many_connections"
)
_LOGINS = (
    "gmail_app_password gmail_browser token_refused token_missing microsoft_smtp_auth microsoft_basic microsoft_login ses_credentials "
    "sendgrid_key login_needs_tls no_login_offered no_login_in_common login_refused login_forbidden login_closed login_required login_later"
)
_TLS = (
    "certificate_expired certificate_not_yet certificate_name certificate_self_signed certificate_unknown certificate_other tls_no_cipher "
    "tls_other tls_too_old starttls_refused starttls_required starttls_missing client_certificate client_certificate_unusable injection"
)
_SENDERS = (
    "sender_identity sender_not_owned sender_domain sender_syntax sender_refused relay_denied sandbox not_in_service"
)
_QUOTAS = "daily_limit too_fast quota_of_plan"
_LINES_IN = "mailbox_refused mailbox_unreachable mailbox_host_unknown mailbox_silent mailbox_hung_up mailbox_other mailbox_unavailable mailbox_too_many"


def _each(code: str, details: str) -> str:
    return " ".join(f"{code}/{detail}" for detail in details.split())


# What belongs to a look: codes of findings, some only in the cases that are named behind the stroke.
LOOKS: Mapping[str, str] = {
    "admin": "admin_placeholder",
    "addresses": "addresses_refused",
    "aliases": "alias_invalid plus_lost",
    "bounce_way": "bounce_alias_taken catchall_missing catchall_domain_unknown plus_lost",
    "capture": "staging_lock capture_mode",
    "catchall": "catchall_missing catchall_domain_unknown",
    "certificates": f"{_each('server_refuses', _TLS)} {_each('server_broken', _TLS)} server_certificate_ends server_tls_ends server_in_clear",
    "connection": f"{_each('server_refuses', _NO_LINE)} {_each('server_broken', _NO_LINE)} server_port_pair server_port_25",
    "deferred": "mails_deferred",
    "delivering": "not_running role_missing role_hung queue_late",
    "dkim": "dkim_key_secret dkim_no_key dkim_missing dkim_several dkim_revoked dkim_mismatch dkim_syntax dkim_short dkim_testing dkim_provider",
    "dmarc": "dmarc_missing dmarc_several dmarc_syntax dmarc_alignment receivers_stop receivers_fail receivers_source",
    "domain": f"domain_unknown {_each('server_refuses', 'sender_domain')}",
    "doors": "door_closed door_tls_ends hook_trouble no_way_in receivers_tls",
    "fetch_action": f"{_each('schedule_off', 'fetchmail')} {_each('schedule_failing', 'fetchmail')} {_each('schedule_late', 'fetchmail')}",
    "from": "from_filter_invalid default_from_missing default_from_foreign",
    "gmail": "gmail_volume",
    "incoming": "inbound_failed inbound_late mails_held",
    "limits": (
        f"server_limit server_slowed {_each('server_refuses', _QUOTAS)} {_each('server_broken', _QUOTAS)} queue_waits/wait.daily_limit "
        "mails_deferred/rate_limited mails_refused/rate_limited"
    ),
    "login": f"server_secret token_ends {_each('server_refuses', _LOGINS)} {_each('server_broken', _LOGINS)}",
    "machine": "database_unreachable tables_behind disk_broken disk_low clock_wrong dns_unreachable not_running role_missing role_hung",
    "mailbox_connection": _each("mailbox_refuses", _LINES_IN) + " " + _each("mailbox_trouble", _LINES_IN),
    "mailbox_login": "mailbox_token token_ends mailbox_refuses mailbox_trouble",
    "mailboxes": "mailbox_unconfirmed mailbox_off mailbox_unread mailbox_silent",
    "mx": "mx_null mx_missing mx_wrong mx_alias mx_elsewhere",
    "names": "ptr_missing ptr_mismatch blocklisted",
    "outcomes": "outcomes_unknown",
    "paused": "server_missing server_paused",
    "queue": "queue_waits queue_late",
    "queue_action": f"{_each('schedule_off', 'queue_manager')} {_each('schedule_failing', 'queue_manager')} {_each('schedule_late', 'queue_manager')}",
    "readers": "mailbox_twice mailbox_shared",
    "refusals": "mails_refused",
    "retired": "alias_retired_used",
    "same_filter": "same_filter",
    "secrets": "secrets_unreadable",
    "senders": _each("server_refuses", _SENDERS) + " " + _each("server_broken", _SENDERS),
    "servers": "server_refuses server_broken",
    "spf": "spf_missing spf_several spf_syntax spf_lookups spf_include spf_voids spf_server spf_anybody spf_ptr spf_open",
    "trend": "failing_much",
}  # fmt: skip

WALKS: Mapping[Symptom, tuple[str, ...]] = {
    symptom: tuple(looks.split())
    for symptom, looks in {
        Symptom.NOT_SENDING: (
            "login from senders admin connection certificates capture paused queue_action secrets machine servers limits domain queue spf dkim "
            "dmarc refusals addresses deferred trend outcomes"
        ),
        Symptom.SPAM: "spf dkim dmarc from domain names gmail refusals",
        Symptom.CONNECTION_REFUSED: "connection certificates servers mailbox_connection doors machine",
        Symptom.AUTHENTICATION_FAILED: "login mailbox_login secrets certificates servers",
        Symptom.NO_REPLIES: "catchall bounce_way mailbox_login mailboxes fetch_action aliases readers incoming doors mx machine retired",
        Symptom.DUPLICATES: "same_filter readers outcomes machine",
        Symptom.QUEUED: "queue_action delivering paused capture machine login connection servers limits queue deferred",
        Symptom.DAILY_LIMIT: "limits gmail spf dkim dmarc addresses",
        Symptom.NO_ERROR: "spf dkim dmarc from bounce_way mailbox_login mailboxes fetch_action incoming capture mx names domain outcomes refusals",
        Symptom.BOUNCES: "domain senders from spf dkim dmarc refusals names limits addresses deferred bounce_way admin trend",
        Symptom.NOT_RECEIVING: (
            "mailbox_login mailbox_connection mailboxes fetch_action secrets catchall aliases readers doors incoming machine mx retired"
        ),
    }.items()
}  # fmt: skip


class Outcome(StrEnum):
    """What a look came to."""

    FOUND = "found"
    CLEAR = "clear"
    UNCHECKED = "unchecked"
    NOT_APPLICABLE = "not_applicable"


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """One look. ``hindered``: what says why it could not be made, or not for everything."""

    name: str
    outcome: Outcome
    hindered: tuple[Finding, ...] = ()

    @property
    def what(self) -> Reason:
        return because(f"look.{self.name}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Walked:
    """``looks`` in order, up to the one that found something. ``found``: root causes, each with what follows. ``advice`` when nothing was found.

    ``elsewhere``: how many other problems the house has, which do not explain this symptom.
    """

    symptom: Symptom
    looks: tuple[Look, ...]
    found: tuple[Folded, ...] = ()
    advice: Reason | None = None
    elsewhere: int = 0

    @property
    def what(self) -> Reason:
        return because(f"symptom.{self.symptom}")

    def as_json(self, tell: Callable[[Reason], str] = str) -> dict[str, object]:
        return {
            "symptom": self.symptom.value,
            "what": tell(self.what),
            "ok": not self.found,
            "looked_at": [
                {"look": look.name, "what": tell(look.what), "outcome": look.outcome.value, "hindered": [tell(one.cause) for one in look.hindered]}
                for look in self.looks
            ],
            "found": [one.as_json(tell) for one in self.found],
            "next": tell(self.advice) if self.advice else None,
            "elsewhere": self.elsewhere,
        }  # fmt: skip


def codes_of(symptom: Symptom) -> tuple[FindingCode, ...]:
    """The findings that can cause it, in the order in which they are looked for."""
    spots = (spot.partition("/")[0] for name in WALKS[symptom] for spot in LOOKS[name].split())
    return tuple(dict.fromkeys(map(FindingCode, spots)))


def walk(symptom: Symptom, findings: Sequence[Folded], *, asks_world: bool = True) -> Walked:
    """``asks_world``: whether servers, mailboxes and the DNS were asked."""
    told = [(root, one) for root in findings for one in root.all()]
    deepest = [root for root in findings if root.finding.code is FindingCode.DATABASE_UNREACHABLE]
    if deepest:  # nothing else could be looked at
        return Walked(symptom=symptom, looks=(Look(name="machine", outcome=Outcome.FOUND),), found=tuple(deepest))
    looks: list[Look] = []
    lesser: tuple[Folded, ...] = ()
    for name in WALKS[symptom]:
        met = [(root, one) for root, one in told if _belongs(one, name)]
        grave = _roots(root for root, one in met if one.severity.is_problem or root.severity.is_problem)
        if grave:
            looks.append(Look(name=name, outcome=Outcome.FOUND))
            return Walked(symptom=symptom, looks=tuple(looks), found=grave, elsewhere=_elsewhere(findings, grave))
        lesser = lesser or _roots(root for root, _ in met)
        looks.append(_without_problem(name, bool(met), told, asks_world))
    advice = None if lesser else because(f"next.{symptom}")
    return Walked(
        symptom=symptom, looks=tuple(looks), found=lesser, advice=advice, elsewhere=_elsewhere(findings, lesser)
    )


def _roots(roots: Iterable[Folded]) -> tuple[Folded, ...]:
    return tuple({id(root): root for root in roots}.values())


def _elsewhere(findings: Iterable[Folded], found: Iterable[Folded]) -> int:
    told = {id(one) for one in found}
    return sum(one.severity.is_problem and id(one) not in told for one in findings)


def _belongs(finding: Finding, look: str) -> bool:
    if not (finding.severity.is_problem or finding.severity is Severity.INFO):
        return False
    spots = LOOKS[look].split()
    return finding.code.value in spots or f"{finding.code.value}/{finding.detail}" in spots


# ---- what hindered a look

_OF_SERVERS = frozenset({"server_refuses"})
_OF_MAILBOXES = frozenset({"mailbox_refuses", "mailbox_token"})
_OF_NAMES = ("spf_", "dkim_", "dmarc_", "mx_", "ptr_", "blocklisted", "domain_unknown")
_NOT_OF_NAMES = frozenset({"dkim_no_key", "dkim_key_secret"})
_TOLD_AS = (("spf", "SPF"), ("dkim", "DKIM"), ("dkim", "the DKIM key"), ("dmarc", "DMARC"), ("mx", "MX"), ("mx", "the mail host"), ("domain", EXISTENCE))  # fmt: skip


def _without_problem(name: str, is_met: bool, told: Iterable[tuple[Folded, Finding]], asks_world: bool) -> Look:
    if is_met:
        return Look(name=name, outcome=Outcome.FOUND)
    needs = {spot.partition("/")[0] for spot in LOOKS[name].split()}
    asks_servers, asks_mailboxes = bool(needs & _OF_SERVERS), bool(needs & _OF_MAILBOXES)
    asks_names = any(code.startswith(_OF_NAMES) for code in needs - _NOT_OF_NAMES)
    if not asks_world and (asks_servers or asks_mailboxes or asks_names):
        return Look(name=name, outcome=Outcome.UNCHECKED)
    hindered: list[Finding] = []
    for _, one in told:
        match one.code:
            case FindingCode.SERVER_UNCHECKED | FindingCode.SERVER_CAPTURED:
                is_hindrance = asks_servers
            case FindingCode.MAILBOX_UNCHECKED:
                is_hindrance = asks_mailboxes
            case FindingCode.DNS_UNREACHABLE | FindingCode.DOMAIN_PRIVATE | FindingCode.DOMAIN_CAPTURED:
                is_hindrance = asks_names
            case FindingCode.DNS_UNCHECKED:
                is_hindrance = any(name == look and one.detail.startswith(what) for look, what in _TOLD_AS)
            case FindingCode.CHECK_BROKEN:
                is_hindrance = not needs.isdisjoint(unknown_codes(one))
            case _:
                is_hindrance = False
        if is_hindrance:
            hindered.append(one)
    if any(one.severity is Severity.UNCHECKED for one in hindered):
        return Look(name=name, outcome=Outcome.UNCHECKED, hindered=tuple(hindered))
    return Look(name=name, outcome=Outcome.NOT_APPLICABLE if hindered else Outcome.CLEAR, hindered=tuple(hindered))
