"""Pages under measurement: every list and record page, over loopback, from the web server as `postroom up` runs it.

Laws: one request after the other on one connection, so a time is what one reader waits; the first requests of a page warm what is cold
and do not count. Queries are counted in this process by Django's test client, which walks through the same middleware. A page that does
not answer 200 ends the bench: a fast error is no fast page.
"""

from __future__ import annotations

import http.client
import os
import statistics
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from string import Formatter

from postroom.cli.benching.counting import MEGABYTE, cost_of_database
from postroom.cli.benching.ground import LOOPBACK, START_PATIENCE, Staff, free_port, prepared_ground
from postroom.cli.benching.pages import BUDGET, GOAL_MEDIAN_MS, GOAL_P95_MS, MEDIAN_MS, P95_MS, PLACES, Place, Reader
from postroom.cli.benching.results import percentile_95
from postroom.cli.telling import give_up

WARM_UP = 3
ANSWER_PATIENCE = 60.0  # seconds for one page
LOOK_EVERY = 0.05

Progress = Callable[[int], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class PageCost:
    """What a page cost one reader. ``size`` in bytes; ``cpu_ms`` of a request, web process and embedded database together: on a busy
    machine the steadier measure."""

    name: str
    reader: Reader
    path: str
    median_ms: float
    p95_ms: float
    slowest_ms: float
    cpu_ms: float
    queries: int
    size: int

    @property
    def is_within(self) -> bool:
        """Whether it holds what must hold."""
        return self.median_ms < MEDIAN_MS and self.p95_ms < P95_MS and self.queries <= BUDGET

    @property
    def is_at_goal(self) -> bool:
        return self.is_within and self.median_ms < GOAL_MEDIAN_MS and self.p95_ms < GOAL_P95_MS


@dataclass(frozen=True, slots=True, kw_only=True)
class WebResult:
    """All pages, how many requests were made of each, and the memory of the largest web process in the end."""

    pages: tuple[PageCost, ...]
    skipped: tuple[str, ...]  # this house has nothing to show there
    requests: int
    messages: int
    records: int
    deliveries: int
    worker_mb: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Served:
    """A web server under measurement, and who is signed in there."""

    port: int
    staff: Staff
    sessions: Mapping[Reader, str]
    names: Mapping[Reader, Mapping[str, str]]

    def cpu_seconds(self) -> float:
        """Of the web process and the embedded database, so far."""
        return sum(one.cpu_seconds for one in self.staff.costs()) + _database_cpu()


def _database_cpu() -> float:
    """0 where the database is another one's."""
    from django.conf import settings

    if settings.POSTROOM.database_url:
        return 0.0
    return cost_of_database(Path(settings.POSTROOM.data_dir)).cpu_seconds


def bench_web(n: int, only: str, progress: Progress) -> WebResult:
    """``n`` requests of each page whose name or address holds ``only``. The database runs, and holds a house."""
    wanted = [
        (place, reader) for place in PLACES for reader in place.readers if only in place.name or only in place.path
    ]
    with served_house() as house:
        pages, skipped = [], []
        for done, (place, reader) in enumerate(wanted):
            if is_there(place, house.names[reader]):
                pages.append(_cost_of(house, place, reader, n))
            else:
                skipped.append(f"{place.name} ({reader})")
            house.staff.require_alive()
            progress(done + 1)
        worker = max((one.peak_rss for one in house.staff.costs()), default=0)
        return WebResult(
            pages=tuple(pages), skipped=tuple(skipped), requests=n, worker_mb=round(worker / MEGABYTE, 1), **_sizes()
        )


@contextmanager
def house_to_visit(data_dir: str, messages: int, progress: Progress) -> Iterator[None]:
    """The house of this data directory (or of POSTROOM_DATABASE_URL), or a temporary one with so many messages."""
    if data_dir or os.environ.get("POSTROOM_DATABASE_URL"):
        if data_dir:
            os.environ["POSTROOM_DATA_DIR"] = str(Path(data_dir).resolve())
        from postroom.cli.entering import configured, require_tables, running

        os.environ["POSTROOM_LOG_LEVEL"] = "WARNING"
        with running(configured(shows_pages=True)):  # pages are drawn here, too, to count their questions
            require_tables()
            yield
        return
    with prepared_ground({}):
        from postroom.flows.seed_house import seed_house
        from postroom.flows.seed_plan import SeedWish
        from postroom.wiring import ports

        wish = SeedWish(messages=messages, records=max(1, messages // 5), deliveries=3 * messages)
        seed_house(ports(), wish, password=ports().ids.hex(12), progress=progress)
        yield


@contextmanager
def served_house() -> Iterator[Served]:
    """Our own web process on a free port, with a session for each reader."""
    from postroom.cli.benching.landmarks import landmarks, readers

    people = readers()
    names = {reader: landmarks(member) for reader, member in people.items()}
    port = free_port()
    os.environ |= {"POSTROOM_WEB_HOST": LOOPBACK, "POSTROOM_WEB_PORT": str(port)}
    with ExitStack() as stack:
        folder = Path(stack.enter_context(_own_folder()))
        staff = Staff(log=folder / "web.log")
        stack.callback(staff.end)
        staff.start("web", 1)
        _wait_for(port, staff)
        sessions = {reader: _session_of(member.user) for reader, member in people.items()}
        yield Served(port=port, staff=staff, sessions=sessions, names=names)


@contextmanager
def _own_folder() -> Iterator[str]:
    from tempfile import TemporaryDirectory

    with TemporaryDirectory(prefix="postroom-bench-") as folder:
        yield folder


def _wait_for(port: int, staff: Staff) -> None:
    deadline = time.monotonic() + START_PATIENCE
    while True:
        staff.require_alive()
        connection = http.client.HTTPConnection(LOOPBACK, port, timeout=5)
        try:
            connection.request("GET", "/login/")
            connection.getresponse().read()
            return
        except OSError:
            if time.monotonic() > deadline:
                give_up(f"The web server did not answer within {START_PATIENCE:.0f} s.")
            time.sleep(LOOK_EVERY)
        finally:
            connection.close()


def _session_of(user: object) -> str:
    from django.conf import settings
    from django.test import Client

    client = Client()
    client.force_login(user)  # type: ignore[arg-type]
    return client.cookies[settings.SESSION_COOKIE_NAME].value


def headers_of(session: str, *, is_piece: bool = False) -> dict[str, str]:
    """What a signed-in browser sends."""
    from django.conf import settings

    found = {"Cookie": f"{settings.SESSION_COOKIE_NAME}={session}"}
    return found | {"HX-Request": "true"} if is_piece else found


def is_there(place: Place, names: Mapping[str, str]) -> bool:
    """Whether the house has what the address names."""
    return {name for _, name, _, _ in Formatter().parse(place.path) if name} <= set(names)


def _cost_of(house: Served, place: Place, reader: Reader, n: int) -> PageCost:
    path = place.path.format_map(house.names[reader])
    headers = headers_of(house.sessions[reader], is_piece=place.is_piece)
    times, size, cpu_before = [], 0, 0.0
    connection = http.client.HTTPConnection(LOOPBACK, house.port, timeout=ANSWER_PATIENCE)
    try:
        for number in range(n + WARM_UP):
            if number == WARM_UP:
                cpu_before = house.cpu_seconds()
            began = time.perf_counter()
            connection.request("GET", path, headers=headers)
            answer = connection.getresponse()
            size = len(answer.read())
            if answer.status != 200:
                give_up(f"{path} answered {answer.status} to the {reader}.")
            if number >= WARM_UP:
                times.append(1000 * (time.perf_counter() - began))
        cpu = house.cpu_seconds() - cpu_before
    finally:
        connection.close()
    times.sort()
    return PageCost(
        name=place.name,
        reader=reader,
        path=path,
        median_ms=round(statistics.median(times), 1),
        p95_ms=round(percentile_95(times), 1),
        slowest_ms=round(times[-1], 1),
        cpu_ms=round(1000 * cpu / n, 1),
        queries=len(queries_of(path, house.sessions[reader], is_piece=place.is_piece)),
        size=size,
    )


def queries_of(path: str, session: str, *, is_piece: bool = False) -> Sequence[str]:
    """The statements that a page asks, session and sign-in included. Ends the bench when it does not answer 200."""
    from django.conf import settings
    from django.db import connection
    from django.test import Client
    from django.test.utils import CaptureQueriesContext

    client = Client(SERVER_NAME="localhost", headers={"HX-Request": "true"} if is_piece else {})
    client.cookies[settings.SESSION_COOKIE_NAME] = session
    with CaptureQueriesContext(connection) as captured:
        answer = client.get(path)
    if answer.status_code != 200:
        give_up(f"{path} answered {answer.status_code}.")
    return [query["sql"] for query in captured.captured_queries]


def _sizes() -> dict[str, int]:
    from postroom.store.models import Delivery, Message, Record

    return {"messages": Message.objects.count(), "records": Record.objects.count(), "deliveries": Delivery.objects.count()}  # fmt: skip
