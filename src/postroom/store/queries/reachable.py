"""Whom a company knows: its own contacts, and those that belong to no company.

Law: a colleague belongs to no company as a contact, because he may work for several; he is known only to those for which he works. Who looks
after the whole house is everybody's colleague.
"""

from __future__ import annotations

from collections.abc import Sequence

from django.db.models import Exists, OuterRef, Q

from postroom.store.models import Member

_listed = Member.companies.through.objects.filter(member_id=OuterRef("pk"))


def reachable(company_ids: Sequence[int]) -> Q:
    """Contacts that people of these companies may find, write to and let follow."""
    ids = list(company_ids)
    elsewhere = (
        Member.objects.filter(contact_id=OuterRef("pk"), user__is_superuser=False)
        .exclude(company_id__in=ids)
        .exclude(Exists(_listed.filter(company_id__in=ids)))
    )
    return Q(company_id__in=ids) | Q(~Exists(elsewhere), company=None)
