"""A small world of mail with a clock that is turned by hand: Postrooms, robots, and the ways between them.

Laws: a Postroom in it is the real one (door, router, queue, composing), with tables of its own in a schema of its own; only the
wire is left out: what would leave is captured and handed on. Nothing waits: time passes when the next mail is due.
"""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import SMTP
from itertools import count as counting
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from postroom.flows.ports import Ports
    from postroom.store.models import LoopHold

START = datetime(2026, 3, 2, 8, 0, tzinfo=UTC)
ON_THE_WAY = timedelta(seconds=1)
MOST_STEPS = 50_000
REJECTED = "550"

_TABLES = (
    "SELECT tablename FROM pg_tables WHERE schemaname = current_schema() AND tablename ~ '^(postroom|auth|django)_'"
)


@dataclass(slots=True)
class HandClock:
    """Stands still until it is turned."""

    time: datetime = START

    def now(self) -> datetime:
        return self.time


@dataclass(frozen=True, slots=True, kw_only=True)
class Letter:
    """A mail under way to one recipient."""

    mail_from: str
    to: str
    raw: bytes


@dataclass(slots=True)
class Site:
    """A Postroom at ``domain``: support@ makes tickets, sales@ makes leads. ``schema``: where its tables are, made when missing."""

    domain: str
    clock: HandClock
    schema: str = ""
    states: Counter[str] = field(default_factory=Counter)
    sent: int = 0
    _ports: Ports | None = None

    @property
    def ports(self) -> Ports:
        """The real ones, with the world's clock and with keys and a mark of its own."""
        if self._ports is None:
            from postroom.wiring import ports

            mark, key = f"mark-of-{self.domain}", f"the key of {self.domain}".encode()
            self._ports = replace(ports(), clock=self.clock, our_mark=mark, address_keys=(key,))
        return self._ports

    @contextmanager
    def inside(self) -> Iterator[None]:
        """Here the tables are this Postroom's."""
        from django.db import connection

        if not self.schema:
            yield
            return
        with connection.cursor() as cursor:
            cursor.execute(f'SET search_path TO "{self.schema}"')
        try:
            yield
        finally:
            with connection.cursor() as cursor:
                cursor.execute("SET search_path TO DEFAULT")

    def build(self, *followers: str) -> None:
        """The company, its aliases; ``followers`` hear of every ticket by mail."""
        self._make_tables()
        with self.inside():
            _furnish(self, followers)

    def _make_tables(self) -> None:
        from django.db import connection

        if not self.schema:
            return
        with connection.cursor() as cursor:
            cursor.execute(_TABLES)
            names = [name for (name,) in cursor.fetchall()]
            cursor.execute(f'CREATE SCHEMA "{self.schema}"')
            for name in names:
                cursor.execute(f'CREATE TABLE "{self.schema}"."{name}" (LIKE "{name}" INCLUDING ALL)')

    def take(self, letter: Letter) -> str:
        """The mail at the door, and routed: the state that it ends in, or `REJECTED`."""
        from postroom.core.terms.envelopes import Envelope
        from postroom.core.terms.states import Door
        from postroom.flows.accept_message import Arrival, accept_message
        from postroom.flows.check_recipient import check_recipients
        from postroom.flows.route_message import route_waiting
        from postroom.store.models import InboundMessage

        with self.inside():
            if not check_recipients(self.ports, [letter.to])[letter.to].accepted:
                self.states[REJECTED] += 1
                return REJECTED
            envelope = Envelope(mail_from=letter.mail_from, rcpt_to=(letter.to,))
            number = accept_message(self.ports, Arrival(door=Door.SMTP, raw=letter.raw, envelope=envelope))
            while route_waiting(self.ports):
                pass
            row = InboundMessage.objects.get(pk=number)
            if row.error:
                raise AssertionError(row.error)
            self.states[row.state] += 1
            return row.state

    def send(self) -> list[Letter]:
        """What is in its queue leaves."""
        from postroom.flows.deliver_mail import Shelf, claim_and_compose
        from postroom.store.models import LetterboxMail

        with self.inside():
            shelf = Shelf()
            while claim_and_compose(self.ports, "world", 1000, shelf=shelf).taken:
                pass
            rows = list(LetterboxMail.objects.order_by("id"))
            LetterboxMail.objects.all().delete()
        self.sent += len(rows)
        return [Letter(mail_from=row.return_path, to=row.to_address, raw=bytes(row.raw)) for row in rows]

    def switch_breaker_off(self) -> None:
        from postroom.store.models import Parameter

        with self.inside():
            Parameter.objects.update_or_create(key="mail.gateway.loop.threshold", defaults={"value": "0"})

    def held(self) -> Sequence[LoopHold]:
        """What its breakers hold, the oldest first."""
        from postroom.store.models import LoopHold

        with self.inside():
            return list(LoopHold.objects.filter(ended_at=None).order_by("id"))

    def let_in(self, but: str) -> int:
        """The most mails that any author but this one had put on records."""
        from postroom.store.models import Message

        with self.inside():
            rows = Message.objects.filter(inbound__isnull=False).exclude(author_address=but)
            found = Counter(_without_sub_address(one) for one in rows.values_list("author_address", flat=True))
        return max(found.values(), default=0)

    def alarms(self) -> list[str]:
        """The codes of the open ones."""
        from postroom.store.models import Alarm

        with self.inside():
            return sorted(Alarm.objects.filter(ended_at=None).values_list("code", flat=True))


def _furnish(site: Site, followers: tuple[str, ...]) -> None:
    from postroom.core.terms.addresses import normalize
    from postroom.core.terms.states import AliasPolicy
    from postroom.store.models import Alias, AliasDomain, AliasFollower, Company, Contact, OutgoingServer, RecordKind

    domain = AliasDomain.objects.create(name=site.domain, plus_addresses_arrive=True)
    company = Company.objects.create(name=f"Company at {site.domain}", alias_domain=domain)
    OutgoingServer.objects.create(name="World", transport="letterbox", from_filter=site.domain)
    for name, key, policy in (
        ("support", "ticket", AliasPolicy.EVERYONE),
        ("sales", "lead", AliasPolicy.EVERYONE),
        ("staff", "ticket", AliasPolicy.COLLEAGUES),
    ):
        kind, _ = RecordKind.objects.get_or_create(key=key, defaults={"label": key, "label_plural": f"{key}s"})
        alias = Alias.objects.create(company=company, domain=domain, name=name, kind=kind, policy=policy)
        if name != "support":
            continue
        for address in followers:
            contact = Contact.objects.create(
                company=company, name=address.partition("@")[0].title(), address=address, normal=normalize(address)
            )
            AliasFollower.objects.create(alias=alias, contact=contact)


@dataclass(slots=True)
class Robot:
    """Answers every mail, as robots do that never heard of RFC 3834."""

    address: str
    words: Callable[[int], str]
    to: str = ""  # where it writes always; "": where a person would, Reply-To or From
    with_references: bool = True
    with_new_subjects: bool = False
    with_sub_addresses: bool = False
    is_well_behaved: bool = False  # answers no automatic mail, and marks its own
    delay: timedelta = timedelta(seconds=3)
    written: int = 0
    got: int = 0

    def answer(self, letter: Letter, clock: HandClock) -> Letter | None:
        """To a mail that came."""
        self.got += 1
        seen = message_from_bytes(letter.raw, policy=SMTP)
        target = self.to or _bare(seen["Reply-To"] or seen["From"])
        says_so = seen.get("Auto-Submitted", "no") != "no" or not letter.mail_from
        if (self.is_well_behaved and says_so) or not target:
            return None
        self.written += 1
        mail = self.mail(target, clock, subject=f"Re: {seen['Subject']}")
        if self.with_references and seen["Message-ID"]:
            mail["In-Reply-To"] = seen["Message-ID"]
            mail["References"] = f"{seen.get('References', '')} {seen['Message-ID']}".strip()
        if self.is_well_behaved:
            mail["Auto-Submitted"] = "auto-replied"
        return Letter(mail_from=_bare(mail["From"]), to=target, raw=mail.as_bytes(policy=SMTP))

    def mail(self, target: str, clock: HandClock, subject: str) -> EmailMessage:
        """The next of its mails."""
        local, _, domain = self.address.partition("@")
        mail = EmailMessage(policy=SMTP)
        mail["From"] = f"{local}+{self.written}@{domain}" if self.with_sub_addresses else self.address
        mail["To"] = target
        mail["Subject"] = f"Notice {self.written} of {clock.now():%H:%M:%S}" if self.with_new_subjects else subject
        mail["Message-ID"] = f"<{self.written}.{clock.now():%H%M%S%f}.{local}@{domain}>"
        mail.set_content(self.words(self.written))
        return mail


@dataclass(slots=True)
class Redirect:
    """A customer's rule that sends whatever comes on to another address, unchanged but for what ``way`` does to it."""

    address: str
    to: str
    way: Callable[[bytes], bytes] = bytes
    delay: timedelta = timedelta(seconds=2)
    written: int = 0

    def answer(self, letter: Letter, clock: HandClock) -> Letter | None:  # noqa: ARG002 (as robots do)
        self.written += 1
        return Letter(mail_from=self.address, to=self.to, raw=self.way(letter.raw))


@dataclass(slots=True)
class World:
    """Sites and robots, and the mails between them."""

    clock: HandClock
    sites: list[Site]
    robots: list[Robot | Redirect] = field(default_factory=list)
    way: Callable[[bytes], bytes] = bytes  # what relays do to mails between sites
    exchanged: int = 0
    last_at: datetime = START
    _under_way: list[tuple[datetime, int, Letter]] = field(default_factory=list)
    _numbers: Iterator[int] = field(default_factory=counting)

    def post(self, letter: Letter, after: timedelta = ON_THE_WAY) -> None:
        heapq.heappush(self._under_way, (self.clock.now() + after, next(self._numbers), letter))

    def run(self, length: timedelta) -> None:
        """Until nothing is under way, or this time is over."""
        end = self.clock.now() + length
        while self._under_way and self._under_way[0][0] <= end:
            at, _, letter = heapq.heappop(self._under_way)
            self.clock.time = max(self.clock.time, at)
            self.exchanged += 1
            self.last_at = self.clock.time
            if self.exchanged > MOST_STEPS:
                raise AssertionError("the loop never stops")
            self._hand_over(letter)
        self.clock.time = end

    def _hand_over(self, letter: Letter) -> None:
        domain = letter.to.rpartition("@")[2]
        for site in self.sites:
            if site.domain == domain:
                site.take(letter)
                for answer in site.send():
                    self.post(replace(answer, raw=self.way(answer.raw)))
                return
        for robot in self.robots:
            if robot.address.rpartition("@")[2] == domain:
                answer_of = robot.answer(letter, self.clock)
                if answer_of is not None:
                    self.post(answer_of, robot.delay)
                return


def person_writes(sender: str, to: str, subject: str, text: str, number: int = 0, **headers: str) -> Letter:
    """A mail of somebody with a mail program."""
    mail = EmailMessage(policy=SMTP)
    mail["From"], mail["To"], mail["Subject"] = sender, to, subject
    mail["Message-ID"] = f"<{number}.{abs(hash((sender, subject, text)))}@mua.example>"
    for name, value in headers.items():
        mail[name.replace("_", "-")] = value
    mail.set_content(text)
    return Letter(mail_from=_bare(sender), to=to, raw=mail.as_bytes(policy=SMTP))


def bare_way(counter: Iterator[int], to: str = "") -> Callable[[bytes], bytes]:
    """A relay that gives mails new Message-IDs and takes away all that threads or marks them; ``to``: what it writes into To."""

    def strip(raw: bytes) -> bytes:
        mail = message_from_bytes(raw, policy=SMTP)
        if to:
            mail.replace_header("To", to)
        for name in ("Message-ID", "In-Reply-To", "References", "X-Postroom-Objects", "Auto-Submitted", "Reply-To"):
            del mail[name]
        mail["Message-ID"] = f"<relay.{next(counter)}@relay.example>"
        return mail.as_bytes()

    return strip


def _bare(text: str) -> str:
    from postroom.core.terms.addresses import parse_one

    found = parse_one(str(text))
    return found.spec if found else ""


def _without_sub_address(address: str) -> str:
    local, at, domain = address.rpartition("@")
    return f"{local.partition('+')[0]}{at}{domain}"
