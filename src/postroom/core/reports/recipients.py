"""One recipient of a report, judged: status, code, reason and blame from whatever the server gave.

Laws: pure, never raises. The Status field counts; where it says nothing in particular, the number in the reply does, then the
basic code. A reply that tells no reason is read in the light of what else the report says.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import islice

from postroom.core.reports.classifying import classify
from postroom.core.reports.delivery_reports import Action, ReportedAddress, ReportKind
from postroom.core.reports.taxonomy import blame_of_reason

MAX_TEXT = 2_000
_MAX_RECIPIENTS = 1_000
_MAX_WEIGHED = 12_000  # characters of replies that differ
_STATUS = re.compile(r"(?<![\d.])([245])\.(\d{1,3})\.(\d{1,3})(?![\d.]*\d)")
_FAILED_STATUS = re.compile(r"(?<![\d.])([45])\.(\d)\.(\d{1,3})(?![\d.]*\d)")
_CODE = re.compile(r"(?:^|[\s;:<('\"\[])#?([45][0-7]\d)[\s\-'\"#:,]")


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """What the report gives for one recipient. ``action`` None: what the status says, or failed. ``background`` is the rest of
    the report's words."""

    address: str
    action: Action | None = None
    status: str = ""
    reply: str = ""
    final_address: str = ""
    background: str = ""


def judge_all(drafts: Iterable[Draft]) -> tuple[ReportedAddress, ...]:
    """Each recipient judged; some reports repeat themselves. The words of very long reports are weighed up to a limit, then the
    numbers decide alone."""
    left = _MAX_WEIGHED
    judged: dict[ReportedAddress, None] = {}
    seen: set[tuple[str, str]] = set()
    for draft in islice(drafts, _MAX_RECIPIENTS):
        words = (draft.reply.replace(draft.address, ""), draft.background)
        if words not in seen:
            seen.add(words)
            left -= min(len(words[0]), MAX_TEXT) + min(len(words[1]), MAX_TEXT)
        judged[judge(draft, weighs_words=left > 0)] = None
    return tuple(judged)


def judge(draft: Draft, *, weighs_words: bool = True) -> ReportedAddress:
    """One recipient, with status, reason and blame; a success has no reason."""
    reply = draft.reply.strip()[:MAX_TEXT]
    code = basic_code(reply)
    status = best_status(draft.status, reply) or (f"{code // 100}.0.0" if code else "")
    action = draft.action or _action_of(status)
    reason = ""
    if action in (Action.FAILED, Action.DELAYED):
        words, background = (reply, draft.background) if weighs_words else ("", "")
        reason = classify(status, words, code, background=background)
    return ReportedAddress(
        address=draft.address,
        final_address=draft.final_address if draft.final_address != draft.address else "",
        action=action,
        status=status,
        reply=reply,
        reason=reason,
        blame=blame_of_reason(reason),
    )


def draft_by_words(address: str, words: str, *, text: str, is_delay: bool, final_address: str = "") -> Draft:
    """A recipient that a notice names in plain words: ``words`` stand by it, ``text`` is the whole notice."""
    words, text = words[:MAX_TEXT], text[:MAX_TEXT]
    found = _FAILED_STATUS.search(words) or (None if basic_code(words) else _FAILED_STATUS.search(text))
    code = basic_code(words) or basic_code(text)
    return Draft(
        address=address,
        action=Action.DELAYED if is_delay else Action.FAILED,
        status=found[0] if found else f"{code // 100 if code else 4 if is_delay else 5}.0.0",
        reply=words,
        final_address=final_address,
        background=text,
    )


def best_status(status: str, reply: str) -> str:
    """The Status field; where it says nothing in particular, the one in the reply."""
    given, quoted = _STATUS.search(status), _FAILED_STATUS.search(reply) or _STATUS.search(reply)
    if given is None or (given[0].endswith(".0.0") and quoted is not None and quoted[1] == given[1]):
        given = quoted or given
    if given is None and (code := basic_code(status + " ")):
        return f"{code // 100}.0.0"  # ``Status: 553 too large``
    return given[0] if given else ""


def basic_code(text: str) -> int:
    """The first reply code of a failure in these words, 0 for none (RFC 5321 4.2)."""
    code = _CODE.search(f"{text[:MAX_TEXT]} ")
    return int(code[1]) if code else 0


def read_action(value: str, status: str) -> Action:
    """RFC 3464 2.3.3; where the word is missing or strange, what the status says (law: temporary unless proven)."""
    word = value.strip().lower()
    return next((action for action in Action if word.startswith(action.value[:5])), None) or (
        Action.FAILED if word.startswith(("fail", "error", "bounce")) else _action_of(status)
    )


def kind_of(recipients: tuple[ReportedAddress, ...]) -> ReportKind:
    """What a report of these recipients is."""
    actions = {recipient.action for recipient in recipients}
    if not actions or Action.FAILED in actions:
        return ReportKind.BOUNCE
    return ReportKind.DELAYED if Action.DELAYED in actions else ReportKind.RECEIPT


def _action_of(status: str) -> Action:
    by_class = {"2": Action.DELIVERED, "4": Action.DELAYED}
    return by_class.get(status[:1], Action.FAILED)
