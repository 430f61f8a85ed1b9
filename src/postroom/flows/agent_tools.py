"""The one way to use the tools for agents, whose table is `core.diagnosis.tools_for_agents`.

Laws: an agent sees and uses only the tools of its key's scope; arguments are exactly those of the schema. A tool that reads runs on a
connection that cannot write; a tool that would change something makes a proposal that a person decides (`agent_proposals`), and nothing
else. Every text of the answer is fenced (`core.terms.fencing`), what goes wrong is told in words of ours. An answer is bounded.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from dataclasses import dataclass

from django.core.exceptions import ObjectDoesNotExist
from django.db import DataError, OperationalError

from postroom.core.diagnosis.tools_for_agents import LOOKING_SECONDS, READING, TOOLS, WHY, Field, Tool
from postroom.core.terms.fencing import MOST_OF_ALL, Ours, fenced
from postroom.flows import agent_reading as reading
from postroom.flows.access import NotAllowed
from postroom.flows.agent_proposals import ProposalFact, ProposalTrouble, list_proposals, propose
from postroom.flows.agent_reading import Answer, Arguments, NothingThere
from postroom.flows.api_keys import KeyHolder
from postroom.flows.ports import Ports
from postroom.store.models import Member
from postroom.store.read_only import nothing_is_written

logger = logging.getLogger(__name__)

STATEMENT_SECONDS = 10.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """What goes back to the agent: JSON. ``is_error``: it was refused or did not work."""

    text: str
    is_error: bool = False


class Refusal(Exception):  # noqa: N818 (an answer, not a fault)
    """It is not done; the text is ours."""


READS: Mapping[str, reading.Read] = {
    "doctor": reading.doctor,
    "symptoms": reading.symptoms,
    "story": reading.story,
    "explain": reading.explain,
    "explain_error": reading.explain_error,
    "dns": reading.dns,
    "queue_state": reading.queue_state,
    "settings": reading.settings,
}
_BY_NAME: Mapping[str, Tool] = {tool.name: tool for tool in TOOLS}


def tools_of(holder: KeyHolder | None) -> tuple[Tool, ...]:
    """What this key lists; the operator at the command line, who has none, reads."""
    scope = holder.scope if holder is not None else READING[1]
    return tuple(tool for tool in TOOLS if scope in tool.scopes)


def seconds_of(name: str) -> float:
    """How long the tool may take; any name."""
    return _BY_NAME[name].seconds if name in _BY_NAME else LOOKING_SECONDS


def use(ports: Ports, name: str, given: object, *, holder: KeyHolder | None) -> Told:
    """Use a tool as this key's member; None: as the operator. Never raises for what an agent asks."""
    nonce = ports.ids.hex(8)
    member = holder.member if holder is not None else None
    try:
        tool = next((one for one in tools_of(holder) if one.name == name), None)
        if tool is None:
            raise Refusal("There is no tool of that name for this key.")
        arguments = _checked(tool, given)
        return Told(text=_json(_used(ports, tool, arguments, member, holder), nonce))
    except (NotAllowed, NothingThere, ProposalTrouble, Refusal) as trouble:
        return _refused(str(trouble), nonce)
    except ObjectDoesNotExist:
        return _refused("There is nothing of that number that you may see.", nonce)
    except (ValueError, DataError):
        logger.warning("the tool %s for agents could do nothing with its arguments", name, exc_info=True)
        return _refused("An argument makes no sense here.", nonce)
    except OperationalError:
        return _refused("The database did not answer in time: ask for less, or later.", nonce)


def _used(ports: Ports, tool: Tool, given: Arguments, member: Member | None, holder: KeyHolder | None) -> Answer:
    if tool.action and holder is not None:
        target = next(value for name, value in given.items() if name != WHY)
        done = propose(ports, tool.action, _target(target), why=str(given["why"]), holder=holder)
        return {
            "proposal": _proposal(done),
            "note": Ours("Nothing was changed. A person decides on the page Approvals."),
        }
    with nothing_is_written(STATEMENT_SECONDS, asks_world=tool.asks_world):
        if tool.is_of_proposals:
            return {"proposals": [_proposal(one) for one in list_proposals(ports, member=member, own_alone=True)[:50]]}
        return READS[tool.name](ports, given, member)


def _target(value: object) -> int | str:
    return value if isinstance(value, int) else str(value)


def _proposal(one: ProposalFact) -> Answer:
    return {
        "proposal_id": one.id,
        "action": Ours(one.action),
        "subject": one.subject,
        "state": one.state,
        "expires_at": one.expires_at,
        "decided_at": one.decided_at,
        "outcome": one.outcome,
    }


def _refused(words: str, nonce: str) -> Told:
    return Told(text=_json({"error": Ours(words)}, nonce), is_error=True)


def _json(answer: Answer, nonce: str) -> str:
    """A little over the budget at most: what the marks and keys of short texts take."""
    text = json.dumps(fenced(answer, nonce), ensure_ascii=False, separators=(",", ":"))
    if len(text) > 3 * MOST_OF_ALL:
        return json.dumps({"error": "The answer is too long: ask for less."})
    return text


# ---- arguments


def _checked(tool: Tool, given: object) -> Arguments:
    """Exactly what the schema says. Raises `Refusal` in words of ours."""
    if not isinstance(given, Mapping):
        raise Refusal("Arguments are an object.")
    fields = {field.name: field for field in tool.fields}
    if not set(given) <= set(fields):
        raise Refusal(f"This tool takes only: {', '.join(fields) or 'nothing'}.")
    found = {name: value for name, value in given.items() if value is not None}
    for field in tool.fields:
        if field.is_needed and not found.get(field.name):
            raise Refusal(f"{field.name} is needed.")
        if field.name in found and not _fits(field, found[field.name]):
            raise Refusal(f"{field.name} is not what it should be: {field.help}")
    return found


def _fits(field: Field, value: object) -> bool:
    match field.kind:
        case "number":
            return isinstance(value, int) and not isinstance(value, bool) and 0 < value < 2**63
        case "flag":
            return isinstance(value, bool)
        case "words":
            return isinstance(value, list) and len(value) <= 20 and all(_is_text(one, field.most) for one in value)
        case _:
            return _is_text(value, field.most) and (not field.choices or value in field.choices)


def _is_text(value: object, most: int) -> bool:
    return isinstance(value, str) and len(value) <= most and "\0" not in value
