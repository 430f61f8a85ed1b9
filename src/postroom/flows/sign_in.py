"""What there is to decide about sessions and passwords: who was signed out everywhere, and how somebody gets a new password by mail.

Laws: whoever asks for a new password learns nothing about who is known here, by words, by status or by the time of the answer: the request
looks nobody up, and what it leaves for the background is the same for everybody. The link works once and for an hour: its token is made of
the password's digest and the last sign-in, so both end it. It goes to the address that we know, never to one that was typed; the link to an
account of more than one company leaves by servers of the whole house alone.
A stranger who asks for somebody's link again and again uses up what his own network may ask for, not what the owner may.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address, ip_network

from django.contrib.auth import get_user_model
from django.contrib.auth.models import User
from django.contrib.auth.tokens import default_token_generator
from django.contrib.sessions.backends.base import SessionBase
from django.db import transaction
from django.db.models import Q
from django.utils.encoding import force_bytes
from django.utils.http import urlsafe_base64_encode

from postroom.core.conversations.letters_with_keys import password_link
from postroom.core.terms.addresses import Address
from postroom.core.terms.message_ids import make_message_id
from postroom.flows import audit
from postroom.flows.access import opens_more_than
from postroom.flows.defer_job import defer_job, waiting_jobs
from postroom.flows.enqueue_mail import DraftRecipient, MailDraft, enqueue_mail
from postroom.flows.ports import Ports
from postroom.flows.prepare_html import base_url
from postroom.flows.speak_language import active_language, language_of_letter, teller
from postroom.store.models import AuditEvent, Member

BEGAN = "postroom_began"  # what a session calls it, in seconds since 1970
MOST_AN_HOUR = 3  # links for one account that are asked for from one network
MOST_ASKED = 500  # requests that wait for the background
MOST_OF_ALL = 20  # links for one account in an hour, wherever they are asked for

_JOB = "send_password_links"

logger = logging.getLogger(__name__)


def began_at(session: SessionBase | Mapping[str, object]) -> datetime | None:
    """When somebody signed in with this session; None where it does not say."""
    found = session.get(BEGAN)
    return datetime.fromtimestamp(found, UTC) if isinstance(found, int | float) else None


def is_signed_out(member: Member, began: datetime | None) -> bool:
    """Whether a session that began then was ended from elsewhere."""
    return member.signed_out_at is not None and (began is None or began <= member.signed_out_at)


@transaction.atomic
def sign_out_everywhere(ports: Ports, *, member: Member) -> datetime:
    """All sessions that began until now are over; when that was."""
    now = ports.clock.now()
    Member.objects.filter(pk=member.pk).update(signed_out_at=now)
    audit.note(ports, "sign_out_everywhere", member=member)
    return now


def ask_for_new_password(ports: Ports, typed: str, place: str) -> None:
    """Leaves it to a job to send a link to everybody whose name or address this is: nobody is looked up here. ``place``: the path of the
    page, with ``{uid}`` and ``{token}``. What was typed may be a password, so it is sealed."""
    if waiting_jobs(_JOB, MOST_ASKED) >= MOST_ASKED:
        logger.warning("a new password is asked for by more than can be told apart from a flood: nothing is done")
        return
    sealed = ports.vault.seal(typed).decode("ascii")
    defer_job(_JOB, sealed=sealed, place=place, address=audit.whence(), language=active_language())


def send_password_links(ports: Ports, sealed: str, place: str, address: str, language: str) -> int:
    """What `ask_for_new_password` left: to how many a link was sent. ``address`` and ``language``: from where it was asked for, and in
    which language."""
    try:
        typed = ports.vault.open(sealed.encode("ascii")).reveal()
    except ValueError:  # the secret key changed meanwhile
        return 0
    with audit.from_where(address):
        return _send_links(ports, typed, place, language)


def _send_links(ports: Ports, typed: str, place: str, language: str) -> int:
    users = get_user_model()._default_manager.filter(Q(username=typed) | Q(email__iexact=typed), is_active=True)
    return sum(_send(ports, user, place, language) for user in users[:5] if user.has_usable_password())


@transaction.atomic
def _send(ports: Ports, user: User, place: str, language: str) -> bool:
    rows = Member.objects.select_for_update(
        of=("self",)
    )  # two who ask at the same moment are counted one after the other
    member = rows.select_related("company__alias_domain", "contact", "user").filter(user_id=user.pk).first()
    address = user.email
    if member is None or not address or _asked_often(ports, user):
        return False
    path = place.format(uid=urlsafe_base64_encode(force_bytes(user.pk)), token=default_token_generator.make_token(user))
    link = f"{base_url(ports)}{path}"
    domain = member.company.alias_domain.name if member.company.alias_domain else ports.configuration.hostname
    tell = teller(language_of_letter(member.contact.language, language))
    subject, html = password_link(tell, name=member.contact.name, login=user.get_username(), link=link)
    enqueue_mail(
        ports,
        MailDraft(
            company_id=member.company_id,
            header_from=Address("Postroom", "notifications", domain),
            recipients=[DraftRecipient(name=member.contact.name, address=address)],
            subject=subject,
            html=html,
            header_message_id=make_message_id(unique=f"{ports.ids.hex(12)}.password", domain=domain),
            alias_domain_id=member.company.alias_domain_id,
            null_return_path=True,
            is_of_the_house=opens_more_than(member, member.company_id),
            extra_headers=[("Auto-Submitted", "auto-generated"), ("X-Auto-Response-Suppress", "All")],
        ),
    )
    audit.note(ports, "password_reset_asked", member=member)
    return True


def _asked_often(ports: Ports, user: User) -> bool:
    """Whether a stranger is filling somebody's mailbox by it."""
    since = ports.clock.now() - timedelta(hours=1)
    recent = AuditEvent.objects.filter(at__gt=since, user_id=user.pk, what="password_reset_asked")
    places = [_network(place or "") for place in recent.values_list("address", flat=True)[:MOST_OF_ALL]]
    return len(places) >= MOST_OF_ALL or places.count(_network(audit.whence())) >= MOST_AN_HOUR


def _network(address: str) -> str:
    """Of IPv6 a customer has a whole /64."""
    try:
        bits = 64 if ip_address(address).version == 6 else 32
    except ValueError:
        return ""
    return str(ip_network((address, bits), strict=False))
