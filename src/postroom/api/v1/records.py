"""Records, their followers and their messages."""

from __future__ import annotations

from base64 import b64decode
from binascii import Error as NotBase64
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, TypedDict

from django.http import Http404
from ninja import Query, Router, Status
from ninja.errors import HttpError

from postroom.api.v1.authentication import ApiRequest
from postroom.api.v1.schemas import (
    AttachmentOut,
    Cut,
    EnvelopeOut,
    FileIn,
    FollowerOut,
    FollowIn,
    MergeIn,
    MessageIn,
    MessageOut,
    PageOut,
    RecordChange,
    RecordIn,
    RecordOut,
    RecordQuery,
    RecordRowOut,
    Trouble,
    fields_of,
    page_out,
    reasons_out,
)
from postroom.core.mime.markup import text_to_html
from postroom.core.terms.addresses import parse_one
from postroom.core.terms.automation import Via
from postroom.core.terms.record_values import ValueTrouble
from postroom.core.terms.states import MessageKind
from postroom.core.terms.templates import TemplateError
from postroom.flows import access
from postroom.flows.mail_templates import files_of_template, fill_template
from postroom.flows.merge_records import CannotMerge, merge_records
from postroom.flows.new_files import FileLost, NewFile
from postroom.flows.post_message import post_message
from postroom.flows.records import change_record, create_record, follow, unfollow
from postroom.store.models import Contact, MailTemplate, Member, RecordKind
from postroom.store.queries.pages_chatter import BodyFact, MessageFact, bodies, thread
from postroom.store.queries.pages_chatter import message as one_message
from postroom.store.queries.pages_records import (
    RecordFact,
    RecordWish,
    followers,
    people,
    record_list,
)
from postroom.store.queries.record_heads import record_head
from postroom.wiring import ports

router = Router(tags=["records"])

TROUBLE = {400: Trouble, 401: Trouble, 403: Trouble, 404: Trouble, 422: Trouble}
MAX_ATTACHMENTS = 25_000_000  # bytes of one message's files


@router.get("/records", response={200: PageOut[RecordRowOut], **TROUBLE}, summary="List records")
def list_records(request: ApiRequest, asked: Query[RecordQuery]) -> Any:
    """Those last written on come first."""
    wish = RecordWish(
        kind=asked.kind,
        search=asked.search,
        stage=asked.stage,
        responsible=asked.responsible_id,
        contact=asked.contact_id,
        cursor=asked.after,
        size=asked.limit,
    )
    page = record_list(access.visible_records(request.auth), wish, access.company_ids(request.auth))
    return page_out(page, [fields_of(row, RecordRowOut) for row in page.rows])


@router.post("/records", response={201: RecordOut, **TROUBLE}, summary="Create a record")
def create(request: ApiRequest, body: RecordIn) -> Any:
    """The contact is one that is known (``contact_id``), or a name and an address."""
    member = request.auth
    company_id = member.company_id if body.company_id is None else body.company_id
    if company_id not in access.company_ids(member):
        raise HttpError(422, "There is no such company, or it is not yours.")
    if body.contact_address and parse_one(body.contact_address) is None:
        raise HttpError(422, "contact_address is no e-mail address.")
    with _named_ones():
        made = create_record(ports(), author=member, via=Via.PROGRAM, **body.model_dump() | {"company_id": company_id})
    return Status(201, _record(_head(request, made.pk)))


@router.get("/records/{record_id}", response={200: RecordOut, **TROUBLE}, summary="One record")
def get(request: ApiRequest, record_id: int) -> Any:
    return _record(_head(request, record_id))


@router.patch("/records/{record_id}", response={200: RecordOut, **TROUBLE}, summary="Change a record")
def change(request: ApiRequest, record_id: int, body: RecordChange) -> Any:
    try:
        with _named_ones():
            change_record(ports(), record_id=record_id, by=request.auth, **body.model_dump(exclude_unset=True))
    except ValueTrouble as trouble:
        raise HttpError(422, str(trouble)) from None
    return _record(_head(request, record_id))


@router.get("/records/{record_id}/followers", response={200: list[FollowerOut], **TROUBLE}, summary="Who follows")
def list_followers(request: ApiRequest, record_id: int) -> Any:
    return [fields_of(one, FollowerOut) for one in _head(request, record_id).followers]


@router.post("/records/{record_id}/followers", response={200: list[FollowerOut], **TROUBLE}, summary="Add a follower")
def add_follower(request: ApiRequest, record_id: int, body: FollowIn) -> Any:
    with _named_ones():
        follow(ports(), record_id=record_id, contact_id=body.contact_id, by=request.auth)
    return [fields_of(one, FollowerOut) for one in followers(record_id)]


@router.delete(
    "/records/{record_id}/followers/{contact_id}",
    response={200: list[FollowerOut], **TROUBLE},
    summary="Remove a follower",
)
def remove_follower(request: ApiRequest, record_id: int, contact_id: int) -> Any:
    unfollow(ports(), record_id=record_id, contact_id=contact_id, by=request.auth)
    return [fields_of(one, FollowerOut) for one in followers(record_id)]


@router.get("/records/{record_id}/messages", response={200: PageOut[MessageOut], **TROUBLE}, summary="A conversation")
def list_messages(request: ApiRequest, record_id: int, asked: Query[Cut]) -> Any:
    """Newest first."""
    _head(request, record_id)
    page = thread(record_id, before=asked.after, size=asked.limit)
    said = bodies([one.id for one in page.rows])
    return page_out(page, [_message(one, said.get(one.id)) for one in page.rows])


@router.post("/records/{record_id}/merge", response={200: RecordOut, **TROUBLE}, summary="Merge a record into another")
def merge(request: ApiRequest, record_id: int, body: MergeIn) -> Any:
    """Its messages and followers move to the record ``into_id``, which is answered; replies to either find that one."""
    try:
        kept = merge_records(ports(), record_id=record_id, into_id=body.into_id, by=request.auth)
    except CannotMerge as words:
        raise HttpError(422, str(words)) from None
    return _record(_head(request, kept.pk))


@router.post(
    "/records/{record_id}/messages", response={201: MessageOut, **TROUBLE}, summary="Write a message or a note"
)
def post(request: ApiRequest, record_id: int, body: MessageIn) -> Any:
    """A comment goes to the followers; a note stays among colleagues."""
    words = words_of(request, record_id, body)
    made = post_message(
        ports(),
        record_id=record_id,
        author=request.auth,
        html=words.html,
        subject=words.subject,
        attachments=words.files,
        template_id=body.template_id,
        **readers_of(body),
    )
    found = one_message(access.visible_records(request.auth), made.pk)
    if found is None:
        raise Http404
    return Status(201, _message(found, bodies([made.pk]).get(made.pk)))


class Readers(TypedDict):
    """Whom a program names: arguments of `post_message` and of `Words`, read in one way for both."""

    kind: MessageKind
    extra_contact_ids: list[int]
    mentioned_contact_ids: list[int]
    addresses: list[str]
    to_customer: bool


def readers_of(body: MessageIn) -> Readers:
    return {
        "kind": MessageKind(body.kind),
        "extra_contact_ids": body.extra_contact_ids,
        "mentioned_contact_ids": body.mentioned_contact_ids,
        "addresses": body.addresses,
        "to_customer": body.to_customer,
    }


@dataclass(frozen=True, slots=True, kw_only=True)
class SentWords:
    """What a program sent, with what a template says instead where it sent none."""

    html: str
    subject: str
    files: list[NewFile]


def words_of(request: ApiRequest, record_id: int, body: MessageIn) -> SentWords:
    """Raises 404 for a record or a template that is not there, 422 for what cannot be posted."""
    head = _head(request, record_id)
    access.require(request.auth, "post")
    html = body.html or (text_to_html(body.text) if body.text else "")
    subject, files = body.subject, [_file(one) for one in body.attachments]
    _known_contacts([*body.extra_contact_ids, *body.mentioned_contact_ids], head.company_id)
    if wrong := [one for one in body.addresses if parse_one(one) is None]:
        raise HttpError(422, f"{wrong[0]!r} among addresses is no e-mail address.")
    if body.template_id is not None:
        named: Any = {"template_id": body.template_id, "record_id": record_id, "member": request.auth}
        try:
            filled = None if html else fill_template(ports(), **named)
            files += files_of_template(ports(), **named)
        except MailTemplate.DoesNotExist:
            raise HttpError(422, "There is no such template for this record.") from None
        except TemplateError as error:
            raise HttpError(422, f"The template cannot be used on this record. {error}") from None
        except FileLost as error:
            raise HttpError(422, str(error)) from None
        if filled is not None:
            html, subject = filled.html, subject or filled.subject
    if not html and not files:
        raise HttpError(422, "Say something: html, text, template_id or attachments.")
    if sum(len(one.content) for one in files) > MAX_ATTACHMENTS:
        raise HttpError(422, "The attachments are larger than 25 MB together.")
    return SentWords(html=html, subject=subject, files=files)


def _head(request: ApiRequest, record_id: int) -> RecordFact:
    head = record_head(access.visible_records(request.auth), record_id)
    if head is None:
        raise Http404
    return head


def _known_contacts(contact_ids: list[int], company_id: int) -> None:
    wanted = set(contact_ids)
    if {one.id for one in people(sorted(wanted), [company_id])} != wanted:
        raise HttpError(422, "There is no such contact in this company.")


@contextmanager
def _named_ones() -> Iterator[None]:
    """Whom or what a program names and the flow does not find is the program's mistake: 422. The record itself that is not there is 404."""
    try:
        yield
    except Contact.DoesNotExist:
        raise HttpError(422, "There is no such contact in this company.") from None
    except Member.DoesNotExist:
        raise HttpError(422, "responsible_id is no member of this company.") from None
    except RecordKind.DoesNotExist:
        raise HttpError(422, "There is no such kind of record.") from None


def _file(file: FileIn) -> NewFile:
    try:
        content = b64decode(file.content, validate=True)
    except (NotBase64, ValueError):
        raise HttpError(422, f"The content of {file.name} is not base64.") from None
    return NewFile(name=file.name, content_type=file.content_type, content=content)


def _record(head: RecordFact) -> dict[str, Any]:
    return fields_of(
        head, RecordOut, kind=head.kind.key, followers=[fields_of(one, FollowerOut) for one in head.followers]
    )


def _message(fact: MessageFact, said: BodyFact | None) -> dict[str, Any]:
    return fields_of(
        fact,
        MessageOut,
        html=said.html if said else "",
        quoted_html=said.quoted_html if said else "",
        text=said.text if said else "",
        attachments=[fields_of(one, AttachmentOut) for one in fact.attachments],
        envelope=fields_of(fact.envelope, EnvelopeOut),
        reasons=reasons_out(fact.reasons),
    )
