"""`postroom setup` against a real Postfix and a real Dovecot, in an empty folder: a doubt, a wrong password, the right one."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.laboratory.availability import requires_dovecot, requires_postfix
from tests.laboratory.dns_server import DnsServer
from tests.laboratory.dovecot import Dovecot
from tests.laboratory.postfix import Postfix

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800), requires_postfix, requires_dovecot]

SOURCE = Path(__file__).parents[2] / "src"
SUPPORT = "support@box.test"
USERS = {SUPPORT: "open sesame"}


@pytest.fixture
def dovecot() -> Iterator[Dovecot]:
    with Dovecot(USERS) as dovecot:
        yield dovecot


@pytest.fixture
def postfix(dovecot: Dovecot) -> Iterator[Postfix]:
    with Postfix({"box.test": dovecot.lmtp_transport}, auth_socket=dovecot.auth_socket) as postfix:
        yield postfix


def test_an_empty_folder_sends_and_fetches_after_one_command(
    run_folder: Path, postfix: Postfix, dovecot: Dovecot, tmp_path: Path
) -> None:
    assert postfix.ca_file is not None
    bundle = tmp_path / "authorities.pem"
    bundle.write_bytes(postfix.ca_file.read_bytes() + b"\n" + dovecot.ca_file.read_bytes())
    folder = Path(tempfile.mkdtemp(prefix="command-", dir=run_folder))
    inherited = {
        name: value for name, value in os.environ.items() if not name.startswith(("POSTROOM_", "DJANGO_", "PYTEST_"))
    }
    ours = {"POSTROOM_DATA_DIR": str(folder), "PYTHONPATH": str(SOURCE), "SSL_CERT_FILE": str(bundle)}

    records = {
        "_submission._tcp.box.test": {"SRV": [f"0 1 {postfix.submission_port} localhost."]},
        "_imaps._tcp.box.test": {"SRV": [f"0 1 {dovecot.imaps_port} localhost."]},
    }

    def say(*words: str, password: str = "") -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "postroom", "setup", SUPPORT, "--yes", "--json", "--password-stdin", *words]
        return subprocess.run(
            command,
            check=False,
            input=f"{password}\n",
            capture_output=True,
            text=True,
            timeout=900,
            env=inherited | ours,
        )

    with DnsServer(records) as names:
        ours["POSTROOM_DNS_SERVERS"] = f"127.0.0.1:{names.port}"
        began = time.monotonic()
        doubtful = say(password=USERS[SUPPORT])
        assert doubtful.returncode == 1
        assert "localhost" in doubtful.stderr, "outside the domain, and only the DNS says so"
        wrong = say("--trust-dns", password="open barley")
        assert wrong.returncode == 1, wrong.stderr
        told = json.loads(wrong.stdout)
        assert (told["server"]["in_use"], told["server"]["test"]["step"]) == (False, "auth")
        right = say("--trust-dns", password=USERS[SUPPORT])
        assert right.returncode == 0, right.stdout + right.stderr
    told = json.loads(right.stdout)
    assert told["server"]["in_use"]
    assert told["mailbox"]["in_use"]
    assert told["alias"] == SUPPORT
    assert USERS[SUPPORT] not in right.stdout + right.stderr
    print(f"an empty folder, a doubt, a wrong password and the right one: {time.monotonic() - began:.0f} s")
