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

_MAX_TEXT = 4_000
_A, _M, _P, _S, _V, _N = Blame.ADDRESS, Blame.MAILBOX, Blame.POLICY, Blame.SENDER, Blame.SERVER, Blame.NETWORK

# Ordered: the first that is found wins. Each row: who, and the words (lower case, single spaces).
_WORDS: tuple[tuple[Blame, str], ...] = (
    # our own identity: SPF, DKIM, DMARC, PTR, names, login, relaying, the sender's address
    (_S, r"\bspf\b|sender policy framework|openspf"),
    (_S, r"\bdkim\b|\bdmarc\b|domain-based message auth|unauthenticated|(?:required|necessary) (?:level of )?authentication|authentication (?:level|checks?|requirements?)"),
    (_S, r"reverse dns|\bptr\b|\brdns\b|reverse lookup|(?:helo|ehlo) (?:command )?.{0,20}(?:rejected|invalid|refused)|my name was rejected"),
    (_S, r"relay(?:ing)? (?:access )?(?:is )?(?:denied|not permitted|not allowed|prohibited)|unable to relay|authentication (?:is )?required|must authenticate|smtp auth"),
    (_S, r"sender (?:address |e-?mail |domain |was )?(?:rejected|denied|not allowed|verify failed|verification failed|invalid)|(?:bad|invalid) sender|domain of sender|mailfrom domain|return path.{0,20}invalid|not (?:allowed|authori[sz]ed) to send (?:as|from)"),
    # the mailbox
    (_M, r"(?:mailbox|inbox|mail ?box|account|user|recipient|maildir|mail ?folder).{0,40}(?:is |was )?(?:too )?full\b|over ?quota|quota.{0,20}(?:exceed|full|reach)|exceed.{0,40}quota|disk quota|out of (?:storage|space)|not enough (?:storage|space)|storage.{0,20}exceed|insufficient (?:disk|storage)|number of messages in recipient"),
    (_M, r"(?:mailbox|account|user|address|recipient).{0,30}(?:is|has been|was|temporarily) (?:disabled|inactive|suspended|locked|deactivated|on hold|not active|blocked)|inactive (?:user|mailbox|account)|mailbox disabled"),
    # what they do not want
    (_P, r"spamhaus|spamcop|barracuda|sorbs|block(?:ed)? ?list|black ?list|blocked using|\bdnsbl\b|\bd?rbl\b|(?:poor|bad|low) reputation|senderbase|(?<!not )\blisted (?:in|at|by) "),
    (_P, r"\bspam\b|\bvirus\b|malware|unsolicited|unusual rate|content (?:rejected|filter|policy|error)|message content|blocked by (?:policy|filter)|policy (?:violation|reasons?|restrictions?)|administrative prohibition|recipient preferences"),
    (_P, r"message.{0,20}too (?:large|big|long)|exceeds.{0,30}(?:size|maximum|limit)|size limit|maximum (?:message )?size"),
    (_P, r"rate limit|too many (?:messages|mails|recipients|connections)|throttl|greylist|gr[ae]y-?listed|sending (?:limit|rate)|volume or user complaints"),
    # names that could not be looked up just now
    (_N, r"(?:host|domain) not found,? try again|temporary (?:lookup|resolution|dns)|(?:lookup|resolution) (?:timed out|temporarily)"),
    # the address
    (_A, r"recipient address rejected: access denied|user unknown|unknown (?:user|recipient|local|mailbox|address|account)|no such (?:user|recipient|mailbox|address|account|person|local|domain)|user not known|(?:user|recipient|mailbox|address|account|alias|name)[^:;]{0,60}(?:does ?n[o']t exist|do not exist|not found|unknown|not known|not recognized|is invalid|no longer (?:exists|valid|available|in use))|no mailbox (?:here )?by that name|invalid (?:recipient|mailbox|user|address|final delivery userid)|bad destination|not a valid (?:recipient|mailbox|user)|does ?n[o']t have an? .{0,60}(?:account|mailbox)|not (?:our|a local) (?:customer|user)|not listed in .{0,30}(?:directory|address book)|recipientnotfound|nosuchuser|wrong or no longer valid|unrout(?:e)?able address"),
    (_A, r"(?:domain|host)[^:;]{0,60}(?:not found|does ?n[o']t exist|unknown|nonexistent)|unknown (?:host|domain)|nxdomain|\bnull ?mx\b|no mx record|(?:does not|doesn't) (?:accept|receive) (?:e-?)?mail|accepts no mail"),
    # on the way
    (_N, r"connection (?:timed out|refused|reset|dropped|lost)|no route to host|network is unreachable|(?:host|server|operation|conversation) (?:with .{0,80} )?timed ?out|(?:could not|unable to|did not accept our requests to) connect|(?:lost|establish an smtp) connection|(?:hop count|too many hops)|mail loop|routing loop|loops? back to myself|retry timeout|name service error|(?:been )?in the queue too long|did not respond|not responding|dns (?:lookup )?(?:error|failure)"),
)  # fmt: skip
_TABLE = tuple((who, re.compile(words)) for who, words in _WORDS)

# Subject and detail of the enhanced status, the more specific first. RFC 3463, 5248, 7372, 7504, 7505.
_STATUS: dict[str, Blame] = {
    "1.7": _S, "1.8": _S, "1.9": _S,
    "1.": _A,
    "2.3": _P, "2.4": _A, "2.": _M,
    "3.4": _P, "3.": _V,
    "4.5": _V, "4.": _N,
    "5.3": _P, "5.": _V,
    "6.": _P,
    "7.8": _S, "7.9": _S, "7.11": _S, "7.13": _M, "7.14": _S,
    "7.20": _S, "7.21": _S, "7.22": _S, "7.23": _S, "7.24": _S, "7.25": _S, "7.26": _S, "7.27": _A,
    "7.": _P,
}  # fmt: skip
_PERMANENT: dict[str, Blame] = {"4.4": _A}  # a route that cannot exist: the domain is wrong

_CODES: dict[int, Blame] = {
    450: _M, 452: _M,
    510: _A, 511: _A, 512: _A, 513: _A, 530: _S, 534: _S, 535: _S, 538: _S, 541: _P,
    550: _P, 551: _A, 552: _M, 553: _A, 554: _P, 556: _A,
}  # fmt: skip


def blame_of(reply: SmtpReply) -> Blame:
    """Who is to blame for this refusal."""
    return blame(reply.enhanced, reply.text, code=reply.code)


def blame(status: str, text: str, *, code: int = 0) -> Blame:
    """``status`` such as ``5.1.1`` or ``""``; ``text`` the reply or Diagnostic-Code; ``code`` 0 when unknown."""
    detail = status.partition(".")[2]
    by_status = _by_status(status[:1], detail)
    by_words = _by_words(text)
    if by_words is Blame.ADDRESS and by_status in (Blame.MAILBOX, Blame.SENDER):
        return by_status  # "user unknown" of a mailbox that is there (5.2.1) is no proof against the address
    return by_words or by_status or _CODES.get(code, Blame.SERVER)


def _by_words(text: str) -> Blame | None:
    words = " ".join(text[:_MAX_TEXT].lower().split())
    return next((who for who, pattern in _TABLE if pattern.search(words)), None)


def _by_status(status_class: str, detail: str) -> Blame | None:
    if status_class == "5" and detail in _PERMANENT:
        return _PERMANENT[detail]
    if not detail or detail == "0.0":
        return None
    return _STATUS.get(detail) or _STATUS.get(detail.partition(".")[0] + ".")
