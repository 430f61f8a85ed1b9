"""Has an Outlook file read by a process of its own, which may take so long and no longer.

Laws: never raises for what the file holds. The child gets nothing of the environment but what Python needs; it bounds its own memory; when
its seconds are over it is ended. What it answers is bounded, and read as a stranger's.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

from postroom.core.mailtest.outlook import OutlookMail, OutlookTrouble
from postroom.core.terms.reasons import because

LARGEST_FILE = 60 * 1024 * 1024  # bytes
SECONDS = 30.0
_SOURCES = str(Path(__file__).resolve().parents[3])


def read_outlook(raw: bytes, *, seconds: float = SECONDS) -> OutlookMail | OutlookTrouble:
    """The mail in it. Blocks for ``seconds`` at most."""
    if len(raw) > LARGEST_FILE:
        return _trouble("too_large", size=len(raw), most=LARGEST_FILE)
    environment = {"PATH": os.defpath, "PYTHONPATH": os.pathsep.join([_SOURCES, *filter(None, sys.path)])}
    command = [sys.executable, "-W", "ignore", "-m", "postroom.adapters.outlook.rebuilding"]
    try:
        done = subprocess.run(command, input=raw, capture_output=True, timeout=seconds, check=False, env=environment)
    except subprocess.TimeoutExpired:
        return _trouble("too_long", seconds=f"{seconds:g}")
    except OSError as error:
        return _trouble("not_started", error=type(error).__name__)
    head, _, mail = done.stdout.partition(b"\n")
    try:
        told = json.loads(head)
    except ValueError:
        return _trouble("too_much")
    if told.get("trouble"):
        return _trouble(str(told["trouble"])[:20], error=str(told.get("error", "")))
    return OutlookMail(raw=mail, has_header=bool(told.get("has_header")))


def _trouble(what: str, **facts: object) -> OutlookTrouble:
    return OutlookTrouble(why=because(f"piece.outlook.{what}", **facts))
