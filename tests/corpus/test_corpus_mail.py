"""Mails of many libraries' test suites: read without a fault, and read as their labels say."""

from __future__ import annotations

import email
from base64 import b64decode
from collections import Counter
from datetime import UTC, datetime, timedelta, timezone
from email.message import Message
from hashlib import sha256
from typing import Any

import pytest

from postroom.core.mime.parsed import ParsedMail
from postroom.core.mime.parsing import parse, parse_headers
from tests.corpus.shared import content, labels
from tests.corpus.wholeness import assert_whole

pytestmark = pytest.mark.shared


def test_every_mail_is_read_without_a_fault() -> None:
    defects: Counter[str] = Counter()
    count = 0
    for name in ("mail", "reports"):
        for label in labels(name):
            raw = content(label)
            mail = parse(raw)
            assert_whole(mail)
            assert parse_headers(raw).headers == mail.headers, label["file"]
            defects.update(mail.defects)
            count += 1
    print(f"{count} mails; defects: {dict(defects.most_common())}")
    assert count > 700


def folded(text: str | None) -> str:
    return " ".join((text or "").split())


def specs(mail: ParsedMail, name: str) -> list[str]:
    return [address.spec if address.domain else "" for address in getattr(mail, name)]


def instant(value: dict[str, Any]) -> datetime | None:
    """The label's way to write a date; the year 1900 stands for none."""
    offset = (value.get("tzinfo") or {"timezone": [{}]})["timezone"][0]
    zone = timezone(timedelta(days=offset.get("days", 0), seconds=offset.get("seconds", 0)))
    year, month, day, hour, minute, second = [*value["datetime"], 0][:6]
    moment = datetime(year, month, day, hour, minute, second, tzinfo=zone)
    return moment.astimezone(UTC) if year > 1900 else None


def digest(payload: dict[str, Any]) -> str:
    return str(payload.get("sha256") or sha256(b64decode(payload["base64"])).hexdigest())


def comparisons(mail: ParsedMail, expected: dict[str, Any]) -> dict[str, bool]:
    """Which fields agree with the label.

    Attached mails are walked into by the labels' reader and not by ours.
    """
    result = {
        "subject": folded(mail.subject) == folded(expected["subject"]),
        "from": specs(mail, "header_from")[:1] == [expected["from_"]],
        "date": mail.date == instant(expected["date"]),
        "text": folded(mail.text) == folded(expected["text"]),
        "html": folded(mail.html).lower() == folded(expected["html"]).lower(),
        "attachment names": [one.name for one in mail.attachments]
        == [one["filename"] for one in expected["attachments"]],
        "attachment contents": [one.sha256 for one in mail.attachments]
        == [digest(one["payload"]) for one in expected["attachments"]],
    }
    for name in ("to", "cc", "reply_to"):
        result[name] = specs(mail, name) == expected[name]
        result[f"{name} names"] = [one.name for one in getattr(mail, name)] == [
            one["name"] for one in expected[f"{name}_values"]
        ]
    return result


def test_labelled_mails_are_read_as_labelled() -> None:
    agreed: Counter[str] = Counter()
    total: Counter[str] = Counter()
    for label in labels("mail"):
        if label["expected"] is None:
            continue
        for name, agrees in comparisons(parse(content(label)), label["expected"]).items():
            total[name] += 1
            agreed[name] += agrees
    for name in sorted(total):
        print(f"{name:20s} {agreed[name]} of {total[name]}")
    assert total["subject"] >= 20
    for name in ("from", "date", "cc", "cc names", "reply_to", "reply_to names"):
        assert agreed[name] == total[name], name
    for name in ("subject", "to", "to names"):
        assert total[name] - agreed[name] <= 1, name
    # The rest differs where a mail is attached: it is one attachment here, and its own text and files there.
    for name in ("text", "html", "attachment names", "attachment contents"):
        assert total[name] - agreed[name] <= 6, name


def leaves(part: Message) -> list[Message]:
    if part.get_content_type().startswith("message/"):
        return []
    if not part.is_multipart():
        return [part]
    return [leaf for child in part.get_payload() for leaf in leaves(child)]  # type: ignore[arg-type]


def readable(part: Message) -> set[str]:
    """The first words of a part, as any of the charsets that may be meant."""
    data = part.get_payload(decode=True)
    assert isinstance(data, bytes)
    texts = set()
    for charset in (part.get_content_charset() or "utf-8", "utf-8", "cp1252", "latin-1"):
        try:
            texts.add("".join(data.decode(charset).split())[:200])
        except (UnicodeError, LookupError):
            continue
    return texts


TRANSLATED = frozenset(("application/ms-tnef", "text/richtext", "text/enriched"))  # what is read is not what was sent


@pytest.mark.slow
def test_hardly_any_part_that_the_standard_library_finds_is_missing() -> None:
    """Missing ones are lesser alternatives and mails so broken that the two readers cut them differently."""
    found = missing = 0
    for name in ("mail", "reports"):
        for label in labels(name):
            raw = content(label)
            mail = parse(raw)
            contents = [mail.text.encode(), mail.html.encode()]
            kept = (*mail.attachments, *mail.report_parts, *mail.signatures)
            contents += [one.content for one in kept]
            there = [
                "".join(one.decode(codec, "replace").split()) for one in contents for codec in ("utf-8", "latin-1")
            ]
            for part in leaves(email.message_from_bytes(raw)):
                if part.get_content_type() in TRANSLATED:
                    continue
                texts = readable(part)
                found += 1
                missing += not any(text in one for text in texts for one in there)
    print(f"{found} parts, {missing} not found")
    assert found > 1_000
    assert missing <= found * 0.03
