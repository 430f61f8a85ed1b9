"""Enriched text: an old format between plain text and HTML, read as plain text.

Duty: text/enriched (RFC 1896) and its forerunner text/richtext (RFC 1341 7.1.3) without their commands.
Laws: never raises, one pass.
"""

from __future__ import annotations

import re

_COMMAND = re.compile(r"<<|<(/?)([A-Za-z0-9-]{0,60})>|\n+")
_BREAKS = {"nl": "\n", "np": "\n\n", "paragraph": "\n", "lt": "<"}


def read_enriched(text: str) -> str:
    """The words: one line break is a space, of more one is dropped (RFC 1896 3); what stands between param commands is no word."""
    pieces: list[str] = []
    position, hidden, unfilled = 0, False, 0
    for match in _COMMAND.finditer(text):
        if not hidden:
            pieces.append(text[position : match.start()])
        position = match.end()
        found, name = match[0], (match[2] or "").lower()
        if found[0] == "\n":
            pieces.append(found if unfilled else found[1:] or " ")
        elif found == "<<":
            pieces.append("<")
        elif name in ("param", "comment"):
            hidden = not match[1]
        elif name in ("nofill", "verbatim"):
            unfilled = max(0, unfilled + (-1 if match[1] else 1))
        elif name in _BREAKS and not match[1]:
            pieces.append(_BREAKS[name])
    if not hidden:
        pieces.append(text[position:])
    return "".join(pieces)
