"""HTML that a person or a program wrote, made ready to be kept and to travel: once per message, never per recipient.

style sheets into the elements -> pictures out of the HTML -> links absolute -> sanitised
"""

from __future__ import annotations

from postroom.core.mime.mail_html import Pictured, absolute_links, has_relative_links, take_out_pictures
from postroom.flows.ports import Ports
from postroom.flows.settings import parameters


def prepare_html(ports: Ports, html: str) -> Pictured:
    """The sanitised HTML and the pictures that stood in it. Doing it again changes nothing. A query where links are relative."""
    pictured = travelling_html(ports, html)
    return Pictured(html=ports.html.sanitize(pictured.html), pictures=pictured.pictures)


def travelling_html(ports: Ports, html: str) -> Pictured:
    """The same without sanitising, for words of our own."""
    if "<style" in html.lower():
        html = ports.html.inline_css(html)
    if has_relative_links(html):
        html = absolute_links(html, base_url(ports))
    return take_out_pictures(html)


def base_url(ports: Ports) -> str:
    """The public address of the pages, without a slash at its end."""
    return (parameters(ports).text("web.base.url") or ports.configuration.public_url).rstrip("/")
