"""Line ends as they leave this house: CR LF, and neither sign alone (RFC 5321 2.3.8).

Law: one decision for what is sent and for what is signed: a signature is over the bytes that the peer gets.
"""

from __future__ import annotations

import re

_STRAY_CR = re.compile(rb"\r(?!\n)")
_STRAY_LF = re.compile(rb"(?<!\r)\n")


def with_crlf(content: bytes) -> bytes:
    """A bare LF is a line end, a bare CR a blank. What is right already comes back as it is, the very object."""
    ends = content.count(b"\n")
    if content.count(b"\r") == ends and content.count(b"\r\n") == ends:
        return content
    return _STRAY_LF.sub(b"\r\n", _STRAY_CR.sub(b" ", content))
