"""What processes cost: CPU seconds and peak memory, as the kernel of Linux counts them; zeros where there is no /proc."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

MEGABYTE = 1e6


@dataclass(frozen=True, slots=True, kw_only=True)
class ProcessCost:
    """CPU seconds (its own and those of children that ended) and the most memory it ever held, in bytes."""

    cpu_seconds: float = 0.0
    peak_rss: int = 0


def cost_of(process: int) -> ProcessCost:
    """Of one process; nothing when it is gone."""
    try:
        after_name = Path(f"/proc/{process}/stat").read_text(encoding="ascii", errors="replace").rpartition(")")[2]
        status = Path(f"/proc/{process}/status").read_text(encoding="ascii", errors="replace")
    except OSError:
        return ProcessCost()
    ticks = sum(int(value) for value in after_name.split()[11:15])  # utime, stime, cutime, cstime: proc(5)
    peak = next((int(line.split()[1]) for line in status.splitlines() if line.startswith("VmHWM:")), 0)
    return ProcessCost(cpu_seconds=ticks / os.sysconf("SC_CLK_TCK"), peak_rss=peak * 1024)


def costs_of_group(leader: int) -> ProcessCost:
    """Of a process and its children together; the peak is that of the largest."""
    costs = [cost_of(number) for number in (leader, *_children_of(leader))]
    return ProcessCost(cpu_seconds=sum(one.cpu_seconds for one in costs), peak_rss=max(one.peak_rss for one in costs))


def cost_of_database(data_dir: Path) -> ProcessCost:
    """Of all processes of the embedded PostgreSQL of this directory."""
    number = (data_dir / "postgres" / "server.lock").read_text(encoding="ascii").strip()
    return costs_of_group(int(number)) if number.isdigit() else ProcessCost()


def _children_of(parent: int) -> list[int]:
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            after_name = (folder / "stat").read_text(encoding="ascii", errors="replace").rpartition(")")[2]
        except OSError:
            continue
        if int(after_name.split()[1]) == parent:
            found.append(int(folder.name))
    return found
