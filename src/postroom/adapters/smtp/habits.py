"""How many mails a server takes on one connection, learned from how it ends them. No I/O.

Laws: a server that says so (421 "too many messages in this connection") is believed at once; one that just leaves, after three
connections in a row that ended behind the same number of mails. What was learned only becomes less.
Standards: RFC 5321 3.8 (a server may close with 421 at any time); RFC 9422 has the announced form (`capabilities`).
"""

from __future__ import annotations

import re

IN_A_ROW = 3
_SAYS_SO = re.compile(
    r"too many (?:\w+ ){0,2}(?:messages?|mails?|e-mails?|transactions?)|(?:messages?|mails?|transactions?) per (?:connection|session)"
    r"|(?:maximum|max|limit)\b.{0,40}\b(?:messages?|mails?|transactions?)",
    re.IGNORECASE,
)


class ConnectionHabits:
    """``mails`` a connection: 0 until something was learned."""

    def __init__(self) -> None:
        self.mails = 0
        self._last = 0
        self._repeats = 0

    def ended(self, served: int, farewell: str) -> None:
        """The server ended a connection while there was more to send: after ``served`` accepted mails, with these words or none."""
        if served < 1:
            self._repeats = 0
            return
        self._repeats = self._repeats + 1 if served == self._last else 1
        self._last = served
        if _SAYS_SO.search(farewell) or self._repeats >= IN_A_ROW:
            self.mails = min(self.mails or served, served)
