"""A conversation with a language model that may look, and nothing else: question, tools, answers, words.

Laws: the model is offered the tools of a key that only looks, and `agent_tools.use` refuses every other, whatever it asks for; answers of
tools are fenced there. Turns, seconds and tokens are bounded for the whole conversation, and so is what is sent. Everything that goes
wrong is `ModelFailed` with words of ours; nothing of it is retried.
"""

from __future__ import annotations

import json
import time
from collections.abc import Mapping

from postroom.core.diagnosis.tools_for_agents import Tool
from postroom.core.terms.fencing import MEANING
from postroom.core.terms.models import ModelQuestion, ModelReply, ToolCall
from postroom.flows.agent_tools import Told, tools_of, use
from postroom.flows.api_keys import KeyHolder
from postroom.flows.ports import Ports
from postroom.store.models import Member

MOST_TURNS = 8
MOST_CALLS = 16
MOST_SENT = 200_000  # characters
LEAST_SECONDS = 0.5
CHARACTERS_OF_A_TOKEN = 4  # where an endpoint does not count

_TASK = (
    "You are the doctor of Postroom, an e-mail conversation system. Answer the question of the person who runs it, from what the tools tell: the "
    "cause first, the evidence with numbers and verbatim replies, what to do and who must do it, in plain words and in the language of the "
    "question. Say what you could not find out. You can look, and change nothing. " + MEANING
)


class ModelFailed(Exception):  # noqa: N818 (told to a person, who gets another answer)
    """No answer came; the text says why."""


def ask_model(ports: Ports, question: str, *, member: Member | None) -> tuple[str, tuple[str, ...]]:
    """Its words, and the names of the tools that it used, in order. Raises `ModelFailed`."""
    talk = _Talk(ports, question, member)
    for _ in range(MOST_TURNS):
        reply = talk.turn()
        if not reply.calls:
            if not reply.text.strip():
                raise ModelFailed("it said nothing")
            return reply.text.strip(), tuple(talk.used)
        talk.do(reply)
    raise ModelFailed("it came to no end")


class _Talk:
    """One conversation, with what is left of its budget."""

    def __init__(self, ports: Ports, question: str, member: Member | None) -> None:
        self._ports = ports
        self._holder = KeyHolder(key_id=0, name="", scope="agent", member=member) if member is not None else None
        self._until = time.monotonic() + ports.configuration.model_seconds
        self._tokens = ports.configuration.model_tokens
        self._tools = [_as_function(tool) for tool in tools_of(self._holder)]
        self._messages: list[Mapping[str, object]] = [
            {"role": "system", "content": _TASK},
            {"role": "user", "content": question},
        ]
        self.used: list[str] = []

    def turn(self) -> ModelReply:
        left = self._until - time.monotonic()
        if left < LEAST_SECONDS:
            raise ModelFailed("it takes too long")
        sent = sum(len(json.dumps(message)) for message in self._messages)
        if self._tokens <= 0 or sent > MOST_SENT:
            raise ModelFailed("it uses too many tokens")
        question = ModelQuestion(messages=list(self._messages), tools=self._tools, seconds=left)
        try:
            reply = self._ports.ask_model(question)
        except (OSError, ValueError) as trouble:
            raise ModelFailed(str(trouble)) from trouble
        self._tokens -= reply.tokens or (sent + len(reply.text)) // CHARACTERS_OF_A_TOKEN
        return reply

    def do(self, reply: ModelReply) -> None:
        """What it asks for, each answered; those that are too many, too."""
        self._messages.append(
            {"role": "assistant", "content": reply.text, "tool_calls": [_as_json(call) for call in reply.calls]}
        )
        for call in reply.calls:
            if time.monotonic() >= self._until:
                raise ModelFailed("it takes too long")
            told = self._use(call)
            self._messages.append({"role": "tool", "tool_call_id": call.call_id, "content": told.text})

    def _use(self, call: ToolCall) -> Told:
        if len(self.used) >= MOST_CALLS:
            return Told(text='{"error": "No more calls: answer from what you have."}', is_error=True)
        self.used.append(call.name)
        try:
            given = json.loads(call.arguments)
        except (ValueError, RecursionError):
            return Told(text='{"error": "Arguments are a JSON object."}', is_error=True)
        return use(self._ports, call.name, given, holder=self._holder)


def _as_function(tool: Tool) -> Mapping[str, object]:
    return {
        "type": "function",
        "function": {"name": tool.name, "description": tool.about, "parameters": tool.schema()},
    }


def _as_json(call: ToolCall) -> Mapping[str, object]:
    return {
        "id": call.call_id,
        "type": "function",
        "function": {"name": call.name, "arguments": call.arguments},
    }
