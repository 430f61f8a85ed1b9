"""Automation rules by hand: list them, try one on a record."""

from __future__ import annotations

import typer

from postroom.cli.entering import entered
from postroom.cli.telling import ASKED_WRONGLY, DONE, FAILED, AsJson, give_up, say, say_json, show_table

app = typer.Typer(
    no_args_is_help=True, help="Automation rules: list them, see what one would do. They are made on the page Settings."
)


@app.command("list")
def list_rules(as_json: AsJson = False) -> None:
    """List the automation rules: on or off, what they wait for, how often they acted. Example: postroom rules list --json"""
    with entered():
        from postroom.flows.automation_rules import manageable_rules
        from postroom.store.queries.pages_automation import rule_facts

        found = rule_facts(manageable_rules(None))
    if as_json:
        say_json(
            [
                {
                    "id": one.id,
                    "name": one.name,
                    "company": one.company,
                    "active": one.is_active,
                    "trigger": one.trigger,
                    "conditions": {
                        "via": one.via,
                        "kind": one.kind,
                        "stage": one.stage,
                        "alias": one.alias,
                        "responsible": one.responsible,
                        "side": one.side,
                        "words": one.words,
                        "hours": one.hours,
                    },
                    "actions": one.actions,
                    "count": one.count,
                    "last_at": one.last_at,
                    "trouble": [str(reason) for reason in one.trouble],
                }
                for one in found
            ]
        )
        return
    show_table(
        ["id", "name", "company", "on", "when", "then", "acted", "last (UTC)", "trouble"],
        [
            (
                one.id,
                one.name,
                one.company,
                one.is_active,
                one.trigger,
                ", ".join(str(action.get("do")) for action in one.actions),
                one.count,
                one.last_at,
                " ".join(str(reason) for reason in one.trouble),
            )
            for one in found
        ],
        empty="There are none.",
    )


@app.command()
def test(
    name: str = typer.Argument(help="The rule's name or its id, see: postroom rules list"),
    record: int = typer.Argument(help="The number of a record, as in the address of its page."),
    as_json: AsJson = False,
) -> int:
    """Show what a rule would do on a record if what it waits for happened now; nothing is done. Exit code 1: it would not fire, or is in
    trouble. Example: postroom rules test "Welcome" 42"""
    with entered() as ports:
        from postroom.core.terms.automation import ActionError
        from postroom.flows.automation_rules import manageable_rules, try_rule
        from postroom.store.models import Record

        rows = manageable_rules(None)
        found = list(rows.filter(name=name)[:2]) or list(rows.filter(pk=int(name) if name.isdecimal() else 0))
        if len(found) != 1:
            said = f"There are several rules {name!r}: name one by its id." if found else f"There is no rule {name!r}."
            give_up(said, code=ASKED_WRONGLY)
        try:
            tried = try_rule(ports, found[0], record, member=None)
        except Record.DoesNotExist:
            give_up(f"There is no record {record} in the company of this rule.", code=ASKED_WRONGLY)
        except ActionError as error:
            give_up(str(error))
    is_whole = tried.verdict.fires and not any(step.outcome.value == "trouble" for step in tried.steps)
    if as_json:
        say_json(
            {
                "record": tried.record_id,
                "fires": tried.verdict.fires,
                "reasons": [reason.as_json() | {"sentence": str(reason)} for reason in tried.verdict.reasons],
                "steps": [
                    {"outcome": step.outcome, "subject": step.subject, "sentence": str(step.reason)}
                    | step.reason.as_json()
                    for step in tried.steps
                ],
            }
        )
    else:
        say(f"{'Fires' if tried.verdict.fires else 'Does not fire'} on {tried.title!r}.")
        for reason in tried.verdict.reasons:
            say(f"  {reason}")
        for step in tried.steps:
            say(f"  {step.outcome.value:8}{step.reason}{f': {step.subject}' if step.subject else ''}")
    return DONE if is_whole else FAILED
