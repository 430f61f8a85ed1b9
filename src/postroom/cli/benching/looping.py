"""Loops: what keeps writing to a Postroom, and how soon it stops. Each scenario is a small world of its own (`loop_world`)."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from itertools import count

from postroom.cli.benching.loop_world import (
    HandClock,
    Redirect,
    Robot,
    Site,
    World,
    bare_way,
    person_writes,
)

TWO_DAYS = timedelta(hours=48)
STRANGERS = 10_000
NAMES = ("Alice", "Bob", "Charlie", "Dana", "the support team")
PARCEL = "Hello,\n\nwhere is my parcel? I ordered it three weeks ago and nobody answers the phone.\n\nCarla"
CARLA = "Customer Carla <carla@customer.example>"


@dataclass(frozen=True, slots=True, kw_only=True)
class LoopResult:
    """What 48 hours of simulated time brought. ``rounds``: mails let in of the one who came furthest; ``sent``: mails that left."""

    name: str
    rounds: int
    held: int
    refused: int
    seen: int  # our own mail, or seen before
    sent: int
    exchanged: int
    stopped_after: float  # seconds of simulated time
    alarms: tuple[str, ...]


def robot_words(number: int) -> str:
    """Nearly the same each time: another name, number and time."""
    return (
        f"Dear {NAMES[number % len(NAMES)]},\n\nthank you for your mail. Your request was received on 2 March at "
        f"08:{number % 60:02d}:{number * 7 % 60:02d} and has the number RT-{100_000 + number * 7919}. Our team answers within two working days.\n\nRobotics Ltd.\n"
    )


def short_words(number: int) -> str:
    return f"Received, number {number}.\n"


def away_words(number: int) -> str:
    return f"I am out of the office until Monday ({number}). In urgent cases please call my colleague Dana.\n"


Setting = Callable[[], World]


def scenarios() -> dict[str, Setting]:
    """By name, in the order of the table."""
    return {
        "robot answers, with references": _robot,
        "robot answers, no references, new subjects": lambda: _robot(with_references=False, with_new_subjects=True),
        "robot answers from robot+1@, robot+2@ …": lambda: _robot(with_sub_addresses=True),
        "robot answers from robot+1@ …, no references": lambda: _robot(
            with_sub_addresses=True, with_references=False, with_new_subjects=True
        ),
        "robot says little, at once": lambda: _robot(words=short_words),
        "robot says it is away, without any mark": lambda: _robot(words=away_words),
        "robot writes to an alias that makes records": lambda: _robot(
            to="support@one.test", with_references=False, with_new_subjects=True, with_sub_addresses=True
        ),
        "two robots write to an alias that makes records": _robots_to_alias,
        "robot writes to the catchall": lambda: _robot_at("catchall@one.test"),
        "robot writes to an alias that refuses it": lambda: _robot_at("staff@one.test"),
        "robot+1@, robot+2@ … to an alias that refuses it": lambda: _robot_at(
            "staff@one.test", with_sub_addresses=True
        ),
        "well-behaved autoresponders": lambda: _two_robots(is_well_behaved=True),
        "two autoresponders, unmarked": _two_robots,
        "two autoresponders that take half an hour": lambda: _two_robots(delay=timedelta(minutes=30)),
        "two autoresponders that take four hours": lambda: _two_robots(delay=timedelta(hours=4)),
        "two Postrooms that follow each other": _two_postrooms,
        "two Postrooms, a relay strips all marks": lambda: _two_postrooms(bare=True),
        "a customer's rule sends our mail back": lambda: _redirect(bare=False),
        "… with new Message-IDs and all marks stripped": lambda: _redirect(bare=True),
    }


def play(name: str, *, length: timedelta = TWO_DAYS, is_braked: bool = True) -> LoopResult:
    """One scenario; all that it writes is taken back. Without the breaker it shows what the breaker is for."""
    with _taken_back():
        world = scenarios()[name]()
        if not is_braked:
            for site in world.sites:
                site.switch_breaker_off()
        begin = world.clock.now()
        world.run(length)
        states = sum((site.states for site in world.sites), Counter[str]())
        return LoopResult(
            name=name,
            rounds=max(site.let_in(but="carla@customer.example") for site in world.sites),
            held=states["held"],
            refused=states["refused"] + states["550"],
            seen=states["discarded"],
            sent=sum(site.sent for site in world.sites),
            exchanged=world.exchanged,
            stopped_after=(world.last_at - begin).total_seconds(),
            alarms=tuple(sorted({code for site in world.sites for code in site.alarms()})),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class CrowdResult:
    """So many strangers wrote to one alias; then a person let them in. Rates in mails a second of real time."""

    strangers: int
    passed: int
    held: int
    hold_rate: float
    released: int
    release_rate: float


def crowd(strangers: int) -> CrowdResult:
    """What the wide cap does to a campaign's answers."""
    from postroom.core.terms.envelopes import Envelope
    from postroom.core.terms.states import Door
    from postroom.flows.accept_message import Arrival, accept_messages
    from postroom.flows.route_message import route_waiting
    from postroom.flows.settle_loops import release_held
    from postroom.store.models import Record

    def routed() -> float:
        began = time.perf_counter()
        while route_waiting(site.ports):
            pass
        return strangers / (time.perf_counter() - began)

    with _taken_back():
        site = Site("one.test", HandClock())
        site.build()
        arrivals = []
        for number in range(strangers):
            who = f"stranger{number}@customers.example"
            letter = person_writes(
                who, "support@one.test", "Re: Our offer", f"Yes, I take it. My name is {number}.", number
            )
            envelope = Envelope(mail_from=who, rcpt_to=(letter.to,))
            arrivals.append(Arrival(door=Door.SMTP, raw=letter.raw, envelope=envelope))
        for start in range(0, strangers, 500):
            accept_messages(site.ports, arrivals[start : start + 500])
        hold_rate = routed()
        passed, held = Record.objects.count(), site.held()
        targets = {hold.subject for hold in held}
        released = sum(release_held(site.ports, target, member=None) for target in sorted(targets))
        release_rate = routed()
        if Record.objects.count() != strangers:
            raise AssertionError("not everybody was let in")
        return CrowdResult(
            strangers=strangers,
            passed=passed,
            held=len(held),
            hold_rate=hold_rate,
            released=released,
            release_rate=release_rate,
        )


@contextmanager
def _taken_back() -> Iterator[None]:
    from django.db import transaction

    with transaction.atomic():
        yield
        transaction.set_rollback(True)


def _robot(
    *,
    words: Callable[[int], str] = robot_words,
    to: str = "",
    with_references: bool = True,
    with_new_subjects: bool = False,
    with_sub_addresses: bool = False,
) -> World:
    """It follows every ticket; and so does another robot, without which nobody would write to it again."""
    clock = HandClock()
    site = Site("one.test", clock)
    site.build("robot@robots.example", "echo@other.example")
    robots = [
        Robot(
            address="robot@robots.example",
            words=words,
            to=to,
            with_references=with_references,
            with_new_subjects=with_new_subjects,
            with_sub_addresses=with_sub_addresses,
        ),
        Robot(address="echo@other.example", words=lambda n: robot_words(n + 500).replace("Robotics", "Echo")),
    ]
    world = World(clock, [site], list(robots))
    world.post(person_writes(CARLA, "support@one.test", "My parcel is late", PARCEL))
    return world


def _robots_to_alias() -> World:
    clock = HandClock()
    site = Site("one.test", clock)
    site.build("robot@robots.example", "echo@other.example")
    robots: list[Robot | Redirect] = [
        Robot(address, words, to="support@one.test", with_references=False, with_new_subjects=True)
        for address, words in (("robot@robots.example", robot_words), ("echo@other.example", away_words))
    ]
    world = World(clock, [site], robots)
    world.post(person_writes(CARLA, "support@one.test", "My parcel is late", PARCEL))
    return world


def _robot_at(to: str, *, with_sub_addresses: bool = False) -> World:
    """It writes there whatever it gets, and begins by itself."""
    clock = HandClock()
    site = Site("one.test", clock)
    site.build()
    robot = Robot(
        "robot@robots.example",
        robot_words,
        to=to,
        with_references=False,
        with_new_subjects=True,
        with_sub_addresses=with_sub_addresses,
    )
    world = World(clock, [site], [robot])
    for minute in range(0, 120, 10):  # it has a schedule of its own, too
        first = person_writes("robot@robots.example", to, f"Notice {minute}", robot_words(minute), minute)
        world.post(first, timedelta(minutes=minute))
    return world


def _two_robots(*, is_well_behaved: bool = False, delay: timedelta = timedelta(seconds=3)) -> World:
    clock = HandClock()
    site = Site("one.test", clock)
    site.build("robot@robots.example", "away@other.example")
    world = World(
        clock,
        [site],
        [
            Robot("robot@robots.example", robot_words, is_well_behaved=is_well_behaved, delay=delay),
            Robot("away@other.example", away_words, is_well_behaved=is_well_behaved, delay=delay),
        ],
    )
    world.post(person_writes(CARLA, "support@one.test", "My parcel is late", PARCEL))
    return world


def _two_postrooms(*, bare: bool = False) -> World:
    """Each is a follower of the other's tickets."""
    clock = HandClock()
    sites = [Site("one.test", clock), Site("two.test", clock, schema="second_postroom")]
    sites[1].build("support@one.test")
    sites[0].build("support@two.test")
    world = World(clock, sites, way=bare_way(count()) if bare else bytes)
    world.post(
        person_writes(
            CARLA,
            "support@one.test",
            "My parcel is late",
            PARCEL,
        )
    )
    return world


def _redirect(*, bare: bool) -> World:
    clock = HandClock()
    site = Site("one.test", clock)
    site.build("customer@elsewhere.example", "boss@quiet.example")
    way = bare_way(count(), "support@one.test") if bare else bytes
    world = World(clock, [site], [Redirect("customer@elsewhere.example", "support@one.test", way)])
    world.post(person_writes(CARLA, "support@one.test", "My parcel is late", PARCEL))
    return world
