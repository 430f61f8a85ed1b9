"""From a mail's chunks to the bytes between DATA and the final dot.

Laws: every line that begins with a dot gets another one (RFC 5321 4.5.2); CR and LF leave this house only
as CRLF (2.3.8), so that no content can end the mail early at a server that takes a bare LF for a line end
("SMTP smuggling"). Chunks that are clean go out as they are. What was derived from a shared chunk is
remembered, within limits.
"""

from __future__ import annotations

from collections import OrderedDict

from postroom.core.mime.line_ends import with_crlf

END_OF_DATA = b".\r\n"
_LF, _CR, _DOT = b"\n\r."

_SMALLEST_REMEMBERED = 512  # bytes: below, working again is as quick as looking up
_MOST_REMEMBERED = 64  # chunks
_MOST_BYTES = 48 * 1024 * 1024


class WireContent:
    """Derives what goes over the wire, remembering shared chunks by identity. One for each pool."""

    __slots__ = ("_bytes", "_seen")

    def __init__(self) -> None:
        # Bytes know no weak references: the chunk is kept beside its derivative, so its id stays its own.
        self._seen: OrderedDict[int, tuple[bytes, bytes]] = OrderedDict()
        self._bytes = 0

    def derive(self, chunks: tuple[bytes, ...]) -> list[bytes]:
        """The chunks, stuffed, ending with CRLF; without `END_OF_DATA`."""
        derived: list[bytes] = []
        at_line_start = True
        for place, chunk in enumerate(chunks):
            if not chunk:
                continue
            if chunk[-1] == _CR and len(chunks) > 1:  # perhaps a CRLF torn in two: rare enough to join
                return self.derive((b"".join(chunks),))
            if at_line_start and chunk[0] == _DOT:
                derived.append(b".")
            clean = self._shared(chunk) if place and len(chunk) >= _SMALLEST_REMEMBERED else stuff(chunk)
            derived.append(clean)
            at_line_start = clean[-1] == _LF
        if not at_line_start:
            derived.append(b"\r\n")
        return derived

    def _shared(self, chunk: bytes) -> bytes:
        known = self._seen.get(id(chunk))
        if known is not None:
            return known[1]
        clean = stuff(chunk)
        if len(chunk) <= _MOST_BYTES:
            self._remember(chunk, clean)
        return clean

    def _remember(self, chunk: bytes, clean: bytes) -> None:
        self._seen[id(chunk)] = (chunk, clean)
        self._bytes += _weight(chunk, clean)
        while self._bytes > _MOST_BYTES or len(self._seen) > _MOST_REMEMBERED:
            _, forgotten = self._seen.popitem(last=False)
            self._bytes -= _weight(*forgotten)


def stuff(chunk: bytes) -> bytes:
    """Dots after line ends doubled (a first one is the caller's), a bare LF made CRLF, a bare CR a space."""
    return with_crlf(chunk).replace(b"\n.", b"\n..")


def _weight(chunk: bytes, clean: bytes) -> int:
    return len(chunk) if clean is chunk else len(chunk) + len(clean)
