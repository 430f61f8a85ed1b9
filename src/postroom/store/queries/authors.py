"""Who writes: the contacts that bear an address, colleagues first, then the oldest (I-60), and to which companies they are known.

Two queries for any number of addresses; the second only where colleagues are among them.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace

from postroom.core.routing.verdicts import AuthorFact
from postroom.store.models import Contact, Member


def authors_by_address(normals: Collection[str], own: Collection[str]) -> Mapping[str, AuthorFact]:
    """The facts of each address that somebody bears; those of ``own`` are nobody's (T-038)."""
    found: dict[str, list[AuthorFact]] = defaultdict(list)
    rows = Contact.objects.filter(normal__in=normals, is_active=True).order_by("id")
    names = ("pk", "normal", "company_id", "member__id", "member__company_id", "member__user__is_superuser")
    colleagues: dict[int, frozenset[int] | None] = {}
    for pk, normal, company_id, member_id, home_id, sees_all in rows.values_list(*names):
        if member_id is None:
            companies = None if company_id is None else frozenset((company_id,))
        else:
            companies = colleagues[member_id] = None if sees_all else frozenset((home_id,))
        found[normal].append(
            AuthorFact(contact_id=pk, member_id=member_id, is_colleague=member_id is not None, companies=companies)
        )
    seen = _companies_seen(colleagues)
    people = {normal: _one(some, seen) for normal, some in found.items()}
    return people | {normal: AuthorFact(is_alias=True) for normal in normals if normal in own}


def contacts_of(authors: Iterable[AuthorFact]) -> set[int]:
    """The contacts that these facts speak of."""
    return {one.contact_id for author in authors for one in (author, *author.also) if one.contact_id is not None}


def _one(some: Sequence[AuthorFact], seen: Mapping[int, frozenset[int]]) -> AuthorFact:
    told = [
        replace(one, companies=seen[one.member_id]) if one.member_id is not None and one.member_id in seen else one
        for one in some
    ]
    first, *others = sorted(told, key=lambda one: not one.is_colleague)
    return replace(first, also=tuple(others))


def _companies_seen(homes: Mapping[int, frozenset[int] | None]) -> Mapping[int, frozenset[int]]:
    """All companies of these colleagues, beside the one at which they are at home; who sees all is not listed."""
    seen = {pk: home for pk, home in homes.items() if home is not None}
    if seen:
        links = Member.companies.through.objects.filter(member_id__in=seen)
        for member_id, company_id in links.values_list("member_id", "company_id"):
            seen[member_id] |= {company_id}
    return seen
