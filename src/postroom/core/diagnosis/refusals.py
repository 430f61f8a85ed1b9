"""Why one recipient did not get a mail: from what is stored of it to a reason of the taxonomy, so that cause and cure can be told.

Laws: pure; what a report or a server said goes before what we only assume; where nobody said anything, the kind of failure decides.
"""

from __future__ import annotations

from postroom.core.reports.classifying import classify
from postroom.core.terms.states import Blame, FailureType

_BY_KIND = {
    FailureType.MAIL_EMAIL_INVALID: "bad_address",
    FailureType.MAIL_EMAIL_MISSING: "bad_address",
    FailureType.MAIL_FROM_INVALID: "sender_rejected",
    FailureType.MAIL_FROM_MISSING: "sender_rejected",
}


def reason_of_refusal(
    *, failure_type: str, blame: str, code: int = 0, enhanced: str = "", text: str = "", reported: str = ""
) -> str:
    """A code of `core.reports.taxonomy`; ``""`` where nothing is known (a lost outcome).

    ``reported`` is the reason of a report that came back; ``code``, ``enhanced`` and ``text`` are the server's last reply, code 0 for none.
    """
    if failure_type == FailureType.UNKNOWN:
        return ""
    if reported:
        return reported
    if code >= 400:
        return classify(enhanced, text, code)
    if kind := _BY_KIND.get(FailureType(failure_type) if failure_type in set(FailureType) else FailureType.NONE):
        return kind
    return "network_error" if blame in (Blame.NETWORK, Blame.SERVER) else "undetermined"
