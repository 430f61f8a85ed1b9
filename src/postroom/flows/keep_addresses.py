"""What is checked when an alias or a domain is stored, and what is kept alive when it changes: customers answer to old mails (C4).

An address that is changed away from stays, as *retired*: mail to it is still taken, and goes where the new one leads.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.core.exceptions import ValidationError

from postroom.core.terms.addresses import is_mail_domain
from postroom.core.terms.alias_values import AliasValueError, KindShape, check_defaults, clean_alias_name
from postroom.core.terms.states import AliasPolicy
from postroom.flows.ports import Ports
from postroom.store.models import Alias, AliasDomain, AliasFollower, RecordKind

_COPIED = (
    "company_id", "kind_id", "defaults", "policy", "forced_record_id", "owner_record_id", "responsible_id",
    "matches_local_part", "refusal_text", "status",
)  # fmt: skip


def checked_alias(values: Mapping[str, Any], alias: Alias | None) -> dict[str, Any]:
    """The values as they are stored. Raises `ValidationError` for a name that is the domain's own (T-215), defaults that do not fit
    the kind (T-220), and a policy that nobody could meet (I-55)."""
    values = dict(values)
    if "name" in values:
        values["name"] = clean_alias_name(str(values["name"]))
        if not values["name"]:
            raise ValidationError({"name": "Letters and digits are needed, such as support or jobs.berlin."})
    after = _after(alias, values)
    _check_name(after["name"], after["domain_id"])
    if "defaults" in values or "kind_id" in values or "kind" in values:
        values["defaults"] = _check_defaults(values.get("defaults", after["defaults"]), after["kind_id"])
    if after["policy"] == AliasPolicy.FOLLOWERS and not (after["forced_record_id"] or after["owner_record_id"]):
        raise ValidationError(
            {"policy": "Followers of which record? Name the record that it belongs to, or always goes to."}
        )
    return values


def checked_domain(values: Mapping[str, Any], domain: AliasDomain | None) -> dict[str, Any]:
    """``bounce@example.com`` is understood as ``bounce`` (T-223). Raises `ValidationError` where an alias has that name (T-215)."""
    values = dict(values)
    for name in ("bounce_alias", "catchall_alias"):
        if name in values:
            values[name] = clean_alias_name(str(values[name]))
    domain_name = values.get("name", domain.name if domain else "")
    if "name" in values and not is_mail_domain(str(domain_name)):
        raise ValidationError(
            {"name": f"{str(domain_name)[:253]!r} is no domain with mail addresses: give one such as example.com."}
        )
    wanted = [values.get(one, getattr(domain, one, "")) for one in ("bounce_alias", "catchall_alias")]
    if values.keys() & {"bounce_alias", "catchall_alias", "name"}:
        taken = Alias.objects.filter(domain__name=domain_name, name__in=filter(None, wanted), retired_at=None).first()
        if taken is not None:
            raise ValidationError({_field_of(taken.name, wanted): f"{taken} is an alias already."})
    return values


def forget_retired(name: str, domain_id: int, company_id: int) -> None:
    """Room for an address that comes back to life: its retired namesake goes."""
    Alias.objects.filter(name=name, domain_id=domain_id, company_id=company_id, retired_at__isnull=False).delete()


def keep_former_alias(ports: Ports, before: Alias, alias: Alias) -> None:
    """The former address of an alias stays, retired."""
    if (before.name, before.domain_id) == (alias.name, alias.domain_id):
        return
    if before.retired_at is None and alias.retired_at is None:
        _copy(ports, alias, name=before.name, domain_id=before.domain_id)


def keep_former_domain(ports: Ports, former_name: str, domain: AliasDomain) -> None:
    """The former name of a domain stays, retired, with every alias there was."""
    if not former_name or former_name == domain.name or domain.retired_at is not None:
        return
    former, _ = AliasDomain.objects.get_or_create(
        name=former_name,
        bounce_alias=domain.bounce_alias,
        defaults={
            "catchall_alias": domain.catchall_alias,
            "default_from": domain.default_from,
            "priority": domain.priority + 1_000,
            "retired_at": ports.clock.now(),
        },
    )
    for alias in Alias.objects.filter(domain=domain, retired_at=None):
        _copy(ports, alias, name=alias.name, domain_id=former.pk)


def forget_retired_domain(name: str, domain_id: int) -> None:
    """Room for a name that comes back to life: its retired namesake goes, unless a company still uses it."""
    retired = AliasDomain.objects.filter(name=name, retired_at__isnull=False, companies=None).exclude(pk=domain_id)
    Alias.objects.filter(domain__in=retired).delete()
    retired.delete()


def _copy(ports: Ports, alias: Alias, *, name: str, domain_id: int) -> None:
    made, is_new = Alias.objects.get_or_create(
        name=name,
        domain_id=domain_id,
        defaults={one: getattr(alias, one) for one in _COPIED} | {"retired_at": ports.clock.now()},
    )
    if is_new:
        followers = AliasFollower.objects.filter(alias=alias).values_list("contact_id", flat=True)
        AliasFollower.objects.bulk_create([AliasFollower(alias=made, contact_id=one) for one in followers])


def _after(alias: Alias | None, values: Mapping[str, Any]) -> dict[str, Any]:
    """How the alias will be."""
    found: dict[str, Any] = {}
    for name in ("name", "domain_id", "kind_id", "policy", "forced_record_id", "owner_record_id", "defaults"):
        plain = name.removesuffix("_id")
        if plain != name and plain in values:
            found[name] = values[plain].pk if values[plain] is not None else None
        else:
            found[name] = values.get(name, getattr(alias or Alias(), name))
    return found


def _check_name(name: str, domain_id: int | None) -> None:
    domain = AliasDomain.objects.filter(pk=domain_id or 0).first()
    if domain is None:
        return
    for one in AliasDomain.objects.filter(name=domain.name):
        if name in (one.bounce_alias, one.catchall_alias):
            raise ValidationError({"name": f"{name}@{one.name} is the domain's own address for bounces or replies."})


def _check_defaults(defaults: object, kind_id: str | None) -> object:
    kind = RecordKind.objects.filter(pk=kind_id or "").first()
    shape = KindShape(stages=kind.stages, value_names=kind.value_names) if kind else KindShape()
    try:
        return check_defaults(defaults, shape)
    except AliasValueError as error:
        raise ValidationError({"defaults": str(error)}) from None


def _field_of(name: str, wanted: list[str]) -> str:
    return "bounce_alias" if name == wanted[0] else "catchall_alias"
