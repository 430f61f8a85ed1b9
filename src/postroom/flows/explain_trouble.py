"""What the stored trouble of a server means: cause and cure, without asking the server again."""

from __future__ import annotations

import re

import postroom.core.diagnosis.errors  # noqa: F401 - its sentences are known wherever pages are
from postroom.core.delivery.wire import Authentication
from postroom.core.diagnosis.server_errors import Explanation, Fault, explain
from postroom.core.terms.encryption import Encryption
from postroom.core.terms.smtp_replies import SmtpReply
from postroom.core.terms.steps import Step
from postroom.store.models import OutgoingServer

_SHAPE = re.compile(
    r"(?P<what>[^:]+): (?:it said (?P<code>\d{1,3})(?: (?P<enhanced>[245]\.\d{1,3}\.\d{1,3}))?(?: (?P<text>.*))?|(?P<trouble>.*))",
    re.DOTALL,
)
_STEPS = {  # the words of `outcomes.trouble_text`
    "Connecting failed": Step.CONNECT,
    "The greeting failed": Step.GREETING,
    "EHLO failed": Step.EHLO,
    "Encryption failed": Step.STARTTLS,
    "The login failed": Step.LOGIN,
    "It takes no mail": Step.MAIL,
}


def explain_trouble(server: OutgoingServer) -> Explanation | None:
    """None when there is none, or when nobody can read it."""
    found = _SHAPE.fullmatch(server.trouble)
    if found is None or found["what"] not in _STEPS:
        return None
    said = found["code"]
    reply = SmtpReply(int(said), found["enhanced"] or "", found["text"] or "") if said else None
    trouble = found["trouble"] or ""
    step = _STEPS[found["what"]]
    is_handshake = "certificate was not accepted" in trouble or "TLS handshake failed" in trouble
    return explain(
        Fault(
            step=Step.TLS if is_handshake else step,
            reply=reply,
            trouble=trouble,
            host=server.host,
            port=server.port,
            encryption=Encryption(server.encryption),
            username=server.username,
            is_token=server.authentication == Authentication.TOKEN,
            sender=server.username,
        )
    )
