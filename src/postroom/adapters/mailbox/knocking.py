"""Knocks where a mail server might be: does one answer there?

Laws: no login, no mail, no word of who asks. A server in TLS has to prove its name; one that begins in clear has to offer the change to TLS.
Bounded in bytes and seconds, whatever the other side does (a watchman cuts the line). Never raises.
Standards: RFC 5321 3.1 and RFC 3207 (SMTP), RFC 9051 (IMAP), RFC 1939 and RFC 2595 (POP3), RFC 8314.
"""

from __future__ import annotations

import ssl

from postroom.adapters.watched_lines import WatchedLine, watched_line
from postroom.core.delivery.discovery import Proposal, Service
from postroom.core.terms.encryption import Encryption

MOST_BYTES = 8192  # of one reply
_GREETINGS = {Service.SMTP: b"220", Service.IMAP: b"* OK", Service.POP3: b"+OK"}
# what asks whether TLS may begin, how its reply ends, and what must stand in it
_OFFERS = {
    Service.SMTP: (b"EHLO [127.0.0.1]\r\n", b"250 ", b"STARTTLS"),
    Service.IMAP: (b"a CAPABILITY\r\n", b"a ", b"STARTTLS"),
    Service.POP3: (b"CAPA\r\n", b".", b"STLS"),
}


def knock(proposal: Proposal, *, seconds: float, context: ssl.SSLContext | None = None) -> bool:
    """Whether a server of that kind answers at this place, as it should."""
    try:
        with watched_line(proposal.host, proposal.port, seconds) as line:
            return _answers(line, proposal, context)
    except (OSError, ValueError):  # UnicodeError: a name that cannot be one
        return False


def _answers(line: WatchedLine, proposal: Proposal, context: ssl.SSLContext | None) -> bool:
    if proposal.encryption is Encryption.TLS:
        line.secure(context or ssl.create_default_context(), proposal.host)
    with line.socket.makefile("rb") as reader:
        if not reader.readline(MOST_BYTES).startswith(_GREETINGS[proposal.service]):
            return False
        if proposal.encryption is Encryption.TLS:
            return True
        question, end, wanted = _OFFERS[proposal.service]
        line.socket.sendall(question)
        left, is_offered = MOST_BYTES, False
        while left > 0 and (row := reader.readline(left)):
            left -= len(row)
            is_offered = is_offered or wanted in row.upper()
            if row.startswith(end):
                return is_offered
    return False
