"""Providers with HTTP APIs, through django-anymail: the one adapter that may import Django (law 14).

`ProviderDesk` is the flows' port. What it needs is imported when it is needed: most installations have no such server.
"""

from __future__ import annotations

from postroom.core.delivery.tracking import HookPost, HookReading, HookRefusal
from postroom.core.delivery.wire import ApiCheck, ApiEndpoint
from postroom.core.terms.ingress import InboundReading
from postroom.core.terms.secret import Secret

FETCHES_TO_EVENTS = frozenset({"amazon_ses"})  # providers to whose requests something is fetched: Amazon's certificate
FETCHES_TO_MAIL = FETCHES_TO_EVENTS | {"brevo"}  # and Brevo's attachments


class ProviderDesk:
    """Implements `flows.ports.Providers`."""

    def read_post(self, provider: str, post: HookPost, signing: Secret) -> HookReading | HookRefusal:
        from postroom.adapters.esp.notices import read_post  # noqa: PLC0415

        return read_post(provider, post, signing)

    def read_inbound(self, provider: str, post: HookPost, secret: Secret, address: str) -> InboundReading | HookRefusal:
        from postroom.adapters.esp.inbound import read_inbound  # noqa: PLC0415

        return read_inbound(provider, post, secret, address)

    def confirm(self, address: str) -> None:
        from postroom.adapters.esp.notices import ask  # noqa: PLC0415

        ask(address)

    def check(self, endpoint: ApiEndpoint) -> ApiCheck:
        from postroom.adapters.esp.checking import check  # noqa: PLC0415

        return check(endpoint)
