"""A server of pictures that does what its script says, on loopback: answers, leads on, drips, lies about lengths, hangs."""

from __future__ import annotations

import re
import socket
import ssl
import threading
from base64 import b64decode
from collections.abc import Callable
from contextlib import suppress
from types import TracebackType
from typing import Self

PNG = b64decode("iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==")

Script = Callable[[socket.socket], None]


def says(content: bytes = PNG, kind: str = "image/png", status: str = "200 OK", *more: str) -> Script:
    """An ordinary answer."""
    fields = [f"Content-Type: {kind}", f"Content-Length: {len(content)}", "Connection: close", *more]

    def act(line: socket.socket) -> None:
        line.sendall("\r\n".join([f"HTTP/1.1 {status}", *fields, "", ""]).encode() + content)

    return act


def leads_to(place: str) -> Script:
    return says(b"", "text/plain", "302 Found", f"Location: {place}")


class PictureServer:
    """What is asked for by path is answered by its script; everything else is 404. ``asked`` are the heads of the requests."""

    def __init__(self, scripts: dict[str, Script], *, context: ssl.SSLContext | None = None) -> None:
        self.scripts = scripts
        self.asked: list[str] = []
        self.over = threading.Event()
        self._context = context
        self._door = socket.create_server(("127.0.0.1", 0))
        self.port = self._door.getsockname()[1]
        self._threads: list[threading.Thread] = []

    def __enter__(self) -> Self:
        self._start(self._listen)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.over.set()
        self._door.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join(90)
        self._door.close()

    def url(self, path: str = "/a.png", host: str = "127.0.0.1", scheme: str = "http") -> str:
        return f"{scheme}://{host}:{self.port}{path}"

    def _start(self, work: Callable[[], None]) -> None:
        thread = threading.Thread(target=work)
        self._threads.append(thread)
        thread.start()

    def _listen(self) -> None:
        while not self.over.is_set():
            try:
                line, _ = self._door.accept()
            except OSError:
                return
            self._start(lambda line=line: self._serve(line))  # type: ignore[misc]

    def _serve(self, line: socket.socket) -> None:
        with suppress(OSError), line:
            line.settimeout(60)
            if self._context is not None:
                line = self._context.wrap_socket(line, server_side=True)
            with line:
                head = b""
                while b"\r\n\r\n" not in head:
                    piece = line.recv(4096)
                    if not piece:
                        return
                    head += piece
                text = head.decode("latin-1")
                self.asked.append(text)
                if announced := re.search(r"(?im)^content-length: (\d+)", text):
                    # what is left unread when the line is closed resets it, and takes the answer along
                    missing = int(announced[1]) - len(head.partition(b"\r\n\r\n")[2])
                    while missing > 0 and (piece := line.recv(missing)):
                        missing -= len(piece)
                path = text.split(" ", 2)[1]
                self.scripts.get(path, says(b"no", "text/plain", "404 Not Found"))(line)
