"""From nothing to the first answered ticket, in a browser, against a real Postfix and a real Dovecot.

The real command starts on an empty folder and prints a link. Whoever follows it names himself and the company, enters the outgoing account
(with a wrong password first), the mailbox, the first address; a customer's mail becomes a ticket, and the answer reaches the customer.
What is looked for on every page: `looking`.
"""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.e2e.journeys.looking import listen, shot
from tests.e2e.test_demo_in_a_browser import processes_of
from tests.laboratory.availability import requires_chromium, requires_dovecot, requires_postfix
from tests.laboratory.dns_server import DnsServer
from tests.laboratory.dovecot import Dovecot
from tests.laboratory.mail_client import compose_new, send
from tests.laboratory.ports import Port
from tests.laboratory.postfix import Postfix
from tests.laboratory.waiting import wait_until
from tests.web.browser import a_browser, a_window, sign_in

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800), requires_chromium, requires_postfix, requires_dovecot]

SOURCE = Path(__file__).parents[3] / "src"
SUPPORT, CARLA, ALICE = "support@box.test", "carla@box.test", "alice@box.test"
USERS = {SUPPORT: "open sesame", CARLA: "wonder land", ALICE: "looking glass"}
PASSWORD = "lighthouse-keeper-7"


@pytest.fixture
def dovecot() -> Iterator[Dovecot]:
    with Dovecot(USERS) as dovecot:
        yield dovecot


@pytest.fixture
def postfix(dovecot: Dovecot) -> Iterator[Postfix]:
    with Postfix({"box.test": dovecot.lmtp_transport}, auth_socket=dovecot.auth_socket) as postfix:
        yield postfix


class Installation:
    """``postroom up``, or ``postroom demo``, on an empty folder, told to believe the laboratory's authorities."""

    def __init__(
        self, run_folder: Path, authorities: bytes, name_server: int, stack: ExitStack, *, command: str = "up"
    ) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="fresh-", dir=run_folder))
        self.ports = {name: Port() for name in ("WEB", "SMTP", "LMTP")}
        for port in self.ports.values():
            stack.callback(port.release)
        bundle = self.folder.with_suffix(".pem")
        bundle.write_bytes(authorities)
        self._log = self.folder.with_suffix(".log")
        inherited = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("POSTROOM_", "DJANGO_", "PYTEST_"))
        }
        ports = {f"POSTROOM_{name}_PORT": str(port) for name, port in self.ports.items()}
        ours = {"POSTROOM_DATA_DIR": str(self.folder), "PYTHONPATH": str(SOURCE), "SSL_CERT_FILE": str(bundle)}
        ours["POSTROOM_DNS_SERVERS"] = f"127.0.0.1:{name_server}"
        with self._log.open("wb") as console:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "postroom", command],
                stdin=subprocess.DEVNULL,
                stdout=console,
                stderr=console,
                env={**inherited, **ports, **ours},
            )
        stack.callback(self.end)

    def words(self) -> str:
        return self._log.read_text()

    def wait_until_ready(self) -> None:
        wait_until(lambda: "Ready" in self.words() or self._process.poll() is not None, "it is ready", 400)

    def first_link(self) -> str:
        """What it prints for whoever comes first, once its pages answer."""
        self.wait_until_ready()
        found = re.search(r"http://\S+/welcome/begin/\S+/", self.words())
        assert found, self.words()
        return found.group()

    def end(self) -> None:
        self._process.send_signal(signal.SIGTERM)
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(120)
        for process in (self._process.pid, *processes_of(self.folder)):
            with suppress(ProcessLookupError):
                os.kill(process, signal.SIGKILL)
        self._process.wait()


class Laps:
    """A stopwatch: what took how long, to be printed."""

    def __init__(self) -> None:
        self._began = self._last = time.monotonic()
        self._laps: list[str] = []

    def note(self, what: str) -> None:
        now = time.monotonic()
        self._laps.append(f"{what} {now - self._last:.1f} s")
        self._last = now

    def __str__(self) -> str:
        return f"{self._last - self._began:.0f} s ({', '.join(self._laps)})"


def records_of(postfix: Postfix, dovecot: Dovecot) -> dict[str, dict[str, list[str | tuple[str, ...]]]]:
    """What a provider that knows RFC 6186 has in its DNS."""
    return {
        "box.test": {"MX": ["10 localhost."]},
        "_submission._tcp.box.test": {"SRV": [f"0 1 {postfix.submission_port} localhost."]},
        "_imaps._tcp.box.test": {"SRV": [f"0 1 {dovecot.imaps_port} localhost."]},
    }


def answer_it(page: Page, base: str) -> None:
    """The customer's mail becomes a ticket, and is answered."""

    def arrived() -> bool:
        page.goto(f"{base}/records/")
        return page.get_by_text("The lamp flickers").count() > 0

    wait_until(arrived, "the mail becomes a ticket", 180)
    page.get_by_role("link", name="The lamp flickers").first.click()
    expect(page.locator("#pr-heading")).to_have_text("The lamp flickers")
    page.locator(".pr-composer-tabs label").filter(has_text="Send message").click()
    if page.get_by_label("Also to the customer").count():
        page.get_by_label("Also to the customer").check()
    page.locator(".pr-editor").fill("Please tighten the bulb.")
    page.get_by_role("button", name="Send", exact=True).click()


def test_from_nothing_to_the_first_answered_ticket(run_folder: Path, postfix: Postfix, dovecot: Dovecot) -> None:
    assert postfix.ca_file is not None
    authorities = postfix.ca_file.read_bytes() + b"\n" + dovecot.ca_file.read_bytes()
    with ExitStack() as stack:
        names = stack.enter_context(DnsServer(records_of(postfix, dovecot)))
        house = Installation(run_folder, authorities, names.port, stack)
        browser = stack.enter_context(a_browser())
        window = stack.enter_context(a_window(browser))
        link = house.first_link()
        base = f"http://127.0.0.1:{house.ports['WEB']}"
        faults = listen(window, base)
        page = window.new_page()
        laps = Laps()

        page.goto(link.replace("localhost", "127.0.0.1"))
        shot(page, "setting-up-person", whole=True, shell=False)
        page.get_by_label("Your name").fill("Alice Arnold")
        page.get_by_label("Your own mail address").fill(ALICE)
        page.get_by_label("Password").fill(PASSWORD)
        page.get_by_role("button", name="Begin").click()

        expect(page.get_by_role("heading", name="Whose mail is it?")).to_be_visible()
        page.get_by_label("Company").fill("Arnold Lamps")
        page.get_by_label("Mail domain").fill("box.test")
        shot(page, "setting-up-company", whole=True, shell=False)
        page.get_by_role("button", name="Save and go on").click()

        # the way out: a wrong password first
        laps.note("the first person and the company")
        page.get_by_label("Mail address").fill(SUPPORT)
        page.locator("#id_password").fill("open barley")  # meanwhile its servers are looked for
        expect(page.get_by_text("The DNS of box.test names it.")).to_be_visible()
        expect(page.locator("#id_host")).to_have_value("localhost")
        expect(page.get_by_label("Port")).to_have_value(str(postfix.submission_port))
        expect(page.locator("#id_password")).to_have_value("open barley")
        shot(page, "setting-up-found", whole=True, shell=False)
        page.get_by_role("button", name="Try it").click()
        outcome = page.locator("#tested .pr-notice")
        expect(outcome).to_contain_text("does not accept this user name and password")
        expect(page.locator("#tested .pr-trial")).to_contain_text("535")
        shot(page, "setting-up-wrong-password", whole=True, shell=False)

        page.locator("#id_password").fill(USERS[SUPPORT])
        page.get_by_role("button", name="Try it").click()
        expect(page.get_by_text("The server takes mail.")).to_be_visible()
        shot(page, "setting-up-right-password", whole=True, shell=False)
        page.get_by_role("button", name="Use it and go on").click()

        # the way in: by the same account
        expect(page.get_by_role("heading", name="Where do mails to you arrive?")).to_be_visible()
        expect(page.get_by_label("Mail address")).to_have_value(SUPPORT)
        laps.note("the way out")
        expect(page.get_by_label("Port")).to_have_value(str(dovecot.imaps_port))
        expect(page.get_by_label("Encryption")).to_have_value("tls")
        page.get_by_role("button", name="Try it").click()
        expect(page.get_by_text("The mailbox can be read.")).to_be_visible()
        shot(page, "setting-up-mailbox", whole=True, shell=False)
        page.get_by_role("link", name="Go on", exact=True).click()

        laps.note("the way in")
        expect(page.locator("#id_name")).to_have_value("support")
        shot(page, "setting-up-alias", whole=True, shell=False)
        page.get_by_role("button", name="Save and go on").click()
        expect(page.get_by_text("v=spf1", exact=False)).to_be_visible()
        shot(page, "setting-up-done", whole=True, shell=False)

        laps.note("the first address")
        # a customer writes; the ticket appears and is answered
        page.get_by_role("link", name="Watch it arrive").click()
        question = compose_new(author=CARLA, to=SUPPORT, subject="The lamp flickers", body="What can I do?")
        send(postfix.submission_port, question, login=(CARLA, USERS[CARLA]), ca_file=postfix.ca_file)

        answer_it(page, base)
        answers = dovecot.wait_for_mail(CARLA, deadline=180)
        assert any(b"tighten the bulb" in mail for mail in answers)
        shot(page, "setting-up-answered", whole=True)
        laps.note("the first answered ticket")
        print(f"from the link to the answer in the customer's mailbox: {laps}")

        # the link counts once
        gone = window.new_page()
        assert not faults, faults
        answer = gone.goto(link.replace("localhost", "127.0.0.1"))
        assert answer is not None
        assert answer.status == 410


def test_from_the_demo_to_the_first_answered_ticket(run_folder: Path, postfix: Postfix, dovecot: Dovecot) -> None:
    """Somebody who looked around goes on with a mailbox of his own: the way out, the way in, an address, and a customer is answered."""
    assert postfix.ca_file is not None
    authorities = postfix.ca_file.read_bytes() + b"\n" + dovecot.ca_file.read_bytes()
    with ExitStack() as stack:
        names = stack.enter_context(DnsServer(records_of(postfix, dovecot)))
        laps = Laps()
        house = Installation(run_folder, authorities, names.port, stack, command="demo")
        browser = stack.enter_context(a_browser())
        window = stack.enter_context(a_window(browser))
        house.wait_until_ready()
        laps.note("the demo is ready")
        base = f"http://127.0.0.1:{house.ports['WEB']}"
        faults = listen(window, base)
        page = window.new_page()
        sign_in(page, base, "alice", "postroom")

        page.goto(f"{base}/welcome/company/")
        page.get_by_label("Mail domain").fill("box.test")
        page.get_by_role("button", name="Save and go on").click()
        page.get_by_label("Mail address").fill(SUPPORT)
        page.locator("#id_password").fill(USERS[SUPPORT])
        expect(page.locator("#id_host")).to_have_value("localhost")
        page.get_by_role("button", name="Try it").click()
        expect(page.get_by_text("The server takes mail.")).to_be_visible()
        page.get_by_role(
            "button", name=re.compile("^Use it")
        ).first.click()  # what waits, if anything does, is cancelled
        expect(page.get_by_role("heading", name="Where do mails to you arrive?")).to_be_visible()
        expect(page.get_by_label("Port")).to_have_value(str(dovecot.imaps_port))
        page.get_by_role("button", name="Try it").click()
        expect(page.get_by_text("The mailbox can be read.")).to_be_visible()
        page.get_by_role("link", name="Go on", exact=True).click()
        expect(page.locator("#id_name")).to_have_value("orders")  # support@ makes tickets already
        page.get_by_role("button", name="Save and go on").click()
        expect(page.get_by_text("v=spf1", exact=False)).to_be_visible()
        laps.note("the way out, the way in, an address")
        shot(page, "demo-goes-on", whole=True, shell=False)

        question = compose_new(author=CARLA, to=SUPPORT, subject="The lamp flickers", body="What can I do?")
        send(postfix.submission_port, question, login=(CARLA, USERS[CARLA]), ca_file=postfix.ca_file)
        answer_it(page, base)
        answers = dovecot.wait_for_mail(CARLA, deadline=180)
        assert any(b"tighten the bulb" in mail for mail in answers)
        laps.note("the first answered ticket")
        shot(page, "demo-answered", whole=True)
        print(f"from the command to the answer in the customer's mailbox: {laps}")
        assert not faults, faults
