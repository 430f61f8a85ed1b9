"""A note can be put right by who wrote it, and taken away: it never left for anybody outside.

Laws: only notes, only their author; that it was changed or taken away stays visible. What colleagues got by mail stays in their mailboxes.
"""

from __future__ import annotations

from django.core.exceptions import ValidationError
from django.db import connection, transaction

from postroom.core.mime.markup import html_to_text
from postroom.core.terms.states import MessageKind
from postroom.flows.access import NotAllowed, require, visible_messages
from postroom.flows.ports import Ports
from postroom.flows.prepare_html import prepare_html
from postroom.store.models import Attachment, Member, Message, MessageBody

LONGEST = 500_000


@transaction.atomic
def change_note(ports: Ports, *, message_id: int, html: str, by: Member) -> None:
    """``html`` may be anything: it is sanitised. Raises `NotAllowed`, `ValidationError`, Message.DoesNotExist."""
    message = _own_note(message_id, by)
    ready = prepare_html(ports, html[:LONGEST])
    text = html_to_text(ready.html)
    if not text.strip() and "<img" not in ready.html:
        raise ValidationError({"html": "Nothing is written. To take the note away, delete it."})
    _write(ports, message, "edited_at", html=ready.html, text=text)


@transaction.atomic
def remove_note(ports: Ports, *, message_id: int, by: Member) -> None:
    """Its words and files go; that there was one stays. Raises as `change_note`."""
    message = _own_note(message_id, by)
    Attachment.objects.filter(message=message).delete()
    Message.objects.filter(pk=message.pk).update(attachment_count=0, subject="")
    _write(ports, message, "removed_at", html="", text="", quoted_html="")


def _own_note(message_id: int, by: Member) -> Message:
    message = visible_messages(by).select_related("body").select_for_update(of=("self",)).get(pk=message_id)
    require(by, "post", message)
    if message.kind != MessageKind.NOTE or message.author_id is None or message.author_id != by.contact_id:
        raise NotAllowed("Only who wrote a note can change it, and only notes: messages have left.")
    if message.inbound_id is not None:
        raise NotAllowed("This came in by mail: it stays as it came.")
    return message


def _write(ports: Ports, message: Message, mark: str, **words: str) -> None:
    particulars = {**(message.body.particulars or {}), mark: ports.clock.now().isoformat()}
    MessageBody.objects.filter(pk=message.pk).update(particulars=particulars, **words)
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_notify('postroom_live', %s)", [f"record:{message.record_id}"])
