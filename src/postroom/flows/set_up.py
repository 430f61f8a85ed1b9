"""An account set up from the command line: where its servers probably are, entered, tried, used, and what is left to do.

    find -> choose -> enter the way out -> test -> company and domain -> use
                   -> enter the way in  -> test (a success confirms it)
                   -> first address, records for the DNS, what the doctor would say

Laws: what is entered is not in use before its test went well. A second run corrects what the first one entered and makes no other; what works
already is tested and not changed, but for a password that is refused now. A password goes only where somebody vouches for the name, or a person said so.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from django.db import transaction

from postroom.core.delivery.discovery import Proposal
from postroom.core.diagnosis.findings import Finding
from postroom.core.terms.mailboxes import MailboxStep
from postroom.core.terms.steps import Step
from postroom.flows.add_member import FIRST_COMPANY
from postroom.flows.diagnose import DoctorWish, diagnose
from postroom.flows.enter_account import Account, save_draft_mailbox, save_draft_server, use_server
from postroom.flows.find_servers import FoundServers
from postroom.flows.guard_installation import is_capturing
from postroom.flows.ports import Ports
from postroom.flows.settings import forget_row, save_mailbox, save_server
from postroom.flows.test_mailbox import MailboxTest, plan_test, test_mailbox
from postroom.flows.test_server import ServerTest, test_server
from postroom.flows.welcome import first_alias, name_house, test_failed
from postroom.store.models import Alias, Company, Mailbox, OutgoingServer

_PATIENCE = 30.0  # seconds that a mailbox may be silent
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


@dataclass(slots=True)
class Begun:
    """What was entered anew so far: numbers of rows."""

    servers: list[int] = field(default_factory=list)
    mailboxes: list[int] = field(default_factory=list)


@dataclass(frozen=True, slots=True, kw_only=True)
class WayOut:
    """``in_use``: mail leaves through it. ``is_corrected``: it had another password, which is refused now."""

    id: int
    name: str
    test: ServerTest
    in_use: bool
    is_corrected: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class WayIn:
    """``test`` None: it is read by an access token, which a person connects on its page. ``is_corrected`` as that of `WayOut`."""

    id: int
    name: str
    test: MailboxTest | None
    in_use: bool
    is_corrected: bool = False


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


def try_way_out(ports: Ports, address: str, password: str, place: Place, begun: Begun) -> WayOut:
    """Entered and tried, not yet used; one that is in use is tried as it is, and with this password where its own is refused. Raises
    `ValidationError`. Waits for the network."""
    same = OutgoingServer.objects.filter(transport="smtp")
    username = place.username or address
    row = same.filter(host=place.host, port=place.port, username=username, is_active=True).first()
    is_corrected = False
    if row is not None and not test_failed(row) and not row.trouble:
        found = test_server(ports, row.pk, member=None, to=address)
        if found.step != Step.LOGIN:
            return WayOut(id=row.pk, name=row.name, test=found, in_use=True)
        row = save_server(ports, {"id": row.pk, "password": password}, member=None)
        is_corrected = True
    else:
        rows = same.filter(username=username).order_by("-id")
        draft = next((one for one in rows if not one.is_active or test_failed(one)), None)
        row = save_draft_server(
            ports, _account(address, password, place), draft_id=draft.pk if draft else None, member=None
        )
        if draft is None:
            begun.servers.append(row.pk)
    found = test_server(ports, row.pk, member=None, to=address)
    return WayOut(id=row.pk, name=row.name, test=found, in_use=row.is_active, is_corrected=is_corrected and found.is_ok)


def use_way_out(ports: Ports, company: Company, way: WayOut, *, cancels_waiting: bool | None) -> WayOut:
    """Mail leaves through it from now on, if its test went well. Raises as `use_server`."""
    if not way.test.is_ok or (way.in_use and not is_capturing()):
        return way
    use_server(ports, way.id, member=None, cancels_waiting=cancels_waiting, company=company)
    return replace(way, in_use=True)


def set_up_way_in(ports: Ports, company: Company, address: str, password: str, place: Place, begun: Begun) -> WayIn:
    """Entered, tried, and read from now on when it can be; one that is read already as `try_way_out`. Raises `ValidationError`. Waits for the
    network."""
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
        if draft is None:
            begun.mailboxes.append(row.pk)
    if row.authentication == "token" and not row.secret:
        return WayIn(id=row.pk, name=row.name, test=None, in_use=False)
    found = test_mailbox(ports, row.pk, member=None, leave_old_mail=is_new)
    is_corrected = not is_new and found.step == MailboxStep.LOGIN and _takes(ports, row, password)
    if is_corrected:
        save_mailbox(ports, {"id": row.pk, "password": password}, member=None)
        found = test_mailbox(ports, row.pk, member=None)
    row.refresh_from_db()
    return WayIn(
        id=row.pk, name=row.name, test=found, in_use=row.is_confirmed and row.is_active, is_corrected=is_corrected
    )


def _takes(ports: Ports, mailbox: Mailbox, password: str) -> bool:
    """Whether this password opens it: what is stored is not given away for another that is refused, too."""
    if mailbox.authentication == "token":
        return False
    typed = Mailbox.objects.get(pk=mailbox.pk)
    typed.secret = ports.vault.seal(password)
    found = plan_test(ports, typed, patience=_PATIENCE)()
    return found.is_ok or found.step in (MailboxStep.FOLDER, MailboxStep.AFTERWARDS)


def forget_begun(ports: Ports, begun: Begun) -> None:
    """Whoever breaks off leaves nothing half behind: what was entered since and is not in use is removed."""
    for server in OutgoingServer.objects.filter(pk__in=begun.servers, is_active=False):
        forget_row(ports, server, "outgoing server", member=None)
    for mailbox in Mailbox.objects.filter(pk__in=begun.mailboxes, is_confirmed=False):
        forget_row(ports, mailbox, "mailbox", member=None)


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
