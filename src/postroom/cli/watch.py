"""The doctor's watch by hand: look now, what is known, and where programs are told."""

from __future__ import annotations

import typer

from postroom.cli.entering import entered
from postroom.cli.telling import ASKED_WRONGLY, DONE, FAILED, AsJson, give_up, say, say_json, show_table, visible

app = typer.Typer(no_args_is_help=True, help="The doctor's watch: look now, what it knows, where programs are told.")


def look_now(*, as_json: bool) -> int:
    """For `postroom doctor --watch-now`, too."""
    with entered() as ports:
        from postroom.core.diagnosis.findings import is_well
        from postroom.flows.watch_house import watch_house

        found = watch_house(ports)
    if as_json:
        one = found.comparison
        said = {
            name: [each.as_json() for each in getattr(one, name)]
            for name in ("open", "appeared", "gone", "raised", "cleared")
        }
        say_json({"ok": is_well(found.diagnosis.findings), **said, "mail": found.mailed, "posted": found.is_posted})
    else:
        say(str(found))
    return DONE if is_well(found.diagnosis.findings) else FAILED


@app.command()
def run(as_json: AsJson = False) -> int:
    """Look now, remember, raise and clear alarms, tell people and programs; exit 1 when there is an error. Example: postroom watch run"""
    return look_now(as_json=as_json)


@app.command("list")
def list_findings(as_json: AsJson = False) -> None:
    """List what the watch knows: each finding since when, as of the last look. Example: postroom watch list --json"""
    with entered() as ports:
        from postroom.flows.watch_house import watch_standing

        standing = watch_standing(ports, member=None)
        last = standing.last
        rows = sorted(standing.since.values(), key=lambda one: (one.severity.rank, one.first_seen))
    if as_json:
        say_json({"looked_at": last.ran_at if last else None, "findings": [one.as_json() for one in rows]})
        return
    show_table(
        ["since (UTC)", "how grave", "what", "finding"],
        [
            (f"{one.first_seen:%Y-%m-%d %H:%M}", one.severity.value, one.subject, visible(str(one.cause)))
            for one in rows
        ],
        empty="Nothing is wrong." if last else "It has not looked yet: postroom watch run",
    )
    if last:
        say(f"Looked last at {last.ran_at:%Y-%m-%d %H:%M} UTC.")


@app.command()
def webhook(
    url: str = typer.Argument(None, metavar="URL", help="The https address; off: post nowhere; nothing: show it."),
    as_json: AsJson = False,
) -> None:
    """Show or set where programs are told; a new secret is shown once. Example: postroom watch webhook https://hooks.example.com/postroom"""
    with entered() as ports:
        from postroom.flows.tell_watch import hook_fact, set_hook

        secret = ""
        if url is not None:
            try:
                secret = set_hook(ports, "" if url == "off" else url, member=None)
            except ValueError as error:
                give_up(str(error), code=ASKED_WRONGLY)
        fact = hook_fact(ports, member=None)
        posts = [
            (f"{one.created_at:%Y-%m-%d %H:%M}", one.attempts, "yes" if one.is_taken else "no", one.said)
            for one in fact.posts
        ]
    if as_json:
        names = ("at", "tries", "taken", "said")
        told = [dict(zip(names, row, strict=True)) for row in posts]
        say_json({"url": fact.url, "secret": secret or None, "posts": told})
        return
    say(f"Posts to {fact.url}" if fact.url else "Posts nowhere.")
    if secret:
        say(f"Secret, shown this once: {secret}")
    if posts:
        show_table(["at (UTC)", "tries", "taken", "said"], posts, empty="")


@app.command()
def test(as_json: AsJson = False) -> int:
    """Post a trial to the webhook here and now; exit 1 when it was not taken. Example: postroom watch test"""
    with entered() as ports:
        from postroom.flows.tell_watch import post_test

        try:
            post = post_test(ports, member=None)
        except ValueError as error:
            give_up(f"{error} Set one: postroom watch webhook https://...", code=ASKED_WRONGLY)
    if as_json:
        say_json({"ok": post.is_taken, "said": post.said})
    else:
        say(f"{'It was taken' if post.is_taken else 'It was not taken'}: {post.said}")
    return DONE if post.is_taken else FAILED
