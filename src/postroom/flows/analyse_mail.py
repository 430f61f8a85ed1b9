"""The mail test: a mail, a header or an Outlook file is read, its sender checked, a spam filter asked, and all of it judged.

    bytes -> what they are -> facts -> SPF, DKIM, DMARC, ARC (DNS) and spamd -> the rules -> a report

Laws: nothing is stored and nothing is sent; no address that stands in the mail is asked (what List-Unsubscribe, links and pictures lead to).
Each question outside has its seconds. It waits for the network: never inside a transaction.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from postroom.core.mailtest.authentication import NOBODY_ASKED
from postroom.core.mailtest.evidence import SenderChecks, SpamUnchecked, SpamVerdict
from postroom.core.mailtest.facts import MailFacts, Source, take_facts
from postroom.core.mailtest.hosts import are_kin
from postroom.core.mailtest.judging import MailReport, judge
from postroom.core.mailtest.outlook import MAGIC, OutlookTrouble
from postroom.core.routing.authenticity import ArrivedMail, Authenticity, Path
from postroom.core.senders.authentication_results import (
    NAMELESS,
    as_finding,
    read_field,
    read_servers,
    trusted_findings,
)
from postroom.core.senders.results import Method, MethodResult
from postroom.core.terms.parameters import Parameters, read_place
from postroom.core.terms.reasons import Reason, because
from postroom.flows.ports import Ports
from postroom.flows.settings import parameters
from postroom.store.models import Mailbox

LARGEST = 60 * 1024 * 1024  # bytes of what is looked at
SPAMD_SECONDS = 15.0


class CannotTest(ValueError):  # noqa: N818 - an answer
    """What was given can not be looked at; ``reason`` says why."""

    def __init__(self, reason: Reason) -> None:
        super().__init__(str(reason))
        self.reason = reason


@dataclass(frozen=True, slots=True, kw_only=True)
class TestWish:
    """How to look. ``spamd``: host and port of the filter, None: that of the parameters; ``name_servers`` with ports, none: those of the
    configuration; ``servers``: more authserv-ids whose word counts."""

    __test__ = False

    is_header: bool = False
    asks_world: bool = True
    name_servers: Sequence[tuple[str, int]] = ()
    spamd: tuple[str, int] | None = None
    servers: frozenset[str] = frozenset()
    is_seed: bool = False


def analyse_mail(ports: Ports, raw: bytes, wish: TestWish) -> MailReport:
    """What receivers will think of it. Raises `CannotTest`. Blocks for some seconds."""
    if not raw.strip():
        raise CannotTest(because("mailtest.empty"))
    if len(raw) > LARGEST:
        raise CannotTest(because("mailtest.too_large", size=len(raw), most=LARGEST))
    values = parameters(ports)
    source, raw = _opened(ports, raw, wish)
    facts = take_facts(raw, source)
    return judge(facts, _checks(ports, raw, facts, wish, values), _filter(ports, raw, facts, wish, values))


def _opened(ports: Ports, raw: bytes, wish: TestWish) -> tuple[Source, bytes]:
    if wish.is_seed:
        return Source.SEED, raw
    if raw.startswith(MAGIC):
        found = ports.read_outlook(raw)
        if isinstance(found, OutlookTrouble):
            raise CannotTest(because("mailtest.outlook.unreadable", why=found.why))
        return Source.OUTLOOK, found.raw
    return (Source.HEADERS if wish.is_header else Source.MAIL), raw


# ---- who sent it


def _checks(ports: Ports, raw: bytes, facts: MailFacts, wish: TestWish, values: Parameters) -> SenderChecks:
    """Asks the DNS; where nobody may be asked, what named servers wrote into the mail."""
    servers = _named(values) | wish.servers
    entrance = facts.entrance
    ip = entrance.ip if entrance is not None else ""
    mail_from = facts.mail.return_path
    if mail_from is None and entrance is not None:
        mail_from = entrance.envelope_from
    findings = tuple(_aligned(one, facts) for one in trusted_findings(facts.mail.headers, servers))
    if wish.asks_world:
        received_at = facts.received_at
        arrived = ArrivedMail(
            raw=raw,
            path=Path.DIRECT if ip else Path.RELAYED,
            ip=ip,
            helo=entrance.helo if entrance is not None else "",
            mail_from=mail_from or "",
            servers=servers,
            sealers=frozenset(one.lower() for one in values.words("mail.authentication.sealers")),
            received_at=int(received_at.timestamp()) if received_at is not None else 0,
        )
        seconds = values.number("mail.authentication.seconds")
        findings = _found(ports.senders.check(arrived, seconds=seconds, servers=wish.name_servers), facts)
    return SenderChecks(
        findings=findings,
        is_asked=wish.asks_world,
        is_body_known=facts.source.is_original,
        hearsay=_hearsay(facts, servers),
        ip=ip,
        helo=entrance.helo if entrance is not None else "",
        mail_from=mail_from or "",
        by=entrance.by if entrance is not None else "",
    )


def _aligned(one: MethodResult, facts: MailFacts) -> MethodResult:
    """A named server's finding, where the DNS is not asked whose domain is whose: by its name."""
    speaks = one.is_pass and one.method in (Method.SPF, Method.DKIM) and bool(facts.author_domain)
    return replace(one, aligned=speaks and are_kin(one.domain, facts.author_domain))


def _found(found: Authenticity, facts: MailFacts) -> tuple[MethodResult, ...]:
    """Without what nobody could know: what is signed was not at hand. DMARC is then what named servers say, or SPF alone."""
    if facts.source.is_original:
        return found.findings
    return tuple(one for one in found.findings if one.by or one.method not in (Method.DKIM, Method.ARC))


def _named(values: Parameters) -> frozenset[str]:
    """Whose Authentication-Results count somewhere in this house."""
    servers = read_servers(values.text("mail.authentication.servers"))
    for text in Mailbox.objects.exclude(authserv_ids="").values_list("authserv_ids", flat=True):
        servers |= read_servers(text)
    return servers


def _hearsay(facts: MailFacts, servers: frozenset[str]) -> tuple[MethodResult, ...]:
    """What others wrote: it is shown where nothing better is known, and counts for nothing."""
    said: list[MethodResult] = []
    for value in facts.mail.all_headers("authentication-results")[:3]:
        field = read_field(value)
        if (field.server or NAMELESS) in servers:
            continue
        findings = (as_finding(one, field.server) for one in field.statements[:20])
        said += [replace(one, by=one.by or NAMELESS) for one in findings if one is not None]
    return tuple(said)


# ---- what a filter says


def _filter(
    ports: Ports, raw: bytes, facts: MailFacts, wish: TestWish, values: Parameters
) -> SpamVerdict | SpamUnchecked:
    named = values.text("mail.test.spamd")
    place = wish.spamd or (read_place(named) if named else None)
    if place is None:
        return SpamUnchecked(why=because("piece.spam.unnamed"))
    if not facts.source.has_body:
        return SpamUnchecked(why=because("piece.spam.header"))
    if not wish.asks_world:
        return SpamUnchecked(why=NOBODY_ASKED)
    return ports.ask_spamd(*place, raw, seconds=SPAMD_SECONDS)
