"""The rules of the mail test: one row each, with the points that it costs. docs/reference/mail-test-rules.md is made from this table.

Laws: points are tenths of one of the ten points, so that the arithmetic is exact. A code is stored and never renamed. Each rule costs at
most once, however often it is broken; a rule of 0 tenths only tells. What could not be looked at costs nothing and is said to be unchecked.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

FULL = 100  # tenths of a point that a mail begins with


class Section(StrEnum):
    """What part of the mail a rule is about; in this order they are told."""

    AUTHENTICATION = "authentication"
    PATH = "path"
    HEADERS = "headers"
    CONTENT = "content"
    LINKS = "links"
    ATTACHMENTS = "attachments"
    LISTS = "lists"
    SIZE = "size"
    FILTER = "filter"


class Outcome(StrEnum):
    """What became of a rule."""

    LOST = "lost"  # it costs points
    HINT = "hint"  # worth knowing, costs nothing
    UNCHECKED = "unchecked"  # nobody could tell, and why
    GOOD = "good"
    NOT_APPLICABLE = "not_applicable"


class RuleCode(StrEnum):
    """The closed list of rules."""

    # who sent it
    SPF_PASS = "spf_pass"  # noqa: S105 - a result
    SPF_FAIL = "spf_fail"
    SPF_SOFTFAIL = "spf_softfail"
    SPF_NEUTRAL = "spf_neutral"
    SPF_NONE = "spf_none"
    SPF_BROKEN = "spf_broken"
    SPF_NOT_ALIGNED = "spf_not_aligned"
    SPF_UNCHECKED = "spf_unchecked"
    SPF_NOT_APPLICABLE = "spf_not_applicable"
    DKIM_PASS = "dkim_pass"  # noqa: S105
    DKIM_NONE = "dkim_none"
    DKIM_FAIL = "dkim_fail"
    DKIM_NOT_ALIGNED = "dkim_not_aligned"
    DKIM_UNCHECKED = "dkim_unchecked"
    DMARC_PASS = "dmarc_pass"  # noqa: S105
    DMARC_FAIL = "dmarc_fail"
    DMARC_NONE = "dmarc_none"
    DMARC_UNCHECKED = "dmarc_unchecked"
    ARC_PASS = "arc_pass"  # noqa: S105
    ARC_FAIL = "arc_fail"
    # how it travelled
    PATH_GOOD = "path_good"
    PATH_DELAY = "path_delay"
    PATH_SKEW = "path_skew"
    PATH_PLAIN = "path_plain"
    PATH_UNCHECKED = "path_unchecked"
    # its header
    HEADERS_GOOD = "headers_good"
    FROM_MISSING = "from_missing"
    FROM_SEVERAL = "from_several"
    FROM_NAME_MISLEADS = "from_name_misleads"
    REPLY_TO_ELSEWHERE = "reply_to_elsewhere"
    TO_MISSING = "to_missing"
    DATE_MISSING = "date_missing"
    DATE_OFF = "date_off"
    MESSAGE_ID_MISSING = "message_id_missing"
    MESSAGE_ID_BAD = "message_id_bad"
    SUBJECT_EMPTY = "subject_empty"
    SUBJECT_SHOUTS = "subject_shouts"
    SUBJECT_FALSE_REPLY = "subject_false_reply"
    FIELD_TWICE = "field_twice"
    MIME_VERSION_MISSING = "mime_version_missing"
    EIGHT_BIT_HEADER = "eight_bit_header"
    EIGHT_BIT_BODY = "eight_bit_body"
    LINE_TOO_LONG = "line_too_long"
    STRUCTURE_BROKEN = "structure_broken"
    FORM_UNCHECKED = "form_unchecked"
    AUTOMATIC = "automatic"
    # what it says
    CONTENT_GOOD = "content_good"
    NOTHING_TO_READ = "nothing_to_read"
    HTML_ALONE = "html_alone"
    TEXT_DIFFERS = "text_differs"
    ONLY_A_PICTURE = "only_a_picture"
    HIDDEN_TEXT = "hidden_text"
    SCRIPT = "script"
    FORM = "form"
    TRACKING_PIXEL = "tracking_pixel"
    PICTURE_WITHOUT_WORDS = "picture_without_words"
    CONTENT_UNCHECKED = "content_unchecked"
    # where it leads
    LINKS_GOOD = "links_good"
    LINK_ELSEWHERE = "link_elsewhere"
    LINK_TO_NUMBER = "link_to_number"
    LINK_LOOKALIKE = "link_lookalike"
    LINK_SHORTENED = "link_shortened"
    LINK_WITH_LOGIN = "link_with_login"
    LINK_CODE = "link_code"
    LINK_PLAIN = "link_plain"
    # what it carries
    ATTACHMENTS_GOOD = "attachments_good"
    ATTACHMENT_DANGEROUS = "attachment_dangerous"
    ATTACHMENT_DISGUISED = "attachment_disguised"
    ATTACHMENT_MACROS = "attachment_macros"
    # leaving a list
    UNSUBSCRIBE_GOOD = "unsubscribe_good"
    UNSUBSCRIBE_MISSING = "unsubscribe_missing"
    UNSUBSCRIBE_NOT_AT_ONCE = "unsubscribe_not_at_once"
    UNSUBSCRIBE_NOT_HTTPS = "unsubscribe_not_https"
    UNSUBSCRIBE_NOT_SIGNED = "unsubscribe_not_signed"
    UNSUBSCRIBE_NOT_APPLICABLE = "unsubscribe_not_applicable"
    # how large it is
    SIZE_GOOD = "size_good"
    SIZE_CLIPPED = "size_clipped"
    SIZE_TOO_LARGE = "size_too_large"
    SIZE_UNCHECKED = "size_unchecked"
    # what a filter says
    SPAM_GOOD = "spam_good"
    SPAM_SUSPECTED = "spam_suspected"
    SPAM_FOUND = "spam_found"
    SPAM_UNCHECKED = "spam_unchecked"


@dataclass(frozen=True, slots=True)
class Rule:
    """``tenths`` of a point that it costs when its outcome is `Outcome.LOST`."""

    section: Section
    outcome: Outcome
    tenths: int = 0


def _lost(section: Section, tenths: int) -> Rule:
    return Rule(section, Outcome.LOST, tenths)


_A, _P, _H, _C = Section.AUTHENTICATION, Section.PATH, Section.HEADERS, Section.CONTENT
_L, _F, _U, _S, _W = Section.LINKS, Section.ATTACHMENTS, Section.LISTS, Section.SIZE, Section.FILTER
_GOOD, _HINT, _OPEN, _NO = Outcome.GOOD, Outcome.HINT, Outcome.UNCHECKED, Outcome.NOT_APPLICABLE

RULES: Mapping[RuleCode, Rule] = {
    RuleCode.SPF_PASS: Rule(_A, _GOOD),
    RuleCode.SPF_FAIL: _lost(_A, 20),
    RuleCode.SPF_SOFTFAIL: _lost(_A, 10),
    RuleCode.SPF_NEUTRAL: _lost(_A, 5),
    RuleCode.SPF_NONE: _lost(_A, 10),
    RuleCode.SPF_BROKEN: _lost(_A, 15),
    RuleCode.SPF_NOT_ALIGNED: Rule(_A, _HINT),
    RuleCode.SPF_UNCHECKED: Rule(_A, _OPEN),
    RuleCode.SPF_NOT_APPLICABLE: Rule(_A, _NO),
    RuleCode.DKIM_PASS: Rule(_A, _GOOD),
    RuleCode.DKIM_NONE: _lost(_A, 15),
    RuleCode.DKIM_FAIL: _lost(_A, 20),
    RuleCode.DKIM_NOT_ALIGNED: _lost(_A, 5),
    RuleCode.DKIM_UNCHECKED: Rule(_A, _OPEN),
    RuleCode.DMARC_PASS: Rule(_A, _GOOD),
    RuleCode.DMARC_FAIL: _lost(_A, 25),
    RuleCode.DMARC_NONE: _lost(_A, 10),
    RuleCode.DMARC_UNCHECKED: Rule(_A, _OPEN),
    RuleCode.ARC_PASS: Rule(_A, _GOOD),
    RuleCode.ARC_FAIL: _lost(_A, 3),
    RuleCode.PATH_GOOD: Rule(_P, _GOOD),
    RuleCode.PATH_DELAY: _lost(_P, 3),
    RuleCode.PATH_SKEW: Rule(_P, _HINT),
    RuleCode.PATH_PLAIN: Rule(_P, _HINT),
    RuleCode.PATH_UNCHECKED: Rule(_P, _OPEN),
    RuleCode.HEADERS_GOOD: Rule(_H, _GOOD),
    RuleCode.FROM_MISSING: _lost(_H, 30),
    RuleCode.FROM_SEVERAL: _lost(_H, 25),
    RuleCode.FROM_NAME_MISLEADS: _lost(_H, 15),
    RuleCode.REPLY_TO_ELSEWHERE: _lost(_H, 3),
    RuleCode.TO_MISSING: _lost(_H, 10),
    RuleCode.DATE_MISSING: _lost(_H, 10),
    RuleCode.DATE_OFF: _lost(_H, 10),
    RuleCode.MESSAGE_ID_MISSING: _lost(_H, 10),
    RuleCode.MESSAGE_ID_BAD: _lost(_H, 5),
    RuleCode.SUBJECT_EMPTY: _lost(_H, 10),
    RuleCode.SUBJECT_SHOUTS: _lost(_H, 10),
    RuleCode.SUBJECT_FALSE_REPLY: _lost(_H, 10),
    RuleCode.FIELD_TWICE: _lost(_H, 10),
    RuleCode.MIME_VERSION_MISSING: _lost(_H, 3),
    RuleCode.EIGHT_BIT_HEADER: _lost(_H, 5),
    RuleCode.EIGHT_BIT_BODY: _lost(_H, 5),
    RuleCode.LINE_TOO_LONG: _lost(_H, 10),
    RuleCode.STRUCTURE_BROKEN: _lost(_H, 5),
    RuleCode.FORM_UNCHECKED: Rule(_H, _OPEN),
    RuleCode.AUTOMATIC: Rule(_H, _HINT),
    RuleCode.CONTENT_GOOD: Rule(_C, _GOOD),
    RuleCode.NOTHING_TO_READ: _lost(_C, 15),
    RuleCode.HTML_ALONE: _lost(_C, 5),
    RuleCode.TEXT_DIFFERS: _lost(_C, 5),
    RuleCode.ONLY_A_PICTURE: _lost(_C, 15),
    RuleCode.HIDDEN_TEXT: _lost(_C, 10),
    RuleCode.SCRIPT: _lost(_C, 20),
    RuleCode.FORM: _lost(_C, 15),
    RuleCode.TRACKING_PIXEL: _lost(_C, 2),
    RuleCode.PICTURE_WITHOUT_WORDS: _lost(_C, 2),
    RuleCode.CONTENT_UNCHECKED: Rule(_C, _OPEN),
    RuleCode.LINKS_GOOD: Rule(_L, _GOOD),
    RuleCode.LINK_ELSEWHERE: _lost(_L, 20),
    RuleCode.LINK_TO_NUMBER: _lost(_L, 15),
    RuleCode.LINK_LOOKALIKE: _lost(_L, 20),
    RuleCode.LINK_SHORTENED: _lost(_L, 10),
    RuleCode.LINK_WITH_LOGIN: _lost(_L, 10),
    RuleCode.LINK_CODE: _lost(_L, 15),
    RuleCode.LINK_PLAIN: _lost(_L, 2),
    RuleCode.ATTACHMENTS_GOOD: Rule(_F, _GOOD),
    RuleCode.ATTACHMENT_DANGEROUS: _lost(_F, 25),
    RuleCode.ATTACHMENT_DISGUISED: _lost(_F, 20),
    RuleCode.ATTACHMENT_MACROS: _lost(_F, 10),
    RuleCode.UNSUBSCRIBE_GOOD: Rule(_U, _GOOD),
    RuleCode.UNSUBSCRIBE_MISSING: _lost(_U, 15),
    RuleCode.UNSUBSCRIBE_NOT_AT_ONCE: _lost(_U, 5),
    RuleCode.UNSUBSCRIBE_NOT_HTTPS: _lost(_U, 5),
    RuleCode.UNSUBSCRIBE_NOT_SIGNED: _lost(_U, 5),
    RuleCode.UNSUBSCRIBE_NOT_APPLICABLE: Rule(_U, _NO),
    RuleCode.SIZE_GOOD: Rule(_S, _GOOD),
    RuleCode.SIZE_CLIPPED: _lost(_S, 5),
    RuleCode.SIZE_TOO_LARGE: _lost(_S, 15),
    RuleCode.SIZE_UNCHECKED: Rule(_S, _OPEN),
    RuleCode.SPAM_GOOD: Rule(_W, _GOOD),
    RuleCode.SPAM_SUSPECTED: _lost(_W, 10),
    RuleCode.SPAM_FOUND: _lost(_W, 30),
    RuleCode.SPAM_UNCHECKED: Rule(_W, _OPEN),
}
