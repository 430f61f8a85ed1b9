"""The mail test as pages: hand in a file or a header, or send a seed message; a score with its reasons. For administrators of the house.

Law: nothing of the mail is shown as it is: its words stand escaped among reasons and evidence, and none of its pictures is fetched.
"""

from __future__ import annotations

from django.http import Http404, HttpResponse
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from postroom.core.mailtest.facts import Source
from postroom.core.mailtest.findings import TestFinding
from postroom.core.mailtest.rules import Outcome, Section
from postroom.core.terms.addresses import normalize
from postroom.core.terms.states import MailTestState
from postroom.flows import mail_tests as flow
from postroom.flows.analyse_mail import CannotTest, TestWish
from postroom.flows.send_seed import send_seed
from postroom.store.models import Mailbox, MailTest, OutgoingServer
from postroom.store.queries.pages import read_id
from postroom.web.members import MemberRequest, for_members, is_fragment, text_of
from postroom.web.shell import SeeOther, fragment, page
from postroom.web.templatetags.postroom import because as told
from postroom.wiring import ports

LARGEST = 36_000_000  # bytes of a file or a pasted mail: what most receivers take, in base64

_SECTIONS = {
    Section.AUTHENTICATION: gettext_lazy("Who sent it"),
    Section.PATH: gettext_lazy("How it travelled"),
    Section.HEADERS: gettext_lazy("Its header"),
    Section.CONTENT: gettext_lazy("What it says"),
    Section.LINKS: gettext_lazy("Where it leads"),
    Section.ATTACHMENTS: gettext_lazy("What it carries"),
    Section.LISTS: gettext_lazy("Leaving a list"),
    Section.SIZE: gettext_lazy("How large it is"),
    Section.FILTER: gettext_lazy("What a filter says"),
}
_OUTCOMES = {  # colour, sign, word
    Outcome.LOST: ("bad", "error", gettext_lazy("costs points")),
    Outcome.HINT: ("info", "info", gettext_lazy("Good to know")),
    Outcome.UNCHECKED: ("warn", "help", gettext_lazy("Not checked")),
    Outcome.GOOD: ("ok", "check", gettext_lazy("good")),
    Outcome.NOT_APPLICABLE: ("info", "remove", gettext_lazy("Not applicable")),
}
_SOURCES = {
    Source.MAIL: gettext_lazy("A mail"),
    Source.HEADERS: gettext_lazy("A header"),
    Source.OUTLOOK: gettext_lazy("An Outlook file"),
    Source.SEED: gettext_lazy("A mail of ours, sent and read back"),
}
_STATES = {
    MailTestState.WAITING: ("info", gettext_lazy("on its way")),
    MailTestState.FINISHED: ("ok", gettext_lazy("done")),
    MailTestState.FAILED: ("bad", gettext_lazy("did not come back")),
    MailTestState.NOT_APPLICABLE: ("info", gettext_lazy("Not applicable")),
}


@for_members("GET", "POST")
def mail_tests(request: MemberRequest) -> HttpResponse:
    """The forms and the newest tests; by POST a file or what was pasted is looked at."""
    flow.require_tester(request.member)
    if request.method == "POST":
        raw, name = _handed_in(request)
        if len(raw) > LARGEST:
            return _forms(request, trouble=_("That mail is too large to be tested here."))
        try:
            wish = TestWish(is_header=not request.FILES and _is_header_alone(raw))
            done = flow.test_mail(ports(), raw, member=request.member, name=name, wish=wish)
        except CannotTest as why:
            return _forms(request, trouble=told(why.reason))
        return SeeOther(reverse("web:mail_test", args=[done.id]))
    return _forms(request)


@for_members("POST")
def send(request: MemberRequest) -> HttpResponse:
    """A seed message; its page follows it."""
    flow.require_tester(request.member)
    server, mailbox = read_id(text_of(request.POST, "server", 20)), read_id(text_of(request.POST, "mailbox", 20))
    to = text_of(request.POST, "to", 254)
    if server is None or mailbox is None:
        return _forms(request, unsent=_("Choose a server and a mailbox."))
    if to and not normalize(to):
        return _forms(request, unsent=_("That is no mail address."))
    try:
        sent = send_seed(ports(), server, mailbox, member=request.member, to=to)
    except (OutgoingServer.DoesNotExist, Mailbox.DoesNotExist):
        raise Http404 from None
    except CannotTest as why:
        return _forms(request, unsent=told(why.reason))
    return SeeOther(reverse("web:mail_test", args=[sent.id]))


@for_members("GET")
def one(request: MemberRequest, test_id: int) -> HttpResponse:
    """One test; htmx asks for the piece again while a seed message is on its way."""
    try:
        test = flow.mail_test(ports(), test_id, member=request.member)
    except MailTest.DoesNotExist:
        raise Http404 from None
    report = test.report
    lost = [each for each in report.findings if each.outcome is Outcome.LOST] if report else []
    context = {
        "test": test,
        "source": _SOURCES[test.source],
        "lost": lost,
        "sections": _sections(report.findings) if report else [],
        "colour": _colour(report.tenths) if report else "info",
    }
    if is_fragment(request):
        return fragment(request, "postroom/settings/_mail_test.html", context)
    return page(request, "postroom/settings/mail_test.html", _("Mail test"), context)


def _forms(request: MemberRequest, *, trouble: str = "", unsent: str = "") -> HttpResponse:
    ways = flow.seed_ways(ports(), member=request.member)
    tests = flow.list_mail_tests(ports(), member=request.member)
    context = {
        "trouble": trouble,
        "unsent": unsent,
        "pasted": str(request.POST.get("mail", ""))[:LARGEST],
        "ways": ways,
        "typed": {name: text_of(request.POST, name, 254) for name in ("server", "mailbox", "to")},
        "tests": [(test, _SOURCES[test.source], *_STATES[test.state]) for test in tests],
    }
    return page(
        request, "postroom/settings/mail_tests.html", _("Mail test"), context, status=422 if trouble or unsent else 200
    )


def _handed_in(request: MemberRequest) -> tuple[bytes, str]:
    file = request.FILES.get("file")
    if file is not None:
        return bytes(file.read(LARGEST + 1)), str(file.name or "").replace("\0", "")
    return str(request.POST.get("mail", "")).lstrip("\r\n").encode("utf-8", "surrogateescape"), ""


def _is_header_alone(raw: bytes) -> bool:
    """What was pasted has no body: nothing stands behind an empty line."""
    head, _, body = raw.replace(b"\r\n", b"\n").partition(b"\n\n")
    return bool(head) and not body.strip()


def _sections(findings: tuple[TestFinding, ...]) -> list[tuple[str, list[tuple[TestFinding, str, str, str]]]]:
    """In their order, with colour, sign and word of each finding."""
    told_of: dict[Section, list[tuple[TestFinding, str, str, str]]] = {}
    for each in findings:
        colour, sign, word = _OUTCOMES[each.outcome]
        told_of.setdefault(each.section, []).append((each, colour, sign, str(word)))
    return [(str(_SECTIONS[section]), rows) for section, rows in told_of.items()]


def _colour(tenths: int) -> str:
    return "ok" if tenths >= 80 else "warn" if tenths >= 50 else "bad"
