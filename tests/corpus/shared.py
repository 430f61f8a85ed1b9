"""Where the mail corpora lie that are too large, and too much others', to be part of the project. Tests of them bear the mark `shared`, and
`tests/conftest.py` leaves them out where there are none."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

PROJECT = Path(__file__).resolve().parents[2]
SHARED = Path(os.environ.get("POSTROOM_SHARED") or PROJECT.parent / "shared") / "corpora"


def labels(name: str) -> Iterator[dict[str, Any]]:
    """The rows of ``mail``, ``replies`` or ``reports``: each has ``file``, relative to the corpora."""
    with (SHARED / f"{name}.jsonl").open(encoding="utf-8") as rows:
        for row in rows:
            if row.strip():
                yield json.loads(row)


def content(label: dict[str, Any]) -> bytes:
    return (SHARED / str(label["file"])).read_bytes()
