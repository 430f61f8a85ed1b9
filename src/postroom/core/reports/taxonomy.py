"""Why a mail came back: the published list of reasons, each with its meaning, whose fault it is, and what helps.

Laws: a code that was published keeps its meaning; each has exactly one `Blame`; only what proves that an address does not
exist, and will not, blames the address, because that is what stops later mails. docs/reference/report-reasons.md is made
from this table. Sentences are English source texts; pages translate them.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from postroom.core.terms.states import Blame


class Permanence(StrEnum):
    """Whether trying again can help."""

    PERMANENT = "permanent"  # the same mail to the same address will fail again
    TRANSIENT = "transient"  # it may succeed another day
    NONE = "none"  # nothing failed


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportReason:
    """One reason. ``permanence`` is the usual one: what a report says of the class of the status counts for more."""

    code: str
    blame: Blame
    permanence: Permanence
    meaning: str
    cure: str
    example: str  # how servers word it, in words of ours


_P, _T = Permanence.PERMANENT, Permanence.TRANSIENT


def _table(*rows: tuple[str, Blame, Permanence, str, str, str]) -> dict[str, ReportReason]:
    return {
        code: ReportReason(code=code, blame=blame, permanence=lasts, meaning=meaning, cure=cure, example=example)
        for code, blame, lasts, meaning, cure, example in rows
    }


TAXONOMY: dict[str, ReportReason] = _table(
    (
        "user_unknown", Blame.ADDRESS, _P,
        "There is no such mailbox at this domain.",
        "Check the spelling with the contact, or remove the address.",
        "550 5.1.1 bob: user unknown",
    ),
    (
        "host_unknown", Blame.ADDRESS, _P,
        "The domain of the address does not exist.",
        "Check the spelling of what stands behind the @.",
        "550 5.1.2 domain not found",
    ),
    (
        "has_moved", Blame.ADDRESS, _P,
        "The person has left this address for another one.",
        "Ask for the new address; the server may have named it.",
        "551 5.1.6 bob has moved, try another address",
    ),
    (
        "not_accepting", Blame.ADDRESS, _P,
        "The domain receives no mail at all.",
        "Ask for an address at another domain.",
        "556 5.1.10 the domain takes no mail (null MX)",
    ),
    (
        "bad_address", Blame.ADDRESS, _P,
        "What was written is no valid address.",
        "Correct the address.",
        "501 5.1.3 malformed address",
    ),
    (
        "mailbox_full", Blame.MAILBOX, _T,
        "The mailbox is full.",
        "Try again in some days, or tell the person another way.",
        "552 5.2.2 mailbox over quota",
    ),
    (
        "mailbox_busy", Blame.MAILBOX, _T,
        "The mailbox is there, but could not take the mail.",
        "Nothing to do: try again later.",
        "450 4.2.0 mailbox busy",
    ),
    (
        "suspended", Blame.MAILBOX, _T,
        "The mailbox is there, but it is closed or has been unused for long.",
        "Ask the person; if it stays closed, remove the address.",
        "550 5.2.1 this account has been disabled",
    ),
    (
        "filtered", Blame.POLICY, _P,
        "The recipient's own settings keep such mail away; some providers word this like an unknown user.",
        "Ask the person to allow your address.",
        "550 refused by the recipient's settings",
    ),
    (
        "restricted", Blame.POLICY, _P,
        "Only some senders, such as colleagues or members, may write to this address.",
        "Ask the owner of the address to let you write.",
        "550 5.7.133 the sender is not in the list of those allowed",
    ),
    (
        "spam_content", Blame.POLICY, _P,
        "The mail looked like spam to the recipient's server.",
        "Look at the subject, the links and the pictures; send from a domain with SPF, DKIM and DMARC.",
        "554 5.7.1 rejected as spam",
    ),
    (
        "virus", Blame.POLICY, _P,
        "The recipient's server found something harmful in the mail.",
        "Look at the attachments and links before you send it again.",
        "554 5.7.1 the mail carries a virus",
    ),
    (
        "content", Blame.POLICY, _P,
        "The recipient's server does not take the form or an attachment of this mail.",
        "Leave out the attachment or send it as a link; programs and archives are often refused.",
        "554 5.6.1 attachments of this kind are not accepted",
    ),
    (
        "blocked_network", Blame.POLICY, _P,
        "The sending server's network address is on a block list or not trusted.",
        "Look the address up at the list that is named, cure the cause and ask for removal.",
        "554 5.7.1 client host is blocked by a list",
    ),
    (
        "bad_reputation", Blame.POLICY, _P,
        "The sending domain or server has a bad name with the recipient's provider.",
        "Send less and only to people who asked for it, until the name is better.",
        "550 5.7.1 very low reputation of the sending domain",
    ),
    (
        "rate_limited", Blame.POLICY, _T,
        "Too many mails or connections within a short time.",
        "Nothing to do: it is tried again more slowly. When it lasts, lower the server's limits.",
        "421 4.7.0 too many connections, try later",
    ),
    (
        "greylisted", Blame.POLICY, _T,
        "The server lets strangers wait and takes the mail at a later attempt.",
        "Nothing to do: it is tried again.",
        "451 4.7.1 greylisted, come back in five minutes",
    ),
    (
        "too_many_recipients", Blame.POLICY, _T,
        "The mail has more recipients than the server takes at once.",
        "Write to fewer people at once.",
        "452 4.5.3 too many recipients",
    ),
    (
        "too_large", Blame.POLICY, _P,
        "The mail is larger than the recipient's server takes.",
        "Send the files as links.",
        "552 5.3.4 message too large",
    ),
    (
        "policy", Blame.POLICY, _P,
        "A rule of the recipient's server forbids the mail.",
        "Read the server's words; its postmaster can tell the rule.",
        "550 5.7.1 refused by local policy",
    ),
    (
        "auth_failure", Blame.SENDER, _P,
        "The mail failed SPF, DKIM or DMARC.",
        "Let the doctor check your domain's records, and send through a server that they name.",
        "550 5.7.26 the mail is not authenticated",
    ),
    (
        "no_reverse_name", Blame.SENDER, _P,
        "The sending server's network address has no name in DNS, or its names do not agree.",
        "Ask the provider of the server to set its PTR record.",
        "550 5.7.25 no reverse DNS record",
    ),
    (
        "sender_rejected", Blame.SENDER, _P,
        "The address or domain that the mail came from was refused.",
        "Check that the sender's domain exists and receives mail, and that the server may use it.",
        "550 5.1.8 the sender's domain does not exist",
    ),
    (
        "relay_denied", Blame.SENDER, _P,
        "The server does not pass mail on for this domain.",
        "Check the domain's MX records and which server sends.",
        "554 5.7.1 relaying denied",
    ),
    (
        "login_required", Blame.SENDER, _P,
        "The server wants a login or encryption before it takes mail.",
        "Check login and encryption of the outgoing server.",
        "530 5.7.0 authentication required",
    ),
    (
        "encryption", Blame.SENDER, _P,
        "The encryption that one side asks for could not be had.",
        "Check the certificates and the encryption of the outgoing server.",
        "550 5.7.10 encryption needed",
    ),
    (
        "sender_suspended", Blame.SENDER, _P,
        "The sending account or company may not send now, or has used up what it may send.",
        "Ask the provider of the sending account to lift it.",
        "550 5.1.90 the daily limit of this sender is reached",
    ),
    (
        "system_full", Blame.SERVER, _T,
        "The recipient's server has no room left.",
        "Try again later.",
        "452 4.3.1 not enough disk space on the server",
    ),
    (
        "system_error", Blame.SERVER, _T,
        "The recipient's server is broken or wrongly configured.",
        "Try again later; when it lasts, tell its postmaster by other means.",
        "451 4.3.0 local error in processing",
    ),
    (
        "mailer_error", Blame.SERVER, _P,
        "A program that the recipient's server hands mail to has failed.",
        "Tell the postmaster of the recipient by other means.",
        "550 5.3.0 the delivery program exited with code 75",
    ),
    (
        "syntax", Blame.SERVER, _P,
        "The servers did not understand each other.",
        "Try again; when it lasts, look at the log of the sending server.",
        "503 5.5.1 bad sequence of commands",
    ),
    (
        "undetermined", Blame.SERVER, _P,
        "The report does not tell a reason.",
        "Read the report's words; try again another day.",
        "5.0.0 it could not be delivered",
    ),
    (
        "network_error", Blame.NETWORK, _T,
        "The recipient's server could not be reached.",
        "Try again later; check the spelling of the domain.",
        "4.4.1 connection timed out",
    ),
    (
        "expired", Blame.NETWORK, _T,
        "It was tried for days, and then given up.",
        "Try again later; check the spelling of the domain.",
        "5.4.7 too long in the queue",
    ),
    (
        "loop", Blame.NETWORK, _P,
        "The mail went round in circles between servers.",
        "The recipient's postmaster must cure a forwarding.",
        "554 5.4.6 too many hops",
    ),
    (
        "feedback", Blame.POLICY, _P,
        "The recipient called the mail unwanted.",
        "Do not write to this person again unless they ask for it.",
        "a feedback report of the kind abuse",
    ),
)  # fmt: skip

UNDETERMINED = "undetermined"


def blame_of_reason(code: str) -> Blame:
    """Whose fault this reason is; what is unknown is the server's."""
    reason = TAXONOMY.get(code)
    return reason.blame if reason is not None else Blame.SERVER
