"""Whose fault a failure is, in one vocabulary: address, mailbox, policy, sender, server, network.

Duty: from an SMTP reply or from the status and text of a delivery report. Used at sending and for reports alike.
Laws: pure, never raises. Well-known words come first, because servers are careless with codes; then the enhanced status
(RFC 3463, RFC 7372, RFC 7505 and the IANA registry); then the basic code (RFC 5321 4.2.3). What is unknown is the
server's. Blame says *who*; whether it is final is the class of the status.
"""

from __future__ import annotations

import re

from postroom.core.terms.smtp_replies import SmtpReply
from postroom.core.terms.states import Blame

_A, _M, _P, _S, _V, _N = Blame.ADDRESS, Blame.MAILBOX, Blame.POLICY, Blame.SENDER, Blame.SERVER, Blame.NETWORK

# Ordered: the first that is found wins. Each row: who, and the words (lower case, single spaces).
_WORDS: tuple[tuple[Blame, str], ...] = (
    # our own identity: SPF, DKIM, DMARC, PTR, login, relaying
    (_S, r"\bspf\b|sender policy framework|openspf"),
    (_S, r"\bdkim\b|\bdmarc\b|domain-based message auth|sender'?s? domain.{0,20}policy|unauthenticated e?-?mail|not authenticated"),
    (_S, r"reverse dns|\bptr\b|rdns|no reverse|reverse lookup|helo command rejected|ehlo.{0,20}(?:invalid|rejected)"),
    (_S, r"relay(?:ing)? (?:access )?(?:is )?(?:denied|not permitted|not allowed|prohibited)|unable to relay|authentication (?:is )?required|must authenticate|smtp auth"),
    (_S, r"sender (?:address |e-?mail )?(?:rejected|denied|not allowed|verify failed|verification failed)|bad sender|invalid sender|envelope sender|return path.{0,20}invalid|not (?:allowed|authorized) to send (?:as|from)"),
    # the mailbox
    (_M, r"(?:mailbox|inbox|mail ?box|account|user|recipient|maildir|mail folder).{0,40}(?:is |was )?(?:too )?full|over ?quota|quota.{0,20}(?:exceed|full|reach)|exceed.{0,40}quota|disk quota|out of (?:storage|space)|not enough (?:storage|space)|storage.{0,20}exceed|insufficient (?:disk|storage)"),
    (_M, r"(?:mailbox|account|user|address|recipient).{0,30}(?:is |has been |was |temporarily )*(?:disabled|inactive|suspended|locked|blocked|deactivated|on hold|not active)|inactive (?:user|mailbox|account)"),
    # what they do not want
    (_P, r"spamhaus|spamcop|barracuda|sorbs|blocklist|black ?list|block ?list|\bdnsbl\b|\brbl\b|poor reputation|bad reputation|low reputation|senderbase"),
    (_P, r"\bspam\b|\bvirus\b|malware|unsolicited|content (?:rejected|filter|policy)|message content|blocked by (?:policy|filter)|policy (?:violation|reasons?|restrictions?)|administrative prohibition"),
    (_P, r"message (?:size|is|was)?.{0,20}too (?:large|big|long)|exceeds.{0,30}(?:size|maximum)|size limit|maximum (?:message )?size"),
    (_P, r"rate limit|too many (?:messages|mails|recipients|connections)|throttl|greylist|gr[ae]y-?listed|sending (?:limit|rate)|try again later.{0,10}volume"),
    # the address
    (_A, r"user unknown|unknown (?:user|recipient|local|mailbox|address|account)|no such (?:user|recipient|mailbox|address|account|person|local)|(?:user|recipient|mailbox|address|account|alias).{0,30}(?:does ?n[o']t exist|do not exist|not found|unknown|not known|is invalid|no longer (?:exists|valid|available|in use))|no mailbox (?:here )?by that name|invalid (?:recipient|mailbox|user|address)|bad destination|not a valid (?:recipient|mailbox|user)|address rejected|does not have an? .{0,30}(?:account|mailbox)|not (?:our|a local) (?:customer|user)|not listed in|recipientnotfound"),
    (_A, r"(?:domain|host).{0,20}(?:not found|does ?n[o']t exist|unknown)|unknown (?:host|domain)|name service error.{0,60}(?:host not found|type=)|nullmx|null mx|does not accept (?:e-?)?mail|domain.{0,20}accepts no mail"),
    # on the way
    (_N, r"connection (?:timed out|refused|reset|dropped|lost)|no route to host|network is unreachable|(?:host|server|operation) timed out|could not connect|lost connection|conversation with .{0,80} timed out|(?:temporary|dns) (?:lookup|resolution|failure|error)|hop count exceeded|too many hops|mail loop|routing loop|loops? back to myself"),
)  # fmt: skip
_TABLE = tuple((blame, re.compile(words)) for blame, words in _WORDS)

# Subject and detail of the enhanced status, the most specific first.
_STATUS: dict[str, Blame] = {
    "1.7": _S, "1.8": _S, "1.9": _S,  # bad sender's address, RFC 3463
    "1.": _A,
    "2.1": _M, "2.2": _M, "2.3": _P, "2.4": _A, "2.": _M,
    "3.4": _P, "3.": _V,
    "4.3": _N, "4.4": _N, "4.5": _V, "4.6": _N, "4.7": _N, "4.": _N,
    "5.2": _V, "5.3": _P, "5.": _V,
    "6.": _P,
    "7.0": _P, "7.1": _P, "7.8": _S, "7.9": _S, "7.11": _S, "7.14": _S,
    "7.20": _S, "7.21": _S, "7.22": _S, "7.23": _S, "7.24": _S, "7.25": _S, "7.26": _S, "7.27": _A, "7.13": _M,
    "7.": _P,
}  # fmt: skip

_CODES: dict[int, Blame] = {
    421: _V, 450: _M, 451: _V, 452: _M, 454: _V,
    501: _A, 510: _A, 511: _A, 512: _A, 513: _A, 521: _A, 530: _S, 534: _S, 535: _S, 538: _S,
    541: _P, 550: _V, 551: _A, 552: _M, 553: _A, 554: _P, 556: _A,
}  # fmt: skip


def blame_of(reply: SmtpReply) -> Blame:
    """Who is to blame for this refusal."""
    return blame(reply.enhanced, reply.text, code=reply.code)


def blame(status: str, text: str, *, code: int = 0) -> Blame:
    """``status`` such as ``5.1.1`` or ``""``; ``text`` the reply or Diagnostic-Code; ``code`` 0 when unknown."""
    words = " ".join(text.lower().split())
    for who, pattern in _TABLE:
        if pattern.search(words):
            return who
    detail = status.partition(".")[2]
    if detail and detail not in ("0.0",):
        who_by_status = _STATUS.get(detail) or _STATUS.get(detail.partition(".")[0] + ".")
        if who_by_status is not None:
            return who_by_status
    return _CODES.get(code, Blame.SERVER)
