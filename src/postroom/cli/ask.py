"""A question in plain words: why do mails to x bounce?"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated

import typer

from postroom.cli import entering
from postroom.cli.telling import ASKED_WRONGLY, DONE, FAILED, AsJson, give_up, remark, say, say_json
from postroom.core.terms.reasons import because

if TYPE_CHECKING:
    from postroom.core.diagnosis.answers import Answered
    from postroom.core.terms.reasons import Reason

app = typer.Typer()


@app.command(rich_help_panel="Mail")
def ask(
    words: Annotated[
        list[str], typer.Argument(metavar="QUESTION...", help="In English or German; the answer is in its language.")
    ],
    as_json: AsJson = False,
    offline: Annotated[
        bool, typer.Option("--offline", help="Ask nobody outside: no server, no mailbox, no DNS, no model.")
    ] = False,
    no_model: Annotated[
        bool, typer.Option("--no-model", help="Let the doctor answer, also where a model is configured.")
    ] = False,
) -> int:
    """Ask in plain words, and get an answer with evidence; exit 1 when the question was not understood.

    It finds the symptom, addresses, domains, Message-IDs and the text of an error in the question, looks up what is stored of them, walks
    through the causes as postroom doctor --symptom does, and says what was found and how to go on. It needs no language model. Where one is
    configured (model_url), that one answers, with tools that only look; if it fails, the doctor answers, and says so.

    Examples: postroom ask why do mails to carla@customer.example bounce; postroom ask "warum kommen keine Antworten an?"; postroom ask
    "what does 550 5.7.1 mean" --json
    """
    text = " ".join(words)
    if not text.strip():
        give_up("There is no question.", code=ASKED_WRONGLY)
    configuration = entering.configured()
    from postroom.workers.machine import look_at_machine

    machine = look_at_machine(configuration)  # before a database is started for this question
    with entering.entered() as ports:
        from postroom.flows.answer_question import answer_question
        from postroom.flows.speak_language import teller

        found = answer_question(
            ports,
            text,
            member=None,
            asks_world=not offline,
            uses_model=not (offline or no_model),
            machine=machine,
            language=os.environ.get("LC_ALL") or os.environ.get("LC_MESSAGES") or os.environ.get("LANG") or "",
        )
    if as_json:
        say_json(found.as_json(teller(found.language)))
    else:
        _tell(found, teller(found.language))
    return DONE if found.question.is_understood or found.is_by_model else FAILED


def _tell(found: Answered, tell: Callable[[Reason], str]) -> None:
    if found.note is not None:
        remark(tell(found.note))
    if found.is_by_model:
        tools = ", ".join(found.tools)
        say(found.words)
        say(f"\n({tell(because('answer.by_model', tools=tools) if tools else because('answer.by_model_alone'))})")
    for one in found.said:
        words = tell(one.what)
        say(words)
        for piece in one.evidence:
            if piece not in words:
                say(f"    {piece}")
    say(f"\n{tell(because('answer.to_go_on'))}")
    for command in found.commands:
        say(f"  {command}")
