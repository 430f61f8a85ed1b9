"""How the house fares: the doctor's findings as a page, causes first, with cures and records to publish; and guided symptoms.

Law: to look asks nobody outside, so that the page is there at once; servers, mailboxes and the DNS are asked when somebody presses Test
again, all at once and no longer than a few seconds. Nothing is stored: what was found stands on the page that was asked for, and beside it what the
watch (which stores) knows: since when, what its last look changed, what changed before it broke.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from django.http import HttpResponse
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from postroom.core.diagnosis.finding_codes import Severity
from postroom.core.diagnosis.findings import Fix, FixKind, Folded
from postroom.core.diagnosis.symptoms import Outcome, Symptom, walk
from postroom.core.diagnosis.watching import key_of
from postroom.core.terms.reasons import Reason, because
from postroom.flows.diagnose import DoctorWish, diagnose
from postroom.flows.tell_watch import hook_fact, post_test, set_hook
from postroom.flows.watch_house import watch_standing
from postroom.web.members import MemberRequest, for_members, text_of
from postroom.web.shell import page
from postroom.wiring import ports

PATIENCE = 8.0  # seconds that somebody waits for the page at most

_BADGES = {  # colour, sign, word
    Severity.ERROR: ("bad", "error", gettext_lazy("Error")),
    Severity.WARNING: ("warn", "warning", gettext_lazy("Warning")),
    Severity.INFO: ("info", "info", gettext_lazy("Good to know")),
}
_OUTCOMES = {
    Outcome.FOUND: ("bad", "error", gettext_lazy("Found")),
    Outcome.CLEAR: ("ok", "check", gettext_lazy("Nothing found")),
    Outcome.UNCHECKED: ("warn", "help", gettext_lazy("Not checked")),
    Outcome.NOT_APPLICABLE: ("info", "remove", gettext_lazy("Not applicable")),
}
_PAGES = {
    FixKind.TEST_SERVER: "web:server",
    FixKind.RESUME_SERVER: "web:server",
    FixKind.TEST_MAILBOX: "web:mailbox",
    FixKind.RUN_ACTION: "web:action",
    FixKind.SWITCH_ON_ACTION: "web:action",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class ShownFinding:
    """A root with its badge, whose turn it is, and the page that mends it (``""``: none)."""

    folded: Folded
    colour: str
    sign: str
    word: str
    turn: Reason
    place: str


@for_members("GET", "POST")
def health(request: MemberRequest) -> HttpResponse:
    """By POST everybody outside is asked, too."""
    return health_page(request, asks_world=request.method == "POST")


@for_members("POST")
def hook(request: MemberRequest) -> HttpResponse:
    """Where programs are told: another address, whose secret is shown this once; or a trial of the present one."""
    said, secret, is_ok = "", "", True
    try:
        if request.POST.get("action") == "test":
            post = post_test(ports(), member=request.member)
            said, is_ok = _(post.said) if post.said else "", post.is_taken
        else:
            secret = set_hook(ports(), text_of(request.POST, "url", 500), member=request.member)
            said = _("Saved.")
    except ValueError as error:
        said, is_ok = str(error), False
    return health_page(request, asks_world=False, told={"hook_said": said, "hook_secret": secret, "hook_ok": is_ok})


def health_page(
    request: MemberRequest, *, asks_world: bool, told: Mapping[str, object] = MappingProxyType({})
) -> HttpResponse:
    """``told``: what a form of the page came to."""
    named = text_of(request.POST if asks_world else request.GET, "symptom", 40)
    found = diagnose(ports(), DoctorWish(asks_world=asks_world, patience=PATIENCE), member=request.member)
    walked = walk(Symptom(named), found.findings, asks_world=asks_world) if named in set(Symptom) else None
    roots = walked.found if walked is not None else found.findings
    shown = [one for one in roots if one.severity in _BADGES]
    standing = watch_standing(ports(), member=request.member)
    present = {key_of(one.finding) for one in found.findings}
    outside = [] if asks_world else [one for key, one in standing.since.items() if key not in present and one.is_cause]
    context = {
        **told,
        "watch": standing,
        "outside": [(one, *_BADGES[one.severity]) for one in outside if one.severity in _BADGES],
        "hook": hook_fact(ports(), member=request.member),
        "moments": found.moments,
        "asked": asks_world,
        "walked": walked,
        "looks": [(look.what, look.hindered, *_OUTCOMES[look.outcome]) for look in walked.looks] if walked else [],
        "findings": [_shown(one) for one in shown],
        "rest": [one.finding for one in roots if one.severity not in _BADGES],
        "errors": sum(one.severity is Severity.ERROR for one in shown),
        "warnings": sum(one.severity is Severity.WARNING for one in shown),
        "symptoms": [(symptom.value, because(f"symptom.{symptom}"), symptom.value == named) for symptom in Symptom],
    }
    return page(request, "postroom/settings/health.html", _("Health"), context)


def _shown(one: Folded) -> ShownFinding:
    colour, sign, word = _BADGES[one.severity]
    return ShownFinding(
        folded=one,
        colour=colour,
        sign=sign,
        word=str(word),
        turn=one.finding.who.turn,
        place=_place(one.finding.fix),
    )


def _place(fix: Fix | None) -> str:
    if fix is None or fix.target == "0":  # a server of the configuration has none
        return ""
    return reverse(_PAGES[fix.kind], args=[fix.target])
