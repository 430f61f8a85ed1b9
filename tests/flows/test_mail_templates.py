"""Templates: filled in the reader's language, blind for what is not theirs, and kept by administrators."""

from __future__ import annotations

from email import message_from_bytes

import pytest
from django.core.exceptions import ValidationError

from postroom.core.terms.states import Role
from postroom.core.terms.templates import TemplateError
from postroom.flows.access import NotAllowed
from postroom.flows.mail_templates import (
    TemplateText,
    add_files,
    files_of_template,
    fill_template,
    manageable_templates,
    preview_template,
    remove_file,
    remove_template,
    save_template,
)
from postroom.flows.ports import Ports
from postroom.flows.post_message import NewFile, post_message
from postroom.store.models import (
    Company,
    Contact,
    Follower,
    MailTemplate,
    MailTemplateVariant,
    Member,
    OutgoingMail,
    Record,
    SettingChange,
)
from tests.flows.outgoing_mails import HandClock, a_server, ports_with
from tests.people import House, add_contact, add_member, build_house

pytestmark = pytest.mark.django_db

PIXEL = "data:image/gif;base64,R0lGODlhAQABAAAAACw="


@pytest.fixture
def ports() -> Ports:
    return ports_with(clock=HandClock(), base_url="https://desk.example")


@pytest.fixture
def house() -> House:
    return build_house()


@pytest.fixture
def carla(house: House) -> Contact:
    return add_contact("Customer Carla", "carla@customer.example", house.company)


@pytest.fixture
def record(house: House, carla: Contact, ports: Ports) -> Record:
    house.ticket.value_names = ["price", "colour"]
    house.ticket.save()
    now = ports.clock.now()
    made = Record.objects.create(
        company=house.company,
        kind=house.ticket,
        title="Two <lamps>",
        contact=carla,
        responsible=house.bob,
        values={"price": 1234.5},
        created_at=now,
        updated_at=now,
    )
    Follower.objects.create(record=made, contact=carla)
    return made


def a_template(house: House, html: str = "<p>Hello</p>", subject: str = "Hello", **more: object) -> MailTemplate:
    return MailTemplate.objects.create(company=house.company, name="Offer", html=html, subject=subject, **more)


def filled(ports: Ports, template: MailTemplate, record: Record, member: Member, **more: str) -> tuple[str, str]:
    found = fill_template(ports, template_id=template.pk, record_id=record.pk, member=member, **more)
    return found.subject, found.html


def of_another_company() -> Member:
    company = Company.objects.create(name="Other Works")
    return add_member(company, "Mallory", "mallory@else.test", role=Role.ADMINISTRATOR)


def test_a_template_speaks_of_the_record_its_contact_the_author_and_the_company(
    ports: Ports, house: House, record: Record
) -> None:
    template = a_template(
        house,
        "{{ contact.name }}/{{ contact.first_name }}/{{ contact.address }}/{{ record.title }}/{{ record.kind }}/"
        "{{ record.responsible }}/{{ record.url }}/{{ record.values.price|money('EUR') }}/{{ record.values.colour }}/"
        "{{ author.name }}/{{ company.name }}/{{ today|date }}/{% for one in values %}{{ one.name }} {% endfor %}",
        "For {{ contact.name }}\n about {{ record.title }}",
    )
    assert filled(ports, template, record, house.alice) == (
        "For Customer Carla about Two <lamps>",
        "Customer Carla/Customer/carla@customer.example/Two &lt;lamps&gt;/Ticket/Bob/"
        f"https://desk.example/records/{record.pk}//1,234.50&nbsp;EUR//Alice/Mail Works/1 March 2026/price colour ",
    )


@pytest.mark.parametrize(
    ("language", "greeting"),
    [
        ("de", "Guten Tag 1. März 2026"),
        ("de-at", "Guten Tag 1. März 2026"),
        ("fr", "Hello 1 March 2026"),
        ("en", "Hello 1 March 2026"),
    ],
)
def test_the_language_is_that_of_the_contact_where_there_is_a_text_in_it(
    ports: Ports, house: House, record: Record, carla: Contact, language: str, greeting: str
) -> None:
    template = a_template(house, "Hello {{ today|date }}")
    MailTemplateVariant.objects.create(template=template, language="de", html="Guten Tag {{ today|date }}")
    Contact.objects.filter(pk=carla.pk).update(language=language)
    assert filled(ports, template, record, house.alice)[1] == greeting


def test_a_time_is_told_in_the_authors_zone(ports: Ports, house: House, record: Record) -> None:
    Member.objects.filter(pk=house.alice.pk).update(time_zone="Asia/Tokyo")
    alice = Member.objects.get(pk=house.alice.pk)
    assert filled(ports, a_template(house, "{{ now|time }}"), record, alice)[1] == "21:00"
    Member.objects.filter(pk=house.alice.pk).update(time_zone="Nowhere/None")
    assert filled(ports, a_template(house, "{{ now|time }}"), record, Member.objects.get(pk=alice.pk))[1] == "12:00"


def test_what_a_template_becomes_is_made_harmless(ports: Ports, house: House, record: Record) -> None:
    template = a_template(
        house,
        "<style>p.x{color:red}</style><p class=x onclick=alert(1)>{{ record.title }}</p><script>alert(1)</script>"
        f'<a href="/records/">all</a><a href="javascript:alert(1)">x</a><img src="{PIXEL}" alt="dot">',
    )
    _, html = filled(ports, template, record, house.alice)
    for bad in ("script", "onclick", "<style"):
        assert bad not in html
    assert "color:red" in html
    assert 'href="https://desk.example/records/"' in html
    assert PIXEL in html


def test_values_of_strangers_cannot_become_html(ports: Ports, house: House, record: Record) -> None:
    Record.objects.filter(pk=record.pk).update(
        title='<img src=x onerror="alert(1)">', values={"colour": "<b>{{ author }}</b>"}
    )
    _, html = filled(ports, a_template(house, "{{ record.title }} {{ record.values.colour }}"), record, house.alice)
    assert html.startswith("&lt;img src=x")
    assert "&lt;b&gt;{{ author }}&lt;/b&gt;" in html, "what a record says is never a template"


@pytest.mark.parametrize(
    "secret",
    [
        "settings",
        "ports",
        "member",
        "request",
        "record.company",
        "record.contact",
        "author.user",
        "author.password",
        "contact.company",
        "company.id",
    ],
)
def test_nothing_but_the_named_values_is_there(ports: Ports, house: House, record: Record, secret: str) -> None:
    with pytest.raises(TemplateError, match="there is no"):
        filled(ports, a_template(house, f"x\n{{{{ {secret} }}}}"), record, house.alice)


def test_the_trouble_names_field_and_line(ports: Ports, house: House, record: Record) -> None:
    template = a_template(house, subject="{{ nobody }}")
    with pytest.raises(TemplateError) as caught:
        filled(ports, template, record, house.alice)
    assert (caught.value.field, caught.value.line) == ("subject", 1)


def test_a_template_sees_no_record_that_its_author_does_not_see(ports: Ports, house: House, record: Record) -> None:
    mallory = of_another_company()
    shared = MailTemplate.objects.create(company=None, name="Shared", html="{{ record.title }}")
    with pytest.raises(Record.DoesNotExist):
        filled(ports, shared, record, mallory)
    with pytest.raises(Record.DoesNotExist):
        preview_template(
            ports,
            template=MailTemplate(company=mallory.company),
            texts=[TemplateText(language="en", subject="", html="{{ record.title }}")],
            record_id=record.pk,
            member=mallory,
        )


def test_a_template_of_another_company_another_kind_or_the_archive_cannot_be_used(
    ports: Ports, house: House, record: Record
) -> None:
    foreign = MailTemplate.objects.create(company=of_another_company().company, name="Theirs")
    for template in (foreign, a_template(house, kind=house.lead), a_template(house, is_active=False)):
        with pytest.raises(MailTemplate.DoesNotExist):
            filled(ports, template, record, house.alice)
        with pytest.raises(MailTemplate.DoesNotExist):
            post_message(ports, record_id=record.pk, author=house.alice, html="x", template_id=template.pk)
        with pytest.raises(MailTemplate.DoesNotExist):
            files_of_template(ports, template_id=template.pk, record_id=record.pk, member=house.alice)


def test_a_message_with_a_template_has_its_sender_reply_address_and_server(
    ports: Ports, house: House, record: Record
) -> None:
    server = a_server()
    template = a_template(house, from_address='"Sales" <sales@in.test>', reply_to="offers@in.test", server=server)
    post_message(ports, record_id=record.pk, author=house.alice, html="<p>x</p>", template_id=template.pk)
    mail = OutgoingMail.objects.get()
    assert (mail.from_name, mail.from_address, mail.reply_to_address) == ("Sales", "sales@in.test", "offers@in.test")
    assert mail.forced_server_id == server.pk


def test_pictures_of_a_template_travel_as_parts(ports: Ports, house: House, record: Record) -> None:
    _, html = filled(ports, a_template(house, f'<p>Look <img src="{PIXEL}"></p>'), record, house.alice)
    message = post_message(ports, record_id=record.pk, author=house.alice, html=html)
    assert message.attachments.get().is_inline
    content = OutgoingMail.objects.get().content
    mail = message_from_bytes(bytes(content.content_headers) + b"\r\n" + bytes(content.body))
    kinds = [part.get_content_type() for part in mail.walk()]
    assert kinds == ["multipart/alternative", "text/plain", "multipart/related", "text/html", "image/gif"]


# ---- keeping them

VALUES = {"name": "Offer", "language": "en", "subject": "About {{ record.title }}", "html": "<p>{{ contact.name }}</p>"}


def saved(ports: Ports, house: House, member: Member, *variants: TemplateText, **more: object) -> MailTemplate:
    return save_template(ports, {**VALUES, "company_id": house.company.pk, **more}, variants, member=member)


def test_only_administrators_of_the_company_keep_templates(ports: Ports, house: House) -> None:
    template = saved(ports, house, house.alice)
    for member in (house.bob, of_another_company()):
        with pytest.raises(NotAllowed):
            saved(ports, house, member, id=template.pk)
    mallory = Member.objects.get(user__username="mallory")
    for act in (
        lambda: remove_template(ports, template.pk, member=mallory),
        lambda: add_files(ports, template.pk, [], member=mallory),
    ):
        with pytest.raises(MailTemplate.DoesNotExist):
            act()
    with pytest.raises(NotAllowed):
        manageable_templates(house.bob)


def test_a_template_of_all_companies_is_for_administrators_of_the_house(ports: Ports, house: House) -> None:
    assert saved(ports, house, house.alice, company_id=None).company_id is None, "Alice's is the only company"
    of_another_company()
    alice = Member.objects.get(pk=house.alice.pk)
    with pytest.raises(NotAllowed):
        saved(ports, house, alice, company_id=None)
    assert not manageable_templates(alice).filter(company=None).exists()


@pytest.mark.parametrize(
    ("broken", "field"),
    [
        ({"html": "{{ open('x') }}"}, "html"),
        ({"subject": "{% if %}"}, "subject"),
        ({"reply_to": "nobody"}, "reply_to"),
        ({"from_address": "<>"}, "from_address"),
    ],
)
def test_what_is_no_template_is_not_kept(ports: Ports, house: House, broken: dict[str, str], field: str) -> None:
    with pytest.raises(ValidationError) as caught:
        saved(ports, house, house.alice, **broken)
    assert field in caught.value.message_dict
    assert not MailTemplate.objects.exists()


def test_a_language_has_one_text(ports: Ports, house: House) -> None:
    german = TemplateText(language="de", subject="x", html="y")
    with pytest.raises(ValidationError):
        saved(ports, house, house.alice, german, german)
    with pytest.raises(ValidationError):
        saved(ports, house, house.alice, TemplateText(language="en", subject="x", html="y"))
    template = saved(ports, house, house.alice, german)
    saved(ports, house, house.alice, id=template.pk)
    assert not template.variants.exists()


def test_a_template_sends_through_no_server_of_others(ports: Ports, house: House) -> None:
    theirs = a_server(company=of_another_company().company)
    with pytest.raises(ValidationError):
        saved(ports, house, house.alice, server_id=theirs.pk)
    archived = a_server(is_active=False)
    with pytest.raises(ValidationError):
        saved(ports, house, house.alice, server_id=archived.pk)


def test_changes_are_recorded(ports: Ports, house: House) -> None:
    template = saved(ports, house, house.alice)
    saved(ports, house, house.alice, id=template.pk, subject="Another")
    remove_template(ports, template.pk, member=house.alice)
    first, second, third = SettingChange.objects.order_by("id")
    assert (first.before, second.before["subject"], second.after["subject"]) == (None, VALUES["subject"], "Another")
    assert (third.subject, third.after) == ("mail template Offer", None)
    assert not MailTemplate.objects.exists()


def test_files_go_with_every_message(ports: Ports, house: House, record: Record) -> None:
    template = saved(ports, house, house.alice)
    add_files(
        ports, template.pk, [NewFile(name="a.pdf", content_type="application/pdf", content=b"A")], member=house.alice
    )
    (file,) = files_of_template(ports, template_id=template.pk, record_id=record.pk, member=house.bob)
    assert (file.name, file.content) == ("a.pdf", b"A")
    with pytest.raises(ValidationError):
        add_files(ports, template.pk, [file] * 20, member=house.alice)
    remove_file(ports, template.pk, template.files.get().pk, member=house.alice)
    assert not template.files.exists()
