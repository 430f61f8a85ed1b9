"""Who writes: the contacts that bear an address, colleagues first, then the oldest (I-60), and to which companies they are known.
Whose account is switched off is no colleague any more: his mail is that of anybody outside.

Two queries for any number of addresses; the second only where colleagues are among them.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace

from postroom.core.routing.verdicts import AuthorFact
from postroom.store.models import Member
from postroom.store.statements import ask

_AUTHORS = """
SELECT contact.id, contact.normal, contact.company_id, member.id
  FROM postroom_contact contact
  LEFT JOIN postroom_member member ON member.contact_id = contact.id
 WHERE contact.normal = ANY(%s::text[]) AND contact.is_active ORDER BY contact.id
"""


def authors_by_address(normals: Collection[str], own: Collection[str]) -> Mapping[str, AuthorFact]:
    """The facts of each address that somebody bears; those of ``own`` are nobody's (T-038)."""
    rows = ask(_AUTHORS, [list(normals)]) if normals else []
    members = _members({member_id for _, _, _, member_id in rows if member_id is not None})
    found: dict[str, list[AuthorFact]] = defaultdict(list)
    for pk, normal, company_id, member_id in rows:
        alone = None if company_id is None else frozenset((company_id,))
        companies, is_active = members[member_id] if member_id is not None else (alone, False)
        found[normal].append(
            AuthorFact(
                contact_id=pk,
                member_id=member_id,
                is_colleague=is_active,
                companies=companies,
            )
        )
    people = {normal: _one(some) for normal, some in found.items()}
    return people | {normal: AuthorFact(is_alias=True) for normal in normals if normal in own}


def contacts_of(authors: Iterable[AuthorFact]) -> set[int]:
    """The contacts that these facts speak of."""
    return {one.contact_id for author in authors for one in (author, *author.also) if one.contact_id is not None}


def _one(some: Sequence[AuthorFact]) -> AuthorFact:
    first, *others = sorted(some, key=lambda one: not one.is_colleague)
    return replace(first, also=tuple(others)) if others else first


def _members(member_ids: Collection[int]) -> Mapping[int, tuple[frozenset[int] | None, bool]]:
    """The companies that these members see (None for who sees all), and whether they may sign in."""
    found: dict[int, tuple[frozenset[int] | None, bool]] = {}
    if not member_ids:
        return found
    rows = Member.objects.filter(pk__in=member_ids).order_by()
    facts = ("pk", "company_id", "user__is_active", "user__is_superuser", "companies")
    for pk, home_id, is_active, sees_all, company_id in rows.values_list(*facts):
        known = found[pk][0] if pk in found else None
        seen = (known or frozenset((home_id,))) | ({company_id} - {None})
        found[pk] = (None if sees_all else seen, is_active)
    return found
