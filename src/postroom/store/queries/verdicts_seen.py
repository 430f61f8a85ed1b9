"""What a reader may see of a mail's verdict: a mail can go to several companies, and each is told of its own part alone.

Duty: `hidden_from` looks up which aliases, records, messages and deliveries that are named in verdicts and recipients belong to companies
that the reader does not see; the `Hidden` then cuts. Laws: what concerns another company leaves one plain sentence, without number,
title, address or policy; who sees the whole house (``cut`` None) sees all, and costs no query. Others cost one at most, whatever the number of mails.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from django.db import connection

from postroom.core.terms.addresses import normalize
from postroom.core.terms.reasons import Reason, because, catalogue

catalogue({"inbound.elsewhere": "It also went to an address of another company."})
ELSEWHERE = because("inbound.elsewhere")
_ADDRESS = re.compile(r"[^\s,;<>@]+@[^\s,;<>@]+")
_NUMBERS = re.compile(r"\d{1,18}")
_FIELDS = {  # of decisions and of reasons' facts, by what they are numbers of
    "record_id": "records",
    "record": "records",
    "parent_message_id": "messages",
    "message": "messages",
    "delivery": "deliveries",
    "deliveries": "deliveries",
    "alias_id": "aliases",
}
_SEEN = {
    what: f"SELECT '{what}', id, '' FROM {table} WHERE id = ANY(%({what})s::bigint[]) AND company_id = ANY(%(cut)s::bigint[])"  # noqa: S608 (our own names)
    for what, table in (
        ("records", "postroom_record"),
        ("messages", "postroom_message"),
        ("deliveries", "postroom_delivery"),
        ("aliases", "postroom_alias"),
    )
}
_ADDRESSES = """
SELECT 'address', alias.id, alias.name || '@' || domain.name
  FROM postroom_alias alias JOIN postroom_aliasdomain domain ON domain.id = alias.domain_id
 WHERE (alias.id = ANY(%(aliases)s::bigint[]) OR alias.name = ANY(%(names)s::text[]))
   AND alias.company_id <> ALL(%(cut)s::bigint[])
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Hidden:
    """What belongs to companies that the reader does not see. Nothing, for who sees all."""

    companies_seen: frozenset[int] | None = None  # None: all
    addresses: frozenset[str] = frozenset()
    numbers: Mapping[str, frozenset[int]] = field(default_factory=dict)

    def verdict(self, rows: object) -> list[dict[str, Any]]:
        """A stored verdict, as the reader may see it: each decision on another company's part is the sentence alone, once."""
        decisions = [row for row in rows if isinstance(row, dict)] if isinstance(rows, list) else []
        if self.companies_seen is None:
            return decisions
        kept = [self._seen(row) for row in decisions if not self.is_elsewhere(row)]
        if len(kept) < len(decisions):
            kept.append({"decision": "Elsewhere", "reasons": [ELSEWHERE.as_json()]})
        return kept

    def sees(self, company_id: int | None) -> bool:
        return self.companies_seen is None or company_id in self.companies_seen

    def recipients(self, addresses: Iterable[str]) -> tuple[str, ...]:
        return tuple(one for one in addresses if not self.hides_address(one))

    def hides_address(self, address: str) -> bool:
        return bool(self.addresses) and _plain(address) in self.addresses

    def hides(self, reason: Reason) -> bool:
        return any(self._hides_fact(name, str(value)) for name, value in reason.facts.items())

    def is_elsewhere(self, row: Mapping[str, Any]) -> bool:
        """By what it points at; where it points at nothing, by what its reasons speak of."""
        company_id = row.get("company_id")
        if company_id is not None:
            return company_id not in (self.companies_seen or ())
        points = [name for name in ("record_id", "alias_id") if row.get(name) is not None]
        if points:
            return any(self._hides_fact(name, str(row[name])) for name in points)
        return any(self._speaks_of_hidden(one) for one in _reasons(row)) or self.hides_address(
            str(row.get("recipient") or "")
        )

    def _seen(self, row: dict[str, Any]) -> dict[str, Any]:
        """A decision on the reader's own company, without what its reasons tell of others."""
        reasons = [one for one in _reasons(row) if not self._speaks_of_hidden(one)]
        if len(reasons) < len(_reasons(row)):
            reasons.append(ELSEWHERE.as_json())
        seen = {**row, "reasons": reasons}
        if self._hides_fact("message", str(row.get("parent_message_id") or "")):
            seen.pop("parent_message_id")
        return seen

    def _speaks_of_hidden(self, reason: Mapping[str, Any]) -> bool:
        facts = reason.get("facts")
        rows = facts.items() if isinstance(facts, Mapping) else ()
        return any(self._hides_fact(str(name), str(value)) for name, value in rows)

    def _hides_fact(self, name: str, value: str) -> bool:
        what = _FIELDS.get(name)
        if what is not None:
            return any(int(number) in self.numbers.get(what, ()) for number in _NUMBERS.findall(value))
        return any(_plain(one) in self.addresses for one in _ADDRESS.findall(value))


def own_part(rows: object, record_id: int | None, company_id: int) -> list[dict[str, Any]]:
    """Of a stored verdict what concerns one message that it made: for the readers of its record, whoever they are. No query."""
    decisions = [row for row in rows if isinstance(row, dict)] if isinstance(rows, list) else []
    if len(decisions) < 2:
        return decisions
    kept = [row for row in decisions if record_id is not None and row.get("record_id") == record_id]
    kept += [row for row in decisions if row.get("decision") == "CreateRecord" and row.get("company_id") == company_id]
    return kept


def hidden_from(cut: Collection[int] | None, verdicts: Sequence[object], recipients: Iterable[str] = ()) -> Hidden:
    """What is to be cut of these for who sees the companies ``cut`` (None: all of them)."""
    if cut is None:
        return Hidden()
    named: dict[str, set[int]] = {what: set() for what in _FIELDS.values()}
    addresses = {_plain(one) for one in recipients}
    for row in (row for rows in verdicts if isinstance(rows, list) for row in rows if isinstance(row, dict)):
        facts = [one.get("facts") for one in _reasons(row)]
        for source in (row, *(one for one in facts if isinstance(one, Mapping))):
            for name, value in source.items():
                if name in _FIELDS:
                    named[_FIELDS[name]].update(int(number) for number in _NUMBERS.findall(str(value)))
                elif isinstance(value, str):
                    addresses.update(_plain(one) for one in _ADDRESS.findall(value))
    found = _looked_up(named, {name for one in addresses if (name := one.rpartition("@")[0])}, cut)
    return Hidden(
        companies_seen=frozenset(cut),
        addresses=frozenset(address.lower() for what, _, address in found if what == "address"),
        numbers={what: frozenset(numbers).difference(_numbers(found, what)) for what, numbers in named.items()},
    )


def _looked_up(
    named: Mapping[str, Collection[int]], names: Collection[str], cut: Collection[int]
) -> list[tuple[str, int, str]]:
    """Of each kind the rows of the reader's companies, whose numbers he sees: the rest are of others, or gone, and nobody can say whose
    they were. And the addresses of others. Kinds of which nothing is named are not asked for."""
    pieces = [_SEEN[what] for what, numbers in named.items() if numbers]
    if named["aliases"] or names:
        pieces.append(_ADDRESSES)
    if not pieces:
        return []
    values: dict[str, Any] = {what: list(numbers) for what, numbers in named.items()}
    with connection.cursor() as cursor:
        cursor.execute(" UNION ALL ".join(pieces), {**values, "names": list(names), "cut": list(cut)})
        return [(str(what), int(number), str(address)) for what, number, address in cursor.fetchall()]


def _numbers(found: Iterable[tuple[str, int, str]], wanted: str) -> set[int]:
    return {number for what, number, _ in found if what == wanted}


def _plain(address: str) -> str:
    """Without its sub-address: ``sales+17@…`` is an alias's too."""
    local, _, domain = (normalize(address) or address.lower()).rpartition("@")
    return f"{local.partition('+')[0]}@{domain}"


def _reasons(row: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    rows = row.get("reasons")
    return [one for one in rows if isinstance(one, Mapping)] if isinstance(rows, list) else []
