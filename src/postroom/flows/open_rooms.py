"""The rooms whose sentences the catalogue of reasons holds, opened when the first unknown code is met.

Law: imported with the call, not with this module: a command that tells one sentence does not load the house.
"""

from __future__ import annotations


def open_rooms() -> None:
    """Every process tells reasons, also of rooms that it never enters: these fill the catalogue."""
    import postroom.core.conversations.audience
    import postroom.core.conversations.letters_with_keys
    import postroom.core.delivery.sentences
    import postroom.core.mailtest.sentences
    import postroom.core.routing.sentences
    import postroom.core.schedule.sentences
    import postroom.core.terms.visits  # noqa: F401
    from postroom.core.delivery import suppression  # noqa: F401
    from postroom.core.diagnosis import checks, mailbox_sentences, mta_sts_policy, sentences  # noqa: F401
