"""As whom a mail leaves: its From field, and its envelope sender.

Laws: nobody is impersonated. A server that names senders sends as these alone; one that names none sends as our own domains
and, for everybody else, as the default From with the author's name ("encapsulation"). A server that the mail names sends
the From as written. Reports come back to an address signed for this very delivery, unless the server, its filter or the
domain forbid it. Every step gives its reason.
Standards: RFC 5322 3.6.2, RFC 5321 4.4 and 4.5.5 (null reverse-path), RFC 5233 (sub-addresses).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import postroom.core.delivery.sentences  # noqa: F401 - the sentences of the reasons below
from postroom.core.delivery.servers import Order, ServerFact
from postroom.core.terms.addresses import Address, normalize, parse_one
from postroom.core.terms.reasons import Reason, because
from postroom.core.terms.states import FailureType


@dataclass(frozen=True, slots=True, kw_only=True)
class DomainFact:
    """An alias domain. ``plus_addresses_arrive``: None when it was not tested."""

    name: str
    bounce_alias: str = "bounce"
    default_from: str = "notifications"
    plus_addresses_arrive: bool | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """``envelope_from`` is bare, ``""`` for the null reverse-path."""

    header_from: Address
    envelope_from: str
    reasons: tuple[Reason, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Sender:
    """As whom a mail leaves, for all its recipients. With ``signed_by`` (the bounce address in two pieces) each has an address of his own."""

    header_from: Address
    envelope_from: str
    reasons: tuple[Reason, ...]
    signed_by: tuple[str, str] | None = None

    def for_delivery(self, token: Callable[[], str]) -> Identity:
        """``token`` makes the signed part, when it is wanted."""
        if self.signed_by is None:
            return Identity(header_from=self.header_from, envelope_from=self.envelope_from, reasons=self.reasons)
        signed = f"{self.signed_by[0]}+{token()}@{self.signed_by[1]}"
        reasons = (*self.reasons, because("return.signed", address=signed))
        return Identity(header_from=self.header_from, envelope_from=signed, reasons=reasons)


@dataclass(frozen=True, slots=True, kw_only=True)
class NoIdentity:
    """The mail cannot leave."""

    failure_type: FailureType
    reason: Reason


def default_from(domain: DomainFact | None, last_resort: str = "") -> str:
    """The default From, normalised: the domain's (a local part is completed), else ``last_resort``, else ``""``."""
    if domain is not None and domain.default_from.strip():
        text = domain.default_from.strip()
        found = parse_one(text if "@" in text else f"{text}@{domain.name}")
        return found.normal if found else ""
    found = parse_one(last_resort)
    return found.normal if found else ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sending:
    """A mail and its way out. ``name`` and ``address`` are the From as written; ``last_resort`` is ``email_from`` of the configuration."""

    name: str
    address: str
    server: ServerFact
    is_forced: bool = False
    domain: DomainFact | None = None
    own_domains: frozenset[str] = frozenset()
    order: Order = Order.DOCUMENTED
    null_return_path: bool = False
    last_resort: str = ""


def identify(sending: Sending) -> Sender | NoIdentity:
    """The same for all recipients of a mail through one server; see `Sender.for_delivery`."""
    default = default_from(sending.domain, sending.last_resort)
    address = sending.address.strip()
    if address and not normalize(address):
        return NoIdentity(failure_type=FailureType.MAIL_FROM_INVALID, reason=because("mail.bad_from", sender=address))
    if not address and not default:
        return NoIdentity(failure_type=FailureType.MAIL_FROM_MISSING, reason=because("mail.no_from"))
    header_from, why = _header_from(sending, address, default)
    if (signed_by := _signed_by(sending)) is not None:
        return Sender(header_from=header_from, envelope_from="", reasons=(why,), signed_by=signed_by)
    envelope_from, wherefore = _envelope_from(sending, header_from)
    return Sender(header_from=header_from, envelope_from=envelope_from, reasons=(why, wherefore))


def _header_from(sending: Sending, address: str, default: str) -> tuple[Address, Reason]:
    if not address:
        return _address(sending.name, default), because("from.filled", rewritten=default)
    normal = normalize(address)
    if kept := _why_kept(sending, normal, default):
        return _address(sending.name, address), kept
    rewritten = _address(sending.name.strip() or normal.rpartition("@")[0], default)
    return rewritten, because("from.rewritten", server=sending.server.name, sender=normal, rewritten=default)


def _why_kept(sending: Sending, normal: str, default: str) -> Reason | None:
    """The first that is so."""
    domain, server = normal.rpartition("@")[2], sending.server
    is_our_own = sending.order is Order.DOCUMENTED and not server.filter and domain in sending.own_domains
    causes = (
        ("from.kept_forced", sending.is_forced),
        ("from.kept_filter", server.filter.names(normal)),
        ("from.kept_no_default", not default),
        ("from.kept", normal == default),
        ("from.kept_own", is_our_own),
    )
    code = next((code for code, is_so in causes if is_so), "")
    return because(code, server=server.name, sender=normal, domain=domain) if code else None


def _signed_by(sending: Sending) -> tuple[str, str] | None:
    """What stands before the plus sign and behind the at sign, where signed addresses are wanted and allowed."""
    server, domain = sending.server, sending.domain
    if domain is None or sending.null_return_path or domain.plus_addresses_arrive is False:
        return None
    is_wanted = server.envelope_sender == "signed" or (
        server.envelope_sender == "login" and not normalize(server.login)
    )
    if not is_wanted or not server.filter.admits(f"{domain.bounce_alias}+@{domain.name}"):
        return None
    return domain.bounce_alias, domain.name


def _envelope_from(sending: Sending, header_from: Address) -> tuple[str, Reason]:
    """Without a signature."""
    server = sending.server
    if sending.null_return_path:
        return "", because("return.null")
    if server.envelope_sender == "login" and (login := normalize(server.login)):
        return login, because("return.login", server=server.name, address=login)
    wanted, why = _bounce_address(sending, header_from)
    if server.filter.admits(wanted):
        return wanted, why
    own = header_from.normal
    return own, because("return.filter", server=server.name, refused=wanted, address=own)


def _bounce_address(sending: Sending, header_from: Address) -> tuple[str, Reason]:
    domain = sending.domain
    if domain is None:
        own = normalize(sending.last_resort) or header_from.normal
        return own, because("return.from", address=own)
    plain = f"{domain.bounce_alias}@{domain.name}"
    if sending.server.envelope_sender == "signed" and domain.plus_addresses_arrive is False:
        return plain, because("return.no_plus", address=plain, domain=domain.name)
    return plain, because("return.plain", address=plain)


def _address(name: str, spec: str) -> Address:
    local, _, domain = spec.strip().strip("<>").rpartition("@")
    return Address(name=name.strip(), local=local, domain=domain)
