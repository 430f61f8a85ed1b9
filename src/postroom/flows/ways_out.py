"""The ways out of the house, as they stand now: servers with their endpoints, domains, the order, whether all mail is captured."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING

from postroom.core.delivery.identity import DomainFact
from postroom.core.delivery.providers import PROVIDERS, options_of
from postroom.core.delivery.servers import CONFIGURED, Order, ServerFact, read_filter
from postroom.core.delivery.wire import ApiEndpoint, Authentication, Encryption, Endpoint
from postroom.core.terms.addresses import normalize_domain
from postroom.core.terms.parameters import Parameters
from postroom.core.terms.secret import Secret
from postroom.flows.guard_installation import is_capturing
from postroom.flows.ports import Ports
from postroom.flows.settings import parameters
from postroom.store.models import AliasDomain, Company, OutgoingServer

if TYPE_CHECKING:
    from postroom.store.queries.outgoing import MailFacts  # only named here; it brings the composer along

DEFAULT_SESSION = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class Way:
    """How to reach a server. ``endpoint`` is None when its password cannot be read; ``max_message_size`` in bytes, 0: any."""

    endpoint: Endpoint | ApiEndpoint | None
    max_message_size: int = 0
    announced_size: int = 0  # what its SIZE said last: larger files become links, but it may say otherwise today

    @property
    def comfortable_size(self) -> int:
        """Bytes; 0: any."""
        return self.max_message_size or self.announced_size


@dataclass(slots=True, kw_only=True)
class WaysOut:
    """Everything that one batch must know of the settings. Endpoints are made when they are asked for."""

    ports: Ports
    parameters: Parameters
    servers: tuple[ServerFact, ...]
    configured: ServerFact | None
    order: Order
    capturing: bool
    own_domains: frozenset[str]
    default_domain_id: int | None
    domains: Mapping[int, DomainFact]
    domain_of_company: Mapping[int, int | None]
    rows: Mapping[int, OutgoingServer]
    _ways: dict[int, Way] = field(default_factory=dict)

    def domain_for(self, mail: MailFacts) -> DomainFact | None:
        """The mail's own alias domain, else its company's, else the first."""
        for candidate in (mail.alias_domain_id, self.domain_of_company.get(mail.company_id), self.default_domain_id):
            if candidate is not None and candidate in self.domains:
                return self.domains[candidate]
        return None

    def way(self, server_id: int) -> Way:
        if server_id not in self._ways:
            self._ways[server_id] = (
                Way(endpoint=configured_endpoint(self.ports, self._session()))
                if server_id == CONFIGURED
                else way_to(self.ports, self.rows[server_id], self._session())
            )
        return self._ways[server_id]

    def _session(self) -> int:
        return self.parameters.number("mail.session.batch.size") or DEFAULT_SESSION


def load_ways_out(
    ports: Ports,
    broken_until: datetime | None = None,
    trouble: str = "",
    values: Parameters | None = None,
    rows: Sequence[OutgoingServer] | None = None,
) -> WaysOut:
    """Five queries; one less each for who has the parameters (``values``) or the servers in their order (``rows``) at hand.
    ``broken_until`` and ``trouble`` are the circuit of the configured server."""
    values = values or parameters(ports)
    rows = list(OutgoingServer.objects.all()) if rows is None else rows
    domains = list(AliasDomain.objects.filter(retired_at=None))
    return WaysOut(
        ports=ports,
        parameters=values,
        servers=tuple(_server(row) for row in rows),
        configured=_configured(ports, values, broken_until, trouble),
        order=Order(values.text("mail.server.order")),
        capturing=is_capturing(),
        own_domains=frozenset(filter(None, (normalize_domain(one.name) for one in domains))),
        default_domain_id=domains[0].pk if domains else None,
        domains={one.pk: domain_fact(one) for one in domains},
        domain_of_company=dict(Company.objects.values_list("pk", "alias_domain_id")),
        rows={row.pk: row for row in rows},
    )


def domain_fact(row: AliasDomain) -> DomainFact:
    """What the choice of a sender must know of a domain."""
    return DomainFact(
        name=normalize_domain(row.name) or row.name,
        bounce_alias=row.bounce_alias,
        default_from=row.default_from,
        plus_addresses_arrive=row.plus_addresses_arrive,
    )


def _server(row: OutgoingServer) -> ServerFact:
    return ServerFact(
        id=row.pk,
        name=row.name,
        filter=read_filter(row.from_filter),
        priority=row.priority,
        company_id=row.company_id,
        purpose=row.purpose,
        is_letterbox=row.transport == "letterbox",
        is_active=row.is_active,
        is_paused=row.paused_at is not None,
        broken_until=row.broken_until,
        trouble=row.trouble,
        envelope_sender=row.envelope_sender,
        login=row.username,
        signs_dkim=row.signs_dkim and row.transport != "api",  # a provider composes, and signs, by itself
    )


def _configured(ports: Ports, values: Parameters, broken_until: datetime | None, trouble: str) -> ServerFact | None:
    configuration = ports.configuration
    if not configuration.server_host:
        return None
    return ServerFact(
        id=CONFIGURED,
        name=f"{configuration.server_host}:{configuration.server_port}",
        filter=read_filter(values.text("mail.default.from_filter") or configuration.from_filter),
        broken_until=broken_until,
        trouble=trouble,
        login=configuration.server_user,
    )


def configured_endpoint(ports: Ports, session: int = DEFAULT_SESSION) -> Endpoint:
    """The server of the configuration. ``session``: mails on one connection at most."""
    configuration = ports.configuration
    return Endpoint(
        host=configuration.server_host,
        port=configuration.server_port,
        encryption=Encryption(configuration.server_encryption),
        username=configuration.server_user,
        password=configuration.server_password,
        ehlo_name=configuration.hostname,
        mails_per_connection=session,
    )


def way_to(ports: Ports, row: OutgoingServer, session: int = DEFAULT_SESSION) -> Way:
    """A server of the database."""
    try:
        secret = ports.vault.open(bytes(row.secret)) if row.secret else Secret("")
        client_key = ports.vault.open(bytes(row.client_key)) if row.client_key else Secret("")
    except ValueError:
        return Way(endpoint=None)
    if row.transport == "api":
        return api_way(ports, row, secret)
    endpoint = Endpoint(
        host=row.host,
        port=row.port,
        encryption=Encryption(row.encryption),
        verify_certificate=row.verify_certificate,
        username=row.username,
        password=secret,
        authentication=Authentication(row.authentication),
        client_certificate=row.client_certificate,
        client_key=client_key,
        token_source=row.token_source,
        ehlo_name=ports.configuration.hostname,
        max_connections=max(1, row.max_connections // max(1, ports.configuration.deliverers)),
        mails_per_connection=max(
            1, min(row.mails_per_connection, row.learned_mails_per_connection or session, session)
        ),
    )
    return Way(endpoint=endpoint, max_message_size=row.max_message_size, announced_size=row.announced_size)


def api_way(ports: Ports, row: OutgoingServer, secret: Secret) -> Way:
    """A provider's API. Options that cannot be right make its endpoint one that nobody can speak to: the server's trouble, told by its name."""
    provider = PROVIDERS.get(row.provider)
    try:
        options = options_of(row.provider, row.provider_options or {})
    except ValueError as error:
        return Way(endpoint=ApiEndpoint(provider=f"{row.provider or 'no provider'}: {error}"))
    endpoint = ApiEndpoint(
        provider=row.provider,
        secret=secret,
        options=options,
        max_connections=max(1, row.max_connections // max(1, ports.configuration.deliverers)),
    )
    limit = provider.max_message_size if provider else 0
    return Way(endpoint=endpoint, max_message_size=min(filter(None, (row.max_message_size, limit)), default=0))
