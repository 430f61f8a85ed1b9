"""Limits as they stand, for the page and the command: servers' days and minutes, destinations that get fewer, who uses them up."""

from __future__ import annotations

from dataclasses import dataclass

from django.core.exceptions import ValidationError
from django.db.models import Q

from postroom.core.delivery.destinations import destination_of
from postroom.core.terms.addresses import normalize_domain
from postroom.flows.access import company_cut, require_house
from postroom.flows.ports import Ports
from postroom.store.models import Destination, DestinationDomain, Member, OutgoingServer
from postroom.store.queries.gates import DestinationFact, ServerLimitFact, limited_servers, slow_destinations


@dataclass(frozen=True, slots=True, kw_only=True)
class LimitsNow:
    """The first hundred of each, by name."""

    servers: tuple[ServerLimitFact, ...]
    destinations: tuple[DestinationFact, ...]


def list_limits(ports: Ports, *, member: Member | None, search: str = "") -> LimitsNow:
    """``search``: a part of a destination's name, or a domain whose mail it takes. Six queries. Raises `NotAllowed`."""
    require_house(member)
    now = ports.clock.now()
    cut = company_cut(member)
    servers = OutgoingServer.objects.all()
    if cut is not None:
        servers = servers.filter(Q(company_id__in=cut) | Q(company=None))
    found = slow_destinations(now, search=search)
    if not found and (domain := normalize_domain(search)):
        found = tuple(one for one in slow_destinations(now, search=_provider(domain)) if one.name == _provider(domain))
    return LimitsNow(servers=limited_servers(servers, now), destinations=found)


def destination_named(text: str) -> str:
    """The destination that a person means: by its name, or by a domain whose mail it takes. Raises `ValidationError`."""
    domain = normalize_domain(text)
    if "." not in domain:
        raise ValidationError({"name": "That is no domain: write one such as gmail.com or example.com."})
    return domain if Destination.objects.filter(pk=domain).exists() else _provider(domain)


def _provider(domain: str) -> str:
    known = DestinationDomain.objects.filter(pk=domain, resolved_at__isnull=False).values_list("destination", flat=True)
    return known.first() or destination_of(domain)
