"""Mails in the queue, as tests want them: written straight into the tables, a thousand as quickly as one."""

from __future__ import annotations

import dataclasses
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from postroom.core.mime.composing import render_body
from postroom.flows.ports import Ports
from postroom.store.models import AliasDomain, Company, Delivery, OutgoingContent, OutgoingMail, OutgoingServer
from postroom.wiring import ports as wired_ports

DAY = timedelta(days=1)


class HandClock:
    """Stands still until it is set."""

    def __init__(self) -> None:
        self.time = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)

    def now(self) -> datetime:
        return self.time

    def pass_by(self, **parts: float) -> None:
        self.time += timedelta(**parts)


def ports_with(data_dir: Path | None = None, clock: HandClock | None = None, **configuration: Any) -> Ports:
    """The real ones, but for these."""
    ports = wired_ports()
    if data_dir is not None:
        configuration["data_dir"] = str(data_dir)
    settings = dataclasses.replace(ports.configuration, **configuration)
    return dataclasses.replace(ports, configuration=settings, clock=clock or ports.clock)


def a_company(name: str = "Northwind", domain: str = "northwind.example", **more: Any) -> Company:
    alias_domain = AliasDomain.objects.create(name=domain, **more) if domain else None
    return Company.objects.create(name=name, alias_domain=alias_domain)


def a_server(port: int = 2525, **more: Any) -> OutgoingServer:
    values = {"name": "Relay", "host": "127.0.0.1", "port": port, "encryption": "none", "max_connections": 4}
    return OutgoingServer.objects.create(**{**values, **more})


def a_mail(company: Company, *, at: datetime, text: str = "All is well.", **more: Any) -> OutgoingMail:
    values = {
        "from_name": "Alice",
        "from_address": "alice@northwind.example",
        "subject": "Your order",
        "header_message_id": f"<mail{OutgoingMail.objects.count()}@northwind.example>",
    }
    mail = OutgoingMail.objects.create(company=company, created_at=at, **{**values, **more})
    body = render_body(text=text)
    OutgoingContent.objects.create(mail=mail, content_headers=body.content_headers, body=body.body)
    return mail


def deliveries(mail: OutgoingMail, *addresses: str, at: datetime, **more: Any) -> list[Delivery]:
    """One for each address, due at once."""
    values = {"due_at": at, "deadline_at": at + 5 * DAY, "created_at": at}
    rows = [
        Delivery(mail=mail, company_id=mail.company_id, to_address=address, **{**values, **more})
        for address in addresses
    ]
    return Delivery.objects.bulk_create(rows)


def numbered(count: int) -> list[str]:
    return [f"customer{number}@reader.example" for number in range(count)]
