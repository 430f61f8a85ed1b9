"""What the doctor can find: a code for each, how grave it is, whose turn it is, and what it explains.

Laws: the order of `FindingCode` is the order of causes, the deepest first: what stands further down may follow from what stands above,
never the other way round (a test compares `FOLLOWS` with it). Each code has two sentences in the catalogue of reasons, ``finding.CODE``
(the cause) and ``heal.CODE`` (the cure); ``docs/reference/findings.md`` is made from these tables.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from postroom.core.diagnosis.acting import Actor


class Severity(StrEnum):
    """How grave a finding is."""

    ERROR = "error"  # mail is lost, refused or stays where it is
    WARNING = "warning"  # it will be, or some of it is
    INFO = "info"  # good to know
    UNCHECKED = "unchecked"  # it could not be looked at
    NOT_APPLICABLE = "not_applicable"  # there is nothing to look at here

    @property
    def is_problem(self) -> bool:
        return self in (Severity.ERROR, Severity.WARNING)

    @property
    def rank(self) -> int:
        """The gravest is 0."""
        return list(Severity).index(self)


class FindingCode(StrEnum):
    """What was found; the deepest cause stands first."""

    # the machine
    DATABASE_UNREACHABLE = "database_unreachable"
    TABLES_BEHIND = "tables_behind"
    DISK_BROKEN = "disk_broken"
    DISK_LOW = "disk_low"
    CLOCK_WRONG = "clock_wrong"
    DNS_UNREACHABLE = "dns_unreachable"
    NOT_RUNNING = "not_running"
    ROLE_MISSING = "role_missing"
    ROLE_HUNG = "role_hung"
    DOOR_CLOSED = "door_closed"
    DOOR_TLS_ENDS = "door_tls_ends"
    SECRETS_UNREADABLE = "secrets_unreadable"
    CHECK_BROKEN = "check_broken"
    # this installation
    STAGING_LOCK = "staging_lock"
    CAPTURE_MODE = "capture_mode"
    # settings of the house
    CATCHALL_MISSING = "catchall_missing"
    CATCHALL_DOMAIN_UNKNOWN = "catchall_domain_unknown"
    BOUNCE_ALIAS_TAKEN = "bounce_alias_taken"
    SERVER_MISSING = "server_missing"
    FROM_FILTER_INVALID = "from_filter_invalid"
    DEFAULT_FROM_MISSING = "default_from_missing"
    DEFAULT_FROM_FOREIGN = "default_from_foreign"
    SAME_FILTER = "same_filter"
    ADMIN_PLACEHOLDER = "admin_placeholder"
    GMAIL_VOLUME = "gmail_volume"
    # outgoing servers
    SERVER_SECRET = "server_secret"  # noqa: S105 (no secret)
    SERVER_PORT_PAIR = "server_port_pair"
    SERVER_PORT_25 = "server_port_25"
    SERVER_IN_CLEAR = "server_in_clear"
    SERVER_CERTIFICATE_ENDS = "server_certificate_ends"
    SERVER_TLS_ENDS = "server_tls_ends"
    TOKEN_ENDS = "token_ends"  # noqa: S105 (no secret)
    SERVER_REFUSES = "server_refuses"
    SERVER_BROKEN = "server_broken"
    SERVER_PAUSED = "server_paused"
    SERVER_LIMIT = "server_limit"
    SERVER_SLOWED = "server_slowed"
    SERVER_UNCHECKED = "server_unchecked"
    SERVER_CAPTURED = "server_captured"
    # scheduled actions
    SCHEDULE_OFF = "schedule_off"
    SCHEDULE_FAILING = "schedule_failing"
    SCHEDULE_LATE = "schedule_late"
    # mailboxes and other ways in
    MAILBOX_TWICE = "mailbox_twice"
    MAILBOX_TOKEN = "mailbox_token"  # noqa: S105 (no secret)
    MAILBOX_REFUSES = "mailbox_refuses"
    MAILBOX_TROUBLE = "mailbox_trouble"
    MAILBOX_UNCONFIRMED = "mailbox_unconfirmed"
    MAILBOX_SHARED = "mailbox_shared"
    MAILBOX_OFF = "mailbox_off"
    MAILBOX_UNCHECKED = "mailbox_unchecked"
    NO_WAY_IN = "no_way_in"
    HOOK_TROUBLE = "hook_trouble"
    # domains
    DOMAIN_UNKNOWN = "domain_unknown"
    MX_NULL = "mx_null"
    MX_MISSING = "mx_missing"
    MX_WRONG = "mx_wrong"
    MX_ALIAS = "mx_alias"
    MX_ELSEWHERE = "mx_elsewhere"
    SPF_MISSING = "spf_missing"
    SPF_SEVERAL = "spf_several"
    SPF_SYNTAX = "spf_syntax"
    SPF_LOOKUPS = "spf_lookups"
    SPF_INCLUDE = "spf_include"
    SPF_VOIDS = "spf_voids"
    SPF_SERVER = "spf_server"
    SPF_ANYBODY = "spf_anybody"
    SPF_PTR = "spf_ptr"
    SPF_OPEN = "spf_open"
    DKIM_KEY_SECRET = "dkim_key_secret"  # noqa: S105 (no secret)
    DKIM_NO_KEY = "dkim_no_key"
    DKIM_MISSING = "dkim_missing"
    DKIM_SEVERAL = "dkim_several"
    DKIM_REVOKED = "dkim_revoked"
    DKIM_MISMATCH = "dkim_mismatch"
    DKIM_SYNTAX = "dkim_syntax"
    DKIM_SHORT = "dkim_short"
    DKIM_TESTING = "dkim_testing"
    DKIM_PROVIDER = "dkim_provider"
    DMARC_MISSING = "dmarc_missing"
    DMARC_SEVERAL = "dmarc_several"
    DMARC_SYNTAX = "dmarc_syntax"
    DMARC_ALIGNMENT = "dmarc_alignment"
    DMARC_REPORTS = "dmarc_reports"
    DMARC_WATCHES = "dmarc_watches"
    PTR_MISSING = "ptr_missing"
    PTR_MISMATCH = "ptr_mismatch"
    MTA_STS_BROKEN = "mta_sts_broken"
    TLS_RPT_BROKEN = "tls_rpt_broken"
    BLOCKLISTED = "blocklisted"
    DNS_UNCHECKED = "dns_unchecked"
    DOMAIN_PRIVATE = "domain_private"
    DOMAIN_CAPTURED = "domain_captured"
    # aliases
    ALIAS_INVALID = "alias_invalid"
    ALIAS_RETIRED_USED = "alias_retired_used"
    PLUS_LOST = "plus_lost"
    PLUS_UNTESTED = "plus_untested"
    # what became of the mail
    MAILBOX_UNREAD = "mailbox_unread"
    MAILBOX_SILENT = "mailbox_silent"
    RECEIVERS_STOP = "receivers_stop"
    RECEIVERS_FAIL = "receivers_fail"
    RECEIVERS_SOURCE = "receivers_source"
    RECEIVERS_TLS = "receivers_tls"
    MAILS_REFUSED = "mails_refused"
    ADDRESSES_REFUSED = "addresses_refused"
    MAILS_DEFERRED = "mails_deferred"
    QUEUE_WAITS = "queue_waits"
    QUEUE_LATE = "queue_late"
    OUTCOMES_UNKNOWN = "outcomes_unknown"
    INBOUND_FAILED = "inbound_failed"
    INBOUND_LATE = "inbound_late"
    MAILS_HELD = "mails_held"
    FAILING_MUCH = "failing_much"
    # clues
    CHANGED_BEFORE = "changed_before"
    ALARM_OPEN = "alarm_open"

    @property
    def rank(self) -> int:
        return _RANKS[self]

    @property
    def happens(self) -> bool:
        """Whether it tells what became of mail, and not how something is set."""
        return self in _HAPPENING


_HAPPENING = frozenset(
    map(
        FindingCode,
        "server_slowed server_limit addresses_refused mails_deferred mails_refused queue_waits queue_late mails_held".split(),
    )
)
_RANKS = {code: rank for rank, code in enumerate(FindingCode)}


@dataclass(frozen=True, slots=True)
class Kind:
    """How grave a finding of this code usually is, and whose turn it usually is."""

    severity: Severity
    who: Actor = Actor.ADMINISTRATOR


_OF_SEVERITIES: Mapping[Severity, str] = {
    Severity.ERROR: (
        "database_unreachable tables_behind disk_broken disk_low clock_wrong not_running role_missing role_hung door_closed secrets_unreadable "
        "staging_lock catchall_missing catchall_domain_unknown bounce_alias_taken server_missing from_filter_invalid server_secret "
        "server_refuses server_broken mailbox_twice mailbox_token mailbox_refuses mailbox_trouble mailbox_unread domain_unknown mx_null "
        "mx_missing mx_wrong mx_elsewhere spf_several spf_syntax spf_lookups spf_include spf_server dkim_key_secret dkim_missing dkim_several "
        "dkim_revoked dkim_mismatch dkim_syntax dmarc_several queue_late inbound_failed inbound_late blocklisted receivers_stop"
    ),
    Severity.WARNING: (
        "default_from_missing default_from_foreign same_filter admin_placeholder gmail_volume server_port_pair server_port_25 "
        "server_in_clear server_certificate_ends server_tls_ends door_tls_ends token_ends server_paused server_limit mailbox_unconfirmed mailbox_shared mailbox_silent "
        "hook_trouble schedule_off schedule_failing schedule_late mx_alias spf_missing spf_voids spf_anybody spf_ptr dkim_no_key dkim_short "
        "dkim_provider dmarc_missing dmarc_syntax dmarc_alignment dmarc_reports ptr_missing ptr_mismatch mta_sts_broken tls_rpt_broken "
        "alias_invalid alias_retired_used mails_refused queue_waits outcomes_unknown failing_much changed_before alarm_open "
        "receivers_fail receivers_source receivers_tls"
    ),
    Severity.INFO: "no_way_in addresses_refused mails_deferred capture_mode server_slowed mailbox_off spf_open dkim_testing dmarc_watches plus_lost plus_untested mails_held",
    Severity.UNCHECKED: "dns_unreachable check_broken server_unchecked mailbox_unchecked dns_unchecked",
    Severity.NOT_APPLICABLE: "server_captured domain_private domain_captured",
}  # fmt: skip
_OTHERS_ACT: Mapping[Actor, str] = {
    Actor.NOBODY: "server_limit server_slowed domain_private domain_captured server_captured capture_mode dmarc_watches",
}
_ACTORS = {code: who for who, codes in _OTHERS_ACT.items() for code in codes.split()}

KINDS: Mapping[FindingCode, Kind] = {
    FindingCode(code): Kind(severity, _ACTORS.get(code, Actor.ADMINISTRATOR))
    for severity, codes in _OF_SEVERITIES.items()
    for code in codes.split()
}

_SENDING = "mails_refused mails_deferred queue_waits queue_late failing_much alarm_open changed_before"
_WAITING = "mails_deferred queue_waits queue_late alarm_open changed_before"
_MISTRUST = (
    "receivers_stop receivers_fail receivers_source mails_refused mails_deferred failing_much alarm_open changed_before"
)
_ARRIVING = "mailbox_unread mailbox_silent inbound_late no_way_in alarm_open changed_before"
_WORK = f"role_missing role_hung door_closed {_WAITING} mailbox_unread mailbox_silent inbound_late schedule_late inbound_failed plus_untested"
_SPF_REST = f"spf_lookups spf_include spf_voids spf_server spf_anybody spf_ptr spf_open dmarc_alignment {_MISTRUST}"

_TABLE: Mapping[str, str] = {
    "tables_behind": _WORK,
    "disk_broken": f"disk_low {_WORK}",
    "disk_low": "inbound_failed inbound_late alarm_open",
    "clock_wrong": f"{_WORK} server_refuses mailbox_token mailbox_refuses mailbox_trouble {_SENDING}",
    "dns_unreachable": f"dns_unchecked server_refuses server_broken mailbox_refuses mailbox_trouble {_SENDING} mailbox_unread",
    "not_running": _WORK,
    "role_missing": f"{_WAITING} {_ARRIVING} schedule_late door_closed",
    "role_hung": f"{_WAITING} {_ARRIVING} schedule_late door_closed server_refuses",
    "door_closed": f"{_ARRIVING} server_refuses",
    "secrets_unreadable": f"server_secret server_refuses mailbox_refuses mailbox_trouble mailbox_token dkim_key_secret {_SENDING} {_ARRIVING}",
    "staging_lock": f"capture_mode server_captured domain_captured {_WAITING} {_ARRIVING} mailbox_off mailbox_trouble",
    "capture_mode": "server_captured domain_captured server_paused outcomes_unknown",
    "catchall_missing": "default_from_missing catchall_domain_unknown no_way_in changed_before",
    "catchall_domain_unknown": "changed_before default_from_foreign",
    "server_missing": f"{_SENDING} default_from_foreign",
    "from_filter_invalid": f"default_from_foreign same_filter {_SENDING}",
    "default_from_missing": f"default_from_foreign {_SENDING}",
    "default_from_foreign": f"server_refuses dmarc_alignment {_SENDING}",
    "gmail_volume": f"server_limit server_slowed {_SENDING}",
    "server_secret": f"server_refuses server_broken {_SENDING}",
    "server_port_pair": f"server_refuses server_broken {_SENDING}",
    "server_port_25": f"server_refuses server_broken {_SENDING}",
    "server_in_clear": "server_refuses server_broken",
    "server_certificate_ends": f"server_refuses server_broken {_SENDING}",
    "server_tls_ends": f"server_refuses server_broken {_SENDING}",
    "token_ends": f"server_refuses server_broken mailbox_token mailbox_refuses mailbox_trouble {_SENDING} {_ARRIVING}",
    "door_tls_ends": "alarm_open changed_before",
    "server_refuses": f"server_broken {_SENDING}",
    "server_broken": _SENDING,
    "server_paused": f"{_WAITING} failing_much",
    "server_limit": f"{_WAITING} server_slowed",
    "server_slowed": f"{_WAITING}",
    "mailbox_twice": f"mailbox_shared mailbox_trouble mailbox_refuses {_ARRIVING}",
    "mailbox_token": f"mailbox_refuses mailbox_trouble {_ARRIVING}",
    "mailbox_refuses": f"mailbox_trouble {_ARRIVING}",
    "mailbox_trouble": _ARRIVING,
    "mailbox_unconfirmed": f"{_ARRIVING} mx_elsewhere",
    "no_way_in": "mx_elsewhere plus_untested alarm_open changed_before",
    "mailbox_unread": "mailbox_silent alarm_open changed_before",
    "mailbox_shared": "mailbox_silent alarm_open changed_before",
    "mailbox_silent": "alarm_open changed_before",
    "mailbox_off": "no_way_in mx_elsewhere",
    "schedule_off": f"schedule_late {_WAITING} {_ARRIVING}",
    "schedule_failing": f"schedule_late {_WAITING} mailbox_unread alarm_open changed_before",
    "schedule_late": f"{_WAITING} mailbox_unread alarm_open changed_before",
    "domain_unknown": (
        f"mx_null mx_missing mx_wrong mx_elsewhere spf_missing dkim_missing dkim_no_key dkim_provider dmarc_missing plus_lost plus_untested {_MISTRUST}"
    ),
    "mx_null": "mx_elsewhere mailbox_silent plus_lost plus_untested alarm_open changed_before",
    "mx_missing": "mx_elsewhere mailbox_silent plus_lost plus_untested alarm_open changed_before",
    "mx_wrong": "mx_alias mx_elsewhere mailbox_silent plus_lost plus_untested alarm_open changed_before",
    "mx_elsewhere": "mailbox_silent plus_lost plus_untested alarm_open changed_before",
    "spf_missing": f"dmarc_alignment {_MISTRUST}",
    "spf_several": _SPF_REST,
    "spf_syntax": _SPF_REST,
    "spf_lookups": f"spf_include spf_voids spf_server {_MISTRUST}",
    "spf_include": f"spf_voids spf_server {_MISTRUST}",
    "spf_voids": _MISTRUST,
    "spf_server": _MISTRUST,
    "dkim_key_secret": f"dkim_missing dkim_no_key {_SENDING}",
    "dkim_no_key": f"dmarc_alignment {_MISTRUST}",
    "dkim_missing": f"dmarc_alignment {_MISTRUST}",
    "dkim_several": _MISTRUST,
    "dkim_revoked": _MISTRUST,
    "dkim_mismatch": _MISTRUST,
    "dkim_syntax": _MISTRUST,
    "dkim_short": _MISTRUST,
    "dkim_provider": f"dmarc_alignment {_MISTRUST}",
    "dmarc_missing": _MISTRUST,
    "dmarc_several": f"dmarc_syntax {_MISTRUST}",
    "dmarc_alignment": _MISTRUST,
    "ptr_missing": _MISTRUST,
    "ptr_mismatch": _MISTRUST,
    "blocklisted": _MISTRUST,
    "mta_sts_broken": "receivers_tls alarm_open changed_before",
    "receivers_stop": "mails_refused mails_deferred failing_much alarm_open changed_before",
    "receivers_fail": "mails_refused mails_deferred failing_much alarm_open changed_before",
    "alias_invalid": "alarm_open changed_before",
    "mails_refused": "mails_deferred queue_waits queue_late failing_much alarm_open changed_before",
    "queue_waits": "queue_late alarm_open changed_before",
    "queue_late": "alarm_open changed_before",
    "outcomes_unknown": "alarm_open changed_before",
    "inbound_failed": "alarm_open changed_before",
    "inbound_late": "alarm_open changed_before",
    "failing_much": "changed_before alarm_open",
    "changed_before": "alarm_open",
}

FOLLOWS: Mapping[FindingCode, frozenset[FindingCode]] = {
    FindingCode(cause): frozenset(map(FindingCode, effects.split())) for cause, effects in _TABLE.items()
}
EXPLAIN_ALL = frozenset({FindingCode.DATABASE_UNREACHABLE})
