"""Who hears what the watch found: people by mail, programs by a signed request.

    digest:  new and over since the last one -> a server that no finding blames -> our own queue
    request: written down with the look -> posted in the background -> again after a while, a few times, then given up

Laws: the news are of the whole house, so only its administrators hear them and see in the queue what was sent, and they leave by a server of no single company (where
there is but one company, by any of its). A mail never leaves by a server that is in trouble; where none is left, that is said in the result of the look and tried with the
next. One digest an hour at most. A request goes to one https address, guarded and signed; what came back is kept, the secret never.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from urllib.parse import urlsplit

from django.db import transaction
from django.db.models import F, Q

from postroom.core.conversations.letters import voice_of
from postroom.core.delivery.identity import default_from
from postroom.core.diagnosis.findings import Folded, server_named
from postroom.core.diagnosis.watch_news import (
    SECRET_BYTES,
    mail_html,
    make_secret,
    news_body,
    signed_headers,
    subject_of_mail,
)
from postroom.core.diagnosis.watching import Messenger, Watched, messenger_for
from postroom.core.terms.addresses import Address, is_placeholder, normalize, parse_one
from postroom.core.terms.message_ids import make_message_id
from postroom.core.terms.secret import Secret
from postroom.core.terms.states import Lane, Role
from postroom.core.terms.visits import NoVisit
from postroom.flows.access import is_house_administrator, require_house, with_companies
from postroom.flows.defer_job import defer_job
from postroom.flows.enqueue_mail import DraftRecipient, MailDraft, enqueue_mails
from postroom.flows.ports import Ports
from postroom.flows.prepare_html import base_url
from postroom.flows.settings import parameters
from postroom.flows.speak_language import teller
from postroom.flows.watched_rows import read_watched
from postroom.flows.ways_out import domain_fact, load_ways_out
from postroom.store.models import (
    AliasDomain,
    Company,
    Member,
    OutgoingServer,
    SettingChange,
    WatchedFinding,
    WatchHook,
    WatchPost,
)
from postroom.store.queries import gates

AN_HOUR = timedelta(hours=1)
MOST_HEARERS = 20
MOST_NEWS = 100  # of one digest
TELL_WELL_WITHIN = timedelta(days=7)
PAUSES = (60, 300, 1800, 7200)  # seconds before each further try
LONGEST_URL = 500
_ADMINISTRATORS = ("administrators",)


# ---- by mail


def mail_digest(ports: Ports, findings: Sequence[Folded]) -> str:
    """Queues it where there is something to tell; what became of it, ``""`` for nothing. Inside the transaction of the look."""
    now = ports.clock.now()
    is_news = Q(mailed_at=None) | Q(mailed_at__lt=F("alarmed_at"))  # never told, or told of another cause
    open_rows = WatchedFinding.objects.filter(is_news, alarmed_at__isnull=False, ended_at=None)
    over_rows = WatchedFinding.objects.filter(
        mailed_at__isnull=False, end_mailed_at=None, ended_at__gt=now - TELL_WELL_WITHIN
    )
    fresh, over = list(open_rows[:MOST_NEWS]), list(over_rows[:MOST_NEWS])
    if not (fresh or over):
        return ""
    hearers = _hearers(ports)
    if not hearers:
        is_for_them = parameters(ports).words("doctor.watch.mail") == _ADMINISTRATORS
        return "nobody who administers the whole house can be written to" if is_for_them else ""
    hook = _hook()
    if hook.mailed_at is not None and now - hook.mailed_at < AN_HOUR:
        return "a digest left within the hour: what is new stands in the next"
    way = _way_out(ports, findings, now)
    if isinstance(way, str):
        return way
    raised, ended = [read_watched(row) for row in fresh], [read_watched(row) for row in over]
    enqueue_mails(ports, [_draft(ports, way, raised, ended, voice, some, now) for voice, some in hearers.items()])
    WatchedFinding.objects.filter(pk__in=[row.pk for row in fresh]).update(mailed_at=now)
    WatchedFinding.objects.filter(pk__in=[row.pk for row in over]).update(end_mailed_at=now)
    WatchHook.objects.filter(pk=hook.pk).update(mailed_at=now)
    return f"a digest was queued for {sum(map(len, hearers.values()))}"


def _hearers(ports: Ports) -> Mapping[str, list[str]]:
    """Addresses by the voice in which they are written to: a member's own, everybody else's is English."""
    said = parameters(ports).words("doctor.watch.mail")
    people = Member.objects.filter(user__is_active=True).order_by("pk")
    if said == _ADMINISTRATORS:
        of_role = people.filter(role=Role.ADMINISTRATOR).select_related("contact", "user")
        known = [one.contact for one in with_companies(of_role) if is_house_administrator(one)]
        pairs = [(one.address, one.language) for one in known if one.address and not is_placeholder(one.address)]
    else:
        wanted = [address for word in said[:MOST_HEARERS] if (address := normalize(word))]
        languages = dict(people.filter(contact__normal__in=wanted).values_list("contact__normal", "contact__language"))
        pairs = [(address, languages.get(address, "")) for address in wanted]
    found: dict[str, list[str]] = {}
    for address, language in dict(pairs[:MOST_HEARERS]).items():
        found.setdefault(voice_of(language, for_colleague=True), []).append(address)
    return found


@dataclass(frozen=True, slots=True, kw_only=True)
class _Way:
    """As whom and by which server the digest leaves (None: by any; nothing leaves)."""

    company_id: int
    domain: AliasDomain
    sender: Address
    server_id: int | None


def _way_out(ports: Ports, findings: Sequence[Folded], now: datetime) -> _Way | str:
    """Or why there is none."""
    company = Company.objects.filter(is_active=True, alias_domain__isnull=False).select_related("alias_domain").first()
    domain = company.alias_domain if company else None
    sender = parse_one(default_from(domain_fact(domain))) if domain is not None else None
    if company is None or domain is None or sender is None:
        return "no mail domain to write from"
    ways = load_ways_out(ports)
    server = None
    if not ways.capturing:
        full = {one.id for one in gates.full_servers(OutgoingServer.objects.filter(is_active=True), now)}
        is_only_company = Company.objects.count() == 1
        own = [one for one in ways.servers if one.is_active and not one.is_letterbox]
        serving = sorted(
            (one for one in own if one.company_id is None or is_only_company), key=lambda one: (one.priority, one.id)
        )
        free = [one for one in serving if one.is_free(now) and one.id not in full]
        candidates = [Messenger(id=one.id, subject=server_named(one.name)) for one in free]
        if not serving and ways.configured is not None:
            candidates = [Messenger(id=ways.configured.id, subject=server_named(ways.configured.name))]
        server = messenger_for(findings, candidates)
        if server is None and len(serving) < len(own):
            return "every server that is left belongs to one company: none of the house's is free of trouble"
        if server is None:
            return "no server is free of trouble, by which the digest could leave"
    return _Way(
        company_id=company.pk,
        domain=domain,
        sender=Address("Postroom", sender.local, sender.domain),
        server_id=server.id if server is not None and server.id > 0 else None,
    )


def _draft(
    ports: Ports,
    way: _Way,
    raised: Sequence[Watched],
    over: Sequence[Watched],
    voice: str,
    hearers: Sequence[str],
    now: datetime,
) -> MailDraft:
    return MailDraft(
        company_id=way.company_id,
        header_from=way.sender,
        recipients=[DraftRecipient(name="", address=address) for address in hearers],
        subject=subject_of_mail(raised, len(over), voice)[:900],
        html=mail_html(raised, over, at=now, link=_page(ports), voice=voice, tell=teller(voice)),
        header_message_id=make_message_id(unique=f"{ports.ids.hex(12)}.watch", domain=way.domain.name),
        lane=Lane.URGENT,
        alias_domain_id=way.domain.pk,
        forced_server_id=way.server_id,
        is_news_of_the_house=True,
        extra_headers=[("Auto-Submitted", "auto-generated")],
    )


# ---- to a program


def _hook() -> WatchHook:
    return WatchHook.objects.get_or_create(pk=1)[0]


@dataclass(frozen=True, slots=True, kw_only=True)
class HookFact:
    """Where the news is posted, ``""`` for nowhere, and what came of the last posts (newest first)."""

    url: str
    posts: tuple[WatchPost, ...]


def hook_fact(_ports: Ports, *, member: Member | None) -> HookFact:
    """Two queries. Raises `NotAllowed`."""
    require_house(member)
    row = WatchHook.objects.first()
    return HookFact(url=row.url if row else "", posts=tuple(WatchPost.objects.defer("body")[:5]))


@transaction.atomic
def set_hook(ports: Ports, url: str, *, member: Member | None) -> str:
    """Post there from now on; ``""``: nowhere. The new secret, to be shown once. Raises ValueError in plain words, and `NotAllowed`."""
    require_house(member)
    url = url.strip()
    if url and not _is_https(url):
        raise ValueError("An https address is needed, such as https://hooks.example.com/postroom.")
    row = _hook()
    secret = make_secret(bytes.fromhex(ports.ids.hex(SECRET_BYTES))) if url else ""
    before = row.url
    WatchHook.objects.filter(pk=row.pk).update(url=url, secret=ports.vault.seal(secret) if secret else b"")
    SettingChange.objects.create(
        user_id=member.user_id if member else None,
        changed_at=ports.clock.now(),
        subject="webhook of the doctor",
        before={"url": before},
        after={"url": url},
    )
    return secret


def _is_https(url: str) -> bool:
    try:
        parts = urlsplit(url)
        return parts.scheme == "https" and bool(parts.hostname) and parts.username is None and len(url) <= LONGEST_URL
    except ValueError:
        return False


def post_news(ports: Ports, raised: Sequence[Watched], cleared: Sequence[Watched]) -> bool:
    """Written down, to be posted once the transaction is there. Whether somebody listens and there is something to tell."""
    if not (raised or cleared) or not WatchHook.objects.exclude(url="").exists():
        return False
    _write(ports, news_body(raised, cleared, at=ports.clock.now(), link=_page(ports), kind="doctor.changed"))
    return True


def post_test(ports: Ports, *, member: Member | None) -> WatchPost:
    """A trial, posted here and now and never again. Raises `NotAllowed`, and ValueError where nobody listens."""
    require_house(member)
    if not WatchHook.objects.exclude(url="").exists():
        raise ValueError("There is no address to post to.")
    body = news_body((), (), at=ports.clock.now(), link=_page(ports), kind="doctor.test")
    now = ports.clock.now()
    row = WatchPost.objects.create(body=body, created_at=now, due_at=now, attempts=len(PAUSES))
    post_one(ports, row.pk)
    row.refresh_from_db()
    return row


def _page(ports: Ports) -> str:
    return f"{base_url(ports)}/settings/health/"


def _write(ports: Ports, body: bytes) -> None:
    now = ports.clock.now()
    row = WatchPost.objects.create(body=body, created_at=now, due_at=now)
    defer_job("post_watch_news", post_id=row.pk)


def post_one(ports: Ports, post_id: int) -> bool:
    """One try; a further one is deferred where it was not taken. Whether it is over. No transaction is open while it asks."""
    row = WatchPost.objects.filter(pk=post_id, done_at=None).first()
    hook = WatchHook.objects.exclude(url="").first()
    if row is None:
        return True
    if hook is None:
        WatchPost.objects.filter(pk=row.pk).update(done_at=ports.clock.now(), said="nobody listens any more")
        return True
    said, is_taken = _post(ports, hook, row)
    tries = row.attempts + 1
    is_over = is_taken or tries > len(PAUSES)
    now = ports.clock.now()
    pause = 0 if is_over else PAUSES[tries - 1]
    with transaction.atomic():
        WatchPost.objects.filter(pk=row.pk).update(
            attempts=tries,
            is_taken=is_taken,
            said=said[:300],
            done_at=now if is_over else None,
            due_at=now + timedelta(seconds=pause),
        )
        if not is_over:
            defer_job("post_watch_news", in_seconds=pause, post_id=row.pk)
    return is_over


def _post(ports: Ports, hook: WatchHook, row: WatchPost) -> tuple[str, bool]:
    """What came back, and whether it was taken."""
    body = bytes(row.body)
    try:
        secret: Secret = ports.vault.open(bytes(hook.secret))
        at = int(ports.clock.now().timestamp())
        headers = signed_headers(body, secret=secret, message_id=f"watch_{row.pk}", at=at)
    except ValueError:
        return "its secret cannot be opened: set the address again", False
    allowed = parameters(ports).words("doctor.watch.private_networks")
    answer = ports.visit(hook.url, body=body, headers=headers, allowed=allowed)
    if isinstance(answer, NoVisit):
        return str(answer.reason), False
    return f"HTTP {answer.status}", answer.is_taken
