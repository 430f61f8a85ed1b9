"""Mail trouble explained: any error that was found somewhere, in plain words. Needs no database."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from postroom.cli.telling import ASKED_WRONGLY, AsJson, give_up, say, say_json

app = typer.Typer()

_LONGEST = 20_000  # characters that are read

_LASTING = {True: "For good: trying again will not help.", False: "For now: trying again may help."}


@app.command("explain-error", rich_help_panel="Mail")
def explain_error(
    text: Annotated[
        list[str] | None,
        typer.Argument(metavar="TEXT...", help="The error as it was found; - or nothing reads standard input."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Say what an error about mail means, whose fault it is, who must act, and what to do.

    It knows replies of SMTP servers with their codes, errors of Python, TLS and the network, answers of mailboxes (IMAP, POP3) and of token
    servers (OAuth2), and the words of the great providers.

    Examples: postroom explain-error "550 5.7.1 rejected by policy"; postroom explain-error "[AUTHENTICATIONFAILED] Invalid credentials";
    tail -1 mail.log | postroom explain-error
    """
    from postroom.core.diagnosis.errors import explain_error as explained

    words = " ".join(text) if text and text != ["-"] else sys.stdin.read(_LONGEST)
    if not words.strip():
        give_up("There is no text: give the error as an argument, or on standard input.", code=ASKED_WRONGLY)
    answer = explained(words)
    if as_json:
        say_json(answer.as_json())
        return
    say(answer.cause)
    say(f"  {'To do:':<12}{answer.cure}")
    say(f"  {'By:':<12}{answer.who.turn}")
    if answer.blame is not None:
        say(f"  {'Blame:':<12}{answer.blame.value}")
    if answer.is_lasting is not None:
        say(f"  {'Lasts:':<12}{_LASTING[answer.is_lasting]}")
    say(f"  {'Known as:':<12}{answer.code}")
