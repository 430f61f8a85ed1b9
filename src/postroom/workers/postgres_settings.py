"""How the embedded PostgreSQL is tuned: by the machine it finds, for small rows that change often.

Laws: durability is not for sale (fsync, synchronous_commit and full_page_writes stay on). The server shares
the machine with our workers and with whatever else runs there, so it takes a sixteenth of the memory. Its
log never holds the contents of a row or of a statement. Figures are bytes.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Final

MEBIBYTE: Final = 1 << 20
GIBIBYTE: Final = 1 << 30
MAX_CONNECTIONS: Final = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Machine:
    """What there is to use: memory that this process may have, room for files and for shared segments."""

    memory: int
    free_disk: int
    free_shared_memory: int


def this_machine(directory: Path) -> Machine:
    """The machine, or the container, that we are on; the disk is the one of `directory`."""
    disk = os.statvfs(directory)
    shared = os.statvfs("/dev/shm") if Path("/dev/shm").is_dir() else None  # noqa: S108  (only measured)
    return Machine(
        memory=_memory(),
        free_disk=disk.f_bavail * disk.f_frsize,
        free_shared_memory=shared.f_bavail * shared.f_frsize if shared else GIBIBYTE,
    )


def _memory() -> int:
    physical = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    try:
        limit = Path("/sys/fs/cgroup/memory.max").read_text(encoding="ascii").strip()
    except OSError:
        return physical
    return min(physical, int(limit)) if limit.isdigit() else physical


def settings_for(machine: Machine) -> dict[str, str]:
    """PostgreSQL's parameters for a machine of this size."""
    return {
        "listen_addresses": "",
        "max_connections": str(MAX_CONNECTIONS),
        "cluster_name": "postroom",
        "timezone": "UTC",
        # memory
        "shared_buffers": _mebibytes(machine.memory // 16, least=64, most=1024),
        "effective_cache_size": _mebibytes(machine.memory // 2, least=128, most=64 * 1024),
        "maintenance_work_mem": _mebibytes(machine.memory // 64, least=32, most=256),
        "work_mem": _mebibytes(machine.memory // 1024, least=4, most=16),
        # The write-ahead log: rare checkpoints make bursts cheap, and a tenth of the free disk is enough.
        "max_wal_size": _mebibytes(min(machine.memory // 4, machine.free_disk // 10), least=128, most=4096),
        "min_wal_size": _mebibytes(min(machine.memory // 32, machine.free_disk // 40), least=80, most=512),
        "checkpoint_timeout": "15min",
        # durability
        "fsync": "on",
        "full_page_writes": "on",
        "synchronous_commit": "on",
        # Short statements on warm tables: compiling costs more than it saves, pages cost alike.
        "jit": "off",
        "random_page_cost": "1.1",
        # Parallel queries take shared segments, of which containers often have 64 MB only.
        "max_parallel_workers_per_gather": "2" if machine.free_shared_memory >= 256 * MEBIBYTE else "0",
        # Queue tables change all their rows in minutes.
        "autovacuum_naptime": "15s",
        # The log: what went wrong, without statements (which hold mail) and without the rows' contents.
        "log_min_messages": "warning",
        "log_min_error_statement": "panic",
        "log_error_verbosity": "terse",
        "log_checkpoints": "off",
        "log_timezone": "UTC",
    }


def _mebibytes(size: int, *, least: int, most: int) -> str:
    return f"{min(max(size // MEBIBYTE, least), most)}MB"
