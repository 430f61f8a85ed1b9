"""A name server on the loopback that knows mail hosts, and can be in trouble. Real packets over UDP."""

from __future__ import annotations

import socket
import threading
from types import TracebackType
from typing import Self

import dns.flags
import dns.message
import dns.name
import dns.rcode
import dns.rdata
import dns.rdataclass
import dns.rdatatype
import dns.rrset


class NameServer:
    """``mx``: by domain, preference and host. ``txt``: by name, records of strings. ``others``: by type and name, records as texts.

    ``trouble``: refuses, garbage, cut or silent; ``silent``: names about which nothing is said. ``asked``: the questions so far.
    """

    def __init__(self) -> None:
        self.mx: dict[str, list[tuple[int, str]]] = {}
        self.txt: dict[str, list[tuple[str, ...]]] = {}
        self.others: dict[tuple[str, str], list[str]] = {}
        self.silent: set[str] = set()
        self.trouble = ""
        self.asked: list[str] = []
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind(("127.0.0.1", 0))
        self.port: int = self._socket.getsockname()[1]
        self._thread = threading.Thread(target=self._serve, name="name-server")

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as out:
            out.sendto(b"", ("127.0.0.1", self.port))  # an empty packet ends it
        self._thread.join(60)
        self._socket.close()

    def _serve(self) -> None:
        while True:
            packet, peer = self._socket.recvfrom(4096)
            if not packet:
                return
            query = dns.message.from_wire(packet)
            self.asked.append(query.question[0].name.to_text(omit_final_dot=True).lower())
            if self.asked[-1] not in self.silent and (answer := self._answer(query)) is not None:
                self._socket.sendto(answer, peer)

    def _answer(self, query: dns.message.Message) -> bytes | None:
        match self.trouble:
            case "silent":
                return None
            case "garbage":
                return b"\x00\xff" * 20
            case "cut":
                return self._reply(query).to_wire()[:14]
            case "refuses":
                refusal = dns.message.make_response(query)
                refusal.set_rcode(dns.rcode.REFUSED)
                return refusal.to_wire()
            case _:
                return self._reply(query).to_wire()

    def _reply(self, query: dns.message.Message) -> dns.message.Message:
        reply = dns.message.make_response(query, recursion_available=True)
        name = query.question[0].name
        if query.question[0].rdtype == dns.rdatatype.TXT:
            return self._texts(reply, name)
        if query.question[0].rdtype != dns.rdatatype.MX:
            return self._others(reply, name, dns.rdatatype.to_text(query.question[0].rdtype))
        hosts = self.mx.get(name.to_text(omit_final_dot=True).lower())
        if hosts is None:
            reply.set_rcode(dns.rcode.NXDOMAIN)
        elif hosts:
            texts = [f"{preference} {host}" for preference, host in hosts]
            reply.answer.append(dns.rrset.from_text(name, 300, "IN", "MX", *texts))
        return reply

    def _texts(self, reply: dns.message.Message, name: dns.name.Name) -> dns.message.Message:
        records = self.txt.get(name.to_text(omit_final_dot=True).lower())
        if records is None:
            reply.set_rcode(dns.rcode.NXDOMAIN)
        elif records:
            texts = [" ".join(f'"{piece}"' for piece in record) for record in records]
            reply.answer.append(dns.rrset.from_text(name, 300, "IN", "TXT", *texts))
        return reply

    def _others(self, reply: dns.message.Message, name: dns.name.Name, kind: str) -> dns.message.Message:
        plain = name.to_text(omit_final_dot=True).lower()
        records = self.others.get((kind, plain))
        if records:
            reply.answer.append(dns.rrset.from_text(name, 300, "IN", kind, *records))
        elif plain not in {known for _, known in self.others} | self.txt.keys() | self.mx.keys():
            reply.set_rcode(dns.rcode.NXDOMAIN)
        return reply
