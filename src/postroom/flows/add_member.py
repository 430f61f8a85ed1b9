"""Creates a person who signs in: user, contact, role and company, in one transaction; the change is recorded."""

from __future__ import annotations

from django.contrib.auth import get_user_model
from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError
from django.db import transaction

from postroom.core.terms.addresses import normalize
from postroom.core.terms.states import Role
from postroom.flows import audit
from postroom.flows.ports import Ports
from postroom.store.models import Company, Contact, Member, SettingChange

FIRST_COMPANY = "My company"


class CannotAdd(Exception):  # noqa: N818 - an answer to a person
    """The person was not created; the text says why."""


class NotUsable(CannotAdd):
    """What was said of the person cannot be used."""


@transaction.atomic
def add_member(
    ports: Ports, *, login: str, name: str, address: str, role: Role, company: str, password: str | None
) -> Member:
    """For the operator at the command line, and whom an identity provider vouches for (``password`` None: no password signs in).
    ``company`` is made when it is new; empty: the first one. Raises `CannotAdd`."""
    users = get_user_model().objects
    normal = normalize(address)
    if not normal:
        raise NotUsable(f"{address!r} is no mail address.")
    if users.filter(username=login).exists():
        raise CannotAdd(f"There is a user {login!r} already.")
    first, _, last = name.rpartition(" ")
    user = users.model(
        username=login,
        email=address,
        first_name=first or last,
        last_name=last if first else "",
    )
    try:
        if password is not None:
            validate_password(password, user)
        user.set_password(password)
        user.full_clean()
    except ValidationError as error:
        raise NotUsable(" ".join(error.messages)) from error
    user.save()
    home = _company(company)
    contact = Contact.objects.create(company=home, name=name, address=address, normal=normal)
    member = Member.objects.create(user=user, contact=contact, company=home, role=role)
    member.companies.add(home)
    audit.note(ports, "member_created", member=member, subject=login, role=role.value)
    SettingChange.objects.create(
        changed_at=ports.clock.now(),
        company=home,
        subject=f"user {login}"[:200],
        before=None,
        after={"role": role.value, "company": home.name},
    )
    return member


def _company(name: str) -> Company:
    if name:
        return Company.objects.get_or_create(name=name)[0]
    return Company.objects.order_by("pk").first() or Company.objects.create(name=FIRST_COMPANY)
