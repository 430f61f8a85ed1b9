"""A note can be put right by who wrote it, and taken away: it never left for anybody outside.

Laws: only notes, only their author; that it was changed or taken away stays visible, and the search finds the new words
alone. What colleagues got by mail stays in their mailboxes.
"""

from __future__ import annotations

from django.core.exceptions import ValidationError
from django.db import transaction
from django.db.models import F

from postroom.core.mime.mail_html import Pictured
from postroom.core.mime.markup import html_to_text
from postroom.core.terms.states import MessageKind
from postroom.flows.access import NotAllowed, require, visible_messages
from postroom.flows.index_messages import index_again
from postroom.flows.new_files import attachment_row, inline_file
from postroom.flows.ports import Ports
from postroom.flows.prepare_html import prepare_html
from postroom.flows.tell_pages import tell_pages
from postroom.store.models import Attachment, Member, Message, MessageBody

LONGEST = 500_000


@transaction.atomic
def change_note(ports: Ports, *, message_id: int, html: str, by: Member) -> None:
    """``html`` may be anything: it is sanitised; pictures in it become inline attachments, those that it shows no more go. Raises
    `NotAllowed`, `ValidationError`, Message.DoesNotExist."""
    message = _own_note(message_id, by)
    ready = prepare_html(ports, html)
    if len(ready.html) > LONGEST:
        raise ValidationError({"html": "This is too long for a note: attach it as a file."})
    text = html_to_text(ready.html)
    if not text.strip() and "<img" not in ready.html:
        raise ValidationError({"html": "Nothing is written. To take the note away, delete it."})
    _keep_pictures(ports, message, ready)
    _write(ports, message, "edited_at", html=ready.html, text=text)


def _keep_pictures(ports: Ports, message: Message, ready: Pictured) -> None:
    inline = Attachment.objects.filter(message=message, is_inline=True)
    there = dict(inline.values_list("content_id", "pk"))
    gone = [pk for content_id, pk in there.items() if f"cid:{content_id}" not in ready.html]
    Attachment.objects.filter(pk__in=gone).delete()
    fresh = [inline_file(picture) for picture in ready.pictures if picture.content_id not in there]
    Attachment.objects.bulk_create(attachment_row(ports, message.pk, file) for file in fresh)
    change = len(fresh) - len(gone)
    Message.objects.filter(pk=message.pk).update(attachment_count=F("attachment_count") + change)


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
    if (message.body.particulars or {}).get("removed_at"):
        raise NotAllowed("This note was taken away.")
    return message


def _write(ports: Ports, message: Message, mark: str, **words: str) -> None:
    particulars = {**(message.body.particulars or {}), mark: ports.clock.now().isoformat()}
    MessageBody.objects.filter(pk=message.pk).update(particulars=particulars, **words)
    index_again(message.pk)
    tell_pages(f"record:{message.record_id}")
