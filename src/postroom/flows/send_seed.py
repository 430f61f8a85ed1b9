"""A seed message: a real mail of ours through a chosen server to a mailbox of ours, found again there and judged as it arrived.

    send_seed -> the queue, as every mail (law 9) -> ... -> look_for_seed, again and again: failed? back? too late?

Laws: nobody waits in a request: a job looks, goes away, and comes again later and later until the time is over. What comes back is known by
its Message-ID and by a mark that only this house can make; the router discards it as our own, so that no record is made of it. Mail that
is captured comes back to nobody: *not applicable*, said at once. No transaction is open while a mailbox or the DNS is asked.
"""

from __future__ import annotations

from datetime import timedelta
from html import escape

from django.db import transaction

from postroom.core.delivery.filters import sender_to_test
from postroom.core.delivery.identity import default_from
from postroom.core.mailtest.facts import Source
from postroom.core.mailtest.seeds import HEADER, is_marked, make_mark
from postroom.core.mime.parsing import parse_headers
from postroom.core.senders.authentication_results import read_servers
from postroom.core.terms.addresses import Address, normalize, parse_one
from postroom.core.terms.message_ids import make_message_id
from postroom.core.terms.reasons import Reason, because, reasons_from_json
from postroom.core.terms.states import DeliveryState, MailTestState
from postroom.flows.analyse_mail import CannotTest, TestWish, analyse_mail
from postroom.flows.defer_job import defer_job
from postroom.flows.enqueue_mail import DraftRecipient, MailDraft, enqueue_mail
from postroom.flows.fetch_mailbox import LeaseLost, fetch_now
from postroom.flows.mail_tests import MailTestFact, finish_mail_test, mail_test, require_tester
from postroom.flows.ports import Ports
from postroom.flows.route_message import raw_of
from postroom.flows.ways_out import WaysOut, load_ways_out
from postroom.store.models import (
    Delivery,
    InboundMessage,
    LetterboxMail,
    Mailbox,
    MailTest,
    Member,
    OutgoingServer,
    RawMail,
)

LONGEST = timedelta(minutes=10)
SOONEST, LATEST = 2, 30  # seconds until the next look
MOST_ALIKE = 5  # mails with one Message-ID that are looked at

_SUBJECT = "Mail test by Postroom"
_TEXT = (
    "This mail was written by Postroom to find out how mail of this house arrives.\n\n"
    "It went through {server} and was read back from {mailbox}. Nobody has to do anything about it: "
    "it is recognised when it comes back, looked at, and put aside.\n"
)


def send_seed(
    ports: Ports, server_id: int, mailbox_id: int, *, member: Member | None, to: str = "", wait: timedelta = LONGEST
) -> MailTestFact:
    """Send one, and have it looked for. ``to``: the address that leads into the mailbox; empty: its login, where that is an address.

    Raises `NotAllowed`, `CannotTest`, and DoesNotExist of either.
    """
    require_tester(member)
    server = OutgoingServer.objects.get(pk=server_id)
    mailbox = Mailbox.objects.get(pk=mailbox_id)
    recipient = normalize(to or mailbox.username)
    if not recipient:
        raise CannotTest(because("mailtest.seed.no_address", mailbox=mailbox.name))
    if not (mailbox.is_active and mailbox.is_confirmed):
        raise CannotTest(because("mailtest.seed.not_read", mailbox=mailbox.name))
    ways = load_ways_out(ports)
    now = ports.clock.now()
    row = MailTest(
        member=member,
        source=Source.SEED,
        name=f"{server.name} -> {mailbox.name}"[:200],
        asked_at=now,
        server=server,
        mailbox=mailbox,
        until=now + wait,
    )
    if (captured := _why_captured(ways, server)) is not None:
        row.state, row.finished_at, row.trouble = MailTestState.NOT_APPLICABLE, now, captured.as_json()
        row.save()
        return mail_test(ports, row.pk, member=member)
    with transaction.atomic():
        draft = _draft(ports, ways, server, mailbox, recipient, member)
        row.message_id = draft.header_message_id
        row.mail_number = enqueue_mail(ports, draft)
        row.save()
        defer_job("look_for_mail_test", in_seconds=SOONEST, test_id=row.pk)
    return mail_test(ports, row.pk, member=member)


def _why_captured(ways: WaysOut, server: OutgoingServer) -> Reason | None:
    if server.transport == "letterbox":
        return because("mailtest.seed.letterbox_server", server=server.name)
    return because("mailtest.seed.letterbox") if ways.capturing else None


def _draft(
    ports: Ports, ways: WaysOut, server: OutgoingServer, mailbox: Mailbox, recipient: str, member: Member | None
) -> MailDraft:
    company_id = server.company_id or mailbox.company_id
    domain = ways.domains.get(ways.domain_of_company.get(company_id) or ways.default_domain_id or 0)
    defaults = [default_from(domain)] if domain else []
    own = normalize(member.contact.address) if member is not None else ""
    address = sender_to_test(server.from_filter, defaults, own, (ports.configuration.email_from, server.username))
    author = parse_one(address)
    if author is None:
        raise CannotTest(because("mailtest.seed.no_sender", server=server.name))
    words = _TEXT.format(server=server.name, mailbox=mailbox.name)
    message_id = make_message_id(unique=f"{ports.ids.hex(12)}.test", domain=author.domain)
    return MailDraft(
        company_id=company_id,
        header_from=Address("Postroom", author.local, author.domain),
        recipients=[DraftRecipient(name=mailbox.name, address=recipient)],
        subject=_SUBJECT,
        text=words,
        html="".join(f"<p>{escape(piece)}</p>" for piece in words.split("\n\n")),
        header_message_id=message_id,
        forced_server_id=server.pk,
        extra_headers=[(HEADER, make_mark(ports.address_keys, message_id)), ("Auto-Submitted", "auto-generated")],
    )


# ---- looking for it


def look_again(ports: Ports, test_id: int) -> bool:
    """One look, and the next one deferred where it is not over. Whether it is over."""
    if look_for_seed(ports, test_id):
        return True
    row = MailTest.objects.filter(pk=test_id, state=MailTestState.WAITING).only("asked_at").first()
    if row is None:
        return True
    waited = (ports.clock.now() - row.asked_at).total_seconds()
    defer_job("look_for_mail_test", in_seconds=seconds_to_next_look(waited), test_id=test_id)
    return False


def seconds_to_next_look(waited: float) -> int:
    """Later and later: each look is a login at the mailbox, and providers count them."""
    return max(SOONEST, min(LATEST, int(waited / 5)))


def look_for_seed(ports: Ports, test_id: int) -> bool:
    """Where it is now; its report when it is back. Whether it is over. Waits for the mailbox and the DNS."""
    row = MailTest.objects.select_related("mailbox").filter(pk=test_id, state=MailTestState.WAITING).first()
    if row is None:
        return True
    if _is_back(ports, row):
        return True
    delivery = Delivery.objects.filter(mail_id=row.mail_number or 0).order_by("pk").first()
    if delivery is not None and (refusal := _refused(delivery)) is not None:
        finish_mail_test(ports, row.pk, refusal[0], trouble=refusal[1])
        return True
    has_left = delivery is None or delivery.state in (DeliveryState.SENT, DeliveryState.UNKNOWN)
    if has_left and row.mailbox is not None and _is_fetched(ports, row):
        return True
    if row.until is not None and ports.clock.now() > row.until:
        finish_mail_test(ports, row.pk, MailTestState.FAILED, trouble=_too_late(row, delivery, has_left=has_left))
        return True
    return False


def _is_fetched(ports: Ports, row: MailTest) -> bool:
    """Has the mailbox read now. Trouble with it is noted with the mailbox, and may pass."""
    try:
        done = fetch_now(ports, row.mailbox_id or 0)
    except (LeaseLost, Mailbox.DoesNotExist):
        return False
    return not done.is_leased_elsewhere and _is_back(ports, row)


def _is_back(ports: Ports, row: MailTest) -> bool:
    """Whether it came in: by its Message-ID, and with our mark. Then it is judged."""
    for inbound in InboundMessage.objects.filter(message_id=row.message_id).order_by("pk")[:MOST_ALIKE]:
        try:
            raw = raw_of(ports, inbound)
        except (RawMail.DoesNotExist, KeyError, OSError):
            finish_mail_test(ports, row.pk, MailTestState.FAILED, trouble=because("mailtest.seed.unreadable"))
            return True
        if is_marked(ports.address_keys, row.message_id, parse_headers(raw).header(HEADER)):
            servers = read_servers(row.mailbox.authserv_ids) if row.mailbox is not None else frozenset()
            report = analyse_mail(ports, raw, TestWish(is_seed=True, servers=servers))
            finish_mail_test(ports, row.pk, MailTestState.FINISHED, report=report)
            return True
    return False


def _refused(delivery: Delivery) -> tuple[MailTestState, Reason] | None:
    """How it ended before it left, or on its way."""
    match DeliveryState(delivery.state):
        case DeliveryState.FAILED | DeliveryState.BOUNCED | DeliveryState.COMPLAINED:
            reply = delivery.failure_reason or delivery.failure_type or delivery.state
            return MailTestState.FAILED, because("mailtest.seed.failed", reply=" ".join(reply.split())[:500])
        case DeliveryState.CANCELLED:
            return MailTestState.FAILED, because("mailtest.seed.cancelled")
        case DeliveryState.SENT if LetterboxMail.objects.filter(delivery_id=delivery.pk).exists():
            return MailTestState.NOT_APPLICABLE, because("mailtest.seed.letterbox")
        case _:
            return None


def _too_late(row: MailTest, delivery: Delivery | None, *, has_left: bool) -> Reason:
    minutes = round(((row.until or row.asked_at) - row.asked_at).total_seconds() / 60)
    if has_left or delivery is None:
        return because("mailtest.seed.not_back", mailbox=row.mailbox.name if row.mailbox else "?", minutes=minutes)
    waits = reasons_from_json([delivery.waits_for])[0] if isinstance(delivery.waits_for, dict) else None
    said = " ".join(delivery.failure_reason.split())[:300] or waits or because("piece.no_deliverer")
    return because("mailtest.seed.not_sent", minutes=minutes, reply=said)
