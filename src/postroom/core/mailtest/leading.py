"""Where it leads and what it carries: links and attachments, judged by what they say of themselves. Nothing is fetched or opened.

Laws: pure; bounded by the budgets of `markup_facts` and `MOST_LINKS`.
"""

from __future__ import annotations

import re

from postroom.core.mailtest.facts import MailFacts
from postroom.core.mailtest.findings import TestFinding, found
from postroom.core.mailtest.hosts import (
    SHORTENERS,
    Target,
    are_kin,
    is_number,
    looks_like_another,
    organisation,
    plain,
    read_target,
    shown,
)
from postroom.core.mailtest.markup_facts import Link
from postroom.core.mailtest.rules import RuleCode

MOST_LINKS = 500
_IN_TEXT = re.compile(r"https?://[^\s<>\"']{1,2000}", re.IGNORECASE)
_LOOKS_LIKE_HOST = re.compile(r"(?:https?://)?((?:[\w-]{1,63}\.){1,8}[^\W\d_]{2,24})(?=[/:?#]|\Z)", re.IGNORECASE)
_FILE_ENDINGS = frozenset(
    (
        "pdf",
        "html",
        "htm",
        "txt",
        "doc",
        "docx",
        "xls",
        "xlsx",
        "zip",
        "png",
        "jpg",
        "jpeg",
        "gif",
        "csv",
        "eml",
        "py",
        "md",
    )
)
_CODE = frozenset(("javascript", "vbscript", "data"))
_WEB = frozenset(("http", "https"))


def check_links(facts: MailFacts) -> list[TestFinding]:
    """What is odd about the addresses; nothing where there are none."""
    if not facts.source.has_body:
        return []
    links = _links(facts)
    read = [(link, target) for link in links if (target := read_target(link.address)) is not None]
    web = [(link, target) for link, target in read if target.scheme in _WEB and target.host]
    if not web and not any(target.scheme in _CODE for _, target in read):
        return []
    hosts = {target.host: link.address for link, target in web}
    findings = []
    if other := [(link, target) for link, target in web if _names_another(link, target)]:
        lines = [f"{link.text} -> {target.host}" for link, target in other]
        findings.append(found(RuleCode.LINK_ELSEWHERE, evidence=lines, shown=other[0][0].text, host=other[0][1].host))
    findings += _of_hosts(RuleCode.LINK_TO_NUMBER, {host: url for host, url in hosts.items() if is_number(host)})
    findings += _of_hosts(
        RuleCode.LINK_LOOKALIKE, {host: url for host, url in hosts.items() if looks_like_another(host)}
    )
    findings += _of_hosts(
        RuleCode.LINK_SHORTENED, {host: url for host, url in hosts.items() if plain(host) in SHORTENERS}
    )
    findings += _of_hosts(
        RuleCode.LINK_WITH_LOGIN, {target.host: link.address for link, target in web if target.has_login}
    )
    if code := [link.address for link, target in read if target.scheme in _CODE]:
        findings.append(found(RuleCode.LINK_CODE, evidence=code))
    findings += _of_hosts(
        RuleCode.LINK_PLAIN, {target.host: link.address for link, target in web if target.scheme == "http"}
    )
    if not any(one.tenths for one in findings):
        findings.append(
            found(
                RuleCode.LINKS_GOOD, count=len(web), hosts=", ".join(sorted({organisation(one) for one in hosts})[:5])
            )
        )
    return findings


def _links(facts: MailFacts) -> list[Link]:
    """Of the HTML, and those that stand in the text."""
    in_text = [Link(address=match[0].rstrip(".,;:!?)]}'")) for match in _IN_TEXT.finditer(facts.mail.text[:500_000])]
    return [*facts.markup.links, *in_text[:MOST_LINKS]]


def _of_hosts(code: RuleCode, hosts: dict[str, str]) -> list[TestFinding]:
    if not hosts:
        return []
    first = next(iter(hosts))
    return [found(code, evidence=hosts.values(), host=first if first == shown(first) else f"{first} ({shown(first)})")]


def _names_another(link: Link, target: Target) -> bool:
    """Its words are an address themselves, of another house than the one that it leads to."""
    match = _LOOKS_LIKE_HOST.match(link.text.strip())
    if match is None or (match.end() < len(link.text.strip()) and " " in link.text.strip()):
        return False
    named = match[1].lower()
    if "://" not in link.text and named.rpartition(".")[2] in _FILE_ENDINGS:
        return False
    return not are_kin(named, target.host)


# ---- attachments

_DANGEROUS = frozenset(
    (
        "ade", "adp", "apk", "app", "appx", "bat", "chm", "cmd", "com", "cpl", "dll", "dmg", "exe", "hta", "img", "ins", "iso", "isp", "jar",
        "js", "jse", "lib", "lnk", "mde", "mjs", "msc", "msi", "msix", "msp", "mst", "nsh", "one", "pif", "ps1", "psm1", "reg", "scr", "sct",
        "shb", "sys", "vb", "vbe", "vbs", "vhd", "vhdx", "vxd", "wsc", "wsf", "wsh", "xll",
    )
)  # fmt: skip
_MACROS = frozenset(("docm", "dotm", "pptm", "potm", "ppam", "ppsm", "sldm", "xlsm", "xltm", "xlam"))
_HARMLESS = frozenset(
    (
        "pdf",
        "doc",
        "docx",
        "xls",
        "xlsx",
        "ppt",
        "pptx",
        "txt",
        "rtf",
        "csv",
        "html",
        "htm",
        "jpg",
        "jpeg",
        "png",
        "gif",
        "zip",
        "mp3",
        "mp4",
    )
)
_PROGRAM = (b"MZ", b"\x7fELF", b"\xcf\xfa\xed\xfe")


def check_attachments(facts: MailFacts) -> list[TestFinding]:
    """By name and first bytes."""
    if not facts.source.has_body or not facts.mail.attachments:
        return []
    dangerous, disguised, macros = [], [], []
    for one in facts.mail.attachments:
        endings = [part.strip().lower() for part in one.name.split(".")[1:][-4:]]
        last = endings[-1] if endings else ""
        is_program = one.content.startswith(_PROGRAM)
        if last in _DANGEROUS or is_program:
            dangerous.append(one.name)
            if (
                (len(endings) > 1 and endings[-2] in _HARMLESS)
                or (is_program and last in _HARMLESS)
                or "\u202e" in one.name
            ):
                disguised.append(one.name)
        elif last in _MACROS:
            macros.append(one.name)
    findings = [
        found(code, evidence=names, name=names[0])
        for code, names in (
            (RuleCode.ATTACHMENT_DANGEROUS, dangerous),
            (RuleCode.ATTACHMENT_DISGUISED, disguised),
            (RuleCode.ATTACHMENT_MACROS, macros),
        )
        if names
    ]
    return findings or [found(RuleCode.ATTACHMENTS_GOOD, count=len(facts.mail.attachments))]
