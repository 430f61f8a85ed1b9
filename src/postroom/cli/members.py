"""People: create those who sign in, and let in again who was kept out."""

from __future__ import annotations

import os
import secrets
from typing import Annotated

import typer

from postroom.cli.entering import entered
from postroom.cli.telling import ASKED_WRONGLY, AsJson, give_up, say, say_json
from postroom.core.terms.states import Role

app = typer.Typer(no_args_is_help=True, help="People who sign in.")


@app.command()
def add(
    login: Annotated[str, typer.Argument(help="The name to sign in with.")],
    address: Annotated[str, typer.Option("--address", help="The person's mail address.")],
    name: Annotated[str, typer.Option("--name", help="The full name; empty: the login.")] = "",
    role: Annotated[str, typer.Option("--role", help="administrator, manager, agent or read_only.")] = "agent",
    company: Annotated[str, typer.Option("--company", help="The company; made when it is new. Empty: the first.")] = "",
    password: Annotated[
        str, typer.Option("--password", envvar="POSTROOM_NEW_PASSWORD", help="Empty: one is made and shown once.")
    ] = "",
    as_json: AsJson = False,
) -> None:
    """Create a person. Example: postroom user add alice --name "Alice Ager" --address alice@example.com --role administrator"""
    if role not in {one.value for one in Role}:
        give_up(f"There is no role {role!r}. There are: {', '.join(Role)}.", code=ASKED_WRONGLY)
    made = "" if password else secrets.token_urlsafe(12)
    with entered() as ports:
        from postroom.flows.add_member import CannotAdd, NotUsable, add_member

        try:
            member = add_member(
                ports,
                login=login,
                name=name or login,
                address=address,
                role=Role(role),
                company=company,
                password=password or made,
            )
        except NotUsable as error:
            give_up(str(error), code=ASKED_WRONGLY)
        except CannotAdd as error:
            give_up(str(error))
        company_name = member.company.name
    if as_json:
        say_json({"login": login, "role": role, "company": company_name} | ({"password": made} if made else {}))
        return
    say(f"{login} is {role.replace('_', ' ')} of {company_name}." + (f" Password: {made}" if made else ""))


@app.command()
def unlock(
    login: Annotated[str, typer.Argument(help="The name to sign in with; empty: everybody who is kept out.")] = "",
    as_json: AsJson = False,
) -> None:
    """Let somebody try again who was kept out after too many wrong passwords. Example: postroom member unlock alice"""
    with entered() as ports:
        from postroom.flows.unlock_member import unlock_member

        count = unlock_member(ports, login)
    if as_json:
        say_json({"login": login, "unlocked": count})
        return
    who = login or "Everybody"
    say(f"{who} may try again." if count else f"{who} was not kept out.")


@app.command("without-code")
def without_code(
    login: Annotated[str, typer.Argument(help="The name to sign in with.")],
    as_json: AsJson = False,
) -> None:
    """Switch off somebody's second factor, when telephone and recovery codes are gone. Example: postroom user without-code alice"""
    with entered() as ports:
        from postroom.flows.unlock_member import remove_second_factor

        count = remove_second_factor(ports, login)
    if as_json:
        say_json({"login": login, "removed": count})
        return
    say(f"{login} signs in with the password alone." if count else f"{login} had no second factor.")


@app.command()
def password(
    login: Annotated[str, typer.Argument(help="The name to sign in with.")],
    as_json: AsJson = False,
) -> None:
    """Give somebody a new password, where no mail can bring the link to one: that of POSTROOM_NEW_PASSWORD, else one is made and shown once.

    Example: postroom user password alice
    """
    given = os.environ.get("POSTROOM_NEW_PASSWORD", "")
    made = "" if given else secrets.token_urlsafe(12)
    with entered() as ports:
        from django.core.exceptions import ValidationError

        from postroom.flows.unlock_member import give_password

        try:
            is_known = give_password(ports, login, given or made)
        except ValidationError as error:
            give_up(" ".join(error.messages), code=ASKED_WRONGLY)
    if not is_known:
        give_up(f"Nobody signs in as {login}.", code=ASKED_WRONGLY)
    if as_json:
        say_json({"login": login} | ({"password": made} if made else {}))
        return
    say(f"{login} has a new password." + (f" It is: {made}" if made else ""))
