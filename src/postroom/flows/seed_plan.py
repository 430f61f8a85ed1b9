"""The plan of a made-up house: which record is whose, how long each conversation is, and in which order its messages were written.

Laws: the plan follows from the wish alone (and the moment it was made at), so that an interrupted seeding goes on where it stopped.
Messages are numbered in the order of time, all conversations among each other, as in a real house: what lies together on a page
lies apart on the disk. Sizes are skewed: a few giants, many with two or three messages.
"""

from __future__ import annotations

from array import array
from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from itertools import accumulate
from random import Random

BATCH = 5_000  # messages that are written in one transaction
YEARS = timedelta(days=3 * 365)
GIANTS = ((3, 5_000), (10, 1_000), (50, 100))  # so many records with so many messages, where there are enough
HOT_CONTACT_SHARE = 0.1  # of all records belong to one contact


@dataclass(frozen=True, slots=True, kw_only=True)
class SeedWish:
    """How large the house shall be."""

    messages: int
    records: int
    deliveries: int
    companies: int = 5
    seed: int = 1

    def as_json(self) -> dict[str, int]:
        return asdict(self)


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """Per record: company, contact (of its company), first and last message; per message: record, time, and the one before it.

    Times are milliseconds after ``start``; places of messages count from 0 in the order of time, -1 is none.
    """

    wish: SeedWish
    start: datetime
    company_of: array[int]
    contact_of: array[int]
    contacts: Sequence[int]  # of each company
    first_of: array[int]
    last_of: array[int]
    record_of: array[int]
    at: array[int]
    before: array[int]

    def when(self, place: int) -> datetime:
        """When a message was written."""
        return self.start + timedelta(milliseconds=self.at[place])

    @property
    def batches(self) -> int:
        return -(-self.wish.messages // BATCH)

    def places(self, batch: int) -> range:
        """The messages of a batch."""
        return range(batch * BATCH, min(self.wish.messages, (batch + 1) * BATCH))

    def deliveries_in(self, batch: int) -> int:
        """How many belong to the messages of a batch; over all batches they are as many as were wished for."""
        places = self.places(batch)
        total, every = self.wish.deliveries, self.wish.messages
        return total * places.stop // every - total * places.start // every


def make_plan(wish: SeedWish, now: datetime) -> Plan:
    """A few numbers for each record and message: some 40 bytes and a second for each ten thousand."""
    dice = Random(f"{wish.seed} plan")  # noqa: S311 (nothing secret is made of it)
    shares = [1 / (number + 1) ** 1.5 for number in range(wish.companies)]
    company_of = array("i", dice.choices(range(wish.companies), weights=shares, k=wish.records))
    contacts = [max(40, int(wish.records * 0.4 * share / sum(shares))) for share in shares]
    contact_of = _contacts(dice, wish, company_of, contacts)
    sizes = _sizes(dice, wish)
    span = YEARS // timedelta(milliseconds=1)
    record_of, at = _times(dice, sizes, span)
    before, first, last = _threads(record_of, wish.records)
    return Plan(
        wish=wish,
        start=now - YEARS,
        company_of=company_of,
        contact_of=contact_of,
        contacts=contacts,
        first_of=first,
        last_of=last,
        record_of=record_of,
        at=at,
        before=before,
    )


def _contacts(dice: Random, wish: SeedWish, company_of: array[int], contacts: Sequence[int]) -> array[int]:
    """The first contact of each company is its great customer; the others come the more often the lower their number."""
    largest = sum(1 for company in company_of if company == 0) or 1
    hot = [min(0.5, HOT_CONTACT_SHARE * wish.records / largest)] + [0.05] * (wish.companies - 1)
    found = array("i", bytes(4 * wish.records))
    for number, company in enumerate(company_of):
        is_hot = dice.random() < hot[company]
        found[number] = 0 if is_hot else int(contacts[company] * dice.random() ** 2)
    return found


def _sizes(dice: Random, wish: SeedWish) -> array[int]:
    """Messages of each record: one at least, as far as there are enough."""
    sizes = array("i", [1 if number < wish.messages else 0 for number in range(wish.records)])
    left = wish.messages - sum(sizes)
    place = 0
    for count, size in GIANTS:
        for _ in range(count):
            more = min(size, max(2, wish.messages // 25)) - 1
            if left >= more and place < wish.records:
                sizes[_giant(place, wish.records)] += more
                left -= more
                place += 1
    ordinary = [number for number in range(wish.records) if sizes[number] <= 1] or [0]
    weights = list(accumulate(dice.paretovariate(1.6) for _ in ordinary))
    for _ in range(left):
        sizes[ordinary[min(len(ordinary) - 1, bisect_left(weights, dice.random() * weights[-1]))]] += 1
    return sizes


def _giant(number: int, records: int) -> int:
    """Long conversations began early, and lie apart."""
    return (number * 37 + 11) % max(1, records // 2)


def _times(dice: Random, sizes: array[int], span: int) -> tuple[array[int], array[int]]:
    """Record and time of each message, in the order of time. Records grow in number, and later ones have higher numbers."""
    began = sorted(int(span * dice.random() ** 0.6) for _ in sizes)
    records = len(sizes)
    keys = []
    for record, size in enumerate(sizes):
        if not size:
            continue
        start = min(began[record], span - 1)
        length = span - start
        if size < 60:
            length = min(length, int(dice.expovariate(1 / (size * 2 * 86_400_000))))
        keys.append(start * records + record)
        keys.extend((start + 1 + int(dice.random() * length)) * records + record for _ in range(size - 1))
    keys.sort()
    return array("i", [key % records for key in keys]), array("q", [key // records for key in keys])


def _threads(record_of: array[int], records: int) -> tuple[array[int], array[int], array[int]]:
    first, last = array("i", [-1]) * records, array("i", [-1]) * records
    before = array("i", [-1]) * len(record_of)
    for place, record in enumerate(record_of):
        before[place] = last[record]
        if first[record] < 0:
            first[record] = place
        last[record] = place
    return before, first, last
