"""Files that come with a message which is being written."""

from __future__ import annotations

from dataclasses import dataclass

from postroom.core.mime.composing import OutgoingAttachment
from postroom.flows.ports import Ports
from postroom.store.models import Attachment, DraftFile, MailTemplateFile, ScheduledFile


@dataclass(frozen=True, slots=True, kw_only=True)
class NewFile:
    """A file to attach."""

    name: str
    content_type: str
    content: bytes
    content_id: str = ""
    is_inline: bool = False


class FileLost(Exception):  # noqa: N818 - an answer to a person
    """The disk has lost a file that was to go with a message; the text names it."""


def kept_file(ports: Ports, row: DraftFile | ScheduledFile | MailTemplateFile) -> NewFile:
    """A file that was kept until its message is sent. Raises `FileLost`: nothing is sent without what belongs to it."""
    try:
        content = ports.blobs.get(row.sha256)
    except KeyError:
        raise FileLost(f"The file {row.name} is lost: take it away, or attach it once more.") from None
    if isinstance(row, MailTemplateFile):
        return NewFile(name=row.name, content_type=row.content_type, content=content)
    return NewFile(
        name=row.name,
        content_type=row.content_type,
        content=content,
        content_id=row.content_id,
        is_inline=row.is_inline,
    )


def inline_file(picture: OutgoingAttachment) -> NewFile:
    """A picture that the HTML shows."""
    return NewFile(
        name=picture.name,
        content_type=picture.content_type,
        content=picture.content,
        content_id=picture.content_id,
        is_inline=True,
    )


def attachment_row(ports: Ports, message: int, file: NewFile) -> Attachment:
    """The row to be written; the bytes are kept already."""
    return Attachment(
        message_id=message,
        name=file.name[:255],
        content_type=file.content_type[:255],
        size=len(file.content),
        sha256=ports.blobs.put(file.content),
        content_id=file.content_id[:255],
        is_inline=file.is_inline,
    )
