"""Consent: a person lets us send and read with an account at Google or Microsoft, without giving us a password (OAuth2).

    begin_consent -> (the provider's own pages) -> finish_consent: code -> grant, sealed into the server or mailbox

Laws: state and PKCE verifier are made here, kept by the caller where only that person's browser reaches them, and used once. The
network is asked in no transaction. The grant is sealed at once and shown nowhere. Standards: RFC 6749 4.1, RFC 7636, RFC 9700 2.1.
"""

from __future__ import annotations

from base64 import urlsafe_b64encode
from dataclasses import dataclass, field
from hashlib import sha256
from urllib.parse import urlencode

from django.core.exceptions import ValidationError
from django.db import transaction

from postroom.core.terms.oauth import CONSENT_PLACES, ConsentPlace, TokenProvider
from postroom.core.terms.secret import Secret
from postroom.flows.access import require, require_house, require_settings
from postroom.flows.ports import Ports
from postroom.flows.settings import save_mailbox, save_server
from postroom.store.models import Mailbox, Member, OAuthClient, OutgoingServer, SettingChange

Target = OutgoingServer | Mailbox
_OF_PRESETS = {"gmail": TokenProvider.GOOGLE, "microsoft365": TokenProvider.MICROSOFT}


class NoConsent(Exception):  # noqa: N818 - an answer to a person
    """There is none; the text says why and what helps."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BegunConsent:
    """``url``: where the person goes. ``state`` comes back with the code; ``verifier`` stays with us."""

    url: str
    state: str
    verifier: str = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientFact:
    """What a provider knows us by; the secret is never shown."""

    provider: TokenProvider
    place: ConsentPlace
    client_id: str
    has_secret: bool
    tenant: str


def target_of(kind: str, target_id: int, *, member: Member) -> Target:
    """The server or mailbox to connect. Raises `NotAllowed` and DoesNotExist."""
    require(member, "settings")
    model: type[OutgoingServer] | type[Mailbox] = OutgoingServer if kind == "server" else Mailbox
    row: Target = model._default_manager.select_related("company").get(pk=target_id)
    require_settings(member, row)
    return row


def provider_of(row: Target) -> TokenProvider | None:
    """Whose account it probably is."""
    named = row.token_source.partition("/")[0]
    if named in set(TokenProvider):
        return TokenProvider(named)
    return _OF_PRESETS.get(row.preset)


def client_of(provider: TokenProvider) -> ClientFact:
    """Our registration there; an empty client id means none."""
    row = OAuthClient.objects.filter(provider=provider.value).first()
    return ClientFact(
        provider=provider,
        place=CONSENT_PLACES[provider],
        client_id=row.client_id if row else "",
        has_secret=bool(row and row.client_secret),
        tenant=row.tenant if row else "",
    )


@transaction.atomic
def save_client(
    ports: Ports, provider: TokenProvider, *, client_id: str, client_secret: str, tenant: str, member: Member
) -> None:
    """An empty secret keeps the one there is. Raises `NotAllowed`, `ValidationError`."""
    require_house(member)
    if not client_id.strip():
        raise ValidationError({"client_id": "The provider's console shows it."})
    if tenant and not tenant.replace("-", "").replace(".", "").isalnum():
        raise ValidationError({"tenant": "A directory ID or a domain, such as mycompany.onmicrosoft.com."})
    row = OAuthClient.objects.select_for_update().filter(provider=provider.value).first()
    before = {"client_id": row.client_id, "tenant": row.tenant} if row else None
    row = row or OAuthClient(provider=provider.value)
    row.client_id, row.tenant, row.changed_at = client_id.strip(), tenant.strip(), ports.clock.now()
    if client_secret:
        row.client_secret = ports.vault.seal(client_secret)
    row.full_clean(exclude=["client_secret"], validate_unique=False)
    row.save()
    after = {"client_id": row.client_id, "tenant": row.tenant}
    SettingChange.objects.create(
        changed_at=ports.clock.now(), user=member.user, company=member.company,
        subject=f"OAuth2 client at {provider.value}", before=before,
        after=after | ({"client_secret": "********"} if client_secret else {}),
    )  # fmt: skip


def begin_consent(ports: Ports, row: Target, provider: TokenProvider, *, redirect: str) -> BegunConsent:
    """Raises `NoConsent` before there is a registration."""
    client = client_of(provider)
    if not client.client_id:
        raise NoConsent(f"Postroom is not registered at {client.place.label} yet.")
    state, verifier = ports.ids.hex(32), ports.ids.hex(32)
    challenge = urlsafe_b64encode(sha256(verifier.encode()).digest()).rstrip(b"=").decode()
    asked = {
        "response_type": "code",
        "client_id": client.client_id,
        "redirect_uri": redirect,
        "scope": " ".join(client.place.scopes),
        "state": state,
        "code_challenge": challenge,
        "code_challenge_method": "S256",
        **client.place.extra,
    }
    if "@" in row.username:
        asked["login_hint"] = row.username
    address = client.place.authorize.format(tenant=client.tenant or "common")
    return BegunConsent(url=f"{address}?{urlencode(asked)}", state=state, verifier=verifier)


def finish_consent(
    ports: Ports,
    kind: str,
    target_id: int,
    provider: TokenProvider,
    *,
    code: Secret,
    verifier: Secret,
    redirect: str,
    member: Member,
) -> Target:
    """The grant is kept, and the account is entered with tokens from now on. Asks the network, for seconds. Raises `NoConsent`, and as
    `target_of`."""
    row = target_of(kind, target_id, member=member)
    client = OAuthClient.objects.filter(provider=provider.value).first()
    if client is None:
        raise NoConsent(f"Postroom is not registered at {CONSENT_PLACES[provider].label} any more.")
    place = CONSENT_PLACES[provider]
    try:
        secret = ports.vault.open(bytes(client.client_secret)) if client.client_secret else Secret("")
        grant = ports.exchange_code(
            place.token.format(tenant=client.tenant or "common"),
            client_id=client.client_id,
            client_secret=secret,
            code=code,
            verifier=verifier,
            redirect=redirect,
            scope=" ".join(place.scopes),
        )
    except (ValueError, OSError) as error:
        raise NoConsent(f"{place.label} did not give a token: {error}") from error
    source = f"{provider.value}/{client.tenant}" if client.tenant else provider.value
    values = {"id": row.pk, "authentication": "token", "token_source": source, "password": grant.reveal()}
    if isinstance(row, OutgoingServer):
        return save_server(ports, values, member=member)
    return save_mailbox(ports, values, member=member)
