"""A small believable company for the tests of the pages, written straight into the tables."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import lru_cache
from html import unescape
from typing import Any

from django.contrib.auth import get_user_model
from django.contrib.auth.hashers import make_password
from django.utils.html import strip_tags

from postroom.core.terms.reasons import because
from postroom.core.terms.states import Role
from postroom.store.models import (
    Alias,
    AliasDomain,
    Attempt,
    AutomationRule,
    Company,
    Contact,
    Delivery,
    DkimKey,
    Follower,
    InboundMessage,
    LetterboxMail,
    Mailbox,
    MailTemplate,
    MailTemplateFile,
    MailTemplateVariant,
    Member,
    Message,
    MessageBody,
    Notification,
    OutgoingContent,
    OutgoingMail,
    OutgoingServer,
    RawMail,
    Record,
    RecordKind,
    ReportedRecipient,
    ScheduledAction,
    ScheduledFile,
    ScheduledMessage,
    ScheduledRun,
    SettingChange,
)
from postroom.wiring import ports

PASSWORD = "only-for-tests-7"
NOW = datetime.now(UTC).replace(microsecond=0)  # noqa: TID251 (pages speak of times relative to now)


def ago(**parts: float) -> datetime:
    return NOW - timedelta(**parts)


def a_company(name: str = "Northwind Prints") -> Company:
    return Company.objects.create(name=name)


def a_contact(name: str, address: str, company: Company | None = None) -> Contact:
    return Contact.objects.create(name=name, address=address, normal=address.lower(), company=company)


@lru_cache
def _hashed() -> str:
    """Slow on purpose, so done once a run. Served processes know no quick hash."""
    return make_password(PASSWORD, hasher="pbkdf2_sha256")


def a_member(login: str, name: str, company: Company, role: Role = Role.AGENT, **more: Any) -> Member:
    user = get_user_model().objects.create(
        username=login,
        email=f"{login}@postroom.test",
        password=_hashed(),
        first_name=name.split(maxsplit=1)[0],
        last_name=name.rsplit(maxsplit=1)[-1],
    )
    member = Member.objects.create(
        user=user, contact=a_contact(name, f"{login}@postroom.test"), company=company, role=role, **more
    )
    member.companies.add(company)
    return member


def a_kind(key: str = "ticket", label: str = "Ticket", plural: str = "Tickets", **more: Any) -> RecordKind:
    return RecordKind.objects.update_or_create(key=key, defaults={"label": label, "label_plural": plural, **more})[0]


def a_record(
    company: Company, title: str, *, kind: str = "ticket", contact: Contact | None = None, **more: Any
) -> Record:
    at = more.pop("updated_at", NOW)
    return Record.objects.create(
        company=company,
        kind_id=kind,
        title=title,
        contact=contact,
        contact_name=contact.name if contact else "",
        contact_address=contact.normal if contact else "",
        created_at=more.pop("created_at", at),
        updated_at=at,
        **more,
    )


def a_message(record: Record, author: Contact, html: str, **more: Any) -> Message:
    quoted, changes, addressed = more.pop("quoted", ""), more.pop("changes", []), more.pop("addressed", {})
    particulars = more.pop("particulars", None)
    message = Message.objects.create(
        company=record.company,
        record=record,
        author=author,
        author_name=author.name,
        author_address=author.address,
        posted_at=more.pop("posted_at", NOW),
        **more,
    )
    MessageBody.objects.create(
        message=message,
        html=html,
        quoted_html=quoted,
        text=unescape(strip_tags(html)),
        changes=changes,
        addressed=addressed,
        particulars=particulars,
    )
    return message


def _a_forwarded_invitation() -> dict[str, object]:
    """Everything that can stand above a message, at once."""
    at = NOW + timedelta(days=2)
    moments = [
        {"local": f"{one:%Y-%m-%dT%H:%M:%S}", "zone": "UTC", "at": one.isoformat(), "is_day": False}
        for one in (at, at + timedelta(hours=1))
    ]
    meeting = {"method": "REQUEST", "summary": "Looking at paper samples together", "location": "Northwind, first floor, or by telephone", "organizer": ["Piet Conti", "piet@customer.example"], "start": moments[0], "end": moments[1], "attendees": 3}  # fmt: skip
    off = {**meeting, "summary": "The old appointment", "is_cancelled": True, "location": "", "attendees": 0}
    passed_on = {"author": ["Piet Conti", "piet", "customer.example"], "written_date": "Tuesday, 2 March, 15:04"}
    return {"invitations": [meeting, off], "forwarded": passed_on, "is_signed": True, "is_encrypted": True}


def a_notification(message: Message, contact: Contact, state: str = "sent", **more: Any) -> Notification:
    return Notification.objects.create(
        company=message.company, message=message, contact=contact, author=message.author, state=state, **more
    )


def a_server(name: str = "Own relay", **more: Any) -> OutgoingServer:
    return OutgoingServer.objects.create(name=name, **({"host": "smtp.northwind.example"} | more))


def a_delivery(
    company: Company, to: str, state: str = "queued", *, subject: str = "Your order", **more: Any
) -> Delivery:
    message = more.pop("message", None)
    mail = OutgoingMail.objects.create(
        company=company,
        message=message,
        from_name="Alice Archer",
        from_address="alice@postroom.test",
        reply_to_address="support+k7d2@postroom.test",
        subject=subject,
        header_message_id=f"<{to}.{Delivery.objects.count()}@postroom.test>",
        created_at=NOW,
    )
    return Delivery.objects.create(
        mail=mail,
        company=company,
        to_address=to,
        state=state,
        due_at=more.pop("due_at", NOW),
        deadline_at=NOW + timedelta(days=5),
        created_at=more.pop("created_at", NOW),
        **more,
    )


def an_attempt(delivery: Delivery, state: str, code: int, enhanced: str, text: str, **more: Any) -> Attempt:
    return Attempt.objects.create(
        delivery=delivery,
        state=state,
        code=code,
        enhanced=enhanced,
        text=text,
        tried_at=more.pop("tried_at", NOW),
        phase=more.pop("phase", "rcpt"),
        duration_ms=more.pop("duration_ms", 84),
        tls=more.pop("tls", "TLSv1.3"),
        **more,
    )


def an_inbound(company: Company | None, subject: str, raw: bytes, state: str = "routed", **more: Any) -> InboundMessage:
    mail = InboundMessage.objects.create(
        company=company,
        door=more.pop("door", "smtp"),
        subject=subject,
        size=len(raw),
        state=state,
        due_at=NOW,
        received_at=more.pop("received_at", NOW),
        **more,
    )
    RawMail.objects.create(inbound=mail, raw=raw)
    return mail


def a_mail(sender: str, to: str, subject: str, body: str, subtype: str = "plain") -> bytes:
    lines = [f"From: {sender}", f"To: {to}", f"Subject: {subject}", f"Message-ID: <{abs(hash(body))}@mail.example>"]
    lines += ["MIME-Version: 1.0", f"Content-Type: text/{subtype}; charset=utf-8", "", body]
    return "\r\n".join(lines).encode()


def written_ahead(company: Company, record: Record, author: Member) -> None:
    """A template in two languages with a file, a message that waits, and one that could not be posted."""
    template = MailTemplate.objects.create(
        company=company,
        name="Your order is ready",
        subject="Ready: {{ record.title }}",
        html="<p>Dear {{ contact.first_name }},</p><p>your order <b>{{ record.title }}</b> can be fetched from {{ today|date }} on.</p>"
        "<p>{{ author.name }}, {{ company.name }}</p>",
    )
    AutomationRule.objects.create(
        company=company,
        name="Say that we have it",
        trigger="created",
        via="mail",
        kind_id=record.kind_id,
        words="poster",
        actions=[
            {"do": "message", "template": template.pk},
            {"do": "responsible", "members": [author.pk]},
            {"do": "follow", "contacts": [author.contact_id]},
        ],
    )
    MailTemplateVariant.objects.create(
        template=template,
        language="de",
        subject="Fertig: {{ record.title }}",
        html="<p>Guten Tag {{ contact.name }},</p><p>Ihre Bestellung kann ab {{ today|date }} abgeholt werden.</p>",
    )
    MailTemplateFile.objects.create(
        template=template,
        name="opening-hours.pdf",
        content_type="application/pdf",
        size=17,
        sha256=ports().blobs.put(b"%PDF opening hours"),
    )
    waiting = ScheduledMessage.objects.create(
        company=company,
        record=record,
        author=author,
        author_name=author.contact.name,
        subject="How are the posters?",
        html="<p>Hello Carla,</p><p>a week has gone by: do you like your posters?</p>",
        scheduled_at=NOW + timedelta(days=6, hours=3),
        created_at=ago(hours=1),
    )
    ScheduledFile.objects.create(
        scheduled=waiting, name="survey.pdf", size=11, sha256=ports().blobs.put(b"%PDF survey")
    )
    ScheduledMessage.objects.create(
        company=company,
        record=record,
        author=author,
        author_name=author.contact.name,
        html="<p>The proof is on its way.</p>",
        trouble="Its author may not post here any more.",
        scheduled_at=ago(hours=2),
        created_at=ago(days=2),
    )


def a_house() -> Company:
    """Everything that the pages can show, in believable amounts. For looking at, and for budgets of queries."""
    company = a_company()
    a_kind(
        "ticket",
        "Ticket",
        "Tickets",
        icon="confirmation_number",
        stages=["New", "In progress", "Waiting", "Solved"],
        position=1,
    )
    a_kind(
        "lead", "Lead", "Leads", icon="handshake", stages=["New", "Qualified", "Proposal", "Won", "Lost"], position=2
    )
    a_kind("task", "Task", "Tasks", icon="task_alt", stages=["To do", "Doing", "Done"], position=3)
    a_kind(
        "applicant",
        "Applicant",
        "Applicants",
        icon="badge",
        stages=["Received", "Interview", "Offer", "Hired"],
        position=4,
    )
    a_kind(
        "sales_order",
        "Sales order",
        "Sales orders",
        icon="receipt_long",
        stages=["Quotation", "Confirmed", "Shipped"],
        position=5,
    )
    a_kind("invoice", "Invoice", "Invoices", icon="payments", stages=["Open", "Paid"], position=6)
    admin = a_member("admin", "Ada Admin", company, Role.ADMINISTRATOR)
    alice = a_member("alice", "Alice Archer", company, Role.MANAGER)
    bob = a_member("bob", "Bob Brandt", company, channel="inbox")
    carla = a_contact("Carla Conti", "carla@customer.example", company)
    people = [
        carla,
        a_contact("Dmitri Orlov", "d.orlov@oakhurst.example", company),
        a_contact("Yuki Tanaka", "yuki@tanaka-paper.example", company),
        a_contact("Nadia Haddad", "nadia.haddad@atlas.example", company),
        a_contact("Tom Fischer", "tom@fischer-verlag.example", company),
        a_contact("Grace Okafor", "grace@lagosprints.example", company),
    ]
    relay = a_server("Own relay", from_filter="postroom.test")
    paused = a_server("Campaign relay", purpose="campaigns", priority=15, paused_at=ago(hours=2))
    a_server("Letterbox", transport="letterbox", host="", port=0, priority=20)
    a_server(
        "Newsletter service",
        host="smtp.sendwell.example",
        port=465,
        encryption="tls",
        purpose="campaigns",
        priority=30,
        trouble="535 5.7.8 Authentication credentials invalid",
        trouble_count=4,
    )
    domain = AliasDomain.objects.create(name="postroom.test")
    AliasDomain.objects.create(name="old-name.test", retired_at=ago(days=20), priority=50)
    for number, state in enumerate(("active", "prepared", "retired")):
        DkimKey.objects.create(
            domain="postroom.test",
            selector=f"pr20261{number}a",
            algorithm="rsa",
            public_key=f"MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8A{'x7Q+' * 90}",
            private_key=ports().vault.seal("a private key"),
            state=state,
            created_at=ago(days=70),
            activated_at=ago(days=60) if state != "prepared" else None,
            retired_at=ago(days=2) if state == "retired" else None,
        )
    aliases = [
        Alias.objects.create(company=company, name=name, domain=domain, kind_id=kind, status=status)
        for name, kind, status in (
            ("support", "ticket", "valid"),
            ("sales", "lead", "valid"),
            ("jobs", "applicant", "not_tested"),
            ("billing", "invoice", "invalid"),
        )
    ]
    Mailbox.objects.create(
        company=company,
        name="Shop mailbox",
        host="imap.northwind.example",
        username="shop@northwind.example",
        is_confirmed=True,
        fetched_at=ago(minutes=2),
    )
    Mailbox.objects.create(
        company=company,
        name="Old office",
        host="pop.office.example",
        port=995,
        protocol="pop3",
        username="office",
        last_error="AUTHENTICATIONFAILED: Invalid credentials",
        error_count=7,
    )
    rows = [
        ("Poster arrived with a folded corner", "ticket", carla, "In progress", alice, 0.1),
        ("Can you print on recycled kraft paper?", "lead", people[1], "Qualified", bob, 1.5),
        ("Invoice 2031 shows the wrong address", "invoice", people[3], "Open", None, 3),
        ("Bookbinding: 400 copies by Christmas", "lead", people[4], "Proposal", alice, 7),
        ("Where is my parcel?", "ticket", people[5], "New", None, 20),
        ("Application as a print technician", "applicant", people[2], "Interview", admin, 26),
        ("Colour profile for matte stock", "ticket", people[2], "Waiting", bob, 49),
        ("Order 1187: 50 invitations", "sales_order", people[5], "Confirmed", alice, 60),
        (
            "Move the paper cutter before the inspection, and tell the insurance company about the new floor plan in time",
            "task",
            None,
            "To do",
            bob,
            90,
        ),
        ("Sample booklet, please", "lead", people[3], "New", None, 150),
        ("Password does not work in the shop", "ticket", people[1], "Solved", alice, 400),
    ]
    records = [
        a_record(
            company,
            title,
            kind=kind,
            contact=contact,
            stage=stage,
            responsible=who,
            updated_at=ago(hours=hours),
            created_at=ago(hours=hours + 30),
            alias=aliases[0] if kind == "ticket" else None,
        )
        for title, kind, contact, stage, who, hours in rows
    ]
    first = records[0]
    for contact in (alice.contact, bob.contact, carla):
        Follower.objects.create(record=first, contact=contact, notes=contact is not carla)
    verdict = [
        {
            "decision": "CreateRecord",
            "reasons": [
                because("The envelope names support@postroom.test, an alias that makes tickets").as_json(),
                because("Everyone may write to it").as_json(),
            ],
        }
    ]
    raw = a_mail(
        "Carla Conti <carla@customer.example>",
        "support@postroom.test",
        "Poster arrived with a folded corner",
        "Hello,\r\n\r\nmy poster arrived today, but one corner is folded.",
    )
    came = an_inbound(
        company,
        "Poster arrived with a folded corner",
        raw,
        header_from="Carla Conti <carla@customer.example>",
        mail_from="carla@customer.example",
        rcpt_to=["support@postroom.test"],
        peer="mail.customer.example [192.0.2.7]",
        verdict=verdict,
        routed_at=ago(hours=29),
        received_at=ago(hours=29),
        message_id="<a81@customer.example>",
    )
    a_message(
        first,
        carla,
        "<p>Hello,</p><p>my poster arrived today, thank you! Sadly <b>one corner is folded</b>. Can you send me a new one? The order was 1187.</p><p>Kind regards,<br>Carla</p>",
        posted_at=ago(hours=29),
        inbound=came,
        subject="Poster arrived with a folded corner",
        addressed={
            "to": [["Northwind Support", "support@postroom.test"]],
            "cc": [["Piet Conti", "piet@customer.example"]],
        },
    )
    a_message(
        first,
        alice.contact,
        "",
        kind="system",
        posted_at=ago(hours=28.5),
        changes=[["Stage", "New", "In progress"], ["Responsible", "", "Alice Archer"]],
    )
    a_message(
        first,
        alice.contact,
        "<p>She is a regular customer. Let us send the new one by express.</p>",
        kind="note",
        posted_at=ago(hours=28),
    )
    answer = a_message(
        first,
        alice.contact,
        "<p>Dear Carla,</p><p>I am sorry to hear that! A new poster leaves our house today, by express and free of charge. You need not send the damaged one back:</p><ul><li>it will arrive on Thursday,</li><li>the parcel is <i>DX 20 441 8</i>.</li></ul><p>Warm regards,<br>Alice</p>",
        posted_at=ago(hours=27),
    )
    a_notification(answer, carla)
    a_notification(answer, bob.contact, channel="inbox")
    a_message(
        first,
        carla,
        "<p>That is wonderful, thank you so much!</p>",
        quoted="<p>On Tuesday Alice Archer wrote:</p><blockquote><p>Dear Carla, I am sorry to hear that! A new poster leaves our house today.</p></blockquote>",
        posted_at=ago(hours=3),
        is_unverified=True,
        inbound=came,
        particulars=_a_forwarded_invitation(),
    )
    failed = a_message(
        first,
        alice.contact,
        "<p>Carla, one more question: shall the parcel go to your office or to your home address?</p>",
        posted_at=ago(minutes=6),
    )
    bounce = a_notification(
        failed,
        carla,
        "bounce",
        failure_type="mail_bounce",
        failure_reason="550 5.1.1 <carla@customer.example>: Recipient address rejected: User unknown in virtual mailbox table",
    )
    a_notification(failed, bob.contact, channel="inbox")
    for record in records[1:]:
        who = record.contact or bob.contact
        note = a_message(
            record,
            who,
            f"<p>About “{record.title}”: could you tell me more about prices and dates? We would need it soon.</p>",
            posted_at=record.updated_at,
        )
        a_notification(note, bob.contact, channel="inbox")
    delivery = a_delivery(
        company,
        "carla@customer.example",
        "bounced",
        subject="Re: Poster arrived with a folded corner",
        to_name="Carla Conti",
        server=relay,
        message=failed,
        notification=bounce,
        attempt_count=2,
        failure_reason=bounce.failure_reason,
        blame="address",
        finished_at=ago(minutes=4),
        reasons=[
            because("The FROM filter of Own relay names postroom.test, the domain of the author").as_json(),
            because("The envelope sender is a signed bounce address of postroom.test").as_json(),
        ],
    )
    an_attempt(
        delivery,
        "deferred",
        451,
        "4.7.1",
        "Greylisted, please try again in 300 seconds",
        tried_at=ago(minutes=6),
        server=relay,
        connection="smtp.northwind.example:587#2",
    )
    an_attempt(
        delivery,
        "sent",
        250,
        "2.0.0",
        "Ok: queued as 4F2A91C",
        tried_at=ago(minutes=5),
        phase="body",
        server=relay,
        connection="smtp.northwind.example:587#3",
    )
    report = an_inbound(
        company,
        "Undelivered Mail Returned to Sender",
        a_mail(
            "Mail Delivery System <mailer-daemon@customer.example>",
            "bounce+x@postroom.test",
            "Undelivered Mail Returned to Sender",
            "I am sorry.",
        ),
        header_from="Mail Delivery System <mailer-daemon@customer.example>",
        rcpt_to=["bounce+4kq9@postroom.test"],
        verdict=[
            {
                "decision": "RecordReport",
                "reasons": [
                    because(
                        "The return path carries the signed token of the delivery to carla@customer.example"
                    ).as_json()
                ],
            }
        ],
        received_at=ago(minutes=4),
    )
    ReportedRecipient.objects.create(
        inbound=report,
        delivery=delivery,
        address="carla@customer.example",
        action="failed",
        status="5.1.1",
        reply=bounce.failure_reason,
        blame="address",
        reason="user_unknown",
    )
    a_delivery(
        company,
        "d.orlov@oakhurst.example",
        "deferred",
        subject="Re: Can you print on recycled kraft paper?",
        to_name="Dmitri Orlov",
        lane=0,
        server=relay,
        attempt_count=1,
        waits_for=because("wait.transient", reply="451 4.7.1 Greylisted, please try again in 300 seconds").as_json(),
        held_since=ago(minutes=6),
        due_at=NOW + timedelta(minutes=14),
    )
    a_delivery(
        company,
        "nadia.haddad@atlas.example",
        subject="Re: Invoice 2031 shows the wrong address",
        to_name="Nadia Haddad",
        lane=0,
        server=paused,
        waits_for=because("wait.paused", server=paused.name).as_json(),
        held_since=ago(hours=2),
    )
    a_delivery(company, "yuki@tanaka-paper.example", subject="The autumn catalogue is here", lane=2)
    a_delivery(
        company,
        "grace@lagosprints.example",
        subject="Your parcel leaves on Monday",
        due_at=NOW + timedelta(days=2),
    )
    lost = a_delivery(
        company,
        "tom@fischer-verlag.example",
        "unknown",
        subject="Re: Bookbinding: 400 copies by Christmas",
        to_name="Tom Fischer",
        server=relay,
        attempt_count=1,
        failure_reason="The worker died between the end of the mail and the server's reply.",
        finished_at=ago(minutes=40),
    )
    OutgoingContent.objects.create(mail=lost.mail, content_headers=b"", body=b"x" * 18_400)
    an_attempt(
        lost,
        "unknown",
        0,
        "",
        "the worker died",
        phase="body",
        tried_at=ago(minutes=40),
        server=relay,
        connection="smtp.northwind.example:587#4",
    )
    a_delivery(
        company,
        "dana@oakhurst.example",
        "unknown",
        subject="Order 1171 is confirmed",
        failure_reason="The machine that sent it is gone, and what it knew of it: the mail may have left or not.",
        finished_at=ago(hours=20),
    )
    stuck = a_delivery(
        company,
        "grace@lagosprints.example",
        "failed",
        subject="Order 1187 has left",
        to_name="Grace Okafor",
        server=relay,
        attempt_count=1,
        failure_reason="554 5.7.1 Message rejected due to content restrictions",
        blame="policy",
        finished_at=ago(hours=2),
    )
    an_attempt(
        stuck, "failed", 554, "5.7.1", "Message rejected due to content restrictions", server=relay, phase="data"
    )
    for number in range(12):
        sent = a_delivery(
            company,
            people[number % 6].normal,
            "sent",
            subject=f"Order {1170 + number} is confirmed",
            to_name=people[number % 6].name,
            server=relay,
            attempt_count=1,
            finished_at=ago(hours=number + 1),
        )
        an_attempt(sent, "sent", 250, "2.0.0", f"Ok: queued as {number:X}B7F2", phase="body", server=relay)
    for subject, sender, state, why in (
        (
            "Partnership proposal for your print shop",
            "Growth Team <hello@outreach.example>",
            "held",
            "No alias, no reply and no known thread: nobody is named that we know",
        ),
        (
            "Fwd: the file you asked for",
            "Piet Conti <piet@customer.example>",
            "held",
            "The signed reply address does not belong to this sender, and the thread is unknown",
        ),
        (
            "WIN A PRIZE",
            "promo@spam.example",
            "refused",
            "The alias billing@postroom.test takes mail from known contacts only",
        ),
        (
            "Poster arrived with a folded corner",
            "Carla Conti <carla@customer.example>",
            "discarded",
            "The same mail was routed already: a second copy",
        ),
        ("Quarterly numbers", "Nadia Haddad <nadia.haddad@atlas.example>", "failed", ""),
    ):
        address = sender.rsplit("<", maxsplit=1)[-1].rstrip(">")
        an_inbound(
            company,
            subject,
            a_mail(sender, "info@postroom.test", subject, "Dear all,\r\n\r\nplease find our proposal below."),
            state,
            header_from=sender,
            mail_from=address,
            rcpt_to=["info@postroom.test"],
            verdict=[{"decision": "Hold", "reasons": [because(why).as_json()]}] if why else [],
            error="" if why else "KeyError: 'boundary'",
            received_at=ago(hours=5),
            door="imap",
        )
    page = "<div style='font-family:Georgia,serif'><h2 style='color:#0b5468'>Thank you for your order</h2><p>Dear Carla,</p><p>A new poster leaves our house today, by express and free of charge.</p><p><a href='https://postroom.test/'>Follow the parcel</a></p><p>Warm regards,<br>Alice</p></div>"
    for number, (to, subject) in enumerate(
        (
            ("carla@customer.example", "Re: Poster arrived with a folded corner"),
            ("d.orlov@oakhurst.example", "Re: Can you print on recycled kraft paper?"),
            ("carla@customer.example", "Order 1187 is confirmed"),
            ("nadia.haddad@atlas.example", "Re: Invoice 2031 shows the wrong address"),
        )
    ):
        LetterboxMail.objects.create(
            company=company,
            delivery=delivery if number == 0 else None,
            return_path="bounce+4kq9@postroom.test",
            to_address=to,
            from_display="Alice Archer <support+k7d2@postroom.test>",
            subject=subject,
            raw=a_mail("Alice Archer <support+k7d2@postroom.test>", to, subject, page, "html"),
            captured_at=ago(hours=number),
            is_read=number == 2,
        )
    queue = ScheduledAction.objects.create(
        key="queue_manager",
        name="Mail: Email Queue Manager",
        interval_seconds=3600,
        next_run_at=NOW + timedelta(minutes=31),
        last_run_at=ago(minutes=29),
        last_result="12 deliveries released.",
    )
    ScheduledAction.objects.create(
        key="fetchmail",
        name="Mail: Fetchmail Service",
        interval_seconds=300,
        next_run_at=NOW + timedelta(minutes=3),
        last_run_at=ago(minutes=2),
        last_result="Old office: AUTHENTICATIONFAILED",
        failure_count=3,
    )
    ScheduledAction.objects.create(
        key="auto_vacuum",
        name="Auto-Vacuum",
        interval_seconds=86400,
        next_run_at=NOW + timedelta(hours=9),
        is_active=False,
    )
    for number in range(6):
        ScheduledRun.objects.create(
            action=queue,
            started_at=ago(hours=number, minutes=29),
            finished_at=ago(hours=number, minutes=29),
            result="12 deliveries released." if number != 3 else "The database was not reachable.",
            is_failed=number == 3,
        )
    SettingChange.objects.create(
        changed_at=ago(hours=2),
        user=admin.user,
        subject="outgoing server Newsletter service",
        before={"port": 587, "password": "********"},
        after={"port": 465, "password": "******** (new)"},
    )
    SettingChange.objects.create(
        changed_at=ago(days=3),
        user=admin.user,
        subject="parameter mail.catchall.domain",
        before="",
        after="postroom.test",
    )
    written_ahead(company, Record.objects.get(title__startswith="Poster"), admin)
    from tests.web.bouncing import some_addresses

    some_addresses(company)
    return company
