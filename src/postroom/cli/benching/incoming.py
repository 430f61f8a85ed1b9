"""In: from the SMTP door to the routed record whose followers' mails are queued.

Each mail is written to an alias with two followers, by a customer of its own, and makes a record. The clock runs from the
first connection until every mail is routed and every notification is queued. The loop breaker is switched off: so many
mails to one alias within a minute are just what it is there for.
"""

from __future__ import annotations

import threading
import time
from functools import partial

from postroom.cli.benching.counting import ProcessCost
from postroom.cli.benching.feeding import feed
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
from postroom.cli.benching.mails import mail
from postroom.cli.benching.results import BenchResult, result_of
from postroom.cli.benching.yardstick import SESSIONS, measure_yardstick
from postroom.cli.telling import Trouble, give_up

ALIAS = f"orders@{DOMAIN}"
FOLLOWERS = 2
SLOWEST = 10.0  # mails a second: below, the bench is given up
LOOK_EVERY = 0.05  # seconds


def bench_in(count: int, workers: int, progress: Progress) -> BenchResult:
    """Take in ``count`` mails with ``workers`` door processes and as many routers."""
    port = free_port()
    settings = {
        "SMTP_PORT": str(port),
        "LMTP_PORT": str(free_port()),
        "DOORS": str(workers),
        "ROUTERS": str(workers),
        "HOSTNAME": DOMAIN,
    }
    with prepared_ground(settings) as ground:
        yardstick = measure_yardstick(ground.folder, count)
        _set_up()
        ground.staff.start("door", workers)
        ground.staff.start("router", workers)
        wait_until(lambda: answers(port), "the door to open")
        _wait_until_idle(ground, workers)
        before = _cpu(ground)
        seconds = _receive(ground, port, count, progress)
        costs = ground.staff.costs()
        spent = _cpu(ground) - before
        return result_of(
            count=count, seconds=seconds, yardstick=yardstick, workers=workers, staff=costs, cpu_seconds=spent
        )


def _set_up() -> None:
    """An alias with two followers."""
    from postroom.core.terms.addresses import normalize
    from postroom.flows.settings import save_alias, save_domain, set_parameter
    from postroom.store.models import Company, Contact, RecordKind
    from postroom.wiring import ports

    company = Company.objects.create(name="Bench")
    domain = save_domain(ports(), {"name": DOMAIN, "plus_addresses_arrive": True}, member=None)
    kind = RecordKind.objects.order_by("pk").first() or RecordKind.objects.create(
        key="order", label="Order", label_plural="Orders"
    )
    addresses = ("alice@colleagues.test", "bob@colleagues.test")
    contacts = [
        Contact.objects.create(name=one.partition("@")[0].title(), address=one, normal=normalize(one))
        for one in addresses
    ]
    values = {"company": company, "name": ALIAS.partition("@")[0], "domain": domain, "kind": kind}
    save_alias(ports(), values | {"follower_ids": [one.pk for one in contacts]}, member=None)
    set_parameter(ports(), "mail.gateway.loop.threshold", "0", member=None)


def _wait_until_idle(ground: Ground, workers: int) -> None:
    """Every router listens for the call."""

    def all_listen() -> bool:
        from django.db import connection

        ground.staff.require_alive()
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT count(DISTINCT pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid() AND query ILIKE 'listen %%'"
            )
            return int(cursor.fetchone()[0]) >= workers

    wait_until(all_listen, "the routers to listen")


def _receive(ground: Ground, port: int, count: int, progress: Progress) -> float:
    troubles: list[Trouble] = []

    def give() -> None:
        try:
            feed(port, host=LOOPBACK, sessions=SESSIONS, count=count, recipient=ALIAS, mail=partial(mail, to=ALIAS))
        except Trouble as trouble:
            troubles.append(trouble)

    feeder = threading.Thread(target=give, name="feeder", daemon=True)
    began = time.perf_counter()
    feeder.start()
    deadline = began + 60 + count / SLOWEST
    while (done := _routed()) < count or _queued() < FOLLOWERS * count:
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


def _queued() -> int:
    from postroom.core.terms.states import DeliveryState
    from postroom.store.models import Delivery

    return Delivery.objects.filter(state=DeliveryState.QUEUED).count()


def _why() -> str:
    from postroom.core.terms.states import InboundState
    from postroom.store.models import InboundMessage

    row = InboundMessage.objects.exclude(state__in=[InboundState.ROUTED, InboundState.RECEIVED]).first()
    return f"The first of the others is {row.state}: {row.error or row.verdict}." if row else ""


def _cpu(ground: Ground) -> float:
    costs: list[ProcessCost] = [*ground.staff.costs(), ground.database_cost()]
    return sum(one.cpu_seconds for one in costs)
