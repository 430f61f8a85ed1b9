"""People and companies: who is there, invited, changed, switched off; the companies that share the house.

Laws: an administrator changes people of the own companies alone, and gives no company that is not the own; nobody takes the last active
administrator away. Whoever is switched off is out at once: sessions and API keys are gone, and stay gone. An invitation is a link that
works once, for three days; it is a new password's link as well. Every change is recorded, and noted in the audit log; no link ever.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.contrib.auth import get_user_model
from django.contrib.auth.models import AbstractBaseUser
from django.contrib.auth.password_validation import validate_password
from django.contrib.auth.tokens import PasswordResetTokenGenerator
from django.contrib.sessions.models import Session
from django.core.exceptions import ValidationError
from django.db import connection, transaction
from django.db.models import Exists, F, OuterRef, Q, QuerySet
from django.utils.encoding import force_str
from django.utils.http import urlsafe_base64_decode, urlsafe_base64_encode

from postroom.core.conversations.letters_with_keys import invitation
from postroom.core.delivery.identity import default_from
from postroom.core.terms.addresses import Address, is_placeholder, normalize, parse_one
from postroom.core.terms.message_ids import make_message_id
from postroom.core.terms.states import Lane, Role
from postroom.flows import audit
from postroom.flows.access import (
    company_ids,
    is_house_administrator,
    opens_more_than,
    require,
    require_house,
    with_companies,
)
from postroom.flows.enqueue_mail import DraftRecipient, MailDraft, enqueue_mail
from postroom.flows.ports import Ports
from postroom.flows.sign_in import began_at, is_signed_out
from postroom.flows.speak_language import active_language, language_of_letter, teller
from postroom.flows.ways_out import domain_fact
from postroom.store.models import ApiKey, Company, Contact, Member, SettingChange

MOST = 500
AUDITED = ("role", "company", "companies", "is_active", "address")


@dataclass(frozen=True, slots=True, kw_only=True)
class PersonFact:
    """A member for the list. ``state``: active, invited (has not chosen a password yet), off."""

    id: int
    name: str
    login: str
    address: str
    role: str
    company: str
    state: str
    last_login: datetime | None
    is_placeholder: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class PersonWish:
    """How a person is to be. ``companies``: the first is the default one."""

    name: str
    address: str
    role: Role
    companies: tuple[int, ...]
    is_active: bool = True


def people(member: Member, search: str = "") -> tuple[PersonFact, ...]:
    """Those who share a company with the member, the active first. One query beside the companies."""
    require(member, "settings")
    rows = manageable_by(member).select_related("user", "contact", "company")
    if search:
        rows = rows.filter(
            Q(contact__name__icontains=search) | Q(user__email__icontains=search) | Q(user__username__icontains=search)
        )
    return tuple(_fact(row) for row in rows.order_by("-user__is_active", "contact__name", "pk")[:MOST])


def person(member_id: int, *, by: Member) -> Member | None:
    """One of them, with user, contact and company."""
    require(by, "settings")
    return manageable_by(by).select_related("user", "contact", "company").filter(pk=member_id).first()


def offered_companies(member: Member) -> tuple[tuple[int, str], ...]:
    """Those that the member may give. Raises `NotAllowed`."""
    require(member, "settings")
    rows = Company.objects.order_by("name")
    if not is_house_administrator(member):
        rows = rows.filter(pk__in=company_ids(member))
    return tuple(rows.values_list("pk", "name")[:MOST])


def manageable_by(by: Member) -> QuerySet[Member]:
    """Nobody manages whom more belongs to than himself: a link to a new password opens all that the person may."""
    rows = Member.objects.all()
    if is_house_administrator(by):
        return rows
    mine = company_ids(by)
    beyond = Member.companies.through.objects.filter(member_id=OuterRef("pk")).exclude(company_id__in=mine)
    return rows.filter(company_id__in=mine, user__is_superuser=False).exclude(Exists(beyond))


@transaction.atomic
def invite_person(ports: Ports, wish: PersonWish, *, by: Member) -> Member:
    """A member without a password, who gets one by `invitation_link`. The address is the login. Raises `NotAllowed`, `ValidationError`."""
    require(by, "settings")
    _require_companies(wish.companies, by)
    address, normal = wish.address.strip(), normalize(wish.address)
    if not normal:
        raise ValidationError({"address": "That is no mail address."})
    users = get_user_model().objects
    if users.filter(Q(username__iexact=normal) | Q(email__iexact=normal)).exists():
        raise ValidationError({"address": "Somebody signs in with this address already."})
    theirs = Q(company=None) | Q(company_id__in=wish.companies)
    contact = (
        Contact.objects.filter(theirs, normal=normal, member=None)
        .order_by(F("company_id").asc(nulls_last=True))
        .first()
    )
    if contact is None:
        home = _contacts_company(wish)
        contact = Contact.objects.create(company_id=home, name=wish.name, address=address, normal=normal)
    user = users.model(username=normal, email=address)
    _name(user, wish.name)
    user.set_unusable_password()
    user.full_clean(exclude=["password"])
    user.save()
    member = Member.objects.create(user=user, contact=contact, company_id=wish.companies[0], role=wish.role)
    member.companies.set(wish.companies)
    _record(ports, by, member, None, _shown(member))
    audit.note(ports, "member_created", member=by, subject=normal, role=wish.role.value)
    return member


@transaction.atomic
def change_person(ports: Ports, member_id: int, wish: PersonWish, *, by: Member) -> Member:
    """Raises `NotAllowed`, `ValidationError`, and Member.DoesNotExist for whom ``by`` does not manage."""
    require(by, "settings")
    _lock()
    row = (
        manageable_by(by).select_for_update(of=("self",)).select_related("user", "contact", "company").get(pk=member_id)
    )
    _require_companies(wish.companies, by)
    before = _shown(row)
    if row.pk == by.pk and (not wish.is_active or wish.role != row.role):
        raise ValidationError("Nobody takes away the own role: let another administrator do it.")
    if (row.role == Role.ADMINISTRATOR and (wish.role is not Role.ADMINISTRATOR or not wish.is_active)) or (
        is_house_administrator(row) and not (row.user.is_superuser or _is_every_company(wish.companies))
    ):
        _keep_an_administrator(row)
    normal = normalize(wish.address)
    if not normal:
        raise ValidationError({"address": "That is no mail address."})
    user = row.user
    if get_user_model().objects.filter(email__iexact=normal).exclude(pk=user.pk).exists():
        raise ValidationError({"address": "Somebody else has this address already."})
    is_off = user.is_active and not wish.is_active
    _name(user, wish.name)
    user.email, user.is_active = wish.address.strip(), wish.is_active
    user.save(update_fields=["first_name", "last_name", "email", "is_active"])
    row.contact.name, row.contact.address, row.contact.normal = wish.name, wish.address.strip(), normal
    row.contact.company_id = _contacts_company(wish)
    row.contact.save(update_fields=["name", "address", "normal", "company"])
    row.role, row.company_id = wish.role, wish.companies[0]
    row.save(update_fields=["role", "company"])
    row.companies.set(wish.companies)
    if is_off:
        shut_out(row)
    row.refresh_from_db()
    after = _shown(row)
    _record(ports, by, row, before, after)
    changed: dict[str, Any] = {
        name: f"{before[name]} → {after[name]}" for name in AUDITED if before[name] != after[name]
    }
    if changed:
        audit.note(ports, "member_changed", member=by, subject=user.get_username(), **changed)
    return row


def _contacts_company(wish: PersonWish) -> int | None:
    """The contact of who sees several companies belongs to none of them (`store.queries.colleagues` says who knows it)."""
    return wish.companies[0] if len(wish.companies) == 1 else None


def shut_out(member: Member) -> int:
    """End the sessions and forget the API keys; how many sessions. (Sessions are few: those of people who signed in lately.)"""
    ApiKey.objects.filter(member=member).delete()
    mine = [one.pk for one in sessions_of(member)]
    return Session.objects.filter(pk__in=mine).delete()[0]


def sessions_of(member: Member) -> list[Session]:
    """Those that were not ended from elsewhere, the one that lasts longest first."""
    mine = str(member.user_id)
    rows = Session.objects.order_by("-expire_date").iterator(chunk_size=200)
    said = ((one, one.get_decoded()) for one in rows)
    return [
        one for one, kept in said if kept.get("_auth_user_id") == mine and not is_signed_out(member, began_at(kept))
    ]


def invitation_link(ports: Ports, member_id: int, *, by: Member) -> str:
    """Where the person chooses a password. An older link dies with the first one that is used. Raises as `change_person`."""
    require(by, "settings")
    row = manageable_by(by).select_related("user").get(pk=member_id)
    if not row.user.is_active:
        raise ValidationError("This person is switched off.")
    audit.note(ports, "member_invited", member=by, subject=row.user.get_username())
    uid = urlsafe_base64_encode(str(row.user_id).encode())
    token = _INVITATIONS.make_token(row.user)
    return f"{ports.configuration.public_url.rstrip('/')}/join/{uid}/{token}/"


def send_invitation(ports: Ports, member_id: int, *, by: Member) -> bool:
    """By mail, through our own queue. False where the company has no mail domain to write from. Raises as `invitation_link`."""
    link = invitation_link(ports, member_id, by=by)
    row = Member.objects.select_related("contact", "company__alias_domain", "user").get(pk=member_id)
    domain = row.company.alias_domain
    sender = parse_one(default_from(domain_fact(domain))) if domain is not None else None
    if domain is None or sender is None:
        return False
    subject, words = invitation(
        teller(language_of_letter(row.contact.language, active_language())),
        name=row.contact.name,
        inviter=by.contact.name,
        company=row.company.name,
        link=link,
    )
    enqueue_mail(
        ports,
        MailDraft(
            company_id=row.company_id,
            header_from=Address(row.company.name, sender.local, sender.domain),
            recipients=[DraftRecipient(name=row.contact.name, address=row.contact.address)],
            subject=subject[:900],
            html=words,
            header_message_id=make_message_id(unique=f"{ports.ids.hex(12)}.invitation", domain=domain.name),
            lane=Lane.URGENT,
            alias_domain_id=domain.pk,
            is_of_the_house=opens_more_than(row, row.company_id),
            extra_headers=[("Auto-Submitted", "auto-generated")],
        ),
    )
    return True


class _Invitations(PasswordResetTokenGenerator):
    """Links by which somebody joins: no link for a new password is one, for that does not sign in."""

    key_salt = "postroom.flows.manage_people.invitation"


_INVITATIONS = _Invitations()


def is_first_time(row: Member) -> bool:
    """Whether this person never chose a password and never signed in: then there is no second factor to ask for either."""
    return row.user.last_login is None and not row.user.has_usable_password()


def invited(uid: str, token: str) -> Member | None:
    """Whose link that is; None for one that was used, is too old, or is none of ours."""
    try:
        user_id = int(force_str(urlsafe_base64_decode(uid)))
    except (ValueError, OverflowError, UnicodeDecodeError):
        return None
    if not 0 < user_id < 2**62:
        return None
    row = (
        Member.objects.select_related("user", "contact", "company")
        .filter(user_id=user_id, user__is_active=True)
        .first()
    )
    return row if row is not None and _INVITATIONS.check_token(row.user, token) else None


@transaction.atomic
def join(ports: Ports, uid: str, token: str, password: str) -> Member | None:
    """The invited person chooses a password; other sessions end. None as `invited`. Raises `ValidationError` for a weak one."""
    found = invited(uid, token)
    if found is None:
        return None
    user = get_user_model().objects.select_for_update().get(pk=found.user_id)
    if not _INVITATIONS.check_token(user, token):  # somebody was quicker
        return None
    validate_password(password, user)
    user.set_password(password)
    user.save(update_fields=["password"])
    found.user = user
    SettingChange.objects.create(
        changed_at=ports.clock.now(), user=user, company=found.company, subject=f"user {user.get_username()}"[:200],
        before={"password": "********"}, after={"password": "chosen by the person"},
    )  # fmt: skip
    audit.note(ports, "member_joined", member=found)
    return found


@transaction.atomic
def save_company(ports: Ports, values: Mapping[str, Any], *, member: Member) -> Company:
    """A company of the house. Whoever founds one sees it. Raises `NotAllowed`, `ValidationError`."""
    require_house(member)
    values = dict(values)
    pk = values.pop("id", None)
    row = Company.objects.select_for_update().get(pk=pk) if pk else Company()
    before = {name: str(getattr(row, name)) for name in values} if pk else None
    for name, value in values.items():
        setattr(row, name, value)
    if pk and not row.is_active and not Company.objects.filter(is_active=True).exclude(pk=row.pk).exists():
        raise ValidationError({"is_active": "One company has to stay."})
    row.full_clean()
    row.save()
    if not pk:
        member.companies.add(row)
        member.__dict__.pop("_own_companies", None)
    after = {name: str(getattr(row, name)) for name in values}
    SettingChange.objects.create(
        changed_at=ports.clock.now(), user=member.user, company=member.company,
        subject=f"company {row.name}"[:200], before=before, after=after,
    )  # fmt: skip
    audit.note(ports, "company_changed", member=member, subject=row.name, is_new=not pk, is_active=row.is_active)
    return row


# -- who may, and what stays


def _require_companies(wanted: Sequence[int], by: Member) -> None:
    if not wanted:
        raise ValidationError({"companies": "At least one company."})
    if not set(wanted) <= set(company_ids(by)):
        require_house(by)


def _keep_an_administrator(row: Member) -> None:
    rows = Member.objects.filter(role=Role.ADMINISTRATOR, user__is_active=True).exclude(pk=row.pk)
    others = [one for one in with_companies(rows).select_related("user") if one.user.has_usable_password()]
    if is_house_administrator(row):
        others = [one for one in others if is_house_administrator(one)]
    if not others:
        raise ValidationError("This is the last administrator: make another one first.")


def _is_every_company(company_ids: Sequence[int]) -> bool:
    return not Company.objects.exclude(pk__in=company_ids).exists()


def _lock() -> None:
    """Two who take each other's role away at the same moment."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(hashtext('postroom people'))")


def _name(user: AbstractBaseUser, name: str) -> None:
    first, _space, last = name.strip().rpartition(" ")
    user.first_name = (first or last)[:150]  # type: ignore[attr-defined]
    user.last_name = (last if first else "")[:150]  # type: ignore[attr-defined]


def _fact(row: Member) -> PersonFact:
    state = "off" if not row.user.is_active else ("active" if row.user.has_usable_password() else "invited")
    address = row.contact.address
    return PersonFact(
        id=row.pk,
        name=row.contact.name or row.user.get_username(),
        login=row.user.get_username(),
        address=address,
        role=row.role,
        company=row.company.name,
        state=state,
        last_login=row.user.last_login,
        is_placeholder=is_placeholder(address),
    )


def _shown(row: Member) -> dict[str, object]:
    names = row.companies.order_by("name").values_list("name", flat=True)
    return {
        "name": row.contact.name,
        "address": row.contact.address,
        "role": str(row.role),
        "company": row.company.name,
        "companies": ", ".join(names),
        "is_active": row.user.is_active,
    }


def _record(ports: Ports, by: Member, row: Member, before: object, after: object) -> None:
    SettingChange.objects.create(
        changed_at=ports.clock.now(), user=by.user, company=row.company,
        subject=f"user {row.user.get_username()}"[:200], before=before, after=after,
    )  # fmt: skip
