"""The records that belong into the DNS of a mail domain, as they follow from the servers and keys that are set up here.

Laws: nobody is asked: this says what should be there, not what is. One SPF record for a domain (RFC 7208 3.2); a DMARC record that only
watches (RFC 9989, ``p=none``) is a start that breaks nothing. MX names our door only where mail comes that way.
"""

from __future__ import annotations

from dataclasses import dataclass

from django.db.models import Q

from postroom.core.delivery.dkim import record_of
from postroom.core.delivery.presets import preset_named, recognise
from postroom.core.diagnosis.findings import PublishedRecord
from postroom.core.diagnosis.report_records import consent_record, dmarc_record, tls_record
from postroom.flows.ports import Ports
from postroom.flows.settings import parameters
from postroom.store.models import AliasDomain, DkimKey, OutgoingServer

MOST_DOMAINS = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class WantedRecord:
    """``why``: what it is good for, a key that the page translates."""

    kind: str  # spf, dkim, dmarc, consent (to reports of another domain), tls (reports), mx
    type: str
    name: str
    value: str


def records_to_publish(ports: Ports, domain: str) -> tuple[WantedRecord, ...]:
    """For one domain. Three queries."""
    found = [_spf(domain)]
    keys = DkimKey.objects.filter(domain=domain).filter(Q(state="active") | Q(state="prepared")).order_by("id")
    for key in keys:
        wanted = record_of(key.domain, key.selector, key.algorithm, key.public_key)
        found.append(WantedRecord(kind="dkim", type="TXT", name=wanted.name, value=wanted.value))
    address = parameters(ports).text("mail.dmarc.address")
    found.append(_wanted("dmarc", dmarc_record(domain, address)))
    consent = consent_record(domain, address)
    if consent is not None:
        found.append(_wanted("consent", consent))
    host = ports.configuration.hostname
    if "." in host:
        if address:
            found.append(_wanted("tls", tls_record(domain, address)))
        found.append(WantedRecord(kind="mx", type="MX", name=domain, value=f"10 {host}."))
    return tuple(found)


def records_of_reports(ports: Ports) -> tuple[WantedRecord, ...]:
    """Those that ask receivers for reports, for each alias domain in use. Two queries."""
    address = parameters(ports).text("mail.dmarc.address")
    if not address:
        return ()
    found: list[WantedRecord] = []
    names = AliasDomain.objects.filter(retired_at=None).order_by("priority", "id").values_list("name", flat=True)
    for domain in names[:MOST_DOMAINS]:
        found.append(_wanted("dmarc", dmarc_record(domain, address)))
        consent = consent_record(domain, address)
        found += [_wanted("consent", consent)] if consent is not None else []
        found.append(_wanted("tls", tls_record(domain, address)))
    return tuple(found)


def _wanted(kind: str, record: PublishedRecord) -> WantedRecord:
    return WantedRecord(kind=kind, type=record.type, name=record.name, value=record.value)


def _spf(domain: str) -> WantedRecord:
    includes: list[str] = []
    is_own = False
    for server in OutgoingServer.objects.filter(is_active=True, transport__in=("smtp", "api")).order_by("priority"):
        preset = preset_named(server.preset)
        include = (preset if preset.key != "custom" else recognise(server.host)).spf_include
        is_own = is_own or not include
        if include and include not in includes:
            includes.append(include)
    parts = ["v=spf1", *(f"include:{one}" for one in includes), *(["mx"] if is_own or not includes else []), "~all"]
    return WantedRecord(kind="spf", type="TXT", name=domain, value=" ".join(parts))
