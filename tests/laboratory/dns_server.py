"""An authoritative name server on loopback: zones as tables, over UDP and TCP, with answers as the standards want them, and bad days.

    zones = {"northwind.example": {"MX": ["10 mx.northwind.example."], "TXT": ["v=spf1 mx -all"]}, ...}
    with DnsServer(zones) as server:
        ...  # ask 127.0.0.1, server.port

A name that stands nowhere is NXDOMAIN; one below which something stands is empty; CNAMEs are followed. A TXT record may be a tuple of
strings. What does not fit into a datagram comes over TCP.
"""

from __future__ import annotations

import socket
import socketserver
import threading
from collections.abc import Iterable, Mapping
from types import TracebackType
from typing import Any, Self

import dns.exception
import dns.flags
import dns.message
import dns.name
import dns.rcode
import dns.rdatatype
import dns.rrset

from tests.laboratory.ports import LOOPBACK

Records = Mapping[str, Iterable[str | tuple[str, ...]]]
DATAGRAM = 512  # bytes; resolvers of this laboratory ask for no more unless they say so


class DnsServer:
    """``zones`` may change while it runs. ``silent``: names about which nothing is said (``*``: about none); ``failing``: SERVFAIL."""

    def __init__(self, zones: Mapping[str, Records] | None = None) -> None:
        self.zones: dict[str, dict[str, list[str | tuple[str, ...]]]] = {}
        for name, records in (zones or {}).items():
            for kind, values in records.items():
                self.put(name, kind, *values)
        self.silent: set[str] = set()
        self.failing: set[str] = set()
        self.asked: list[tuple[str, str]] = []
        self._udp = socketserver.ThreadingUDPServer(
            (LOOPBACK, 0), self._handler(is_stream=False), bind_and_activate=False
        )
        self._tcp = socketserver.ThreadingTCPServer(
            (LOOPBACK, 0), self._handler(is_stream=True), bind_and_activate=False
        )
        self._udp.daemon_threads = self._tcp.daemon_threads = True
        self._bind()
        self._threads = [
            threading.Thread(target=server.serve_forever, args=(0.05,), name="name server", daemon=True)
            for server in (self._udp, self._tcp)
        ]

    def _bind(self) -> None:
        """The same number for both; another one where the second is taken."""
        for _ in range(20):
            self._udp.server_bind()
            self.port: int = self._udp.socket.getsockname()[1]
            self._tcp.server_address = (LOOPBACK, self.port)
            try:
                self._tcp.server_bind()
            except OSError:
                self._udp.socket.close()
                self._udp.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
                self._udp.server_address = (LOOPBACK, 0)
                continue
            self._tcp.server_activate()
            return
        raise RuntimeError("no port is free for UDP and TCP")

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for server in (self._udp, self._tcp):
            server.shutdown()
            server.server_close()

    # -- what it knows

    def put(self, name: str, kind: str, *values: str | tuple[str, ...]) -> None:
        """Add records."""
        self.zones.setdefault(_plain(name), {}).setdefault(kind, []).extend(values)

    def replace(self, name: str, kind: str, *values: str | tuple[str, ...]) -> None:
        """These, and no others of that kind."""
        self.zones.setdefault(_plain(name), {})[kind] = list(values)

    def remove(self, name: str, kind: str = "") -> None:
        """The records of a kind, or all of the name; then also of the names below it."""
        plain = _plain(name)
        if kind:
            self.zones[plain].pop(kind)
            if not self.zones[plain]:
                del self.zones[plain]
            return
        for known in [known for known in self.zones if known == plain or known.endswith(f".{plain}")]:
            del self.zones[known]

    # -- what it says

    def answer(self, query: dns.message.Message) -> dns.message.Message | None:
        """None: it says nothing."""
        question = query.question[0]
        name, kind = _plain(question.name.to_text()), dns.rdatatype.to_text(question.rdtype)
        self.asked.append((name, kind))
        if name in self.silent or "*" in self.silent:
            return None
        reply = dns.message.make_response(query, recursion_available=True)
        reply.flags |= dns.flags.AA
        if name in self.failing or "*" in self.failing:
            reply.set_rcode(dns.rcode.SERVFAIL)
            return reply
        self._fill(reply, name, kind)
        return reply

    def _fill(self, reply: dns.message.Message, name: str, kind: str) -> None:
        for _ in range(8):
            records = self.zones.get(name)
            if records is None:
                if not any(known.endswith(f".{name}") for known in self.zones):
                    reply.set_rcode(dns.rcode.NXDOMAIN)
                return
            if kind in records:
                texts = [_text(value) if kind == "TXT" else str(value) for value in records[kind]]
                reply.answer.append(dns.rrset.from_text(f"{name}.", 300, "IN", kind, *texts))
                return
            if "CNAME" not in records:
                return
            target = str(records["CNAME"][0])
            reply.answer.append(dns.rrset.from_text(f"{name}.", 300, "IN", "CNAME", f"{_plain(target)}."))
            name = _plain(target)

    def _handler(self, *, is_stream: bool) -> type[socketserver.BaseRequestHandler]:
        server = self

        class Handler(socketserver.BaseRequestHandler):
            request: Any

            def handle(self) -> None:
                wire = self._of_stream() if is_stream else self.request[0]
                try:
                    query = dns.message.from_wire(wire)
                except dns.exception.DNSException:
                    return
                reply = server.answer(query)
                if reply is not None:
                    self._send(reply, query)

            def _of_stream(self) -> bytes:
                size = int.from_bytes(_exactly(self.request, 2), "big")
                return _exactly(self.request, size)

            def _send(self, reply: dns.message.Message, query: dns.message.Message) -> None:
                if is_stream:
                    wire = reply.to_wire(max_size=65535)
                    self.request.sendall(len(wire).to_bytes(2, "big") + wire)
                    return
                try:
                    wire = reply.to_wire(max_size=query.payload or DATAGRAM)
                except dns.exception.TooBig:
                    cut = dns.message.make_response(query)
                    cut.flags |= dns.flags.TC
                    wire = cut.to_wire()
                self.request[1].sendto(wire, self.client_address)

        return Handler


def _exactly(stream: socket.socket, size: int) -> bytes:
    data = b""
    while len(data) < size and (more := stream.recv(size - len(data))):
        data += more
    return data


def _plain(name: str) -> str:
    return name.lower().rstrip(".")


def _text(value: str | tuple[str, ...]) -> str:
    """In quoted strings of at most 255 bytes."""
    strings = (
        value if isinstance(value, tuple) else [value[start : start + 255] for start in range(0, len(value) or 1, 255)]
    )
    return " ".join('"' + one.replace("\\", "\\\\").replace('"', '\\"') + '"' for one in strings)
