"""Message-IDs (RFC 5322 3.6.4): reading the ones of others, whatever they did to them, and writing ours.

Laws: reading never raises. An id is kept with its angle brackets, without white space.
"""

from __future__ import annotations

import re

MAX_REFERENCES = 32  # as many ids of a thread as are looked up, the newest ones
_BRACKETED = re.compile(r"<([^<>]{1,900})>")


def read_message_ids(value: str) -> tuple[str, ...]:
    """The ids in a References, In-Reply-To or Message-ID header, in order, each once; ids without brackets are accepted."""
    found = _BRACKETED.findall(value)
    if not found:
        found = [word for word in value.split() if "@" in word and len(word) <= 900]
    ids = (f"<{''.join(one.split())}>" for one in found)
    return tuple(dict.fromkeys(one for one in ids if len(one) > 2))


def make_message_id(*, unique: str, domain: str) -> str:
    """Ours: ``unique`` is random hex from the caller, ``domain`` the sending company's; the mark tells it from others'."""
    return f"<{unique}.postroom@{domain or 'postroom.invalid'}>"


def thread_references(parent_references: tuple[str, ...], parent_id: str, own_id: str) -> tuple[str, ...]:
    """What a mail of ours refers to: the thread's root, its newest ids, the parent, and itself.

    Its own id is named so that a thread survives a relay that rewrites Message-ID (O-67).
    """
    chain = [one for one in (*parent_references, parent_id) if one and one != own_id]
    chain = list(dict.fromkeys(chain))
    if len(chain) > MAX_REFERENCES - 1:
        chain = [chain[0], *chain[-(MAX_REFERENCES - 2) :]]
    return (*chain, own_id)
