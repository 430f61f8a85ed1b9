"""In: from the SMTP door to the routed record whose followers' mails are queued.

Nine mails of ten are written to an alias with two followers, by a customer of its own, and make a record; the tenth is a delivery
report on a mail that was sent before. The clock runs from the first connection until every mail is routed, every notification is queued
and every bounced delivery is known to be one. The loop breaker is switched off: so many
mails to one alias within a minute are just what it is there for.
"""

from __future__ import annotations

import threading
import time

from postroom.cli.benching.feeding import Posted, feed
from postroom.cli.benching.ground import (
    DOMAIN,
    LOOPBACK,
    Ground,
    Progress,
    answers,
    free_port,
    prepared_ground,
    wait_until,
)
from postroom.cli.benching.mails import HTML, delivery_report, mail
from postroom.cli.benching.results import BenchResult, result_of
from postroom.cli.benching.yardstick import measure_yardstick
from postroom.cli.telling import Trouble, give_up

ALIAS = f"orders@{DOMAIN}"
FOLLOWERS = 2
PEERS = 40  # servers that write at once, each waiting for its 250: one commit serves many
REPORT_EACH = 10  # mails: one of so many is a delivery report
READERS = 90  # of one message that will come back
SLOWEST = 10.0  # mails a second: below, the bench is given up
LOOK_EVERY = 0.1  # seconds


def bench_in(count: int, workers: int, progress: Progress) -> BenchResult:
    """Take in ``count`` mails with ``workers`` processes: a quarter of them doors, the others routers; one of each at least."""
    port = free_port()
    doors = max(1, workers // 4)
    routers = max(1, workers - doors)
    settings = {
        "SMTP_PORT": str(port),
        "LMTP_PORT": str(free_port()),
        "DOORS": str(doors),
        "ROUTERS": str(routers),
        "HOSTNAME": DOMAIN,
    }
    with prepared_ground(settings) as ground:
        yardstick = measure_yardstick(ground.folder, count)
        set_up_receiving()
        _switch_breaker_off()
        reports = send_what_will_bounce(len(range(REPORT_EACH - 1, count, REPORT_EACH)))
        ground.staff.start("door", doors)
        ground.staff.start("router", routers)
        wait_until(lambda: answers(port), "the door to open")
        ground.wait_until_all_listen(routers, "routers")
        before = ground.cpu_seconds()
        seconds = _receive(ground, port, count, reports, progress)
        costs = ground.staff.costs()
        spent = ground.cpu_seconds() - before
        return result_of(
            count=count, seconds=seconds, yardstick=yardstick, workers=doors + routers, staff=costs, cpu_seconds=spent
        )


def set_up_receiving(aliases: int = 1) -> tuple[int, str]:
    """A company whose aliases (the first is `ALIAS`) have two followers; the number of the company, the kind of its records."""
    from postroom.core.terms.addresses import normalize
    from postroom.flows.settings import save_alias, save_domain
    from postroom.store.models import Company, Contact, RecordKind
    from postroom.wiring import ports

    company = Company.objects.create(name="Bench")
    domain = save_domain(ports(), {"name": DOMAIN, "plus_addresses_arrive": True}, member=None)
    kind = RecordKind.objects.order_by("pk")[0]
    addresses = ("alice@colleagues.test", "bob@colleagues.test")
    contacts = [
        Contact.objects.create(name=one.partition("@")[0].title(), address=one, normal=normalize(one))
        for one in addresses
    ]
    local = ALIAS.partition("@")[0]
    for name in [local, *(f"{local}{number}" for number in range(aliases if aliases > 1 else 0))]:
        values = {"company": company, "name": name, "domain": domain, "kind": kind}
        save_alias(ports(), values | {"follower_ids": [one.pk for one in contacts]}, member=None)
    return company.pk, kind.pk


def _switch_breaker_off() -> None:
    from postroom.flows.settings import set_parameter
    from postroom.wiring import ports

    set_parameter(ports(), "mail.gateway.loop.threshold", "0", member=None)


def send_what_will_bounce(count: int) -> list[Posted]:
    """Mails of a record that left before; the reports on them that will come back."""
    from postroom.core.terms.states import DeliveryState, Role
    from postroom.core.tokens.addresses import TokenPurpose, make_token
    from postroom.flows.add_member import add_member
    from postroom.flows.post_message import post_message
    from postroom.flows.records import create_record
    from postroom.store.models import Contact, Delivery, RecordKind
    from postroom.wiring import ports

    if not count:
        return []
    alice = add_member(
        ports(),
        login="alice",
        name="Alice",
        address="alice@orders.test",
        role=Role.ADMINISTRATOR,
        company="",
        password=ports().ids.hex(12),
    )
    kind = RecordKind.objects.order_by("pk")[0].pk
    for start in range(0, count, READERS):
        addresses = [f"reader{number}@customers.test" for number in range(start, min(start + READERS, count))]
        readers = Contact.objects.bulk_create([Contact(name="", address=one, normal=one) for one in addresses])
        record = create_record(ports(), company_id=alice.company_id, kind=kind, title="Prints", author=alice)
        to = [one.pk for one in readers]
        post_message(ports(), record_id=record.pk, author=alice, html=HTML, extra_contact_ids=to)
    Delivery.objects.update(state=DeliveryState.SENT, finished_at=ports().clock.now())
    reports = []
    for number, (delivery, address) in enumerate(Delivery.objects.values_list("pk", "to_address")):
        returned_to = f"bounce+{make_token(ports().address_keys, TokenPurpose.BOUNCE, delivery)}@{DOMAIN}"
        raw = delivery_report(number, returned_to=returned_to, recipient=address)
        reports.append(Posted(mail_from="", rcpt_to=returned_to, raw=raw))
    return reports


def _receive(ground: Ground, port: int, count: int, reports: list[Posted], progress: Progress) -> float:
    troubles: list[Trouble] = []

    def one(number: int) -> Posted:
        if number % REPORT_EACH == REPORT_EACH - 1:
            return reports[number // REPORT_EACH]
        return Posted(f"customer{number}@customers.test", ALIAS, mail(number, to=ALIAS))

    def give() -> None:
        try:
            feed(port, host=LOOPBACK, sessions=PEERS, count=count, mail=one)
        except Trouble as trouble:
            troubles.append(trouble)

    feeder = threading.Thread(target=give, name="feeder", daemon=True)
    began = time.perf_counter()
    feeder.start()
    deadline = began + 60 + count / SLOWEST
    while (done := _routed()) < count or not _is_all_done(count, len(reports)):
        progress(done)
        ground.staff.require_alive()
        if troubles:
            raise troubles[0]
        if time.perf_counter() > deadline:
            give_up(f"Only {done} of {count} mails were routed within {deadline - began:.0f} s. {_why()}")
        time.sleep(LOOK_EVERY)
    seconds = time.perf_counter() - began
    feeder.join()
    progress(count)
    return seconds


def _routed() -> int:
    from postroom.core.terms.states import InboundState
    from postroom.store.models import InboundMessage

    return InboundMessage.objects.filter(state=InboundState.ROUTED).count()


def _is_all_done(count: int, reports: int) -> bool:
    from postroom.core.terms.states import DeliveryState
    from postroom.store.models import Delivery

    queued = Delivery.objects.filter(state=DeliveryState.QUEUED).count()
    bounced = Delivery.objects.filter(state=DeliveryState.BOUNCED).count()
    return queued == FOLLOWERS * (count - reports) and bounced == reports


def _why() -> str:
    from postroom.core.terms.states import InboundState
    from postroom.store.models import InboundMessage

    row = InboundMessage.objects.exclude(state__in=[InboundState.ROUTED, InboundState.RECEIVED]).first()
    return f"The first of the others is {row.state}: {row.error or row.verdict}." if row else ""
