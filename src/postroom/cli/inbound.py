"""Mail that came in, by hand: what is held or failed, and what is done about it."""

from __future__ import annotations

from typing import Annotated

import typer

from postroom.cli.entering import entered
from postroom.cli.telling import ASKED_WRONGLY, DONE, FAILED, AsJson, give_up, remark, say, say_json, show_table

app = typer.Typer(no_args_is_help=True, help="Mail that came in: the log; route again, set aside, allow a sender.")

Text = Annotated[str, typer.Option("--text", help="Only what has these words in subject, Message-ID or error.")]
Sender = Annotated[str, typer.Option("--sender", help="Only from addresses or names that contain this.")]
At = Annotated[str, typer.Option("--door", help="Only through this door: smtp, lmtp, imap, pop3, pipe, http.")]
For = Annotated[str, typer.Option("--alias", help="Only for this address.")]
STATES = "received, routed, held, refused, discarded, failed"


@app.command("list")
def list_inbound(
    state: Annotated[str, typer.Option("--state", help=f"Only these: {STATES}. All if it is not named.")] = "",
    text: Text = "",
    sender: Sender = "",
    door: At = "",
    alias: For = "",
    limit: Annotated[int, typer.Option("--limit", min=1, max=10_000, help="How many rows.")] = 50,
    as_json: AsJson = False,
) -> None:
    """List mail that came in, the newest first, with why. Example: postroom inbound list --state held"""
    with entered():
        from postroom.core.terms.states import InboundState
        from postroom.flows.access import visible_inbound
        from postroom.store.queries.pages_inbound import InboundWish, inbound_list

        if state and state not in set(InboundState):
            raise typer.BadParameter(f"there is no state {state!r}; there are: {STATES}.")
        wish = InboundWish(
            state=InboundState(state) if state else None, door=door, alias=alias, sender=sender, text=text
        )
        page = inbound_list(visible_inbound(None), wish, cut=None, size=limit)
        found = [
            {
                "id": row.id,
                "state": row.state.value,
                "from": row.header_from or row.mail_from,
                "subject": row.subject,
                "why": row.error or str(row.why or ""),
                "received_at": row.received_at,
            }
            for row in page.rows
        ]
    if as_json:
        say_json(found)
        return
    rows = [(row["id"], row["received_at"], row["state"], row["from"], row["subject"], row["why"]) for row in found]
    show_table(["number", "came", "state", "from", "subject", "why"], rows, empty="There is none.")
    if page.is_cut:
        remark("More may be found further back: ask for less, or look on the page.")


@app.command()
def again(
    numbers: Annotated[list[int] | None, typer.Argument(metavar="ID...", help="Numbers of mails.")] = None,
    every: Annotated[bool, typer.Option("--all", help="All held and failed mails that match.")] = False,
    text: Text = "",
    sender: Sender = "",
    door: At = "",
    alias: For = "",
) -> int:
    """Route mails again, after a rule or a fault was mended. Examples: postroom inbound again 12 13; postroom inbound again --all --text KeyError"""
    if bool(numbers) == every:
        raise typer.BadParameter("name mails by their numbers, or all that match with --all.")
    with entered() as ports:
        from postroom.flows.settle_inbound import BATCH, route_chosen_again, route_matching_again
        from postroom.store.queries.pages_inbound import InboundWish

        chosen, done, left, after = list(numbers or ()), 0, 0, 0
        for start in range(0, len(chosen), BATCH):
            found = route_chosen_again(ports, chosen[start : start + BATCH], member=None)
            done, left = done + found.done, left + found.left
        wish = InboundWish(door=door, alias=alias, sender=sender, text=text)
        while every:
            found = route_matching_again(ports, wish, member=None, after=after)
            done += found.done
            if found.after is None:
                break
            after = found.after
            remark(f"{done} so far ...")
    say(f"{done} {'mail is' if done == 1 else 'mails are'} routed again.")
    if left:
        remark(f"{left} left alone: there is no such mail, or it is on a record already.")
    return FAILED if left else DONE


@app.command()
def discard(
    number: Annotated[int, typer.Argument(metavar="ID", help="The number of a mail.")],
    why: Annotated[str, typer.Option("--why", help="For those who ask later.")],
) -> None:
    """Set a mail aside: it does nothing and stays in the log. Example: postroom inbound discard 12 --why advertisement"""
    with entered() as ports, _of_mail(number):
        from postroom.flows.settle_inbound import discard_held

        discard_held(ports, number, why, member=None)
    say(f"Mail {number} was set aside.")


@app.command()
def allow(number: Annotated[int, typer.Argument(metavar="ID", help="The number of a mail.")]) -> None:
    """Always allow the sender of a refused or held mail, and route it again. Example: postroom inbound allow 12"""
    with entered() as ports, _of_mail(number):
        from postroom.flows.allow_sender import allow_sender

        done = allow_sender(ports, number, member=None)
    words = {
        "contact": "is a known contact now",
        "follower": "follows the record now",
        "loop": "passes the breaker now",
    }
    say(f"The sender of mail {number} {words[done.permission.value]}; the mail is routed again.")


class _of_mail:  # noqa: N801 - a context manager
    """What cannot be done with this mail is said, not raised."""

    def __init__(self, number: int) -> None:
        self.number = number

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> None:
        from postroom.flows.settle_inbound import AlreadySettled
        from postroom.store.models import InboundMessage, RawMail

        if isinstance(error, InboundMessage.DoesNotExist):
            give_up(f"There is no mail {self.number}; see: postroom inbound list", code=ASKED_WRONGLY)
        if isinstance(error, RawMail.DoesNotExist):
            give_up(f"The bytes of mail {self.number} were cleaned up.")
        if isinstance(error, AlreadySettled | ValueError):
            give_up(str(error))
