"""Whom an address means: one and the same answer at RCPT and in the router.

Duty: `read_recipient` takes an address apart, `meaning` says what it is to us, `accepts` answers RCPT.
Laws: pure; never raises; a sub-address counts as its base (``support+x@`` is ``support@``); what is retired is still ours.
``directory`` needs only the aliases that might match: those named like the recipient's local part.
Standards: RFC 5321 4.5.1 (postmaster), RFC 2142 (abuse), RFC 5233 (sub-addressing).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum, auto
from typing import Protocol

import postroom.core.routing.sentences  # noqa: F401  (registers what the reasons say)
from postroom.core.routing.verdicts import AliasFact, DomainFact, Recipient, RecipientVerdict
from postroom.core.terms.addresses import normalize, strip_plus
from postroom.core.terms.reasons import because
from postroom.core.tokens.addresses import TokenPurpose, read_token

DUTY_LOCALS = frozenset({"postmaster", "abuse"})


class Directory(Protocol):
    """What `accepts` must know; `Facts` is one."""

    @property
    def domains(self) -> Sequence[DomainFact]: ...
    @property
    def aliases(self) -> Sequence[AliasFact]: ...
    @property
    def allowed_local_domains(self) -> Sequence[str]: ...
    @property
    def reports_address(self) -> str: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownAddresses:
    """A `Directory` for those who have no `Facts` at hand, such as the doors."""

    domains: tuple[DomainFact, ...] = ()
    aliases: tuple[AliasFact, ...] = ()
    allowed_local_domains: tuple[str, ...] = ()
    reports_address: str = ""


class Meaning(Enum):
    """What a recipient is to us."""

    BOUNCE_TOKEN = auto()
    REPLY_TOKEN = auto()
    BOUNCE = auto()
    CATCHALL = auto()
    ALIAS = auto()
    REPORTS = auto()
    DUTY = auto()
    UNKNOWN = auto()
    FOREIGN = auto()


_CODES = {
    Meaning.BOUNCE_TOKEN: "recipient.bounce_token",
    Meaning.REPLY_TOKEN: "recipient.reply_token",
    Meaning.BOUNCE: "recipient.bounce",
    Meaning.CATCHALL: "recipient.catchall",
    Meaning.REPORTS: "recipient.reports",
    Meaning.DUTY: "recipient.duty",
    Meaning.UNKNOWN: "recipient.unknown",
    Meaning.FOREIGN: "recipient.foreign",
}


def read_recipient(
    address: str, keys: Sequence[bytes] = (), *, is_header: bool = False, is_cc: bool = False
) -> Recipient:
    """Take an address apart and verify its token. ``normal`` is ``""`` for what is no address; RCPT's bare
    ``postmaster`` is one."""
    normal = normalize(address) or _bare_postmaster(address)
    local, _, domain = normal.rpartition("@") if "@" in normal else (normal, "", "")
    if local.startswith('"') and local.endswith('"'):
        local = local[1:-1]
    base, detail = strip_plus(local)
    token = read_token(keys, detail) if detail and keys else None
    return Recipient(
        normal=normal, local=base, detail=detail, domain=domain, token=token, is_header=is_header, is_cc=is_cc
    )


def accepts(recipient: Recipient | str, directory: Directory) -> RecipientVerdict:
    """Whether we take mail for this recipient, and why. A text is read without tokens."""
    if isinstance(recipient, str):
        recipient = read_recipient(recipient)
    what = meaning(recipient, directory)
    names = {"recipient": recipient.normal or "?", "domain": recipient.domain or "?"}
    if what is Meaning.ALIAS:
        aliases = matching_aliases(recipient, directory)
        reasons = tuple(because(_alias_code(recipient, one), alias=address_of(one), **names) for one in aliases)
    else:
        reasons = (because(_CODES[what] if recipient.normal else "recipient.no_address", **names),)
    return RecipientVerdict(accepted=is_accepted(what), reasons=reasons)


def is_accepted(what: Meaning) -> bool:
    """Whether the doors take mail for a recipient of this meaning."""
    return what not in (Meaning.UNKNOWN, Meaning.FOREIGN)


def meaning(recipient: Recipient, directory: Directory) -> Meaning:  # noqa: PLR0911 (one per meaning)
    """What the recipient is to us. Tokens first, then the domain's own addresses, then aliases."""
    domains = [domain for domain in directory.domains if domain.name == recipient.domain]
    if domains and recipient.token is not None:
        return Meaning.BOUNCE_TOKEN if recipient.token.purpose is TokenPurpose.BOUNCE else Meaning.REPLY_TOKEN
    if any(recipient.local == domain.bounce for domain in domains):
        return Meaning.BOUNCE
    if is_catchall(recipient, directory):
        return Meaning.CATCHALL
    if matching_aliases(recipient, directory):
        return Meaning.ALIAS
    if takes_reports(recipient, directory):
        return Meaning.REPORTS
    if recipient.local in DUTY_LOCALS and (domains or not recipient.domain):
        return Meaning.DUTY
    return Meaning.UNKNOWN if domains or not recipient.domain else Meaning.FOREIGN


def matching_aliases(recipient: Recipient, directory: Directory) -> tuple[AliasFact, ...]:
    """The aliases that this recipient means, each once: by the full address, or by the local part where that is allowed."""
    return tuple(
        alias
        for alias in directory.aliases
        if alias.name == recipient.local
        and recipient.domain
        and (alias.domain == recipient.domain or (alias.matches_local_part and _may_match_local(recipient, directory)))
    )


def takes_reports(recipient: Recipient, directory: Directory) -> bool:
    """Whether receivers were asked to send their reports there (``mail.dmarc.address``): on any of our domains, or at one address."""
    wanted = directory.reports_address
    if "@" in wanted:
        return normalize(wanted) in (recipient.normal, f"{recipient.local}@{recipient.domain}")
    return bool(wanted) and recipient.local == wanted and any(d.name == recipient.domain for d in directory.domains)


def is_catchall(recipient: Recipient, directory: Directory) -> bool:
    """The catchall address of one of our domains, with whatever sub-address."""
    return any(d.name == recipient.domain and d.catchall == recipient.local for d in directory.domains)


def address_of(alias: AliasFact) -> str:
    """The alias as people write it."""
    return f"{alias.name}@{alias.domain}"


def _may_match_local(recipient: Recipient, directory: Directory) -> bool:
    """``mail.catchall.domain.allowed``: empty, every domain; else the listed ones and our own."""
    allowed = directory.allowed_local_domains
    return not allowed or recipient.domain in allowed or any(d.name == recipient.domain for d in directory.domains)


def _alias_code(recipient: Recipient, alias: AliasFact) -> str:
    if alias.domain != recipient.domain:
        return "recipient.alias_local"
    return "recipient.alias_retired" if alias.is_retired else "recipient.alias"


def _bare_postmaster(address: str) -> str:
    return "postmaster" if address.strip().strip("<>").lower() == "postmaster" else ""
