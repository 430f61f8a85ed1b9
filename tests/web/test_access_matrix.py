"""Every address of the pages, tried by everybody: who may not, gets nothing and reads nothing of what is not theirs."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from email.message import EmailMessage

import pytest
from django.contrib.auth import get_user_model
from django.core import signing
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import transaction
from django.db.models import Model
from django.http import HttpResponseBase
from django.test import Client
from django.urls import NoReverseMatch, URLPattern, URLResolver, get_resolver, reverse
from django.utils import timezone

from postroom.adapters.fetching.pictures import PictureFetcher
from postroom.core.terms.pictures import Picture
from postroom.core.terms.reasons import because
from postroom.core.terms.states import Role
from postroom.flows.guard_installation import check_home
from postroom.flows.manage_people import invitation_link
from postroom.store.models import (
    Activity,
    AddressHealth,
    AgentProposal,
    Alarm,
    Alias,
    AliasDomain,
    ApiKey,
    Attachment,
    AutomationRule,
    Company,
    Delivery,
    DkimKey,
    Draft,
    DraftFile,
    InboundHook,
    InboundMessage,
    Installation,
    LetterboxMail,
    Mailbox,
    MailTemplate,
    MailTemplateFile,
    MailTest,
    Member,
    Message,
    OutgoingServer,
    Parameter,
    QueueChange,
    Record,
    SavedView,
    ScheduledAction,
    ScheduledFile,
    ScheduledMessage,
    Trial,
)
from postroom.web.pictures import way_to
from postroom.web.records.acting import SALT
from postroom.wiring import ports
from tests.web import seeding
from tests.web.access_rules import NUMBERS, RULES, Rule
from tests.web.reported import some_reports

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800)]

FOREIGN = (
    "Carla",
    "Poster arrived",
    "oakhurst",
    "Northwind",
    "Alice Archer",
    "Bob Brandt",
    "support@postroom",
    "folded corner",
    "Shop mailbox",
)
REFUSALS = {403, 404, 410}
FRAGMENT = {"HX-Request": "true"}


def test_every_address_has_its_line_in_the_table() -> None:
    there = set(names())
    missing, gone = sorted(there - set(RULES)), sorted(set(RULES) - there)
    assert not missing, (
        f"Nobody has said who may use {', '.join(missing)}. Add one line for each to RULES in tests/web/access_rules.py: "
        "who may see it, who may post to it."
    )
    assert not gone, f"RULES in tests/web/access_rules.py speaks of {', '.join(gone)}, which are no addresses any more."


@pytest.fixture
def numbers(db: None, monkeypatch: pytest.MonkeyPatch) -> dict[str, int | str]:
    monkeypatch.setattr(PictureFetcher, "fetch", a_picture)
    company = seeding.a_house()
    people(company)
    check_home(ports())
    record = Record.objects.get(title__startswith="Poster")
    message = Message.objects.filter(notifications__state="bounce")[0]
    held = seeding.an_inbound(
        company,
        "Poster held",
        seeding.a_mail("carla@customer.example", "x@postroom.test", "Poster held", "Carla"),
        "held",
    )
    digest = ports().blobs.put(b"Carla's plan")
    owner, house = (Member.objects.get(user__username=login) for login in ("owner", "house"))
    return their_own(record, message, owner, house) | {
        "record": record.pk,
        "message": message.pk,
        "template": MailTemplate.objects.get().pk,
        "rule": AutomationRule.objects.get().pk,
        "receivers_report": some_reports(),
        "template_file": MailTemplateFile.objects.get().pk,
        "file": ScheduledFile.objects.get().pk,
        "scheduled": ScheduledMessage.objects.get(trouble="").pk,
        "attachment": Attachment.objects.create(
            message=message, name="Carla.pdf", content_type="x/y", size=12, sha256=digest
        ).pk,
        "delivery": Delivery.objects.get(state="bounced").pk,
        "change": QueueChange.objects.create(
            member=Member.objects.get(user__username="owner"), action="retry", ids=[], asked_at=seeding.NOW
        ).pk,
        "held": held.pk,
        "mail_test": MailTest.objects.create(
            source="mail", name="Carla.eml", state="finished", asked_at=seeding.NOW
        ).pk,
        "letter": LetterboxMail.objects.filter(delivery__isnull=False)[0].pk,
        "address": AddressHealth.objects.get(address="carla@customer.example").pk,
        "alarm": _an_alarm(company),
        "contact": record.contact_id or 0,
        "other_record": Record.objects.exclude(pk=record.pk).filter(kind=record.kind)[0].pk,
        "company": company.pk,
        "person": Member.objects.get(user__username="colleague").pk,
        "server": OutgoingServer.objects.all()[0].pk,
        "api_server": seeding.a_server("Provider", transport="mailgun").pk,
        "mailbox": Mailbox.objects.all()[0].pk,
        "domain": AliasDomain.objects.all()[0].pk,
        "alias": Alias.objects.all()[0].pk,
        "dkim": DkimKey.objects.filter(state="prepared")[0].pk,
        "hook": _a_hook(company),
        "proposal": _a_proposal(company, owner),
        "foreign_key": ApiKey.objects.create(member=Member.objects.get(user__username="other"), name="x", hash="x").pk,
    }


def their_own(record: Record, message: Message, owner: Member, house: Member) -> dict[str, int | str]:
    """What one person has for himself: a note, a draft with a file, a view, a test that goes on, an undo; and what was signed for somebody."""
    draft = Draft.objects.create(
        company=record.company, member=owner, record=record, html="<p>Carla</p>", version=1, updated_at=seeding.NOW
    )
    file = DraftFile.objects.create(
        draft=draft, name="Carla.txt", size=5, sha256=ports().blobs.put(b"Carla"), content_type="text/plain"
    )
    undo = {"member": owner.pk, "what": "done", "after": True, "before": [[record.pk, False]]}
    invited = seeding.a_member("invited", "Ivy Invited", record.company)
    uid, token = invitation_link(ports(), invited.pk, by=house).rstrip("/").split("/")[-2:]
    letter = LetterboxMail.objects.create(
        company=record.company, to_address="carla@customer.example", raw=a_mail_with_a_file(), captured_at=seeding.NOW
    )
    trial = Trial.objects.create(
        member=house, kind="server", target_id=OutgoingServer.objects.all()[0].pk, started_at=seeding.NOW
    )
    return {
        "note": seeding.a_message(record, owner.contact, "<p>Carla is kind</p>", kind="note").pk,
        "draft_file": file.pk,
        "view": SavedView.objects.create(member=owner, name="Carla", asked={"q": "Carla"}).pk,
        "activity": Activity.objects.create(
            company=record.company, record=record, summary="Call Carla", due_on=seeding.NOW.date(), assignee=owner,
            planned_at=seeding.NOW,
        ).pk,
        "trial": trial.pk,
        "undo": signing.dumps(undo, salt=SALT, compress=True),
        "picture": way_to(message.pk, "https://pictures.example/Carla.png").partition("at=")[2],
        "letter_with_file": letter.pk,
        "join_uid": uid,
        "join_token": token,
        "first_link": signing.TimestampSigner(salt="postroom.welcome").sign("first"),
    }  # fmt: skip


def a_mail_with_a_file() -> bytes:
    mail = EmailMessage()
    mail["From"], mail["To"], mail["Subject"] = "alice@postroom.test", "carla@customer.example", "Poster arrived"
    mail.set_content("Carla")
    mail.add_attachment(b"Carla", maintype="application", subtype="pdf", filename="Carla.pdf")
    return mail.as_bytes()


def a_picture(*_: object, **__: object) -> Picture:
    """What comes from elsewhere, without asking the network."""
    return Picture(content=b"GIF89a", content_type="image/gif")


def people(company: Company) -> None:
    """One for each word of the table, but for "nobody"."""
    elsewhere = seeding.a_company("Elsewhere")
    for login, role in (
        ("admin", "administrator"),
        ("owner", "manager"),
        ("colleague", "agent"),
        ("reader", "read_only"),
    ):
        if login != "admin":  # there is one already
            seeding.a_member(login, f"{login.title()} Own", company, Role(role))
    seeding.a_member("other", "Mallory Else", elsewhere, Role.ADMINISTRATOR)
    house = seeding.a_member("house", "Hanna House", company, Role.ADMINISTRATOR)
    house.companies.add(elsewhere)
    get_user_model().objects.create_user("stranger", password=seeding.PASSWORD)
    ScheduledMessage.objects.filter(trouble="").update(author=Member.objects.get(user__username="owner"))


def _an_alarm(company: Company) -> int:
    return Alarm.objects.create(
        company=company,
        code="mailbox.silent",
        reason=because("Shop mailbox").as_json(),
        raised_at=seeding.NOW,
        last_at=seeding.NOW,
    ).pk


def _a_proposal(company: Company, owner: Member) -> int:
    return AgentProposal.objects.create(
        member=owner, company=company, action="retry_delivery", arguments={"target": 1}, fingerprint="x" * 64,
        subject="Carla", made_at=seeding.NOW, expires_at=timezone.now() + timedelta(hours=1),
    ).pk  # fmt: skip


def _a_hook(company: Company) -> int:
    sealed = ports().vault.seal("secret")
    return InboundHook.objects.create(
        company=company, name="Shop", provider="mailgun", token_digest="x" * 64, token=sealed, created_at=seeding.NOW
    ).pk


OUTSIDERS = ("other", "stranger", "nobody")
OWNED: dict[type[Model], bool] = {  # whether its rows have a company
    Record: True, Message: True, Delivery: True, InboundMessage: True, LetterboxMail: True, ScheduledMessage: True, MailTemplate: True, AutomationRule: True,
    Draft: True, Activity: True, Mailbox: True, Alias: True, InboundHook: True, Alarm: True, AddressHealth: True, OutgoingServer: False, AliasDomain: False,
    DkimKey: False, Parameter: False, Installation: False, ScheduledAction: False,
}  # fmt: skip
FEW = ("house", "nobody")  # where nobody may, it is the method that is refused
EVERYBODY = ("house", "admin", "owner", "colleague", "reader", "other", "stranger", "nobody")


def window(login: str, *, checks: bool = False) -> Client:
    client = Client(enforce_csrf_checks=checks, raise_request_exception=False)
    if login != "nobody":
        client.force_login(get_user_model().objects.get(username=login))
    return client


def test_pages_are_shown_to_whom_they_are_for_and_say_nothing_to_others(numbers: dict[str, int | str]) -> None:
    troubles, windows = [], {login: window(login) for login in EVERYBODY}
    for name, rule in RULES.items():
        place = address(name, rule, numbers)
        for login in EVERYBODY if rule.see else FEW:
            with undone():
                answer = windows[login].get(place)
            troubles += [f"GET {place} as {login}: {trouble}" for trouble in judged(answer, login, rule.see, rule.do)]
    assert troubles == [], "\n".join(troubles)


def test_changes_are_made_by_those_who_may_and_by_nobody_else(numbers: dict[str, int | str]) -> None:
    troubles, before, windows = [], what_is_theirs(), {login: window(login) for login in EVERYBODY}
    for name, rule in RULES.items():
        place = address(name, rule, numbers)
        for login in EVERYBODY if rule.do else FEW:
            with undone():
                answer = windows[login].post(place, filled(rule, numbers))
                was_let_in = login in OUTSIDERS and answer.status_code not in (401, 403, 404, 405)
                if was_let_in and what_is_theirs() != before:
                    troubles.append(f"POST {place} as {login}: something changed that is not theirs")
            if name in ("admin:logout", "sign_out_everywhere"):
                windows[login] = window(login)
            troubles += [f"POST {place} as {login}: {trouble}" for trouble in judged(answer, login, rule.do, rule.see)]
    assert troubles == [], "\n".join(troubles)


def test_nothing_is_changed_without_the_token_of_a_page(numbers: dict[str, int | str]) -> None:
    for name, rule in RULES.items():
        if rule.do:
            place = address(name, rule, numbers)
            for login in sorted(rule.do - {"nobody"})[:2]:
                assert window(login, checks=True).post(place, filled(rule, numbers)).status_code == 403, place


def what_is_theirs() -> list[list[str]]:
    """All rows of the company that owns what is shown, and of the house."""
    elsewhere = Company.objects.get(name="Elsewhere").pk
    return [
        sorted(
            map(str, model._default_manager.exclude(**({"company": elsewhere} if has_company else {})).values_list())
        )
        for model, has_company in OWNED.items()
    ]


def judged(answer: HttpResponseBase, login: str, allowed: frozenset[str], otherwise: frozenset[str]) -> Iterator[str]:
    """What is wrong with the answer. ``otherwise``: who may use the address by the other method."""
    status = answer.status_code
    if not allowed:
        if status != 405 and status not in REFUSALS and not (login in ("nobody", "stranger") and status in (302, 401)):
            yield f"{status}, though nobody may"
    elif login in allowed:
        if status in (401, 403, 405) or status >= 500 or (status == 404 and login != "other"):
            yield f"{status}, though this person may"
    elif login == "nobody":
        if status == 302 and not answer["Location"].startswith("/login/"):
            yield f"led to {answer['Location']}"
        if status not in (302, 401, 403, 404):
            yield f"{status} without having signed in"
    elif not is_refused(answer, login) and not (status == 422 and login in otherwise):
        yield f"{status}, though this person may not"
    if login in ("other", "stranger", "nobody"):
        yield from (f"reads {word!r}" for word in FOREIGN if word.encode() in body(answer))


def is_refused(answer: HttpResponseBase, login: str) -> bool:
    to_sign_in = login == "stranger" and (
        answer.status_code == 401 or answer.headers.get("Location", "").startswith("/login/")
    )
    return answer.status_code in REFUSALS or to_sign_in


def body(answer: HttpResponseBase) -> bytes:
    return b"" if getattr(answer, "streaming", False) else bytes(answer.content)  # type: ignore[attr-defined]


def filled(rule: Rule, numbers: dict[str, int | str]) -> dict[str, str | SimpleUploadedFile]:
    files = {name: SimpleUploadedFile("x.txt", b"x") for name in rule.files}
    return {key: value.format(**numbers) for key, value in rule.data.items()} | files


def address(name: str, rule: Rule, numbers: dict[str, int | str]) -> str:
    """By the longest of its patterns whose arguments are known."""
    for pattern in sorted(patterns()[name], key=lambda one: -len(one.pattern.converters)):
        arguments = pattern.pattern.converters
        given = {key: value.format(**numbers) for key, value in rule.args.items()}
        known = {
            one: given.get(one) or str(numbers[NUMBERS[one]]) for one in arguments if one in given or one in NUMBERS
        }
        if "template_file" in name and "file_id" in known:
            known["file_id"] = str(numbers["template_file"])
        try:
            return reverse(
                name, kwargs={**known, **{key: pattern.default_args[key] for key in pattern.default_args}}
            ) + (f"?{rule.query.format(**numbers)}" if rule.query else "")
        except NoReverseMatch:
            continue
    raise AssertionError(f"{name}: which numbers stand in its address? Say so by args= in RULES, or in NUMBERS.")


def names() -> Iterator[str]:
    yield from patterns()


def patterns() -> dict[str, list[URLPattern]]:
    found: dict[str, list[URLPattern]] = {}
    _walk(get_resolver().url_patterns, "", found)
    return found


def _walk(rows: list[URLPattern | URLResolver], space: str, found: dict[str, list[URLPattern]]) -> None:
    for row in rows:
        if isinstance(row, URLPattern):
            found.setdefault(f"{space}{row.name or row.pattern}", []).append(row)
        elif row.namespace != "api_v1":  # see tests/api/test_access_matrix.py
            _walk(row.url_patterns, f"{space}{row.namespace}:" if row.namespace else space, found)


@contextmanager
def undone() -> Iterator[None]:
    """What is changed within is taken back."""
    with transaction.atomic():
        yield
        transaction.set_rollback(True)
