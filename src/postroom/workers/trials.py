"""Works through tests of servers and mailboxes beside the pages: each in a thread of its own, few at a time.

Laws: a request never waits for a stranger's server. What a test shows is written down a few times a second by another thread than the
one that tests, which may be inside an event loop. Both leave no database connection behind.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Sequence
from functools import partial

from django.db import connection, transaction

from postroom.core.terms.mailboxes import MailboxTrouble
from postroom.flows.access import NotAllowed
from postroom.flows.test_mailbox import test_mailbox
from postroom.flows.test_server import test_server
from postroom.flows.trials import WatchedStep, finish_trial, is_wanted, note_steps, trial_to_run
from postroom.store.models import Mailbox, OutgoingServer, Trial
from postroom.wiring import ports

logger = logging.getLogger(__name__)

AT_ONCE = 4
LOOK_EVERY = 0.15  # seconds
_room = threading.BoundedSemaphore(AT_ONCE)


def start_on_commit(trial_id: int) -> None:
    """Once the transaction, if there is one, is over."""
    transaction.on_commit(partial(start, trial_id))


def start(trial_id: int) -> threading.Thread:
    """Work through it, in a thread."""
    thread = threading.Thread(target=_run, args=[trial_id], name=f"trial {trial_id}", daemon=True)
    thread.start()
    return thread


class _Watching:
    """What the test tells, and whether it is wanted."""

    def __init__(self, trial_id: int) -> None:
        self._trial_id = trial_id
        self.tell: Callable[[], Sequence[WatchedStep]] = tuple

    def follow(self, tell: Callable[[], Sequence[WatchedStep]]) -> None:
        self.tell = tell

    def is_wanted(self) -> bool:
        return is_wanted(self._trial_id)


def _run(trial_id: int) -> None:
    with _room:
        over = threading.Event()
        watching = _Watching(trial_id)
        writer = threading.Thread(target=_write, args=[trial_id, watching, over], daemon=True)
        try:
            trial = trial_to_run(trial_id)
            if trial is None:
                return
            writer.start()
            trouble = _test(trial, watching)
            over.set()
            writer.join()
            finish_trial(ports(), trial_id, trouble)
        except Exception:
            logger.exception("trial %d broke off", trial_id)
            over.set()
            finish_trial(ports(), trial_id, "broken")
        finally:
            over.set()
            connection.close()


def _test(trial: Trial, watching: _Watching) -> str:
    """Why there is no outcome, ``""`` when there is one."""
    try:
        if trial.kind == "server":
            to = str(trial.options.get("to", ""))
            test_server(ports(), trial.target_id, member=trial.member, to=to, watch=watching)
        else:
            leave = bool(trial.options.get("leave"))
            test_mailbox(ports(), trial.target_id, member=trial.member, leave_old_mail=leave, watch=watching)
    except (OutgoingServer.DoesNotExist, Mailbox.DoesNotExist, NotAllowed):
        return "gone"
    except MailboxTrouble as trouble:
        return trouble.text
    return ""


def _write(trial_id: int, watching: _Watching, over: threading.Event) -> None:
    """Until it is over, and once more then."""
    shown: tuple[WatchedStep, ...] = ()
    try:
        while True:
            is_last = over.wait(LOOK_EVERY)
            steps = tuple(watching.tell())
            if steps != shown:
                shown = steps
                note_steps(trial_id, steps)
            if is_last:
                return
    finally:
        connection.close()
