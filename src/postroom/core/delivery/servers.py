"""Through which server a mail leaves, or why it waits.

Laws: the order is a table; the first rule that fits a server decides, ties by priority, then by age. A server that is
paused, in trouble or full for today is passed over where another may send as this From; where none may, the mail waits, with the reason.
A server that the mail names is taken as it is. What opens more than one company (``is_of_the_house``) leaves by the house's own servers alone,
whatever it names: a company's administrator reads what passes his. Captured mail never sees a network. Comparison on normalised addresses, domains
exactly (no subdomains).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum

import postroom.core.delivery.sentences  # noqa: F401 - the sentences of the reasons below
from postroom.core.terms.addresses import normalize, normalize_domain
from postroom.core.terms.reasons import Reason, because

CONFIGURED = 0  # the id of the server of the configuration
LETTERBOX = -1  # the id of the Letterbox where no server stands for it
LOOK_AGAIN = timedelta(minutes=5)  # at what has no time of its own: a paused server, none at all


class Order(StrEnum):
    """In which order servers are tried."""

    DOCUMENTED = "documented"
    ODOO18 = "odoo18"


@dataclass(frozen=True, slots=True)
class FromFilter:
    """Addresses and domains, normalised. Empty: everything."""

    addresses: frozenset[str] = frozenset()
    domains: frozenset[str] = frozenset()

    def __bool__(self) -> bool:
        return bool(self.addresses or self.domains)

    def names_address(self, normal: str) -> bool:
        return normal in self.addresses

    def names_domain(self, normal: str) -> bool:
        return normal.rpartition("@")[2] in self.domains

    def names(self, normal: str) -> bool:
        """An empty filter names nobody; see `admits`."""
        return self.names_address(normal) or self.names_domain(normal)

    def admits(self, normal: str) -> bool:
        return not self or self.names(normal)


def read_filter(text: str) -> FromFilter:
    """``alice@a.example, b.example``: what is neither an address nor a domain is passed over."""
    words = [word.strip() for word in text.replace(";", ",").split(",") if word.strip()]
    addresses = {normal for word in words if "@" in word.strip("@") and (normal := normalize(word))}
    domains = {
        domain for word in words if "@" not in word.lstrip("@") and (domain := normalize_domain(word.lstrip("@")))
    }
    return FromFilter(frozenset(addresses), frozenset(domains))


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerFact:
    """What choosing needs to know of a server. ``purpose``: both, transactional or campaigns; ``company_id`` None: everybody's."""

    id: int
    name: str
    filter: FromFilter = FromFilter()
    priority: int = 10
    company_id: int | None = None
    purpose: str = "both"
    is_letterbox: bool = False
    is_active: bool = True
    is_paused: bool = False
    broken_until: datetime | None = None
    trouble: str = ""
    is_full: bool = False  # its limit of today is reached
    envelope_sender: str = "signed"
    login: str = ""
    signs_dkim: bool = True

    def is_free(self, now: datetime) -> bool:
        return not self.is_paused and not self.is_full and not self.is_broken(now)

    def is_broken(self, now: datetime) -> bool:
        return self.broken_until is not None and self.broken_until > now


@dataclass(frozen=True, slots=True, kw_only=True)
class MailFact:
    """What choosing needs to know of a mail. Addresses are normalised, ``""`` when there is none."""

    header_from: str
    default_from: str = ""
    company_id: int | None = None
    is_campaign: bool = False
    forced_server_id: int | None = None
    is_of_the_house: bool = False  # it may be seen by nobody who is of one company alone


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """Take this server."""

    server: ServerFact
    is_forced: bool = False
    reasons: tuple[Reason, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Wait:
    """No server now: look again at ``until``. ``server_id`` is whom the mail waits for, if it is anybody."""

    reason: Reason
    until: datetime
    server_id: int | None = None


@dataclass(frozen=True, slots=True)
class _Rule:
    code: str
    fits: Callable[[ServerFact, MailFact], bool]
    is_last_resort: bool = False  # only where nobody, free or not, fits a rule before


_EXACT_FROM = _Rule("server.exact_from", lambda server, mail: server.filter.names_address(mail.header_from))
_DOMAIN_OF_FROM = _Rule("server.domain_of_from", lambda server, mail: server.filter.names_domain(mail.header_from))
_WITHOUT_FILTER = _Rule("server.without_filter", lambda server, _: not server.filter)
_EXACT_DEFAULT = _Rule("server.exact_default", lambda server, mail: server.filter.names_address(mail.default_from))
_DOMAIN_OF_DEFAULT = _Rule(
    "server.domain_of_default", lambda server, mail: server.filter.names_domain(mail.default_from)
)
_FIRST = _Rule("server.first", lambda _server, _mail: True, is_last_resort=True)

ORDERS: Mapping[Order, tuple[_Rule, ...]] = {
    Order.DOCUMENTED: (_EXACT_FROM, _DOMAIN_OF_FROM, _WITHOUT_FILTER, _EXACT_DEFAULT, _DOMAIN_OF_DEFAULT, _FIRST),
    Order.ODOO18: (_EXACT_FROM, _DOMAIN_OF_FROM, _EXACT_DEFAULT, _DOMAIN_OF_DEFAULT, _WITHOUT_FILTER, _FIRST),
}


def choose(
    mail: MailFact,
    servers: Iterable[ServerFact],
    order: Order,
    now: datetime,
    *,
    configured: ServerFact | None = None,
    capturing: bool = False,
) -> Choice | Wait:
    """``servers`` are all of the database, archived ones too; ``configured`` is the one of the configuration, if there is one."""
    known = sorted(servers, key=lambda server: (server.priority, server.id))
    if not mail.is_of_the_house:
        return _choose(mail, known, order, now, configured=configured, capturing=capturing)
    of_the_house = [server for server in known if server.company_id is None]  # as if no company had one of its own
    found = _choose(mail, of_the_house, order, now, configured=configured, capturing=capturing)
    if isinstance(found, Choice):
        return replace(found, reasons=(because("server.of_the_house"), *found.reasons))
    return replace(found, reason=because("wait.no_house_server")) if found.reason.code == "wait.no_server" else found


def _choose(
    mail: MailFact,
    known: Sequence[ServerFact],
    order: Order,
    now: datetime,
    *,
    configured: ServerFact | None,
    capturing: bool,
) -> Choice | Wait:
    if capturing:
        return _capture(mail, known)
    if mail.forced_server_id is not None:
        return _forced(mail.forced_server_id, known, now)
    serving = [server for server in known if server.is_active and _serves(server, mail)]
    if serving:
        return _by_rules(mail, serving, ORDERS[order], now)
    if configured is None:
        return Wait(reason=because("wait.no_server"), until=now + LOOK_AGAIN)
    if configured.is_broken(now):
        return _wait_for([configured], now)
    return Choice(server=configured, reasons=(because("server.configured"),))


def _serves(server: ServerFact, mail: MailFact) -> bool:
    mine = server.company_id is None or server.company_id == mail.company_id
    return mine and server.purpose in ("both", "campaigns" if mail.is_campaign else "transactional")


def _capture(mail: MailFact, known: Sequence[ServerFact]) -> Choice:
    boxes = [
        server
        for server in known
        if server.is_letterbox and server.is_active and server.company_id in (None, mail.company_id)
    ]
    box = boxes[0] if boxes else ServerFact(id=LETTERBOX, name="Letterbox", is_letterbox=True)
    return Choice(server=box, reasons=(because("server.capture"),))


def _forced(server_id: int, known: Sequence[ServerFact], now: datetime) -> Choice | Wait:
    """As it is (its filter and purpose are not asked), as long as it is there and works."""
    server = next((one for one in known if one.id == server_id), None)
    if server is None:
        return Wait(reason=because("wait.no_server"), until=now + LOOK_AGAIN)
    if not server.is_active:
        return Wait(reason=because("wait.archived", server=server.name), until=now + LOOK_AGAIN, server_id=server.id)
    if not server.is_free(now):
        return _wait_for([server], now)
    return Choice(server=server, is_forced=True, reasons=(because("server.forced", server=server.name),))


def _by_rules(mail: MailFact, serving: Sequence[ServerFact], rules: Sequence[_Rule], now: datetime) -> Choice | Wait:
    passed: dict[int, ServerFact] = {}
    for rule in rules:
        if rule.is_last_resort and passed:
            break
        for server in serving:
            if server.id in passed or not rule.fits(server, mail):
                continue
            if server.is_free(now):
                skipped = [_skipped(one, now) for one in list(passed.values())[:1]]
                return Choice(server=server, reasons=(*skipped, _because(rule, server, mail)))
            passed[server.id] = server
    return _wait_for(list(passed.values()), now)


def _because(rule: _Rule, server: ServerFact, mail: MailFact) -> Reason:
    sender = mail.default_from if rule in (_EXACT_DEFAULT, _DOMAIN_OF_DEFAULT) else mail.header_from
    return because(rule.code, server=server.name, sender=sender or "(none)", domain=sender.rpartition("@")[2])


def _skipped(server: ServerFact, now: datetime) -> Reason:
    if server.is_full and not server.is_paused and not server.is_broken(now):
        return because("server.skipped_full", server=server.name)
    if server.is_paused or not server.is_broken(now):
        return because("server.skipped_paused", server=server.name)
    return because("server.skipped_broken", server=server.name, trouble=server.trouble)


def _wait_for(blocked: Sequence[ServerFact], now: datetime) -> Wait:
    """For the one that comes back first; a pause ends when somebody ends it."""
    broken = [server for server in blocked if not server.is_paused and server.broken_until is not None]
    if broken:
        first = min(broken, key=lambda server: server.broken_until or now)
        reason = because("wait.broken", server=first.name, trouble=first.trouble)
        return Wait(reason=reason, until=max(first.broken_until or now, now), server_id=first.id)
    first = blocked[0]
    return Wait(reason=because("wait.paused", server=first.name), until=now + LOOK_AGAIN, server_id=first.id)
