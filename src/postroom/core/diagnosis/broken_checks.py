"""A check of ours that broke: the finding that says so, and of which troubles nobody can tell anything meanwhile.

Laws: pure. What a broken check would have found is unknown: neither there nor gone. The words of the exception stay in the log, for they
may quote anything; the finding names its kind alone.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from enum import StrEnum

from postroom.core.diagnosis.finding_codes import FindingCode
from postroom.core.diagnosis.findings import HOUSE, Finding, found
from postroom.core.terms.reasons import catalogue

catalogue(
    {
        "finding.check_broken": "A check of Postroom itself broke ({what}): what it would have found is not known.",
        "heal.check_broken": "This is a fault of Postroom and none of yours. The log tells where (postroom logs tail --level ERROR): send it with a support bundle "
        "(postroom bundle), and update Postroom.",
    }
)


class Check(StrEnum):
    """What is looked at by itself; the value stands in sentences."""

    MACHINE = "the machine"
    HOUSE = "the settings of the house"
    SERVERS = "outgoing servers"
    SCHEDULE = "scheduled actions"
    WAYS_IN = "mailboxes and other ways in"
    KEYS = "DKIM keys"
    NAMES = "records of domains"
    ALIASES = "aliases"
    RECEIVERS = "receivers' reports"
    QUEUE = "the queue"
    DOOR = "the SMTP door"
    CLOCKS = "clocks of others"
    HISTORY = "changes and alarms"


def _between(first: FindingCode, last: FindingCode) -> frozenset[FindingCode]:
    return frozenset(code for code in FindingCode if first.rank <= code.rank <= last.rank)


CODES: Mapping[Check, frozenset[FindingCode]] = {
    Check.MACHINE: _between(FindingCode.TABLES_BEHIND, FindingCode.SECRETS_UNREADABLE)
    - {FindingCode.CLOCK_WRONG, FindingCode.DNS_UNREACHABLE, FindingCode.DOOR_TLS_ENDS},
    Check.HOUSE: _between(FindingCode.STAGING_LOCK, FindingCode.GMAIL_VOLUME),
    Check.SERVERS: _between(FindingCode.SERVER_SECRET, FindingCode.SERVER_CAPTURED),
    Check.SCHEDULE: _between(FindingCode.SCHEDULE_OFF, FindingCode.SCHEDULE_LATE),
    Check.WAYS_IN: _between(FindingCode.MAILBOX_TWICE, FindingCode.HOOK_TROUBLE)
    | {FindingCode.TOKEN_ENDS, FindingCode.MAILBOX_UNREAD, FindingCode.MAILBOX_SILENT},
    Check.KEYS: frozenset({FindingCode.DKIM_KEY_SECRET}),
    Check.NAMES: _between(FindingCode.DOMAIN_UNKNOWN, FindingCode.DOMAIN_CAPTURED),
    Check.ALIASES: _between(FindingCode.ALIAS_INVALID, FindingCode.PLUS_UNTESTED),
    Check.RECEIVERS: _between(FindingCode.RECEIVERS_STOP, FindingCode.RECEIVERS_TLS),
    Check.QUEUE: _between(FindingCode.MAILS_REFUSED, FindingCode.FAILING_MUCH),
    Check.DOOR: frozenset({FindingCode.DOOR_TLS_ENDS}),
    Check.CLOCKS: frozenset({FindingCode.CLOCK_WRONG}),
    Check.HISTORY: _between(FindingCode.CHANGED_BEFORE, FindingCode.ALARM_OPEN),
}


def broken(check: Check, error: str, *, subject: str = HOUSE, about: Iterable[str] = ()) -> Finding:
    """``error``: the kind of the exception. ``subject``: what alone was being looked at, `HOUSE` for all that the check is about."""
    what = check.value if subject == HOUSE else f"{check.value}, {subject}"
    return found(
        FindingCode.CHECK_BROKEN,
        subject,
        evidence=[error],
        detail=check.name.lower(),
        about=about,
        facts={"what": what},
    )


def unknown_codes(finding: Finding) -> frozenset[FindingCode]:
    """What a broken check could have found, whatever it is about."""
    return CODES[Check[finding.detail.upper()]] if finding.code is FindingCode.CHECK_BROKEN else frozenset()
