"""Mails on files and pipes: take one in, explain where it would go, read what it says."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from dataclasses import asdict, fields
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from postroom.cli.entering import entered
from postroom.cli.telling import ASKED_WRONGLY, DONE, FAILED, AsJson, give_up, remark, say, say_json, say_line

if TYPE_CHECKING:
    from postroom.core.mime.parsed import Attachment
    from postroom.core.terms.addresses import Address
    from postroom.core.terms.envelopes import Envelope
    from postroom.flows.explain_routing import Explanation
    from postroom.flows.ports import Ports

app = typer.Typer()

# sysexits.h, as mail servers read them
USAGE, DATA_ERROR, NO_SUCH_USER, TRY_LATER = 64, 65, 67, 75

Files = Annotated[list[str], typer.Argument(metavar="FILE...", help="Mails as files; - is standard input.")]
Lines = Annotated[bool, typer.Option("--jsonl", help="One JSON document per mail and line, for programs.")]
AsList = Annotated[
    bool, typer.Option("--json", help="One JSON document: a list with an object per mail, for programs.")
]


# ---- receive


@app.command(rich_help_panel="Mail")
def receive(
    rcpt: Annotated[
        list[str] | None, typer.Option("--rcpt", help="A recipient of the envelope; may be repeated.")
    ] = None,
    mail_from: Annotated[
        str | None, typer.Option("--mail-from", help="The sender of the envelope; <> for none.")
    ] = None,
) -> int:
    """Take in a mail from standard input: the pipe for an MTA.

    Example for Postfix's master.cf: postroom receive --mail-from ${sender} --rcpt ${recipient}

    Ends with 0 when the mail is durable, 67 when every recipient is unknown, 75 when it is our fault (try again later),
    64 when it was called wrongly, 65 when there is no mail or it is too large.
    """
    raw = sys.stdin.buffer.read()
    if not raw.strip():
        give_up("There is no mail on standard input.", code=DATA_ERROR)
    with _ours_to_blame(), entered() as ports:
        from postroom.core.terms.states import Door
        from postroom.flows.accept_message import Arrival, accept_message
        from postroom.flows.check_recipient import check_recipients

        limit = ports.configuration.max_message_size
        if len(raw) > limit:
            remark(f"The mail has {len(raw)} bytes; {limit} are accepted (POSTROOM_MAX_MESSAGE_SIZE).")
            return DATA_ERROR
        if rcpt:
            verdicts = check_recipients(ports, rcpt)
            if not any(verdict.accepted for verdict in verdicts.values()):
                for address, verdict in verdicts.items():
                    remark(f"{address}: {' '.join(map(str, verdict.reasons))}")
                return NO_SUCH_USER
        envelope = _envelope(raw, rcpt or [], mail_from)
        accept_message(ports, Arrival(door=Door.PIPE, raw=raw, envelope=envelope, peer="pipe"))
    return DONE


class _ours_to_blame:  # noqa: N801 - a context manager
    """Whatever goes wrong inside is ours: the MTA keeps the mail and tries again (exit 75)."""

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> None:
        from postroom.cli.telling import Trouble

        if isinstance(error, Trouble):
            error.code = TRY_LATER


def _envelope(raw: bytes, rcpt: list[str], mail_from: str | None) -> Envelope | None:
    """What the MTA said; the sender that it did not name is the Return-Path, or the author."""
    from postroom.core.mime.parsing import parse_headers
    from postroom.core.terms.envelopes import Envelope

    if not rcpt:
        return None
    if mail_from is None:
        head = parse_headers(raw)
        author = head.author.normal if head.author else ""
        mail_from = author if head.return_path is None else head.return_path
    return Envelope(mail_from=mail_from.strip().strip("<>"), rcpt_to=tuple(rcpt))


# ---- explain


@app.command(rich_help_panel="Mail")
def explain(
    file: Annotated[str, typer.Argument(metavar="[FILE]", help="A mail as a file; - is standard input.")] = "",
    rcpt: Annotated[
        list[str] | None, typer.Option("--rcpt", help="A recipient of the envelope; may be repeated.")
    ] = None,
    mail_from: Annotated[
        str | None, typer.Option("--mail-from", help="The sender of the envelope; <> for none.")
    ] = None,
    door: Annotated[str, typer.Option("--door", help="smtp, lmtp, imap, pop3, pipe or http.")] = "",
    peer: Annotated[str, typer.Option("--peer", help="Address of the server that hands it in at the SMTP door.")] = "",
    helo: Annotated[str, typer.Option("--helo", help="The name that this server gives itself.")] = "",
    inbound: Annotated[
        int | None, typer.Option("--inbound", metavar="ID", help="A mail that came in, as if it came now.")
    ] = None,
    aloud: Annotated[
        bool, typer.Option("--aloud", help="Every rule that was asked, and what recipients mean.")
    ] = False,
    as_json: AsJson = False,
    jsonl: Annotated[bool, typer.Option("--jsonl", help="The same document on one line.")] = False,
) -> None:
    """Say where a mail would go, who wrote it as far as that is known, and why. Nothing is written.

    Examples: postroom explain mail.eml; postroom explain --door smtp --rcpt support@example.com - < mail.eml; postroom explain --inbound 12 --aloud
    """
    if bool(file) == (inbound is not None):
        raise typer.BadParameter("name a file, or a mail that came in with --inbound.")
    _require_addresses(peer, rcpt or [])
    raw = _read(file) if file else b""
    where = _door(door, has_recipients=bool(rcpt)) if file else ""
    with entered() as ports:
        from postroom.core.terms.states import Door
        from postroom.flows.explain_routing import explain as explained

        if inbound is not None:
            found = _explained_inbound(ports, inbound)
        else:
            handed_in_by = f"{peer} ({helo})" if peer else ""
            envelope = _envelope(raw, rcpt or [], mail_from)
            found = explained(ports, raw, envelope, Door(where), peer=handed_in_by)
        decisions = [_decision(one) for one in found.verdict.decisions]
    if as_json or jsonl:
        told = {"inbound": inbound, "was": found.before_state} if inbound is not None else {"file": file, "door": where}
        sender = {**found.sender_as_json(), "sentences": [str(one) for one in found.authenticity.reasons]}
        more = found.aloud_as_json() if aloud else {}
        tell = say_line if jsonl else say_json
        tell({**told, **more, "state": found.state, "decisions": decisions, "authentication": sender})
        return
    if inbound is not None:
        say(f"It is {found.before_state}.")
        for sentence in found.before:
            say(f"  because: {sentence}")
    say(f"It would be {found.state}.")
    say(f"Its author is {_PROOFS[found.authenticity.proof]}.")
    for reason in found.authenticity.reasons:
        say(f"  because: {reason}")
    for line in found.authenticity.lines:
        say(f"  found: {line}")
    for decision in decisions:
        say(_in_words(decision))
        for reason in decision["reasons"]:
            say(f"  because: {reason['sentence']}")
    if aloud:
        _say_rules(found)


def _explained_inbound(ports: Ports, inbound_id: int) -> Explanation:
    from postroom.flows.explain_routing import explain_inbound
    from postroom.store.models import InboundMessage, RawMail

    try:
        return explain_inbound(ports, inbound_id, member=None)
    except InboundMessage.DoesNotExist:
        give_up(f"No mail {inbound_id} came in; see: postroom inbound list --state ''")
    except (RawMail.DoesNotExist, KeyError):
        give_up(f"The bytes of mail {inbound_id} were cleaned up; what was decided about it is on its page.")


def _say_rules(found: Explanation) -> None:
    say("Its recipients:")
    for one in found.recipients:
        say(f"  {one.address}: {' '.join(map(str, one.reasons))}")
    say("The rules, in order:")
    for step in found.steps:
        say(f"  {'->' if step.decisions is not None else ' -'} {step.sentence}")


_PROOFS = {
    "proven": "proven",
    "unproven": "not proven",
    "spoofed": "forged",
    "not_applicable": "not checked",
}


def _require_addresses(peer: str, rcpt: list[str]) -> None:
    from ipaddress import ip_address

    from postroom.core.terms.addresses import normalize

    try:
        _ = ip_address(peer) if peer else None
    except ValueError:
        raise typer.BadParameter(f"--peer {peer!r} is no IP address, such as 192.0.2.7.") from None
    for one in rcpt:
        if not normalize(one):
            raise typer.BadParameter(f"--rcpt {one!r} is no mail address.")


def _door(door: str, *, has_recipients: bool) -> str:
    from postroom.core.terms.states import Door

    where = door.lower() or ("smtp" if has_recipients else "imap")
    if where not in {one.value for one in Door}:
        raise typer.BadParameter(f"there is no door {door!r}; there are: {', '.join(Door)}.")
    if Door(where).recipient_decides and not has_recipients:
        raise typer.BadParameter(f"at the door {where} the envelope decides: name the recipients with --rcpt.")
    return where


def _decision(decision: Any) -> dict[str, Any]:
    facts = {one.name: getattr(decision, one.name) for one in fields(decision) if one.name not in ("reasons", "report")}
    reasons = [{"code": one.code, "sentence": str(one), "facts": dict(one.facts)} for one in decision.reasons]
    return {"decision": type(decision).__name__, **facts, "reasons": reasons}


_SENTENCES = {
    "AppendToRecord": "It becomes a message on record {record_id}.",
    "CreateRecord": "It becomes a new record of the kind {kind}.",
    "RecordReport": "It is noted as a report on deliveries: {delivery_ids}.",
    "Refuse": "It is refused ({answer}).",
    "Discard": "It does nothing, and is kept for the log.",
    "Hold": "It is held for a person to decide.",
}


def _in_words(decision: dict[str, Any]) -> str:
    shown = dict(decision)
    if "delivery_ids" in shown:
        shown["delivery_ids"] = ", ".join(map(str, shown["delivery_ids"])) or "none of ours"
        if shown["claimed_ids"]:
            return f"It claims to speak of deliveries {', '.join(map(str, shown['claimed_ids']))}, and changes nothing."
    more = [
        word
        for is_so, word in (
            (decision.get("as_note"), "as a note"),
            (decision.get("notify") is False, "and nobody is notified"),
            (decision.get("unverified"), "and is shown as unverified"),
        )
        if is_so
    ]
    sentence = _SENTENCES[decision["decision"]].format_map(shown)
    return f"{sentence[:-1]}, {' '.join(more)}." if more else sentence


# ---- parse, read-report, split-reply: no database, no configuration


@app.command(rich_help_panel="Mail")
def parse(files: Files, jsonl: Lines = False, as_json: AsList = False) -> int:
    """Say what mails say: headers, bodies, attachments, defects. Needs no database.

    Example: postroom parse --jsonl *.eml | jq .subject
    """
    return _each(files, _parsed, _describe, jsonl=jsonl, as_json=as_json)


@app.command("read-report", rich_help_panel="Mail")
def read_report(files: Files, jsonl: Lines = False, as_json: AsList = False) -> int:
    """Say what delivery reports, complaints, receipts and automatic replies report. Needs no database.

    Example: postroom read-report bounce.eml
    """
    return _each(files, _reported, _describe, jsonl=jsonl, as_json=as_json)


@app.command("split-reply", rich_help_panel="Mail")
def split_reply(files: Files, jsonl: Lines = False, as_json: AsList = False) -> int:
    """Show the new words of replies, without quotation and signature. A .txt file is a body itself. Needs no database.

    Example: postroom split-reply reply.eml
    """
    return _each(files, _split, lambda found: say(found["reply_text"]), jsonl=jsonl, as_json=as_json)


def _each(
    files: list[str],
    look: Callable[[str, bytes], dict[str, Any]],
    show: Callable[[Any], None],
    *,
    jsonl: bool,
    as_json: bool,
) -> int:
    """A file that cannot be read does not spoil the others."""
    if jsonl and as_json:
        give_up("Say --json (one document) or --jsonl (a line per mail), not both.", code=ASKED_WRONGLY)
    code = DONE
    together: list[dict[str, Any]] = []
    tell = together.append if as_json else say_line if jsonl else show
    for file, raw in _readable(files):
        if raw is None:
            code = FAILED
        else:
            tell(look(file, raw))
    if as_json:
        say_json(together)
    return code


def _readable(files: list[str]) -> Iterator[tuple[str, bytes | None]]:
    for file in files:
        try:
            yield file, _bytes_of(file)
        except OSError as error:
            remark(f"{file}: {error.strerror}")
            yield file, None


def _read(file: str) -> bytes:
    try:
        return _bytes_of(file)
    except OSError as error:
        give_up(f"{file}: {error.strerror}")


def _bytes_of(file: str) -> bytes:
    return sys.stdin.buffer.read() if file == "-" else Path(file).read_bytes()


def _parsed(file: str, raw: bytes) -> dict[str, Any]:
    from postroom.core.mime.parsing import parse as parse_mail

    mail = parse_mail(raw)
    return {
        "file": file,
        "subject": mail.subject,
        "from": [_address(one) for one in mail.header_from],
        "to": [_address(one) for one in mail.to],
        "cc": [_address(one) for one in mail.cc],
        "message_id": mail.message_id,
        "in_reply_to": list(mail.in_reply_to),
        "references": list(mail.references),
        "date": mail.date.isoformat() if mail.date else None,
        "text": mail.text,
        "html": mail.html,
        "reply_text": mail.reply_text,
        "attachments": [_attachment(one) for one in mail.attachments],
        "defects": list(mail.defects),
    }


def _address(address: Address) -> dict[str, str]:
    return {"name": address.name, "address": address.spec}


def _attachment(attachment: Attachment) -> dict[str, Any]:
    return {
        "name": attachment.name,
        "type": attachment.content_type,
        "size": attachment.size,
        "sha256": attachment.sha256,
    }


def _reported(file: str, raw: bytes) -> dict[str, Any]:
    from postroom.flows.read_report import read_mail_as_report

    return {"file": file, **asdict(read_mail_as_report(raw))}


def _split(file: str, raw: bytes) -> dict[str, Any]:
    from postroom.core.mime.parsing import parse as parse_mail
    from postroom.core.mime.quotes import separate_reply
    from postroom.core.mime.words import decode_text

    if file.lower().endswith(".txt"):
        return {"file": file, "reply_text": separate_reply(decode_text(raw)[0].replace("\r\n", "\n")).reply}
    return {"file": file, "reply_text": parse_mail(raw).reply_text}


def _describe(found: dict[str, Any]) -> None:
    """For people: a line for each thing that is there."""
    for name, value in found.items():
        if value in ("", [], (), None):
            continue
        if isinstance(value, str):
            text = value if "\n" not in value else "\n    " + value.strip().replace("\n", "\n    ")
            say(f"{name + ':':<14}{text}")
        elif isinstance(value, list | tuple):
            for one in value:
                text = one if isinstance(one, str) else "  ".join(str(part) for part in one.values() if part != "")
                say(f"{name + ':':<14}{text}")
    say("")
