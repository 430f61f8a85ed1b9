"""Every page, as a whole: it answers, within its budget of queries, under its policy, to those who may see it."""

from __future__ import annotations

import pytest
from django.test import Client
from pytest_django import DjangoAssertNumQueries

from postroom.core.terms.states import Role
from postroom.store.models import (
    AddressHealth,
    Alias,
    AliasDomain,
    AutomationRule,
    Company,
    Contact,
    Delivery,
    InboundMessage,
    LetterboxMail,
    Mailbox,
    MailTemplate,
    MailTemplateFile,
    Member,
    Message,
    OutgoingServer,
    Record,
    ScheduledFile,
    ScheduledMessage,
)
from tests.web import seeding
from tests.web.conftest import SignedIn
from tests.web.reported import some_reports

BUDGET = 18  # queries of a page, session and sign-in included
WHOLE_HOUSE = 60  # of one that looks through everything, as the doctor does

EVERYBODY = [
    "/",
    "/attention/",
    "/pulse/",
    "/for-me/",
    "/for-me/?view=starred",
    "/failures/",
    "/records/",
    "/records/?q=poster",
    "/records/?who=mine",
    "/records/?who=unassigned",
    "/records/?who=failed",
    "/records/?who=waiting",
    "/records/?who=followed&state=all",
    "/records/?q=poster&who=followed",
    "/records/?q=poster&who=failed",
    "/records/ticket/",
    "/records/ticket/?stage=New",
    "/records/ticket/new/",
    "/people/find/?who=carla",
    "/records/{record}/",
    "/records/{record}/messages/",
    "/records/{record}/audience/?kind=comment",
    "/records/{record}/composer/",
    "/records/{record}/mentionable/?q=bo&kind=note",
    "/message/{message}/quote/",
    "/records/{record}/live/?after=0",
    "/records/{record}/?show=notes",
    "/records/{record}/?show=starred&at={message}",
    "/records/{record}/activities/",
    "/records/{record}/merge/",
    "/records/{record}/merge/?into={other}",
    "/records/{record}/print/",
    "/people/{contact}/",
    "/message/{message}/again/",
    "/message/{message}/source/",
    "/records/{record}/scheduled/",
    "/records/{record}/templates/",
    "/records/{record}/templates/{template}/",
    "/scheduled/",
    "/scheduled/{scheduled}/",
    "/scheduled/file/{scheduled_file}/",
    "/message/{message}/body/",
    "/message/{message}/recipients/",
    "/letterbox/",
    "/letterbox/?to=carla@customer.example",
    "/letterbox/{letter}/",
    "/letterbox/{letter}/body/",
    "/letterbox/{letter}/source/",
    "/letterbox/write/?to=carla@customer.example",
    "/story/",
    "/story/?q=carla@customer.example",
    "/suppression/",
    *(f"/suppression/?view={view}" for view in ("bouncing", "complained", "released")),
    "/suppression/?q=oakhurst.example",
    "/suppression/{address}/",
    "/suppression/worst/",
    "/settings/",
    "/settings/?q=password",
    "/settings/?q=support",
    "/settings/keys/",
    "/settings/keys/?new=1",
    "/settings/approvals/",
    "/settings/mine/",
    "/password/",
]
MANAGERS = [
    "/queue/",
    *(f"/queue/?state={state}" for state in ("sent", "failed", "bounced", "unknown", "cancelled", "complained", "all")),
    "/queue/?to=carla&server=Own+relay&lane=urgent&gate=retry",
    "/queue/?to=carla@customer.example&state=all",
    "/queue/?age=hour",
    "/queue/?state=failed&blame=address",
    "/queue/failures/",
    "/queue/find/?q=zzzzzz",
    "/queue/{delivery}/",
    "/inbound/",
    *(f"/inbound/?state={state}" for state in ("routed", "held", "refused", "discarded", "failed", "received")),
    "/inbound/?door=smtp&sender=carla&q=poster&age=week",
    "/held/",
    "/held/?alias=support@postroom.test&age=month",
    "/inbound/loops/",
    "/inbound/{inbound}/",
    "/inbound/{inbound}/body/",
    "/inbound/{inbound}/why/",
    "/inbound/try/",
    "/inbound/{inbound}/source/",
    "/inbound/{inbound}/find/?q=poster",
]
ADMINISTRATORS = [
    "/settings/servers/",
    "/settings/servers/new/",
    "/settings/servers/{server}/",
    "/settings/servers/new/?provider=mailgun",
    "/settings/health/",
    "/settings/health/?symptom=no-error",
    "/settings/health/bundle/",
    "/settings/health/bundle/?inbound={inbound}",
    "/settings/health/bundle/?message={message}",
    "/settings/health/bundle/?record={record}",
    "/settings/receivers/",
    "/settings/receivers/?domain=in.test&days=7",
    "/settings/receivers/{receivers_report}/",
    "/settings/limits/",
    "/settings/limits/?q=gmail.com",
    "/settings/limits/?new=1",
    "/settings/secrets/",
    "/settings/mail-tests/",
    "/settings/mailboxes/",
    "/settings/mailboxes/new/",
    "/settings/mailboxes/{mailbox}/",
    "/settings/mailboxes/{mailbox}/reset/?to=beginning",
    "/settings/ingress/",
    "/settings/ingress/?new=1&name=Incoming&provider=mailgun",
    "/settings/domains/",
    "/settings/domains/new/",
    "/settings/domains/{domain}/",
    "/settings/dkim/",
    "/settings/dkim/?new=1",
    "/settings/aliases/",
    "/settings/aliases/new/",
    "/settings/aliases/{alias}/",
    "/settings/aliases/{alias}/tested/?mail=abc",
    "/settings/templates/",
    "/settings/templates/new/",
    "/settings/templates/{template}/",
    "/settings/templates/{template}/files/{template_file}/",
    "/settings/rules/",
    "/settings/rules/new/",
    "/settings/rules/{rule}/",
    "/settings/parameters/",
    "/settings/parameters/?q=loop",
    "/settings/actions/",
    "/settings/actions/queue_manager/",
    "/settings/changes/",
    "/settings/changes/?kind=parameter&who=alice&since=week",
    "/settings/people/",
    "/settings/people/?q=alice",
    "/settings/people/new/",
    "/settings/people/{person}/",
    "/settings/companies/",
    "/settings/companies/new/",
    "/settings/companies/{company}/",
    "/welcome/company/",
    "/welcome/outgoing/?preset=gmail",
    "/welcome/incoming/?preset=microsoft365",
    "/welcome/find/?way=in&address=ada@gmail.com",
    "/welcome/alias/",
    "/welcome/done/",
    "/settings/audit/",
    "/settings/audit/?what=sign_in&login=ada",
]
EVERYTHING = EVERYBODY + MANAGERS + ADMINISTRATORS
OF_THE_HOUSE = ("{domain}", "{server}", "{company}", "{receivers_report}", "/health/bundle/")
OF_A_COMPANY = [place for place in EVERYTHING if "{" in place and not any(one in place for one in OF_THE_HOUSE)]


@pytest.fixture
def numbers(db: None) -> dict[str, int]:
    seeding.a_house()
    return {
        "record": Record.objects.get(title__startswith="Poster").pk,
        "other": Record.objects.get(title__startswith="Where").pk,
        "contact": Contact.objects.get(name="Carla Conti").pk,
        "message": Message.objects.filter(notifications__state="bounce")[0].pk,
        "delivery": Delivery.objects.get(state="bounced").pk,
        "inbound": InboundMessage.objects.filter(reported_recipients__isnull=False)[0].pk,
        "letter": LetterboxMail.objects.filter(delivery__isnull=False)[0].pk,
        "server": OutgoingServer.objects.all()[0].pk,
        "mailbox": Mailbox.objects.all()[0].pk,
        "domain": AliasDomain.objects.all()[0].pk,
        "alias": Alias.objects.all()[0].pk,
        "template": MailTemplate.objects.get().pk,
        "rule": AutomationRule.objects.get().pk,
        "receivers_report": some_reports(),
        "template_file": MailTemplateFile.objects.get().pk,
        "scheduled": ScheduledMessage.objects.get(trouble="").pk,
        "scheduled_file": ScheduledFile.objects.get().pk,
        "person": Member.objects.all()[0].pk,
        "company": Company.objects.all()[0].pk,
        "address": AddressHealth.objects.get(address="carla@customer.example").pk,
    }


def member(login: str) -> Member:
    return Member.objects.get(user__username=login)


@pytest.mark.slow
def test_every_page_answers_within_its_budget_and_under_its_policy(
    numbers: dict[str, int], signed_in: SignedIn, django_assert_max_num_queries: DjangoAssertNumQueries
) -> None:
    window = signed_in(member("admin"))
    for place in EVERYTHING:
        budget = WHOLE_HOUSE if place.startswith("/settings/health/") else BUDGET
        with django_assert_max_num_queries(budget, info=place):
            answer = window.get(place.format(**numbers))
        assert answer.status_code == 200, place
        policy = answer["Content-Security-Policy"]
        assert "default-src" in policy, place
        assert "unsafe-inline" not in policy.split("script-src")[-1].split(";")[0] or "script-src" not in policy, place
        if answer["Content-Type"].startswith("text/html"):
            assert b"{%" not in answer.content, place
            assert b"{{" not in answer.content or place.startswith("/settings/templates/"), place


@pytest.mark.parametrize(
    ("login", "allowed", "refused"),
    [
        ("bob", EVERYBODY, MANAGERS + ADMINISTRATORS),
        ("alice", EVERYBODY + MANAGERS, ADMINISTRATORS),
    ],
)
@pytest.mark.slow
def test_a_role_sees_its_places_and_no_others(
    numbers: dict[str, int], signed_in: SignedIn, login: str, allowed: list[str], refused: list[str]
) -> None:
    window = signed_in(member(login))
    for place in allowed:
        assert window.get(place.format(**numbers)).status_code == 200, place
    for place in refused:
        assert window.get(place.format(**numbers)).status_code == 403, place


def test_another_company_finds_nothing_of_it(numbers: dict[str, int], signed_in: SignedIn, mallory: Member) -> None:
    window = signed_in(mallory)
    for place in OF_A_COMPANY:
        assert window.get(place.format(**numbers)).status_code == 404, place
    for place in (
        "/records/",
        "/records/?q=poster",
        "/queue/?state=all",
        "/inbound/",
        "/letterbox/",
        "/suppression/",
        "/settings/aliases/",
    ):
        content = window.get(place).content
        for word in (b"Poster", b"carla@", b"support@postroom"):
            assert word not in content, place


def test_a_stranger_gets_nothing_anywhere(numbers: dict[str, int], client: Client) -> None:
    for place in EVERYTHING:
        assert client.get(place.format(**numbers)).status_code == 302, place


def test_what_is_not_there_is_404_in_our_look(signed_in: SignedIn, ada: Member) -> None:
    window = signed_in(ada)
    for place in (
        "/records/999999/",
        "/records/dragons/",
        "/records/dragons/new/",
        "/message/999999/body/",
        "/attachment/999999/",
        "/queue/999999/",
        "/queue/?state=lost",
        "/queue/?gate=lost",
        "/queue/?lane=lost",
        "/queue/?server=nobody",
        "/inbound/999999/",
        "/inbound/?state=lost",
        "/letterbox/999999/",
        "/suppression/999999/",
        "/suppression/?view=lost",
        "/settings/servers/999999/",
        "/settings/actions/none/",
        "/nowhere/",
    ):
        answer = window.get(place)
        assert answer.status_code == 404, place
        assert b"There is nothing here" in answer.content, place


@pytest.mark.parametrize("nonsense", ["x", "-1", "9" * 40, "~", "2026-01-01~1", "0~nonsense~1", "%00", "1~2~3~4", "²"])
def test_a_cursor_that_makes_no_sense_is_no_error(numbers: dict[str, int], signed_in: SignedIn, nonsense: str) -> None:
    window = signed_in(member("admin"))
    record = numbers["record"]
    for place in (
        "/records/",
        "/queue/",
        "/queue/?state=sent",
        "/inbound/",
        "/letterbox/",
        "/suppression/",
        "/suppression/?view=bouncing",
        "/settings/changes/",
    ):
        assert (
            window.get(
                place, {"after": nonsense, "state": "sent"} if "sent" in place else {"after": nonsense}
            ).status_code
            == 200
        )
    assert window.get(f"/records/{record}/messages/", {"before": nonsense}).status_code == 200
    assert window.get(f"/records/{record}/live/", {"after": nonsense, "from": nonsense}).status_code == 200


def test_empty_pages_teach_instead_of_showing_nothing(company: object, signed_in: SignedIn, ada: Member) -> None:
    window = signed_in(ada)
    for place, words in {
        "/": "Nothing is assigned to you",
        "/records/ticket/": "No open Tickets",
        "/records/?q=nothing": "Nothing fits",
        "/queue/": "Everything has left",
        "/inbound/": "No mail came in yet",
        "/held/": "Nothing waits for you",
        "/letterbox/": "Nothing was captured yet",
        "/suppression/": "Campaigns leave nobody out",
        "/suppression/?view=bouncing": "That is good news",
        "/settings/servers/": "None yet",
        "/settings/mailboxes/": "IMAP or POP3",
        "/settings/aliases/": "An alias such as support@",
        "/settings/actions/": "No scheduled actions yet",
        "/settings/changes/": "Nothing was changed yet",
        "/settings/keys/": "No keys yet",
        "/settings/approvals/": "Without your word nothing is done",
    }.items():
        assert words in window.get(place).content.decode(), place


def test_the_sidebar_offers_only_what_may_be_opened(numbers: dict[str, int], signed_in: SignedIn) -> None:
    page = signed_in(member("bob")).get("/").content.decode()
    assert "/records/ticket/" in page
    assert "/queue/" not in page
    assert "/settings/servers/" not in page
    page = signed_in(member("admin")).get("/").content.decode()
    assert "/queue/" in page
    assert "/settings/servers/" in page


def test_a_reader_is_offered_nothing_to_write_with(numbers: dict[str, int], signed_in: SignedIn) -> None:
    Member.objects.filter(user__username="bob").update(role=Role.READ_ONLY)
    page = signed_in(member("bob")).get(f"/records/{numbers['record']}/").content.decode()
    assert "pr-composer" not in page
    assert "pr-retitle" not in page
    assert "follows no more" not in page, "of others"
    assert page.count("/unfollow/") == 2, "what he follows himself he may leave: by the form and by its htmx"
