"""The records that ask receivers for their reports, as they follow from the address for them (``mail.dmarc.address``).

Laws: pure. A local part is one on each domain, so that nobody needs to consent; an address on another domain is told who consents.
Standards: RFC 9989 4.7 (rua), RFC 9990 4 (consent), RFC 8460 3.
"""

from __future__ import annotations

from postroom.core.diagnosis.findings import PublishedRecord


def reports_to(address: str, domain: str) -> str:
    """Where the reports on this domain go; ``""``: nobody is asked for any."""
    return address if "@" in address or not address else f"{address}@{domain}"


def dmarc_record(domain: str, address: str) -> PublishedRecord:
    """A first policy that breaks nothing."""
    target = reports_to(address, domain)
    value = f"v=DMARC1; p=none; rua=mailto:{target}" if target else "v=DMARC1; p=none"
    return PublishedRecord(type="TXT", name=f"_dmarc.{domain}", value=value)


def tls_record(domain: str, address: str) -> PublishedRecord:
    """Asks those who send to the domain how encryption went; without an address for reports it names the postmaster."""
    target = reports_to(address, domain) or f"postmaster@{domain}"
    return PublishedRecord(type="TXT", name=f"_smtp._tls.{domain}", value=f"v=TLSRPTv1; rua=mailto:{target}")


def consent_record(domain: str, address: str) -> PublishedRecord | None:
    """By which the domain of the address takes reports on this one; None where none is needed."""
    taker = reports_to(address, domain).rpartition("@")[2].lower()
    if not taker or taker == domain or taker.endswith(f".{domain}") or domain.endswith(f".{taker}"):
        return None
    return PublishedRecord(type="TXT", name=f"{domain}._report._dmarc.{taker}", value="v=DMARC1")
