"""The command as a whole: it teaches, answers in plain words, and runs as a process of its own."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from urllib.request import urlopen

import pytest

from postroom import __version__
from postroom.cli.main import main
from tests.cli.conftest import Command
from tests.cli.mails import HELLO
from tests.laboratory.availability import requires_smtp_sink
from tests.laboratory.ports import Port
from tests.laboratory.waiting import wait_until

PROJECT = Path(__file__).parents[2]


def run(*words: str, data: Path, stdin: bytes = b"", **settings: str) -> subprocess.CompletedProcess[bytes]:
    """`postroom WORD...` as a process, in a folder and an installation of its own."""
    data.mkdir(exist_ok=True)
    own = {f"POSTROOM_{name.upper()}": value for name, value in settings.items()}
    clean = {name: value for name, value in os.environ.items() if not name.startswith("POSTROOM_")}
    return subprocess.run(
        [sys.executable, "-m", "postroom", *words],
        check=False, capture_output=True, input=stdin, timeout=400, cwd=data,
        env=clean | {"PYTHONPATH": str(PROJECT / "src"), "POSTROOM_DATA_DIR": str(data / "data")} | own,
    )  # fmt: skip


COMMANDS = [
    ["up"], ["demo"], ["web"], ["door"], ["worker"], ["home"], ["capture"], ["confirm-home"], ["migrate"], ["shell"],
    ["receive"], ["explain"], ["parse"], ["read-report"], ["split-reply"],
    ["inbound", "list"], ["inbound", "again"], ["inbound", "discard"], ["inbound", "allow"],
    ["queue", "list"], ["queue", "retry"], ["queue", "send"], ["queue", "cancel"],
    ["schedule", "list"], ["schedule", "run"], ["mailbox", "test"], ["mailbox", "fetch"],
    ["parameter", "list"], ["parameter", "get"], ["parameter", "set"], ["user", "add"],
    ["bench", "out"], ["bench", "in"],
]  # fmt: skip


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_every_command_explains_itself(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*words, "--help"]) == 0
    said = capsys.readouterr().out
    assert "Usage: postroom" in said
    assert len(said.split()) > 15


def test_help_begins_with_what_to_do_first(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--help"]) == 0
    said = capsys.readouterr().out
    assert said.index("postroom demo") < said.index("postroom up") < said.index("Commands")


def test_the_version_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--version"]) == 0
    assert capsys.readouterr().out == f"postroom {__version__}\n"


def test_a_command_that_there_is_not_is_a_wrong_call(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["polish"]) == 2
    assert "No such command 'polish'" in capsys.readouterr().err


def test_a_worker_that_there_is_not_is_answered_with_those_that_there_are(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["worker", "juggler"]) == 2
    assert "router, deliverer, scheduler, watcher" in capsys.readouterr().err


def test_a_fault_of_ours_shows_a_traceback_only_on_request(postroom: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(_raw: bytes) -> None:
        raise ZeroDivisionError("by nothing")

    monkeypatch.setattr("postroom.core.mime.parsing.parse", broken)
    plain = postroom("parse", "-", stdin=HELLO)
    assert plain.code == 1
    assert plain.err == "This should not happen: ZeroDivisionError: by nothing. Run it again as: postroom --debug …\n"
    assert "Traceback" in postroom("--debug", "parse", "-", stdin=HELLO).err


def test_the_bench_says_what_it_needs(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "which", lambda *_, **__: None)
    assert main(["bench", "out"]) == 1
    assert "apt-get install postfix" in capsys.readouterr().err


def test_a_wrong_setting_is_named_and_ends_the_command_with_2(short_dir: Path) -> None:
    answer = run("queue", "list", data=short_dir / "a", web_port="many")
    assert answer.returncode == 2
    assert answer.stderr.decode() == "Configuration: POSTROOM_WEB_PORT: a whole number is needed, not 'many'.\n"


@pytest.mark.slow
def test_a_wrong_setting_never_costs_a_mail(short_dir: Path) -> None:
    assert run("receive", data=short_dir / "a", stdin=HELLO, web_port="many").returncode == 75


@pytest.mark.slow
def test_a_database_that_cannot_be_reached_never_costs_a_mail(short_dir: Path, closed_port: int) -> None:
    url = f"postgresql://alice@127.0.0.1:{closed_port}/postroom"
    answer = run("receive", data=short_dir / "a", stdin=HELLO, database_url=url)
    assert answer.returncode == 75
    assert answer.stderr.startswith(b"The database cannot be reached: ")
    assert b"Traceback" not in answer.stderr


@pytest.mark.slow
def test_from_an_empty_folder_to_a_stored_mail(short_dir: Path) -> None:
    """Each command starts the database for itself, and stops it again."""
    home = short_dir / "home"
    early = run("queue", "list", data=home)
    assert (early.returncode, b"There is no house in" in early.stderr) == (1, True)
    assert b"steps taken" in run("migrate", data=home).stdout
    assert run("migrate", data=home).stdout == b"The tables are up to date.\n"
    assert run("receive", data=home, stdin=HELLO).returncode == 0
    counted = run("shell", "-c", "print(InboundMessage.objects.count())", data=home)
    assert counted.stdout == b"1\n"
    managed = run("manage", "showmigrations", "postroom", data=home)
    assert managed.returncode == 0
    assert b"[X] 0001_initial" in managed.stdout
    assert run("manage", "polish", data=home).returncode == 1


@pytest.mark.slow
def test_the_demo_shows_the_way_in_and_ends_when_asked_to(short_dir: Path) -> None:
    doors = {f"POSTROOM_{door}_PORT": Port() for door in ("WEB", "SMTP", "LMTP")}  # stay reserved until the end
    ports = {name: str(port) for name, port in doors.items()}
    clean = {name: value for name, value in os.environ.items() if not name.startswith("POSTROOM_")}
    said = short_dir / "said"
    with said.open("wb") as out:
        demo = subprocess.Popen(
            [sys.executable, "-m", "postroom", "demo"],
            stdout=out, stderr=out, cwd=short_dir, env=clean | {"PYTHONPATH": str(PROJECT / "src")} | ports,
        )  # fmt: skip
    try:
        wait_until(lambda: b"Ready after" in said.read_bytes() or demo.poll() is not None, "the demo is ready", 400)
        text = said.read_text(encoding="utf-8")
        assert f"http://127.0.0.1:{ports['POSTROOM_WEB_PORT']}" in text
        assert "Sign in as alice" in text
        with urlopen(f"http://127.0.0.1:{ports['POSTROOM_WEB_PORT']}/login/", timeout=60) as page:
            assert page.status == 200
    finally:
        demo.terminate()
        demo.wait(120)
        for port in doors.values():
            port.release()
    assert demo.returncode == 0, said.read_text(encoding="utf-8")
    assert (short_dir / "data" / "demo").is_dir()


@requires_smtp_sink
@pytest.mark.slow
@pytest.mark.parametrize("direction", ["in", "out"])
def test_the_bench_measures_us_and_the_yardstick_in_the_same_run(short_dir: Path, direction: str) -> None:
    answer = run("bench", direction, "-n", "30", "--workers", "1", "--json", data=short_dir / "b")
    assert answer.returncode == 0, answer.stderr.decode()
    found = json.loads(answer.stdout)
    assert set(found) == {"rate", "yardstick", "ratio", "cpu_s_per_message", "peak_rss_mb", "n", "workers", "cores"}
    assert (found["n"], found["workers"]) == (30, 2 if direction == "in" else 1), "a door and a router at least"
    assert found["rate"] > 0
    assert found["yardstick"] > 0
    assert not (short_dir / "b" / "data").exists(), "the bench lives elsewhere"


@pytest.mark.slow
def test_the_bench_compares_a_claim_from_a_short_and_from_a_long_queue(short_dir: Path) -> None:
    answer = run("bench", "claim", "--small", "1000", "--large", "3000", "--json", data=short_dir / "b")
    assert answer.returncode == 0, answer.stderr.decode()
    found = json.loads(answer.stdout)
    assert (found["taken"], found["small"], found["large"]) == (1000, 1000, 3000)
    assert min(found["small_ms"], found["large_ms"], found["ratio"]) > 0


@requires_smtp_sink
@pytest.mark.slow
def test_the_bench_times_urgent_mail_while_bulk_waits(short_dir: Path) -> None:
    answer = run("bench", "urgent", "-n", "3", "--waiting", "500", "--workers", "1", "--json", data=short_dir / "b")
    assert answer.returncode == 0, answer.stderr.decode()
    found = json.loads(answer.stdout)
    assert (found["n"], found["waiting"], found["workers"]) == (3, 500, 1)
    assert 0 < found["median_ms"] <= found["p95_ms"] <= found["slowest_ms"]


def test_a_closed_standard_output_is_no_fault(tmp_path: Path) -> None:
    words = ["sh", "-c", 'exec "$0" -m postroom parse mail.eml >&-', sys.executable]
    (tmp_path / "mail.eml").write_bytes(HELLO)
    ended = subprocess.run(
        words, check=False, capture_output=True, cwd=tmp_path, timeout=400, env=os.environ | {"PYTHONPATH": str(PROJECT / "src")}
    )  # fmt: skip
    assert (ended.returncode, ended.stderr) == (0, b"")
