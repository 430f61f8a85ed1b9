"""SMTP replies: code, enhanced status, text (RFC 5321 4.2, RFC 3463, RFC 2034).

Laws: reading never raises; a reply that is no SMTP is code 0, which counts as transient (temporary unless proven permanent).
"""

from __future__ import annotations

import re
from dataclasses import dataclass

_ENHANCED = re.compile(r"^([245])\.(\d{1,3})\.(\d{1,3})(?:\s+|$)")


@dataclass(frozen=True, slots=True)
class SmtpReply:
    """``code`` 200-599, or 0 for garbage; ``enhanced`` such as ``5.1.1`` or ``""``; ``text`` verbatim, lines by ``\\n``."""

    code: int
    enhanced: str
    text: str

    @property
    def is_positive(self) -> bool:
        return 200 <= self.code < 400

    @property
    def is_permanent(self) -> bool:
        return 500 <= self.code < 600

    @property
    def is_transient(self) -> bool:
        return not self.is_positive and not self.is_permanent

    def __str__(self) -> str:
        """As one line; what was no SMTP shows without its code of 0."""
        code = str(self.code) if self.code else ""
        return " ".join(part for part in (code, self.enhanced, self.text.replace("\n", " ")) if part)


def read_reply(code: int, lines: list[str]) -> SmtpReply:
    """The reply of these lines (without code and separator). The enhanced status is taken from the first, cut from all."""
    match = _ENHANCED.match(lines[0]) if lines else None
    if match is None or int(match[1]) != code // 100:
        return SmtpReply(code, "", "\n".join(lines))
    status = f"{match[1]}.{int(match[2])}.{int(match[3])}"
    if len(lines) == 1:
        return SmtpReply(code, status, lines[0][match.end() :])
    return SmtpReply(code, status, "\n".join(_ENHANCED.sub("", line, count=1) for line in lines))
