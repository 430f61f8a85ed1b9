"""S/MIME mails that are signed and not encrypted: what was signed is readable, it only lies in an envelope (RFC 8551 3.5.2).

Duty: `signed_content` gives the bytes within; nobody's signature is verified by that. Laws: pure; never raises; linear; no deeper than the
few steps to the content. Standards: RFC 5652 3 and 5.1 (ContentInfo, SignedData), X.690 (BER, also with indefinite lengths, as
mail programs write it while they stream).
"""

from __future__ import annotations

_SIGNED_DATA = bytes.fromhex("06092a864886f70d010702")  # 1.2.840.113549.1.7.2
_DATA = bytes.fromhex("06092a864886f70d010701")  # 1.2.840.113549.1.7.1
_SEQUENCE, _SET, _INTEGER, _EXPLICIT, _OCTETS, _OCTETS_IN_PIECES = 0x30, 0x31, 0x02, 0xA0, 0x04, 0x24
_MOST_PIECES = 200_000
_DEEPEST = 20


class _Unreadable(Exception):  # noqa: N818
    """It is not what we know."""


def signed_content(data: bytes) -> bytes | None:
    """What was signed; None where it is no such thing, is damaged, or lies elsewhere (a detached signature)."""
    try:
        return _Reader(data).signed_content()
    except (_Unreadable, IndexError):
        return None


class _Reader:
    """Goes forward only."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    def signed_content(self) -> bytes:
        self._enter(_SEQUENCE)
        self._expect(_SIGNED_DATA)
        self._enter(_EXPLICIT)
        self._enter(_SEQUENCE)
        self._skip(_INTEGER)
        self._skip(_SET)
        self._enter(_SEQUENCE)
        self._expect(_DATA)
        self._enter(_EXPLICIT)
        return self._octets()

    def _enter(self, tag: int) -> int | None:
        """Step to the first byte of what this holds; its length, None where it is not said."""
        if self._data[self._at] != tag:
            raise _Unreadable
        self._at += 1
        return self._length()

    def _length(self) -> int | None:
        first = self._data[self._at]
        self._at += 1
        if first < 0x80:
            return first
        if first == 0x80:
            return None
        count = first & 0x7F
        if count > 8:
            raise _Unreadable
        self._at += count
        return int.from_bytes(self._data[self._at - count : self._at], "big")

    def _expect(self, word: bytes) -> None:
        if not self._data.startswith(word, self._at):
            raise _Unreadable
        self._at += len(word)

    def _skip(self, tag: int) -> None:
        """Over one value, whatever it holds."""
        length = self._enter(tag)
        depth = 0 if length is not None else 1
        self._at += length or 0
        while depth:  # to the end of all that was begun without a length
            if self._is_end():
                depth -= 1
                continue
            self._at += 1
            length = self._length()
            depth += length is None
            self._at += length or 0
            if depth > _DEEPEST or self._at > len(self._data):
                raise _Unreadable

    def _is_end(self) -> bool:
        if self._data[self._at] or self._data[self._at + 1]:
            return False
        self._at += 2
        return True

    def _octets(self) -> bytes:
        if self._data[self._at] == _OCTETS:
            return self._piece()
        length = self._enter(_OCTETS_IN_PIECES)
        end = None if length is None else self._at + length
        pieces: list[bytes] = []
        while len(pieces) < _MOST_PIECES:
            if (end is not None and self._at >= end) or (end is None and self._is_end()):
                return b"".join(pieces)
            pieces.append(self._piece())
        raise _Unreadable

    def _piece(self) -> bytes:
        length = self._enter(_OCTETS)
        if length is None or self._at + length > len(self._data):
            raise _Unreadable
        self._at += length
        return self._data[self._at - length : self._at]
