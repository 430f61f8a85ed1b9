"""Agents: the tools of the doctor over the Model Context Protocol, and the decision about what they propose."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Annotated

import typer

from postroom.cli import entering
from postroom.cli.telling import ASKED_WRONGLY, AsJson, give_up, remark, say, say_json, show_table

if TYPE_CHECKING:
    from postroom.flows.agent_proposals import ProposalFact
    from postroom.flows.api_keys import KeyHolder
    from postroom.flows.ports import Ports

app = typer.Typer(rich_markup_mode="rich")

KEY = "POSTROOM_API_KEY"


@app.callback(invoke_without_command=True)
def mcp(context: typer.Context) -> None:
    """Let agents ask the doctor, and decide what they propose.

    Without a word behind it, postroom mcp speaks the Model Context Protocol at stdin and stdout, for a program on this machine that starts it. Into that program's configuration belongs (with the whole path of the house's folder, as the program starts it somewhere else):

    {"mcpServers": {"postroom": {"command": "postroom", "args": ["mcp"], "env": {"POSTROOM_DATA_DIR": "/path/to/data", "POSTROOM_API_KEY": "prk_…"}}}}

    A key of the scope agent looks, one of agent:change proposes changes, too (Settings, API keys); the tools see what its member sees. Without a key they see what the command line sees, which is everything, and propose nothing.

    Over HTTP the running house (postroom up) answers by itself, at /mcp of its pages; no other server is started. A program elsewhere gets the address https://your.postroom.example/mcp and the header Authorization: Bearer prk_…

    Examples: postroom mcp; postroom mcp tools; postroom mcp proposals; postroom mcp approve 12
    """  # fmt: skip
    if context.invoked_subcommand is not None:
        return
    key = os.environ.pop(KEY, "")
    with entering.entered() as ports:
        from postroom.workers.agent_door import serve_stdio

        holder = _holder(ports, key) if key else None
        remark(f"Tools for agents, for {holder.member if holder else 'the command line'}.")
        serve_stdio(ports, holder)


def _holder(ports: Ports, key: str) -> KeyHolder:
    from postroom.core.diagnosis.tools_for_agents import READING
    from postroom.flows.api_keys import holder_of_key

    holder = holder_of_key(ports, key, scopes=READING)
    if holder is None:
        give_up(f"{KEY} holds no key that opens the tools for agents.")
    return holder


@app.command()
def tools(as_json: AsJson = False) -> None:
    """List the tools, with the scopes of the keys that open them."""
    from postroom.core.diagnosis.tools_for_agents import TOOLS

    if as_json:
        say_json(
            [{"name": one.name, "about": one.about, "scopes": one.scopes, "arguments": one.schema()} for one in TOOLS]
        )
        return
    show_table(["tool", "scopes", "about"], [(one.name, ", ".join(one.scopes), one.title) for one in TOOLS], empty="")


@app.command()
def proposals(
    everything: Annotated[bool, typer.Option("--all", help="Also what was decided.")] = False, as_json: AsJson = False
) -> None:
    """List what agents proposed and nobody has decided yet."""
    with entering.entered() as ports:
        from postroom.flows.agent_proposals import list_proposals

        found = list_proposals(ports, member=None, waiting_alone=not everything)
    if as_json:
        say_json([_as_json(one) for one in found])
        return
    rows = [(one.id, one.words, one.subject, one.why, one.who, one.state.value, one.expires_at) for one in found]
    show_table(["number", "what", "to", "why (the agent says)", "for", "state", "until"], rows, empty="Nothing waits.")


@app.command()
def approve(
    number: Annotated[int, typer.Argument(help="Number of the proposal.")],
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
) -> None:
    """Do what an agent proposed: exactly this, now, once."""
    with entering.entered() as ports:
        from postroom.flows.agent_proposals import ProposalTrouble, list_proposals
        from postroom.flows.agent_proposals import approve as do

        shown = next((one for one in list_proposals(ports, member=None) if one.id == number), None)
        if shown is None:
            give_up(f"There is no proposal {number}.", code=ASKED_WRONGLY)
        say(f"{shown.words}: {shown.subject}")
        say(f"  for {shown.who}, by the key {shown.key_name}; it says: {shown.why or '(nothing)'}")
        if not yes and not typer.confirm("Do it?"):
            give_up("Nothing was done: the proposal waits.")
        try:
            done = do(ports, number, fingerprint=shown.fingerprint, member=None)
        except ProposalTrouble as trouble:
            give_up(str(trouble))
    if done.state.value != "done":
        give_up(f"It could not be done: {done.outcome}")
    say(done.outcome)


@app.command()
def refuse(number: Annotated[int, typer.Argument(help="Number of the proposal.")]) -> None:
    """Do not do it; it cannot be approved any more."""
    with entering.entered() as ports:
        from postroom.flows.agent_proposals import ProposalTrouble
        from postroom.flows.agent_proposals import refuse as decide

        try:
            decide(ports, number, member=None)
        except ProposalTrouble as trouble:
            give_up(str(trouble))
    say("It is refused.")


def _as_json(one: ProposalFact) -> dict[str, object]:
    names = (
        "id",
        "action",
        "words",
        "subject",
        "why",
        "arguments",
        "who",
        "key_name",
        "made_at",
        "expires_at",
        "decided_at",
        "outcome",
    )
    return {name: getattr(one, name) for name in names} | {"state": one.state.value}
