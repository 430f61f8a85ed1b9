"""Files that come with a form: how many and how large they may be, and their bytes."""

from __future__ import annotations

from collections.abc import Sequence

from django.core.files.uploadedfile import UploadedFile
from django.utils.translation import gettext as _

from postroom.flows.post_message import NewFile

MAX_FILES = 20
MAX_UPLOAD = 25 * 1000 * 1000  # bytes of all files of one message


def trouble_with(files: Sequence[UploadedFile[bytes]]) -> str:
    """Why they are too much; ``""`` when they are not."""
    if len(files) > MAX_FILES:
        return _("At most {number} files at once.").format(number=MAX_FILES)
    if sum(file.size or 0 for file in files) > MAX_UPLOAD:
        return _("The files are larger than 25 MB together. Send a link instead.")
    return ""


def files_of(files: Sequence[UploadedFile[bytes]]) -> list[NewFile]:
    """Their bytes and names."""
    return [
        NewFile(
            name=(file.name or "file").replace("\0", "")[:255],
            content_type=(file.content_type or "application/octet-stream")[:255],
            content=file.read(),
        )
        for file in files
    ]
