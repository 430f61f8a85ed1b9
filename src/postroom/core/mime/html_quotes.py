from typing import NamedTuple


class SeparatedHtml(NamedTuple):
    fresh: str
    quoted: str


def separate_html_reply(html: str) -> SeparatedHtml:
    return SeparatedHtml(html, "")
