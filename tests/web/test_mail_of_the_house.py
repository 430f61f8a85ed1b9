"""Mail that concerns the whole house stands in some company's queue, and is seen by administrators of the whole house alone."""

from __future__ import annotations

import pytest
from django.test import Client

from postroom.core.terms.addresses import Address
from postroom.core.terms.states import Role
from postroom.flows.access import visible_deliveries
from postroom.flows.enqueue_mail import DraftRecipient, MailDraft, enqueue_again, enqueue_mail
from postroom.flows.list_queue import QueueFilter, list_deliveries
from postroom.flows.queue import cancel
from postroom.flows.tell_story import StoryWish, tell_story
from postroom.store.models import Company, Delivery, Member
from postroom.wiring import ports
from tests.web import seeding
from tests.web.conftest import SignedIn

pytestmark = pytest.mark.django_db

THEIRS, OURS = "olga@house.example", "carla@customer.example"


@pytest.fixture
def company() -> Company:
    return seeding.a_company("Northwind")


@pytest.fixture
def ada(company: Company) -> Member:
    """Administrator of one of two companies."""
    seeding.a_company("Elsewhere")
    return seeding.a_member("ada", "Ada Admin", company, Role.ADMINISTRATOR)


@pytest.fixture
def olga(ada: Member) -> Member:
    """Administrator of both."""
    return of_both(seeding.a_member("olga", "Olga House", ada.company, Role.ADMINISTRATOR))


def of_both(member: Member) -> Member:
    member.companies.set(Company.objects.all())
    return Member.objects.get(pk=member.pk)


def queued(company: Company, address: str, **more: bool) -> Delivery:
    draft = MailDraft(
        company_id=company.pk,
        header_from=Address("Postroom", "notifications", "northwind.example"),
        recipients=[DraftRecipient(name="", address=address)],
        subject="An error",
        html="<p>An error</p>",
        header_message_id=f"<{address}>",
        **more,  # type: ignore[arg-type]
    )
    return Delivery.objects.get(mail_id=enqueue_mail(ports(), draft))


@pytest.fixture(params=["is_news_of_the_house", "is_of_the_house"])
def news(request: pytest.FixtureRequest, company: Company, ada: Member) -> Delivery:
    queued(company, OURS)
    return queued(company, THEIRS, **{request.param: True})


def _rows(window: Client, place: str) -> str:
    text = window.get(place).content.decode()
    return text.partition('id="pr-rows"')[2] if 'id="pr-rows"' in text else ""


def test_an_administrator_of_one_company_sees_nothing_of_it(
    signed_in: SignedIn, ada: Member, olga: Member, news: Delivery
) -> None:
    window = signed_in(ada)
    assert OURS in _rows(window, "/queue/")
    assert THEIRS not in _rows(window, "/queue/")
    assert THEIRS in _rows(signed_in(olga), "/queue/")
    assert window.get(f"/queue/{news.pk}/").status_code == 404
    assert signed_in(olga).get(f"/queue/{news.pk}/").status_code == 200


@pytest.mark.parametrize("state", ["", "outgoing", "queued", "sending", "sent", "failed", "cancelled"])
@pytest.mark.parametrize("recipient", ["", THEIRS, "olga"])
def test_no_list_has_it(ada: Member, olga: Member, news: Delivery, state: str, recipient: str) -> None:
    real = {"": "queued", "outgoing": "queued"}.get(state, state)
    Delivery.objects.filter(pk=news.pk).update(state=real)
    wanted = QueueFilter(state=state, recipient=recipient)

    def ids(member: Member | None) -> list[int]:
        return [one.id for one in list_deliveries(ports(), wanted, member=member)]

    assert news.pk not in ids(ada)
    if (state, recipient) != ("sending", THEIRS):  # the index of whole addresses knows nothing that is on the wire
        assert news.pk in ids(olga)
        assert news.pk in ids(None)


def test_nobody_else_finds_or_changes_it(ada: Member, olga: Member, news: Delivery) -> None:
    assert cancel(ports(), [news.pk], member=ada).done == ()
    assert list(visible_deliveries(ada).filter(pk=news.pk)) == []
    told = tell_story(ports(), StoryWish(asked=str(news.mail.header_message_id)), member=ada)
    assert (told.mails, told.events) == ((), ())
    assert tuple(cancel(ports(), [news.pk], member=olga).done) == (news.pk,)


def test_who_sees_all_companies_without_being_administrator_does_not_see_it(ada: Member, news: Delivery) -> None:
    manager = of_both(seeding.a_member("mia", "Mia Manager", ada.company, Role.MANAGER))
    assert list(visible_deliveries(manager).values_list("to_address", flat=True)) == [OURS]


def test_sent_again_it_is_still_the_houses(ada: Member, news: Delivery) -> None:
    (again,) = enqueue_again(ports(), [news], [THEIRS])
    assert Delivery.objects.get(pk=again.pk).is_of_the_house
    assert not visible_deliveries(ada).filter(pk=again.pk).exists()
