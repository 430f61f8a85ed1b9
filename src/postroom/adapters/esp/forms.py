"""Forms in requests, to the byte: ``multipart/form-data`` (RFC 7578) and ``application/x-www-form-urlencoded``.

Laws: what is in a field is what was sent, in whatever charset; no file is dropped for its name; linear in the size.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from email.message import Message
from email.parser import HeaderParser
from urllib.parse import parse_qsl

_MOST_PARTS = 2_000
_LONGEST_HEAD = 16_384  # bytes of the header of one part


@dataclass(frozen=True, slots=True, kw_only=True)
class FormFile:
    """A file of a form."""

    name: str
    content_type: str
    content: bytes


@dataclass(slots=True)
class Form:
    """Its fields and files by name; of several of one name the last."""

    fields: dict[str, bytes] = field(default_factory=dict)
    files: dict[str, FormFile] = field(default_factory=dict)

    def text(self, name: str, charset: str = "utf-8") -> str:
        """A field as text; ``""`` where there is none. Never raises."""
        raw = self.fields.get(name, b"")
        try:
            return raw.decode(charset, "replace")
        except LookupError:
            return raw.decode("utf-8", "replace")


def read_form(content_type: str, body: bytes) -> Form:
    """Raises ValueError for what is no form."""
    head = Message()
    head["Content-Type"] = content_type
    match head.get_content_type():
        case "application/x-www-form-urlencoded":
            text = body.decode("latin-1")
            pairs = parse_qsl(text, keep_blank_values=True, max_num_fields=_MOST_PARTS, encoding="latin-1")
            return Form(fields={name: value.encode("latin-1", "replace") for name, value in pairs})
        case "multipart/form-data":
            boundary = head.get_param("boundary")
            if not isinstance(boundary, str) or not boundary:
                raise ValueError("a form without boundary")
            return _read_parts(boundary.encode("utf-8", "replace"), body)
        case other:
            raise ValueError(f"{other} is no form")


def _read_parts(boundary: bytes, body: bytes) -> Form:
    form = Form()
    pieces = (b"\r\n" + body).split(b"\r\n--" + boundary, _MOST_PARTS + 1)
    for piece in pieces[1:]:
        if piece.startswith(b"--"):
            return form
        head, gap, content = piece.partition(b"\r\n\r\n")
        if gap and len(head) <= _LONGEST_HEAD:
            _put(form, head, content)
    raise ValueError("a form without end")


def _put(form: Form, head: bytes, content: bytes) -> None:
    facts = HeaderParser().parsestr(head.lstrip(b"\r\n").decode("latin-1") + "\r\n\r\n")
    name = _param(facts, "name")
    filename = _param(facts, "filename")
    if filename is None:
        form.fields[name or ""] = content
    else:
        content_type = facts.get("Content-Type", "application/octet-stream")
        form.files[name or ""] = FormFile(name=filename, content_type=str(content_type), content=content)


def _param(facts: Message, name: str) -> str | None:
    found = facts.get_param(name, header="Content-Disposition")
    if isinstance(found, tuple):  # RFC 2231
        charset, _, value = found
        return value.encode("latin-1", "replace").decode(charset or "utf-8", "replace")
    return found.encode("latin-1").decode("utf-8", "replace") if isinstance(found, str) else None
