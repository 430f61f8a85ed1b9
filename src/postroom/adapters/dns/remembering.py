"""Answers of the domain name system for many who ask at once, remembered for as long as they are good.

Duty: `RememberingResolver.answer` asks, for one event loop. Who asks what is being asked already waits for that answer.
Laws: never raises; a question has its time, and whoever asks has his own end of patience. Trouble is remembered too, for a
while; where the servers say nothing at all, they are given little time until one answers again. Bounded memory.
Standards: RFC 1035, RFC 2308 (no such name, no such record).
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import dns.asyncresolver
import dns.exception
import dns.name
import dns.nameserver
import dns.rdatatype
import dns.resolver
from dns.rdtypes.ANY.CNAME import CNAME
from dns.rdtypes.ANY.MX import MX
from dns.rdtypes.ANY.PTR import PTR
from dns.rdtypes.ANY.TXT import TXT
from dns.rdtypes.IN.A import A
from dns.rdtypes.IN.AAAA import AAAA
from dns.rdtypes.IN.SRV import SRV

from postroom.core.senders.questions import TROUBLE, Answer, AnswerStatus, Question

QUESTION_TIME = 2.5  # seconds for one question, all tries together
SHORT_TIME = 0.25  # the same when the servers seem to be dead
DEAF_AFTER = 20  # questions in a row that nobody answered
MOST_ANSWERS = 20_000
MOST_SIGNS = 32_000_000  # of all answers together: a stranger's TXT records may have 64 kB each
MOST_RECORDS = 50
LONGEST_MEMORY, VOID_MEMORY, TROUBLE_MEMORY = 3600.0, 60.0, 20.0  # seconds

Monotonic = Callable[[], float]


@dataclass(frozen=True, slots=True)
class _Remembered:
    answer: Answer
    good_until: float


class RememberingResolver:
    """``servers`` with their ports; none: as the machine is set up. Used within one event loop."""

    def __init__(self, servers: Sequence[tuple[str, int]] = (), *, monotonic: Monotonic = time.monotonic) -> None:
        self._servers = tuple(servers)
        self._monotonic = monotonic
        self._answers: dict[Question, _Remembered] = {}
        self._signs = 0
        self._asking: dict[Question, asyncio.Task[Answer]] = {}
        self._unheard = 0
        self._resolver: dns.asyncresolver.Resolver | None = None

    async def answer(self, question: Question, *, deadline: float) -> Answer:
        """``deadline`` by the monotonic clock; when it has passed the answer is trouble."""
        now = self._monotonic()
        known = self._answers.get(question)
        if known is not None and known.good_until > now:
            return known.answer
        if deadline <= now:
            return TROUBLE
        task = self._asking.get(question)
        if task is None:
            task = asyncio.ensure_future(self._ask(question))
            self._asking[question] = task
            task.add_done_callback(lambda _: self._asking.pop(question, None))
        done, _ = await asyncio.wait([task], timeout=deadline - now)
        return task.result() if done else TROUBLE

    async def _ask(self, question: Question) -> Answer:
        answer, seconds = await self._asked(question)
        self._forget(question)  # so that it is the youngest
        self._answers[question] = _Remembered(answer, self._monotonic() + seconds)
        self._signs += _length(answer)
        while len(self._answers) > MOST_ANSWERS or self._signs > MOST_SIGNS:
            self._forget(next(iter(self._answers)))
        return answer

    def _forget(self, question: Question) -> None:
        if (known := self._answers.pop(question, None)) is not None:
            self._signs -= _length(known.answer)

    async def _asked(self, question: Question) -> tuple[Answer, float]:
        """The answer, and for how many seconds it is good."""
        patience = QUESTION_TIME if self._unheard < DEAF_AFTER else SHORT_TIME
        try:
            name = dns.name.from_text(question.name)
            found = await self._made().resolve(
                name, dns.rdatatype.from_text(question.type), search=False, lifetime=patience
            )
        except dns.resolver.NXDOMAIN:
            return self._heard(Answer(AnswerStatus.NO_NAME), VOID_MEMORY)
        except (dns.resolver.NoAnswer, dns.resolver.YXDOMAIN):
            return self._heard(Answer(AnswerStatus.EMPTY), VOID_MEMORY)
        except dns.resolver.NoNameservers:  # they did answer, and could not tell
            return self._heard(TROUBLE, TROUBLE_MEMORY)
        except (dns.name.LabelTooLong, dns.name.NameTooLong, dns.name.EmptyLabel, dns.name.BadEscape, UnicodeError):
            return Answer(AnswerStatus.NO_NAME), VOID_MEMORY
        except (dns.exception.DNSException, OSError, ValueError):
            self._unheard += 1
            return TROUBLE, TROUBLE_MEMORY
        ttl = float(found.rrset.ttl) if found.rrset is not None else VOID_MEMORY
        return self._heard(_read(found), min(max(ttl, 1.0), LONGEST_MEMORY))

    def _heard(self, answer: Answer, seconds: float) -> tuple[Answer, float]:
        self._unheard = 0
        return answer, seconds

    def _made(self) -> dns.asyncresolver.Resolver:
        """Raises what reading the machine's set-up raises, which counts as trouble."""
        if self._resolver is None:
            resolver = dns.asyncresolver.Resolver(configure=not self._servers)
            if self._servers:
                resolver.nameservers = [dns.nameserver.Do53Nameserver(host, port) for host, port in self._servers]
            resolver.timeout = QUESTION_TIME / 2
            self._resolver = resolver
        return self._resolver


def _length(answer: Answer) -> int:
    return sum(map(len, answer.records))


def _read(found: dns.resolver.Answer) -> Answer:
    records: list[str] = []
    by_preference = sorted(found, key=lambda one: one.preference if isinstance(one, MX) else 0)
    for one in by_preference[:MOST_RECORDS]:
        match one:
            case MX():
                records.append(_plain(one.exchange))
            case PTR() | CNAME():
                records.append(_plain(one.target))
            case TXT():
                records.append(b"".join(one.strings).decode("utf-8", "replace"))
            case SRV():
                records.append(f"{one.priority} {one.weight} {one.port} {_plain(one.target) or '.'}")
            case A() | AAAA():
                records.append(one.address)
            case _:  # an alias on the way to them
                pass
    return Answer(AnswerStatus.FOUND, tuple(records)) if records else Answer(AnswerStatus.EMPTY)


def _plain(name: dns.name.Name) -> str:
    return name.to_text(omit_final_dot=True).lower()
