"""Settings: forms that say what is wrong, secrets that never come out, changes that are written down."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.test import Client
from django.utils import timezone

from postroom.core.terms.states import AliasPolicy
from postroom.store.models import (
    Alias,
    AliasDomain,
    ApiKey,
    Company,
    Delivery,
    Installation,
    Mailbox,
    Member,
    OutgoingServer,
    Parameter,
    ScheduledAction,
    SettingChange,
)
from postroom.web.settings.change_words import what_differs
from postroom.wiring import ports
from tests.flows.outgoing_mails import a_mail, deliveries
from tests.web import seeding
from tests.web.conftest import SignedIn

SERVER = {
    "name": "Own relay",
    "transport": "smtp",
    "host": "smtp.northwind.example",
    "port": "587",
    "encryption": "starttls",
    "verify_certificate": "on",
    "username": "post",
    "envelope_sender": "signed",
    "purpose": "both",
    "priority": "10",
    "max_connections": "10",
    "mails_per_connection": "100",
    "max_message_size": "0",
    "is_active": "on",
}
HTMX = {"HX-Request": "true"}


@pytest.fixture
def window(signed_in: SignedIn, ada: Member) -> Client:
    return signed_in(ada)


def test_a_server_is_made_and_its_password_is_sealed_and_never_shown_again(window: Client) -> None:
    assert (
        window.post("/settings/servers/new/", {**SERVER, "password": "tr0ub4dor & 3 "})["Location"]
        == "/settings/servers/"
    )
    server = OutgoingServer.objects.get()
    assert ports().vault.open(bytes(server.secret)).reveal() == "tr0ub4dor & 3 "
    for place in ("/settings/servers/", f"/settings/servers/{server.pk}/", "/settings/changes/"):
        assert "tr0ub4dor" not in window.get(place).content.decode(), place
    assert "tr0ub4dor" not in str(list(SettingChange.objects.values()))


def test_an_empty_password_keeps_the_one_that_is_stored(window: Client) -> None:
    window.post("/settings/servers/new/", {**SERVER, "password": "first"})
    server = OutgoingServer.objects.get()
    window.post(f"/settings/servers/{server.pk}/", {**SERVER, "name": "Another name", "password": ""})
    server.refresh_from_db()
    assert server.name == "Another name"
    assert ports().vault.open(bytes(server.secret)).reveal() == "first"


def test_a_stored_password_does_not_follow_to_another_host(window: Client) -> None:
    window.post("/settings/servers/new/", {**SERVER, "password": "first"})
    server = OutgoingServer.objects.get()
    answer = window.post(f"/settings/servers/{server.pk}/", {**SERVER, "host": "other.example", "password": ""})
    assert "Type the password again: the server changed." in answer.content.decode()
    server.refresh_from_db()
    assert server.host != "other.example"
    again = {**SERVER, "host": "other.example", "password": ""}
    answer = window.post(f"/settings/servers/{server.pk}/", again, headers={"Accept-Language": "de"})
    assert "Geben Sie das Passwort noch einmal ein: Der Server ist ein anderer." in answer.content.decode()


def test_only_what_was_changed_is_written_down_with_before_and_after(window: Client, ada: Member) -> None:
    window.post("/settings/servers/new/", SERVER)
    server = OutgoingServer.objects.get()
    window.post(f"/settings/servers/{server.pk}/", {**SERVER, "port": "465", "encryption": "tls"})
    change = SettingChange.objects.latest("id")
    assert change.user == ada.user
    assert change.before == {"port": 587, "encryption": "starttls"}
    assert change.after == {"port": 465, "encryption": "tls"}
    page = window.get("/settings/changes/").content.decode()
    assert "Ada Admin" in page
    assert "465" in page


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"host": ""}, "An SMTP server has a host."),
        ({"port": "x"}, "Enter a whole number."),
        ({"from_filter": "example.org, not a domain!"}, "neither an address nor a domain"),
        ({"encryption": "rot13"}, "Select a valid choice"),
    ],
)
def test_what_does_not_fit_is_said_and_nothing_is_saved(window: Client, wrong: dict[str, str], words: str) -> None:
    answer = window.post("/settings/servers/new/", {**SERVER, **wrong})
    assert answer.status_code == 422
    assert words in answer.content.decode()
    assert not OutgoingServer.objects.exists()


def test_a_mailbox_an_alias_domain_and_an_alias_are_made(window: Client, company: Company) -> None:
    mailbox = {
        "name": "Shop",
        "company": company.pk,
        "protocol": "imap",
        "host": "imap.northwind.example",
        "port": "993",
        "encryption": "tls",
        "username": "shop",
        "password": "secret",
        "folder": "INBOX",
        "after_fetch": "mark_seen",
        "priority": "5",
        "interval_seconds": "300",
        "is_active": "on",
    }
    assert window.post("/settings/mailboxes/new/", mailbox).status_code == 303
    assert ports().vault.open(bytes(Mailbox.objects.get().secret)).reveal() == "secret"

    domain = {
        "name": "Postroom.TEST.",
        "bounce_alias": "bounce",
        "catchall_alias": "catchall",
        "default_from": "notifications",
        "priority": "1",
    }
    assert window.post("/settings/domains/new/", domain).status_code == 303
    assert AliasDomain.objects.get().name == "postroom.test"

    alias = {
        "name": "Support",
        "domain": AliasDomain.objects.get().pk,
        "kind": "ticket",
        "company": company.pk,
        "policy": "everyone",
    }
    assert window.post("/settings/aliases/new/", alias).status_code == 303
    assert str(Alias.objects.get()) == "support@postroom.test"
    assert window.post("/settings/aliases/new/", alias).status_code == 422  # there is one of that name
    assert window.post("/settings/aliases/new/", {**alias, "name": "@"}).status_code == 422
    assert window.post("/settings/domains/new/", {**domain, "name": "no domain"}).status_code == 422


def test_rows_of_another_company_are_neither_seen_nor_saved(
    signed_in: SignedIn, mallory: Member, company: Company
) -> None:
    server = seeding.a_server(company=company)
    window = signed_in(mallory)
    assert server.name not in window.get("/settings/servers/").content.decode()
    assert window.get(f"/settings/servers/{server.pk}/").status_code == 404
    assert window.post(f"/settings/servers/{server.pk}/", {**SERVER, "host": "evil.example"}).status_code == 404
    assert window.post("/settings/servers/new/", {**SERVER, "company": company.pk}).status_code == 422
    assert OutgoingServer.objects.get().host == server.host


@pytest.mark.parametrize("who", ["bob", "alice", "rita"])
def test_only_administrators_change_settings(
    signed_in: SignedIn, who: str, request: pytest.FixtureRequest, company: Company
) -> None:
    window = signed_in(request.getfixturevalue(who))
    ScheduledAction.objects.create(key="queue_manager", name="Q", interval_seconds=60, next_run_at=seeding.NOW)
    for place in (
        "/settings/servers/new/",
        "/settings/parameters/mail.retry.days/",
        "/settings/actions/queue_manager/",
    ):
        assert window.post(place, {**SERVER, "value": "9", "minutes": "9"}).status_code == 403, place
    assert not SettingChange.objects.exists()


def test_what_all_companies_share_is_for_administrators_of_the_whole_house(
    signed_in: SignedIn, ada: Member, mallory: Member
) -> None:
    shared, own = seeding.a_server("Shared"), seeding.a_server("Own", company=ada.company)
    window = signed_in(ada)
    page = window.get("/").content.decode()
    for place in ("/settings/parameters/", "/settings/domains/", "/settings/domains/new/", "/settings/actions/"):
        assert window.get(place).status_code == 403, place
        assert f'href="{place}"' not in page
    assert window.get(f"/settings/servers/{shared.pk}/").status_code == 403
    assert window.get(f"/settings/servers/{own.pk}/").status_code == 200
    assert window.post(f"/settings/servers/{shared.pk}/", {**SERVER, "host": "evil.example"}).status_code == 403
    assert window.post("/settings/parameters/mail.retry.days/", {"value": "9"}).status_code == 403
    assert window.post("/settings/servers/new/", SERVER).status_code == 403  # without a company: for all

    ada.companies.add(mallory.company)
    window = signed_in(ada)
    assert window.get("/settings/parameters/").status_code == 200
    assert window.get(f"/settings/servers/{shared.pk}/").status_code == 200


# -- where the database lives


@pytest.fixture
def installation(db: None) -> Installation:
    return Installation.objects.create(identity="shop:/srv/data", confirmed_at=seeding.NOW)


def test_a_copied_database_says_so_on_every_page_until_an_administrator_confirms(
    window: Client, signed_in: SignedIn, bob: Member, installation: Installation
) -> None:
    assert "copied or moved" not in window.get("/records/").content.decode()
    Installation.objects.update(found_elsewhere="laptop:/home/x")
    page = window.get("/records/").content.decode()
    assert "It was confirmed at shop:/srv/data and runs at laptop:/home/x." in page
    assert "This is the real one" in page
    assert "This is the real one" not in signed_in(bob).get("/records/").content.decode()
    assert signed_in(bob).post("/settings/installation/confirm/").status_code == 403
    window.post("/settings/installation/confirm/")
    assert "copied or moved" not in window.get("/records/").content.decode()


def test_capture_mode_is_switched_by_administrators_and_seen_by_all(
    window: Client, signed_in: SignedIn, bob: Member, installation: Installation
) -> None:
    window.post("/settings/installation/capture/", {"on": "1"})
    assert "nothing leaves" in signed_in(bob).get("/").content.decode()
    assert signed_in(bob).post("/settings/installation/capture/", {"on": "0"}).status_code == 403
    window.post("/settings/installation/capture/", {"on": "0"})
    assert "nothing leaves" not in signed_in(bob).get("/").content.decode()
    assert SettingChange.objects.filter(subject="installation").count() == 2


def test_whoever_lets_mail_leave_says_what_becomes_of_the_mails_that_wait(
    window: Client, ada: Member, installation: Installation
) -> None:
    Installation.objects.update(is_capturing=True)
    now = timezone.now()
    deliveries(a_mail(ada.company, at=now), "hugo@petit.example", at=now)
    page = window.get("/settings/servers/").content.decode()
    assert "1 mail waits in the queue" in page
    assert "hugo@petit.example" in page
    assert 'value="cancel"' in page
    window.post("/settings/installation/capture/", {"on": "0"})
    assert Installation.objects.get().is_capturing, "nobody chose"
    answer = window.post("/settings/installation/capture/", {"on": "0", "waiting": "cancel"}, follow=True)
    assert "1 waiting mail was cancelled." in answer.content.decode()
    assert not Installation.objects.get().is_capturing
    assert Delivery.objects.get().state == "cancelled"


# -- parameters


def test_a_parameter_is_set_checked_and_set_back(window: Client) -> None:
    place = "/settings/parameters/mail.retry.days/"
    piece = window.post(place, {"value": "7"}, headers=HTMX).content.decode()
    assert 'value="7"' in piece
    assert "changed" in piece
    assert Parameter.objects.get(key="mail.retry.days").value == "7"

    answer = window.post(place, {"value": "many"}, headers=HTMX)
    assert answer.status_code == 422
    assert "A whole number" in answer.content.decode()
    assert 'value="many"' in answer.content.decode()
    assert Parameter.objects.get(key="mail.retry.days").value == "7"

    window.post(place, {"value": "7", "reset": "1"}, headers=HTMX)
    assert Parameter.objects.get(key="mail.retry.days").value == "5"
    assert SettingChange.objects.filter(subject="parameter mail.retry.days").count() == 2


def test_without_scripts_the_page_comes_back_with_a_word(window: Client) -> None:
    answer = window.post("/settings/parameters/mail.retry.days/", {"value": "many"}, follow=True)
    assert answer.status_code == 200
    assert "A whole number" in answer.content.decode()


def test_every_parameter_is_listed_with_default_and_help(window: Client) -> None:
    from postroom.core.terms.parameters import PARAMETERS

    page = window.get("/settings/parameters/").content.decode()
    for key in PARAMETERS:
        assert f">{key}</code>" in page, key
    assert window.post("/settings/parameters/no.such.key/", {"value": "1"}).status_code == 404


# -- scheduled actions


def test_interval_and_activity_of_an_action_are_changed_and_written_down(window: Client) -> None:
    ScheduledAction.objects.create(key="queue_manager", name="Queue", interval_seconds=3600, next_run_at=seeding.NOW)
    window.post("/settings/actions/queue_manager/", {"minutes": "15"})
    row = ScheduledAction.objects.get()
    assert (row.interval_seconds, row.is_active) == (900, False)
    assert SettingChange.objects.get().after == {"interval_seconds": 900, "is_active": False}
    assert window.post("/settings/actions/queue_manager/", {"minutes": "0"}).status_code == 422


def test_run_now_defers_a_job_once(window: Client) -> None:
    from procrastinate.contrib.django.models import ProcrastinateJob

    ScheduledAction.objects.create(key="queue_manager", name="Queue", interval_seconds=3600, next_run_at=seeding.NOW)
    window.post("/settings/actions/queue_manager/run/")
    page = window.post("/settings/actions/queue_manager/run/", follow=True).content.decode()
    assert ProcrastinateJob.objects.count() == 1
    assert "It waits to be run already." in page
    assert window.post("/settings/actions/dragons/run/").status_code == 404


# -- keys for programs


def test_a_key_is_shown_once_and_only_its_hash_is_kept(signed_in: SignedIn, bob: Member, alice: Member) -> None:
    window = signed_in(bob)
    page = window.post("/settings/keys/", {"name": "Shop"}).content.decode()
    text = page.split('<pre class="pr-verbatim">')[1].split("<")[0]
    assert text.startswith("prk_")
    key = ApiKey.objects.get()
    assert (key.name, key.member) == ("Shop", bob)
    assert text not in str(vars(key))
    assert text not in window.get("/settings/keys/").content.decode()

    assert signed_in(alice).post("/settings/keys/remove/", {"id": key.pk}).status_code == 404
    assert window.post("/settings/keys/remove/", {"id": key.pk}).status_code == 303
    assert not ApiKey.objects.exists()


def test_the_values_of_an_alias_are_lines_and_saving_them_again_changes_nothing(
    window: Client, company: Company
) -> None:
    domain = AliasDomain.objects.create(name="postroom.test")
    form = {"name": "jobs", "domain": domain.pk, "kind": "ticket", "company": company.pk, "policy": "everyone"}
    lines = {"defaults": "stage = Solved\r\ntitle = From the web"}
    assert window.post("/settings/aliases/new/", {**form, **lines}).status_code == 303
    alias = Alias.objects.get()
    assert alias.defaults == {"stage": "Solved", "title": "From the web"}
    Alias.objects.update(status="valid")
    assert window.post(f"/settings/aliases/{alias.pk}/", {**form, **lines}).status_code == 303
    alias.refresh_from_db()
    assert alias.status == "valid"
    for wrong in ("stage", "stage = Nowhere"):
        answer = window.post(f"/settings/aliases/{alias.pk}/", {**form, "defaults": wrong})
        assert answer.status_code == 422, wrong
    assert window.post(f"/settings/aliases/{alias.pk}/", {**form, "policy": "followers"}).status_code == 422


def test_who_may_write_to_an_alias_is_said_in_words(window: Client) -> None:
    page = window.get("/settings/aliases/new/").content.decode()
    for policy, words in zip(
        AliasPolicy, ("Everyone", "Known contacts", "Followers of its", "Colleagues"), strict=True
    ):
        assert f'value="{policy.value}"' in page
        assert words in page
    assert ">known_contacts<" not in page


def test_an_alias_is_given_up_and_taken_back(window: Client, company: Company) -> None:
    domain = AliasDomain.objects.create(name="postroom.test")
    alias = Alias.objects.create(name="jobs", domain=domain, kind_id="ticket", company=company)
    form = {"name": "jobs", "domain": domain.pk, "kind": "ticket", "company": company.pk, "policy": "everyone"}
    for asked, is_retired in (({"is_given_up": "on"}, True), ({}, False)):
        assert window.post(f"/settings/aliases/{alias.pk}/", {**form, **asked}).status_code == 303
        alias.refresh_from_db()
        assert (alias.retired_at is not None) == is_retired
    assert window.post(f"/settings/aliases/{alias.pk}/", {**form, "name": "work"}).status_code == 303
    assert "retired" in window.get("/settings/aliases/").content.decode().lower()
    assert set(Alias.objects.values_list("name", flat=True)) == {"jobs", "work"}


def test_of_the_parameters_those_that_were_changed_can_be_seen_alone(window: Client) -> None:
    place = "/settings/parameters/?changed=1"
    assert "All of them have their defaults" in window.get(place, headers=HTMX).content.decode()
    window.post("/settings/parameters/mail.retry.days/", {"value": "9"})
    page = window.get(place, headers=HTMX).content.decode()
    assert page.count('class="pr-param changed"') == 1
    assert "mail.retry.days" in page
    assert "Reset to default" in page
    assert "No parameter fits" in window.get(f"{place}&q=catchall", headers=HTMX).content.decode()


def test_changes_are_told_as_before_and_after_and_narrowed_by_when(window: Client) -> None:
    window.post("/settings/parameters/mail.retry.days/", {"value": "9"})
    page = window.get("/settings/changes/?since=day", headers=HTMX).content.decode()
    assert "<ins>9</ins>" in page
    SettingChange.objects.update(changed_at=ports().clock.now() - timedelta(days=8))
    assert "No such change" in window.get("/settings/changes/?since=week", headers=HTMX).content.decode()
    assert "<ins>9</ins>" in window.get("/settings/changes/?since=month", headers=HTMX).content.decode()
    assert "<ins>9</ins>" in window.get("/settings/changes/?since=nonsense", headers=HTMX).content.decode()


def test_of_two_long_texts_only_what_differs_is_shown() -> None:
    start, end = "a" * 500, "z" * 500
    before, after = what_differs(f"{start}Monday{end}", f"{start}Tuesday{end}")
    assert (before, after) == (f"…{'a' * 40}Mon{'day' + 'z' * 37}…", f"…{'a' * 40}Tues{'day' + 'z' * 37}…")
    assert what_differs("", "x" * 1000) == ("", "x" * 300 + "…")
    assert what_differs(start, start + "b") == ("…" + "a" * 40, "…" + "a" * 40 + "b")


def test_beside_each_page_of_the_settings_stand_the_others_and_the_present_one_is_marked(window: Client) -> None:
    page = window.get("/settings/limits/").content.decode()
    assert page.count('aria-current="page"') == 2, "in the sidebar and among the settings"
    assert '<a href="/settings/limits/" aria-current="page">' in page
    assert '<a href="/security/" aria-current="true">' in window.get("/password/").content.decode()
