"""A mail is signed with the keys of its From's domain (DKIM), or waits when one of them cannot be opened.

Laws: a mail for whose domain we have a key never leaves unsigned by accident: a key that cannot be opened makes it wait (our
fault, temporary), with the reason. Keys are read and decrypted once in a worker and looked for again every few seconds, at no more
than two queries; none in between. A shared body is hashed once for all its recipients. Private halves stay in memory.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from postroom.core.delivery.dkim import DkimAlgorithm, DkimKeyFact, fitting_keys
from postroom.core.delivery.identity import Identity
from postroom.core.delivery.servers import ServerFact
from postroom.core.delivery.wire import WireMail
from postroom.core.terms.addresses import normalize_domain
from postroom.core.terms.reasons import Reason, because
from postroom.flows.ports import DkimKeyHandle, Ports
from postroom.store.models import DkimKey
from postroom.store.queries.outgoing import MailFacts

LOOK_EVERY = timedelta(seconds=5)  # a key that was activated signs after so long at the latest
BODIES_BYTES = 32 * 1024 * 1024
BODIES = 256
DAY = 86_400  # seconds


@dataclass(frozen=True, slots=True, kw_only=True)
class Seal:
    """How mails of a domain are signed through a server. Without keys they are not; with ``closed`` they wait."""

    keys: tuple[DkimKeyHandle, ...] = ()
    reasons: tuple[Reason, ...] = ()
    closed: Reason | None = None


@dataclass(slots=True)
class Keyring:
    """What a worker keeps: the active keys as they were looked at last, those of them that are open, hashes of bodies."""

    _facts: tuple[DkimKeyFact, ...] = ()
    _open: dict[int, DkimKeyHandle] = field(default_factory=dict)
    _looked_at: datetime | None = None
    _now: datetime | None = None
    _seals: dict[tuple[int, bool, str, int], Seal] = field(
        default_factory=dict
    )  # by server, its switch, domain, company
    _hashes: OrderedDict[int, tuple[bytes, bytes]] = field(
        default_factory=OrderedDict
    )  # by id; the body keeps its id its own
    _bytes: int = 0

    def refresh(self, ports: Ports, now: datetime) -> None:
        """No query within `LOOK_EVERY`, else one, and a second when there are keys that are not open."""
        self._now = now
        if self._looked_at is not None and timedelta(0) <= now - self._looked_at < LOOK_EVERY:
            return
        rows = DkimKey.objects.filter(state="active").values_list("id", "domain", "selector", "algorithm", "company_id")
        self._facts = tuple(
            DkimKeyFact(
                id=pk, domain=domain, selector=selector, algorithm=DkimAlgorithm(algorithm), company_id=company_id
            )
            for pk, domain, selector, algorithm, company_id in rows
        )
        self._looked_at = now
        self._seals.clear()
        known = {fact.id: self._open[fact.id] for fact in self._facts if fact.id in self._open}
        self._open = known | _opened(ports, [fact for fact in self._facts if fact.id not in known])

    def sign(
        self, ports: Ports, mail: MailFacts, server: ServerFact, identity: Identity, wire: WireMail, days: int
    ) -> tuple[Identity, WireMail] | Reason:
        """The mail with its signatures, and why; or the reason why it must wait. ``days``: they are good for so long, 0: for ever."""
        if not self._facts:
            return identity, wire
        seal = self._seal_for(server, identity.header_from.domain, mail.company_id)
        if seal.closed is not None:
            return seal.closed
        identity = replace(identity, reasons=identity.reasons + seal.reasons)
        if not seal.keys:
            return identity, wire
        head, *rest = wire.chunks
        at = int((self._now or mail.created_at).timestamp())
        signatures = ports.dkim.signatures(
            seal.keys, head, self._body_hash(ports, rest), signed_at=at, expires_at=at + DAY * days if days else None
        )
        return identity, replace(wire, chunks=(signatures + head, *rest))

    def _seal_for(self, server: ServerFact, domain: str, company_id: int) -> Seal:
        key = (server.id, server.signs_dkim, domain, company_id)
        if key not in self._seals:
            self._seals[key] = self._make_seal(server, normalize_domain(domain), company_id)
        return self._seals[key]

    def _make_seal(self, server: ServerFact, domain: str, company_id: int) -> Seal:
        if not server.signs_dkim:
            return Seal(reasons=(because("dkim.off", server=server.name),))
        facts = fitting_keys(domain, company_id, self._facts)
        if not facts:
            return Seal(reasons=(because("dkim.no_key", domain=domain),))
        for fact in facts:
            if fact.id not in self._open:
                return Seal(closed=because("wait.dkim", selector=fact.selector, domain=fact.domain))
        return Seal(keys=tuple(self._open[fact.id] for fact in facts), reasons=tuple(map(_signed, facts)))

    def _body_hash(self, ports: Ports, chunks: Sequence[bytes]) -> bytes:
        """Remembered for bodies used lately."""
        body = chunks[0] if len(chunks) == 1 else b"".join(chunks)
        if (known := self._hashes.get(id(body))) is not None:
            return known[1]
        digest = ports.dkim.body_hash(body)
        self._hashes[id(body)] = (body, digest)
        self._bytes += len(body)
        while self._hashes and (self._bytes > BODIES_BYTES or len(self._hashes) > BODIES):
            _, (forgotten, _) = self._hashes.popitem(last=False)
            self._bytes -= len(forgotten)
        return digest


def _signed(fact: DkimKeyFact) -> Reason:
    return because("dkim.signed", domain=fact.domain, selector=fact.selector, algorithm=fact.algorithm.label)


def _opened(ports: Ports, facts: Sequence[DkimKeyFact]) -> dict[int, DkimKeyHandle]:
    """Those of them that can be opened."""
    if not facts:
        return {}
    sealed = dict(DkimKey.objects.filter(pk__in=[fact.id for fact in facts]).values_list("id", "private_key"))
    found = {}
    for fact in facts:
        try:
            private = ports.vault.open(bytes(sealed.get(fact.id, b"")))
            found[fact.id] = ports.dkim.open_key(
                domain=fact.domain, selector=fact.selector, algorithm=fact.algorithm.value, private=private
            )
        except ValueError:
            continue  # its mails wait and say so
    return found
