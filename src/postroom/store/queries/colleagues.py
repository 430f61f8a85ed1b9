"""Who is a colleague to a company, and whom a company knows: decided here alone.

Laws: a colleague of a company is a member who may sign in and sees it: the own one, those that are listed, all for who may do
everything. Only to colleagues goes what stays inside: whoever was switched off is none any more. Members are known to the companies
that they see, switched off or not, wherever their contacts belong; everybody else to the company of the contact, to all where it has none.
"""

from __future__ import annotations

from collections.abc import Collection
from functools import cache

from django.contrib.auth import get_user_model
from django.db import connection
from django.db.models import Exists, OuterRef, Q

from postroom.store.models import Member

_listed = Member.companies.through.objects.filter(member_id=OuterRef("pk"))


def works_for(company_ids: Collection[int]) -> Q:
    """Of members: they may sign in, and one of these companies is theirs."""
    return Q(user__is_active=True) & _has_one_of(company_ids)


def is_colleague(company_ids: Collection[int]) -> Q:
    """Of contacts: a colleague of one of these companies."""
    return _is_member(_sees_one_of(company_ids), user__is_active=True)


def follows_as_colleague() -> Q:
    """Of followers: a colleague of the company of the record."""
    company = "record__company_id"
    mine = Q(company_id=OuterRef(company)) | Q(Exists(_listed.filter(company_id=OuterRef(OuterRef(company)))))
    sees = mine | Q(user__is_superuser=True)
    return Q(Exists(Member.objects.filter(sees, user__is_active=True, contact_id=OuterRef("contact_id"))))


def known_to(company_ids: Collection[int]) -> Q:
    """Of contacts: those that people of these companies may see, choose and write to."""
    outside = Q(company=None) | Q(company_id__in=company_ids)
    return _is_member(_sees_one_of(company_ids)) | (Q(member__isnull=True) & outside)


def _has_one_of(company_ids: Collection[int]) -> Q:
    return Q(company_id__in=company_ids) | Q(Exists(_listed.filter(company_id__in=company_ids)))


def _sees_one_of(company_ids: Collection[int]) -> Q:
    return _has_one_of(company_ids) | Q(user__is_superuser=True)


def _is_member(*sought: Q, **facts: bool) -> Q:
    return Q(Exists(Member.objects.filter(*sought, **facts, contact_id=OuterRef("pk"))))


@cache
def colleague_in_sql() -> str:
    """The same within a statement that has a ``member``, perhaps null, and a ``record``."""
    users = get_user_model()._meta
    table, key = (connection.ops.quote_name(one) for one in (users.db_table, str(users.pk.column)))
    return (
        f"(member.id IS NOT NULL AND EXISTS (SELECT FROM {table} person WHERE person.{key} = member.user_id AND person.is_active"  # noqa: S608 (names of our own tables)
        " AND (member.company_id = record.company_id OR person.is_superuser OR EXISTS (SELECT FROM postroom_member_companies own"
        " WHERE own.member_id = member.id AND own.company_id = record.company_id))))"
    )
