"""What receivers say, on the page, for programs and at the command line; and the whole way from the door to the chart."""

from __future__ import annotations

import json
import re

import pytest
from django.test import Client
from pytest_django import DjangoAssertNumQueries

from postroom.flows.settings import set_parameter
from postroom.store.models import AliasDomain, Member, ReceiversReport
from postroom.wiring import ports
from tests.web import seeding
from tests.web.conftest import SignedIn
from tests.web.reported import DOMAIN, FORGER, RELAY, some_reports

PLACE = "/settings/receivers/"


@pytest.fixture
def window(signed_in: SignedIn, ada: Member) -> Client:
    AliasDomain.objects.create(name=DOMAIN)
    return signed_in(ada)


def html(window: Client, place: str = PLACE) -> str:
    answer = window.get(place)
    assert answer.status_code == 200
    return " ".join(answer.content.decode().split())


def test_before_the_first_report_the_page_says_how_to_ask_for_them(window: Client) -> None:
    page = html(window)
    assert "No report has come yet" in page
    assert re.search(r"v=DMARC1; p=none; rua=mailto:dmarc@", page)
    assert "v=TLSRPTv1; rua=mailto:dmarc@" in page


def test_without_an_address_nobody_is_asked(window: Client) -> None:
    set_parameter(ports(), "mail.dmarc.address", "", member=None)
    page = html(window)
    assert "mail.dmarc.address is empty" in page
    assert "v=DMARC1" not in page


def test_an_address_of_another_domain_has_to_consent(window: Client) -> None:
    set_parameter(ports(), "mail.dmarc.address", "all@reports.example", member=None)
    page = html(window)
    assert "rua=mailto:all@reports.example" in page
    assert "._report._dmarc.reports.example" in page


def test_the_chart_says_nothing_that_the_table_does_not(window: Client) -> None:
    some_reports()
    page = html(window)
    bars = re.findall(r'data-says="([^"]*)"', page)
    assert len(bars) == 31
    assert sum("47 passed" in one for one in bars) == 1
    assert re.search(r"<td class=\"num\">47</td><td class=\"num\">8</td>", page)
    assert 'class="bar tone-bad"' in page


def test_sources_say_whose_they_are_and_what_is_to_be_done(window: Client) -> None:
    some_reports()
    page = html(window)
    assert "your server Own relay" in page
    assert FORGER in page
    assert "somebody uses your name" in page
    assert page.index(FORGER) < page.index(RELAY), "what fails stands first"
    assert "certificate-host-mismatch" in page


def test_what_is_not_proven_stands_apart_and_is_harmless(window: Client) -> None:
    some_reports()
    page = html(window)
    apart = page.index("Not counted")
    assert "&lt;b&gt;google.com&lt;/b&gt;" in page[apart:]
    assert "<b>google.com</b>" not in page
    assert "report.zip is broken" in page[apart:]


def test_one_domain_and_few_days_can_be_looked_at(window: Client) -> None:
    some_reports()
    page = html(window, f"{PLACE}?domain={DOMAIN}&days=7")
    assert len(re.findall("data-says=", page)) == 8
    assert "All domains" in page
    assert "Nothing that counts" in html(window, f"{PLACE}?domain=elsewhere.example&days=nonsense")


def test_one_report_is_shown_row_by_row(window: Client) -> None:
    number = some_reports()
    page = html(window, f"{PLACE}{number}/")
    assert "Receiver Inc." in page
    assert RELAY in page
    assert window.get(f"{PLACE}999999/").status_code == 404


def test_the_pages_cost_the_same_whatever_came(
    window: Client, django_assert_max_num_queries: DjangoAssertNumQueries
) -> None:
    some_reports(80)
    with django_assert_max_num_queries(16):
        html(window)
    with django_assert_max_num_queries(12):
        html(window, f"{PLACE}{ReceiversReport.objects.latest('id').pk}/")


def test_nobody_but_an_administrator_of_the_house_sees_them(signed_in: SignedIn, ada: Member, mallory: Member) -> None:
    number = some_reports()
    for member in (seeding.a_member("bob", "Bob Brandt", ada.company), mallory):
        for place in (PLACE, f"{PLACE}{number}/"):
            assert signed_in(member).get(place).status_code == 403


def test_programs_are_told_the_same(window: Client) -> None:
    number = some_reports()
    told = json.loads(window.get("/api/v1/receivers?days=30").content)
    assert [one["domain"] for one in told["domains"]] == [DOMAIN]
    assert {one["ip"]: one["server"] for one in told["sources"]}[RELAY] == "Own relay"
    assert all(one["counts"] or one["reason_code"] for one in told["reports"])
    report = json.loads(window.get(f"/api/v1/receivers/{number}").content)
    assert {row["ip"] for row in report["sources"]} >= {RELAY}
    assert window.get("/api/v1/receivers/999999").status_code == 404
    assert window.get("/api/v1/receivers?days=0").status_code == 422


def test_programs_of_others_are_told_nothing(signed_in: SignedIn, ada: Member, mallory: Member) -> None:
    for place in ("/api/v1/receivers", "/api/v1/receivers/1"):
        assert signed_in(mallory).get(place).status_code == 403
