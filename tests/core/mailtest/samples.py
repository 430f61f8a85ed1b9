"""A mail in perfect order, and what spoils it: the tests change one thing and expect one rule to speak."""

from __future__ import annotations

from collections.abc import Sequence

from postroom.core.mailtest.evidence import SenderChecks, SpamSymbol, SpamUnchecked, SpamVerdict
from postroom.core.mailtest.facts import Source, take_facts
from postroom.core.mailtest.judging import MailReport, judge
from postroom.core.mailtest.rules import Outcome, RuleCode
from postroom.core.senders.results import Method, MethodResult, Policy, Result

AUTHOR, READER = "alice@northwind.example", "bob@box.test"
WORDS = (
    "Dear Bob, the printers of the third floor were exchanged yesterday morning, and every colleague can print again without "
    "walking down the stairs. Tell Charlie about missing drivers, he keeps them on the shared folder."
)
TOP = (
    "Received: from mail.northwind.example (mail.northwind.example [198.51.100.7]) by mx.box.test (Postfix) with ESMTPS id 2; "
    "Mon, 2 Mar 2026 09:00:04 +0000\r\n"
    "Received: from laptop.northwind.example (laptop.northwind.example [10.0.0.7]) by mail.northwind.example (Postfix) with ESMTPSA "
    "id 1; Mon, 2 Mar 2026 09:00:02 +0000\r\n"
)
HEADER = {
    "Return-Path": f"<{AUTHOR}>",
    "DKIM-Signature": "v=1; a=rsa-sha256; d=northwind.example; s=one; h=From:To:Subject; bh=x; b=y",
    "From": f"Alice <{AUTHOR}>",
    "To": f"Bob <{READER}>",
    "Subject": "New printers on the third floor",
    "Date": "Mon, 2 Mar 2026 10:00:00 +0100",
    "Message-ID": "<1@northwind.example>",
    "MIME-Version": "1.0",
}

SPF = MethodResult(method=Method.SPF, result=Result.PASS, domain="northwind.example", aligned=True)
DKIM = MethodResult(method=Method.DKIM, result=Result.PASS, domain="northwind.example", aligned=True)
DMARC = MethodResult(method=Method.DMARC, result=Result.PASS, domain="northwind.example", policy=Policy.REJECT)
HAM = SpamVerdict(score=-0.1, threshold=5.0, is_spam=False, symbols=(SpamSymbol(name="DKIM_VALID", points=-0.1),))


def checks(*findings: MethodResult, is_body_known: bool = True, is_asked: bool = True) -> SenderChecks:
    """What those who check senders found: all well, unless it is said."""
    return SenderChecks(
        findings=findings or (SPF, DKIM, DMARC),
        is_asked=is_asked,
        is_body_known=is_body_known,
        ip="198.51.100.7",
        helo="mail.northwind.example",
        mail_from=AUTHOR,
        by="mx.box.test",
    )


def a_mail(
    text: str = WORDS,
    html: str | None = None,
    *,
    top: str = TOP,
    files: Sequence[tuple[str, bytes]] = (),
    body: str = "",
    **changes: str | None,
) -> bytes:
    """The perfect mail with these header fields changed (``message_id=...``; None takes one away). ``html``: "" for none; ``body``: instead of
    all parts, with its Content fields."""
    named = {name.replace("_", "-").lower(): value for name, value in changes.items()}
    lines = [f"{name}: {value}\r\n" for name, value in HEADER.items() if name.lower() not in named]
    lines += [f"{name}: {value}\r\n" for name, value in named.items() if value is not None]
    return (top + "".join(lines) + (body or _parts(text, html, files))).encode("utf-8", "surrogateescape")


def _parts(text: str, html: str | None, files: Sequence[tuple[str, bytes]]) -> str:
    markup = f"<html><body><p>{text}</p></body></html>" if html is None else html
    alternatives = (
        [f"Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\n{text}\r\n"]
        if text
        else []
    )
    alternatives += (
        [f"Content-Type: text/html; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\n{markup}\r\n"]
        if markup
        else []
    )
    both = _multipart("alternative", alternatives)
    if not files:
        return both
    attached = [
        f'Content-Type: application/octet-stream\r\nContent-Disposition: attachment; filename="{name}"\r\n'
        f"Content-Transfer-Encoding: 8bit\r\n\r\n{content.decode('latin-1')}\r\n"
        for name, content in files
    ]
    return _multipart("mixed", [both, *attached])


def _multipart(kind: str, parts: Sequence[str]) -> str:
    line = f"=-{kind}"
    inner = "".join(f"--{line}\r\n{part}" for part in parts)
    return f'Content-Type: multipart/{kind}; boundary="{line}"\r\n\r\n{inner}--{line}--\r\n'


def report_on(
    raw: bytes,
    given: SenderChecks | None = None,
    spam: SpamVerdict | SpamUnchecked = HAM,
    *,
    source: Source = Source.MAIL,
) -> MailReport:
    return judge(take_facts(raw, source), given or checks(), spam)


def lost(report: MailReport) -> set[RuleCode]:
    """The rules that cost points."""
    return {one.code for one in report.findings if one.outcome is Outcome.LOST}


def told(report: MailReport, outcome: Outcome) -> set[RuleCode]:
    return {one.code for one in report.findings if one.outcome is outcome}
