"""Files that come with a form: how many and how large they may be, and their bytes."""

from __future__ import annotations

from collections.abc import Sequence

from django.core.files.uploadedfile import UploadedFile
from django.utils.translation import gettext as _

from postroom.core.mime.attachments import clean_name
from postroom.flows.keep_draft import too_much
from postroom.flows.new_files import NewFile
from postroom.wiring import ports


def trouble_with(files: Sequence[UploadedFile[bytes]]) -> str:
    """Why they are too much; ``""`` when they are not."""
    return _(too_much(ports(), [file.size or 0 for file in files]))


def files_of(files: Sequence[UploadedFile[bytes]]) -> list[NewFile]:
    """Their bytes and names."""
    return [
        NewFile(
            name=clean_name(file.name or "") or "file",
            content_type=(file.content_type or "application/octet-stream")[:255],
            content=file.read(),
        )
        for file in files
    ]
