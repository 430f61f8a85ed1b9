"""What it says and how: text and HTML side by side, pictures, what is hidden, what no mail program runs. Filters count the same things.

Laws: pure; linear in what is read (`MOST_WORDS`, the budgets of `markup_facts`); no word list: a filter's trade is its own.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from postroom.core.mailtest.facts import MailFacts
from postroom.core.mailtest.findings import TestFinding, found
from postroom.core.mailtest.rules import RuleCode
from postroom.core.mime.markup import html_to_text

HIDDEN_IS_MUCH = 250  # characters: a preview line above the mail is usual, and shorter
LITTLE = 60  # characters beside a picture that are no text
MOST_WORDS = 5_000
ENOUGH_WORDS = 20  # in the HTML, before its text part is held against it
LEAST_SHARED = 0.3  # of them, that a text part which says the same has
_WORD = re.compile(r"\w{4,40}")
_PART = 200_000  # characters of each side


def check_content(facts: MailFacts) -> list[TestFinding]:
    """What is amiss with the bodies; one finding that all is well where nothing is."""
    if not facts.source.has_body:
        return [found(RuleCode.CONTENT_UNCHECKED)]
    if facts.mail.is_encrypted:
        return [found(RuleCode.CONTENT_UNCHECKED)]
    findings = [*_bodies(facts), *_pictures(facts), *_tricks(facts)]
    if not any(one.tenths for one in findings):
        findings.append(found(RuleCode.CONTENT_GOOD))
    return findings


def _bodies(facts: MailFacts) -> list[TestFinding]:
    mail = facts.mail
    if not mail.text.strip() and not mail.html.strip():
        return [] if mail.attachments or mail.invitations or mail.report_parts else [found(RuleCode.NOTHING_TO_READ)]
    if not mail.html.strip():
        return []
    if not mail.text.strip():
        return [found(RuleCode.HTML_ALONE)]
    shared, count = _shared(mail.text, mail.html)
    if count >= ENOUGH_WORDS and shared < LEAST_SHARED:
        return [found(RuleCode.TEXT_DIFFERS, percent=round(100 * shared))]
    return []


def _shared(text: str, html: str) -> tuple[float, int]:
    """Which part of the words of the HTML the text has, too; and how many words there are."""
    of_html = _words(html_to_text(html[:_PART]))
    if not of_html:
        return 1.0, 0
    return len(of_html & _words(text[:_PART])) / len(of_html), len(of_html)


def _words(text: str) -> set[str]:
    found_words: Iterable[re.Match[str]] = _WORD.finditer(text)
    return {match[0].lower() for _, match in zip(range(MOST_WORDS), found_words, strict=False)}


def _pictures(facts: MailFacts) -> list[TestFinding]:
    markup = facts.markup
    shown = [one for one in markup.pictures if not one.is_tiny]
    findings = []
    if shown and markup.seen < LITTLE:
        findings.append(found(RuleCode.ONLY_A_PICTURE, evidence=[one.address for one in shown], count=markup.seen))
    elif silent := [one.address for one in shown if not one.alt and one.is_remote]:
        findings.append(found(RuleCode.PICTURE_WITHOUT_WORDS, evidence=silent, count=len(silent)))
    if pixels := [one.address for one in markup.pictures if one.is_tiny and one.is_remote]:
        findings.append(found(RuleCode.TRACKING_PIXEL, evidence=pixels))
    return findings


def _tricks(facts: MailFacts) -> list[TestFinding]:
    markup = facts.markup
    findings = []
    if markup.hidden > HIDDEN_IS_MUCH:
        findings.append(found(RuleCode.HIDDEN_TEXT, evidence=[markup.hidden_words], count=markup.hidden))
    if markup.active:
        findings.append(found(RuleCode.SCRIPT, evidence=markup.active, what=", ".join(markup.active[:5])))
    if markup.forms:
        findings.append(found(RuleCode.FORM, evidence=filter(None, markup.forms)))
    return findings
