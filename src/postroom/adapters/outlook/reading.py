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

LARGEST_FILE = 60 * 1024 * 1024  # bytes
SECONDS = 30.0
_SOURCES = str(Path(__file__).resolve().parents[3])


def read_outlook(raw: bytes, *, seconds: float = SECONDS) -> OutlookMail | OutlookTrouble:
    """The mail in it. Blocks for ``seconds`` at most."""
    if len(raw) > LARGEST_FILE:
        return OutlookTrouble(why=f"it has {len(raw)} bytes; {LARGEST_FILE} are read")
    environment = {"PATH": os.defpath, "PYTHONPATH": os.pathsep.join([_SOURCES, *filter(None, sys.path)])}
    command = [sys.executable, "-W", "ignore", "-m", "postroom.adapters.outlook.rebuilding"]
    try:
        done = subprocess.run(command, input=raw, capture_output=True, timeout=seconds, check=False, env=environment)
    except subprocess.TimeoutExpired:
        return OutlookTrouble(why=f"reading it takes more than {seconds:g} seconds")
    except OSError as error:
        return OutlookTrouble(why=f"the reader could not be started ({type(error).__name__})")
    head, _, mail = done.stdout.partition(b"\n")
    try:
        told = json.loads(head)
    except ValueError:
        return OutlookTrouble(why="reading it takes more memory or time than there is")
    if told.get("trouble"):
        return OutlookTrouble(why=str(told["trouble"])[:200])
    return OutlookMail(raw=mail, has_header=bool(told.get("has_header")))
