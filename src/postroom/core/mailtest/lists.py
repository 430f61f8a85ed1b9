"""Leaving a list, and the size of the mail: what large receivers ask of mail that goes to many.

Laws: pure; the address in List-Unsubscribe is never asked: to ask it is to unsubscribe. Standards: RFC 2369, RFC 2919, RFC 8058.
"""

from __future__ import annotations

import re

from postroom.core.mailtest.evidence import SenderChecks
from postroom.core.mailtest.facts import MailFacts
from postroom.core.mailtest.findings import TestFinding, found
from postroom.core.mailtest.rules import RuleCode
from postroom.core.senders.results import Method

CLIPPED_AT = 102 * 1024  # bytes of HTML that Gmail shows
TOO_LARGE = 25 * 1024 * 1024  # bytes that most receivers take
_BULK = frozenset(("bulk", "list", "junk"))
_ADDRESS = re.compile(r"<\s{0,9}([^<>\s]{1,2000})\s{0,9}>")
_SIGNED_NAMES = re.compile(r"(?:\A|;)\s{0,99}h\s{0,9}=([^;]{1,4000})", re.IGNORECASE)


def check_lists(facts: MailFacts, checks: SenderChecks) -> list[TestFinding]:
    """Whether a mail to many can be left with one click."""
    mail = facts.mail
    written = mail.header("list-unsubscribe")
    is_bulk = bool(mail.header("list-id") or mail.header("feedback-id") or mail.header("list-unsubscribe-post"))
    is_bulk = is_bulk or mail.header("precedence").strip().lower() in _BULK
    if not written:
        return [found(RuleCode.UNSUBSCRIBE_MISSING if is_bulk else RuleCode.UNSUBSCRIBE_NOT_APPLICABLE)]
    addresses = _ADDRESS.findall(written)
    web = [one for one in addresses if one.lower().startswith(("http://", "https://"))]
    evidence = [f"List-Unsubscribe: {written}"]
    if not any(one.lower().startswith("https://") for one in web):
        return [found(RuleCode.UNSUBSCRIBE_NOT_HTTPS, evidence=evidence)]
    post = mail.header("list-unsubscribe-post")
    if "".join(post.split()).lower() != "list-unsubscribe=one-click":
        return [
            found(
                RuleCode.UNSUBSCRIBE_NOT_AT_ONCE,
                evidence=[*evidence, *([f"List-Unsubscribe-Post: {post}"] if post else [])],
            )
        ]
    if not _is_signed(facts, checks):
        return [found(RuleCode.UNSUBSCRIBE_NOT_SIGNED, evidence=mail.all_headers("dkim-signature"))]
    return [found(RuleCode.UNSUBSCRIBE_GOOD, evidence=evidence)]


def _is_signed(facts: MailFacts, checks: SenderChecks) -> bool:
    """RFC 8058 4: a signature covers both fields. That it is good is asked elsewhere; where it is known to be bad it covers nothing."""
    if (results := checks.of(Method.DKIM)) and checks.is_body_known and not any(one.is_pass for one in results):
        return False
    wanted = {"list-unsubscribe", "list-unsubscribe-post"}
    for value in facts.mail.all_headers("dkim-signature"):
        names = _SIGNED_NAMES.search(value)
        if names and wanted <= {name.strip().lower() for name in names[1].split(":")}:
            return True
    return False


def check_size(facts: MailFacts) -> list[TestFinding]:
    """Of the whole, and of what Gmail shows of it."""
    if not facts.source.has_body:
        return [found(RuleCode.SIZE_UNCHECKED)]
    findings = []
    html = len(facts.mail.html.encode("utf-8", "replace"))
    if html > CLIPPED_AT:
        findings.append(found(RuleCode.SIZE_CLIPPED, size=_in_kb(html)))
    if not facts.source.is_original:
        return [*findings, found(RuleCode.SIZE_UNCHECKED)]
    if facts.wire.size > TOO_LARGE:
        findings.append(found(RuleCode.SIZE_TOO_LARGE, size=_in_kb(facts.wire.size)))
    return findings or [found(RuleCode.SIZE_GOOD, size=_in_kb(facts.wire.size))]


def _in_kb(size: int) -> str:
    return f"{size / 1024:.0f} kB" if size >= 1024 else f"{size} B"
