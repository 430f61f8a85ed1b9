"""What a provider publishes for mail programs: a file in the format of Mozilla's autoconfig, read without trusting it.

Laws: pure, never raises, linear in its size and bounded. A document type is not read on: without one there are no entities. A server in
clear is no proposal, nor is one whose name cannot be one.
Standards: https://wiki.mozilla.org/Thunderbird:Autoconfiguration:ConfigFileFormat (version 1.1).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from xml.parsers import expat

from postroom.core.delivery.discovery import Proposal, Service, Source, is_host
from postroom.core.terms.encryption import Encryption

MOST_BYTES = 256 * 1024
MOST_SERVERS = 20
MOST_DEPTH = 12
MOST_TEXT = 320  # characters of one value
MOST_ELEMENTS = 5_000

_SERVICES = {("outgoingServer", "smtp"): Service.SMTP, ("incomingServer", "imap"): Service.IMAP, ("incomingServer", "pop3"): Service.POP3}  # fmt: skip
_ENCRYPTIONS = {"SSL": Encryption.TLS, "STARTTLS": Encryption.STARTTLS}
_FIELDS = frozenset({"hostname", "port", "socketType", "username", "authentication"})
_LOGINS = frozenset(
    {"password-cleartext", "password-encrypted", "plain", "secure", "oauth2"}
)  # what we can do of what is asked


def read_autoconfig(content: bytes, address: str) -> tuple[Proposal, ...]:
    """Its servers, in its order, for this mail address; empty for what is no such file, or is too large."""
    if len(content) > MOST_BYTES:
        return ()
    reader = _Reader(address=address)
    parser = expat.ParserCreate()
    parser.buffer_text = True
    parser.StartDoctypeDeclHandler = reader.refuse
    parser.EntityDeclHandler = reader.refuse
    parser.StartElementHandler = reader.open
    parser.EndElementHandler = reader.close
    parser.CharacterDataHandler = reader.hear
    try:
        parser.Parse(content, True)
    except (expat.ExpatError, _Refused, ValueError, LookupError):
        return ()
    return tuple(reader.found) if reader.is_config else ()


class _Refused(Exception):  # noqa: N818 - ends the reading of a file, and is never seen outside
    """This file is not read on."""


@dataclass(slots=True)
class _Reader:
    address: str
    found: list[Proposal] = field(default_factory=list)
    is_config: bool = False
    _path: list[str] = field(default_factory=list)
    _elements: int = 0
    _service: Service | None = None
    _values: dict[str, list[str]] = field(default_factory=dict)
    _text: str | None = None

    def refuse(self, *_: object) -> None:
        raise _Refused

    def open(self, name: str, attributes: dict[str, str]) -> None:
        self._elements += 1
        if len(self._path) >= MOST_DEPTH or self._elements > MOST_ELEMENTS:
            raise _Refused
        self._path.append(name)
        match self._path:
            case ["clientConfig"]:
                self.is_config = True
            case ["clientConfig", "emailProvider", kind]:
                self._service = _SERVICES.get((kind, attributes.get("type", "")))
                self._values = {}
            case ["clientConfig", "emailProvider", _, field_name] if self._service and field_name in _FIELDS:
                self._text = ""

    def hear(self, text: str) -> None:
        if self._text is not None and len(self._text) <= MOST_TEXT:
            self._text += text[: MOST_TEXT + 1]

    def close(self, name: str) -> None:
        self._path.pop()
        if self._text is not None:
            if len(self._text) <= MOST_TEXT:
                self._values.setdefault(name, []).append(self._text.strip())
            self._text = None
        elif len(self._path) == 2 and self._service is not None:
            self._take(self._service)
            self._service = None

    def _take(self, service: Service) -> None:
        host = self._filled("hostname").lower().rstrip(".")
        port = self._values.get("port", [""])[0]
        encryption = _ENCRYPTIONS.get(self._values.get("socketType", [""])[0].upper())
        logins = {one.lower() for one in self._values.get("authentication", ["password-cleartext"])}
        if encryption is None or not is_host(host) or not logins & _LOGINS or len(self.found) >= MOST_SERVERS:
            return
        if not (port.isascii() and port.isdigit() and len(port) <= 5 and 0 < int(port) < 65_536):
            return
        username = self._filled("username")
        self.found.append(
            Proposal(
                service=service,
                host=host,
                port=int(port),
                encryption=encryption,
                username="" if username == self.address else username,
                source=Source.PUBLISHED,
            )
        )

    def _filled(self, name: str) -> str:
        """The first value, with the placeholders of the format filled in."""
        local, _, domain = self.address.rpartition("@")
        value = self._values.get(name, [""])[0]
        for placeholder, text in (
            ("%EMAILADDRESS%", self.address),
            ("%EMAILLOCALPART%", local),
            ("%EMAILDOMAIN%", domain),
        ):
            value = value.replace(placeholder, text)
        return value if len(value) <= MOST_TEXT and value.isprintable() else ""
