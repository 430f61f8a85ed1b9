"""Which server a mail leaves through: the table, row by row."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from postroom.core.delivery.servers import (
    CONFIGURED,
    LETTERBOX,
    LOOK_AGAIN,
    Choice,
    MailFact,
    Order,
    ServerFact,
    Wait,
    choose,
    read_filter,
)

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
SOON = NOW + timedelta(minutes=2)
DOCUMENTED, ODOO18 = Order.DOCUMENTED, Order.ODOO18

MAIL = MailFact(header_from="alice@northwind.example", default_from="notifications@northwind.example", company_id=1)


def server(number: int, names: str = "", **more: Any) -> ServerFact:
    return ServerFact(id=number, name=f"server {number}", filter=read_filter(names), **more)


BY_ADDRESS = server(1, "alice@northwind.example", priority=90)
BY_DOMAIN = server(2, "northwind.example", priority=80)
OPEN = server(3, priority=70)
BY_DEFAULT = server(4, "notifications@northwind.example", priority=60)
FOREIGN = server(5, "elsewhere.example", priority=50)
GUEST = replace(MAIL, header_from="bob@guest.example")
GUEST_ELSEWHERE = replace(GUEST, default_from="notifications@elsewhere.example")


@pytest.mark.parametrize(
    ("mail", "servers", "order", "number", "code"),
    [
        (MAIL, [FOREIGN, BY_DEFAULT, OPEN, BY_DOMAIN, BY_ADDRESS], DOCUMENTED, 1, "server.exact_from"),
        (MAIL, [FOREIGN, BY_DEFAULT, OPEN, BY_DOMAIN], DOCUMENTED, 2, "server.domain_of_from"),
        (MAIL, [FOREIGN, BY_DEFAULT, OPEN], DOCUMENTED, 3, "server.without_filter"),
        (MAIL, [FOREIGN, BY_DEFAULT], DOCUMENTED, 4, "server.exact_default"),
        (GUEST_ELSEWHERE, [FOREIGN, BY_DEFAULT], DOCUMENTED, 5, "server.domain_of_default"),
        (MAIL, [FOREIGN], DOCUMENTED, 5, "server.first"),
        (MAIL, [FOREIGN, BY_DEFAULT, OPEN, BY_DOMAIN, BY_ADDRESS], ODOO18, 1, "server.exact_from"),
        (MAIL, [FOREIGN, BY_DEFAULT, OPEN, BY_DOMAIN], ODOO18, 2, "server.domain_of_from"),
        (MAIL, [FOREIGN, BY_DEFAULT, OPEN], ODOO18, 4, "server.exact_default"),
        (GUEST_ELSEWHERE, [FOREIGN, OPEN], ODOO18, 5, "server.domain_of_default"),
        (MAIL, [FOREIGN, OPEN], ODOO18, 3, "server.without_filter"),
        (MAIL, [FOREIGN], ODOO18, 5, "server.first"),
        (replace(MAIL, header_from=""), [FOREIGN, BY_ADDRESS, BY_DOMAIN], DOCUMENTED, 2, "server.domain_of_default"),
        (
            replace(MAIL, header_from="x@sub.northwind.example"),
            [BY_DOMAIN, OPEN],
            DOCUMENTED,
            3,
            "server.without_filter",
        ),
    ],
)
def test_the_first_rule_that_fits_decides(
    mail: MailFact, servers: list[ServerFact], order: Order, number: int, code: str
) -> None:
    choice = choose(mail, servers, order, NOW)
    assert isinstance(choice, Choice)
    assert (choice.server.id, choice.reasons[-1].code) == (number, code)
    assert "?" not in str(choice.reasons[-1])


def test_ties_go_by_priority_and_then_by_age() -> None:
    servers = [server(7, priority=20), server(8, priority=10), server(6, priority=10)]
    choice = choose(MAIL, servers, DOCUMENTED, NOW)
    assert isinstance(choice, Choice)
    assert choice.server.id == 6


@pytest.mark.parametrize(
    "blocked",
    [replace(BY_ADDRESS, is_paused=True), replace(BY_ADDRESS, broken_until=SOON, trouble="connection refused")],
)
def test_a_server_that_rests_is_passed_over_where_another_may_send(blocked: ServerFact) -> None:
    choice = choose(MAIL, [blocked, OPEN], DOCUMENTED, NOW)
    assert isinstance(choice, Choice)
    assert choice.server == OPEN
    assert choice.reasons[0].code.startswith("server.skipped_")


def test_nobody_stands_in_whose_filter_does_not_admit_the_from() -> None:
    wait = choose(MAIL, [replace(BY_DOMAIN, broken_until=SOON, trouble="refused"), FOREIGN], DOCUMENTED, NOW)
    assert isinstance(wait, Wait)
    assert (wait.until, wait.server_id, wait.reason.code) == (SOON, 2, "wait.broken")


def test_a_mail_waits_for_a_paused_server() -> None:
    wait = choose(MAIL, [replace(OPEN, is_paused=True)], DOCUMENTED, NOW)
    assert isinstance(wait, Wait)
    assert (wait.until, wait.server_id) == (NOW + LOOK_AGAIN, 3)
    assert str(wait.reason) == "The server server 3 is paused."


def test_a_circuit_that_has_been_open_long_enough_is_tried_again() -> None:
    choice = choose(MAIL, [replace(OPEN, broken_until=NOW)], DOCUMENTED, NOW)
    assert isinstance(choice, Choice)


def test_archived_servers_and_those_of_other_companies_do_not_serve() -> None:
    servers = [replace(BY_ADDRESS, is_active=False), replace(BY_DOMAIN, company_id=2), OPEN]
    choice = choose(MAIL, servers, DOCUMENTED, NOW)
    assert isinstance(choice, Choice)
    assert choice.server == OPEN


@pytest.mark.parametrize(("is_campaign", "number"), [(False, 1), (True, 2)])
def test_campaigns_leave_through_servers_for_campaigns(is_campaign: bool, number: int) -> None:
    servers = [server(1, purpose="transactional"), server(2, purpose="campaigns")]
    choice = choose(replace(MAIL, is_campaign=is_campaign), servers, DOCUMENTED, NOW)
    assert isinstance(choice, Choice)
    assert choice.server.id == number


def test_a_server_that_the_mail_names_is_taken_as_it_is() -> None:
    choice = choose(replace(MAIL, forced_server_id=5), [BY_ADDRESS, FOREIGN], DOCUMENTED, NOW)
    assert isinstance(choice, Choice)
    assert choice.server == FOREIGN
    assert choice.is_forced


@pytest.mark.parametrize(
    ("servers", "code"),
    [
        ([replace(FOREIGN, is_active=False), OPEN], "wait.archived"),
        ([replace(FOREIGN, is_paused=True), OPEN], "wait.paused"),
        ([replace(FOREIGN, broken_until=SOON), OPEN], "wait.broken"),
        ([OPEN], "wait.no_server"),
    ],
)
def test_nobody_stands_in_for_a_server_that_the_mail_names(servers: list[ServerFact], code: str) -> None:
    wait = choose(replace(MAIL, forced_server_id=5), servers, DOCUMENTED, NOW)
    assert isinstance(wait, Wait)
    assert wait.reason.code == code


def test_the_configured_server_serves_when_none_of_the_database_applies() -> None:
    configured = ServerFact(id=CONFIGURED, name="localhost:25")
    other = replace(OPEN, company_id=2)
    choice = choose(MAIL, [other], DOCUMENTED, NOW, configured=configured)
    assert isinstance(choice, Choice)
    assert choice.server == configured
    assert isinstance(choose(MAIL, [OPEN], DOCUMENTED, NOW, configured=configured), Choice)
    broken = replace(configured, broken_until=SOON)
    assert isinstance(choose(MAIL, [other], DOCUMENTED, NOW, configured=broken), Wait)


def test_without_any_server_a_mail_waits() -> None:
    wait = choose(MAIL, [], DOCUMENTED, NOW)
    assert isinstance(wait, Wait)
    assert wait.reason.code == "wait.no_server"


def test_captured_mail_goes_to_the_letterbox_whatever_it_asks_for() -> None:
    forced = replace(MAIL, forced_server_id=3)
    virtual = choose(forced, [OPEN], DOCUMENTED, NOW, capturing=True)
    assert isinstance(virtual, Choice)
    assert (virtual.server.id, virtual.server.is_letterbox) == (LETTERBOX, True)
    box = server(9, is_letterbox=True)
    real = choose(forced, [OPEN, box], DOCUMENTED, NOW, capturing=True)
    assert isinstance(real, Choice)
    assert real.server == box


def test_a_filter_may_mix_addresses_and_domains_in_any_case() -> None:
    found = read_filter(" Alice@Northwind.example, EXÄMPLE.org ; @reader.example, not a domain, , x@@y")
    assert found.names_address("alice@northwind.example")
    assert found.names_domain("bob@xn--exmple-cua.org")
    assert found.names_domain("bob@reader.example")
    assert not found.names("bob@northwind.example")
    assert read_filter("").admits("anybody@anywhere.example")
    assert not read_filter("").names("anybody@anywhere.example")


def test_what_opens_more_than_one_company_leaves_by_servers_of_the_house_alone() -> None:
    key = replace(MAIL, is_of_the_house=True)
    companys = replace(BY_ADDRESS, company_id=1, priority=1)
    choice = choose(key, [companys, OPEN], DOCUMENTED, NOW)
    assert isinstance(choice, Choice)
    assert (choice.server, choice.reasons[0].code) == (OPEN, "server.of_the_house")
    configured = ServerFact(id=CONFIGURED, name="localhost:25")
    choice = choose(key, [companys], DOCUMENTED, NOW, configured=configured)
    assert isinstance(choice, Choice)
    assert choice.server == configured
    box = server(9, is_letterbox=True, company_id=1)
    captured = choose(key, [box], DOCUMENTED, NOW, capturing=True)
    assert isinstance(captured, Choice)
    assert captured.server.id == LETTERBOX
    for forced in (key, replace(key, forced_server_id=companys.id)):
        wait = choose(forced, [companys], DOCUMENTED, NOW)
        assert isinstance(wait, Wait)
        assert wait.reason.code == "wait.no_house_server"
