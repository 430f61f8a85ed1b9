"""What a person entered for an outgoing server, checked and made ready to be stored: filter, certificate, token, archiving.

Laws: what cannot work is refused when it is entered, at its field, with what would be right (a `ValidationError`). Archiving a server
that something still names is refused, with the list of who names it. A stored secret is led to no other place by who does not type it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from django.core.exceptions import ValidationError
from django.db.models import ManyToOneRel
from django.db.models.functions import Lower

from postroom.core.delivery.filters import read_written
from postroom.core.delivery.presets import PRESETS
from postroom.core.delivery.providers import API_URL, PROVIDERS, check_options
from postroom.core.terms.secret import Secret
from postroom.core.terms.states import DeliveryState
from postroom.core.terms.web_addresses import keeps_secrets
from postroom.flows.ports import Ports
from postroom.flows.speak_language import say
from postroom.store.models import Attempt, Delivery, Mailbox, OutgoingMail, OutgoingServer
from postroom.store.models.outgoing import WAITING

_STRENGTH = {"none": 0, "starttls": 1, "tls": 2}
_NAMED = 5  # at most so many of a kind are named, the others are counted


def server_values(ports: Ports, values: Mapping[str, Any]) -> dict[str, Any]:
    """The values to store; ``client_key`` in clear comes back checked, without a passphrase. Raises `ValidationError`, DoesNotExist."""
    values = dict(values)
    before = OutgoingServer.objects.get(pk=values["id"]) if values.get("id") else OutgoingServer()
    if "from_filter" in values:
        values["from_filter"] = _filter(values["from_filter"])
    if not 1 <= int(values.get("port") or before.port or 1) <= 65535:
        raise ValidationError({"port": say("entry.port")})
    if values.get("preset", "custom") not in PRESETS:
        raise ValidationError({"preset": say("entry.preset", name=values["preset"], known=", ".join(PRESETS))})
    if values.get("is_active") is False and before.pk and before.is_active:
        require_unused(before)
    if values.get("transport", before.transport) == "api":
        _check_provider(before, values)
    authentication = values.get("authentication", before.authentication)
    if authentication == "certificate":
        _check_certificate(ports, before, values)
    elif authentication == "token":
        _check_token(before, values)
    return values


def hold_back_secret(before: OutgoingServer | Mailbox, values: Mapping[str, Any], password: str) -> None:
    """Before ``values`` are stored: a password goes where it was entered for, and over no weaker line. Whoever leads it elsewhere types it
    again, which who must not know it cannot; where nobody logs in any more it is forgotten. Raises `ValidationError`."""
    if not before.secret or password or not _leads_secret_elsewhere(before, values):
        return
    names_nobody = not values.get("username", before.username)
    if names_nobody or values.get("authentication", before.authentication) == "certificate":
        before.secret = b""
        return
    raise ValidationError({"password": say("entry.moved")})


def _leads_secret_elsewhere(before: OutgoingServer | Mailbox, values: Mapping[str, Any]) -> bool:
    def after(name: str) -> Any:
        return values.get(name, getattr(before, name))

    if str(after("host")).lower() != before.host.lower():
        return True
    if any(name in values and values[name] != getattr(before, name) for name in ("transport", "token_source")):
        return True
    if "provider_options" in values and _place_of(values["provider_options"]) != _place_of(
        getattr(before, "provider_options", None)
    ):
        return True
    if _STRENGTH.get(str(after("encryption")), 0) < _STRENGTH.get(before.encryption, 0):
        return True
    return before.verify_certificate and not after("verify_certificate")


def _place_of(options: object) -> object:
    return options.get(API_URL) if isinstance(options, Mapping) else None


def require_unused(server: OutgoingServer) -> None:
    """Raises `ValidationError` with everybody who names it."""
    if users := list(server_users(server)):
        raise ValidationError(
            {
                "is_active": f"{server.name} is in use and cannot be archived: {'; '.join(users)}. "
                "Let them name another server, or none, first; pausing it is always possible."
            }
        )


def server_users(server: OutgoingServer) -> Iterator[str]:
    """Who names this server, in words: mails that have not left, and every row of another kind that refers to it."""
    waiting = [*WAITING, DeliveryState.SENDING.value]
    mails = OutgoingMail.objects.filter(forced_server=server, deliveries__state__in=waiting).distinct()
    if count := mails.count():
        yield f"{count} {'mail' if count == 1 else 'mails'} in the queue"
    for relation in OutgoingServer._meta.get_fields(include_hidden=True):
        model = getattr(relation, "related_model", None)
        if not isinstance(relation, ManyToOneRel) or model in (Attempt, Delivery, OutgoingMail) or model is None:
            continue  # attempts and deliveries are history, or choose anew
        rows = model._default_manager.filter(**{relation.field.name: server})
        if count := rows.count():
            names = ", ".join(sorted(str(row) for row in rows.order_by("pk")[:_NAMED]))
            more = f" and {count - _NAMED} more" if count > _NAMED else ""
            yield f"{model._meta.verbose_name_plural}: {names}{more}"


def server_named(name: str) -> OutgoingServer | None:
    """By its name, whatever its case; the one in use before archived ones."""
    rows = OutgoingServer.objects.annotate(low=Lower("name")).filter(low=name.strip().lower())
    return rows.order_by("-is_active", "pk").first()


def _filter(text: str) -> str:
    written = read_written(text)
    if written.mistakes:
        raise ValidationError({"from_filter": list(written.mistakes)})
    return str(written)


def _check_provider(before: OutgoingServer, values: Mapping[str, Any]) -> None:
    """A provider that there is, with options that can be right; another one's key is never handed to it."""
    name = str(values.get("provider", before.provider))
    options = values.get("provider_options", before.provider_options)
    provider = PROVIDERS.get(name)
    if provider is None:
        raise ValidationError({"provider": say("entry.provider", name=repr(name), known=", ".join(PROVIDERS))})
    if not isinstance(options, Mapping):
        raise ValidationError({"provider_options": say("entry.options")})
    if problems := check_options(provider, options):
        raise ValidationError({f"option_{field}": text for field, text in problems.items()})
    if before.pk and before.secret and name != before.provider and not values.get("password"):
        raise ValidationError({"password": say("entry.another_key", provider=provider.label)})


def _check_certificate(ports: Ports, before: OutgoingServer, values: dict[str, Any]) -> None:
    """Certificate and key belong together. The password opens the key, and is not kept."""
    if values.get("encryption", before.encryption) == "none":
        raise ValidationError({"encryption": say("entry.no_tls")})
    certificate = values.get("client_certificate", before.client_certificate)
    given = values.get("client_key", "")
    if not given and not before.client_key:
        raise ValidationError({"client_key": say("entry.no_key")})
    if not given and "client_certificate" not in values:
        return
    try:
        key = Secret(given) if given else ports.vault.open(bytes(before.client_key))
        facts = ports.read_client_certificate(certificate, key, Secret(values.pop("password", "")))
    except ValueError as error:
        field = "client_certificate" if "certificate" in str(error) and "key" not in str(error) else "client_key"
        raise ValidationError({field: f"{str(error)[0].upper()}{str(error)[1:]}."}) from None
    if facts.expires_at <= ports.clock.now():
        raise ValidationError({"client_certificate": say("entry.expired", day=f"{facts.expires_at:%Y-%m-%d}")})
    values["client_key"] = facts.key.reveal()


def _check_token(before: OutgoingServer, values: Mapping[str, Any]) -> None:
    if not values.get("username", before.username):
        raise ValidationError({"username": say("entry.token_account")})
    source = str(values.get("token_source", before.token_source) or "")
    if not source or ("://" in source and not keeps_secrets(source)):
        raise ValidationError(
            {
                "token_source": "Say who gives the tokens: google, microsoft, microsoft/TENANT, or the https address of a token endpoint."
            }
        )
