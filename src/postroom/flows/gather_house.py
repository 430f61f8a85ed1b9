"""The facts of the house for the doctor: settings, servers, mailboxes, schedule, queue, history, as they stand in the tables.

Laws: reads only; a few bounded questions along indexes, whatever is stored (a test holds the budget). Nobody outside is asked here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from django.db.models import Max

from postroom.core.delivery.filters import read_written
from postroom.core.delivery.identity import default_from
from postroom.core.delivery.presets import preset_named, recognise
from postroom.core.delivery.wire import Endpoint
from postroom.core.diagnosis.alias_health import AliasFacts
from postroom.core.diagnosis.error_texts import read_error_text
from postroom.core.diagnosis.findings import action_named, mailbox_named, server_named
from postroom.core.diagnosis.history import AlarmFacts, ChangeFacts, HourFacts
from postroom.core.diagnosis.house import HouseFacts, OwnDomain, OwnServer
from postroom.core.diagnosis.machine_health import LEAST_ROOM, MachineFacts
from postroom.core.diagnosis.mailbox_health import MailboxFacts, WaysInFacts
from postroom.core.diagnosis.queue_health import QueueFacts
from postroom.core.diagnosis.schedule_health import ActionFacts
from postroom.core.diagnosis.server_errors import Fault, explain
from postroom.core.diagnosis.server_health import ServerFacts
from postroom.core.diagnosis.signs import Sign
from postroom.core.diagnosis.silence import Habit, is_silent, usual_gap
from postroom.core.schedule.actions import ACTION_NAMES
from postroom.core.schedule.intervals import is_late
from postroom.core.terms.addresses import is_placeholder
from postroom.core.terms.encryption import Encryption
from postroom.core.terms.reasons import reasons_from_json
from postroom.core.terms.states import Role
from postroom.core.terms.steps import Step
from postroom.core.terms.traffic import Traffic
from postroom.flows.gather_outside import consent_end
from postroom.flows.how_is_it import how_is_it
from postroom.flows.note_health import explain_mailbox_trouble
from postroom.flows.note_strangers import lately_strange
from postroom.flows.ports import Ports
from postroom.flows.ways_out import WaysOut
from postroom.store import pulse
from postroom.store.models import (
    Alarm,
    Alias,
    AliasDomain,
    DkimKey,
    InboundHook,
    Installation,
    Mailbox,
    Member,
    OutgoingServer,
    QueueSample,
    ScheduledAction,
    SettingChange,
)
from postroom.store.queries import doctor, gates

LATELY = timedelta(days=3)
FAILED_BACK = timedelta(hours=24)
CHANGES_BACK, MOST_CHANGES = timedelta(days=7), 100
MOST_ALARMS = 50
OWN_ALARMS = "doctor."  # how the codes of the alarms begin that the watch raises


@dataclass(frozen=True, slots=True, kw_only=True)
class HouseRows:
    """What several checks need."""

    now: datetime
    ways: WaysOut
    servers: Sequence[OutgoingServer]
    mailboxes: Sequence[Mailbox]
    domains: Sequence[AliasDomain]
    aliases: Sequence[Alias]
    hooks: Sequence[InboundHook]
    keys: Sequence[DkimKey]
    installation: Installation | None
    written_to: Mapping[str, tuple[int, datetime]]
    queue: QueueFacts
    disk: Mapping[str, object]
    hung: Sequence[Sign]
    hours: Sequence[HourFacts]
    accepted: Mapping[int, datetime]

    @property
    def is_capturing(self) -> bool:
        return self.ways.capturing


def read_rows(ports: Ports, ways: WaysOut) -> HouseRows:
    """Some twenty-five queries."""
    now = ports.clock.now()
    hours = _hours(now)
    queue, points = _looked(ports, ways, now, hours)
    return HouseRows(
        now=now,
        ways=ways,
        servers=[row for row in ways.rows.values() if row.is_active],
        mailboxes=list(Mailbox.objects.all()[:1000]),
        domains=list(AliasDomain.objects.filter(retired_at=None)),
        aliases=list(Alias.objects.select_related("domain")[:5000]),
        hooks=list(InboundHook.objects.filter(is_active=True)[:200]),
        keys=list(DkimKey.objects.exclude(state="retired")[:500]),
        installation=Installation.objects.first(),
        written_to=doctor.written_to(),
        queue=queue,
        disk=points["disk"],
        hung=[Sign(**one) for one in points["workers"]["hung"]],
        hours=hours,
        accepted=doctor.last_accepted(),
    )


def _looked(
    ports: Ports, ways: WaysOut, now: datetime, hours: Sequence[HourFacts]
) -> tuple[QueueFacts, Mapping[str, Mapping[str, Any]]]:
    """With what is told of the house's points, by name."""
    points = {point.name: point.facts for point in how_is_it(ports).points}
    incoming, outgoing = points["incoming"], points["outgoing"]
    due = doctor.due_and_free(now)
    day = [hour for hour in hours if now - hour.starts_at <= timedelta(hours=24)]
    failed = ""
    if incoming["failed"]:
        failed = doctor.last_inbound_error()
    names = {row.pk: row.name for row in ways.rows.values()}
    queue = QueueFacts(
        waiting=doctor.waiting_groups(names, now),
        due=due.count,
        due_since=due.since,
        refused=doctor.recent_failures(now - FAILED_BACK),
        unknown=outgoing["unknown"],
        sent_day=sum(hour.sent for hour in day),
        failed_day=sum(hour.failed for hour in day),
        inbound_failed=incoming["failed"],
        inbound_error=failed,
        inbound_waiting=incoming["waiting"],
        inbound_since=now - timedelta(seconds=incoming["oldest_seconds"]) if incoming["oldest_seconds"] else None,
        held=incoming["held"],
        is_capturing=ways.capturing,
    )
    return queue, points


def _hours(now: datetime) -> list[HourFacts]:
    since = (now - LATELY).replace(minute=0, second=0, microsecond=0)
    traffic = pulse.read(None, since).traffic
    moments = sorted({hour for counts in traffic.values() for hour in counts})
    return [
        HourFacts(
            starts_at=datetime.fromtimestamp(moment, UTC),
            sent=traffic[Traffic.SENT].get(moment, 0),
            failed=traffic[Traffic.FAILED].get(moment, 0) + traffic[Traffic.BOUNCED].get(moment, 0),
        )
        for moment in moments
    ]


# ---- facts for each room


def house_facts(ports: Ports, rows: HouseRows) -> HouseFacts:
    """One query more: the administrators."""
    people = Member.objects.filter(role=Role.ADMINISTRATOR, user__is_active=True).select_related("user", "contact")[:50]
    placeholders = {
        str(member.user.get_username()): member.contact.address
        for member in people
        if not member.contact.address or is_placeholder(member.contact.address)
    }
    domains = rows.ways.domains
    used = gates.used_today([row.pk for row in rows.servers], rows.now)
    servers = [_own_server(row, used.get(row.pk, 0)) for row in rows.servers]
    configured = rows.ways.configured
    if configured is not None and not any(not one.is_letterbox for one in servers):
        servers.append(OwnServer(name=configured.name, is_gmail="gmail" in ports.configuration.server_host))
    return HouseFacts(
        domains=tuple(
            OwnDomain(
                name=row.name,
                bounce=row.bounce_alias,
                catchall=row.catchall_alias,
                default_from=default_from(domains.get(row.pk), ports.configuration.email_from),
            )
            for row in rows.domains
        ),
        catchall_domain=rows.ways.parameters.text("mail.catchall.domain"),
        aliases=frozenset(str(alias) for alias in rows.aliases if alias.retired_at is None),
        servers=tuple(servers),
        placeholders=placeholders,
        waiting=rows.queue.due + sum(group.count for group in rows.queue.waiting),
        sent_today=rows.queue.sent_day,
        is_capturing=rows.is_capturing,
        is_locked=bool(rows.installation and rows.installation.found_elsewhere),
        confirmed=rows.installation.identity if rows.installation else "",
        elsewhere=rows.installation.found_elsewhere if rows.installation else "",
        has_work=bool(rows.domains or rows.mailboxes or rows.queue.waiting),
    )


def _own_server(row: OutgoingServer, used: int) -> OwnServer:
    written = read_written(row.from_filter)
    preset = recognise(row.host) if row.preset == "custom" else preset_named(row.preset)
    return OwnServer(
        name=row.name,
        filter=written.entries,
        mistakes=written.mistakes,
        priority=row.priority,
        company_id=row.company_id,
        purpose=row.purpose,
        is_letterbox=row.transport == "letterbox",
        is_gmail=preset.key == "gmail",
        sent_today=used,
        daily_limit=row.daily_limit,
    )


def server_facts(ports: Ports, rows: HouseRows) -> list[ServerFacts]:
    """Of active servers that are no Letterbox. Two queries more."""
    real = [row for row in rows.servers if row.transport != "letterbox"]
    full = {one.id: one for one in gates.full_servers(OutgoingServer.objects.filter(is_active=True), rows.now)}
    waiting: dict[str, int] = {}
    for group in rows.queue.waiting:
        if group.server:
            waiting[group.server] = waiting.get(group.server, 0) + group.count
    found = []
    changed = _changed_lately()
    for row in real:
        endpoint = rows.ways.way(row.pk).endpoint
        trouble = explain(_fault(row)) if row.trouble else None
        limit = full.get(row.pk)
        is_slowed = bool(row.learned_per_minute and row.slow_until and row.slow_until > rows.now)
        found.append(
            ServerFacts(
                id=row.pk,
                name=row.name,
                host=row.host,
                port=row.port,
                encryption=row.encryption,
                is_smtp=row.transport == "smtp",
                has_login=bool(row.username),
                is_secret_unreadable=endpoint is None,
                certificate_until=_certificate_end(ports, row, endpoint if isinstance(endpoint, Endpoint) else None),
                token_until=consent_end(ports, row),
                paused_at=row.paused_at,
                waiting=waiting.get(row.name, 0),
                broken_until=row.broken_until,
                trouble=row.trouble,
                trouble_count=row.trouble_count,
                trouble_code=trouble.code if trouble else "",
                trouble_cause=trouble.cause if trouble else None,
                trouble_cure=trouble.cure if trouble else None,
                limit_until=limit.until if limit else None,
                used_today=limit.used if limit else 0,
                slowed_to=row.learned_per_minute if is_slowed else 0,
                slow_reply=row.slow_reply,
                accepted_at=_by_these_settings(rows.accepted.get(row.pk), changed.get(server_named(row.name))),
            )
        )
    configured = rows.ways.configured
    if configured is not None and not real:
        configuration = ports.configuration
        found.append(
            ServerFacts(
                id=configured.id,
                name=configured.name,
                host=configuration.server_host,
                port=configuration.server_port,
                encryption=configuration.server_encryption,
                has_login=bool(configuration.server_user),
            )
        )
    return found


def _changed_lately() -> dict[str, datetime]:
    """When a person changed each server and mailbox last. One query."""
    rows = SettingChange.objects.filter(subject__regex="^(server|mailbox) ").values_list("subject")
    return dict(rows.annotate(at=Max("changed_at"))[:2_000])


def _by_these_settings(at: datetime | None, changed: datetime | None) -> datetime | None:
    return None if at is None or (changed is not None and changed > at) else at


def _fault(row: OutgoingServer) -> Fault:
    """The trouble that a deliverer noted, as it is explained."""
    seen = read_error_text(row.trouble)
    return Fault(
        step=seen.step or Step.CONNECT,
        reply=seen.reply,
        trouble=seen.trouble or row.trouble,
        host=row.host,
        port=row.port,
        encryption=Encryption(row.encryption),
        username=row.username,
        is_token=row.authentication == "token",
    )


def _certificate_end(ports: Ports, row: OutgoingServer, endpoint: Endpoint | None) -> datetime | None:
    if row.authentication != "certificate" or endpoint is None or not row.client_certificate:
        return None
    try:
        return ports.read_client_certificate(row.client_certificate, endpoint.client_key, endpoint.password).expires_at
    except ValueError:
        return None


def ways_in_facts(ports: Ports, rows: HouseRows) -> WaysInFacts:
    changed = _changed_lately()
    at_least = timedelta(hours=rows.ways.parameters.number("mail.mailbox.silence.hours"))
    return WaysInFacts(
        mailboxes=tuple(_mailbox(ports, row, rows.now, at_least, changed) for row in rows.mailboxes),
        hooks=tuple((row.name, row.last_trouble) for row in rows.hooks),
        door_is_public=door_is_public(ports),
        arrived_lately=any(rows.now - last < 10 * LATELY for _, last in rows.written_to.values()),
        wants_mail=bool(rows.domains) and not rows.is_capturing,
    )


def _mailbox(
    ports: Ports, row: Mailbox, now: datetime, at_least: timedelta, changed: Mapping[str, datetime]
) -> MailboxFacts:
    habit = Habit.from_json(row.habit)
    usual = ""
    if is_silent(habit, last_at=row.last_message_at, now=now, at_least=at_least):
        gap = usual_gap(habit, now) or timedelta(0)
        usual = f"{gap.total_seconds() / 3600:.1f} hours"
    trouble = explain_mailbox_trouble(row)
    strange = lately_strange(row.strangers, now)
    return MailboxFacts(
        id=row.pk,
        name=row.name,
        host=row.host,
        username=row.username,
        folder=row.folder,
        is_active=row.is_active,
        is_confirmed=row.is_confirmed,
        interval=timedelta(seconds=row.interval_seconds),
        succeeded_at=row.succeeded_at,
        confirmed_at=row.confirmed_at,
        last_message_at=row.last_message_at,
        usual=usual,
        error=row.last_error,
        error_count=row.error_count,
        accepted_at=_by_these_settings(row.succeeded_at, changed.get(mailbox_named(row.name))),
        trouble_code=trouble.code if trouble else "",
        trouble_cause=trouble.cause if trouble else None,
        trouble_cure=trouble.cure if trouble else None,
        token_until=consent_end(ports, row),
        taken=strange.taken,
        vanished=strange.vanished,
        read_before=strange.read_before,
    )


def door_is_public(ports: Ports) -> bool:
    """Whether the SMTP door listens to more than this machine."""
    return not ports.configuration.smtp_host.startswith(("127.", "::1", "localhost"))


def alias_facts(rows: HouseRows) -> AliasFacts:
    retired = {str(alias).lower() for alias in rows.aliases if alias.retired_at is not None}
    return AliasFacts(
        invalid=tuple(str(alias) for alias in rows.aliases if alias.status == "invalid" and alias.retired_at is None),
        retired={address: count for address, (count, _) in rows.written_to.items() if address in retired},
        plus={row.name: row.plus_addresses_arrive for row in rows.domains},
        is_capturing=rows.is_capturing,
    )


def schedule_facts(now: datetime) -> list[ActionFacts]:
    """One query."""
    return [
        ActionFacts(
            key=row.key,
            name=row.name,
            is_active=row.is_active,
            is_late=is_late(row.next_run_at, timedelta(seconds=row.interval_seconds), now),
            next_run_at=row.next_run_at,
            interval=timedelta(seconds=row.interval_seconds),
            failure_count=row.failure_count,
            last_result=row.last_result,
        )
        for row in ScheduledAction.objects.filter(key__in=ACTION_NAMES).order_by("key")
    ]


def change_facts(now: datetime) -> list[ChangeFacts]:
    """One query."""
    rows = SettingChange.objects.filter(changed_at__gte=now - CHANGES_BACK).exclude(subject="seeding")
    rows = rows.exclude(subject__startswith="user ").select_related("user").order_by("-changed_at")[:MOST_CHANGES]
    return [
        ChangeFacts(
            at=row.changed_at,
            subject=row.subject,
            by=str(row.user.get_username()) if row.user else "",
            what=_difference(row.before, row.after),
            is_new=row.before is None,
        )
        for row in rows
    ]


def succeeded(rows: HouseRows) -> dict[str, datetime]:
    """When each server and each mailbox did last what it is there for, by subject."""
    servers = {server_named(row.name): rows.accepted[row.pk] for row in rows.servers if row.pk in rows.accepted}
    return servers | {mailbox_named(row.name): row.succeeded_at for row in rows.mailboxes if row.succeeded_at}


def _difference(before: object, after: object) -> str:
    if not isinstance(before, dict) or not isinstance(after, dict):
        return "" if before is None else f"{before} -> {after}"[:200]
    names = [name for name in after if before.get(name) != after[name]]
    return ", ".join(f"{name}: {before.get(name)!s:.60} -> {after[name]!s:.60}" for name in names[:4])


def alarm_facts(rows: HouseRows) -> list[AlarmFacts]:
    """One query."""
    names = {f"server:{row.pk}": server_named(row.name) for row in rows.servers}
    names |= {f"mailbox:{row.pk}": mailbox_named(row.name) for row in rows.mailboxes}
    names |= {f"action:{key}": action_named(name) for key, name in ACTION_NAMES.items()}
    names |= {"backlog": "incoming mail"}
    found = []
    own = Alarm.objects.filter(ended_at=None).exclude(code__startswith=OWN_ALARMS)  # the watch must not find itself
    for alarm in own.order_by("-last_at")[:MOST_ALARMS]:
        about = [names[alarm.subject]] if alarm.subject in names else []
        if alarm.code.startswith(("inbound.", "door.storage")):
            about.append("incoming mail")
        sentence = str(reasons_from_json([alarm.reason])[0]) if isinstance(alarm.reason, dict) else alarm.code
        found.append(AlarmFacts(code=alarm.code, sentence=sentence, since=alarm.raised_at, about=tuple(about)))
    return found


def machine_facts(ports: Ports, rows: HouseRows, seen: MachineFacts, late: Sequence[str]) -> MachineFacts:
    """``seen``: what only whoever stands on the machine can see. Three queries."""
    sample = QueueSample.objects.filter(company_number=0).order_by("-taken_at").values_list("taken_at", flat=True)
    secrets = [*(row.secret for row in rows.servers), *(row.secret for row in rows.mailboxes)]
    stored = [bytes(secret) for secret in secrets if secret]
    free, trouble = rows.disk["free_bytes"], rows.disk["trouble"]
    return replace(
        seen,
        is_shared=bool(ports.configuration.database_url),
        roles=doctor.connected_roles(),
        silent=tuple(rows.hung),
        place=str(rows.disk["place"]),
        free=free if isinstance(free, int) else None,
        least_room=max(LEAST_ROOM, 10 * ports.configuration.max_message_size),
        disk_trouble=str(trouble or ""),
        skew=doctor.database_clock() - ports.clock.now(),
        newest_sample=sample.first(),
        now=rows.now,
        secrets=len(stored),
        unreadable=sum(1 for one in stored if ports.vault.key_of(one) is None),
        key_place=ports.key_store.place,
        work=tuple(late),
        has_mail=bool(rows.queue.due or rows.queue.inbound_waiting),
    )
