"""Who asks: the member behind an account, read with every request.

Law: a fact of who somebody is, not of what he may see: that is derived from it by `flows.access` alone.
"""

from __future__ import annotations

from functools import cache
from typing import Any, TypeVar

from django.contrib.auth.models import User
from django.db import connection
from django.db.models import Model

from postroom.store.models import Company, Contact, Member

Row = TypeVar("Row", bound=Model)

_BY_USER = """
SELECT {columns}, ARRAY(SELECT company_id FROM postroom_member_companies WHERE member_id = member.id),
       ARRAY(SELECT id FROM postroom_company)
  FROM postroom_member member
  JOIN postroom_contact contact ON contact.id = member.contact_id
  JOIN postroom_company company ON company.id = member.company_id
 WHERE member.user_id = %s
"""


def member_of_user(user: User) -> Member | None:
    """The member with contact, company and account, and with what `flows.access.with_companies` tells of companies; None where this account
    is no member's. One query; ``user``, who was read with the session, is not read again.

    Written as SQL and made into rows here: the ORM needed four times as long, with each request."""
    with connection.cursor() as cursor:
        cursor.execute(_statement(), [user.pk])
        row = cursor.fetchone()
    if row is None:
        return None
    values = list(row)
    member: Member = _made(Member, values)
    member.user, member.contact, member.company = user, _made(Contact, values), _made(Company, values)
    listed, every = values
    member.__dict__ |= {"listed_companies": listed, "all_companies": every}
    return member


def _made(model: type[Row], values: list[Any]) -> Row:
    """A row of the model, out of the first values, which are taken away."""
    names = [field.attname for field in model._meta.concrete_fields]
    mine = values[: len(names)]
    del values[: len(names)]
    return model.from_db(connection.alias, names, mine)


@cache
def _statement() -> str:
    models: dict[str, type[Model]] = {"member": Member, "contact": Contact, "company": Company}
    columns = [f'{name}."{field.column}"' for name, model in models.items() for field in model._meta.concrete_fields]
    return _BY_USER.format(columns=", ".join(columns))
