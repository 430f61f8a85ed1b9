"""A mail as its signers saw it: header fields with every byte, and the body, in the two canonical forms.

Laws: linear in the size of the mail, also where it consists of blanks; never raises. A mail that uses LF alone (from a pipe) is
taken as if it had CRLF, for so it was on the wire. Standards: RFC 6376 3.4 (simple and relaxed), 3.7.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Sequence
from hashlib import sha256

MOST_HEADER = 1024 * 1024  # bytes
_RUN = re.compile(rb"[ \t]+")
_SIGNATURE_VALUE = re.compile(rb"(\A|;)([ \t\r\n]*b[ \t\r\n]*=)[^;]*")

Field = tuple[bytes, bytes]  # name as written; everything after the colon, without the last CRLF


class RawMail:
    """Made once for all signatures of a mail; hashes of the body are remembered."""

    def __init__(self, raw: bytes) -> None:
        if raw.count(b"\n") != raw.count(b"\r\n"):
            raw = raw.replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")
        end = 0 if raw.startswith(b"\r\n") else raw.find(b"\r\n\r\n")
        head = raw if end < 0 else raw[:end]
        self._body = b"" if end < 0 else raw[end + (4 if end else 2) :]
        self.fields: list[Field] = _split(head) if len(head) <= MOST_HEADER else []
        self._forms: dict[bool, bytes] = {}
        self._digests: dict[tuple[bool, int], bytes] = {}
        self._places: defaultdict[bytes, list[int]] = defaultdict(list)
        for place, (name, _) in enumerate(self.fields):
            self._places[name.rstrip(b" \t").lower()].append(place)

    def named(self, name: bytes) -> list[Field]:
        """Fields of this name (lower case), topmost first."""
        return [self.fields[place] for place in self._places.get(name, ())]

    def body_length(self, *, relaxed: bool) -> int:
        return len(self._canonical(relaxed=relaxed))

    def body_digest(self, *, relaxed: bool, length: int = -1) -> bytes:
        """SHA-256 of the canonical body, or of its first ``length`` bytes."""
        key = (relaxed, length)
        if key not in self._digests:
            body = self._canonical(relaxed=relaxed)
            self._digests[key] = sha256(body if length < 0 else memoryview(body)[:length]).digest()
        return self._digests[key]

    def _canonical(self, *, relaxed: bool) -> bytes:
        if relaxed not in self._forms:
            self._forms[relaxed] = relaxed_body(self._body) if relaxed else simple_body(self._body)
        return self._forms[relaxed]

    def signed_data(self, names: Sequence[bytes], signature: Field, *, relaxed: bool) -> bytes:
        """What b= is a signature of: the named fields from the bottom up (RFC 6376 5.4.2), then the signature without b=."""
        left: dict[bytes, int] = {}
        chosen: list[bytes] = []
        for name in names:
            places = self._places.get(name, ())
            index = left.get(name, len(places)) - 1
            left[name] = index
            if index >= 0:
                chosen.append(canonical_field(self.fields[places[index]], relaxed=relaxed) + b"\r\n")
        chosen.append(canonical_field(without_signature(signature), relaxed=relaxed))
        return b"".join(chosen)


def _split(head: bytes) -> list[Field]:
    """Lines without a colon, and a mailbox's From line, are no fields."""
    found: list[list[bytes]] = []
    for line in head.split(b"\r\n"):
        if line[:1] in (b" ", b"\t"):
            if found:
                found[-1].append(line)
        else:
            found.append([line])
    fields = []
    for lines in found:
        name, colon, value = lines[0].partition(b":")
        if colon and name and b" " not in name.rstrip(b" \t"):
            fields.append((name, b"\r\n".join([value, *lines[1:]])))
    return fields


def canonical_field(field: Field, *, relaxed: bool) -> bytes:
    """Without the CRLF at its end."""
    name, value = field
    if not relaxed:
        return name + b":" + value
    value = _RUN.sub(b" ", value.replace(b"\r\n", b"")).strip(b" ")
    return name.rstrip(b" \t").lower() + b":" + value


def without_signature(field: Field) -> Field:
    """The field with an empty b=."""
    return field[0], _SIGNATURE_VALUE.sub(rb"\1\2", field[1], count=1)


def simple_body(body: bytes) -> bytes:
    end = len(body)
    while body.endswith(b"\r\n", 0, end):
        end -= 2
    return body[:end] + b"\r\n"


def relaxed_body(body: bytes) -> bytes:
    """Runs of blanks become one first, so that blanks at line ends are one byte each: never more than one pass."""
    if b"  " in body or b"\t" in body:
        body = _RUN.sub(b" ", body)
    if b" \r\n" in body:
        body = body.replace(b" \r\n", b"\r\n")
    if body.endswith(b" "):
        body = body[:-1]
    end = len(body)
    while body.endswith(b"\r\n", 0, end):
        end -= 2
    return body[:end] + b"\r\n" if end else b""
