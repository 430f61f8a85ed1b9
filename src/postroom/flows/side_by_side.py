"""Several tasks that wait for the world, at the same time, within a time that nobody exceeds.

Laws: who waits here holds no connection to the database. Each has a thread that nobody waits for any longer than that; what it still finds
is thrown away. A task that breaks is a fault of ours: it is logged with its traceback and told as `Broken`, and the others go on. A lost database is raised.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from queue import Empty, SimpleQueue

from postroom.flows.unbroken import LOST, log_broken
from postroom.store.lent import before_waiting


@dataclass(frozen=True, slots=True, kw_only=True)
class Broken:
    """What a task came to that broke."""

    error: Exception


def side_by_side(
    tasks: Mapping[str, Callable[[], object]],
    seconds: float,
    *,
    is_enough: Callable[[Mapping[str, object]], bool] | None = None,
    name: str = "doctor",
) -> dict[str, object]:
    """What came back in time, by the tasks' keys. ``is_enough`` ends the waiting sooner; ``name`` is that of the threads. Raises `ManyWait`."""
    before_waiting()
    results: SimpleQueue[tuple[str, object]] = SimpleQueue()

    def do(key: str, task: Callable[[], object]) -> None:
        try:
            results.put((key, task()))
        except Exception as error:
            if not isinstance(error, LOST):
                log_broken(f"{name} {key}", error)
            results.put((key, Broken(error=error)))

    for key, task in tasks.items():
        threading.Thread(target=do, args=(key, task), name=f"{name} {key}", daemon=True).start()
    end = time.monotonic() + seconds
    done: dict[str, object] = {}
    while len(done) < len(tasks):
        try:
            key, result = results.get(timeout=max(0.0, end - time.monotonic()))
        except Empty:
            break
        if isinstance(result, Broken) and isinstance(result.error, LOST):
            raise result.error
        done[key] = result
        if is_enough is not None and is_enough(done):
            break
    return done
