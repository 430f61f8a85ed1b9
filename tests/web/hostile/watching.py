"""Watches over a browser: which hostile text ran, asked another host, led away or opened a window."""

from __future__ import annotations

from dataclasses import dataclass, field
from urllib.parse import urlsplit

from playwright.sync_api import BrowserContext, Dialog, Frame, Page, Route


@dataclass
class Watch:
    """What happened in a window, in words; empty when all is well. ``pictures``: whether pictures from elsewhere may be asked for."""

    base: str
    pictures: bool = False
    happened: list[str] = field(default_factory=list)

    def over(self, window: BrowserContext) -> None:
        """From now on, for every page and frame of the window. Nothing reaches another host."""
        window.expose_binding("canary", lambda _source, *what: self.happened.append(f"a script ran: {what}"))
        window.route("**/*", self._ask)
        window.on("page", self._opened)
        window.on("dialog", self._asked)

    def over_page(self, page: Page) -> None:
        """The page itself stays where it is led by the test."""
        page.on("framenavigated", self._moved)
        page.on("download", lambda download: self.happened.append(f"a download: {download.url}"))

    def _ask(self, route: Route) -> None:
        url = route.request.url
        if url.startswith((self.base, "data:", "blob:", "about:")):
            route.fallback()
            return
        if not (self.pictures and route.request.resource_type == "image"):
            self.happened.append(f"a request left: {route.request.resource_type} {url}")
        route.abort()

    def _opened(self, page: Page) -> None:
        if page.opener() is not None:
            self.happened.append(f"a window opened: {page.url}")
        self.over_page(page)

    def _asked(self, dialog: Dialog) -> None:
        self.happened.append(f"a dialog: {dialog.message}")
        dialog.dismiss()

    def _moved(self, frame: Frame) -> None:
        url = urlsplit(frame.url)
        if url.scheme in ("http", "https") and not frame.url.startswith(self.base):
            self.happened.append(f"led away to {frame.url}")
