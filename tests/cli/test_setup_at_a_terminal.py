"""`postroom setup` with a person at a terminal: asked, shown, corrected, broken off."""

from __future__ import annotations

import sys
from base64 import b64decode
from collections.abc import Iterator
from pathlib import Path

import pytest

from postroom.store.models import Alias, AliasDomain, Company, Mailbox, OutgoingServer, RecordKind
from tests.laboratory.availability import requires_dovecot
from tests.laboratory.certificates import Certificates, make_certificates
from tests.laboratory.dns_server import DnsServer
from tests.laboratory.dovecot import Dovecot
from tests.laboratory.scripted import Line, ScriptedPeer
from tests.laboratory.terminal import Terminal
from tests.laboratory.waiting import wait_until
from tests.workers.children import environment

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.slow, pytest.mark.timeout(600)]

SUPPORT = "support@box.test"
SECRET, WRONG = "open sesame", "open barley"


@pytest.fixture(autouse=True)
def kind() -> None:
    """What the tables begin with, and a test before may have emptied."""
    RecordKind.objects.get_or_create(key="ticket", defaults={"label": "Ticket", "label_plural": "Tickets"})


@pytest.fixture
def certificates(tmp_path: Path) -> Certificates:
    return make_certificates(tmp_path, "localhost")


@pytest.fixture
def submission(certificates: Certificates) -> Iterator[ScriptedPeer]:
    """A server that takes mail after a login, in TLS from the first byte."""

    def play(line: Line) -> None:
        line.encrypt(certificates.chain)
        line.say(b"220 mail.box.test\r\n")
        while True:
            verb, _, rest = line.hear().partition(b" ")
            match verb.upper():
                case b"EHLO":
                    line.say(b"250-mail.box.test\r\n250 AUTH PLAIN\r\n")
                case b"AUTH":
                    is_right = b64decode(rest.split()[-1]).endswith(SECRET.encode())
                    line.say(b"235 2.7.0 welcome\r\n" if is_right else b"535 5.7.8 who are you?\r\n")
                case b"DATA":
                    line.say(b"354 go on\r\n")
                    line.hear_nothing_more()
                case b"QUIT":
                    line.say(b"221 bye\r\n")
                    return
                case _:
                    line.say(b"250 2.0.0 ok\r\n")

    with ScriptedPeer(play) as peer:
        yield peer


@pytest.fixture
def names(submission: ScriptedPeer) -> Iterator[DnsServer]:
    with DnsServer({"_submissions._tcp.box.test": {"SRV": [f"0 1 {submission.port} localhost."]}}) as server:
        yield server


def a_terminal(names: DnsServer, authorities: Path, folder: Path, *words: str) -> Terminal:
    ours = {
        "POSTROOM_DATA_DIR": str(folder / "house"),
        "POSTROOM_DNS_SERVERS": f"127.0.0.1:{names.port}",
        "SSL_CERT_FILE": str(authorities),
        "COLUMNS": "160",
    }
    return Terminal([sys.executable, "-m", "postroom", "setup", *words], environment(**ours))


@requires_dovecot
def test_a_person_is_asked_and_shown_and_a_wrong_password_is_corrected(
    names: DnsServer, certificates: Certificates, tmp_path: Path
) -> None:
    with Dovecot({SUPPORT: SECRET}) as dovecot:
        names.put("_imaps._tcp.box.test", "SRV", f"0 1 {dovecot.imaps_port} localhost.")
        authorities = tmp_path / "authorities.pem"
        authorities.write_bytes(certificates.ca_file.read_bytes() + b"\n" + dovecot.ca_file.read_bytes())
        with a_terminal(names, authorities, tmp_path) as terminal:
            terminal.sees("Mail address")
            terminal.types("support at box")
            terminal.sees("'support at box' is no mail address.")
            terminal.sees("Mail address")
            terminal.types(SUPPORT)
            terminal.sees(f"Looking for the servers of {SUPPORT}")
            terminal.sees("The DNS of box.test names it.")
            terminal.sees("Log in there?")
            terminal.types("y")
            terminal.sees("Password (or app password)")
            terminal.types_hidden("")
            terminal.sees("Nothing was typed.")
            terminal.sees("Password (or app password)")
            terminal.types_hidden(WRONG)
            terminal.sees("Trying localhost")
            terminal.sees("535 5.7.8 who are you?")
            terminal.sees("Password, once more")
            terminal.types_hidden(SECRET)
            terminal.sees("Mail leaves through localhost.")
            terminal.sees("Trying localhost")
            terminal.sees(f"Mail is fetched from {SUPPORT}.")
            terminal.sees("v=spf1")
            assert terminal.ends() == 0, terminal.screen
            assert terminal.shows_what_is_typed()
            assert SECRET not in terminal.screen
            assert WRONG not in terminal.screen
    server, mailbox = OutgoingServer.objects.get(), Mailbox.objects.get()
    assert (server.is_active, mailbox.is_confirmed, str(Alias.objects.get())) == (True, True, SUPPORT)


def nothing_is_there() -> bool:
    return not any(model.objects.exists() for model in (OutgoingServer, Mailbox, Company, AliasDomain, Alias))


def test_whoever_breaks_off_at_the_password_leaves_everything_as_it_was(
    names: DnsServer, certificates: Certificates, tmp_path: Path
) -> None:
    with a_terminal(names, certificates.ca_file, tmp_path, SUPPORT, "--no-mailbox") as terminal:
        terminal.sees("Log in there?")
        terminal.types("y")
        terminal.sees("Password")
        terminal.types_hidden(WRONG)
        terminal.sees("once more")
        assert OutgoingServer.objects.filter(is_active=False).exists(), (
            "what was entered so far is kept for the next try"
        )
        terminal.breaks_off(hidden=True)
        terminal.sees("Interrupted.")
        assert terminal.ends() == 130
        assert terminal.shows_what_is_typed()
    assert nothing_is_there()


def test_whoever_breaks_off_in_the_middle_of_a_test_leaves_everything_as_it_was(
    names: DnsServer, certificates: Certificates, tmp_path: Path
) -> None:
    with ScriptedPeer(lambda line: line.hear_nothing_more()) as silent:
        words = (SUPPORT, "--no-mailbox", "--host", "localhost", "--port", str(silent.port))
        with a_terminal(names, certificates.ca_file, tmp_path, *words) as terminal:
            terminal.sees("Password")
            terminal.types_hidden(SECRET)
            terminal.sees("Trying localhost")
            wait_until(lambda: silent.connections, "the server is asked")
            terminal.breaks_off()
            terminal.sees("Interrupted.")
            assert terminal.ends() == 130
    assert nothing_is_there()


def test_whoever_says_no_or_nothing_more_is_asked_for_no_password(
    names: DnsServer, certificates: Certificates, tmp_path: Path
) -> None:
    with a_terminal(names, certificates.ca_file, tmp_path, SUPPORT, "--no-mailbox") as terminal:
        terminal.sees("Log in there?")
        terminal.types("")
        terminal.sees("Nothing was entered.")
        assert terminal.ends() == 1
    with a_terminal(names, certificates.ca_file, tmp_path, SUPPORT, "--no-mailbox") as terminal:
        terminal.sees("Log in there?")
        terminal.types("\x04")  # Ctrl-D
        terminal.sees("Interrupted.")
        assert terminal.ends() == 130
    assert nothing_is_there()
