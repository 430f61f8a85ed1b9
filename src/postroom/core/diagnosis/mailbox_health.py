"""Mailboxes and the other ways in: are they read, by us alone, and does anything come?

Laws: pure. A mailbox that was read well a moment ago needs no test. What is in trouble brings its own cause and cure
(`mailbox_errors`). A second reader shows itself: the same account set up twice here, mails that vanish before we have taken them, or a
POP3 mailbox that is always in use.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from postroom.core.diagnosis import acting
from postroom.core.diagnosis.acting import Actor
from postroom.core.diagnosis.ends import EndingFact, check_ends
from postroom.core.diagnosis.finding_codes import FindingCode
from postroom.core.diagnosis.findings import Finding, Fix, FixKind, found, mailbox_named
from postroom.core.terms.reasons import Reason, because, catalogue

FEWEST_STRANGE, STRANGE_SHARE = 5, 0.3
LONG_UNREAD = timedelta(hours=1)  # and never less than three of its intervals

catalogue(
    {
        "finding.mailbox_twice": "{names} read the same account {account}: each takes what the other should get, and mail is missing or there twice.",
        "heal.mailbox_twice": "Keep one of them and switch the others off.",
        "finding.mailbox_token": "The consent (OAuth2 token) for the mailbox {mailbox} has ended: nothing is fetched.",
        "heal.mailbox_token": "Connect the account again: Settings, Mailboxes, {mailbox}.",
        "finding.mailbox_refuses": "The mailbox {mailbox} cannot be read: {reply}",
        "heal.mailbox_refuses": "Test it and put right what it says: postroom mailbox test '{mailbox}'",
        "heal.mailbox_password_changed": "It was accepted until {at}, so it was changed there: enter the new password (the page Settings, Mailboxes, {mailbox}).",
        "finding.mailbox_trouble": "The mailbox {mailbox} could not be read {count} times in a row: {reply}",
        "heal.mailbox_trouble": "Test it and put right what it says: postroom mailbox test '{mailbox}'",
        "finding.mailbox_unconfirmed": "The mailbox {mailbox} was never confirmed: it is not read.",
        "heal.mailbox_unconfirmed": "Test and confirm it: postroom mailbox test '{mailbox}'",
        "finding.mailbox_unread": "The mailbox {mailbox} has not been read since {since}.",
        "heal.mailbox_unread": "See whether Postroom runs and the action Mail: Fetchmail Service is on; then: postroom mailbox fetch '{mailbox}'",
        "finding.mailbox_shared": "Somebody else reads the mailbox {mailbox}, too: {what}.",
        "heal.mailbox_shared": "Let Postroom alone read it: look for mail programs, phones, forwarding rules and other systems with its password, and change the password.",
        "finding.mailbox_silent": "Nothing has come to the mailbox {mailbox} since {since}; usually something comes every {usual}.",
        "heal.mailbox_silent": "Write to its address yourself. When that does not come: look at the MX records of the domain, at forwarding rules, at the spam folder, and whether another program fetches it first.",
        "finding.mailbox_off": "The mailbox {mailbox} is switched off.",
        "heal.mailbox_off": "Nothing, when that is meant; else switch it on among the settings.",
        "finding.mailbox_unchecked": "The mailbox {mailbox} could not be tried within {seconds} seconds.",
        "heal.mailbox_unchecked": "Try it alone: postroom mailbox test '{mailbox}'",
        "finding.no_way_in": "Nothing has come in yet: no mailbox is read, no provider hands mail in, and the SMTP door is only open to this machine. Where no mail server here hands mail over, replies and bounces are lost on the way.",
        "heal.no_way_in": "Set up a mailbox that is fetched from (postroom mailbox), open the SMTP door (smtp_host = 0.0.0.0), or let your mail server hand mail over by LMTP or postroom receive.",
        "finding.hook_trouble": "A request at the inbound address {hook} was not believed: {trouble}",
        "heal.hook_trouble": "Compare the signing key with that in the provider's account, and make a new address where it became known.",
    }
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class TriedMailbox:
    """What a test found; ``code`` of `mailbox_errors`."""

    is_ok: bool
    code: str = ""
    cause: Reason | None = None
    cure: Reason | None = None
    reply: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class MailboxFacts:
    """``usual``: its ordinary longest pause in words, ``""`` unless it is silent now. Of the last days: ``taken`` mails, ``vanished`` ones that
    left before we had them, ``read_before`` that somebody had read when we came."""

    id: int
    name: str
    host: str = ""
    username: str = ""
    folder: str = "INBOX"
    is_active: bool = True
    is_confirmed: bool = True
    interval: timedelta = timedelta(minutes=5)
    succeeded_at: datetime | None = None
    confirmed_at: datetime | None = None
    last_message_at: datetime | None = None
    usual: str = ""
    error: str = ""
    error_count: int = 0
    trouble_code: str = ""
    trouble_cause: Reason | None = None
    trouble_cure: Reason | None = None
    accepted_at: datetime | None = None  # by these same settings
    tried: TriedMailbox | None = None
    untried: str = ""
    patience: float = 0.0
    token_until: datetime | None = None
    taken: int = 0
    vanished: int = 0
    read_before: int = 0

    @property
    def subject(self) -> str:
        return mailbox_named(self.name)

    @property
    def account(self) -> str:
        return f"{self.username} at {self.host}, {self.folder}"


@dataclass(frozen=True, slots=True, kw_only=True)
class WaysInFacts:
    """All ways in. ``hooks``: inbound addresses of providers with the trouble of their last request."""

    mailboxes: tuple[MailboxFacts, ...] = ()
    hooks: tuple[tuple[str, str], ...] = ()
    door_is_public: bool = False
    arrived_lately: bool = False
    wants_mail: bool = True


def check_ways_in(facts: WaysInFacts, now: datetime) -> list[Finding]:
    findings = [*_twice(facts.mailboxes)]
    for mailbox in facts.mailboxes:
        findings += _check_mailbox(mailbox, now)
    findings += [
        found(FindingCode.HOOK_TROUBLE, evidence=[trouble], detail=name, facts={"hook": name, "trouble": trouble})
        for name, trouble in facts.hooks
        if trouble
    ]
    is_open = facts.door_is_public or facts.arrived_lately or bool(facts.hooks)
    if facts.wants_mail and not is_open and not any(one.is_active for one in facts.mailboxes):
        findings.append(
            found(FindingCode.NO_WAY_IN, evidence=["0 active mailboxes, 0 inbound addresses, door on loopback"])
        )
    return findings


def _twice(mailboxes: Sequence[MailboxFacts]) -> Iterator[Finding]:
    groups: dict[str, list[MailboxFacts]] = {}
    for one in mailboxes:
        if one.is_active:
            groups.setdefault(one.account.lower(), []).append(one)
    for group in groups.values():
        if len(group) > 1:
            yield found(
                FindingCode.MAILBOX_TWICE,
                group[0].subject,
                evidence=[f"{one.name}: {one.account}" for one in group],
                about=[one.subject for one in group],
                facts={"names": " and ".join(one.name for one in group), "account": group[0].account},
            )


def _check_mailbox(facts: MailboxFacts, now: datetime) -> Iterator[Finding]:
    if not facts.is_active:
        yield found(FindingCode.MAILBOX_OFF, facts.subject, evidence=["active: no"], facts={"mailbox": facts.name})
        return
    if not facts.is_confirmed:
        yield found(
            FindingCode.MAILBOX_UNCONFIRMED,
            facts.subject,
            evidence=["confirmed: no"],
            fix=_test(facts),
            facts={"mailbox": facts.name},
        )
    yield from _trouble(facts)
    if facts.token_until is not None:
        yield from check_ends(
            EndingFact(code=FindingCode.TOKEN_ENDS, subject=facts.subject, name=facts.name, until=facts.token_until),
            now,
        )
    if facts.is_confirmed:
        yield from _strangers(facts)
        yield from _habit(facts, now)


def _strangers(facts: MailboxFacts) -> Iterator[Finding]:
    """Somebody who deletes or reads now and then is a person; who does it to a good part of the mails is another reader."""
    arrived = facts.taken + facts.vanished
    told = (
        (facts.vanished, arrived, "{count} of {all} mails of the last days were gone before we came"),
        (facts.read_before, facts.taken, "{count} of {all} mails of the last days were already marked as read"),
    )
    for count, among, words in told:
        if count >= FEWEST_STRANGE and count >= STRANGE_SHARE * among:
            what = words.format(count=count, all=among)
            yield found(
                FindingCode.MAILBOX_SHARED,
                facts.subject,
                evidence=[f"{facts.account}: {what}"],
                facts={"mailbox": facts.name, "what": what},
            )
            return


def _trouble(facts: MailboxFacts) -> Iterator[Finding]:
    tried = facts.tried
    if tried is not None and not tried.is_ok:
        yield _told(FindingCode.MAILBOX_REFUSES, facts, tried.code, tried.cause, tried.cure, tried.reply)
    elif facts.error and not (tried and tried.is_ok):
        yield _told(
            FindingCode.MAILBOX_TROUBLE, facts, facts.trouble_code, facts.trouble_cause, facts.trouble_cure, facts.error
        )
    elif facts.untried == "slow":
        yield found(
            FindingCode.MAILBOX_UNCHECKED,
            facts.subject,
            facts={"mailbox": facts.name, "seconds": round(facts.patience)},
        )
    code = tried.code if tried is not None and not tried.is_ok else facts.trouble_code
    if code == "mailbox_in_use":
        what = "it is in use whenever we come"
        yield found(
            FindingCode.MAILBOX_SHARED,
            facts.subject,
            evidence=[facts.error or what],
            facts={"mailbox": facts.name, "what": what},
        )


def _told(
    code: FindingCode, facts: MailboxFacts, detail: str, cause: Reason | None, cure: Reason | None, reply: str
) -> Finding:
    if detail in _DEAD_TOKENS:
        code = FindingCode.MAILBOX_TOKEN
    return found(
        code,
        facts.subject,
        evidence=[f"{facts.account}: {reply}"],
        detail=detail,
        who=_who(detail),
        cause=cause,
        cure=_cure(facts, detail, cure),
        fix=_test(facts),
        facts={"mailbox": facts.name, "reply": reply, "count": facts.error_count},
    )


def _cure(facts: MailboxFacts, code: str, cure: Reason | None) -> Reason | None:
    """A password that was good until lately was not mistyped here."""
    if code not in _PASSWORDS or facts.accepted_at is None:
        return cure
    return because("heal.mailbox_password_changed", at=_moment(facts.accepted_at), mailbox=facts.name)


_PASSWORDS = frozenset({"mailbox_login_refused", "mailbox_login_of_provider"})
_DEAD_TOKENS = frozenset({"mailbox_token_ended", "mailbox_token_missing", "mailbox_token_refused"})


def _habit(facts: MailboxFacts, now: datetime) -> Iterator[Finding]:
    since = facts.succeeded_at or facts.confirmed_at
    if since is not None and now - since > max(LONG_UNREAD, 3 * facts.interval):
        yield found(
            FindingCode.MAILBOX_UNREAD,
            facts.subject,
            evidence=[f"read well last: {_moment(since)}"],
            facts={"mailbox": facts.name, "since": _moment(since)},
        )
    elif facts.usual and facts.last_message_at is not None:
        last = _moment(facts.last_message_at)
        yield found(
            FindingCode.MAILBOX_SILENT,
            facts.subject,
            evidence=[f"last mail: {last}"],
            facts={"mailbox": facts.name, "since": last, "usual": facts.usual},
        )


def _test(facts: MailboxFacts) -> Fix:
    return Fix(kind=FixKind.TEST_MAILBOX, target=str(facts.id))


def _who(code: str) -> Actor | None:
    try:
        return acting.of_case(code)[1]
    except KeyError:
        return None


def _moment(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M} UTC"
