"""Another implementation looks at our signatures: dkimpy, with the DNS of a dictionary."""

from __future__ import annotations

import dkim

from postroom.adapters.dkim.signing import DkimWriter, SigningKey
from postroom.core.delivery.dkim import record_of

NOW = 1_795_000_000


def make_keys(domain: str = "northwind.example") -> dict[str, tuple[SigningKey, dict[bytes, bytes]]]:
    """A key of each algorithm, with the DNS in which it is published."""
    found = {}
    for algorithm in ("rsa", "ed25519"):
        private, public = DkimWriter().make_key(algorithm)
        record = record_of(domain, f"s-{algorithm}", algorithm, public)
        found[algorithm] = (
            DkimWriter().open_key(domain=domain, selector=f"s-{algorithm}", algorithm=algorithm, private=private),
            {f"{record.name}.".encode(): record.value.encode()},
        )
    return found


def is_verified(raw: bytes, dns: dict[bytes, bytes], number: int = 0) -> bool:
    """Whether the signature ``number`` (from the top) holds."""

    def ask(name: bytes, timeout: int = 5) -> bytes | None:
        return dns.get(name)

    try:
        return bool(dkim.DKIM(raw).verify(idx=number, dnsfunc=ask))
    except dkim.DKIMException:
        return False
