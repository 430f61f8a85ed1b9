"""Relaxed canonicalisation: what of a mail is signed, so that relays which fold and space anew do no harm.

Duty: header fields and bodies in the form that is hashed; which fields are signed, and which once more than they occur.
Laws: pure; what is hashed is what `adapters.smtp.content` puts on the wire, in the form in which `raw_mail` verifies it.
Standards: RFC 6376 3.4.2 (header), 3.4.4 (body), 5.4 and 5.4.2 (choice and order of fields), 8.15 (fields that are not there).
"""

from __future__ import annotations

import re
from collections import defaultdict
from dataclasses import dataclass
from functools import lru_cache
from hashlib import sha256

from postroom.adapters.dkim.raw_mail import relaxed_body
from postroom.core.mime.line_ends import with_crlf

SOFT_LIMIT = 76  # characters of a line that we fold; RFC 5322 2.1.1 allows 78

# Signed once more than they occur: nobody can add one in front of ours (RFC 6376 8.15).
_OVERSIGNED = (
    "From", "To", "Cc", "Reply-To", "Subject", "Date", "Message-ID", "MIME-Version", "Content-Type",
)  # fmt: skip
# Signed as often as they occur. Lists add List fields and Sender, relays an encoding where none is said: they may.
_SIGNED = (
    "Content-Transfer-Encoding", "Sender", "In-Reply-To", "References", "Auto-Submitted", "Feedback-ID", "List-Id", "List-Help", "List-Unsubscribe",
    "List-Unsubscribe-Post", "List-Subscribe", "List-Post", "List-Owner", "List-Archive",
)  # fmt: skip
_ORDER = tuple((name.encode("ascii"), name.lower().encode("ascii")) for name in (*_OVERSIGNED, *_SIGNED))
_TWICE = frozenset(name.lower().encode("ascii") for name in _OVERSIGNED)

_RUN = re.compile(rb"[ \t]+")


@dataclass(frozen=True, slots=True)
class SignedFields:
    """``names`` is the value of h=, folded; ``data`` are the fields in the form that is hashed."""

    names: bytes
    data: bytes


def signed_fields(header_block: bytes) -> SignedFields:
    """Of a header block (lines by CRLF, with or without the empty line). Everything in it that can be signed."""
    block = header_block.replace(b"\r\n ", b" ").replace(b"\r\n\t", b" ")
    if b"  " in block or b"\t" in block:
        block = _RUN.sub(b" ", block)
    names: list[bytes] = []
    values: list[bytes] = []
    for line in block.split(b"\r\n"):
        name, colon, value = line.partition(b":")
        if colon:
            names.append(name)
            values.append(value)
    listed, chosen = _plan(tuple(names))
    return SignedFields(listed, b"\r\n".join([name + values[place].strip(b" ") for name, place in chosen]))


@lru_cache(maxsize=1024)
def _plan(names: tuple[bytes, ...]) -> tuple[bytes, tuple[tuple[bytes, int], ...]]:
    """h= for a block with these fields as they are written, and the signed ones: the name with its colon, and the place.

    Of equal names the lowest comes first.
    """
    where: defaultdict[bytes, list[int]] = defaultdict(list)
    for place, name in enumerate(names):
        where[name.rstrip(b" ").lower()].insert(0, place)
    listed: list[bytes] = []
    chosen: list[tuple[bytes, int]] = []
    for written, name in _ORDER:
        found = where.get(name, [])
        listed += [written] * (len(found) + (name in _TWICE))
        chosen += [(name + b":", place) for place in found]
    return _folded(listed), tuple(chosen)


def _folded(names: list[bytes]) -> bytes:
    """Colons between them, line ends behind colons."""
    lines = [b""]
    for name in names:
        if len(lines[-1]) + len(name) + 4 > SOFT_LIMIT:  # " h=" before, ":" or ";" behind
            lines.append(b"")
        lines[-1] += name + b":"
    return b"\r\n ".join(lines)[:-1]


def body_digest(body: bytes) -> bytes:
    """SHA-256 of the relaxed body as it goes over the wire."""
    return sha256(relaxed_body(with_crlf(body))).digest()
