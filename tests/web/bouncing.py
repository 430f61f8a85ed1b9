"""Addresses that do not receive well, for the pages that show them."""

from __future__ import annotations

from postroom.core.terms.reasons import because
from postroom.store.models import AddressHealth, BounceEvent, Company, Delivery, InboundMessage, Suppression
from tests.web import seeding

GONE = "550 5.1.1 The email account that you tried to reach does not exist"
CLOSED = "550 5.2.1 The mailbox is disabled, not accepting messages"


def an_address(
    company: Company, address: str, bounces: int = 0, reply: str = CLOSED, blame: str = "mailbox", complaints: int = 0
) -> AddressHealth:
    """With its evidence: a bounce every three days, the last an hour ago."""
    row = AddressHealth.objects.create(
        company=company,
        address=address,
        domain=address.rpartition("@")[2],
        bounce_count=bounces,
        first_bounced_at=seeding.ago(days=3 * (bounces - 1), hours=1) if bounces else None,
        last_bounced_at=seeding.ago(hours=1) if bounces else None,
        last_status=reply.split()[1][:12] if bounces else "",
        last_reply=reply if bounces else "",
        last_blame=blame if bounces else "",
        complaint_count=complaints,
        last_complained_at=seeding.ago(days=1) if complaints else None,
    )
    delivery, inbound = Delivery.objects.order_by("id").first(), InboundMessage.objects.order_by("id").first()
    for number in range(bounces + complaints):
        is_bounce = number < bounces
        BounceEvent.objects.create(
            health=row,
            company=company,
            kind="bounced" if is_bounce else "complained",
            source=("report", "session", "provider")[number % 3],
            delivery_id=delivery.pk if delivery and number == 0 else 1_000_000 + 1000 * row.pk + number,
            attempt=row.pk % 30_000,
            inbound_id=inbound.pk if inbound and number % 3 == 0 else None,
            status=reply.split()[1][:12] if is_bounce else "",
            reply=reply if is_bounce else "",
            blame=blame if is_bounce else "",
            fault=blame if is_bounce else "",
            is_proof=is_bounce and blame == "address",
            happened_at=seeding.ago(days=3 * number, hours=1),
            recorded_at=seeding.ago(days=3 * number, hours=1),
        )
    return row


def a_suppression(health: AddressHealth, cause: str, code: str, facts: dict[str, str], **more: object) -> Suppression:
    values = {"since": seeding.ago(hours=1), "reasons": [because(code, **facts).as_json()]}
    return Suppression.objects.create(health=health, company_id=health.company_id, cause=cause, **(values | more))


def some_addresses(company: Company) -> AddressHealth:
    """A believable list; the address of Customer Carla is the one that is returned."""
    carla = an_address(company, "carla@customer.example", 5)
    first, last = f"{seeding.ago(days=12):%Y-%m-%d}", f"{seeding.NOW:%Y-%m-%d}"
    a_suppression(carla, "bounces", "suppression.bounces", {"count": "5", "first": first, "last": last})
    for number, domain in enumerate(["oakhurst.example", "oakhurst.example", "atlas.example", "old-shop.example"]):
        gone = an_address(company, f"former.colleague{number}@{domain}", 1, GONE, "address")
        a_suppression(gone, "address", "suppression.no_such_address", {"reply": GONE}, since=seeding.ago(days=number))
    angry = an_address(company, "grace@lagosprints.example", complaints=1)
    a_suppression(angry, "complaint", "suppression.complaint", {"on": last})
    by_hand = an_address(company, "press@atlas.example")
    a_suppression(
        by_hand,
        "manual",
        "suppression.manual",
        {"who": "Alice Archer", "why": "Asked for it on the phone"},
        who="Alice Archer",
        expires_at=seeding.ago(days=-90),
    )
    back = an_address(company, "tom@fischer-verlag.example", 2, "552 5.2.2 Over quota")
    AddressHealth.objects.filter(pk=back.pk).update(bounce_count=0, alive_at=seeding.ago(hours=2), alive_by="mail")
    a_suppression(
        back,
        "imported",
        "suppression.imported",
        {"why": "hard bounce"},
        since=seeding.ago(days=40),
        released_at=seeding.ago(days=2),
        released_who="Alice Archer",
        released_why="He wrote to us again.",
    )
    an_address(company, "yuki@tanaka-paper.example", 3, "552 5.2.2 The mailbox is over quota")
    return carla
