"""Which provider takes a domain's mail: domains whose MX point to the same provider share a destination, and its limits.

Laws: pure. The names of the mail hosts decide, by their registrable name; big providers' many names come down to one (a table). A domain
without known mail hosts stands alone. What everybody knows (gmail.com) needs no look-up.
Standards: RFC 5321 5.1 (MX, and the domain itself where there is none), RFC 7505 (null MX).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

OF_HOSTS: Mapping[str, str] = {  # the end of a mail host's name: the provider
    "google.com": "google.com",
    "googlemail.com": "google.com",
    "smtp.goog": "google.com",
    "outlook.com": "outlook.com",
    "mx.microsoft": "outlook.com",
    "office365.us": "outlook.com",
    "hotmail.com": "outlook.com",
    "yahoodns.net": "yahoodns.net",
    "yahoo.com": "yahoodns.net",
    "aol.com": "yahoodns.net",
    "icloud.com": "icloud.com",
    "me.com": "icloud.com",
    "apple.com": "icloud.com",
    "gmx.net": "gmx.net",
    "gmx.com": "gmx.net",
    "web.de": "gmx.net",
    "mail.ru": "mail.ru",
    "yandex.ru": "yandex.net",
    "yandex.net": "yandex.net",
    "zoho.com": "zoho.com",
    "zoho.eu": "zoho.com",
    "zohomail.com": "zoho.com",
    "protonmail.ch": "protonmail.ch",
    "messagingengine.com": "fastmail.com",
    "pphosted.com": "pphosted.com",
    "ppe-hosted.com": "pphosted.com",
    "mimecast.com": "mimecast.com",
    "messagelabs.com": "messagelabs.com",
    "iphmx.com": "iphmx.com",
    "barracudanetworks.com": "barracudanetworks.com",
    "secureserver.net": "secureserver.net",
    "kundenserver.de": "ionos.com",
    "ionos.com": "ionos.com",
    "1and1.com": "ionos.com",
    "ovh.net": "ovh.net",
    "qq.com": "qq.com",
    "163.com": "163.com",
}
OF_DOMAINS: Mapping[str, str] = {
    domain: provider
    for provider, domains in {
        "google.com": "gmail.com googlemail.com google.com",
        "outlook.com": "outlook.com hotmail.com live.com msn.com hotmail.co.uk hotmail.fr hotmail.de outlook.de outlook.fr",
        "yahoodns.net": "yahoo.com yahoo.co.uk yahoo.fr yahoo.de ymail.com rocketmail.com aol.com",
        "icloud.com": "icloud.com me.com mac.com",
        "gmx.net": "gmx.net gmx.de gmx.com gmx.at gmx.ch web.de",
        "protonmail.ch": "proton.me protonmail.com pm.me",
    }.items()
    for domain in domains.split()
}
_SECOND_LEVELS = frozenset("co com net org gov gob ac edu or ne go gv mil nom".split())


def destination_of(domain: str, hosts: Sequence[str] = ()) -> str:
    """``domain`` normalised; ``hosts`` its mail hosts, the best first. The domain itself where they say nothing."""
    if domain in OF_DOMAINS:
        return OF_DOMAINS[domain]
    best = hosts[0].rstrip(".").lower() if hosts else ""
    if not best or "." not in best:
        return domain
    labels = best.split(".")
    for start in range(len(labels)):
        if (provider := OF_HOSTS.get(".".join(labels[start:]))) is not None:
            return provider
    return _registrable(labels)


def _registrable(labels: Sequence[str]) -> str:
    """Two labels; three below the usual second levels of a country (``mail.firm.co.uk``)."""
    if all(label.isdigit() for label in labels):
        return ".".join(labels)  # an address: wrong in an MX, and met all the same
    is_deeper = len(labels) > 2 and len(labels[-1]) == 2 and labels[-2] in _SECOND_LEVELS
    return ".".join(labels[-3:] if is_deeper else labels[-2:])
