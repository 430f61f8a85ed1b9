"""DKIM-Signature fields: the mail's headers and body, answered for by a domain (RFC 6376, RFC 8463).

Laws: relaxed/relaxed; the whole body, never l=; no i=; lines of at most 78 characters with CRLF (a name in d= may be longer);
a signature is written so that its own canonical form is the field with its line ends taken out. The hash of a shared body and
the gathered fields are made once for all signatures of a mail.
"""

from __future__ import annotations

from base64 import b64encode
from binascii import b2a_base64
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from postroom.adapters.dkim.canonical import body_digest, signed_fields
from postroom.adapters.dkim.keys import make_key, open_key
from postroom.core.terms.secret import Secret

_LINE = 72  # characters of base64


class OpenKey(Protocol):
    """What a signature is made with."""

    @property
    def head(self) -> bytes: ...
    @property
    def sign(self) -> Callable[[bytes], bytes]: ...


@dataclass(frozen=True, slots=True)
class SigningKey:
    """A key that was opened. ``head`` is the beginning of its signatures, up to the time."""

    head: bytes
    sign: Callable[[bytes], bytes] = field(repr=False)


class DkimWriter:
    """Makes keys and signatures. Keeps nothing; any thread may ask."""

    def make_key(self, algorithm: str) -> tuple[Secret, str]:
        """A private key in PEM, and the text of p= in its DNS record. Raises ValueError."""
        return make_key(algorithm)

    def open_key(self, *, domain: str, selector: str, algorithm: str, private: Secret) -> SigningKey:
        """``domain`` in A-labels. Raises ValueError for what is no key of this algorithm."""
        head = (
            f"DKIM-Signature: v=1; a={algorithm}-sha256; c=relaxed/relaxed;\r\n"
            f" d={domain};\r\n"
            f" s={selector};\r\n"
        )  # fmt: skip
        return SigningKey(head.encode("ascii"), open_key(algorithm, private))

    def body_hash(self, body: bytes) -> bytes:
        """The text of bh=."""
        return b64encode(body_digest(body))

    def signatures(
        self,
        keys: Sequence[OpenKey],
        header_block: bytes,
        body_hash: bytes,
        *,
        signed_at: int,
        expires_at: int | None = None,
    ) -> bytes:
        """A field for each key, to stand before ``header_block``. Times in seconds since 1970 (t=, x=)."""
        fields = signed_fields(header_block)
        times = b" t=%d;" % signed_at + (b" x=%d;" % expires_at if expires_at is not None else b"")
        rest = b"%b\r\n h=%b;\r\n bh=%b;\r\n b=" % (times, fields.names, body_hash)
        return b"".join([_signature(key, rest, fields.data) for key in keys])


def _signature(key: OpenKey, rest: bytes, data: bytes) -> bytes:
    unsigned = key.head + rest
    # relaxed, our own field is its text without line ends; RFC 6376 3.7: it comes last, b= empty, no CRLF behind it
    canonical = b"dkim-signature:" + unsigned[16:].replace(b"\r\n", b"")
    text = b2a_base64(key.sign(b"%b\r\n%b" % (data, canonical)), newline=False)
    lines = [text[start : start + _LINE] for start in range(0, len(text), _LINE)]
    return b"%b%b\r\n" % (unsigned, b"\r\n ".join(lines))
