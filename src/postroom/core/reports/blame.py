"""Whose fault a failure is, in one vocabulary: address, mailbox, policy, sender, server, network.

Duty: from an SMTP reply or from the status and text of a delivery report. Used at sending and for reports alike: the one
decision is `classifying.classify`, and the taxonomy says whom each reason blames. Blame says *who*; whether it is final is
the class of the status.
"""

from __future__ import annotations

from postroom.core.reports.classifying import classify
from postroom.core.reports.taxonomy import blame_of_reason
from postroom.core.terms.smtp_replies import SmtpReply
from postroom.core.terms.states import Blame


def blame_of(reply: SmtpReply) -> Blame:
    """Who is to blame for this refusal."""
    return blame(reply.enhanced, reply.text, code=reply.code)


def reason_of(reply: SmtpReply) -> str:
    """Why it was refused: a code of the taxonomy."""
    return classify(reply.enhanced, reply.text, reply.code)


def blame(status: str, text: str, *, code: int = 0) -> Blame:
    """``status`` such as ``5.1.1`` or ``""``; ``text`` the reply or Diagnostic-Code; ``code`` 0 when unknown."""
    return blame_of_reason(classify(status, text, code))
