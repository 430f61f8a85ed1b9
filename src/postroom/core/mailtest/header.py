"""Its header: what RFC 5322, 2045 and 6532 ask for, and what filters and readers take amiss.

Laws: pure; what the bytes of the wire alone could tell is unchecked where they are not at hand.
"""

from __future__ import annotations

import re
from collections import Counter
from datetime import timedelta

from postroom.core.mailtest.facts import LONGEST_LINE, MailFacts
from postroom.core.mailtest.findings import TestFinding, found
from postroom.core.mailtest.hosts import are_kin
from postroom.core.mailtest.rules import RuleCode
from postroom.core.mime.defects import Defect
from postroom.core.terms.reasons import because

AHEAD, BEHIND = timedelta(hours=1), timedelta(days=1)  # of Date, against the first server's clock
_ONCE = ("from", "sender", "reply-to", "to", "cc", "message-id", "in-reply-to", "references", "subject", "date", "mime-version",
         "content-type", "content-transfer-encoding")  # RFC 5322 3.6  # fmt: skip
_ADDRESS_IN_NAME = re.compile(r"[\w.+-]{1,64}@([A-Za-z0-9-]{1,63}(?:\.[A-Za-z0-9-]{1,63}){1,8})")
_REPLY = re.compile(r"(?:re|aw|antw|sv|rv|fwd?|wg)\s{0,3}:", re.IGNORECASE)
_BROKEN = frozenset(
    map(str, (Defect.BROKEN_BOUNDARY, Defect.MISSING_CLOSING_BOUNDARY, Defect.BAD_TRANSFER_ENCODING, Defect.BAD_CONTENT_TYPE,
              Defect.BAD_HEADER, Defect.MISSING_HEADER_SEPARATOR, Defect.BARE_CR, Defect.UNDECODABLE_TEXT, Defect.WRONG_CHARSET,
              Defect.BAD_CHARSET, Defect.TOO_DEEP, Defect.TOO_MANY_PARTS, Defect.HEADERS_TOO_LARGE, Defect.EMPTY_MESSAGE,
              Defect.PARSER_FAULT))
)  # fmt: skip
_SHOUTING = 8  # letters from which capitals alone are shouting


def check_header(facts: MailFacts) -> list[TestFinding]:
    """What is amiss; one finding that all is well where nothing is."""
    findings = [
        *_originators(facts),
        *_recipients(facts),
        *_date(facts),
        *_identifier(facts),
        *_subject(facts),
        *_form(facts),
    ]
    if not any(one.tenths for one in findings):
        findings.append(found(RuleCode.HEADERS_GOOD))
    return [*findings, *_automatic(facts)]


def _originators(facts: MailFacts) -> list[TestFinding]:
    mail, domain = facts.mail, facts.author_domain
    if not mail.header_from:
        return [found(RuleCode.FROM_MISSING, evidence=mail.all_headers("from"))]
    findings = []
    fields = mail.all_headers("from")
    if len(fields) > 1 or len({one.normal.rpartition("@")[2] for one in mail.header_from}) > 1:
        findings.append(found(RuleCode.FROM_SEVERAL, evidence=fields))
    name = mail.header_from[0].name
    claimed = _ADDRESS_IN_NAME.search(name[:500])
    if claimed and not are_kin(claimed[1], domain):
        findings.append(found(RuleCode.FROM_NAME_MISLEADS, evidence=fields[:1], name=name, domain=domain))
    elsewhere = [one for one in mail.reply_to if domain and not are_kin(one.domain, domain)]
    if elsewhere and not mail.header("list-id"):
        findings.append(
            found(
                RuleCode.REPLY_TO_ELSEWHERE,
                evidence=mail.all_headers("reply-to"),
                address=elsewhere[0].spec,
                domain=domain,
            )
        )
    return findings


def _recipients(facts: MailFacts) -> list[TestFinding]:
    mail = facts.mail
    if (
        mail.to or mail.cc or mail.all_headers("to") or mail.all_headers("cc")
    ):  # a named group without members is an answer, too
        return []
    return [found(RuleCode.TO_MISSING)]


def _date(facts: MailFacts) -> list[TestFinding]:
    mail, seen = facts.mail, facts.first_seen_at
    if mail.date is None:
        return [found(RuleCode.DATE_MISSING, evidence=mail.all_headers("date"))]
    if seen is None or -BEHIND <= mail.date - seen <= AHEAD:
        return []
    evidence = [f"Date: {mail.header('date')}", f"first Received: {seen:%a, %d %b %Y %H:%M:%S} +0000"]
    return [
        found(RuleCode.DATE_OFF, evidence=evidence, side=because(f"piece.{'after' if mail.date > seen else 'before'}"))
    ]


def _identifier(facts: MailFacts) -> list[TestFinding]:
    written = facts.mail.all_headers("message-id")
    if Defect.MISSING_MESSAGE_ID in facts.mail.defects:
        return [found(RuleCode.MESSAGE_ID_MISSING)]
    if Defect.BAD_MESSAGE_ID in facts.mail.defects or not _is_whole(facts.mail.message_id):
        return [found(RuleCode.MESSAGE_ID_BAD, evidence=written)]
    return []


def _is_whole(message_id: str) -> bool:
    local, at, domain = message_id.strip("<>").rpartition("@")
    return bool(local and at and domain) and not domain.lower().startswith(("localhost", "["))


def _subject(facts: MailFacts) -> list[TestFinding]:
    subject = facts.mail.subject.strip()
    if not subject:
        return [found(RuleCode.SUBJECT_EMPTY)]
    findings = []
    letters = [char for char in subject[:500] if char.isalpha()]
    is_loud = len(letters) >= _SHOUTING and sum(char.isupper() for char in letters) > 0.8 * len(letters)
    if is_loud or "!!!" in subject or "???" in subject:
        findings.append(found(RuleCode.SUBJECT_SHOUTS, evidence=[subject]))
    answers = (
        facts.mail.in_reply_to or facts.mail.references or facts.mail.forwarded or facts.mail.header("thread-index")
    )
    if _REPLY.match(subject) and not answers:
        findings.append(found(RuleCode.SUBJECT_FALSE_REPLY, evidence=[subject]))
    return findings


def _form(facts: MailFacts) -> list[TestFinding]:
    """What the standards ask of fields, lines and parts."""
    mail, wire = facts.mail, facts.wire
    counts = Counter(name.lower() for name, _ in mail.headers)
    findings = []
    if twice := [name for name in _ONCE if counts[name] > 1 and name != "from"]:
        findings.append(
            found(
                RuleCode.FIELD_TWICE,
                evidence=[f"{name}: {counts[name]}×" for name in twice],
                fields=", ".join(twice),
            )
        )
    if not facts.source.is_original:
        return [*findings, found(RuleCode.FORM_UNCHECKED)]
    if (counts["content-type"] or counts["content-transfer-encoding"]) and not counts["mime-version"]:
        findings.append(found(RuleCode.MIME_VERSION_MISSING))
    if wire.has_8bit_header:
        findings.append(found(RuleCode.EIGHT_BIT_HEADER))
    if wire.has_8bit_body:
        findings.append(found(RuleCode.EIGHT_BIT_BODY))
    if wire.longest_line > LONGEST_LINE:
        findings.append(found(RuleCode.LINE_TOO_LONG, length=wire.longest_line))
    if broken := sorted(_BROKEN.intersection(mail.defects)):
        findings.append(found(RuleCode.STRUCTURE_BROKEN, evidence=broken, defects=", ".join(broken)))
    return findings


def _automatic(facts: MailFacts) -> list[TestFinding]:
    said = facts.mail.header("auto-submitted").strip()
    if said and said.partition(";")[0].strip().lower() != "no":
        return [found(RuleCode.AUTOMATIC, evidence=[f"Auto-Submitted: {said}"])]
    return []
