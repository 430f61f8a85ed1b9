"""How a mailbox fares: success and trouble noted with it, pauses that grow, and alarms that are raised and cleared by themselves.

Laws: who lost the lease notes nothing. Trouble of a login pauses longer: providers lock accounts out. An alarm is raised for what
lasts (an hour without a successful look), for a token that is dead (at once), and for a silence out of all proportion; it is
cleared as soon as the mailbox is well. Most rounds cost one statement here.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from django.db.models import F

from postroom.core.diagnosis.mailbox_errors import MailboxFault, explain_mailbox
from postroom.core.diagnosis.server_errors import Explanation
from postroom.core.diagnosis.silence import Habit, after_arrival, is_silent, usual_gap
from postroom.core.terms.encryption import Encryption
from postroom.core.terms.mailboxes import MailboxProtocol, MailboxTrouble, TroubleKind
from postroom.core.terms.reasons import Reason, because
from postroom.core.terms.states import InboundState
from postroom.flows.alarms import clear_alarm, raise_alarm
from postroom.flows.ports import Ports
from postroom.flows.settings import parameters
from postroom.store.models import InboundMessage, Mailbox, ScheduledAction

FIRST_PAUSE, LONGEST_PAUSE = timedelta(seconds=10), timedelta(minutes=15)
LOGIN_PAUSE, LONGEST_LOGIN_PAUSE = timedelta(minutes=2), timedelta(hours=1)  # providers lock accounts out
ALARMING = timedelta(hours=1)  # without a successful look

MANY = 1000
WAITING = "inbound.waiting"
WELL: dict[str, object] = {"last_error": "", "trouble": None, "error_count": 0, "paused_until": None}

SILENT, TROUBLE, TOKEN = "mailbox.silent", "mailbox.trouble", "mailbox.token"


def note_success(ports: Ports, mailbox_id: int, taken: int, *, holder: str) -> None:
    """A round went well and took so many mails."""
    now = ports.clock.now()
    mine = Mailbox.objects.filter(pk=mailbox_id, leased_by=holder)
    row = mine.first()
    if row is None:
        return
    # What could not be changed on the server is well again when something could be.
    is_well_again = bool(row.last_error) and bool(row.error_count or taken)
    facts: dict[str, object] = {"fetched_at": now, "succeeded_at": now}
    if is_well_again:
        facts |= WELL
    if taken:
        facts |= _arrivals(row, now, taken)
    mine.update(**facts)
    if is_well_again or _is_unread(row, now):  # after a long stop of ours there is an alarm without an error
        clear_alarm(ports, code=TROUBLE, subject=subject_of(mailbox_id))
        clear_alarm(ports, code=TOKEN, subject=subject_of(mailbox_id))
    if taken:
        clear_alarm(ports, code=SILENT, subject=subject_of(mailbox_id))


def note_unsettled(ports: Ports, mailbox_id: int, trouble: MailboxTrouble, *, holder: str, taken: int) -> None:
    """Mails are taken, and the server does not let us do with them what was to be done: no reason to leave it alone."""
    now = ports.clock.now()
    mine = Mailbox.objects.filter(pk=mailbox_id, leased_by=holder)
    row = mine.first()
    if row is None:
        return
    facts: dict[str, object] = {"fetched_at": now, "succeeded_at": now, **WELL, **_stored(trouble)}
    mine.update(**facts, **(_arrivals(row, now, taken) if taken else {}))
    row.trouble = facts["trouble"]
    explained = explain_mailbox_trouble(row)
    if explained is not None:
        reason = because("mailbox.unsettled", name=row.name, cause=explained.cause, cure=explained.cure)
        _raise(ports, TROUBLE, row, reason)


def note_trouble(ports: Ports, mailbox_id: int, trouble: MailboxTrouble, *, holder: str, taken: int = 0) -> None:
    """Keep it with the mailbox, until a round goes well; it is left alone for a while."""
    now = ports.clock.now()
    mine = Mailbox.objects.filter(pk=mailbox_id, leased_by=holder)
    row = mine.first()
    if row is None:
        return
    facts: dict[str, object] = {
        "fetched_at": now,
        "error_count": F("error_count") + 1,
        "paused_until": now + pause_after(row.error_count + 1, trouble.kind),
        **_stored(trouble),
    }
    if taken:
        facts |= _arrivals(row, now, taken)
    mine.update(**facts)
    row.trouble = facts["trouble"]
    if trouble.kind is TroubleKind.TOKEN:
        _alarm_token(ports, row)
    elif _is_unread(row, now):
        _alarm_trouble(ports, row)


def _stored(trouble: MailboxTrouble) -> dict[str, object]:
    code = f" [{trouble.response_code}]" if trouble.response_code else ""
    return {
        "last_error": f"{trouble.text}{code}"[:2000],
        "trouble": {"kind": trouble.kind.value, "text": trouble.text[:2000], "code": trouble.response_code[:40]},
    }


def pause_after(error_count: int, kind: TroubleKind | None) -> timedelta:
    """How long to leave a mailbox alone after this many troubles in a row (1 or more)."""
    is_login = kind in (TroubleKind.LOGIN, TroubleKind.TOKEN)
    first, longest = (LOGIN_PAUSE, LONGEST_LOGIN_PAUSE) if is_login else (FIRST_PAUSE, LONGEST_PAUSE)
    return min(first * (1 << min(error_count - 1, 20)), longest)


def explain_mailbox_trouble(mailbox: Mailbox) -> Explanation | None:
    """What the stored trouble means, without asking the server again; None when there is none."""
    stored = mailbox.trouble
    if not isinstance(stored, dict):
        return None
    try:
        kind = TroubleKind(stored.get("kind", ""))
    except ValueError:
        return None
    return explain_mailbox(fault_of(mailbox, kind, str(stored.get("text", "")), str(stored.get("code", ""))))


def fault_of(mailbox: Mailbox, kind: TroubleKind, text: str, code: str) -> MailboxFault:
    """Trouble with this mailbox, as it is explained."""
    return MailboxFault(
        kind=kind,
        text=text,
        response_code=code,
        protocol=MailboxProtocol(mailbox.protocol),
        host=mailbox.host,
        port=mailbox.port,
        encryption=Encryption(mailbox.encryption),
        username=mailbox.username,
        folder=mailbox.folder,
    )


def check_mailboxes(ports: Ports) -> int:
    """Raise and clear the alarms of all mailboxes that are read; how many are silent or unread. Cheap: the scheduled action does it."""
    now = ports.clock.now()
    at_least = timedelta(hours=parameters(ports).number("mail.mailbox.silence.hours"))
    found = 0
    is_on = not ScheduledAction.objects.filter(key="fetchmail", is_active=False).exists()
    for row in Mailbox.objects.filter(is_active=True, is_confirmed=True) if is_on else ():
        if _is_unread(row, now):
            found += 1
            _alarm_trouble(ports, row)
            continue
        if not row.last_error:  # it may have been read while the alarm was being raised
            clear_alarm(ports, code=TROUBLE, subject=subject_of(row.pk))
        if is_silent(Habit.from_json(row.habit), last_at=row.last_message_at, now=now, at_least=at_least):
            found += 1
            _alarm_silence(ports, row, now)
    for row in Mailbox.objects.exclude(is_active=True, is_confirmed=True):
        forget_alarms(ports, row.pk)
    return found


def check_backlog(ports: Ports) -> int:
    """Mail that was accepted and that nobody has routed for an hour, though it is due: an alarm; how many (at most `MANY`)."""
    late = ports.clock.now() - ALARMING
    rows = InboundMessage.objects.filter(state=InboundState.RECEIVED, due_at__lt=late).order_by("due_at", "id")
    due = list(rows.values_list("due_at", flat=True)[:MANY])
    if due:
        reason = because(
            "inbound.waiting", count=f"{MANY} or more" if len(due) == MANY else len(due), since=_moment(due[0])
        )
        raise_alarm(ports, code=WAITING, subject="backlog", reason=reason, link="/inbound/?state=received")
    else:
        clear_alarm(ports, code=WAITING, subject="backlog")
    return len(due)


def forget_alarms(ports: Ports, mailbox_id: int) -> None:
    """It is not read any more, or is well."""
    for code in (SILENT, TROUBLE, TOKEN):
        clear_alarm(ports, code=code, subject=subject_of(mailbox_id))


def subject_of(mailbox_id: int) -> str:
    """By which its alarms are found."""
    return f"mailbox:{mailbox_id}"


def _arrivals(row: Mailbox, now: datetime, taken: int) -> dict[str, object]:
    habit = after_arrival(Habit.from_json(row.habit), last_at=row.last_message_at, now=now, count=taken)
    return {"last_message_at": now, "habit": habit.as_json()}


def _is_unread(row: Mailbox, now: datetime) -> bool:
    since = row.succeeded_at or row.confirmed_at
    patience = max(ALARMING, timedelta(seconds=3 * row.interval_seconds))
    return since is not None and now - since > patience


def _alarm_trouble(ports: Ports, row: Mailbox) -> None:
    since = row.succeeded_at or row.confirmed_at
    explained = explain_mailbox_trouble(row)
    moment = _moment(since) if since else "?"
    reason = (
        because("mailbox.unread", name=row.name, since=moment)
        if explained is None
        else because("mailbox.trouble", name=row.name, since=moment, cause=explained.cause, cure=explained.cure)
    )
    _raise(ports, TROUBLE, row, reason)


def _alarm_token(ports: Ports, row: Mailbox) -> None:
    explained = explain_mailbox_trouble(row)
    if explained is not None:
        _raise(ports, TOKEN, row, because("mailbox.token", name=row.name, cause=explained.cause, cure=explained.cure))


def _alarm_silence(ports: Ports, row: Mailbox, now: datetime) -> None:
    usual = usual_gap(Habit.from_json(row.habit), now)
    last = row.last_message_at
    if usual is not None and last is not None:
        said = because("mailbox.silent", name=row.name, since=_moment(last), usual=_in_words(usual))
        _raise(ports, SILENT, row, said)


def _moment(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M} UTC"


def _in_words(gap: timedelta) -> str:
    hours = gap.total_seconds() / 3600
    return f"{hours / 24:.1f} days" if hours >= 48 else f"{hours:.1f} hours"


def _raise(ports: Ports, code: str, row: Mailbox, reason: Reason) -> None:
    link = f"/settings/mailboxes/{row.pk}/"
    raise_alarm(ports, code=code, subject=subject_of(row.pk), reason=reason, company_id=row.company_id, link=link)
