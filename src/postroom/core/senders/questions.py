"""Questions to the domain name system and their answers, so that the standards can be followed without a network.

Duty: an evaluation is a generator. It yields a `Question` and is sent the `Answer`; whoever drives it owns sockets, time and memory.
Laws: pure. An answer always comes: where nobody could tell, it says so (`AnswerStatus.TROUBLE`).
"""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass
from enum import StrEnum
from typing import TypeVar

T = TypeVar("T")


class RecordType(StrEnum):
    """What is asked for (RFC 1035 3.2.2, RFC 3596)."""

    A = "A"
    AAAA = "AAAA"
    MX = "MX"
    TXT = "TXT"
    PTR = "PTR"
    CNAME = "CNAME"
    SRV = "SRV"  # RFC 2782


class AnswerStatus(StrEnum):
    """What came back."""

    FOUND = "found"
    EMPTY = "empty"  # the name is there, without such records
    NO_NAME = "no_name"  # there is no such name
    TROUBLE = "trouble"  # nobody could tell: no answer in time, SERVFAIL, nonsense


@dataclass(frozen=True, slots=True)
class Question:
    """``name`` in lower case without the last dot."""

    name: str
    type: RecordType


@dataclass(frozen=True, slots=True)
class Answer:
    """Records as texts: addresses, host names in lower case without the last dot (MX: the preferred first), the joined
    strings of a TXT record, or ``priority weight port target`` of an SRV record."""

    status: AnswerStatus
    records: tuple[str, ...] = ()

    @property
    def is_void(self) -> bool:
        """RFC 7208 4.6.4: an answer without records."""
        return self.status in (AnswerStatus.EMPTY, AnswerStatus.NO_NAME)

    @property
    def is_trouble(self) -> bool:
        return self.status is AnswerStatus.TROUBLE


TROUBLE = Answer(AnswerStatus.TROUBLE)

Asking = Generator[Question, Answer, T]
