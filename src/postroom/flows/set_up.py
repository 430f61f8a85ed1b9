"""An account set up from the command line: where its servers probably are, entered, tried, used, and what is left to do.

    find -> choose -> enter the way out -> test -> use
                   -> enter the way in  -> test (a success confirms it)
                   -> domain, first address, records for the DNS, what the doctor would say

Laws: what is entered is not in use before its test went well. A second run corrects what the first one entered and makes no other; what works
already is tested and not changed. A password goes only where somebody vouches for the name, or a person said so.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from django.db import transaction

from postroom.core.delivery.discovery import Proposal
from postroom.core.diagnosis.findings import Finding
from postroom.flows.add_member import FIRST_COMPANY
from postroom.flows.diagnose import DoctorWish, diagnose
from postroom.flows.enter_account import Account, save_draft_mailbox, save_draft_server, use_server
from postroom.flows.find_servers import FoundServers
from postroom.flows.ports import Ports
from postroom.flows.test_mailbox import MailboxTest, test_mailbox
from postroom.flows.test_server import ServerTest, test_server
from postroom.flows.welcome import first_alias, name_house, test_failed
from postroom.store.models import Alias, Company, Mailbox, OutgoingServer

WARNINGS = frozenset({"admin_placeholder", "same_filter", "catchall_missing", "catchall_domain_unknown"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where an account is entered, as it was found or as a person says. ``why``: who says so; ``is_safe``: a password may go there unasked."""

    host: str
    port: int
    encryption: str
    username: str = ""
    preset: str = ""
    protocol: str = ""
    why: str = ""
    is_safe: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class WayOut:
    """``in_use``: mail leaves through it."""

    id: int
    name: str
    test: ServerTest
    in_use: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class WayIn:
    """``test`` None: it is read by an access token, which a person connects on its page."""

    id: int
    name: str
    test: MailboxTest | None
    in_use: bool


def place_of(found: FoundServers, way: str) -> Place | None:
    """The most believed proposal, for ``out`` or ``in``; None for nothing that anybody says, or that answered."""
    one = found.best(way)
    return as_place(one, found.domain) if one is not None and one.source.value != "guessed" else None


def as_place(one: Proposal, domain: str) -> Place:
    """A proposal in the words of what is entered."""
    return Place(
        host=one.host,
        port=one.port,
        encryption=one.encryption.value,
        username=one.username,
        preset=one.preset or "custom",
        protocol=one.service.value,
        why=str(one.why(domain)),
        is_safe=one.is_vouched_for(domain),
    )


@transaction.atomic
def the_company(ports: Ports, *, company: str, domain: str) -> Company:
    """The one that is set up: of this name, else the first; made when there is none. ``domain`` empty: stays. Raises as `name_house`."""
    row = (
        (Company.objects.filter(name=company).first() if company else None)
        or Company.objects.order_by("pk").first()
        or Company.objects.create(name=company or FIRST_COMPANY)
    )
    return name_house(ports, company=company, domain=domain, member=None, company_id=row.pk)


def set_up_way_out(
    ports: Ports, company: Company, address: str, password: str, place: Place, *, cancels_waiting: bool | None = None
) -> WayOut:
    """Entered, tried, and used when it takes mail. Raises `ValidationError`. Waits for the network."""
    same = OutgoingServer.objects.filter(transport="smtp")
    username = place.username or address
    working = same.filter(host=place.host, port=place.port, username=username, is_active=True).first()
    if working is not None and not test_failed(working) and not working.trouble:
        found = test_server(ports, working.pk, member=None, to=address)
        return WayOut(id=working.pk, name=working.name, test=found, in_use=True)
    rows = same.filter(username=username).order_by("-id")
    draft = next((one for one in rows if not one.is_active or test_failed(one)), None)
    account = _account(address, password, place)
    row = save_draft_server(ports, account, draft_id=draft.pk if draft else None, member=None)
    found = test_server(ports, row.pk, member=None, to=address)
    if found.is_ok:
        use_server(ports, row.pk, member=None, cancels_waiting=cancels_waiting, company=company)
    row.refresh_from_db()
    return WayOut(id=row.pk, name=row.name, test=found, in_use=row.is_active)


def set_up_way_in(ports: Ports, company: Company, address: str, password: str, place: Place) -> WayIn:
    """Entered, tried, and read from now on when it can be. Raises `ValidationError`. Waits for the network."""
    rows = Mailbox.objects.filter(company=company, username=place.username or address)
    row = rows.filter(host=place.host, is_confirmed=True, is_active=True).first()
    is_new = row is None
    if row is None:
        draft = rows.filter(is_confirmed=False).order_by("-id").first()
        row = save_draft_mailbox(
            ports,
            _account(address, password, place),
            draft_id=draft.pk if draft else None,
            same_as=None,
            member=None,
            company=company,
            protocol=place.protocol,
        )
    if row.authentication == "token" and not row.secret:
        return WayIn(id=row.pk, name=row.name, test=None, in_use=False)
    found = test_mailbox(ports, row.pk, member=None, leave_old_mail=is_new)
    row.refresh_from_db()
    return WayIn(id=row.pk, name=row.name, test=found, in_use=row.is_confirmed and row.is_active)


def _account(address: str, password: str, place: Place) -> Account:
    return Account(
        preset=place.preset or "custom",
        address=address,
        username=place.username,
        password=password,
        host=place.host,
        port=place.port,
        encryption=place.encryption,
    )


def set_up_address(ports: Ports, company: Company, name: str, kind: str) -> Alias | None:
    """Mail to it becomes records; None where the house has an address already and nobody asked for another. Raises as `first_alias`."""
    there = Alias.objects.filter(company=company, retired_at=None).order_by("id").first()
    if not name or company.alias_domain is None:
        return there
    return first_alias(ports, name=name, kind=kind, member=None, company=company)


def left_to_do(ports: Ports) -> Sequence[Finding]:
    """What the doctor would say about a house that was just set up, without asking anybody outside."""
    wish = DoctorWish(only=WARNINGS, asks_world=False)
    return [one.finding for one in diagnose(ports, wish, member=None).findings]
