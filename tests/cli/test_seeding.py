"""A made-up house: as large as was wished for, whole, and never among real people."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from django.core.exceptions import ValidationError
from django.db import connection, models
from django.db.models import Count, F, Q
from django.test import override_settings

from postroom.core.mime.parsing import parse
from postroom.core.terms.states import Role
from postroom.flows import seed_house as seeding
from postroom.flows.guard_installation import set_capturing
from postroom.flows.seed_house import NotSeeded, Seeded, seed_house
from postroom.flows.seed_plan import SeedWish, make_plan
from postroom.flows.seed_rows import COLUMNS
from postroom.store.models import (
    AddressHealth,
    Company,
    Contact,
    Delivery,
    InboundMessage,
    Installation,
    Member,
    Message,
    MessageIdentifier,
    Notification,
    Record,
    SettingChange,
)
from postroom.wiring import ports
from tests.cli.conftest import Command

pytestmark = pytest.mark.django_db

WISH = SeedWish(messages=400, records=80, deliveries=1_200, companies=3)
FINISHED = {"after__finished": True}


@pytest.fixture(autouse=True)
def _quick_passwords() -> Iterator[None]:
    with override_settings(PASSWORD_HASHERS=["django.contrib.auth.hashers.MD5PasswordHasher"]):
        yield


def seeded(wish: SeedWish = WISH, *, into_any: bool = False) -> Seeded:
    return seed_house(ports(), wish, password="a-long-enough-word", into_any=into_any, writers=0)


def test_a_house_is_as_large_as_was_wished_for() -> None:
    seeded()
    assert (Message.objects.count(), Record.objects.count(), Delivery.objects.count()) == (400, 80, 1_200)
    assert Company.objects.count() == 3


@pytest.mark.slow
def test_every_row_stands_up_to_the_rules_of_its_table() -> None:
    """Constraints are checked by the database; lengths, choices and what each names, here."""
    seeded()
    with connection.cursor() as cursor:
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
    models_seen: list[type[models.Model]] = [*COLUMNS, Contact, AddressHealth]
    for model in models_seen:
        rows = list(model._default_manager.all()[:300])
        assert rows, model.__name__
        relations = [field.name for field in model._meta.concrete_fields if field.is_relation]
        for row in rows:
            assert not _troubles(row, relations), model.__name__


def _troubles(row: models.Model, relations: list[str]) -> dict[str, list[str]]:
    """What a form would say of the row, but for empty texts: forms want them filled, tables do not."""
    try:
        row.clean_fields(exclude=relations)
    except ValidationError as error:
        return {name: said for name, said in error.message_dict.items() if getattr(row, name)}
    return {}


def test_what_names_each_other_belongs_together() -> None:
    seeded()
    assert not Message.objects.exclude(company_id=F("record__company_id")).exists()
    assert not Delivery.objects.exclude(company_id=F("mail__company_id")).exists()
    assert not Delivery.objects.exclude(notification__message=F("mail__message")).exists()
    assert not Message.objects.filter(parent__posted_at__gt=F("posted_at")).exists()
    assert not Message.objects.exclude(parent=None).exclude(parent__record=F("record")).exists()
    assert not Message.objects.alias(known=Count("identifiers")).filter(known=0).exists()
    last = Record.objects.annotate(last=models.Max("messages__posted_at"))
    assert not last.exclude(updated_at=F("last")).exists()
    assert not Notification.objects.exclude(contact__company_id=F("company_id")).exists()


def test_incoming_messages_have_their_mail_and_it_can_be_read() -> None:
    seeded()
    one = InboundMessage.objects.filter(messages__isnull=False).order_by("id")[0]
    mail = parse(bytes(one.raw_mail.raw))
    assert (mail.subject, mail.message_id) == (one.subject, one.message_id)
    assert MessageIdentifier.objects.filter(identifier=one.message_id).exists()


def test_there_is_trouble_to_look_at() -> None:
    seeded(SeedWish(messages=3_000, records=600, deliveries=9_000, companies=3))
    assert set(Delivery.objects.values_list("state", flat=True)) >= {
        "sent", "failed", "bounced", "cancelled", "complained", "queued", "deferred",
    }  # fmt: skip
    assert set(InboundMessage.objects.values_list("state", flat=True)) >= {"routed", "held", "refused", "discarded"}
    assert AddressHealth.objects.filter(bounce_count__gt=0).exists()
    assert Notification.objects.filter(channel="inbox", is_read=False).exists()


def test_some_have_far_more_than_others() -> None:
    wish = SeedWish(messages=20_000, records=4_000, deliveries=0)
    plan = make_plan(wish, ports().clock.now())
    sizes = sorted((plan.record_of.count(record) for record in set(plan.record_of[:3_000])), reverse=True)
    of_the_largest = [plan.contact_of[one] for one in range(wish.records) if plan.company_of[one] == 0]
    assert sizes[0] > 20 * sizes[len(sizes) // 2]
    assert of_the_largest.count(0) > len(of_the_largest) // 10


def test_the_same_numbers_make_the_same_house() -> None:
    now = ports().clock.now()
    assert make_plan(WISH, now) == make_plan(WISH, now)
    other = SeedWish(messages=400, records=80, deliveries=1_200, companies=3, seed=2)
    assert make_plan(WISH, now).record_of != make_plan(other, now).record_of


def test_messages_are_numbered_in_the_order_of_time() -> None:
    seeded()
    times = list(Message.objects.order_by("id").values_list("posted_at", flat=True))
    assert times == sorted(times)


def test_made_up_mail_never_leaves() -> None:
    seeded()
    assert Installation.objects.get().is_capturing
    set_capturing(ports(), False, member=None)
    with pytest.raises(NotSeeded, match="capture on"):
        seeded()


def test_a_house_with_real_people_is_left_alone_unless_that_is_meant() -> None:
    company = Company.objects.create(name="Real")
    now = ports().clock.now()
    Record.objects.create(company=company, kind_id="ticket", title="Real", created_at=now, updated_at=now)
    with pytest.raises(NotSeeded, match="real work"):
        seeded()
    assert not Message.objects.exists()
    seeded(into_any=True)
    assert Message.objects.count() == 400


def test_a_second_house_stands_beside_the_first() -> None:
    first, second = seeded(), seeded()
    assert (Message.objects.count(), Company.objects.count()) == (800, 6)
    assert first.administrator != second.administrator


def test_an_interrupted_seeding_goes_on_where_it_stopped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("postroom.flows.seed_plan.BATCH", 100)
    written: list[int] = []
    write = seeding.write_batch

    def interrupted(stage: seeding.Stage, batch: int) -> int:
        if batch == 2 and 2 not in written:
            written.append(2)
            raise KeyboardInterrupt
        written.append(batch)
        return write(stage, batch)

    monkeypatch.setattr(seeding, "write_batch", interrupted)
    with pytest.raises(KeyboardInterrupt):
        seeded()
    assert Message.objects.count() == 200
    with pytest.raises(NotSeeded, match="--messages 400 --records 80"):
        seeded(SeedWish(messages=500, records=80, deliveries=0))
    seeded()
    assert Message.objects.count() == 400
    assert written == [0, 1, 2, 2, 3]
    assert SettingChange.objects.filter(subject="seeding", **FINISHED).count() == 1


def test_two_can_sign_in_and_nobody_else() -> None:
    found = seeded()
    able = [one for one in Member.objects.select_related("user") if one.user.has_usable_password()]
    assert {one.user.username for one in able} == {found.administrator, found.agent}
    small = Company.objects.annotate(size=Count("members")).order_by("-pk")[0]
    assert Member.objects.filter(Q(role=Role.AGENT, company=small, user__username=found.agent)).exists()


@pytest.mark.slow
def test_the_command_says_what_it_made(postroom: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("postroom.workers.supervisor.bring_tables_up_to_date", lambda: None)
    in_this_thread = seed_house

    def without_threads(*words: object, **names: object) -> Seeded:
        return in_this_thread(*words, **names, writers=0)  # type: ignore[arg-type]

    monkeypatch.setattr(seeding, "seed_house", without_threads)
    answer = postroom("seed", "--messages", "200", "--companies", "2", "--json")
    assert answer.code == 0, answer.err
    assert answer.data["messages"] == 200
    assert Delivery.objects.count() == 600


@pytest.mark.slow
def test_a_command_that_must_not_says_what_to_do(postroom: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("postroom.workers.supervisor.bring_tables_up_to_date", lambda: None)
    company = Company.objects.create(name="Real")
    now = ports().clock.now()
    Record.objects.create(company=company, kind_id="ticket", title="Real", created_at=now, updated_at=now)
    answer = postroom("seed", "--messages", "200")
    assert answer.code == 1
    assert "--into-a-real-house" in answer.err
