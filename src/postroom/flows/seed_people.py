"""Who lives in a made-up house: companies with their domains, people, customers, aliases, servers and settings.

Laws: nobody of them can sign in until a password is set; everything is founded in one transaction. The rows that pages of settings show
are few in every house, so they are made one by one, as their forms would.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from random import Random
from typing import Any

from django.contrib.auth import get_user_model
from django.contrib.auth.hashers import make_password

from postroom.core.terms.addresses import normalize
from postroom.core.terms.reasons import because
from postroom.core.terms.states import Channel, Role
from postroom.flows.ports import Ports
from postroom.flows.run_scheduled_action import ensure_actions
from postroom.flows.seed_plan import Plan
from postroom.flows.seed_words import HOUSES, PLACES, SUBJECTS, THINGS, Person, outside_domain, person
from postroom.store.bulk import insert_rows, reserve
from postroom.store.models import (
    Alarm,
    Alias,
    AliasDomain,
    AliasFollower,
    Company,
    Contact,
    Mailbox,
    MailTemplate,
    Member,
    OutgoingServer,
    RecordKind,
    ScheduledAction,
    ScheduledRun,
    SettingChange,
)

STAFF_OF_THE_LARGEST = 60
ALIASES_OF_A_KIND = {"ticket": ("support", "help", "service"), "lead": ("sales", "office"), "applicant": ("jobs",), "invoice": ("invoices",)}  # fmt: skip
FILES = (
    ("invoice.csv", "text/csv", b"Position,Amount\r\nDesk lamp,49.00\r\nTotal,49.00\r\n"),
    ("price-list.csv", "text/csv", b"Article,Price\r\n" + b"Floor lamp,129.00\r\n" * 40),
    ("notes.txt", "text/plain", b"Call back on Monday.\n"),
    ("assembly.txt", "text/plain", b"Step by step.\n" * 300),
    ("signature.vcf", "text/vcard", b"BEGIN:VCARD\r\nVERSION:4.0\r\nFN:Erik Adler\r\nEND:VCARD\r\n"),
    ("order.json", "application/json", b'{"order": 1042, "pieces": 2}'),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Colleague:
    """A member as author and reader of messages."""

    member: int
    contact: int
    name: str
    address: str
    in_app: bool


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class House:
    """A company with all that its messages name. Contacts are numbered in a row from ``first_contact``."""

    id: int
    name: str
    domain: str
    domain_id: int
    staff: tuple[Colleague, ...]
    first_contact: int
    customers: tuple[Person, ...]
    aliases: dict[str, tuple[tuple[int, str], ...]]  # of each kind: number and address
    server: int
    server_name: str
    mailbox: int


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredFile:
    """A blob that attachments name."""

    name: str
    content_type: str
    size: int
    sha256: str


def found(ports: Ports, plan: Plan, run: int) -> list[int]:
    """Companies and all that is few; the first contact of each company. ``run``: how many houses were seeded here before."""
    dice = Random(f"{plan.wish.seed} people")  # noqa: S311 (nothing secret is made of it)
    numbers = []
    companies = [_company(number, run) for number in range(plan.wish.companies)]
    for number, company in enumerate(companies):
        numbers.append(_customers(plan, number, company))
        staff = [_member(dice, run, number, place, company, companies) for place in range(_staff_size(plan, number))]
        _way_in(company, staff)
        _way_out(ports, company, dice)
        _papers(ports, company, staff, dice)
    _alarms(ports, companies)
    _runs(ports)
    if not OutgoingServer.objects.filter(transport="letterbox").exists():
        OutgoingServer.objects.create(name="Letterbox", transport="letterbox", encryption="none", port=25, priority=99)
    return numbers


def houses(plan: Plan, companies: Sequence[int], first_contacts: Sequence[int]) -> tuple[House, ...]:
    """The companies of this plan, as they are in the database."""
    return tuple(
        _house(plan, number, company, first)
        for number, (company, first) in enumerate(zip(companies, first_contacts, strict=True))
    )


def stored_files(ports: Ports) -> tuple[StoredFile, ...]:
    """What is attached here and there."""
    return tuple(
        StoredFile(name=name, content_type=kind, size=len(content), sha256=ports.blobs.put(content))
        for name, kind, content in FILES
    )


def login_of(run: int, who: str) -> str:
    """The account of the administrator of all (``admin``), or of an agent of the smallest company (``agent``)."""
    return f"{who}{run or ''}"


def _house(plan: Plan, number: int, company_id: int, first_contact: int) -> House:
    company = Company.objects.select_related("alias_domain").get(pk=company_id)
    domain = company.alias_domain
    assert domain is not None  # noqa: S101 (found() gave it one)
    rows = Member.objects.filter(company=company).select_related("contact").order_by("pk")
    aliases: dict[str, tuple[tuple[int, str], ...]] = {}
    for alias in Alias.objects.filter(company=company).order_by("pk"):
        aliases[alias.kind_id] = (*aliases.get(alias.kind_id, ()), (alias.pk, f"{alias.name}@{domain.name}"))
    server = OutgoingServer.objects.filter(company=company).order_by("pk")[0]
    return House(
        id=company.pk,
        name=company.name,
        domain=domain.name,
        domain_id=domain.pk,
        staff=tuple(
            Colleague(
                member=row.pk,
                contact=row.contact_id,
                name=row.contact.name,
                address=row.contact.address,
                in_app=row.channel == Channel.INBOX,
            )
            for row in rows
        ),
        first_contact=first_contact,
        customers=tuple(people_of(plan, number)),
        aliases=aliases,
        server=server.pk,
        server_name=server.name,
        mailbox=Mailbox.objects.filter(company=company).order_by("pk")[0].pk,
    )


def people_of(plan: Plan, number: int) -> list[Person]:
    """The customers of a company: names and addresses follow from the plan."""
    dice = Random(f"{plan.wish.seed} customers {number}")  # noqa: S311
    return [person(dice, place, outside_domain(dice)) for place in range(plan.contacts[number])]


def _company(number: int, run: int) -> Company:
    name, generation = HOUSES[number % len(HOUSES)], number // len(HOUSES) + run
    slug = "".join(sign for sign in name.lower().replace("&", "and").replace(" ", "-") if sign.isalnum() or sign == "-")
    while True:
        suffix = f"-{generation + 1}" if generation else ""
        taken = Company.objects.filter(name=name + suffix.replace("-", " ")).exists()
        if not taken and not AliasDomain.objects.filter(name=f"{slug}{suffix}.test").exists():
            break
        generation += 1
    domain = AliasDomain.objects.create(name=f"{slug}{suffix}.test", plus_addresses_arrive=True, priority=20)
    return Company.objects.create(name=name + suffix.replace("-", " "), alias_domain=domain)


def _customers(plan: Plan, number: int, company: Company) -> int:
    people = people_of(plan, number)
    first = reserve(Contact, len(people))
    names = ("company_id", "name", "address", "normal", "language", "created_at")
    rows = [
        (company.pk, one.name, one.address, normalize(one.address), ("en", "en", "de", "fr")[place % 4], plan.start)
        for place, one in enumerate(people)
    ]
    insert_rows(Contact, names, rows, numbers=range(first, first + len(rows)))
    return first


def _staff_size(plan: Plan, number: int) -> int:
    largest = min(STAFF_OF_THE_LARGEST, max(4, plan.wish.records // 20))
    return max(3, int(largest / (number + 1) ** 1.5))


def _member(dice: Random, run: int, number: int, place: int, company: Company, companies: Sequence[Company]) -> Member:
    domain = company.alias_domain
    assert domain is not None  # noqa: S101 (it was made with one)
    who = person(dice, place, domain.name)
    is_warden = number == 0 and place == 0
    is_agent = number == len(companies) - 1 and place == 1
    named = login_of(run, "admin") if is_warden else login_of(run, "agent") if is_agent else ""
    user = get_user_model().objects.create(
        username=named or f"{who.address.partition('@')[0]}-{company.pk}",
        email=who.address,
        password=make_password(None),
        is_superuser=is_warden,
    )
    contact = Contact.objects.create(company=company, name=who.name, address=who.address, normal=normalize(who.address))
    role = Role.ADMINISTRATOR if place == 0 else Role.MANAGER if place % 4 == 2 else Role.AGENT
    member = Member.objects.create(
        user=user,
        contact=contact,
        company=company,
        role=role,
        channel=Channel.INBOX if place % 4 == 0 else Channel.MAIL,
        signature=f"{who.name}<br>{company.name}",
    )
    member.companies.set(companies if is_warden else [company])
    return member


def _way_in(company: Company, staff: Sequence[Member]) -> None:
    domain = company.alias_domain
    assert domain is not None  # noqa: S101
    kinds = set(RecordKind.objects.values_list("key", flat=True))
    for kind, names in ALIASES_OF_A_KIND.items():
        for name in names if kind in kinds else ():
            alias = Alias.objects.create(company=company, domain=domain, name=name, kind_id=kind, status="valid")
            for member in staff[:2]:
                AliasFollower.objects.create(alias=alias, contact=member.contact)
    Mailbox.objects.create(
        company=company,
        name=f"{company.name}: info",
        host=f"imap.{domain.name}",
        username=f"info@{domain.name}",
        is_confirmed=False,  # nothing is fetched from it
    )


def _way_out(ports: Ports, company: Company, dice: Random) -> None:
    now, domain = ports.clock.now(), company.alias_domain
    assert domain is not None  # noqa: S101
    OutgoingServer.objects.create(
        company=company,
        name=f"Relay of {company.name}",
        host=f"smtp.{domain.name}",
        from_filter=domain.name,
        per_minute_limit=dice.choice((0, 300, 600)),
        daily_limit=dice.choice((0, 20_000)),
        paused_at=now,  # and capture mode is on: nothing leaves
    )


def _papers(ports: Ports, company: Company, staff: Sequence[Member], dice: Random) -> None:
    """Templates, and who changed what."""
    now = ports.clock.now()
    for kind in list(SUBJECTS)[:5]:
        MailTemplate.objects.create(
            company=company,
            name=f"{dice.choice(THINGS).capitalize()} for {dice.choice(PLACES)}",
            kind_id=kind if RecordKind.objects.filter(pk=kind).exists() else None,
            subject="{{ record.title }}",
            html="<p>Dear {{ contact.first_name|default('customer') }},</p><p>thank you for your message.</p>",
        )
    SettingChange.objects.bulk_create(
        SettingChange(
            changed_at=now - timedelta(hours=7 * place),
            user_id=staff[0].user_id,
            company=company,
            subject=f"alias support@{company.pk}",
            before={"policy": "everyone"},
            after={"policy": dice.choice(("known_contacts", "followers", "everyone"))},
        )
        for place in range(120)
    )


def _alarms(ports: Ports, companies: Sequence[Company]) -> None:
    now = ports.clock.now()
    Alarm.objects.bulk_create(
        Alarm(
            company=company,
            code="server.seeded",
            subject=f"seeded:{company.pk}",
            reason=because("alarm.daily_limit", used=20_000, until="midnight").as_json(),
            link="/settings/servers/",
            raised_at=now - timedelta(hours=3),
            last_at=now - timedelta(minutes=5),
        )
        for company in companies[:3]
    )


def _runs(ports: Ports) -> None:
    """The history of the scheduled actions."""
    ensure_actions(ports)
    now = ports.clock.now()
    rows: list[Any] = [
        (action, now - timedelta(minutes=15 * place), now - timedelta(minutes=15 * place), False, "Done.")
        for action in ScheduledAction.objects.values_list("pk", flat=True)
        for place in range(300)
    ]
    insert_rows(ScheduledRun, ("action_id", "started_at", "finished_at", "is_failed", "result"), rows[::-1])
