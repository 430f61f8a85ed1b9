"""People: invited, changed, switched off; who may manage whom, and who has to stay."""

from __future__ import annotations

import pytest
from django.contrib.sessions.models import Session
from django.core.exceptions import ValidationError
from django.test import Client
from django.utils import translation

from postroom.core.mime.parsing import parse
from postroom.core.terms.states import Role
from postroom.flows import manage_people as flow
from postroom.flows.access import NotAllowed
from postroom.flows.api_keys import make_key, member_of_key
from postroom.store.models import (
    AliasDomain,
    ApiKey,
    AuditEvent,
    Company,
    Contact,
    Delivery,
    Member,
    OutgoingContent,
    OutgoingMail,
    SettingChange,
)
from postroom.wiring import ports
from tests.web import seeding

pytestmark = pytest.mark.django_db
STRONG = "a-lighthouse-at-night"


@pytest.fixture
def company() -> Company:
    return seeding.a_company()


@pytest.fixture
def ada(company: Company) -> Member:
    return seeding.a_member("ada", "Ada Admin", company, Role.ADMINISTRATOR)


@pytest.fixture
def bob(company: Company) -> Member:
    return seeding.a_member("bob", "Bob Brandt", company, Role.AGENT)


def wish(member: Member, **changes: object) -> flow.PersonWish:
    values: dict[str, object] = {
        "name": member.contact.name,
        "address": member.contact.address,
        "role": Role(member.role),
        "companies": tuple(dict.fromkeys([member.company_id, *member.companies.values_list("pk", flat=True)])),
        "is_active": True,
    }
    return flow.PersonWish(**(values | changes))  # type: ignore[arg-type]


def newcomer(company: Company, **changes: object) -> flow.PersonWish:
    values: dict[str, object] = {
        "name": "Charlie Chen", "address": "charlie@postroom.test", "role": Role.AGENT, "companies": (company.pk,),
    }  # fmt: skip
    return flow.PersonWish(**(values | changes))  # type: ignore[arg-type]


def pieces(link: str) -> tuple[str, str]:
    uid, token = link.rstrip("/").split("/")[-2:]
    return uid, token


def test_an_invited_person_chooses_a_password_once(ada: Member, company: Company) -> None:
    made = flow.invite_person(ports(), newcomer(company), by=ada)
    assert not made.user.has_usable_password()
    assert flow.people(ada, "charlie")[0].state == "invited"
    uid, token = pieces(flow.invitation_link(ports(), made.pk, by=ada))
    with pytest.raises(ValidationError):
        flow.join(ports(), uid, token, "12345678")
    joined = flow.join(ports(), uid, token, STRONG)
    assert joined is not None
    assert joined.user.check_password(STRONG)
    assert flow.join(ports(), uid, token, "another-" + STRONG) is None, "the link counts once"
    assert flow.people(ada, "charlie")[0].state == "active"
    assert STRONG not in str(list(SettingChange.objects.values()))
    assert token not in str(list(SettingChange.objects.values()))


@pytest.mark.parametrize(
    ("uid", "token"), [("", ""), ("MQ", "x-y"), ("!!!", "x"), ("OTk5OTk5OTk5OTk5OTk5OTk5OTk5OQ", "a-b"), ("_-8", "x")]
)
def test_what_is_no_link_of_ours_opens_nothing(ada: Member, uid: str, token: str) -> None:
    assert flow.invited(uid, token) is None


def test_an_invitation_travels_by_our_own_queue(ada: Member, company: Company) -> None:
    made = flow.invite_person(ports(), newcomer(company), by=ada)
    assert not flow.send_invitation(ports(), made.pk, by=ada), "without a domain there is nobody to write as"
    company.alias_domain = AliasDomain.objects.create(name="northwind.test")
    company.save()
    assert flow.send_invitation(ports(), made.pk, by=ada)
    assert Delivery.objects.get().to_address == "charlie@postroom.test"
    assert b"/join/" in bytes(OutgoingContent.objects.get().body)


@pytest.mark.parametrize(
    ("chosen", "inviters", "german"), [("de", "en", True), ("en", "de", True), ("en", "en", False), ("fr", "de", False)]
)
def test_an_invitation_speaks_as_the_invited_person_does_or_else_as_the_one_who_invites(
    ada: Member, company: Company, chosen: str, inviters: str, german: bool
) -> None:
    company.alias_domain = AliasDomain.objects.create(name="northwind.test")
    company.save()
    charlie = seeding.a_contact("Charlie <Chen>", "charlie@postroom.test", company)
    Contact.objects.filter(pk=charlie.pk).update(language=chosen)
    made = flow.invite_person(ports(), newcomer(company), by=ada)
    with translation.override(inviters):
        assert flow.send_invitation(ports(), made.pk, by=ada)
    letter = OutgoingContent.objects.get()
    text = parse(bytes(letter.content_headers) + b"\r\n" + bytes(letter.body)).html
    assert ("lädt Sie" in text, "invites you" in text) == (german, not german)
    assert OutgoingMail.objects.get().subject.startswith("Ihr Platz" if german else "Your place")
    assert "&lt;Chen&gt;" in text


def test_nobody_is_invited_twice_or_without_an_address(ada: Member, company: Company) -> None:
    flow.invite_person(ports(), newcomer(company), by=ada)
    for address in ("CHARLIE@postroom.test", "nobody"):
        with pytest.raises(ValidationError):
            flow.invite_person(ports(), newcomer(company, address=address), by=ada)


def test_who_is_switched_off_is_out_at_once_and_keys_stay_gone(ada: Member, bob: Member) -> None:
    window = Client()
    window.force_login(bob.user)
    key = make_key(ports(), member=bob, name="script").text
    assert window.get("/records/").status_code == 200
    flow.change_person(ports(), bob.pk, wish(bob, is_active=False), by=ada)
    assert window.get("/records/").status_code == 302
    assert not Session.objects.exists()
    assert member_of_key(ports(), key) is None
    flow.change_person(ports(), bob.pk, wish(bob, is_active=True), by=ada)
    assert not ApiKey.objects.exists()
    assert window.get("/records/").status_code == 302


def test_the_last_administrator_stays(ada: Member, bob: Member, company: Company) -> None:
    carl = seeding.a_member("carl", "Carl Admin", company, Role.ADMINISTRATOR)
    with pytest.raises(ValidationError, match="own role"):
        flow.change_person(ports(), ada.pk, wish(ada, role=Role.AGENT), by=ada)
    flow.change_person(ports(), carl.pk, wish(carl, role=Role.AGENT), by=ada)
    carl.refresh_from_db()
    boss = seeding.a_member("boss", "Boss", company, Role.ADMINISTRATOR)
    flow.change_person(ports(), ada.pk, wish(ada, is_active=False), by=boss)
    with pytest.raises(ValidationError, match="own role"):
        flow.change_person(ports(), boss.pk, wish(boss, is_active=False), by=boss)
    ada.user.refresh_from_db()
    with pytest.raises(ValidationError, match="last administrator"):
        flow.change_person(ports(), boss.pk, wish(boss, role=Role.AGENT), by=ada)


def test_an_administrator_of_one_company_manages_nobody_to_whom_more_belongs(ada: Member, company: Company) -> None:
    elsewhere = seeding.a_company("Elsewhere")
    both = seeding.a_member("both", "Both", company, Role.ADMINISTRATOR)
    both.companies.add(elsewhere)
    root = seeding.a_member("root", "Root", company, Role.AGENT)
    root.user.is_superuser = True
    root.user.save()
    for member in (both, root):
        assert flow.person(member.pk, by=ada) is None
        with pytest.raises(Member.DoesNotExist):
            flow.invitation_link(ports(), member.pk, by=ada)
    assert {one.login for one in flow.people(ada)} == {"ada"}
    with pytest.raises(NotAllowed):
        flow.invite_person(ports(), newcomer(company, companies=(elsewhere.pk,)), by=ada)


def test_agents_manage_nobody(bob: Member, ada: Member, company: Company) -> None:
    with pytest.raises(NotAllowed):
        flow.people(bob)
    with pytest.raises(NotAllowed):
        flow.invite_person(ports(), newcomer(company), by=bob)
    with pytest.raises(NotAllowed):
        flow.change_person(ports(), ada.pk, wish(ada, role=Role.AGENT), by=bob)


def test_who_founds_a_company_sees_it_and_one_has_to_stay(ada: Member, company: Company) -> None:
    made = flow.save_company(ports(), {"id": None, "name": "Second"}, member=ada)
    assert made in ada.companies.all()
    flow.save_company(ports(), {"id": made.pk, "is_active": False}, member=ada)
    with pytest.raises(ValidationError):
        flow.save_company(ports(), {"id": company.pk, "is_active": False}, member=ada)


@pytest.mark.parametrize(
    ("address", "expected"),
    [("admin@example.com", True), ("x@localhost", True), ("", True), ("ada@northwind.test", False)],
)
def test_a_placeholder_is_recognised(address: str, expected: bool) -> None:
    assert flow.is_placeholder(address) is expected


def told(what: str) -> list[tuple[str, str, dict[str, object]]]:
    return list(AuditEvent.objects.filter(what=what).order_by("pk").values_list("login", "subject", "detail"))


def test_who_changed_whom_stands_in_the_audit_log_and_no_link_does(ada: Member, bob: Member, company: Company) -> None:
    flow.change_person(ports(), bob.pk, wish(bob, role=Role.MANAGER), by=ada)
    flow.change_person(ports(), bob.pk, wish(Member.objects.get(pk=bob.pk), name="Bobby Brandt"), by=ada)
    flow.change_person(ports(), bob.pk, wish(Member.objects.get(pk=bob.pk), is_active=False), by=ada)
    assert told("member_changed") == [
        ("ada", "bob", {"role": "agent → manager"}),
        ("ada", "bob", {"is_active": "True → False"}),
    ]
    charlie = flow.invite_person(ports(), newcomer(company), by=ada)
    uid, token = pieces(flow.invitation_link(ports(), charlie.pk, by=ada))
    assert flow.join(ports(), uid, token, STRONG) is not None
    assert told("member_created") == [("ada", "charlie@postroom.test", {"role": "agent"})]
    assert told("member_invited") == [("ada", "charlie@postroom.test", {})]
    assert told("member_joined") == [("charlie@postroom.test", "", {})]
    assert token not in str(list(AuditEvent.objects.values()))


def test_what_was_refused_is_not_told_as_done(ada: Member, bob: Member) -> None:
    with pytest.raises(ValidationError):
        flow.change_person(ports(), ada.pk, wish(ada, role=Role.AGENT), by=ada)
    with pytest.raises(NotAllowed):
        flow.change_person(ports(), ada.pk, wish(ada, role=Role.AGENT), by=bob)
    assert told("member_changed") == []


def test_a_company_that_is_founded_or_closed_stands_in_the_audit_log(ada: Member) -> None:
    made = flow.save_company(ports(), {"name": "Second"}, member=ada)
    flow.save_company(ports(), {"id": made.pk, "is_active": False}, member=ada)
    assert told("company_changed") == [
        ("ada", "Second", {"is_new": True, "is_active": True}),
        ("ada", "Second", {"is_new": False, "is_active": False}),
    ]


@pytest.mark.parametrize("is_shared", [True, False])
def test_whoever_is_a_contact_already_joins_as_that_contact(ada: Member, company: Company, is_shared: bool) -> None:
    known = Contact.objects.create(
        name="Charlie",
        address="charlie@postroom.test",
        normal="charlie@postroom.test",
        company=None if is_shared else company,
    )
    invited = flow.invite_person(ports(), newcomer(company), by=ada)
    assert invited.contact_id == known.pk


def test_the_last_who_looks_after_all_companies_gives_none_of_them_away(ada: Member, company: Company) -> None:
    other = Company.objects.create(name="Elsewhere")
    ada.companies.set([company, other])
    eve = seeding.a_member("eve", "Eve Elsewhere", other, Role.ADMINISTRATOR)
    with pytest.raises(ValidationError, match="last administrator"):
        flow.change_person(ports(), ada.pk, wish(ada, companies=(company.pk,)), by=ada)
    eve.companies.set([company, other])
    changed = flow.change_person(ports(), ada.pk, wish(ada, companies=(company.pk,)), by=ada)
    assert list(changed.companies.all()) == [company]
