"""Fills an empty database with a small company, so that the demo is a place where things happen.

Laws: only an empty database is filled; everything goes through the flows that real work goes through (mail comes in by
`accept_messages`, is routed by `route_waiting`, answers are posted by `post_message`); nothing leaves: capture mode is on.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

from django.contrib.auth import get_user_model
from django.db import transaction

from postroom.core.mime.composing import MailHeaders, render_body, render_headers, splice
from postroom.core.mime.markup import text_to_html
from postroom.core.terms.addresses import Address, normalize, parse_one
from postroom.core.terms.envelopes import Envelope
from postroom.core.terms.states import Door, MessageKind, Role
from postroom.flows.accept_message import Arrival, accept_messages
from postroom.flows.guard_installation import check_home
from postroom.flows.mail_templates import TemplateText, save_template
from postroom.flows.ports import Ports
from postroom.flows.post_message import NewFile, post_message
from postroom.flows.records import create_record, follow
from postroom.flows.route_message import route_waiting
from postroom.flows.scheduled_messages import Words, schedule_message
from postroom.flows.seed_trouble import seed_trouble
from postroom.store.models import (
    Alias,
    AliasDomain,
    AliasFollower,
    Company,
    Contact,
    Member,
    OutgoingServer,
    Parameter,
    Record,
)

DOMAIN = "postroom.test"
LOGIN, PASSWORD = "alice", "postroom"
_HUGO = "hugo@petit.example"


@dataclass(frozen=True, slots=True, kw_only=True)
class DemoSignIn:
    """Who may sign in to the demo."""

    login: str
    password: str


@dataclass(frozen=True, slots=True)
class _Question:
    sender: str
    alias: str
    subject: str
    text: str
    answer: str = ""
    note: str = ""
    stage: str = ""


_QUESTIONS = (
    _Question(
        "Customer Carla <carla@customer.example>", "support", "Where is my parcel?",
        "Hello,\n\nI ordered two lamps last week (order 1042) and the tracking page has not moved for three days.\n"
        "Could you have a look?\n\nKind regards\nCarla",
        "Hello Carla,\n\nI have asked the carrier: the parcel was mis-sorted and leaves the depot tonight. You should have it tomorrow.",
        "Carrier says it sat in the wrong depot. If it is not out tonight we send a replacement.", "In progress",
    ),
    _Question(
        "Daniel Okafor <daniel@okafor.example>", "support", "Lamp flickers after ten minutes",
        "Good morning,\n\nthe desk lamp starts to flicker when it gets warm. Is that a known problem?\n\nDaniel",
        "Good morning Daniel,\n\nthat sounds like the driver. We send you a new one, no need to return the old lamp.", "", "Waiting",
    ),
    _Question(
        "Erika Muster <erika@muster.example>", "sales", "120 lamps for our new office",
        "Dear all,\n\nwe are furnishing an office in spring and need about 120 desk lamps in two colours.\n"
        "Can you make us an offer, and what would the delivery time be?\n\nErika Muster\nMuster GmbH",
        "Dear Erika,\n\nwith pleasure: I will send you an offer this afternoon. Which colours do you have in mind?",
        "120 pieces: ask purchasing for a volume price before we answer with numbers.", "Qualified",
    ),
    _Question(
        "Farah Haddad <farah@haddad.example>", "sales", "Do you ship to Norway?",
        "Hi,\n\ndo you ship to Norway, and who pays the customs duty?\n\nThanks, Farah",
    ),
    _Question(
        "Grace Lindqvist <grace@lindqvist.example>", "jobs", "Application: customer care",
        "Dear Sir or Madam,\n\nI would like to apply for the position in customer care. My CV is on its way.\n\nGrace Lindqvist",
        "", "Good first impression. Invite for next week?", "First interview",
    ),
    _Question(
        "Customer Carla <carla@customer.example>", "support", "Invoice with the wrong address",
        "Hello again,\n\nmy invoice still shows our old street. Could you send a corrected one?\n\nCarla",
    ),
)  # fmt: skip


def seed_demo(ports: Ports) -> DemoSignIn:
    """Fill the database unless it holds a company already. Returns who may sign in."""
    check_home(ports, is_capturing=True)
    if not Company.objects.exists():
        _fill(ports)
    return DemoSignIn(login=LOGIN, password=PASSWORD)


def _fill(ports: Ports) -> None:
    with transaction.atomic():
        company, members = _found_company()
    _write_in(ports, [(question, _mail(ports, question)) for question in _QUESTIONS])
    alice, bob, _ = members
    for number, question in enumerate(_QUESTIONS):
        record = Record.objects.filter(title=question.subject).latest("id")
        who = (alice, bob)[number % 2]
        Record.objects.filter(pk=record.pk).update(responsible=who, stage=question.stage or record.stage)
        if question.note:
            post_message(
                ports, record_id=record.pk, author=bob, html=text_to_html(question.note), kind=MessageKind.NOTE
            )
        if question.answer:
            post_message(ports, record_id=record.pk, author=who, html=text_to_html(question.answer), to_customer=True)
    _add_paperwork(ports, company, alice)
    seed_trouble(ports, company, alice, full_mailbox=_HUGO)


def _found_company() -> tuple[Company, Sequence[Member]]:
    """The company, its people, the domain, the aliases and the Letterbox."""
    domain = AliasDomain.objects.create(name=DOMAIN, plus_addresses_arrive=True)
    company = Company.objects.create(name="Lumen Lamps", alias_domain=domain)
    Parameter.objects.update_or_create(key="mail.catchall.domain", defaults={"value": DOMAIN})
    OutgoingServer.objects.create(name="Letterbox", transport="letterbox", encryption="none", port=25)
    people = (("Alice Arnold", Role.ADMINISTRATOR), ("Bob Brandt", Role.MANAGER), ("Charlie Chen", Role.AGENT))
    members = [_member(company, name, role) for name, role in people]
    for name, kind in (("support", "ticket"), ("sales", "lead"), ("jobs", "applicant"), ("invoices", "invoice")):
        alias = Alias.objects.create(company=company, domain=domain, name=name, kind_id=kind)
        for member in members[:2]:
            AliasFollower.objects.create(alias=alias, contact=member.contact)
    return company, members


def _member(company: Company, name: str, role: Role) -> Member:
    login = name.split(maxsplit=1)[0].lower()
    address = f"{login}@lumen.example"
    user = get_user_model().objects.create_user(username=login, email=address, password=PASSWORD)
    user.is_staff = True
    user.save(update_fields=["is_staff"])
    contact = Contact.objects.create(company=company, name=name, address=address, normal=normalize(address))
    return Member.objects.create(
        user=user, contact=contact, company=company, role=role, signature=f"{name}<br>Lumen Lamps"
    )


def _mail(ports: Ports, question: _Question) -> bytes:
    sender = parse_one(question.sender)
    if sender is None:
        raise ValueError(question.sender)
    headers = MailHeaders(
        header_from=sender,
        to=(Address("", question.alias, DOMAIN),),
        subject=question.subject,
        message_id=f"<{ports.ids.hex(12)}@{sender.domain}>",
        date=ports.clock.now(),
    )
    body = render_body(text=question.text, html=text_to_html(question.text))
    return b"".join(splice(render_headers(headers), body))


def _write_in(ports: Ports, mails: Sequence[tuple[_Question, bytes]]) -> None:
    """Through accepting and routing, as any mail."""
    arrivals = []
    for question, raw in mails:
        sender = parse_one(question.sender)
        envelope = Envelope(mail_from=sender.spec if sender else "", rcpt_to=(f"{question.alias}@{DOMAIN}",))
        arrivals.append(Arrival(door=Door.SMTP, raw=raw, envelope=envelope, peer="the demo"))
    stray = _mail(ports, _Question("Old Newsletter <news@bulk.example>", "nobody", "Unbelievable offers", "Buy now!"))
    arrivals.append(Arrival(door=Door.IMAP, raw=stray, envelope=None, peer="the demo"))
    accept_messages(ports, arrivals)
    while route_waiting(ports):
        pass


_INVOICE = b"Invoice,2026/0117\r\nOrder,1042\r\nDesk lamp,2,49.00\r\nTotal,98.00\r\n"


def _add_paperwork(ports: Ports, company: Company, author: Member) -> None:
    """Records that people made: an invoice with a contact who follows, an order, a task."""
    contact = Contact.objects.create(company=company, name="Hugo Petit", address=_HUGO, normal=_HUGO)
    invoice = create_record(
        ports,
        company_id=company.pk,
        kind="invoice",
        title="Invoice 2026/0117",
        author=author,
        contact_id=contact.pk,
        stage="Posted",
    )
    follow(ports, record_id=invoice.pk, contact_id=contact.pk, by=author)
    post_message(
        ports,
        record_id=invoice.pk,
        author=author,
        html="<p>Dear Hugo,</p><p>please find the invoice for your order attached to this message.</p>",
        attachments=[NewFile(name="invoice-2026-0117.csv", content_type="text/csv", content=_INVOICE)],
    )
    order = create_record(
        ports, company_id=company.pk, kind="sales_order", title="Order 1042 · two lamps", author=author
    )
    _write_ahead(ports, company, order, author)
    create_record(ports, company_id=company.pk, kind="task", title="Photograph the new collection", author=author)


def _write_ahead(ports: Ports, company: Company, order: Record, author: Member) -> None:
    """A template in two languages, and a message that waits for next week."""
    save_template(
        ports,
        {
            "name": "Thank you for your order",
            "company_id": company.pk,
            "kind_id": "sales_order",
            "language": "en",
            "subject": "Your order: {{ record.title }}",
            "html": "<p>Dear {{ contact.first_name|default('customer') }},</p><p>thank you for <b>{{ record.title }}</b>. "
            "We pack it today, {{ today|date }}.</p>",
        },
        [
            TemplateText(
                language="de",
                subject="Ihre Bestellung: {{ record.title }}",
                html="<p>Guten Tag {{ contact.name }},</p><p>vielen Dank für <b>{{ record.title }}</b>. "
                "Wir packen heute, am {{ today|date }}.</p>",
            )
        ],
        member=author,
    )
    words = Words(html="<p>Hello,</p><p>your lamps have been with you for a week: do you like their light?</p>")
    at = ports.clock.now() + timedelta(days=7)
    schedule_message(ports, record_id=order.pk, author=author, words=words, at=at)
