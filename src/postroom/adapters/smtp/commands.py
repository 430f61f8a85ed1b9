"""What is said before the content of a mail: MAIL, RCPT, DATA, as the server's abilities ask for. No I/O.

Laws: what the server cannot take is refused here in its stead, with the code that it would use, and costs
no round trip. No address gets a character onto the wire that could end the command line.
Deviation: 8-bit content goes as it is to a server without 8BITMIME (RFC 6152 3 would have us convert); ours
is 7-bit.
Standards: RFC 5321 4.1.1, RFC 1870 (SIZE), RFC 6152 (BODY), RFC 6531 (SMTPUTF8), RFC 3463.
"""

from __future__ import annotations

from postroom.adapters.smtp.capabilities import Capabilities
from postroom.core.delivery.wire import Phase, WireMail
from postroom.core.terms.envelopes import Envelope
from postroom.core.terms.smtp_replies import SmtpReply

DATA = b"DATA\r\n"
RSET = b"RSET\r\n"
QUIT = b"QUIT\r\n"


def needs_smtputf8(envelope: Envelope) -> bool:
    """RFC 6531 3.4: asked for, or an address beyond ASCII."""
    return envelope.smtputf8 or not (envelope.mail_from.isascii() and all(map(str.isascii, envelope.rcpt_to)))


def refusal(mail: WireMail, size: int, capabilities: Capabilities) -> tuple[Phase, SmtpReply] | None:
    """Why this server cannot take this mail of ``size`` bytes, if we know it beforehand."""
    envelope = mail.envelope
    limit = capabilities.size_limit
    if limit is not None and size > limit:
        text = f"the mail has {size} bytes, the server takes {limit} at most"
        return Phase.MAIL, SmtpReply(552, "5.3.4", text)
    if not envelope.mail_from.isprintable():
        return Phase.MAIL, SmtpReply(501, "5.1.7", "the sender holds a character that no command can carry")
    if not envelope.rcpt_to or not all(envelope.rcpt_to):
        return Phase.RCPT, SmtpReply(554, "5.5.1", "no recipient")
    if not all(map(str.isprintable, envelope.rcpt_to)):
        return Phase.RCPT, SmtpReply(501, "5.1.3", "a recipient holds a character that no command can carry")
    if not capabilities.has_smtputf8 and needs_smtputf8(envelope):
        return _without_smtputf8(envelope)
    return None


def _without_smtputf8(envelope: Envelope) -> tuple[Phase, SmtpReply]:
    """Whose address it is that the server cannot take. Domains never are: they travel as A-labels."""
    for phase, addresses in ((Phase.RCPT, envelope.rcpt_to), (Phase.MAIL, (envelope.mail_from,))):
        if beyond := [address for address in addresses if not address.isascii()]:
            text = f"{beyond[0]} has letters beyond ASCII, and the server does not take such addresses (SMTPUTF8)"
            return phase, SmtpReply(550, "5.6.7", text)
    text = "an address in the header has letters beyond ASCII, and the server does not take such mail (SMTPUTF8)"
    return Phase.MAIL, SmtpReply(550, "5.6.7", text)


def mail_command(mail: WireMail, size: int, capabilities: Capabilities) -> bytes:
    parameters = ""
    if capabilities.has_size:
        parameters = f" SIZE={size}"
    if capabilities.has_8bitmime and not all(map(bytes.isascii, mail.chunks)):
        parameters += " BODY=8BITMIME"
    if capabilities.has_smtputf8 and needs_smtputf8(mail.envelope):
        parameters += " SMTPUTF8"
    return f"MAIL FROM:<{mail.envelope.mail_from}>{parameters}\r\n".encode()


def rcpt_command(recipient: str) -> bytes:
    return f"RCPT TO:<{recipient}>\r\n".encode()
