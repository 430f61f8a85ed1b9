"""The first run: a signed link for the first administrator, how far the set-up has come, and what each of its steps stores.

Laws: the link works as long as nobody is a member, for a week, and once: two who use it at the same moment make one person. Each step
stores something whole or nothing; an outgoing server is out of use until a person says "use it", a mailbox is not read before its test
went well. Every step may be skipped and come back to.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from django.core import signing
from django.db import connection, transaction
from django.db.models import Q, QuerySet

from postroom.core.terms.states import Role
from postroom.flows.access import company_ids, is_house_administrator, require, require_house
from postroom.flows.add_member import CannotAdd, add_member
from postroom.flows.ports import Ports
from postroom.flows.settings import parameters, save_alias, save_domain, set_parameter
from postroom.store.models import Alias, AliasDomain, Company, Mailbox, Member, OutgoingServer, SettingChange

LINK_LASTS = timedelta(days=7)
_SALT = "postroom.welcome"
_LOCK = "postroom first person"


class LinkIsDead(Exception):  # noqa: N818 - an answer to a person
    """The link was used, is too old, or is none of ours; the text says what helps."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """What there is already. ``draft_server_id``: a server that was entered and is not used yet, or that is used although its test failed.

    ``server_fails``, ``mailbox_fails``: the last that was seen of it is trouble."""

    company: str
    domain: str
    domain_id: int | None
    server: str
    draft_server_id: int | None
    server_fails: bool
    mailbox: str
    mailbox_fails: bool
    draft_mailbox_id: int | None
    alias: str


def is_unmanned() -> bool:
    """Whether nobody is there yet. One query."""
    return not Member.objects.exists()


def first_link(ports: Ports) -> str:
    """Where the first administrator begins; ``""`` when there are people already."""
    if not is_unmanned():
        return ""
    token = signing.TimestampSigner(salt=_SALT).sign("first")
    return f"{ports.configuration.public_url.rstrip('/')}/welcome/begin/{token}/"


def check_first_link(token: str) -> None:
    """Raises `LinkIsDead`."""
    try:
        signing.TimestampSigner(salt=_SALT).unsign(token, max_age=LINK_LASTS)
    except signing.BadSignature:
        raise LinkIsDead(
            "This link is too old, or was not copied whole. The command `postroom welcome` prints a new one."
        ) from None
    if not is_unmanned():
        raise LinkIsDead("Postroom has its first administrator already: sign in, or ask to be invited.")


@transaction.atomic
def make_first_person(ports: Ports, token: str, *, name: str, address: str, password: str, time_zone: str) -> Member:
    """The administrator of everything; the address is the name to sign in with. Raises `LinkIsDead` and `CannotAdd`."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(hashtext(%s))", [_LOCK])
    check_first_link(token)
    member = add_member(
        ports,
        login=address.strip().lower(),
        name=name.strip() or address,
        address=address,
        role=Role.ADMINISTRATOR,
        company="",
        password=password,
    )
    member.user.is_superuser = True  # of all companies, also of those that come later
    member.user.save(update_fields=["is_superuser"])
    if time_zone:
        Member.objects.filter(pk=member.pk).update(time_zone=time_zone)
    return member


@transaction.atomic
def name_house(
    ports: Ports, *, company: str, domain: str, member: Member | None, company_id: int | None = None
) -> Company:
    """The company's name, and the domain that its mail has. ``company_id``: which, when no member says it. Raises `NotAllowed`,
    `ValidationError` and `ParameterError`."""
    require_house(member)
    row = Company.objects.select_for_update().get(pk=member.company_id if member is not None else company_id or 0)
    if company and company != row.name:
        before, row.name = row.name, company
        row.full_clean()
        row.save(update_fields=["name"])
        SettingChange.objects.create(
            changed_at=ports.clock.now(), user=member.user if member else None, company=row, subject=f"company {company}"[:200],
            before={"name": before}, after={"name": company},
        )  # fmt: skip
    if domain:
        own = row.alias_domain or AliasDomain.objects.filter(retired_at=None).first()
        if own is None or own.name != domain:
            save_domain(ports, {"id": own.pk if own else None, "name": domain}, member=member)
        if parameters(ports).text("mail.catchall.domain") != domain:
            set_parameter(ports, "mail.catchall.domain", domain, member=member)
        row.refresh_from_db()
    return row


def first_alias(ports: Ports, *, name: str, kind: str, member: Member | None, company: Company | None = None) -> Alias:
    """Mail to it becomes a record. ``company``: whose, when no member says it. Raises as `save_alias`."""
    owner = company or (member.company if member is not None else None)
    assert owner is not None  # noqa: S101 - one of the two is given
    domain = owner.alias_domain or AliasDomain.objects.filter(retired_at=None).first()
    if domain is None:
        raise CannotAdd("An alias needs a domain: enter yours one step before.")
    there = Alias.objects.filter(name=name, domain=domain, company=owner, retired_at=None).first()
    if there is not None and there.kind_id == kind:  # what stays the same is not written: it would count as untested
        require(member, "settings", there)
        return there
    values = {"id": there.pk if there else None, "name": name, "domain": domain, "kind_id": kind}
    return save_alias(ports, values | {"company_id": owner.pk}, member=member)


def first_address(member: Member, alias_id: int | None = None) -> Alias | None:
    """The one with this number, else the oldest that mail makes new records by. Raises `NotAllowed`."""
    require(member, "settings")
    there = Alias.objects.select_related("domain", "kind").filter(company_id__in=company_ids(member), retired_at=None)
    chosen = there.filter(pk=alias_id).first() if alias_id is not None else None
    return chosen or there.order_by("id").first()


def addresses_there(member: Member) -> tuple[tuple[str, str, str], ...]:
    """What stands before and behind the @ of the addresses of the member's companies, and the kind that mail to each becomes. Raises `NotAllowed`."""
    require(member, "settings")
    there = Alias.objects.filter(company_id__in=company_ids(member), retired_at=None)
    return tuple(there.values_list("name", "domain__name", "kind_id"))


def progress_of(member: Member) -> Progress:
    """From what is stored: nothing remembers the steps themselves. A draft is one that the member may go on with. Five queries."""
    require(member, "settings")
    mine = company_ids(member)
    company = Company.objects.select_related("alias_domain").get(pk=member.company_id)
    domain = company.alias_domain
    servers = OutgoingServer.objects.filter(Q(company=None) | Q(company_id__in=mine)).exclude(transport="letterbox")
    active = list(servers.filter(is_active=True))
    used = next((one for one in active if not fails(one)), active[0] if active else None)
    drafts = servers if is_house_administrator(member) else servers.filter(company_id__in=mine)
    draft = _draft(drafts, used, active)
    mailboxes = Mailbox.objects.filter(company_id__in=mine, is_active=True).order_by("-is_confirmed", "-id")
    mailbox = mailboxes.first()
    alias = first_address(member)
    return Progress(
        company=company.name,
        domain=domain.name if domain else "",
        domain_id=domain.pk if domain else None,
        server=used.name if used else "",
        draft_server_id=draft.pk if draft else None,
        server_fails=used is not None and fails(used),
        mailbox=mailbox.name if mailbox and mailbox.is_confirmed else "",
        mailbox_fails=bool(mailbox and mailbox.is_confirmed and mailbox.last_error and mailbox.error_count),
        draft_mailbox_id=mailbox.pk if mailbox and not mailbox.is_confirmed else None,
        alias=str(alias) if alias else "",
    )


def _draft(
    drafts: QuerySet[OutgoingServer], used: OutgoingServer | None, active: list[OutgoingServer]
) -> OutgoingServer | None:
    """The last one entered that is not in use; the one in use when it fails its test: it is that one that is being corrected."""
    if used is not None and test_failed(used) and drafts.filter(pk=used.pk).exists():
        return used
    newest = max(
        (one.pk for one in active), default=0
    )  # what was switched off before the present one came is a matter of the past
    return drafts.filter(is_active=False, trouble="", pk__gt=newest).order_by("-id").first()


def test_failed(server: OutgoingServer) -> bool:
    """Whether its last test did not go well. One that was never tested did not fail."""
    result = server.test_result
    return isinstance(result, dict) and not result.get("ok", True)


test_failed.__test__ = False  # type: ignore[attr-defined]  # pytest takes it for one of its own


def fails(server: OutgoingServer) -> bool:
    """Whether the last that was seen of it is trouble: of its test, or of mail that was to leave through it."""
    return test_failed(server) or bool(server.trouble)
