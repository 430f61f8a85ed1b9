"""Live changes: one LISTEN a process, events without contents, streams that end."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import psycopg
import pytest
from asgiref.sync import sync_to_async
from django.db import connection
from django.test import AsyncClient

from postroom.core.terms.states import Role
from postroom.flows.tell_pages import tell_pages, topics_of
from postroom.store.models import Company, Member, Record
from postroom.web.live import hub as hub_module
from postroom.web.live import views
from postroom.web.live.views import TOPICS
from tests.web import seeding

pytestmark = pytest.mark.django_db(transaction=True)

PATIENCE = 60.0  # seconds


LISTED, CHANGED = "event: listed\ndata: .\n\n", "event: changed\ndata: .\n\n"


def run(work: Callable[[], Awaitable[None]]) -> None:
    asyncio.run(asyncio.wait_for(work(), 2 * PATIENCE))


@pytest.fixture
def record(company: Company, bob: Member) -> Record:
    return seeding.a_record(company, "Poster")


def say(payload: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_notify('postroom_live', %s)", [payload])


class Page:
    """A page that stands open: its stream is read by a task of its own, which the end cancels, as a server does."""

    def __init__(self, content: AsyncIterator[bytes]) -> None:
        self.events: asyncio.Queue[str] = asyncio.Queue()
        self.task = asyncio.create_task(self._read(content))

    async def _read(self, content: AsyncIterator[bytes]) -> None:
        async for piece in content:
            self.events.put_nowait(piece.decode())

    async def next(self, beginning: str = "event:") -> str:
        """The next piece that begins so; others are left out."""
        async with asyncio.timeout(PATIENCE):
            while not (piece := await self.events.get()).startswith(beginning):
                pass
        return piece

    async def close(self) -> None:
        self.task.cancel()
        await asyncio.wait([self.task])


async def opened(member: Member, place: str) -> Page:
    window = AsyncClient()
    await window.aforce_login(member.user)
    answer = await window.get(place)
    assert answer.status_code == 200
    assert answer["Content-Type"] == "text/event-stream"
    assert answer["Cache-Control"] == "no-store"
    return Page(answer.streaming_content)  # type: ignore[attr-defined]


def test_a_page_hears_of_its_record_and_of_no_other(record: Record, bob: Member) -> None:
    elsewhere = seeding.a_record(record.company, "Invoice")

    async def work() -> None:
        page, other = (
            await opened(bob, f"/live/record/{record.pk}/"),
            await opened(bob, f"/live/record/{elsewhere.pk}/"),
        )
        assert await page.next() == await other.next() == "event: changed\ndata: .\n\n"  # listening began
        await sync_to_async(say)(f"record:{record.pk}")
        await page.next()
        await sync_to_async(say)(f"record:{elsewhere.pk}")
        await other.next()
        assert page.events.empty()
        assert other.events.empty()
        await page.close()
        await other.close()

    run(work)


def test_a_list_and_the_record_beside_it_are_heard_of_by_one_stream(
    record: Record, bob: Member, mallory: Member
) -> None:
    listed, changed = LISTED, CHANGED

    async def work() -> None:
        both, alone = await opened(bob, f"/live/records/{record.pk}/"), await opened(bob, "/live/records/")
        assert {await both.next(), await both.next()} == {listed, changed}  # listening began
        assert await alone.next() == listed
        await sync_to_async(say)(f"record:{record.pk}")
        assert await both.next() == changed
        await sync_to_async(say)(f"records:{record.company_id}")
        assert await both.next() == await alone.next() == listed
        assert both.events.empty()
        await both.close()
        await alone.close()
        stranger = AsyncClient()
        await stranger.aforce_login(mallory.user)
        assert (await stranger.get(f"/live/records/{record.pk}/")).status_code == 404

    run(work)


def test_nobody_knows_by_the_moment_that_something_happened_in_another_company(
    record: Record, bob: Member, mallory: Member
) -> None:
    theirs = seeding.a_record(mallory.company, "Secret")

    async def work() -> None:
        mine, other = await opened(bob, "/live/records/"), await opened(mallory, f"/live/records/{theirs.pk}/")
        await mine.next()
        assert {await other.next(), await other.next()} == {LISTED, CHANGED}  # listening began
        await sync_to_async(tell_pages)(f"record:{theirs.pk}", listed=[theirs.pk])
        assert {await other.next(), await other.next()} == {LISTED, CHANGED}
        assert mine.events.empty()
        await sync_to_async(tell_pages)(f"record:{record.pk}", listed=[record.pk])
        assert await mine.next() == LISTED
        assert other.events.empty()
        await mine.close()
        await other.close()

    run(work)


@pytest.mark.parametrize("what", TOPICS)
def test_lists_are_heard_by_company_and_what_is_nobodys_by_the_whole_house(
    company: Company, mallory: Member, what: str
) -> None:
    ada = seeding.a_member("ada", "Ada Admin", company, Role.ADMINISTRATOR)
    assert topics_of(ada, what) == {f"{what}:{company.pk}"}
    ada.companies.add(mallory.company)
    ada = Member.objects.get(pk=ada.pk)
    assert topics_of(ada, what) == {f"{what}:{company.pk}", f"{what}:{mallory.company_id}", f"{what}:0"}


def test_an_author_hears_of_what_he_wrote_and_of_nobody_elses(bob: Member, mallory: Member) -> None:
    async def work() -> None:
        page, other = await opened(bob, "/live/author/"), await opened(mallory, "/live/author/")
        await page.next()
        await other.next()
        await sync_to_async(say)(f"author:{bob.contact_id}")
        await page.next()
        await sync_to_async(say)(f"author:{mallory.contact_id}")
        await other.next()
        assert page.events.empty()
        assert other.events.empty()
        await page.close()
        await other.close()

    run(work)


@pytest.mark.slow
def test_a_hundred_streams_share_one_connection_and_none_is_left_when_they_end(record: Record, bob: Member) -> None:
    def listeners() -> int:
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND query = 'LISTEN postroom_live'"
            )
            return int(cursor.fetchone()[0])

    async def work() -> None:
        pages = [await opened(bob, f"/live/record/{record.pk}/") for _ in range(100)]
        for page in pages:
            await page.next()  # listening has begun
        async with asyncio.timeout(PATIENCE):  # what another test left may be about to go
            while await sync_to_async(listeners)() != 1:  # noqa: ASYNC110 (PostgreSQL rings no bell when a backend is gone)
                await asyncio.sleep(0)
        await sync_to_async(say)(f"record:{record.pk}")
        for page in pages:
            await page.next()
        for page in pages:
            await page.close()
        async with asyncio.timeout(PATIENCE):
            while await sync_to_async(listeners)():  # noqa: ASYNC110 (PostgreSQL rings no bell when a backend is gone)
                await asyncio.sleep(0)

    run(work)


def test_a_lost_connection_is_renewed_and_the_page_looks_again(
    record: Record, bob: Member, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hub_module, "RENEW_AFTER", 0.01)

    def cut() -> None:
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE datname = current_database() AND query = 'LISTEN postroom_live'"
            )

    async def work() -> None:
        page = await opened(bob, f"/live/record/{record.pk}/")
        await page.next()
        await sync_to_async(cut)()
        await page.next()  # renewed: look again
        await sync_to_async(say)(f"record:{record.pk}")
        await page.next()
        await page.close()

    run(work)


def test_a_stream_speaks_now_and_then_and_ends_by_itself(
    record: Record, bob: Member, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(views, "HEARTBEAT", 0.01)

    async def work() -> None:
        page = await opened(bob, f"/live/record/{record.pk}/")
        await page.next("retry:")
        await page.next(": still here")
        await page.close()
        monkeypatch.setattr(views, "LIFETIME", 0.2)
        page = await opened(bob, f"/live/record/{record.pk}/")
        await asyncio.wait_for(page.task, PATIENCE)

    run(work)


def test_who_may_not_look_may_not_listen(record: Record, bob: Member, mallory: Member) -> None:
    async def status(member: Member | None, place: str) -> int:
        window = AsyncClient()
        if member is not None:
            await window.aforce_login(member.user)
        return int((await window.get(place)).status_code)

    async def work() -> None:
        assert await status(None, f"/live/record/{record.pk}/") == 401
        assert await status(mallory, f"/live/record/{record.pk}/") == 404
        assert await status(bob, "/live/record/999999/") == 404
        assert await status(bob, "/live/queue/") == 404  # an agent
        assert await status(bob, "/live/dragons/") == 404
        assert await status(bob, f"/live/author/{mallory.contact_id}/") == 404
        assert await status(None, "/live/author/") == 401
        assert await status(bob, f"/live/queue/{record.pk}/") == 404
        assert (await AsyncClient().post(f"/live/record/{record.pk}/")).status_code == 405

    run(work)


def test_the_database_may_be_away_when_the_first_stream_opens(bob: Member, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hub_module, "RENEW_AFTER", 0.01)
    real, refusals = psycopg.AsyncConnection.connect, iter([psycopg.OperationalError("down"), OSError("no socket")])

    async def connect(**parameters: Any) -> Any:
        for refusal in refusals:
            raise refusal
        return await real(**parameters)

    async def work() -> None:
        parameters = await sync_to_async(views._parameters)()
        monkeypatch.setattr(psycopg.AsyncConnection, "connect", connect)
        with hub_module.Hub(parameters).ear("queue") as changed:
            await asyncio.wait_for(changed.wait(), PATIENCE)

    run(work)
