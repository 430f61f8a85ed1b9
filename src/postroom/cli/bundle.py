"""Support bundles by hand: make one here, read one from elsewhere.

Laws: what is read comes from strangers: it is verified before anything of it is believed, nothing of it is unpacked onto the disk, and its mails
are decided again in a house of their own, in a folder that is removed afterwards, from which nothing leaves.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from postroom.cli import entering
from postroom.cli.telling import ASKED_WRONGLY, DONE, FAILED, AsJson, give_up, remark, say, say_json

if TYPE_CHECKING:
    from postroom.core.diagnosis.bundle import Manifest

app = typer.Typer(no_args_is_help=True, help="Everything that support needs about a mail, in one file.")

_SANDBOX_SECONDS = 600
_MARK = "sandbox"  # a file in the folder of a sandbox: only there is anything replayed


@app.command()
def make(
    output: Annotated[
        Path, typer.Option("-o", "--output", metavar="FILE.zip", help="Where it is written; never over a file.")
    ],
    message: Annotated[
        str, typer.Option("--message", metavar="ID", help="About this message: a number, or a Message-ID.")
    ] = "",
    record: Annotated[
        int | None, typer.Option("--record", metavar="ID", help="About this record and its newest messages.")
    ] = None,
    inbound: Annotated[
        int | None, typer.Option("--inbound", metavar="ID", help="About this mail that came in.")
    ] = None,
    mask: Annotated[
        list[str] | None,
        typer.Option("--mask", metavar="WHAT", help="addresses, bodies or message-ids; may stand several times."),
    ] = None,
    as_json: AsJson = False,
) -> int:
    """Make a support bundle: mails, headers, timeline, settings without secrets, changes, versions, findings, log lines.

    Without --message, --record or --inbound it is about the whole house. With --mask addresses each address becomes a pseudonym, the same
    wherever it stands; with --mask bodies texts become their shapes, and files are left out.

    Examples: postroom bundle make --inbound 12 -o case.zip; postroom bundle make --message "<1234@example.com>" --mask addresses --mask bodies -o case.zip
    """
    if sum(bool(one) for one in (message, record is not None, inbound is not None)) > 1:
        give_up("One of --message, --record and --inbound, or none of them.", code=ASKED_WRONGLY)
    if output.exists():
        give_up(f"{output} is there already.", code=ASKED_WRONGLY)
    with entering.entered() as ports:
        from postroom.flows.build_support_bundle import build_support_bundle
        from postroom.flows.gather_case import CaseWish, NoSuchCase

        wish = CaseWish(message=message, record=record, inbound=inbound)
        try:
            made = build_support_bundle(ports, wish, masks=[one.strip().lower() for one in mask or ()], member=None)
        except NoSuchCase as error:
            give_up(str(error))
        except ValueError as error:
            give_up(str(error), code=ASKED_WRONGLY)
    with open(output, "xb", opener=lambda path, flags: os.open(path, flags, 0o600)) as file:
        file.write(made.content)
    if as_json:
        say_json({"file": str(output), "size": len(made.content), "members": made.members, "left_out": made.notes})
        return DONE
    say(f"{output}: {len(made.content)} bytes, {len(made.members)} members.")
    for note in made.notes:
        say(f"  not in it: {note}")
    if not mask:
        say("Nothing is masked: addresses and texts are in it as they are. See --mask.")
    return DONE


@app.command()
def read(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A bundle.")],
    replay: Annotated[bool, typer.Option("--replay/--no-replay", help="Decide its mails again, in a sandbox.")] = True,
    as_json: AsJson = False,
) -> int:
    """Verify a support bundle, tell its story, and decide its mails again in a sandbox: is it the same as was recorded? Exit 1 when it is not.

    The sandbox is a house of its own in a temporary folder, in capture mode, with the domains, aliases and parameters of the bundle. Nothing
    leaves it, and it is removed. A file that was changed, or that is no bundle, is refused (exit 2).

    Example: postroom bundle read case.zip
    """
    members, manifest = _verified(file)
    replayed, trouble = _replayed(file) if replay and "replay.json" in members else ([], "")
    told = {
        "file": str(file),
        "about": manifest.about,
        "version": manifest.version,
        "made_at": manifest.made_at,
        "masks": manifest.masks,
        "members": manifest.members,
        **{
            name: _json_of(members, f"{name}.json")
            for name in ("answers", "timeline", "findings", "versions", "changes")
        },
        "replay": replayed,
        "replay_trouble": trouble,
    }
    if as_json:
        say_json(told)
    else:
        _tell(told, members)
    return DONE if not trouble and all(one["same"] for one in replayed) else FAILED


@app.command("replay-here", hidden=True)
def replay_here(file: Annotated[Path, typer.Argument(help="A bundle.")]) -> int:
    """What `read` runs in its sandbox: only in a folder that was made for it, with a database of its own."""
    members, _ = _verified(file)
    configuration = entering.configured(makes_house=True)
    if configuration.database_url or not (Path(configuration.data_dir) / _MARK).is_file():
        give_up("This runs in the sandbox that `postroom bundle read` makes, nowhere else.", code=ASKED_WRONGLY)
    from postroom.workers.supervisor import bring_tables_up_to_date

    with entering.running(configuration):
        bring_tables_up_to_date()
        from postroom.core.diagnosis.bundle import BundleError
        from postroom.flows.guard_installation import check_home
        from postroom.flows.replay_bundle import NotEmpty, replay_bundle
        from postroom.wiring import ports

        check_home(ports(), is_capturing=True)
        try:
            found = replay_bundle(ports(), members)
        except (NotEmpty, BundleError) as error:
            give_up(str(error))
    say_json([one.as_json() for one in found])
    return DONE


def _verified(file: Path) -> tuple[Mapping[str, bytes], Manifest]:
    """The contents, once they are believed. No database is asked, and whoever helps needs no house of his own: none is made."""
    from postroom.core.diagnosis.bundle import BundleError, read_manifest
    from postroom.wiring import read_bundle

    try:
        members = read_bundle(str(file))
        return members, read_manifest(members)
    except BundleError as error:
        give_up(f"{file}: {error}", code=ASKED_WRONGLY)
    except OSError as error:
        give_up(f"{file} cannot be read: {error.strerror}.", code=ASKED_WRONGLY)


def _json_of(members: Mapping[str, bytes], name: str) -> Any:
    from postroom.core.diagnosis.bundle import BundleError, read_json

    try:
        return read_json(members, name)
    except BundleError as error:
        give_up(str(error), code=ASKED_WRONGLY)


# ---- the sandbox


def _replayed(file: Path) -> tuple[list[dict[str, Any]], str]:
    """In a process of its own: it has another data directory, another database and another key than this one."""
    with tempfile.TemporaryDirectory(prefix="postroom-sandbox-") as folder:
        data = Path(folder) / "data"
        data.mkdir(mode=0o700)
        (data / _MARK).write_text("made by postroom bundle read\n")
        words = [sys.executable, "-m", "postroom", "bundle", "replay-here", str(file.resolve())]
        try:
            done = subprocess.run(
                words, cwd=folder, env=_environment(data), capture_output=True, timeout=_SANDBOX_SECONDS, check=False
            )
        except subprocess.TimeoutExpired:
            return [], f"The sandbox needed more than {_SANDBOX_SECONDS} s."
    if done.returncode != DONE:
        return [], " ".join(done.stderr.decode("utf-8", "replace").split())[
            -500:
        ] or "The sandbox ended without a word."
    return json.loads(done.stdout), ""


def _environment(data: Path) -> dict[str, str]:
    """Nothing of the house around it, but what a process needs."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("POSTROOM_", "PG", "DJANGO_")) and not name.lower().endswith("_proxy")
    }
    paths = [str(Path(__file__).resolve().parents[2]), kept.get("PYTHONPATH", "")]
    return kept | {
        "POSTROOM_DATA_DIR": str(data),
        "POSTROOM_LOG_DAYS": "0",
        "PYTHONPATH": os.pathsep.join(one for one in paths if one),
        "PYTHONDONTWRITEBYTECODE": "1",
    }


# ---- for people


def _tell(told: Mapping[str, Any], members: Mapping[str, bytes]) -> None:
    about = told["about"]
    say(f"A bundle about {about.get('kind', '?')} {about.get('number') or ''}".rstrip() + f", made {told['made_at']} by Postroom {told['version']}.")  # fmt: skip
    say(f"Masked: {', '.join(told['masks'])}." if told["masks"] else "Nothing is masked in it.")
    say(f"Its {len(told['members'])} members are as they were when it was made.")
    for one in _dicts(told["answers"]):
        say(f"\n{one.get('question', '')}\n  {one.get('answer', '')}")
    say("\nWhat happened (UTC):")
    for one in _dicts(told["timeline"])[-200:]:
        say(f"  {str(one.get('at', ''))[:19].replace('T', ' ')}  {one.get('sentence', '')}{_more(one)}")
    findings = [one for one in _dicts(told["findings"]) if one.get("severity") in ("error", "warning")]
    say(f"\nThe doctor found there: {len(findings) or 'nothing'}.")
    for one in findings:
        say(f"  {one.get('severity')}  {one.get('subject')}: {one.get('cause')}")
    lines = members.get("log.jsonl", b"").count(b"\n")
    say(f"\nLines of logs in it: {lines}.")
    _tell_replay(told)


def _tell_replay(told: Mapping[str, Any]) -> None:
    if told["replay_trouble"]:
        remark(f"Its mails could not be decided again: {told['replay_trouble']}")
    for one in told["replay"]:
        say(
            f"\n{one['file']}, decided again: {'the same as was recorded' if one['same'] else 'NOT what was recorded'}."
        )
        say(f"  recorded  {one['recorded']['state']}  {_decided(one['recorded']['decisions'])}")
        say(f"  now       {one['now']['state']}  {_decided(one['now']['decisions'])}")
        for sentence in one["now"]["sentences"]:
            say(f"    because: {sentence}")


def _dicts(value: Any) -> list[dict[str, Any]]:
    return [one for one in value if isinstance(one, dict)] if isinstance(value, list) else []


def _more(line: Mapping[str, Any]) -> str:
    told = [str(line["evidence"])] if line.get("evidence") else []
    told += [str(one.get("sentence", "")) for one in _dicts(line.get("why"))[:3]]
    return f"  ({'; '.join(told)[:300]})" if told else ""


def _decided(decisions: Any) -> str:
    told = []
    for one in _dicts(decisions):
        facts = " ".join(f"{name}={one[name]}" for name in ("record_id", "kind", "alias_id", "answer") if name in one)
        told.append(f"{one.get('decision', '?')} {facts}".strip())
    return "; ".join(told) or "nothing"
