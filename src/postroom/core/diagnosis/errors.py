"""Any error about mail, explained: what it means, whose fault it is, whose turn, and what to do.

Duty: to choose among the tables that know: `oauth_errors`, `mailbox_errors`, `server_errors` for what concerns our own servers and
accounts, and the taxonomy of reports for what recipients' servers say.
Laws: pure, never raises; always an answer, and where nothing is known it says so and tells what the code alone means.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from postroom.core.diagnosis import acting
from postroom.core.diagnosis.acting import Actor
from postroom.core.diagnosis.error_texts import ErrorText, ErrorTopic, read_error_text
from postroom.core.diagnosis.mailbox_errors import MailboxFault, explain_mailbox
from postroom.core.diagnosis.oauth_errors import explain_oauth
from postroom.core.diagnosis.server_errors import Explanation, Fault, explain
from postroom.core.reports.blame import reason_of
from postroom.core.reports.taxonomy import TAXONOMY, UNDETERMINED
from postroom.core.terms.encryption import Encryption
from postroom.core.terms.mailboxes import TroubleKind
from postroom.core.terms.reasons import Reason, because, catalogue
from postroom.core.terms.smtp_replies import SmtpReply
from postroom.core.terms.states import Blame
from postroom.core.terms.steps import Step

catalogue(
    {
        "error.resolver_silent": "This machine's name server did not answer, so no host can be found.",
        "help.resolver_silent": "Check this machine's network and its name servers (resolv.conf, systemd-resolved); mail waits and is tried again.",
        "error.accepted": "This is no error: the server took it over.",
        "help.accepted": "When it did not arrive all the same: look for it in the spam folder, and for a report that came back later.",
        "error.unread": "Nobody here knows this text, and it names no code.",
        "help.unread": "Paste the whole reply of the server, with its number (550 5.7.1 ...), or the whole exception.",
        "error.delivery_failed": "This line says only that a mail was not delivered; why, stands beside it, or in the mail's envelope.",
        "help.delivery_failed": "Open the mail's envelope, or the queue's page Delivery Failed, and paste the reply that stands there. Where none stands there, SPF and DKIM are the likeliest causes: postroom doctor --symptom no-error",
        "error.fetching_failed": "This line says only that a mailbox could not be read; why, stands in the lines after it, and with the mailbox.",
        "help.fetching_failed": "Test the mailbox (Test & Confirm, or postroom mailbox test NAME): it names the cause, most often the password or IMAP switched off.",
        "error.bounce_came": "No error of ours: a report came back that a mail was not delivered, and was joined to that mail.",
        "help.bounce_came": "Open the mail: its envelope is red, and says who refused it and why. Paste the words of the report here.",
        "error.login_failed": "A server did not accept the login; most often because the account's ordinary password was used.",
        "help.login_failed": "Gmail wants an app password, which needs 2-Step Verification; Microsoft 365 wants Authenticated SMTP switched on, and often an OAuth2 token; others the whole address as user name. Test the connection to see which server it is.",
        "error.no_mailbox": "The mailbox does not exist, or is closed to you: the server does not say which.",
        "help.no_mailbox": "Check the spelling of the address with the person, and ask whether they can get mail from others.",
        "error.lasting": "The server refuses for good, and does not say why in words that are known here.",
        "help.lasting": "Trying again will not help. Read its words; its postmaster can tell the reason.",
        "error.passing": "The server cannot or will not take it now, and does not say why in words that are known here.",
        "help.passing": "Nothing is to be done: it is tried again by itself, for days. When it lasts, ask the server's postmaster.",
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class ErrorAnswer:
    """``smtp_code`` 0 and ``status`` "" where there is none; ``is_lasting`` None where the text does not tell; ``words`` verbatim.
    ``means`` and ``helps`` are to be told in a language, ``cause`` and ``cure`` are they in English."""

    code: str
    topic: ErrorTopic
    means: Reason
    helps: Reason
    blame: Blame | None
    who: Actor
    is_lasting: bool | None
    smtp_code: int = 0
    status: str = ""
    words: str = ""

    @property
    def cause(self) -> str:
        return begun(str(self.means))

    @property
    def cure(self) -> str:
        return begun(str(self.helps))

    def as_json(self) -> dict[str, object]:
        """For programs; enums by value."""
        return {
            "code": self.code, "topic": self.topic.value, "cause": self.cause, "cure": self.cure,
            "blame": self.blame.value if self.blame is not None else None, "who": self.who.value, "is_lasting": self.is_lasting,
            "smtp_code": self.smtp_code or None, "status": self.status or None, "words": self.words,
        }  # fmt: skip


def begun(sentence: str) -> str:
    """As a sentence begins."""
    return sentence[:1].upper() + sentence[1:]


def explain_error(text: str) -> ErrorAnswer:
    """Never fails. ``text``: whatever a person found in a log, a bounce or on a page."""
    seen = read_error_text(text)
    match seen.topic:
        case ErrorTopic.CONSENT:
            return _of_case(explain_oauth(seen.words), seen)
        case ErrorTopic.FETCHING:
            case = _explain_fetching(seen)
            headline = _headline(seen) if case.code == "mailbox_nonsense" else None
            return headline or _of_case(case, seen)
        case ErrorTopic.SENDING:
            return _explain_sending(seen)


def _explain_fetching(seen: ErrorText) -> Explanation:
    kind = seen.kind if seen.kind is not None else TroubleKind.PROTOCOL
    words = seen.trouble.replace("certificate was not accepted", "certificate is not trusted").replace(
        "could not be", "cannot be"
    )
    return explain_mailbox(
        MailboxFault(
            kind=kind,
            text=words if kind in _OURS else seen.words,
            response_code=seen.response_code,
            protocol=seen.protocol,
            host=seen.host or _nameless(seen),
            port=seen.port,
            username="of the account",
        )
    )


def _nameless(seen: ErrorText) -> str:
    """How a host is called that nobody named."""
    return "of that name" if "resolved" in seen.trouble else ""


_OURS = frozenset({TroubleKind.CONNECT, TroubleKind.TLS, TroubleKind.TIMEOUT})  # the other side said nothing


def _explain_sending(seen: ErrorText) -> ErrorAnswer:
    if seen.reply is not None:
        return _explain_reply(seen, seen.reply)
    if not seen.trouble:
        return _explain_words(seen)
    if "resolver" in seen.trouble:
        return _plain("resolver_silent", seen, Blame.NETWORK, Actor.ADMINISTRATOR)
    return _of_case(explain(_fault(seen)), seen)


def _explain_reply(seen: ErrorText, reply: SmtpReply) -> ErrorAnswer:
    if reply.is_positive:
        return _plain("accepted", seen, None, Actor.NOBODY)
    case = explain(_fault(seen))
    if case.code in _ABOUT_US or (case.code == "policy" and not reply.text):
        return _of_case(case, seen)
    code = reason_of(reply)
    if code == "mailbox_busy" and reply.is_permanent:
        return _plain("no_mailbox", seen, Blame.MAILBOX, Actor.AUTHOR)
    if code == "policy" and reply.code == 421:
        code = "rate_limited"  # what nearly everybody means who hangs up by policy
    return _of_reason(code, seen) if code != UNDETERMINED and not _says_nothing(reply) else _unsaid(seen, reply)


# What stands above the reason in logs and on pages, and is copied alone.
_HEADLINES = (
    (re.compile(r"\b(?:mail )?delivery failed\b", re.I), "delivery_failed", None),
    (re.compile(r"\bfail\w* to fetch (?:e-?)?mail", re.I), "fetching_failed", None),
    (re.compile(r"\bbounce received\b", re.I), "bounce_came", None),
    (re.compile(r"\b(?:authentication|login) (?:has )?failed\b", re.I), "login_failed", Blame.SENDER),
)


def _headline(seen: ErrorText) -> ErrorAnswer | None:
    for pattern, code, blame in _HEADLINES:
        if pattern.search(seen.words[:1000]):
            return _plain(code, seen, blame, Actor.ADMINISTRATOR)
    return None


def _explain_words(seen: ErrorText) -> ErrorAnswer:
    """Words without a number and without an exception."""
    case = explain(
        Fault(step=Step.RCPT, trouble=seen.words, username="in use", sender="(this address)", recipient="of the mail")
    )
    if case.code in _ABOUT_US:
        return _of_case(case, seen)
    code = reason_of(SmtpReply(0, "", seen.words))
    if code != UNDETERMINED:
        return _of_reason(code, seen)
    return _headline(seen) or _plain("unread", seen, None, Actor.AUTHOR)


# Cases by which a server speaks of our account, our settings or our address; the rest, recipients' servers say as well,
# and the taxonomy of reports knows better what they mean.
_ABOUT_US = frozenset(
    "gmail_app_password gmail_browser token_refused token_missing microsoft_smtp_auth microsoft_basic microsoft_login ses_credentials sendgrid_key "
    "quota_of_plan login_needs_tls no_login_offered no_login_in_common login_refused login_forbidden login_later login_required starttls_required "
    "starttls_refused sender_identity sender_not_owned sender_domain sender_syntax utf8_missing sandbox daily_limit ehlo_refused relay_denied "
    "too_many_connections not_in_service".split()
)


def _fault(seen: ErrorText) -> Fault:
    encryption = Encryption.TLS if "handshake" in seen.trouble or seen.port == 465 else Encryption.STARTTLS
    return Fault(
        step=seen.step if seen.step is not None else Step.RCPT,
        reply=seen.reply,
        trouble=seen.trouble,
        host=seen.host or _nameless(seen),
        port=seen.port,
        encryption=encryption,
        username="in use",
        sender=seen.sender or "(this address)",
        recipient="of the mail",
    )


def _says_nothing(reply: SmtpReply) -> bool:
    """Whether there is a number and no more."""
    return (
        not reply.text.strip()
        and (not reply.enhanced or reply.enhanced.endswith(".0.0"))
        and reply.code not in _TELLING_CODES
    )


_TELLING_CODES = frozenset({421, 450, 452, 503, 521, 530, 534, 535, 538, 551, 552, 553, 555, 556})


def _unsaid(seen: ErrorText, reply: SmtpReply) -> ErrorAnswer:
    if reply.is_permanent:
        return _plain("lasting", seen, Blame.SERVER, Actor.POSTMASTER)
    return _plain("passing", seen, Blame.SERVER, Actor.NOBODY)


def _of_case(case: Explanation, seen: ErrorText) -> ErrorAnswer:
    blame, who = acting.of_case(case.code)
    return _answer(case.code, seen, case.cause, case.cure, blame, who)


def _of_reason(code: str, seen: ErrorText) -> ErrorAnswer:
    blame, who = acting.of_reason(code)
    reason = TAXONOMY[code]
    return _answer(code, seen, Reason(reason.meaning), Reason(reason.cure), blame, who)


def _plain(code: str, seen: ErrorText, blame: Blame | None, who: Actor) -> ErrorAnswer:
    return _answer(code, seen, because(f"error.{code}"), because(f"help.{code}"), blame, who)


def _answer(code: str, seen: ErrorText, means: Reason, helps: Reason, blame: Blame | None, who: Actor) -> ErrorAnswer:
    reply = seen.reply
    return ErrorAnswer(
        code=code,
        topic=seen.topic,
        means=means,
        helps=helps,
        blame=blame,
        who=who,
        is_lasting=None if reply is None or reply.is_positive else reply.is_permanent,
        smtp_code=reply.code if reply is not None else 0,
        status=reply.enhanced if reply is not None else "",
        words=seen.words,
    )
