"""Words that are to be found again in any text: names of people, and sentences that somebody wrote.

Duty: a name is found wherever one of its words stands; of a sentence each two words that follow each other, so that a part of it is found, too,
cut off or quoted. Laws: pure; linear in the text; bounded in what it remembers. A pair such as "of the" may hide more than was asked for: too
much is better than too little here.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from itertools import pairwise

MOST_PAIRS = 300_000
MOST_NAMES = 50_000
_LONGEST = 50_000  # characters of one sentence or mail
_SHORTEST_NAME = 2
_LONGEST_NAME = 3  # words
_WORD = re.compile(r"\w+")
_TOKEN = re.compile(r"[^\s<>\",;]+")
_CUT = ("…", "...")


class KnownWords:
    """Grows as it learns."""

    def __init__(self) -> None:
        self._names: set[str] = set()
        self._pairs: set[tuple[str, str]] = set()

    def learn_names(self, names: Iterable[str]) -> None:
        """Each word of them is somebody's."""
        for name in names:
            for word in _WORD.findall(name[:_LONGEST]):
                if len(word) >= _SHORTEST_NAME and not word.isnumeric() and len(self._names) < MOST_NAMES:
                    self._names.add(word.casefold())

    def learn_titles(self, titles: Iterable[str]) -> None:
        """What stands before addresses: of one word it is a name, of a few it is found as they stand; more is a title, and nobody's name."""
        for title in titles:
            words = _WORD.findall(title[:_LONGEST])
            if len(words) == 1:
                self.learn_names(words)
            elif len(words) <= _LONGEST_NAME:
                self.learn_sentences([title])

    def learn_sentences(self, texts: Iterable[str]) -> None:
        for text in texts:
            words = [word for _, _, word in _words(text[:_LONGEST])]
            if len(self._pairs) < MOST_PAIRS:
                self._pairs.update(pairwise(words))

    def places(self, text: str) -> list[tuple[int, int]]:
        """Where each word stands that is known: begin and end, in order."""
        if not self._names and not self._pairs:
            return []
        words = list(_words(text))
        known = [word in self._names for _, _, word in words]
        for at in range(len(words) - 1):
            if (words[at][2], words[at + 1][2]) in self._pairs:
                known[at], known[at + 1] = bool(words[at][2]), bool(words[at + 1][2])
        for at in range(1, len(words)):  # the last word may have been cut
            if known[at - 1] and text.startswith(_CUT, words[at][1]):
                known[at] = True
        return [(begin, end) for (begin, end, _), is_known in zip(words, known, strict=True) if is_known]


def _words(text: str) -> Iterator[tuple[int, int, str]]:
    """Begin, end and the word, folded; an address is one word without a name: others look after those."""
    for token in _TOKEN.finditer(text):
        if "@" in token[0]:
            yield token.start(), token.end(), ""
        else:
            for found in _WORD.finditer(text, token.start(), token.end()):
                yield found.start(), found.end(), found[0].casefold()
