"""The demo as a person meets it: the real command, all its processes, and a real browser.

One demo serves the file. Every test writes texts of its own and looks for those, so that the order does not matter.
What is looked for on every page: `journeys.looking`. At the end the demo is told to stop, and nothing of it is left.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any, Self
from uuid import uuid4

import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from tests.e2e.journeys.looking import listen, shot, troubles_of
from tests.laboratory.availability import requires_chromium
from tests.laboratory.ports import Port
from tests.laboratory.waiting import wait_until
from tests.web.browser import a_browser, a_window, sign_in

pytestmark = [pytest.mark.slow, requires_chromium, pytest.mark.xdist_group("demo in a browser")]

SOURCE = Path(__file__).parents[2] / "src"
PARCEL, LAMP, NORWAY = "Where is my parcel?", "Lamp flickers after ten minutes", "Do you ship to Norway?"
CARLA, DANIEL, FARAH = "carla@customer.example", "daniel@okafor.example", "farah@haddad.example"
START_PATIENCE, STOP_PATIENCE = 400.0, 120.0  # seconds; it needs 10 and 2 on an idle machine
PATIENCE = 120.0

SPOKEN = """text => [...document.querySelectorAll('#pr-thread > li')].find(
  line => line.querySelector('iframe')?.contentDocument?.body?.innerText.includes(text))?.id"""
LETTERS = """() => Promise.all([...document.querySelectorAll('.pr-letter')].slice(0, 20).map(async letter => {
  const place = letter.getAttribute('href');
  return [place, await (await fetch(place + 'body/')).text()];
}))"""


# -- the demo, and what may be said about its processes


def processes_of(folder: Path) -> dict[int, str]:
    """Living processes that were started with this folder in their arguments or environment, by id."""
    found = {}
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            command = (process / "cmdline").read_bytes()
            known = command + (process / "environ").read_bytes()
            if str(folder).encode() in known and int(process.name) != os.getpid():
                found[int(process.name)] = command.replace(b"\0", b" ").decode(errors="replace")
    return found


class Demo:
    """The command, with a folder and ports of its own. Leaving the block ends whatever is left, kindly or not."""

    def __init__(self, run_folder: Path) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="demo-", dir=run_folder))
        self.ports = {name: Port() for name in ("WEB", "SMTP", "LMTP")}
        self._log = self.folder.with_suffix(".log")

    def __enter__(self) -> Self:
        inherited = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("POSTROOM_", "DJANGO_", "PYTEST_"))
        }
        ports = {f"POSTROOM_{name}_PORT": str(port) for name, port in self.ports.items()}
        with self._log.open("wb") as console:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "postroom", "demo"],
                stdin=subprocess.DEVNULL,
                stdout=console,
                stderr=console,
                env={**inherited, **ports, "POSTROOM_DATA_DIR": str(self.folder), "PYTHONPATH": str(SOURCE)},
            )
        return self

    def __exit__(self, *_: object) -> None:
        for process in (self._process.pid, *processes_of(self.folder)):
            with suppress(ProcessLookupError):
                os.kill(process, signal.SIGKILL)
        self._process.wait()
        for port in self.ports.values():
            port.release()

    def words(self) -> str:
        return self._log.read_text()

    def wait_for(self, word: str) -> None:
        wait_until(
            lambda: word in self.words() or self._process.poll() is not None, f"the demo says {word}", START_PATIENCE
        )
        assert self._process.poll() is None, self.words()

    def terminate(self) -> int:
        """Ask it to end; its exit status, once nothing of it lives."""
        self._process.send_signal(signal.SIGTERM)
        status = self._process.wait(STOP_PATIENCE)
        wait_until(lambda: not processes_of(self.folder), f"nothing of {self.folder} lives", PATIENCE)
        assert "Traceback" not in self.words(), self.words()
        return status


@pytest.fixture(scope="module")
def base(run_folder: Path) -> Iterator[str]:
    """The address of a demo that is ready. Told to stop at the end, it ends well and leaves no process."""
    with Demo(run_folder) as demo:
        demo.wait_for("Ready")
        yield f"http://127.0.0.1:{demo.ports['WEB']}"
        assert demo.terminate() == 0, demo.words()


def test_a_demo_that_is_stopped_while_it_fills_itself_leaves_no_process(run_folder: Path) -> None:
    with Demo(run_folder) as demo:
        demo.wait_for("PostgreSQL was started")
        assert demo.terminate() in (0, 128 + signal.SIGTERM)


# -- Alice at her desk


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with a_browser() as browser:
        yield browser


@pytest.fixture(scope="module")
def signed_in(browser: Browser, base: str) -> Any:
    """What the browser remembers once Alice has signed in through the form."""
    with a_window(browser) as window:
        sign_in(window.new_page(), base, "alice", "postroom")
        return window.storage_state()


Tab = Callable[[str], Page]


@pytest.fixture
def open_tab(browser: Browser, base: str, signed_in: Any) -> Iterator[Tab]:
    """Opens pages of the demo in one window, and keeps the laws of this file."""
    with browser.new_context(storage_state=signed_in, viewport={"width": 1280, "height": 900}) as window:
        faults = listen(window, base)

        def open_tab(place: str) -> Page:
            page = window.new_page()
            page.set_default_timeout(PATIENCE * 1000)
            page.goto(base + place)
            return page

        yield open_tab
        assert not faults


@pytest.fixture
def desk(open_tab: Tab) -> Desk:
    return Desk(open_tab)


class Desk:
    """What Alice can do, in the words of the product."""

    def __init__(self, open_tab: Tab) -> None:
        self.open = open_tab

    def record(self, title: str) -> Page:
        """A tab with this record, found in the list, whose line to the server is up."""
        page = self.open("/records/")
        page.get_by_role("link", name=title).click()
        expect(page.locator("#pr-heading")).to_have_text(title)
        expect(page.locator(".pr-live")).to_have_attribute("data-on", "true", timeout=PATIENCE * 1000)
        page.evaluate("window.wasNeverReloaded = true")
        return page

    def write(self, page: Page, text: str, *, note: bool = False, to: str = "") -> str:
        """Post it; returns the id of its message, once it is in the thread."""
        page.locator(".pr-composer-tabs label").filter(has_text="Log note" if note else "Send message").click()
        page.locator(".pr-editor").fill(text)
        if to:
            expect(page.locator("#pr-audience .pr-who-gets-it").get_by_text("Goes to:")).to_be_visible(
                timeout=PATIENCE * 1000
            )
            expect(page.locator("#pr-audience .pr-who-gets-it")).to_contain_text(to, timeout=PATIENCE * 1000)
        page.get_by_role("button", name="Log note" if note else "Send", exact=True).click()
        return spoken(page, text)

    def letter(self, text: str, address: str) -> Page:
        """A tab with the mail to this address that says this, opened in the Letterbox by a click. The list grows by itself."""
        page = self.open(f"/letterbox/?to={address}")
        place = wait_until(lambda: _letter_that_says(page, text), f"a letter to {address} says {text!r}", PATIENCE)
        page.locator(f'.pr-letter[href="{place}"]').click()
        expect(page.frame_locator(".pr-reader iframe").locator("body")).to_contain_text(text)
        return page

    def letters(self, address: str = "") -> list[str]:
        """What the newest letters say that went to this address, or to anybody."""
        return _newest_letters(self.open(f"/letterbox/?to={address}"))


def spoken(page: Page, text: str) -> str:
    """The id of the message with this text, as soon as the thread has it."""
    found = page.wait_for_function(SPOKEN, arg=text, timeout=PATIENCE * 1000).json_value()
    return str(found).removeprefix("message-")


def was_never_reloaded(page: Page) -> bool:
    return page.evaluate("window.wasNeverReloaded") is True


def envelope(page: Page, message: str) -> Locator:
    return page.locator(f"#envelope-{message}")


def is_red(page: Page, message: str, red: bool = True) -> None:
    """Waits until the envelope is red, or no longer."""
    look = expect(envelope(page, message))
    (look.to_have_class if red else look.not_to_have_class)("red", timeout=PATIENCE * 1000)


def do_as_recipient(letter: Page, action: str) -> None:
    letter.get_by_role("button", name=action).click()
    expect(letter.locator(".pr-reader")).to_be_visible()


def _newest_letters(page: Page) -> list[str]:
    return [text for _, text in page.evaluate(LETTERS)]


def _letter_that_says(page: Page, text: str) -> str:
    return next((str(place) for place, said in page.evaluate(LETTERS) if text in said), "")


def a_text(about: str) -> str:
    return f"{about} ({uuid4().hex[:10]})"


# -- the journey


def test_an_answer_of_the_customer_appears_on_the_open_page(desk: Desk) -> None:
    watched, ticket = desk.record(PARCEL), desk.record(PARCEL)
    question, answer = a_text("It left the depot, Carla"), a_text("It is here, thank you")
    desk.write(ticket, question, to="Customer Carla")
    spoken(watched, question)
    letter = desk.letter(question, CARLA)
    letter.get_by_role("button", name="Reply as recipient").click()
    letter.get_by_label(f"{CARLA} answers").fill(answer)
    letter.get_by_role("button", name="Send as them").click()
    message = spoken(watched, answer)
    said = watched.locator(f"#message-{message}")
    expect(said).to_contain_text("Customer Carla")
    shot(watched, "message-answered")
    said.get_by_title("Why is this here?").click()
    expect(said.locator(".pr-reasons li").first).to_be_visible()
    shot(watched, "message-why")
    for page in (watched, ticket):
        assert was_never_reloaded(page)
        spoken(page, answer)
        assert page.locator(f"#message-{message}").count() == 1


def test_a_bounce_turns_the_envelope_red_until_alice_ignores_it(desk: Desk) -> None:
    watched = desk.record(LAMP)
    text = a_text("The new driver is on its way")
    message = desk.write(watched, text, to="Daniel")
    do_as_recipient(desk.letter(text, DANIEL), "Bounce it")
    is_red(watched, message)
    shot(watched, "ignore-red")
    envelope(watched, message).click()
    panel = watched.locator("#pr-dialog")
    panel.get_by_text("See error details").click()
    expect(panel.locator(".pr-verbatim")).to_contain_text("550")
    expect(panel.locator(".pr-verbatim")).to_contain_text("does not exist")
    shot(watched, "ignore-details")
    panel.get_by_role("button", name="Ignore all").click()
    is_red(watched, message, False)
    shot(watched, "ignore-done")
    assert was_never_reloaded(watched)


def test_a_bounced_mail_is_sent_again_to_a_better_address(desk: Desk) -> None:
    watched = desk.record(NORWAY)
    text, better = a_text("We do, Farah"), "farah.haddad@haddad.example"
    message = desk.write(watched, text, to="Farah")
    do_as_recipient(desk.letter(text, FARAH), "Bounce it")
    is_red(watched, message)
    envelope(watched, message).click()
    panel = watched.locator("#pr-dialog")
    panel.get_by_label("Address").fill(better)
    panel.get_by_role("button", name="Send & close").click()
    is_red(watched, message, False)
    expect(desk.letter(text, better).locator(".pr-reader")).to_contain_text(better)
    assert was_never_reloaded(watched)


def test_an_out_of_office_answer_is_kept_and_notifies_nobody(desk: Desk) -> None:
    watched = desk.record(PARCEL)
    text = a_text("One more question, Carla")
    desk.write(watched, text, to="Customer Carla")
    do_as_recipient(desk.letter(text, CARLA), "Out of office")
    message = spoken(watched, "I am out of the office until Monday")
    expect(envelope(watched, message)).to_have_count(0)
    after = a_text("Enjoy your holidays")
    desk.write(watched, after, to="Customer Carla")
    desk.letter(after, CARLA)
    assert not [one for one in desk.letters() if "out of the office" in one]


def test_a_note_never_reaches_the_customer(desk: Desk) -> None:
    ticket = desk.record(PARCEL)
    secret, public = a_text("She gets the next one for free"), a_text("We look into it, Carla")
    note = desk.write(ticket, secret, note=True)
    expect(ticket.locator(f"#message-{note}")).to_contain_text("internal note")
    shot(ticket, "note-written")
    desk.write(ticket, public, to="Customer Carla")
    shot(desk.letter(public, CARLA), "note-stayed")
    assert not [one for one in desk.letters(CARLA) if secret in one]
    assert [one for one in desk.letters(CARLA) if public in one]


def test_the_queue_says_what_was_sent(desk: Desk) -> None:
    text = a_text("This one is for the queue, Carla")
    desk.write(desk.record(PARCEL), text, to="Customer Carla")
    desk.letter(text, CARLA)
    queue = desk.open("/queue/?state=sent")
    row = queue.locator("#pr-rows li").filter(has_text=CARLA).first
    expect(row).to_contain_text("Sent")
    row.get_by_role("link").click()
    expect(queue.locator(".pr-story")).to_contain_text("The server took it")
    expect(queue.locator(".pr-story .pr-verbatim").first).to_contain_text("250")


def test_the_inbound_log_says_why(desk: Desk) -> None:
    log = desk.open("/inbound/")
    log.locator("#pr-rows li").filter(has_text="120 lamps for our new office").get_by_role("link").click()
    reasons = log.locator(".pr-reasons li")
    expect(reasons.first).to_be_visible()
    assert all(line.strip() for line in reasons.all_inner_texts())


def test_a_held_mail_finds_its_record_with_the_help_of_alice(desk: Desk) -> None:
    held = desk.open("/held/")
    held.get_by_role("link", name="Unbelievable offers").click()
    held.get_by_role("searchbox", name="Search records").press_sequentially("Invoice with")
    expect(held.get_by_role("button", name="Invoice with the wrong address")).to_be_visible()
    shot(held, "held-mail")
    held.get_by_role("button", name="Invoice with the wrong address").click()
    record = desk.record("Invoice with the wrong address")
    spoken(record, "Buy now!")
    shot(record, "held-record")
    expect(desk.open("/held/").locator("main, body").first).to_contain_text("Nothing waits for you")


# -- how it looks

PLACES = {
    "sign-in": "/login/",
    "home": "/",
    "ticket list": "/records/ticket/",
    "queue": "/queue/?state=all",
    "inbound log": "/inbound/",
    "held": "/held/",
    "letterbox": "/letterbox/",
    "servers": "/settings/servers/",
    "parameters": "/settings/parameters/",
    "scheduled actions": "/settings/actions/",
}


@pytest.mark.parametrize(("size", "theme"), [("wide", "light"), ("narrow", "dark")])
def test_pages_fit_every_screen_and_everybody_can_use_them(
    browser: Browser, base: str, signed_in: Any, size: str, theme: str
) -> None:
    with a_window(browser, size, theme) as window:
        faults = listen(window, base)
        window.add_cookies(signed_in["cookies"])
        page = window.new_page()
        troubles = []
        for name, place in PLACES.items():
            page.goto(base + place)
            troubles += [f"{name}: {trouble}" for trouble in troubles_in_theme(page)]
        for name, entrance, link in (
            ("record", "/records/ticket/", "a.pr-item"),
            ("inbound mail", "/inbound/", "#pr-rows a"),
            ("delivery", "/queue/?state=all", "#pr-rows a"),
            ("letter", "/letterbox/", "a.pr-letter"),
        ):
            page.goto(base + entrance)
            page.locator(link).first.click()
            page.wait_for_load_state("load")
            troubles += [f"{name}: {trouble}" for trouble in troubles_in_theme(page)]
        assert not troubles, "\n".join(troubles)
        assert not faults


def troubles_in_theme(page: Page) -> list[str]:
    """The page wears what was chosen, and `troubles_of` it are none."""
    page.wait_for_function("window.Alpine !== undefined && document.fonts.status === 'loaded'")
    is_dark = page.evaluate("document.documentElement.classList.contains('dark')")
    assert is_dark == (page.evaluate("localStorage.adminTheme") == '"dark"')
    return troubles_of(page)
