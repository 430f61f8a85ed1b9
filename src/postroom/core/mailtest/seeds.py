"""The mark of a seed message: a signed word in its header, so that what comes back is known for what was sent.

Laws: pure; reading never raises. The first key signs, all keys verify; the MAC covers a label of its own and the Message-ID, so that a mark
is worth nothing in another mail.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Sequence

HEADER = "X-Postroom-Mail-Test"
_LABEL = b"postroom mail test 1\0"


def make_mark(keys: Sequence[bytes], message_id: str) -> str:
    """32 letters and digits."""
    return _mac(keys[0], message_id)


def is_marked(keys: Sequence[bytes], message_id: str, mark: str) -> bool:
    """Whether one of the keys made this mark for this mail."""
    given = mark.strip().lower().encode("utf-8", "replace")
    return any(hmac.compare_digest(_mac(key, message_id).encode("ascii"), given) for key in keys)


def _mac(key: bytes, message_id: str) -> str:
    return hmac.digest(key, _LABEL + message_id.encode("utf-8", "replace"), hashlib.sha256)[:16].hex()
