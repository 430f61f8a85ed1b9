"""The HTML of mails: made harmless, and its style sheets written into the elements, for mail programs that read no ``<style>``.

Laws: nothing is loaded, neither from the network nor from the disk; HTML that cannot be worked on stays as it is; media queries, which
cannot be written into elements, stay in a ``<style>``.
"""

from __future__ import annotations

import re

import css_inline

from postroom.adapters.html.sanitizing import Sanitizer

MAX_HTML = 2_000_000  # characters
MAX_STYLES = 200_000

_STYLE = re.compile(r"<style\b(?:[^<>]*>)?(.*?)(?:</style|\Z)", re.IGNORECASE | re.DOTALL)


class MailHtml(Sanitizer):
    """Stateless; ready to be shared."""

    def inline_css(self, html: str) -> str:
        """The HTML with its style sheets in its elements; the same HTML where there are none."""
        if len(html) > MAX_HTML or "<style" not in html.lower():
            return html
        if not 0 < sum(len(sheet) for sheet in _STYLE.findall(html)) <= MAX_STYLES:
            return html
        try:
            return css_inline.CSSInliner(load_remote_stylesheets=False, keep_at_rules=True).inline(html)
        except css_inline.InlineError:
            return html
