"""Why a server does not take our mail: from a step and a reply to a cause in plain words and a cure.

Laws: an ordered table, the most specific first, the first that fits wins; something always fits. What is read are the step, the
code, the enhanced status and the words: those of the server, or ours where there was no reply. Words decide before codes, for
providers use few codes for many causes.
Standards: RFC 5321 4.2, RFC 3463, RFC 4954 6, RFC 3207, RFC 8446 (alerts); the replies that Gmail, Microsoft 365, Amazon SES,
SendGrid and others are known to give.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace

import postroom.core.diagnosis.sentences  # noqa: F401 - the sentences of the cases below
from postroom.core.terms.encryption import Encryption
from postroom.core.terms.reasons import Reason, because
from postroom.core.terms.smtp_replies import SmtpReply
from postroom.core.terms.steps import Step

_LONGEST_QUOTE = 300  # characters of a reply in a sentence


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """What was seen. ``reply`` is None when the connection failed; then ``trouble`` says how. Port 0: not known."""

    step: Step
    reply: SmtpReply | None = None
    trouble: str = ""
    host: str = ""
    port: int = 0
    encryption: Encryption = Encryption.STARTTLS
    username: str = ""
    is_token: bool = False
    sender: str = ""
    recipient: str = ""
    ehlo_name: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Explanation:
    """``code`` names the case; cause and cure are reasons, so that pages can translate them."""

    code: str
    cause: Reason
    cure: Reason


def explain(fault: Fault) -> Explanation:
    """The first case that fits."""
    code = next(case.code for case in CASES if case.fits(fault))
    found = explained(code, **_facts(fault))
    if code == "refused" and is_this_machine(fault.host):  # no firewall stands between
        return replace(found, cure=because("cure.refused_here", **_facts(fault)))
    return found


def is_this_machine(host: str) -> bool:
    """A name or an address of the loopback."""
    return (
        host.lower().rstrip(".") in ("localhost", "::1", "[::1]")
        or re.fullmatch(r"127(\.\d{1,3}){3}", host) is not None
    )


def explained(code: str, **facts: object) -> Explanation:
    """Cause and cure of a case that is known already."""
    return Explanation(code=code, cause=because(f"fault.{code}", **facts), cure=because(f"cure.{code}", **facts))


@dataclass(frozen=True, slots=True)
class Case:
    """All that is given must fit. ``says`` is looked for in the server's words, or in ours where it said nothing."""

    code: str
    steps: frozenset[Step] = frozenset()
    codes: frozenset[int] = frozenset()
    status: str = ""  # an expression for the whole enhanced status
    says: str = ""
    when: Callable[[Fault], bool] | None = None

    def fits(self, fault: Fault) -> bool:
        reply = fault.reply
        return (
            (not self.steps or fault.step in self.steps)
            and (not self.codes or (reply is not None and reply.code in self.codes))
            and (not self.status or (reply is not None and re.fullmatch(self.status, reply.enhanced) is not None))
            and (not self.says or re.search(self.says, _words(fault), re.IGNORECASE) is not None)
            and (self.when is None or self.when(fault))
        )


def _words(fault: Fault) -> str:
    return fault.reply.text if fault.reply is not None else fault.trouble


def _facts(fault: Fault) -> dict[str, object]:
    return {
        "host": fault.host or "the server",
        "port": fault.port or "(the one in use)",
        "trouble": fault.trouble.partition("accepted: ")[2] or fault.trouble,
        "reply": str(fault.reply)[:_LONGEST_QUOTE] if fault.reply is not None else fault.trouble,
        "step": _STEP_WORDS[fault.step],
        "username": fault.username or "(none)",
        "sender": fault.sender or "(none)",
        "recipient": fault.recipient or "(none)",
        "name": fault.ehlo_name or "(none)",
    }


_STEP_WORDS = {
    Step.CONNECT: "connecting",
    Step.TLS: "TLS",
    Step.GREETING: "greeting",
    Step.EHLO: "EHLO",
    Step.STARTTLS: "STARTTLS",
    Step.LOGIN: "login",
    Step.MAIL: "MAIL",
    Step.RCPT: "RCPT",
    Step.DATA: "DATA",
}


def _silent(fault: Fault) -> bool:
    return fault.reply is None and bool(re.search(r"no answer within|timed out", fault.trouble))


def _hung_up(fault: Fault) -> bool:
    return fault.reply is None and bool(
        re.search(r"closed the connection|connection broke|reset by peer|eof", fault.trouble, re.I)
    )


def _unheard(fault: Fault) -> bool:
    return fault.reply is None and (_silent(fault) or _hung_up(fault))


def _in_clear(fault: Fault) -> bool:
    return fault.encryption is Encryption.NONE


def _is_garbage(fault: Fault) -> bool:
    return fault.reply is not None and fault.reply.code == 0


def _refused(fault: Fault) -> bool:
    return fault.reply is not None and fault.reply.is_permanent


def _case(
    code: str,
    *steps: Step,
    codes: Iterable[int] = (),
    status: str = "",
    says: str = "",
    when: Callable[[Fault], bool] | None = None,
) -> Case:
    return Case(code, frozenset(steps), frozenset(codes), status, says, when)


_REACHING = (
    _case("host_unknown", Step.CONNECT, says=r"could not be resolved"),
    _case("host_malformed", Step.CONNECT, says=r"is no host name"),
    _case("port_25", Step.CONNECT, when=lambda fault: fault.port == 25 and _silent(fault)),
    _case("port_25", Step.CONNECT, says=r"unreachable|no route", when=lambda fault: fault.port == 25),
    _case("refused", Step.CONNECT, says=r"connection refused"),
    _case("unreachable", Step.CONNECT, says=r"unreachable|no route to host|address not available|cannot assign"),
    _case("forbidden_here", Step.CONNECT, says=r"permission denied|not permitted"),
    _case("connect_timeout", Step.CONNECT, when=_silent),
)
_ENCRYPTION = (
    _case("certificate_expired", says=r"certificate was not accepted: .*has expired"),
    _case("certificate_not_yet", says=r"certificate was not accepted: .*not yet valid"),
    _case("certificate_name", says=r"certificate was not accepted: .*mismatch"),
    _case("certificate_self_signed", says=r"certificate was not accepted: self.signed certificate$"),
    _case("certificate_unknown", says=r"certificate was not accepted: .*(issuer|self.signed|verify the first|unable to get|signature failure)"),
    _case("certificate_other", says=r"certificate was not accepted"),
    _case("client_certificate_unusable", says=r"the client certificate cannot be used"),
    _case("tls_too_old", Step.TLS, Step.CONNECT, says=r"unsupported protocol|protocol version|version too low|no protocols available"),
    _case("tls_on_plain_port", Step.TLS, Step.CONNECT, says=r"wrong version number|packet length too long|http request|record layer failure|unknown protocol|unexpected eof|record overflow", when=lambda fault: fault.encryption is Encryption.TLS),
    _case("client_certificate", says=r"TLS handshake failed: .*(certificate required|bad certificate|unknown ca|certificate unknown|access denied|handshake failure).*", when=lambda fault: "alert" in fault.trouble and "alert handshake failure" not in fault.trouble),
    _case("client_certificate", says=r"alert (certificate|bad cert|unknown ca)|certificate required"),
    _case("tls_no_cipher", Step.TLS, Step.CONNECT, says=r"handshake failure|no shared cipher|no ciphers"),
    _case("tls_on_plain_port", Step.TLS, when=lambda fault: fault.encryption is Encryption.TLS and fault.port != 465 and _unheard(fault)),
    _case("tls_other", Step.TLS),
    _case("tls_other", Step.CONNECT, says=r"TLS handshake failed"),
    _case("starttls_missing", Step.STARTTLS, says=r"does not offer STARTTLS"),
    _case("injection", Step.STARTTLS, says=r"plain text came"),
    _case("starttls_refused", Step.STARTTLS, when=lambda fault: fault.reply is not None),
    _case("plain_on_tls_port", Step.GREETING, Step.EHLO, when=lambda fault: fault.encryption is not Encryption.TLS and fault.port in (465, 993, 995) and (_unheard(fault) or _is_garbage(fault))),
    _case("plain_on_tls_port", Step.GREETING, says=r"^[\x00-\x1f\ufffd]|^\x15\x03", when=_is_garbage),
    _case("not_smtp", Step.GREETING, when=_is_garbage),
)  # fmt: skip
_PROVIDERS_LOGIN = (
    _case("gmail_app_password", Step.LOGIN, says=r"application-specific password|InvalidSecondFactor"),
    _case("gmail_browser", Step.LOGIN, says=r"web.?login.?required|log in via your web browser|WebLoginRequired"),
    _case("token_refused", Step.LOGIN, codes=(535, 334, 501, 503, 534), when=lambda fault: fault.is_token),
    _case("gmail_app_password", Step.LOGIN, codes=(534, 535), says=r"gsmtp|BadCredentials|support\.google\.com"),
    _case("gmail_app_password", Step.LOGIN, codes=(534, 535), when=lambda fault: fault.host.endswith(("gmail.com", "googlemail.com"))),
    _case("microsoft_smtp_auth", Step.LOGIN, says=r"SmtpClientAuthentication is disabled"),
    _case("microsoft_basic", Step.LOGIN, says=r"basic authentication is disabled|security defaults|locked by your organization|did not pass the policy|contact your administrator"),
    _case("microsoft_login", Step.LOGIN, codes=(535,), when=lambda fault: fault.host.endswith(("office365.com", "outlook.com"))),
    _case("ses_credentials", Step.LOGIN, codes=(535, 530), when=lambda fault: "amazonaws.com" in fault.host),
    _case("quota_of_plan", says=r"maximum credits exceeded|credits? (has|have) been|exceeded your (messaging|sending) (limit|quota)"),
    _case("sendgrid_key", Step.LOGIN, codes=(535,), when=lambda fault: fault.host.endswith("sendgrid.net")),
    _case("sendgrid_key", Step.LOGIN, says=r"authorization grant is invalid"),
)  # fmt: skip
_LOGIN = (
    _case("token_missing", Step.LOGIN, says=r"no access token"),
    _case("login_needs_tls", Step.LOGIN, says=r"offers no login", when=_in_clear),
    _case("no_login_offered", Step.LOGIN, says=r"it offers: none"),
    _case("no_login_in_common", Step.LOGIN, says=r"offers no login"),
    _case("login_needs_tls", Step.LOGIN, codes=(538,)),
    _case("login_needs_tls", Step.LOGIN, status=r"5\.7\.11"),
    _case(
        "login_needs_tls",
        Step.LOGIN,
        says=r"encryption (is )?required|must issue a STARTTLS|requires? (TLS|SSL|encryption)",
    ),
    _case("too_fast", Step.LOGIN, says=r"too many (login|auth)"),
    _case("login_later", Step.LOGIN, codes=(421, 432, 454, 451, 450)),
    _case("login_refused", Step.LOGIN, codes=(535, 525)),
    _case("login_forbidden", Step.LOGIN, codes=(534, 550, 530, 552, 554)),
    _case("login_closed", Step.LOGIN, when=_hung_up),
)
_EVERYWHERE_FIRST = (
    _case("login_required", Step.MAIL, Step.RCPT, says=r"client host rejected: access denied", when=lambda fault: not fault.username),
    _case("blocked", says=r"spamhaus|blocked using|block ?list|blacklist|spamcop|barracuda|sorbs|\bRBL\b|DNSBL|poor reputation|banned|client host .*(rejected|blocked)"),
    _case("daily_limit", says=r"daily (user )?(sending|message|smtp) (limit|quota)|daily limit|quota exceeded.*24|message rate per 24|exceeded.*per day"),
    _case("daily_limit", status=r"[45]\.4\.5", says=r"limit"),
    _case("daily_limit", status=r"5\.7\.232|5\.2\.2\d\d", says=r"limit"),
    _case("sandbox", says=r"sandbox subdomains|authorized recipients|free accounts are for test|email address is not verified.*(region|identities).*recipient"),
    _case("too_many_connections", says=r"too many (concurrent |simultaneous )?(smtp )?connections|connection limit|concurrent connections|too many sessions|max.* connections"),
    _case("too_fast", says=r"rate limit|too many (messages|mails|requests)|sending too fast|throttl|slow down|unusual rate|message rate"),
)  # fmt: skip
_SENDER = (
    _case("policy", status=r"5\.7\.(2[0-7]|509|515)"),
    _case("starttls_required", says=r"must issue (a )?STARTTLS|STARTTLS (command )?(is )?(required|first)|encryption (is )?required"),
    _case("sender_identity", says=r"sender identity|verified sender|address is not verified|identity.*not verified|not a verified|domain .*not (verified|allowed to send)|sender signature|unverified"),
    _case("sender_not_owned", says=r"not owned by|SendAsDenied|send as this sender|not allowed to send as|sender (address )?(mismatch|must match)|does not match.*(login|auth)|not authorized to (use|send)|doesn't belong"),
    _case("sender_not_owned", status=r"5\.7\.60|5\.2\.252"),
    _case("login_required", Step.MAIL, Step.RCPT, Step.DATA, codes=(530,)),
    _case("login_required", Step.MAIL, Step.RCPT, Step.DATA, says=r"authentication (is )?(required|needed)|not authenticated|please (log ?in|authenticate)|authenticate first|auth(entication)? first|unauthenticated"),
    _case("utf8_missing", status=r"5\.6\.7"),
    _case("sender_domain", Step.MAIL, Step.RCPT, says=r"domain of sender|sender.*domain (not found|does not exist|must)|sender address rejected: domain not found|unresolvable sender|bad sender domain"),
    _case("sender_domain", Step.MAIL, Step.RCPT, status=r"[45]\.1\.8"),
    _case("size", codes=(552,)),
    _case("size", status=r"5\.3\.4"),
    _case("storage", codes=(452,)),
    _case("storage", status=r"4\.3\.1"),
    _case("sender_syntax", Step.MAIL, status=r"5\.1\.7"),
    _case("sender_syntax", Step.MAIL, codes=(501, 555)),
    _case("sender_not_owned", Step.MAIL, codes=(553,), status=r"5\.7\.1"),
    _case("sender_refused", codes=(553,)),
)  # fmt: skip
_RECIPIENT = (
    _case("relay_denied", says=r"relay(ing)? (access )?(is )?(denied|not permitted|not allowed|prohibited)|unable to relay|not permitted to relay|cannot relay|we do not relay|relay not"),
    _case("relay_denied", status=r"5\.7\.54"),
    _case("sender_refused", Step.RCPT, says=r"sender address rejected"),
    _case("greylisted", Step.RCPT, says=r"gr[ea]y-?list"),
    _case("recipient_unknown", Step.RCPT, status=r"5\.1\.(1|2|3|6|10)"),
    _case("recipient_unknown", Step.RCPT, says=r"user unknown|unknown (user|recipient)|no such (user|recipient|mailbox)|does not exist|mailbox unavailable|recipient.*not found"),
    _case("policy", Step.RCPT, codes=(550, 554), status=r"5\.7\.\d+"),
    _case("recipient_refused", Step.RCPT, when=_refused),
)  # fmt: skip
_OTHERWISE = (
    _case("blocked", Step.GREETING, codes=(550, 553, 554), status=r"5\.7\.\d+"),
    _case("blocked", Step.GREETING, codes=(550, 553, 554), says=r"denied|rejected|refused|not allowed|forbidden|block"),
    _case("not_in_service", Step.GREETING, when=_refused),
    _case("ehlo_refused", Step.EHLO, says=r"helo|ehlo|host ?name|fqdn|domain", when=_refused),
    _case("blocked", Step.EHLO, says=r"denied|rejected|blocked", when=_refused),
    _case("ehlo_refused", Step.EHLO, when=_refused),
    _case("sender_refused", Step.MAIL, codes=(550,)),
    _case("policy", codes=(550, 554), status=r"5\.7\.\d+"),
    _case("going_down", codes=(421,)),
    _case("greylisted", Step.RCPT, codes=(450, 451)),
    _case("chatter", says=r"more than it was asked|lost count|without being asked"),
    _case("silent", when=_silent),
    _case("hung_up", when=_hung_up),
    _case("later", when=lambda fault: fault.reply is not None and fault.reply.is_transient),
    _case("refusal", when=lambda fault: fault.reply is not None),
    _case("other"),
)

CASES: tuple[Case, ...] = (
    *_REACHING,
    *_ENCRYPTION,
    *_PROVIDERS_LOGIN,
    *_LOGIN,
    *_EVERYWHERE_FIRST,
    *_SENDER,
    *_RECIPIENT,
    *_OTHERWISE,
)
