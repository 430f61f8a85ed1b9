"""From an address and a password to a server and a mailbox: what a preset knows is filled in, what is entered is tried before it is used.

Laws: an outgoing server that was entered stays out of use until `use_server`; a mailbox is not read before its test went well. A second
try changes the first, it makes no other.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.db import transaction

from postroom.core.delivery.identity import default_from
from postroom.flows import guard_installation, mailbox_facts, server_presets
from postroom.flows.access import is_house_administrator, require_settings
from postroom.flows.leave_capture import leave_capture
from postroom.flows.ports import Ports
from postroom.flows.settings import save_domain, save_mailbox, save_server
from postroom.flows.ways_out import domain_fact
from postroom.flows.welcome import test_failed
from postroom.store.models import AliasDomain, Company, Mailbox, Member, OutgoingServer


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """What a person entered. ``username`` empty: the address. ``password`` empty: the one that is stored, if any."""

    preset: str
    address: str
    username: str
    password: str
    host: str
    port: int
    encryption: str
    verify_certificate: bool = True

    def __repr__(self) -> str:
        return f"Account({self.address!r} at {self.host!r})"


def draft_server(server_id: int | None) -> OutgoingServer | None:
    """One that was entered and is not used yet, or that is used although its test failed."""
    row = OutgoingServer.objects.filter(pk=server_id or 0).first()
    return row if row is not None and (not row.is_active or test_failed(row)) else None


def save_draft_server(ports: Ports, account: Account, *, draft_id: int | None, member: Member | None) -> OutgoingServer:
    """Out of use, unless somebody said that it is used although its test failed: then it is that one that is corrected. Raises as `save_server`."""
    preset = server_presets.preset(account.preset)
    known = OutgoingServer.objects.filter(pk=draft_id or 0).first()
    values: dict[str, Any] = preset.values() | {
        "id": draft_id,
        "name": preset.label if preset.key != "custom" else account.host,
        "transport": "smtp",
        "host": account.host,
        "port": account.port,
        "encryption": account.encryption,
        "verify_certificate": account.verify_certificate,
        "username": account.username or preset.username or (account.address if account.password or draft_id else ""),
        "authentication": "password",
        "from_filter": account.address if preset.envelope_sender == "login" else "",
        "is_active": known is not None and known.is_active and test_failed(known),
        "company_id": None if member is None or is_house_administrator(member) else member.company_id,
    }
    if account.password:
        values["password"] = account.password
    return save_server(ports, values, member=member)


@transaction.atomic
def use_server(
    ports: Ports,
    server_id: int,
    *,
    member: Member | None,
    cancels_waiting: bool | None,
    company: Company | None = None,
) -> int:
    """Mail leaves through it from now on; capture mode ends as in `leave_capture`, and what leads everybody's mail to the Letterbox is archived.
    Where it sends as its own address alone, our notices get that address. How many mails were cancelled. Raises as `leave_capture`."""
    server = save_server(ports, {"id": server_id, "is_active": True}, member=member)
    owner = company or (member.company if member is not None else None)
    domain = owner.alias_domain if owner is not None else None
    if server.envelope_sender == "login" and domain is not None and "@" in server.from_filter:
        save_domain(ports, {"id": domain.pk, "default_from": server.from_filter}, member=member)
    cancelled = 0
    if guard_installation.is_capturing() and is_house_administrator(member):
        cancelled = leave_capture(ports, cancels=cancels_waiting, member=member)
        for row in OutgoingServer.objects.filter(transport="letterbox", from_filter="", is_active=True):
            save_server(ports, {"id": row.pk, "is_active": False}, member=member)
    return cancelled


def default_from_of(member: Member) -> str:
    """As whom notices of the member's company are written; ``""`` without a domain."""
    domain: AliasDomain | None = member.company.alias_domain
    return default_from(domain_fact(domain)) if domain is not None else ""


def save_draft_mailbox(
    ports: Ports,
    account: Account,
    *,
    draft_id: int | None,
    same_as: int | None,
    member: Member | None,
    company: Company | None = None,
    protocol: str = "",
) -> Mailbox:
    """Not read before its test. ``same_as``: the server whose password it has, too; ``company``: whose it is, when no member enters
    it. Raises as `save_mailbox`, and `NotAllowed`."""
    owner = company or (member.company if member is not None else None)
    preset = mailbox_facts.preset(account.preset)
    values: dict[str, Any] = {
        **preset.values(),
        "id": draft_id,
        "name": account.address,
        "company_id": owner.pk if owner is not None else None,
        "host": account.host,
        "port": account.port,
        "encryption": account.encryption,
        "verify_certificate": account.verify_certificate,
        "username": account.username or account.address,
    }
    if protocol:
        values["protocol"] = protocol
    password = account.password or (_password_of(ports, same_as, str(values["username"]), member) if same_as else "")
    if password:
        values["password"] = password
    return save_mailbox(ports, values, member=member)


def _password_of(ports: Ports, server_id: int, username: str, member: Member | None) -> str:
    """For the same login alone, and to those who may settle that server: a password goes where its new owner says."""
    server = OutgoingServer.objects.get(pk=server_id)
    require_settings(member, server)
    if server.username.strip().lower() != username.strip().lower():
        return ""
    try:
        return ports.vault.open(bytes(server.secret)).reveal() if server.secret else ""
    except ValueError:
        return ""
