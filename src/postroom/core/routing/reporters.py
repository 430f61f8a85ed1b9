"""May this reporter be believed? What a report without our signed return path must bring, so that it changes anything.

Duty: `why_believed` looks at one delivery that a report speaks of by our Message-ID and its recipient: these two are known to everybody
who was ever shown that mail, so they are not enough. Laws: pure; one more thing is asked, that a stranger does not have:

- it comes from home: a program or a server of ours wrote it, and it met no stranger on the way;
- it quotes the number under which the next hop took this very mail from us (its reply to DATA), which only that server and its logs know;
- its author is a mail server (``mailer-daemon@``) whose domain is proven, and that had the mail: it is the recipient's, or his provider's,
  or that of the server that we handed it to;
- of complaints also: its author is the recipient, proven.

What brings none of these is a claim: it is shown with the delivery, and it changes nothing.
Standards: RFC 3464 2.2 (what a report says of itself is not evidence), 4.1 (forged reports); RFC 5965 5.
"""

from __future__ import annotations

from postroom.core.reports.delivery_reports import DeliveryReport, ReportKind
from postroom.core.routing.authenticity import Proof
from postroom.core.routing.verdicts import DeliveryFact, Evidence, Facts
from postroom.core.terms.reasons import Reason, because

SERVERS = frozenset(
    ("mailer-daemon", "mailerdaemon", "mail-daemon", "maildaemon", "postmaster", "mailer", "mdaemon", "mail-delivery-subsystem")
)  # fmt: skip
_EXCHANGE = "microsoftexchange"  # and 32 characters
_SHORTEST_NUMBER = 8  # characters


def why_believed(given: DeliveryReport, delivery: DeliveryFact, evidence: Evidence, facts: Facts) -> Reason | None:
    """None: it is a claim."""
    number = str(delivery.delivery_id)
    if _comes_from_home(evidence):
        return because("report.from_home")
    if queue_id := _number_of_next_hop(given, delivery):
        return because("report.queue_id", number=queue_id, delivery=number)
    if evidence.authenticity.proof is not Proof.PROVEN:
        return None
    if is_mail_server(evidence) and facts.reporter and facts.reporter in delivery.takers:
        return because("report.by_taker", author=evidence.author_normal, delivery=number)
    if given.kind is ReportKind.COMPLAINT and evidence.author_normal == delivery.address:
        return because("report.by_recipient", author=evidence.author_normal)
    return None


def is_mail_server(evidence: Evidence) -> bool:
    """Whether the From is a role that providers let no customer have."""
    local = evidence.author_normal.rpartition("@")[0]
    return local in SERVERS or local.startswith(_EXCHANGE)


def _comes_from_home(evidence: Evidence) -> bool:
    found = evidence.authenticity
    return found.proof is Proof.NOT_APPLICABLE or (found.submission.is_born_here and found.submission.is_named)


def _number_of_next_hop(given: DeliveryReport, delivery: DeliveryFact) -> str:
    words = {word.strip("<>[]().,;:'\"") for reply in delivery.replies for word in reply.replace("=", " ").split()}
    return next((one for one in given.queue_ids if len(one) >= _SHORTEST_NUMBER and one in words), "")
