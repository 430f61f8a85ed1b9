"""A picture that was fetched from elsewhere, or why there is none."""

from __future__ import annotations

from dataclasses import dataclass, field

from postroom.core.terms.reasons import Reason


@dataclass(frozen=True, slots=True, kw_only=True)
class Picture:
    """``content_type`` is what its first bytes say, not what its server said."""

    content: bytes = field(repr=False)
    content_type: str


@dataclass(frozen=True, slots=True, kw_only=True)
class NoPicture:
    """Nothing to show. ``reason``: one of ``visit.*``."""

    reason: Reason
