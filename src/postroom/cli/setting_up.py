"""The dialogue of `postroom setup`: what is asked at a terminal, what is seen meanwhile, and what is done step by step.

Laws: as `postroom.cli.setup`. A password that is refused may be typed again, a few times; each way in and out is told as soon as it is tried.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import typer

from postroom.cli.telling import ASKED_WRONGLY, give_up, remark, say

if TYPE_CHECKING:
    from postroom.flows.ports import Ports
    from postroom.flows.set_up import Begun, Place, WayIn, WayOut
    from postroom.flows.test_mailbox import MailboxTest
    from postroom.flows.test_server import ServerTest

Way = TypeVar("Way", "WayOut", "WayIn")

PASSWORD_VARIABLE = "POSTROOM_NEW_PASSWORD"  # noqa: S105 - a name
_LONGEST_PASSWORD = 4000
_TRIES = 3  # of a password, in one run
_REFUSED_AT = ("auth", "login")  # the steps at which a server looks at the password


@dataclass(frozen=True, slots=True, kw_only=True)
class SetupWish:
    """What is set up. ``asks``: somebody sits at the terminal; ``is_quiet``: a program reads the answer."""

    address: str
    out: Place
    way_in: Place | None
    company: str
    domain: str
    alias: str
    kind: str
    cancels_waiting: bool | None
    asks: bool
    is_quiet: bool


def set_up(ports: Ports, wish: SetupWish, password: str) -> dict[str, Any]:
    """Everything, in order; what was found and done. ``password`` empty: it is asked for. Broken off, it leaves nothing half behind."""
    from django.core.exceptions import ValidationError

    from postroom.core.terms.parameters import ParameterError
    from postroom.flows.leave_capture import NotChosen
    from postroom.flows.set_up import Begun, forget_begun

    begun = Begun()
    try:
        return _set_up(ports, wish, password, begun)
    except ValidationError as error:
        give_up(" ".join(error.messages), code=ASKED_WRONGLY)
    except ParameterError as error:
        give_up(str(error), code=ASKED_WRONGLY)
    except NotChosen as error:
        give_up(str(error))
    except (KeyboardInterrupt, SystemExit, typer.Abort):
        forget_begun(ports, begun)
        raise


def _set_up(ports: Ports, wish: SetupWish, password: str, begun: Begun) -> dict[str, Any]:
    from postroom.flows.dns_to_publish import records_to_publish
    from postroom.flows.find_servers import own_domain
    from postroom.flows.set_up import (
        left_to_do,
        set_up_address,
        set_up_way_in,
        the_company,
        try_way_out,
        use_way_out,
    )
    from postroom.flows.welcome import first_link

    address, place = wish.address, wish.way_in
    if not password:
        remark(
            "The servers are tried with the password; what works is used from then on. Ctrl-C leaves everything as it was."
        )
        password = _typed_password("Password (or app password)")
    sends, password = _tried(wish, wish.out, password, lambda word: try_way_out(ports, address, word, wish.out, begun))
    house = the_company(ports, company=wish.company, domain=wish.domain or own_domain(address))
    sends = use_way_out(ports, house, sends, cancels_waiting=wish.cancels_waiting)
    _tell_way(wish, sends, "Mail leaves through", "not used")
    fetches = None
    if place is not None:
        fetches, _ = _tried(
            wish, place, password, lambda word: set_up_way_in(ports, house, address, word, place, begun)
        )
        _tell_way(wish, fetches, "Mail is fetched from", "not read")
    local, _, at = address.rpartition("@")
    own = house.alias_domain.name if house.alias_domain is not None else ""
    made = set_up_address(ports, house, wish.alias or (local if own == at else ""), wish.kind)
    return {
        "address": address,
        "company": house.name,
        "domain": own,
        "server": _as_json(sends),
        "mailbox": _as_json(fetches) if fetches is not None else None,
        "alias": str(made) if made is not None else "",
        "records": [
            {"kind": one.kind, "type": one.type, "name": one.name, "value": one.value}
            for one in (records_to_publish(ports, own) if own else ())
        ],
        "warnings": [
            {"code": one.code.value, "subject": one.subject, "cause": str(one.cause), "cure": str(one.cure)}
            for one in left_to_do(ports)
        ],
        "begin_at": first_link(ports),
    }


def _tried(wish: SetupWish, place: Place, password: str, attempt: Callable[[str], Way]) -> tuple[Way, str]:
    """What came of it, and the password that was taken in the end."""
    left = _TRIES
    while True:
        with progress(f"Trying {place.host}:{place.port}", quiet=wish.is_quiet):
            way = attempt(password)
        test: ServerTest | MailboxTest | None = way.test
        left -= 1
        if test is None or test.step not in _REFUSED_AT or not (wish.asks and left):
            return way, password
        remark(f"{place.host}: {test.cause}" + (f" It said: {test.reply}" if test.reply else ""))
        remark(str(test.cure))
        password = _typed_password("Password, once more (Ctrl-C ends)")


def _tell_way(wish: SetupWish, way: WayOut | WayIn, done: str, undone: str) -> None:
    if wish.is_quiet:
        return
    if way.test is None:
        say(f"LEFT    {way.name} wants an access token: connect it on its page, Settings, Mailboxes.")
    elif way.test.is_ok:
        say(f"ok      {done} {way.name}{', with the new password, which is stored now' if way.is_corrected else ''}.")
    else:
        at = f" at the step {way.test.step}" if way.test.step else ""
        used = "It stays in use." if way.in_use else f"It is {undone}."
        say(f"FAILED  {way.name}{at}: {way.test.cause} {used}\n        {way.test.cure}")


def _as_json(way: WayOut | WayIn) -> dict[str, Any]:
    test = None
    if way.test is not None:
        test = way.test.as_json() | {"cause": str(way.test.cause), "cure": str(way.test.cure)}
    return {"id": way.id, "name": way.name, "in_use": way.in_use, "is_corrected": way.is_corrected, "test": test}


# ---- asking, and what is seen meanwhile


def given_password(file: Path | None, from_stdin: bool, *, asks: bool) -> str:
    """One line, without its end; ``""`` where somebody is to be asked for it."""
    given = os.environ.get(PASSWORD_VARIABLE, "")
    if file is not None:
        with file.open("rb") as lines:
            given = _as_text(lines.readline(_LONGEST_PASSWORD))
    elif from_stdin:
        given = sys.stdin.readline(_LONGEST_PASSWORD)
    given = given.rstrip("\r\n")
    if not given and (not asks or file is not None or from_stdin):
        give_up(f"A password is needed: --password-stdin, --password-file, or {PASSWORD_VARIABLE}.", code=ASKED_WRONGLY)
    return given


def _as_text(line: bytes) -> str:
    try:
        return line.decode("utf-8-sig")
    except UnicodeDecodeError:
        give_up("The file of the password is no text in UTF-8.", code=ASKED_WRONGLY)


def _typed_password(what: str) -> str:
    """Not shown, and asked for until there is one."""
    while not (typed := _asked(what, hidden=True)):
        remark("Nothing was typed.")
    return typed[:_LONGEST_PASSWORD]


def ask(what: str, *, may_be_empty: bool = False) -> str:
    """What a person types, without blanks around it."""
    while not (typed := _asked(what).strip()) and not may_be_empty:
        remark("Nothing was typed.")
    return typed


def _asked(what: str, *, hidden: bool = False) -> str:
    from rich.prompt import Prompt
    from rich.text import Text

    try:
        return Prompt.ask(Text(what), password=hidden)
    except EOFError:  # Ctrl-D: nobody goes on
        raise typer.Abort from None


def confirmed(what: str) -> bool:
    """Whether a person says yes; no is what a bare Enter says."""
    from rich.prompt import Confirm
    from rich.text import Text

    try:
        return Confirm.ask(Text(what), default=False)
    except EOFError:
        raise typer.Abort from None


@contextmanager
def progress(what: str, *, quiet: bool) -> Iterator[None]:
    """Shows at a terminal what is being done, for as long as it is."""
    if quiet or not sys.stderr.isatty():
        yield
        return
    from rich.console import Console
    from rich.text import Text

    with Console(stderr=True).status(Text(what)):
        yield
