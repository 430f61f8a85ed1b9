"""The words of some columns, for searching: one expression for the index and for the question, so that one serves the other.

PostgreSQL's full-text search without a language ('simple': no stemming, no stop words). Addresses are cut at their signs, so that
``carla``, ``customer`` and ``example`` all find ``carla@customer.example``. Words are found by their beginning.
"""

from __future__ import annotations

from django.contrib.postgres.search import SearchQuery, SearchVectorField
from django.db.models import Func

_SIGNS = "@.-_/+"


class Words(Func):
    """``to_tsvector`` over columns joined by blanks. Immutable, so that it can be indexed."""

    template = f"to_tsvector('simple'::regconfig, translate(%(expressions)s, '{_SIGNS}', '{' ' * len(_SIGNS)}'))"
    arg_joiner = " || ' ' || "
    output_field = SearchVectorField()


def all_words(text: str, most: int = 6) -> SearchQuery | None:
    """The question for rows in which a word begins with each of these; None when nothing is asked."""
    plain = text.translate({ord(sign): " " for sign in _SIGNS + "\0'\\"})
    words = [word for word in plain.split() if any(sign.isalnum() for sign in word)]
    terms = [f"'{word}':*" for word in words[:most]]
    return SearchQuery(" & ".join(terms), config="simple", search_type="raw") if terms else None
