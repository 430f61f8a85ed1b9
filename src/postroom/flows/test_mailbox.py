"""Test & Confirm: a mailbox is entered step by step, and what is wrong is said with cause and cure.

Laws: nothing is fetched or marked. A success confirms the mailbox, so that it is read from now on, and ends its trouble. What is
stored and shown holds no secret.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from postroom.core.diagnosis.mailbox_errors import explain_mailbox, explained_mailbox
from postroom.core.terms.mailboxes import (
    Acknowledgement,
    EnteredStep,
    MailboxCursor,
    MailboxSession,
    MailboxStep,
    MailboxTrouble,
    TroubleKind,
)
from postroom.core.terms.reasons import Reason, reasons_from_json
from postroom.flows.access import require
from postroom.flows.note_health import WELL, fault_of, forget_alarms
from postroom.flows.ports import Ports
from postroom.flows.reach_mailbox import acknowledgement_of, call_watchers, columns_of, endpoint_of, open_mailbox
from postroom.flows.trials import Watch, WatchedStep
from postroom.store.models import Mailbox, Member


@dataclass(frozen=True, slots=True, kw_only=True)
class TestedMailboxStep:
    """A step for people: its name, what was seen or said, milliseconds."""

    __test__ = False

    step: str
    about: str = ""
    milliseconds: int = 0
    is_ok: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class MailboxTest:
    """How far a test came. ``step`` is the one that failed, ``""`` when all is well; ``reply``: what was said, verbatim."""

    tested_at: datetime
    is_ok: bool
    code: str
    cause: Reason
    cure: Reason
    step: str = ""
    reply: str = ""
    steps: tuple[TestedMailboxStep, ...] = ()

    def as_json(self) -> dict[str, object]:
        """As it is stored, and as programs get it; `read_mailbox_test` reads it."""
        return {
            "tested_at": self.tested_at.isoformat(),
            "ok": self.is_ok,
            "code": self.code,
            "cause": self.cause.as_json(),
            "cure": self.cure.as_json(),
            "step": self.step,
            "reply": self.reply,
            "steps": [
                {"step": one.step, "about": one.about, "milliseconds": one.milliseconds, "ok": one.is_ok}
                for one in self.steps
            ],
        }


def test_mailbox(
    ports: Ports,
    mailbox_id: int,
    *,
    member: Member | None,
    confirm: bool = True,
    leave_old_mail: bool = False,
    watch: Watch | None = None,
) -> MailboxTest:
    """Connect, encrypt, log in, open the folder. With ``leave_old_mail`` the cursor moves to the end: what lies there now is never taken.

    ``watch`` follows the steps; what it wants no more confirms and stores nothing. Raises `NotAllowed`, `Mailbox.DoesNotExist`. Blocks for two minutes at most.
    """
    require(member, "settings")
    mailbox = Mailbox.objects.get(pk=mailbox_id)
    require(member, "settings", mailbox)
    end, steps, trouble = _try(ports, mailbox, leave_old_mail=leave_old_mail, watch=watch)
    found = _told(ports, mailbox, steps, trouble)
    if watch is not None and not watch.is_wanted():
        return found
    facts: dict[str, object] = {"tested_at": found.tested_at, "test_result": found.as_json()}
    if found.is_ok:
        facts |= WELL
        if confirm and not mailbox.is_confirmed:
            facts |= {"is_confirmed": True, "confirmed_at": found.tested_at}
        if end is not None:
            facts |= {
                **columns_of(end),
                "floor_uid": end.last_uid,
                "old_before": found.tested_at.date(),
                "old_up_to": 0,
            }
    Mailbox.objects.filter(pk=mailbox_id).update(**facts)
    if found.is_ok:
        forget_alarms(ports, mailbox_id)
        call_watchers()
    return found


def plan_test(ports: Ports, mailbox: Mailbox, *, patience: float) -> Callable[[], MailboxTest]:
    """The same test, to be made beside other work: it asks no table, confirms and stores nothing. A server may be silent for
    ``patience`` seconds."""

    def enter() -> MailboxTest:
        steps: list[EnteredStep] = []
        try:
            endpoint = endpoint_of(ports, mailbox)
            session = ports.mailbox_session(replace(endpoint, timeout=min(endpoint.timeout, patience)))
            try:
                _enter(session, mailbox, steps)
            finally:
                session.close()
        except MailboxTrouble as trouble:
            return _told(ports, mailbox, steps, trouble)
        return _told(ports, mailbox, steps, None)

    return enter


test_mailbox.__test__ = False  # type: ignore[attr-defined]  # pytest takes it for one of its own


def read_mailbox_test(stored: object) -> MailboxTest | None:
    """A stored result; None for none, or for one of a version that wrote it otherwise."""
    if not isinstance(stored, dict):
        return None
    try:
        cause, cure = reasons_from_json([stored["cause"], stored["cure"]])
        return MailboxTest(
            tested_at=datetime.fromisoformat(stored["tested_at"]),
            is_ok=bool(stored["ok"]),
            code=str(stored["code"]),
            cause=cause,
            cure=cure,
            step=str(stored["step"]),
            reply=str(stored["reply"]),
            steps=tuple(
                TestedMailboxStep(
                    step=str(one["step"]),
                    about=str(one["about"]),
                    milliseconds=int(one["milliseconds"]),
                    is_ok=bool(one["ok"]),
                )
                for one in stored["steps"]
            ),
        )
    except (KeyError, TypeError, ValueError, AttributeError):
        return None


def _try(
    ports: Ports, mailbox: Mailbox, *, leave_old_mail: bool, watch: Watch | None
) -> tuple[MailboxCursor | None, Sequence[EnteredStep], MailboxTrouble | None]:
    steps: list[EnteredStep] = []
    end = None
    try:
        with open_mailbox(ports, mailbox.pk) as session:
            if watch is not None:
                watch.follow(lambda: [_as_watched(one) for one in session.steps()])
            _enter(session, mailbox, steps)
            if leave_old_mail:
                end = session.end()
    except MailboxTrouble as trouble:
        return None, steps, trouble
    return end, steps, None


def _enter(session: MailboxSession, mailbox: Mailbox, steps: list[EnteredStep]) -> None:
    try:
        session.open()
    finally:
        steps += session.steps()
    _check_afterwards(mailbox, steps, session.check)


def _as_watched(one: EnteredStep) -> WatchedStep:
    return WatchedStep(step=one.step.value, about=one.about, milliseconds=round(one.seconds * 1000), is_ok=one.is_ok)


def _check_afterwards(mailbox: Mailbox, steps: list[EnteredStep], check: Callable[[Acknowledgement], None]) -> None:
    try:
        how = acknowledgement_of(mailbox)
        check(how)
    except MailboxTrouble:
        steps.append(EnteredStep(step=MailboxStep.AFTERWARDS, is_ok=False, seconds=0.0, about=mailbox.after_fetch))
        raise
    steps.append(EnteredStep(step=MailboxStep.AFTERWARDS, is_ok=True, seconds=0.0, about=str(how)))


def _told(ports: Ports, mailbox: Mailbox, steps: Sequence[EnteredStep], trouble: MailboxTrouble | None) -> MailboxTest:
    shown = tuple(
        TestedMailboxStep(step=one.step.value, about=one.about, milliseconds=round(one.seconds * 1000), is_ok=one.is_ok)
        for one in steps
    )
    if trouble is None:
        explained = explained_mailbox("mailbox_none")
        step = reply = ""
    else:
        explained = explain_mailbox(fault_of(mailbox, trouble.kind, trouble.text, trouble.response_code))
        step = next((one.step for one in reversed(shown) if not one.is_ok), _STEPS[trouble.kind])
        reply = trouble.text
    return MailboxTest(
        tested_at=ports.clock.now(),
        is_ok=trouble is None,
        code=explained.code,
        cause=explained.cause,
        cure=explained.cure,
        step=step,
        reply=reply,
        steps=shown,
    )


_STEPS = {  # where no step tells it
    TroubleKind.CONNECT: "connect",
    TroubleKind.TLS: "tls",
    TroubleKind.LOGIN: "login",
    TroubleKind.TOKEN: "token",
    TroubleKind.UNAVAILABLE: "login",
    TroubleKind.PROTOCOL: "connect",
    TroubleKind.TIMEOUT: "connect",
    TroubleKind.FOLDER: "folder",
    TroubleKind.STORAGE: "folder",
}
