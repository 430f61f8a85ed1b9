"""The story of a mail or of an address, as one timeline: from posting through queue, attempts and reports to the answer."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import typer

from postroom.cli.entering import entered
from postroom.cli.telling import ASKED_WRONGLY, DONE, FAILED, AsJson, give_up, remark, say, say_json, visible

if TYPE_CHECKING:
    from rich.text import Text

    from postroom.core.diagnosis.story import Story, StoryEvent

app = typer.Typer()

_STYLES = {"good": "green", "wait": "yellow", "bad": "bold red", "plain": ""}
_MARKS = {"good": "✓", "wait": "…", "bad": "✗", "plain": "·"}
_LINES = 12  # of what was said verbatim


@app.command(rich_help_panel="Mail")
def story(
    asked: Annotated[
        list[str],
        typer.Argument(
            metavar="MESSAGE-ID|ADDRESS|QUEUE-ID|NUMBER...",
            help="A Message-ID, an address, what a relay or provider calls a mail (or a whole line of its log), the number of a message, "
            "delivery:NUMBER or inbound:NUMBER.",
        ),
    ],
    since: Annotated[
        str, typer.Option("--since", metavar="TIME", help="Nothing that happened before this day or time (UTC).")
    ] = "",
    limit: Annotated[int, typer.Option("--limit", min=1, max=1_000, help="How many mails are told.")] = 50,
    after: Annotated[str, typer.Option("--after", metavar="CURSOR", help="Go on behind the last answer.")] = "",
    as_json: AsJson = False,
) -> int:
    """Tell the story of a mail or of an address: posted, queued, each attempt with the server's answer, reports, blacklist, answers.

    It ends with 1 when nothing is found.

    Examples: postroom story "<abc@example.com>"; postroom story carla@customer.example --since 2026-03-01; postroom story 4Zx9QK1dLpz2;
    postroom story 42 --json; grep carla /var/log/mail.log | tail -1 | xargs postroom story
    """
    begins = _moment(since)
    with entered() as ports:
        from postroom.flows.tell_story import StoryWish, tell_story

        wish = StoryWish(asked=" ".join(asked), since=begins, cursor=after, size=limit)
        told = tell_story(ports, wish, member=None)
    if as_json:
        say_json(told.as_json())
    else:
        _tell(told)
    return DONE if told.is_found else FAILED


def _moment(text: str) -> datetime | None:
    if not text:
        return None
    try:
        found = datetime.fromisoformat(text.strip())
    except ValueError:
        give_up(f"No day and no time: {text}. Write 2026-03-01 or 2026-03-01T12:00.", code=ASKED_WRONGLY)
    return found if found.tzinfo is not None else found.replace(tzinfo=UTC)


def _tell(told: Story) -> None:
    if told.is_found:
        say(f"{told.title or '(no subject)'}  [{told.found_by.value}]")
    day = ""
    for event in told.events:
        if (today := f"{event.at:%Y-%m-%d}") != day:
            day = today
            say(f"\n{day}")
        _tell_one(event)
    for mail in [mail for mail in told.mails if mail.due_at is not None][:_LINES]:
        why = f": {mail.waits_for}" if mail.waits_for else ""
        say(f"\nThe mail to {mail.address} waits until {mail.due_at:%Y-%m-%d %H:%M:%S} UTC{why}")
    if told.is_found and not told.events:
        say("Nothing happened in that time.")
    for one in told.remarks:
        remark(str(one))
    if told.next:
        remark(f"There is more: --after {told.next}")


def _tell_one(event: StoryEvent) -> None:
    from rich.console import Console
    from rich.text import Text

    console = Console(highlight=False, soft_wrap=True)
    tone = event.tone.value
    console.print(
        Text.assemble(
            (f"{event.at:%H:%M:%S}  ", "dim"), (f"{_MARKS[tone]} {visible(_in_line(str(event.said)))}", _STYLES[tone])
        )
    )
    for line in _beside(event):
        console.print(line)


def _beside(event: StoryEvent) -> list[Text]:
    from rich.text import Text

    margin = " " * 12
    lines = [Text.assemble(margin, visible(line)) for line in event.evidence.splitlines()[:_LINES]]
    if meaning := event.meaning:
        lines.append(Text.assemble(margin, ("usually means: ", "dim"), meaning))
    lines += [Text.assemble(margin, ("because: ", "dim"), visible(_in_line(str(why)))) for why in event.why]
    if event.relay_ids:
        lines.append(Text.assemble(margin, ("known there as: ", "dim"), visible(", ".join(event.relay_ids))))
    places = [f"{name.removesuffix('_id')} {number}" for name, number in event.links.as_json().items() if number]
    if places:
        lines.append(Text.assemble(margin, (", ".join(places), "dim")))
    return lines


def _in_line(text: str) -> str:
    return " ".join(text.split())
