"""The people of the tests, and the small company they work for.

Alice runs it, Bob and Charlie are agents; Customer Carla writes from outside.
"""

from __future__ import annotations

from dataclasses import dataclass
from email.message import EmailMessage
from email.utils import format_datetime, make_msgid
from functools import lru_cache

from django.contrib.auth import get_user_model
from django.contrib.auth.hashers import make_password

from postroom.core.terms.addresses import normalize
from postroom.core.terms.states import AliasPolicy, Channel, Role
from postroom.store.models import (
    Alias,
    AliasDomain,
    AliasFollower,
    Company,
    Contact,
    Member,
    OutgoingServer,
    RecordKind,
)
from postroom.wiring import ports

DOMAIN = "in.test"


@dataclass(frozen=True)
class House:
    """A company with its people, a domain, a kind and an alias."""

    company: Company
    domain: AliasDomain
    ticket: RecordKind
    lead: RecordKind
    support: Alias
    sales: Alias
    alice: Member
    bob: Member
    charlie: Member


def add_member(
    company: Company, name: str, address: str, *, role: Role = Role.AGENT, channel: Channel = Channel.MAIL
) -> Member:
    """A colleague with a sign-in."""
    user = get_user_model().objects.create(username=name.lower(), email=address, password=_hashed(password_of(name)))
    contact = Contact.objects.create(company=company, name=name, address=address, normal=normalize(address))
    return Member.objects.create(user=user, contact=contact, company=company, role=role, channel=channel)


def password_of(name: str) -> str:
    """What this person types to sign in."""
    return f"{name}-secret-word"


@lru_cache
def _hashed(password: str) -> str:
    """Slow on purpose, so once a run."""
    return make_password(password)


def add_contact(name: str, address: str, company: Company | None = None) -> Contact:
    """Somebody outside."""
    return Contact.objects.create(company=company, name=name, address=address, normal=normalize(address))


def add_alias(company: Company, domain: AliasDomain, name: str, kind: RecordKind, **values: object) -> Alias:
    """An alias that takes mail from everybody unless ``values`` say otherwise."""
    values = {"policy": AliasPolicy.EVERYONE} | values
    return Alias.objects.create(company=company, domain=domain, name=name, kind=kind, **values)


def add_kind(key: str, label: str) -> RecordKind:
    """A kind; the ones of the first migration are there already."""
    kind, _ = RecordKind.objects.get_or_create(
        key=key, defaults={"label": label, "label_plural": f"{label}s", "stages": ["New", "In progress", "Done"]}
    )
    return kind


def build_house(domain: str = DOMAIN, *, people_at: str = "box.test", name: str = "Mail Works") -> House:
    """The company: support@ makes tickets that Alice and Bob follow, sales@ makes leads that nobody follows."""
    alias_domain = AliasDomain.objects.create(name=domain, plus_addresses_arrive=True)
    company = Company.objects.create(name=name, alias_domain=alias_domain)
    ticket, lead = add_kind("ticket", "Ticket"), add_kind("lead", "Lead")
    alice = add_member(company, "Alice", f"alice@{people_at}", role=Role.ADMINISTRATOR)
    bob = add_member(company, "Bob", f"bob@{people_at}")
    charlie = add_member(company, "Charlie", f"charlie@{people_at}")
    support = add_alias(company, alias_domain, "support", ticket)
    sales = add_alias(company, alias_domain, "sales", lead)
    for member in (alice, bob):
        AliasFollower.objects.create(alias=support, contact=member.contact)
    return House(
        company=company,
        domain=alias_domain,
        ticket=ticket,
        lead=lead,
        support=support,
        sales=sales,
        alice=alice,
        bob=bob,
        charlie=charlie,
    )


def add_server(host: str = "127.0.0.1", port: int = 25, **values: object) -> OutgoingServer:
    """A plain outgoing server on loopback."""
    values = {"name": f"{host}:{port}", "encryption": "none"} | values
    return OutgoingServer.objects.create(host=host, port=port, **values)


def write_mail(
    sender: str = "Customer Carla <carla@customer.example>",
    to: str = f"support@{DOMAIN}",
    subject: str = "My parcel is late",
    text: str = "Hello,\n\nwhere is my parcel?\n\nCarla\n",
    **headers: str,
) -> bytes:
    """A plain mail as a person's program writes it. ``In_Reply_To="<…>"`` sets In-Reply-To."""
    mail = EmailMessage()
    mail["From"], mail["To"], mail["Subject"] = sender, to, subject
    mail["Message-ID"] = headers.pop("Message_ID", None) or make_msgid(domain="customer.example")
    mail["Date"] = format_datetime(ports().clock.now())
    for name, value in headers.items():
        mail[name.replace("_", "-")] = value
    mail.set_content(text)
    return mail.as_bytes(policy=mail.policy.clone(linesep="\r\n"))
