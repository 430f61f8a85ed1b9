"""System parameters, servers, mailboxes, domains and aliases: changed here alone, and every change is recorded (who, when,
before, after; secrets masked)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.db import models, transaction

from postroom.core.terms.addresses import normalize_domain
from postroom.core.terms.parameters import PARAMETERS, ParameterError, Parameters
from postroom.flows.access import company_ids, require, require_house
from postroom.flows.keep_addresses import (
    checked_alias,
    checked_domain,
    forget_retired,
    forget_retired_domain,
    keep_former_alias,
    keep_former_domain,
)
from postroom.flows.list_limits import destination_named
from postroom.flows.ports import Ports
from postroom.flows.server_values import hold_back_secret, server_values
from postroom.flows.wake_queue import wake_for, wake_for_destination, wake_queue
from postroom.store.models import (
    Alias,
    AliasDomain,
    AliasFollower,
    AutomationRule,
    Company,
    Destination,
    Mailbox,
    MailTemplate,
    Member,
    OutgoingServer,
    Parameter,
    SettingChange,
)

_OF_THE_DOMAIN = {
    "mail.catchall.domain": "name",
    "mail.catchall.alias": "catchall_alias",
    "mail.bounce.alias": "bounce_alias",
    "mail.default.from": "default_from",
}
_PLACE = ("protocol", "host", "username", "folder")  # of a mailbox: what its cursor belongs to
_SEALED = {"password": "secret", "client_key": "client_key"}  # as it is given, and the column that keeps it


def parameters(ports: Ports) -> Parameters:  # noqa: ARG001 (every flow takes ports)
    """The values in force. One query."""
    return Parameters(dict(Parameter.objects.values_list("key", "value")))


@transaction.atomic
def set_parameter(ports: Ports, key: str, value: str, *, member: Member | None) -> str:
    """Store a value; returns it as stored. Raises `ParameterError` and `NotAllowed`.

    The four keys of the default alias domain are written to it too (D-53 lives on).
    """
    require_house(member)
    if key not in PARAMETERS:
        raise ParameterError(f"There is no parameter {key}.")
    cleaned = PARAMETERS[key].clean(value)
    before = parameters(ports).text(key)
    Parameter.objects.update_or_create(key=key, defaults={"value": cleaned})
    if key in _OF_THE_DOMAIN and cleaned:
        _write_to_default_domain(ports, _OF_THE_DOMAIN[key], cleaned)
    _record(ports, member, f"parameter {key}", before, cleaned)
    return cleaned


def save_server(ports: Ports, values: Mapping[str, Any], *, member: Member | None) -> OutgoingServer:
    """``values``: column names; ``id`` to change one; ``password`` and ``client_key`` in clear are sealed here. Its circuit closes, and
    what waits for servers looks again. A stored password stays where it was entered for (`hold_back_secret`). What was found at another place, or by another login, is forgotten, and a name that was that of the former
    host follows. Raises `ValidationError`; archiving one in use is one of its causes."""
    require(member, "settings")
    with transaction.atomic():
        checked = server_values(ports, values)
        before = OutgoingServer.objects.filter(pk=values.get("id") or 0).first()
        anew: dict[str, Any] = {"broken_until": None}
        if before is not None and _is_elsewhere(before, checked):
            anew |= {"tested_at": None, "test_result": _unproven(before), "trouble": "", "trouble_count": 0}
            if before.name == before.host == checked.get("name", before.name):
                checked["name"] = checked.get("host", before.host)
        server: OutgoingServer = _save(ports, OutgoingServer, "outgoing server", checked, member)
        OutgoingServer.objects.filter(pk=server.pk).update(**anew)
        server.refresh_from_db(fields=list(anew))
        wake_queue(ports)
    return server


def _unproven(before: OutgoingServer) -> dict[str, bool] | None:
    """In the place of a test's result: one that failed has still to prove itself, another was never tested there."""
    stored = before.test_result
    return {"ok": False} if isinstance(stored, dict) and not stored.get("ok", True) else None


def _is_elsewhere(before: OutgoingServer, values: Mapping[str, Any]) -> bool:
    """Whether these lead to another place, or in by another login."""
    names = ("host", "port", "encryption", "username", "provider", "transport", "authentication")
    changed = any(name in values and getattr(before, name) != values[name] for name in names)
    return changed or bool(values.get("password"))


def pause_server(ports: Ports, server_id: int, *, member: Member | None) -> OutgoingServer:
    """Nothing leaves through it until `resume_server`; what is on the wire is finished. Raises `NotAllowed`, `DoesNotExist`."""
    server: OutgoingServer = _save(
        ports, OutgoingServer, "outgoing server", {"id": server_id, "paused_at": ports.clock.now()}, member
    )
    return server


def resume_server(ports: Ports, server_id: int, *, member: Member | None) -> OutgoingServer:
    """What waits for it leaves, the urgent first; so does what may go by it and waits for another. Raises as `pause_server`."""
    with transaction.atomic():
        server: OutgoingServer = _save(
            ports, OutgoingServer, "outgoing server", {"id": server_id, "paused_at": None}, member
        )
        OutgoingServer.objects.filter(pk=server.pk).update(broken_until=None, trouble="", trouble_count=0)
        wake_for(ports, server.pk)
    return server


def limit_destination(ports: Ports, name: str, per_minute: int, *, member: Member | None) -> str:
    """So many mails a minute to this provider, from each server; 0: no limit. What it asked for itself is forgotten with 0. ``name`` may be a
    domain whose mail it takes; returns the provider. Raises `NotAllowed`, and `ValidationError` for a limit or a name that is none."""
    require_house(member)
    now = ports.clock.now()
    with transaction.atomic():
        name = destination_named(name)
        row = Destination.objects.select_for_update().filter(pk=name).first() or Destination(name=name)
        before = row.per_minute_limit
        row.per_minute_limit, row.changed_at = per_minute, now
        if not per_minute:
            row.learned_per_minute, row.slow_until, row.reason = 0, None, None
        row.full_clean(exclude=["reason"], validate_unique=False)
        row.save()
        _record(ports, member, f"destination {name}", {"per_minute_limit": before}, {"per_minute_limit": per_minute})
        wake_for_destination(ports, name)
    return name


def release_destination(ports: Ports, name: str, *, member: Member | None) -> str:
    """What it asked for itself is forgotten; the limit that a person set stays. Returns the provider. Raises as `limit_destination`."""
    require_house(member)
    with transaction.atomic():
        name = destination_named(name)
        row = Destination.objects.select_for_update().filter(pk=name).first()
        if row is None or not row.learned_per_minute:
            return name
        before = {"learned_per_minute": row.learned_per_minute}
        row.learned_per_minute, row.slow_until, row.reason, row.changed_at = 0, None, None, ports.clock.now()
        row.save(update_fields=["learned_per_minute", "slow_until", "reason", "changed_at"])
        _record(ports, member, f"destination {name}", before, {"learned_per_minute": 0})
        wake_for_destination(ports, name)
    return name


def release_server(ports: Ports, server_id: int, *, member: Member | None) -> OutgoingServer:
    """The rate that the server asked for itself is forgotten; its limits stay. Raises as `pause_server`."""
    with transaction.atomic():
        values = {"id": server_id, "learned_per_minute": 0, "slow_until": None, "slowed_at": None, "slow_reply": ""}
        server: OutgoingServer = _save(ports, OutgoingServer, "outgoing server", values, member)
        wake_queue(ports, server_ids=[server_id])
    return server


def save_mailbox(ports: Ports, values: Mapping[str, Any], *, member: Member | None) -> Mailbox:
    """As `save_server`. One that is read from another place than before has to be tested, and begins anew there."""
    with transaction.atomic():
        before = Mailbox.objects.filter(pk=values.get("id") or 0).first()
        mailbox: Mailbox = _save(ports, Mailbox, "mailbox", values, member)
        if before is not None and any(getattr(before, name) != getattr(mailbox, name) for name in _PLACE):
            anew: dict[str, Any] = {"is_confirmed": False, "confirmed_at": None, "floor_uid": 0, "old_before": None}
            anew |= {"tested_at": None, "test_result": None, "last_error": "", "trouble": None, "error_count": 0}
            anew |= {"uid_validity": 0, "last_uid": 0, "seen_uidls": [], "open_uids": [], "old_up_to": 0}
            Mailbox.objects.filter(pk=mailbox.pk).update(**anew)
            mailbox.refresh_from_db()
        Mailbox.objects.filter(pk=mailbox.pk).update(paused_until=None)
    return mailbox


def save_domain(ports: Ports, values: Mapping[str, Any], *, member: Member | None) -> AliasDomain:
    """As `save_server`. The first domain becomes that of every company without one (D-11); a former name stays, retired."""
    values = dict(values)
    if "name" in values:
        values["name"] = normalize_domain(values["name"])
    before = AliasDomain.objects.filter(pk=values.get("id") or 0).first()
    with transaction.atomic():
        if before is not None and before.name != values.get("name", before.name):
            forget_retired_domain(values["name"], before.pk)
        domain: AliasDomain = _save(ports, AliasDomain, "alias domain", checked_domain(values, before), member)
        keep_former_domain(ports, before.name if before else "", domain)
        if AliasDomain.objects.count() == 1:
            Company.objects.filter(alias_domain=None).update(alias_domain=domain)
    return domain


def save_alias(ports: Ports, values: Mapping[str, Any], *, member: Member | None) -> Alias:
    """As `save_server`; ``follower_ids``: contacts that follow what it makes. A change of policy, defaults or kind makes it
    untested again (D-14). An address that is changed away from stays, retired."""
    before = Alias.objects.filter(pk=values.get("id") or 0).first()
    values = checked_alias(values, before)
    follower_ids = values.pop("follower_ids", None)
    if any(name in values for name in ("policy", "defaults", "kind", "kind_id")):
        values["status"] = "not_tested"
    with transaction.atomic():
        if values.keys() & {"name", "domain", "domain_id"}:
            forget_retired(*_place(values, before))
        alias: Alias = _save(ports, Alias, "alias", values, member)
        if before is not None:
            keep_former_alias(ports, before, alias)
        if follower_ids is not None:
            AliasFollower.objects.filter(alias=alias).exclude(contact_id__in=follower_ids).delete()
            AliasFollower.objects.bulk_create(
                [AliasFollower(alias=alias, contact_id=contact_id) for contact_id in follower_ids],
                ignore_conflicts=True,
            )
    return alias


def _place(values: Mapping[str, Any], before: Alias | None) -> tuple[str, int, int]:
    """Name, domain and company that an alias is about to have."""
    found = Alias(**{name: value for name, value in values.items() if name not in ("id", "status")})
    old = before or found
    return (
        found.name or old.name,
        found.domain_id or old.domain_id or 0,
        found.company_id or old.company_id or 0,
    )


def save_template(ports: Ports, values: Mapping[str, Any], *, member: Member | None) -> MailTemplate:
    """As `save_server`. Whether its text is a template is checked before, see `flows.mail_templates`."""
    template: MailTemplate = _save(ports, MailTemplate, "mail template", values, member)
    return template


def save_rule(ports: Ports, values: Mapping[str, Any], *, member: Member | None) -> AutomationRule:
    """As `save_server`. Whether it could act is checked before, see `flows.automation_rules`."""
    rule: AutomationRule = _save(ports, AutomationRule, "automation rule", values, member)
    return rule


@transaction.atomic
def forget_row(ports: Ports, row: models.Model, what: str, *, member: Member | None) -> None:
    """Delete a setting's row, and record that it is gone."""
    require(member, "settings", row)
    before = _shown(row, [field.name for field in row._meta.concrete_fields])
    subject = f"{what} {row}"
    row.delete()
    _record(ports, member, subject, before, None)


@transaction.atomic
def _save(ports: Ports, model: type[Any], what: str, values: Mapping[str, Any], member: Member | None) -> Any:
    require(member, "settings")
    values = dict(values)
    pk = values.pop("id", None)
    secrets = {name: values.pop(name, "") for name in _SEALED}
    row = model.objects.get(pk=pk) if pk else model()
    require(member, "settings", row if pk else None)
    _require_owner(row, values, member)
    names = list(values)
    before = _shown(row, names) if pk else None
    if pk and isinstance(row, OutgoingServer | Mailbox):
        hold_back_secret(row, values, secrets["password"])
    for name, value in values.items():
        setattr(row, name, value)
    for name, secret in secrets.items():
        if secret:
            setattr(row, _SEALED[name], ports.vault.seal(secret))
    row.full_clean(exclude=[*_SEALED.values(), *_untouched(row, names)])
    row.save()
    after = _shown(row, names) | {name: "********" for name, secret in secrets.items() if secret}
    _record(ports, member, f"{what} {row}", before, after)
    return row


def _untouched(row: models.Model, names: list[str]) -> list[str]:
    """Columns that nobody gave a value and that have one: bookkeeping such as cursors is not for people to fill in."""
    return [
        field.name
        for field in row._meta.concrete_fields
        if field.name not in names and field.attname not in names and (row.pk or field.has_default() or field.null)
    ]


def _require_owner(row: Any, values: Mapping[str, Any], member: Member | None) -> None:
    """What several companies use, or none alone, is the house's; nobody hands a row to a company that is not his."""
    if member is None:
        return
    mine = set(company_ids(member))
    owners = {values[name] for name in ("company_id",) if name in values}
    if "company" in values:
        owners.add(values["company"].pk if values["company"] is not None else None)
    if isinstance(row, AliasDomain):
        owners |= (set(row.companies.values_list("pk", flat=True)) if row.pk else set()) or {None}
    elif row.pk or not owners:
        owners.add(row.company_id)
    if not owners <= mine:
        require_house(member)


def _shown(row: models.Model, names: list[str]) -> dict[str, object]:
    return {name: _plain(getattr(row, name)) for name in names}


def _plain(value: object) -> object:
    return value if isinstance(value, str | int | float | bool | dict | list | None) else str(value)


def _write_to_default_domain(ports: Ports, field: str, value: str) -> None:
    domain = AliasDomain.objects.filter(retired_at=None).first()
    if domain is None:
        if field != "name":
            return
        domain = AliasDomain.objects.create(name=value)
        Company.objects.filter(alias_domain=None).update(alias_domain=domain)
        return
    former = domain.name
    if field == "name" and value != former:
        forget_retired_domain(value, domain.pk)
    setattr(domain, field, value)
    domain.save(update_fields=[field])
    keep_former_domain(ports, former, domain)


def _record(ports: Ports, member: Member | None, subject: str, before: object, after: object) -> None:
    SettingChange.objects.create(
        changed_at=ports.clock.now(),
        user=member.user if member else None,
        company=member.company if member else None,
        subject=subject[:200],
        before=before,
        after=after,
    )
