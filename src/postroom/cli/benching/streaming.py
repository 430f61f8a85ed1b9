"""Many open pages that listen: what five hundred event streams cost the web process, and when each hears of a change.

Laws: as `benching.browsing`. All streams are read by one event loop of this process, so the last one's delay holds our own reading too.
"""

from __future__ import annotations

import asyncio
import statistics
import time
from dataclasses import dataclass
from pathlib import Path

from postroom.cli.benching.browsing import Served, headers_of, served_house
from postroom.cli.benching.counting import MEGABYTE
from postroom.cli.benching.ground import LOOPBACK
from postroom.cli.benching.pages import Reader
from postroom.cli.telling import give_up

PATIENCE = 60.0  # seconds until all streams are open, or have heard
PAGES = 30


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamResult:
    """``heard_*``: milliseconds from the notice to the event at half of the streams and at the last. Memory of the largest process."""

    streams: int
    opened_s: float
    heard_median_ms: float
    heard_last_ms: float
    page_before_ms: float
    page_meanwhile_ms: float
    memory_before_mb: float
    memory_meanwhile_mb: float
    connections: int


def bench_streams(count: int) -> StreamResult:
    """Open so many streams, change something, and fetch a page meanwhile."""
    with served_house() as house:
        return asyncio.run(_measured(house, count))


async def _measured(house: Served, count: int) -> StreamResult:
    page_before = await asyncio.to_thread(_page_ms, house)
    before = _memory(house)
    began = time.perf_counter()
    streams = await asyncio.wait_for(asyncio.gather(*(_open(house) for _ in range(count))), PATIENCE)
    opened = time.perf_counter() - began
    try:
        await asyncio.to_thread(_tell)  # the first notice: everybody is listening now
        await asyncio.wait_for(asyncio.gather(*(_event(reader) for reader, _ in streams)), PATIENCE)
        await _drain(streams)
        told = time.perf_counter()
        await asyncio.to_thread(_tell)
        heard = await asyncio.wait_for(asyncio.gather(*(_event(reader) for reader, _ in streams)), PATIENCE)
        delays = sorted(1000 * (at - told) for at in heard)
        page_meanwhile = await asyncio.to_thread(_page_ms, house)
        return StreamResult(
            streams=count,
            opened_s=round(opened, 2),
            heard_median_ms=round(statistics.median(delays), 1),
            heard_last_ms=round(delays[-1], 1),
            page_before_ms=round(page_before, 1),
            page_meanwhile_ms=round(page_meanwhile, 1),
            memory_before_mb=before,
            memory_meanwhile_mb=_memory(house),
            connections=await asyncio.to_thread(_connections),
        )
    finally:
        for _, writer in streams:
            writer.close()


async def _open(house: Served) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    reader, writer = await asyncio.open_connection(LOOPBACK, house.port)
    headers = {"Host": "localhost", **headers_of(house.sessions[Reader.ADMINISTRATOR])}
    lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    writer.write(f"GET /live/queue/ HTTP/1.1\r\n{lines}\r\n".encode("ascii"))
    status = await reader.readline()
    if b" 200 " not in status:
        give_up(f"A stream was answered {status.decode('ascii', 'replace').strip()}.")
    return reader, writer


async def _event(reader: asyncio.StreamReader) -> float:
    """When the next event came."""
    while not (line := await reader.readline()).startswith(b"event: changed"):
        if not line:
            give_up("A stream ended.")
    return time.perf_counter()


async def _drain(streams: list[tuple[asyncio.StreamReader, asyncio.StreamWriter]]) -> None:
    """What listening itself said may come behind the first notice: it is read before anything is timed."""
    for reader, _ in streams:
        while True:
            try:
                await asyncio.wait_for(reader.readline(), 0.002)
            except TimeoutError:
                break


def _tell() -> None:
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_notify('postroom_live', 'queue:' || id) FROM postroom_company ORDER BY id LIMIT 1")
    connection.close()


def _connections() -> int:
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()")  # fmt: skip
        found = int(cursor.fetchone()[0])
    connection.close()
    return found


def _page_ms(house: Served) -> float:
    import http.client

    times = []
    connection = http.client.HTTPConnection(LOOPBACK, house.port, timeout=PATIENCE)
    for number in range(PAGES + 3):
        began = time.perf_counter()
        connection.request("GET", "/records/", headers=headers_of(house.sessions[Reader.ADMINISTRATOR]))
        connection.getresponse().read()
        if number > 2:
            times.append(1000 * (time.perf_counter() - began))
    connection.close()
    return statistics.median(times)


def _memory(house: Served) -> float:
    """Of the largest of the web processes, now."""
    sizes = [0.0]
    for process in house.staff.processes:
        for number in (process.pid, *_below(process.pid)):
            try:
                pages = int(Path(f"/proc/{number}/statm").read_text(encoding="ascii").split()[1])
            except (OSError, ValueError):
                continue
            sizes.append(pages * 4096 / MEGABYTE)
    return round(max(sizes), 1)


def _below(process: int) -> list[int]:
    try:
        return [
            int(one) for one in Path(f"/proc/{process}/task/{process}/children").read_text(encoding="ascii").split()
        ]
    except OSError:
        return []
