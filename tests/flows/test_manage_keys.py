"""DKIM keys from their making to their end, and who may do what with them."""

from __future__ import annotations

import pytest

from postroom.core.terms.states import Role
from postroom.flows.access import NotAllowed
from postroom.flows.manage_keys import (
    KeyTrouble,
    activate_key,
    create_keys,
    forget_retired_keys,
    list_keys,
    retire_key,
    rotate_keys,
)
from postroom.flows.ports import Ports
from postroom.flows.run_scheduled_action import ensure_actions, run_action
from postroom.flows.settings import set_parameter
from postroom.store.models import AliasDomain, Company, DkimKey, Member, SettingChange
from tests.flows.outgoing_mails import HandClock, ports_with
from tests.web import seeding

pytestmark = pytest.mark.django_db

DOMAIN = "northwind.example"


@pytest.fixture
def clock() -> HandClock:
    return HandClock()


@pytest.fixture
def ports(clock: HandClock) -> Ports:
    return ports_with(clock=clock)


def states(ports: Ports, domain: str = DOMAIN) -> dict[str, str]:
    return {key.selector: key.state for key in list_keys(ports, member=None, domain=domain)}


def test_keys_are_prepared_with_selectors_of_the_month(ports: Ports) -> None:
    keys = create_keys(ports, "Northwind.Example.", "both", member=None)
    assert [(key.selector, key.algorithm, key.state) for key in keys] == [
        ("pr202603a", "rsa", "prepared"),
        ("pr202603b", "ed25519", "prepared"),
    ]
    assert {key.domain for key in keys} == {DOMAIN}
    rsa, ed25519 = (key.record for key in keys)
    assert rsa.value.startswith("v=DKIM1; k=rsa; p=MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8A")
    assert len(rsa.strings) == 2
    assert (len(ed25519.strings), len(ed25519.value.partition("p=")[2])) == (1, 44)


@pytest.mark.parametrize(
    ("domain", "algorithm"),
    [
        ("localhost", "rsa"),
        ("", "rsa"),
        ("a b.example", "rsa"),
        ("192.0.2.1", "rsa"),
        ("[192.0.2.1]", "rsa"),
        ("[a b.example]", "rsa"),
        (f"[{'a.' * 150}]", "rsa"),
        (f"{'a' * 300}.example", "rsa"),
        (f"{'a.' * 113}example", "rsa"),  # the domain would do, the name of its record would not
        (DOMAIN, "dsa"),
    ],
)
def test_what_is_no_domain_or_no_algorithm_is_refused(ports: Ports, domain: str, algorithm: str) -> None:
    with pytest.raises(KeyTrouble):
        create_keys(ports, domain, algorithm, member=None)
    assert not DkimKey.objects.exists()


def test_a_rotation_from_the_first_key_to_the_end_of_the_grace(ports: Ports, clock: HandClock) -> None:
    (first,) = create_keys(ports, DOMAIN, member=None)
    assert activate_key(ports, first.id, member=None).activated_at == clock.now()
    clock.pass_by(days=40)
    (second,) = rotate_keys(ports, DOMAIN, member=None)
    assert rotate_keys(ports, DOMAIN, member=None) == (second,)  # asked twice, made once
    assert states(ports) == {"pr202604a": "prepared", "pr202603a": "active"}
    activate_key(ports, second.id, member=None)
    assert states(ports) == {"pr202604a": "active", "pr202603a": "retired"}
    old = list_keys(ports, member=None)[1]
    assert old.keep_until is not None
    assert (old.keep_until - clock.now()).days == 7
    assert old.is_wanted_in_dns
    clock.pass_by(days=6)
    assert forget_retired_keys(ports) == 0
    clock.pass_by(days=2)
    assert forget_retired_keys(ports) == 1
    old = list_keys(ports, member=None)[1]
    assert (old.state, old.has_private_half, old.is_wanted_in_dns) == ("retired", False, False)
    assert old.record == first.record
    with pytest.raises(KeyTrouble, match="deleted"):
        activate_key(ports, old.id, member=None)


def test_within_the_grace_there_is_a_way_back(ports: Ports, clock: HandClock) -> None:
    (first,) = create_keys(ports, DOMAIN, member=None)
    activate_key(ports, first.id, member=None)
    (second,) = rotate_keys(ports, DOMAIN, member=None)
    activate_key(ports, second.id, member=None)
    back = activate_key(ports, first.id, member=None)
    assert (back.state, back.retired_at) == ("active", None)
    assert states(ports) == {"pr202603b": "retired", "pr202603a": "active"}


def test_the_grace_is_a_parameter_and_the_vacuum_ends_it(ports: Ports, clock: HandClock) -> None:
    set_parameter(ports, "mail.dkim.grace_days", "1", member=None)
    (key,) = create_keys(ports, DOMAIN, member=None)
    activate_key(ports, key.id, member=None)
    retire_key(ports, key.id, member=None)
    clock.pass_by(days=2)
    ensure_actions(ports)
    done = run_action(ports, "auto_vacuum")
    assert done is not None
    assert "1 private DKIM keys" in done.result
    assert bytes(DkimKey.objects.get().private_key) == b""


def test_each_algorithm_rotates_by_itself(ports: Ports) -> None:
    rsa, ed25519 = create_keys(ports, DOMAIN, "both", member=None)
    for key in (rsa, ed25519):
        activate_key(ports, key.id, member=None)
    assert set(states(ports).values()) == {"active"}
    (another,) = create_keys(ports, DOMAIN, "ed25519", member=None)
    activate_key(ports, another.id, member=None)
    assert states(ports) == {"pr202603c": "active", "pr202603b": "retired", "pr202603a": "active"}
    assert len(rotate_keys(ports, DOMAIN, member=None)) == 2


def test_a_key_that_never_signed_leaves_nothing_private_behind(ports: Ports) -> None:
    (key,) = create_keys(ports, DOMAIN, member=None)
    retired = retire_key(ports, key.id, member=None)
    assert (retired.state, retired.has_private_half, retired.keep_until) == ("retired", False, None)


def test_a_domain_without_an_active_key_cannot_rotate(ports: Ports) -> None:
    create_keys(ports, DOMAIN, member=None)
    with pytest.raises(KeyTrouble, match="No key signs"):
        rotate_keys(ports, DOMAIN, member=None)


def test_every_change_is_recorded_without_anything_private(ports: Ports) -> None:
    (key,) = create_keys(ports, DOMAIN, member=None)
    activate_key(ports, key.id, member=None)
    activate_key(ports, key.id, member=None)  # it does already: nothing changes
    retire_key(ports, key.id, member=None)
    rows = [(row.subject, row.before, row.after) for row in SettingChange.objects.order_by("id")]
    subject = f"DKIM key pr202603a._domainkey.{DOMAIN}"
    assert rows == [
        (subject, None, {"state": "prepared"}),
        (subject, {"state": "prepared"}, {"state": "active"}),
        (subject, {"state": "active"}, {"state": "retired"}),
    ]


# -- who may


@pytest.fixture
def northwind(db: None) -> Company:
    domain = AliasDomain.objects.create(name=DOMAIN)
    company = seeding.a_company()
    company.alias_domain = domain
    company.save()
    return company


@pytest.fixture
def ada(northwind: Company) -> Member:
    return seeding.a_member("ada", "Ada Admin", northwind, Role.ADMINISTRATOR)


@pytest.fixture
def mallory(northwind: Company) -> Member:
    return seeding.a_member("mallory", "Mallory Else", seeding.a_company("Elsewhere"), Role.ADMINISTRATOR)


def test_an_administrator_makes_keys_for_the_own_companys_domain(
    ports: Ports, northwind: Company, ada: Member, mallory: Member
) -> None:
    (key,) = create_keys(ports, f"news.{DOMAIN}", company_id=northwind.pk, member=ada)
    activate_key(ports, key.id, member=ada)
    assert [one.id for one in list_keys(ports, member=ada)] == [key.id]
    assert len(rotate_keys(ports, f"news.{DOMAIN}", member=ada)) == 1


def test_others_keys_are_neither_seen_nor_changed(
    ports: Ports, northwind: Company, ada: Member, mallory: Member
) -> None:
    (hers,) = create_keys(ports, DOMAIN, company_id=northwind.pk, member=ada)
    (everybodys,) = create_keys(ports, DOMAIN, member=None)
    assert list_keys(ports, member=mallory) == ()
    for key in (hers, everybodys):
        for change in (activate_key, retire_key):
            with pytest.raises(KeyTrouble, match="no such"):
                change(ports, key.id, member=mallory)
    with pytest.raises(KeyTrouble):
        rotate_keys(ports, DOMAIN, member=mallory)
    assert set(states(ports).values()) == {"prepared"}


def test_nobody_makes_a_key_for_a_domain_of_others_or_for_all(
    ports: Ports, northwind: Company, ada: Member, mallory: Member
) -> None:
    for company_id, domain in (
        (mallory.company_id, DOMAIN),
        (mallory.company_id, f"news.{DOMAIN}"),
        (northwind.pk, DOMAIN),
        (None, DOMAIN),
        (mallory.company_id, "unknown.example"),
    ):
        with pytest.raises(NotAllowed):
            create_keys(ports, domain, company_id=company_id, member=mallory)
    assert not DkimKey.objects.exists()


def test_who_is_no_administrator_may_nothing(ports: Ports, northwind: Company) -> None:
    bob = seeding.a_member("bob", "Bob Brandt", northwind, Role.MANAGER)
    (key,) = create_keys(ports, DOMAIN, company_id=northwind.pk, member=None)
    for attempt in (
        lambda: list_keys(ports, member=bob),
        lambda: create_keys(ports, DOMAIN, company_id=northwind.pk, member=bob),
        lambda: activate_key(ports, key.id, member=bob),
        lambda: retire_key(ports, key.id, member=bob),
        lambda: rotate_keys(ports, DOMAIN, member=bob),
    ):
        with pytest.raises(NotAllowed):
            attempt()
