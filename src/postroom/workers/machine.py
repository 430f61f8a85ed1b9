"""What only whoever stands on the machine can see: whether Postroom runs here, and which of its doors answer.

Laws: looks, and changes nothing; half a second for a door at most. Whoever looks must do so before a database is started for the look.
"""

from __future__ import annotations

import errno
import os
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from postroom.core.diagnosis.machine_health import MachineFacts
from postroom.core.terms.configuration import Configuration
from postroom.workers.supervisor import answers, is_up, places_of

_IS_FULL = frozenset({errno.ENOSPC, errno.EDQUOT})
DISK_ERRORS = _IS_FULL | {errno.EROFS, errno.EACCES, errno.EIO}


def look_at_machine(configuration: Configuration) -> MachineFacts:
    """The doctor's first facts; the tables tell the rest."""
    runs = is_up(Path(configuration.data_dir))
    closed = (
        {place.label: f"{place.host}:{place.port}" for place in places_of(configuration) if not answers(place)}
        if runs
        else {}
    )
    return MachineFacts(runs_here=runs, closed_doors=closed)


def with_disk(machine: MachineFacts, error: OSError, configuration: Configuration) -> MachineFacts:
    """And why the house cannot be opened: its disk is full, or cannot be written to. ``error``: one of `DISK_ERRORS`."""
    place = str(error.filename or configuration.data_dir)
    if error.errno in _IS_FULL:
        free = 0
        with suppress(OSError):
            found = os.statvfs(configuration.data_dir)
            free = found.f_bavail * found.f_frsize
        if free < machine.least_room:
            return replace(machine, place=configuration.data_dir, free=free, is_stopped_by_disk=True)
    return replace(machine, place=place, disk_trouble=error.strerror or type(error).__name__)
