"""Pictures that a mail's HTML would fetch from elsewhere: found, and taken out or led over us.

Duty: the ``src`` of ``<img>`` in HTML that the sanitiser wrote. Laws: pure; linear in the length: tags are found by their beginning, as
the sanitiser leaves no ``<`` of a tag in a text; what is not http or https is not touched; the first ``MOST`` pictures are led over
us, the rest stays taken out.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from html import escape, unescape

MOST = 80
LONGEST_ADDRESS = 2000

_IMAGE = re.compile(r"<img\b([^<>\"]*(?:\"[^\"]*\"[^<>\"]*)*)>", re.IGNORECASE)
_SOURCE = re.compile(r'(\s)src="(\s*https?:[^"]*)"', re.IGNORECASE)
_BLOCKED = ' data-remote=""'


def has_remote_images(html: str) -> bool:
    """Whether there is one; quick for the many that have none."""
    return "<img" in html.lower() and any(_SOURCE.search(tag[1]) for tag in _IMAGE.finditer(html))


def without_remote_images(html: str) -> str:
    """Their addresses are taken out, their places stay, marked with ``data-remote``."""
    return _changed(html, lambda _address: None)


def with_remote_images(html: str, way: Callable[[str], str]) -> str:
    """Their addresses become ``way(address)``."""
    count = 0

    def led(address: str) -> str | None:
        nonlocal count
        count += 1
        return way(address) if count <= MOST and len(address) <= LONGEST_ADDRESS else None

    return _changed(html, led)


def _changed(html: str, way: Callable[[str], str | None]) -> str:
    def source(match: re.Match[str]) -> str:
        led = way(unescape(match[2]).strip())
        return f'{match[1]}src="{escape(led)}"' if led is not None else match[1] + _BLOCKED.strip()

    def tag(match: re.Match[str]) -> str:
        return f"<img{_SOURCE.sub(source, match[1], count=1)}>"

    return _IMAGE.sub(tag, html) if "<img" in html.lower() else html
