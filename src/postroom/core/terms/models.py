"""What is said to a language model and what it answers, in the words of the chat completions that many endpoints speak."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolCall:
    """A tool that the model asks for. ``arguments``: JSON as it wrote it, which may be anything."""

    call_id: str
    name: str
    arguments: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelReply:
    """One turn of the model. ``tokens``: what the endpoint says that it cost, 0 where it does not tell."""

    text: str = ""
    calls: tuple[ToolCall, ...] = ()
    tokens: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelQuestion:
    """All that was said so far, and the tools, as JSON values. ``seconds`` it may take, ``most_tokens`` it may answer with."""

    messages: Sequence[Mapping[str, object]]
    tools: Sequence[Mapping[str, object]] = field(default=())
    seconds: float = 30.0
    most_tokens: int = 1_500
