"""Mailbox addresses.

Duty: one type for a mailbox with its display name, and one normal form by which two spellings are the same mailbox.
Laws: a normal form never raises; what is no address is ``""``. Domains are compared as A-labels in lower case,
local parts in lower case (RFC 5321 leaves their case to the receiver; nobody's receiver tells them apart).
Standards: RFC 5322 3.4, RFC 5321 4.1.2, RFC 6531 (UTF-8 local parts), RFC 5890 (A-labels).
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from postroom.core.terms.remembering import remembered

MAX_LOCAL = 64
PLACEHOLDERS = ("example.com", "example.org", "example.net", "localhost", "yourcompany.com", "mycompany.com")


@dataclass(frozen=True, slots=True)
class Address:
    """A mailbox: ``name`` is the decoded display name or ``""``; ``local`` and ``domain`` as written."""

    name: str
    local: str
    domain: str

    @property
    def spec(self) -> str:
        """The addr-spec as written: ``local@domain``."""
        return f"{self.local}@{self.domain}" if self.domain else self.local

    @property
    def normal(self) -> str:
        """The form for comparing and storing: see `normalize`."""
        return normalize(self.spec)

    def __str__(self) -> str:
        return format_address(self.name, self.spec)


@remembered(most=4096, longest=300)
def normalize_domain(domain: str) -> str:
    """The domain in lower case, internationalised labels as A-labels; ``""`` when it cannot be one."""
    domain = domain.strip().rstrip(".").lower()
    if domain.startswith("[") and domain.endswith("]"):
        return domain if len(domain) <= 253 else ""
    if not domain or len(domain) > 253:
        return ""
    if domain.isascii():
        labels = domain.split(".")
        return domain if all(_is_label(label) for label in labels) else ""
    try:
        encoded = domain.encode("idna").decode("ascii").lower().rstrip(".")
    except UnicodeError:
        return ""
    return encoded if len(encoded) <= 253 and all(map(_is_label, encoded.split("."))) else ""


def is_mail_domain(domain: str) -> bool:
    """Whether people have addresses there: a host's name (RFC 1123 2.1). Names with underscores (``_dmarc.example``) hold records."""
    normal = normalize_domain(domain)
    return (
        "." in normal and "_" not in normal and not normal.startswith("[") and not normal.rpartition(".")[2].isdigit()
    )


_NOWHERE = frozenset({"example", "test", "invalid", "localhost"})  # RFC 2606 2: no such domain exists


def exists_nowhere(address: str) -> bool:
    """Whether an address, or a domain, is one of those that are kept for examples and tests."""
    return address.rstrip(".").rpartition(".")[2].rpartition("@")[2].lower() in _NOWHERE


_PLAIN = re.compile(r"([A-Za-z0-9!#$%&'*+/=?^_`{|}~.-]{1,64})@([A-Za-z0-9.-]{1,253})")  # nearly all there are


def normalize(spec: str) -> str:
    """``Bob@EXÄMPLE.org`` becomes ``bob@xn--exmple-cua.org``; ``""`` for what is no addr-spec. Never raises, and a normal form is its own."""
    if plain := _PLAIN.fullmatch(spec):
        domain = normalize_domain(plain[2])
        return f"{plain[1].lower()}@{domain}" if domain else ""
    return _normalize_carefully(spec)


def _normalize_carefully(spec: str) -> str:
    """Whatever it may be: quoted local parts, brackets, letters of all alphabets."""
    local, at, domain = spec.strip().strip("<>").rpartition("@")
    local = local.lower()
    if (
        not at
        or not local
        or local != local.strip()
        or len(local.encode("utf-8", "replace")) > MAX_LOCAL
        or any(_is_hostile(c) for c in local)
    ):
        return ""
    if not (local.startswith('"') and local.endswith('"') and len(local) > 2) and any(
        c in ' @<>(),;:"\\[]' for c in local
    ):
        return ""
    domain = normalize_domain(domain)
    return f"{local}@{domain}" if domain else ""


def is_placeholder(address: str) -> bool:
    """Whether it only stands for an address: mail to it reaches nobody, and often bounces (RFC 2606, RFC 6761)."""
    return (normalize(address).rpartition("@")[2] or "localhost") in PLACEHOLDERS


def split_normal(spec: str) -> tuple[str, str]:
    """Local part and domain of a normalised address; two empty strings for what is none."""
    local, _, domain = normalize(spec).rpartition("@")
    return local, domain


def strip_plus(local: str) -> tuple[str, str]:
    """RFC 5233 sub-addressing: ``("support", "x")`` for ``support+x``; the detail is ``""`` without one."""
    base, _, detail = local.partition("+")
    return (base, detail) if base else (local, "")


def parse_one(text: str) -> Address | None:
    """A single ``name <address>`` or bare address as people type it in settings; None when there is none."""
    text = text.strip()
    name, bracket, rest = text.rpartition("<")
    spec = rest.rstrip(">").strip() if bracket else text
    if not normalize(spec):
        return None
    local, _, domain = spec.rpartition("@")
    return Address(name=name.strip().strip('"').replace('\\"', '"') if bracket else "", local=local, domain=domain)


def format_address(name: str, spec: str) -> str:
    """For people and logs (not for the wire, see ``mime.composing``): ``"Doe, Jane" <jane@x.org>``."""
    if not name:
        return spec
    if any(c in '()<>[]:;@\\,."' for c in name):
        name = '"' + name.replace("\\", "\\\\").replace('"', '\\"') + '"'
    return f"{name} <{spec}>"


def _is_label(label: str) -> bool:
    return 0 < len(label) <= 63 and all(c.isalnum() or c in "-_" for c in label)


def _is_hostile(char: str) -> bool:
    return char < " " or char == "\x7f"
