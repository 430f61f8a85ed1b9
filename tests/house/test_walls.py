"""The walls that `tests/conftest.py` and `tests/loopback.py` put around every test: do they hold?"""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from tests import loopback

PROJECT = Path(__file__).parents[2]


def test_names_outside_do_not_resolve() -> None:
    with pytest.raises(socket.gaierror):
        socket.create_connection(("mail.example", 25), timeout=1)
    assert socket.getaddrinfo("localhost", 25)


def test_an_address_outside_is_refused_and_the_attempt_is_remembered() -> None:
    with socket.socket() as connection, pytest.raises(ConnectionRefusedError):
        connection.connect(("192.0.2.1", 25))
    assert loopback.leaks == ["('192.0.2.1', 25)"]
    loopback.leaks.clear()


def test_the_environment_of_whoever_runs_the_tests_is_forgotten(run_folder: Path) -> None:
    names = {name for name in os.environ if name.startswith("POSTROOM_")}
    assert names == {"POSTROOM_DATA_DIR", "POSTROOM_TESTS_FOLDER"}
    assert Path(os.environ["POSTROOM_DATA_DIR"]) == run_folder / os.environ.get("PYTEST_XDIST_WORKER", "alone")


WAYS_TO_SKIP = (
    "@pytest.mark.skip(reason='not today')\ndef test_it(): pass",
    "def test_it(): pytest.skip('not today')",
    "@pytest.fixture\ndef tool(): pytest.skip('not today')\ndef test_it(tool): pass",
    "@pytest.mark.xfail(reason='not today')\ndef test_it(): assert False",
    "pytest.skip('not today', allow_module_level=True)",
)


@pytest.mark.parametrize(("strict", "summary"), [(True, "2 failed, 3 errors"), (False, "4 skipped, 1 xfailed")])
@pytest.mark.slow
def test_where_nothing_may_be_skipped_a_skip_is_a_failure(tmp_path: Path, strict: bool, summary: str) -> None:
    (tmp_path / "pytest.ini").write_text("[pytest]\n")
    for number, skipping in enumerate(WAYS_TO_SKIP):
        (tmp_path / f"test_lazy_{number}.py").write_text(f"import pytest\n{skipping}\n")
    (tmp_path / "conftest.py").write_text(
        "from tests import conftest as floor\n"
        "from tests.conftest import pytest_make_collect_report, pytest_runtest_makereport\n"
        f"floor._nothing_may_be_skipped = lambda: {strict}\n"
    )
    plugins = ["-p", "no:django", "-p", "no:randomly", "-p", "no:cacheprovider"]
    run = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "--continue-on-collection-errors", *plugins, tmp_path],
        check=False, capture_output=True, text=True, timeout=900, cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": f"{PROJECT}{os.pathsep}{PROJECT / 'src'}", "PYTEST_XDIST_WORKER": "none"},
    )  # fmt: skip
    assert f"{summary} in" in run.stdout, run.stdout
