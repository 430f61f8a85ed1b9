"""The client of spamd against SpamAssassin itself, as Debian packages it; local rules alone, for nothing leaves the machine."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from postroom.adapters.spamd.client import ask_spamd
from postroom.core.mailtest.evidence import SpamUnchecked, SpamVerdict
from tests.laboratory.daemon import find_program
from tests.laboratory.ports import LOOPBACK, Port
from tests.laboratory.waiting import wait_until

pytestmark = pytest.mark.slow
GTUBE = "XJS*C4JDBQADN1.NSBN3*2IDNEN*GTUBE-STANDARD-ANTI-UBE-TEST-EMAIL*C.34X"  # what every SpamAssassin takes for spam
HEAD = "From: Alice <alice@northwind.example>\r\nTo: bob@box.test\r\nSubject: printers\r\nDate: Mon, 2 Mar 2026 10:00:00 +0100\r\nMessage-ID: <1@northwind.example>\r\n\r\n"


def ask(port: int, text: str) -> SpamVerdict | SpamUnchecked:
    return ask_spamd(LOOPBACK, port, f"{HEAD}{text}\r\n".encode(), seconds=60)


@pytest.fixture(scope="module")
def port(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    folder: Path = tmp_path_factory.mktemp("spamd")
    reserved = Port()
    port = int(reserved)
    words = [
        find_program("spamd"),
        "--local",
        "--nouser-config",
        "--max-children=1",
        "--username=nobody",
        f"--port={port}",
    ]
    daemon = subprocess.Popen([*words, f"--listen={LOOPBACK}", f"--helper-home-dir={folder}"], cwd="/")
    try:
        wait_until(lambda: isinstance(ask(port, "hello"), SpamVerdict), "spamd answers", 60.0)
        yield port
    finally:
        daemon.terminate()
        with suppress(subprocess.TimeoutExpired):
            daemon.wait(90)
        reserved.release()


def test_the_mail_that_every_spamassassin_knows_is_spam(port: int) -> None:
    found = ask(port, GTUBE)
    assert isinstance(found, SpamVerdict)
    assert found.is_spam
    assert "GTUBE" in {one.name for one in found.symbols}


def test_an_ordinary_mail_is_none(port: int) -> None:
    found = ask(port, "The printer of the third floor smokes. Can you come and look at it?")
    assert isinstance(found, SpamVerdict)
    assert not found.is_spam
