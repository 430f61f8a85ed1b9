"""Replies of many libraries' test suites: how many are told from their quotations as labelled."""

from __future__ import annotations

import re

import pytest

from postroom.core.mime.html_quotes import separate_html_reply
from postroom.core.mime.markup import html_to_text
from postroom.core.mime.quotes import separate_reply
from tests.corpus.shared import content, labels

pytestmark = pytest.mark.shared


def folded(text: str) -> str:
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", text)).strip()


def test_most_text_replies_are_exact_and_no_word_of_them_is_lost() -> None:
    exact = left = lost = total = 0
    for label in labels("replies"):
        if label["kind"] == "html" or label["expected"] is None:
            continue
        total += 1
        parts = separate_reply(content(label).decode("utf-8", "replace"))
        said, expected = folded(parts.reply), folded(label["expected"])
        exact += said == expected
        left += said != expected and expected in said
        kept = f"{said} {folded(parts.signature)}"  # a signature is not lost: some labels count it as reply
        lost += any(word not in kept for word in expected.split() if word.isalnum())
    print(f"exact {100 * exact / total:.1f} % of {total}, quotation left {left}, words lost {lost}")
    assert total >= 60
    assert exact / total >= 0.9
    assert lost / total < 0.02


def test_most_html_replies_are_exact() -> None:
    exact = total = 0
    for label in labels("replies"):
        if label["kind"] != "html":
            continue
        total += 1
        fresh = separate_html_reply(content(label).decode("utf-8", "replace")).fresh
        exact += html_to_text(fresh).split() == html_to_text(label["expected"]).split()
    print(f"exact {exact} of {total}")
    assert exact >= total - 1
