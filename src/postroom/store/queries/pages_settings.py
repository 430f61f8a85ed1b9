"""Lists of settings for their pages. Small tables: bounded, not paged. Secrets are not read here."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db.models import Count, F, Q, QuerySet

from postroom.core.delivery.providers import PROVIDERS
from postroom.core.terms.parameters import PARAMETERS, Parameters
from postroom.store.models import (
    Alias,
    AliasDomain,
    ApiKey,
    Company,
    Mailbox,
    OutgoingServer,
    Parameter,
    ScheduledAction,
    ScheduledRun,
    SettingChange,
)
from postroom.store.queries.pages import PAGE_ROWS, Page, page_of, read_id

MOST = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class SettingRow:
    """One thing in a list of settings: what it is called, what it does, how it fares."""

    id: int
    name: str
    about: str
    company: str = ""
    is_active: bool = True
    tone: str = "quiet"  # of the badge: ok, warn, bad, quiet, info
    word: str = ""  # on the badge: a key that the page translates
    trouble: str = ""
    tested_at: datetime | None = None
    is_test_ok: bool = False
    is_unverified: bool = False  # its certificate is taken as it comes


@dataclass(frozen=True, slots=True, kw_only=True)
class ParameterFact:
    """A system parameter: what is in force, and what would be without a stored value."""

    key: str
    value: str
    default: str
    help: str
    is_changed: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangeFact:
    """Who changed what, before and after (a name and a text each)."""

    id: int
    changed_at: datetime
    who: str
    subject: str
    rows: tuple[tuple[str, str, str], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ActionFact:
    """A scheduled action."""

    key: str
    name: str
    interval_seconds: int
    is_active: bool
    next_run_at: datetime
    running_since: datetime | None
    last_run_at: datetime | None
    last_result: str
    failure_count: int


@dataclass(frozen=True, slots=True, kw_only=True)
class RunFact:
    """One run of a scheduled action."""

    started_at: datetime
    finished_at: datetime | None
    is_failed: bool
    result: str


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyFact:
    """A key for programs; its value is not known to anybody any more."""

    id: int
    name: str
    created_at: datetime
    last_used_at: datetime | None
    scope: str = "all"


def servers(company_ids: list[int]) -> tuple[SettingRow, ...]:
    """Outgoing servers, in the order of priority."""
    rows = OutgoingServer.objects.filter(Q(company_id__in=company_ids) | Q(company=None)).select_related("company")
    return tuple(_server(row) for row in rows[:MOST])


def _server(row: OutgoingServer) -> SettingRow:
    if not row.is_active:
        tone, word = "quiet", "archived"
    elif row.paused_at is not None:
        tone, word = "warn", "paused"
    elif row.trouble:
        tone, word = "bad", "trouble"
    elif row.tested_at is not None and not _passed(row):
        tone, word = "warn", "test_failed"
    else:
        tone, word = "ok", "ready"
    return SettingRow(
        id=row.pk,
        name=row.name,
        about=" · ".join(part for part in (_place(row), row.from_filter) if part),
        company=row.company.name if row.company else "",
        is_active=row.is_active,
        tone=tone,
        word=word,
        trouble=row.trouble,
        tested_at=row.tested_at,
        is_test_ok=_passed(row),
        is_unverified=row.transport == "smtp" and row.encryption != "none" and not row.verify_certificate,
    )


def _place(row: OutgoingServer) -> str:
    """Where its mail goes; empty where its name says so already."""
    if row.transport == "smtp":
        return f"{row.host}:{row.port}"
    provider = PROVIDERS.get(row.provider)
    place = f"{provider.label}, HTTP API" if row.transport == "api" and provider else row.get_transport_display()
    return "" if row.name in place and row.transport == "letterbox" else place


def _passed(row: OutgoingServer) -> bool:
    return isinstance(row.test_result, dict) and bool(row.test_result.get("ok"))


def domains() -> tuple[SettingRow, ...]:
    """Alias domains, the default one first."""
    return tuple(
        SettingRow(
            id=row.pk,
            name=row.name,
            about=f"{row.bounce_alias}@ · {row.catchall_alias}@ · {row.default_from}",
            is_active=row.retired_at is None,
            tone="quiet" if row.retired_at else "ok",
            word="retired" if row.retired_at else "in_use",
        )
        for row in AliasDomain.objects.all()[:MOST]
    )


def aliases(company_ids: list[int]) -> tuple[SettingRow, ...]:
    """Aliases by name."""
    rows = Alias.objects.filter(company_id__in=company_ids).select_related("domain", "kind", "company")
    words = {"valid": ("ok", "valid"), "invalid": ("bad", "invalid")}
    found = []
    for row in rows[:MOST]:
        tone, word = ("quiet", "retired") if row.retired_at else words.get(row.status, ("info", "not_tested"))
        found.append(
            SettingRow(
                id=row.pk,
                name=str(row),
                about=row.kind.label_plural,
                company=row.company.name,
                is_active=row.retired_at is None,
                tone=tone,
                word=word,
            )
        )
    return tuple(found)


def parameters() -> tuple[ParameterFact, ...]:
    """All parameters, stored or not, in the order of their table."""
    stored = dict(Parameter.objects.values_list("key", "value"))
    values = Parameters(stored)
    return tuple(
        ParameterFact(
            key=spec.key,
            value=values.text(spec.key),
            default=spec.default,
            help=spec.help,
            is_changed=spec.key in stored and stored[spec.key] != spec.default,
        )
        for spec in PARAMETERS.values()
    )


def changes(
    visible: QuerySet[SettingChange],
    *,
    subject: str = "",
    start: str = "",
    who: str = "",
    since: datetime | None = None,
    cursor: str = "",
    size: int = PAGE_ROWS,
) -> Page[ChangeFact]:
    """Changed settings, newest first: of one thing, of things whose subject begins so, by people who are called so, from then on."""
    rows = visible.order_by("-id")
    if subject:
        rows = rows.filter(subject=subject)
    if start:
        rows = rows.filter(subject__startswith=start)
    if who:
        rows = rows.filter(Q(user__username__icontains=who) | Q(user__postroom_member__contact__name__icontains=who))
    if since is not None:
        rows = rows.filter(changed_at__gte=since)
    if (number := read_id(cursor)) is not None:
        rows = rows.filter(pk__lt=number)
    found = rows.values(
        "id",
        "changed_at",
        "subject",
        "before",
        "after",
        login=F("user__username"),
        name=F("user__postroom_member__contact__name"),
    )[: size + 1]
    return page_of(found, size, _change, lambda row: str(row["id"]))


def _change(row: Mapping[str, Any]) -> ChangeFact:
    return ChangeFact(
        id=row["id"],
        changed_at=row["changed_at"],
        who=row["name"] or row["login"] or "",
        subject=row["subject"],
        rows=tuple(_differences(row["before"], row["after"])),
    )


def _differences(before: object, after: object) -> Iterable[tuple[str, str, str]]:
    """What differs, by name; two plain values differ under no name."""
    if not isinstance(before, dict) and not isinstance(after, dict):
        yield "", _text(before), _text(after)
        return
    old = before if isinstance(before, dict) else {}
    new = after if isinstance(after, dict) else {}
    for name in [*old, *(name for name in new if name not in old)]:
        if old.get(name) != new.get(name):
            yield str(name), _text(old.get(name)), _text(new.get(name))


def _text(value: object) -> str:
    return "" if value is None else str(value)


def actions() -> tuple[ActionFact, ...]:
    """Scheduled actions by name."""
    return tuple(_action(row) for row in ScheduledAction.objects.all()[:MOST])


def action(key: str) -> tuple[ActionFact, tuple[RunFact, ...]] | None:
    """One scheduled action with its last 50 runs."""
    row = ScheduledAction.objects.filter(pk=key).first()
    if row is None:
        return None
    runs = ScheduledRun.objects.filter(action_id=key).order_by("-id")[:50]
    return _action(row), tuple(
        RunFact(started_at=run.started_at, finished_at=run.finished_at, is_failed=run.is_failed, result=run.result)
        for run in runs
    )


def _action(row: ScheduledAction) -> ActionFact:
    return ActionFact(
        key=row.key,
        name=row.name,
        interval_seconds=row.interval_seconds,
        is_active=row.is_active,
        next_run_at=row.next_run_at,
        running_since=row.running_since,
        last_run_at=row.last_run_at,
        last_result=row.last_result,
        failure_count=row.failure_count,
    )


def keys(member_id: int) -> tuple[KeyFact, ...]:
    """A member's keys for programs, newest first."""
    return tuple(
        KeyFact(id=row.pk, name=row.name, created_at=row.created_at, last_used_at=row.last_used_at, scope=row.scope)
        for row in ApiKey.objects.filter(member_id=member_id)[:MOST]
    )


def companies(company_ids: list[int]) -> tuple[tuple[int, str], ...]:
    """Number and name of these companies, by name."""
    return tuple(Company.objects.filter(pk__in=company_ids).order_by("name").values_list("pk", "name")[:MOST])


def company_rows() -> tuple[SettingRow, ...]:
    """Companies by name, with how many people they have. One query."""
    rows = Company.objects.select_related("alias_domain").annotate(people=Count("members"))
    return tuple(
        SettingRow(
            id=row.pk,
            name=row.name,
            about=" · ".join(filter(None, (row.alias_domain.name if row.alias_domain else "", str(row.people)))),
            is_active=row.is_active,
            tone="ok" if row.is_active else "quiet",
            word="in_use" if row.is_active else "off",
        )
        for row in rows[:MOST]
    )


def mailbox_names(company_ids: list[int]) -> tuple[SettingRow, ...]:
    """Mailboxes, for finding them."""
    rows = Mailbox.objects.filter(company_id__in=company_ids).only("id", "name", "username", "host")
    return tuple(SettingRow(id=row.pk, name=row.name, about=f"{row.username} · {row.host}") for row in rows[:MOST])


def names_of_numbers() -> dict[str, dict[str, str]]:
    """What the numbers in recorded changes stand for, by the name of the field. Two queries."""
    return {
        "company": {str(pk): name for pk, name in Company.objects.values_list("pk", "name")[:MOST]},
        "domain": {str(pk): name for pk, name in AliasDomain.objects.values_list("pk", "name")[:MOST]},
    }
