"""`postroom secrets rotate`, killed for good at any moment, again and again: every value can be opened, always."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from postroom.core.terms.configuration import Configuration
from postroom.core.terms.secret import Secret
from postroom.flows.rotate_secrets import check_secrets, rotate_secrets
from postroom.store.models import OutgoingServer
from postroom.wiring import make_ports
from tests.laboratory.waiting import wait_until
from tests.workers.children import environment

pytestmark = [pytest.mark.slow, pytest.mark.django_db(transaction=True)]

VALUES = 3000
ROTATE = """
from postroom.flows.rotate_secrets import rotate_secrets
from postroom.wiring import ports
rotate_secrets(ports(), member=None)
"""


def test_a_rotation_killed_again_and_again_loses_nothing(tmp_path: Path) -> None:
    path = tmp_path / "secret_key"
    path.write_text("a" * 64)
    configuration = Configuration(data_dir=str(tmp_path), secret_key=Secret("a" * 64), secret_key_file=str(path))
    ports = make_ports(configuration)
    OutgoingServer.objects.bulk_create(
        [OutgoingServer(name=f"{n}", host="127.0.0.1", secret=ports.vault.seal(f"secret {n}")) for n in range(VALUES)]
    )
    rows = list(OutgoingServer.objects.order_by("pk").values_list("pk", flat=True))

    def is_resealed(place: int) -> bool:
        sealed = OutgoingServer.objects.values_list("secret", flat=True).get(pk=rows[place])
        return ports.key_store.count() > 1 and ports.vault.key_of(bytes(sealed)) == 0

    unfinished = 0
    for place in (0, 1, 350, 900, 1500, 2200):
        with rotating(tmp_path) as child:
            wait_until(
                lambda place=place, child=child: is_resealed(place) or child.poll() is not None, "it comes so far", 60
            )
        found = check_secrets(make_ports(configuration), member=None)
        assert found.lost == 0
        unfinished += bool(found.former)
    assert unfinished > 0
    assert rotate_secrets(ports, member=None).is_new_key == (not found.former)
    assert check_secrets(ports, member=None).former == 0
    for name, sealed in OutgoingServer.objects.values_list("name", "secret"):
        assert ports.vault.open(bytes(sealed)).reveal() == f"secret {name}"


@contextmanager
def rotating(data_dir: Path) -> Iterator[subprocess.Popen[str]]:
    """A process that rotates; killed at the end of the block if it still does."""
    child = subprocess.Popen(
        [sys.executable, "-c", f"import django; django.setup()\n{ROTATE}"],
        env=environment(POSTROOM_DATA_DIR=str(data_dir)),
    )
    try:
        yield child
    finally:
        child.kill()
        child.wait()
