"""What is composed is read back equal: by Postroom's own parser and by the standard library's."""

from __future__ import annotations

import email
import email.policy
from datetime import UTC, datetime
from email.message import EmailMessage

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from postroom.core.mime.composing import (
    MailHeaders,
    OutgoingAttachment,
    RenderedBody,
    needs_smtputf8,
    render_body,
    render_headers,
    splice,
)
from postroom.core.mime.encoding import clean
from postroom.core.mime.parsing import parse
from postroom.core.terms.addresses import Address, normalize_domain

CALM = settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.too_slow])

ATOM = "abcdefghijklmnopqrstuvwxyzABCXYZ0123456789!#$%&'*+/=?^_`{|}~-"
anything = st.text(st.characters(blacklist_categories=()), max_size=160)  # lone surrogates and controls as well
printable = st.text(st.characters(blacklist_categories=("Cs", "Cc", "Zl", "Zp")), max_size=100)
locals_ = st.text(st.sampled_from(ATOM), min_size=1, max_size=30) | st.text(
    st.characters(min_codepoint=32, max_codepoint=126, blacklist_characters='"\\'), min_size=1, max_size=20
).map(lambda text: text.strip() or "x")
domains = st.sampled_from(["example.com", "mail.exämple.example", "xn--exmple-cua.org", "例え.example", "a-b.c.test"])
addresses = st.builds(Address, name=printable, local=locals_, domain=domains)
one_word = st.text(st.characters(blacklist_categories=("Cs", "Cc", "Zl", "Zp")), max_size=9)
short_addresses = st.builds(Address, name=one_word, local=locals_, domain=domains)
moments = st.integers(0, 250_000_000_000).map(lambda seconds: datetime.fromtimestamp(seconds, UTC))
identifiers = st.text(st.sampled_from(ATOM), min_size=1, max_size=90).map(lambda text: f"<{text}@example.com>")
HI = render_body(text="Hi\n", html="")


def mail_of(headers: MailHeaders, body: RenderedBody = HI) -> bytes:
    return b"".join(splice(render_headers(headers), body))


def headers_with(**fields: object) -> MailHeaders:
    plain: dict[str, object] = {
        "header_from": Address("Alice", "alice", "example.com"),
        "to": (Address("Bob", "bob", "example.org"),),
        "message_id": "<1@example.com>",
        "date": datetime(2024, 2, 29, 12, 0, tzinfo=UTC),
    }
    return MailHeaders(**{**plain, **fields})  # type: ignore[arg-type]


def by_standard_library(raw: bytes) -> EmailMessage:
    message = email.message_from_bytes(raw, policy=email.policy.default)
    assert isinstance(message, EmailMessage)
    return message


def seen(name: str) -> str:
    """A display name as every reader folds it: runs of white space are one space, and quotes around a whole name go."""
    found = " ".join(clean(name).split())
    for _ in range(3):
        if len(found) > 1 and found[0] == found[-1] and found[0] in "'\"":
            found = found[1:-1].strip()
    return found


def assert_legal(raw: bytes) -> None:
    assert raw.replace(b"\r\n", b"").count(b"\n") == raw.replace(b"\r\n", b"").count(b"\r") == 0
    assert max(map(len, raw.split(b"\r\n"))) <= 998


@CALM
@given(subject=anything)
def test_any_subject_is_read_back(subject: str) -> None:
    raw = mail_of(headers_with(subject=subject))
    assert_legal(raw)
    assert parse(raw).subject == clean(subject)
    assert raw.split(b"\r\n\r\n")[0].isascii()


@CALM
@given(subject=printable)
def test_a_printable_subject_is_read_back_by_the_standard_library(subject: str) -> None:
    raw = mail_of(headers_with(subject=subject))
    assert str(by_standard_library(raw)["subject"]) == clean(subject)


@CALM
@given(sender=addresses, to=st.lists(addresses, min_size=1, max_size=8), cc=st.lists(addresses, max_size=3))
def test_any_addresses_are_read_back(sender: Address, to: list[Address], cc: list[Address]) -> None:
    headers = headers_with(header_from=sender, to=tuple(to), cc=tuple(cc), reply_to=(sender,))
    raw = mail_of(headers)
    assert_legal(raw)
    read = parse(raw)
    for written, found in (
        ((sender,), read.header_from),
        (to, read.to),
        (cc, read.cc),
        ((sender,), read.reply_to),
    ):
        assert [one.name for one in found] == [seen(one.name) for one in written]
        assert [one.domain for one in found] == [normalize_domain(one.domain) for one in written]
        assert [one.local.strip('"') for one in found] == [one.local for one in written]
    assert not needs_smtputf8(headers)


@CALM
@given(sender=short_addresses, to=st.lists(short_addresses, min_size=1, max_size=4))
def test_addresses_are_read_back_by_the_standard_library(sender: Address, to: list[Address]) -> None:
    """Names of one encoded word: between two of them that library reads a space that RFC 2047 6.2 ignores."""
    message = by_standard_library(mail_of(headers_with(header_from=sender, to=tuple(to))))
    found = [*message["from"].addresses, *message["to"].addresses]
    for one, written in zip(found, [sender, *to], strict=True):
        assert " ".join(one.display_name.split()) == seen(written.name)
        assert one.username == written.local
        assert one.domain == normalize_domain(written.domain)


@CALM
@given(identifier=identifiers, references=st.lists(identifiers, max_size=32, unique=True), moment=moments)
def test_identifiers_and_dates_are_read_back(identifier: str, references: list[str], moment: datetime) -> None:
    raw = mail_of(
        headers_with(message_id=identifier, references=tuple(references), in_reply_to=(identifier,), date=moment)
    )
    assert_legal(raw)
    read = parse(raw)
    assert (read.message_id, read.in_reply_to) == (identifier, (identifier,))
    assert read.references == tuple(references)
    assert read.date == moment
    message = by_standard_library(raw)
    assert message["message-id"] == identifier
    assert message["date"].datetime == moment
    assert (message["references"] or "").split() == references


@CALM
@given(value=anything, name=st.sampled_from(["X-Postroom-Objects", "List-Id", "X-" + "A" * 60]))
def test_an_extra_field_cannot_inject_another(value: str, name: str) -> None:
    raw = mail_of(headers_with(extra=((name, value),)))
    assert_legal(raw)
    read = parse(raw)
    fields = ["From", "To", "Subject", "Message-ID", "Date", "MIME-Version"]
    fields += ["Content-Type", "Content-Transfer-Encoding"]
    assert sorted(key for key, _ in read.headers) == sorted([*fields, name])
    assert read.header(name) == clean(value)


bodies = st.text(st.characters(codec="utf-8", exclude_characters="\r\0"), max_size=600)


def as_sent(text: str) -> str:
    return text if not text or text.endswith("\n") else text + "\n"


@CALM
@given(text=bodies, html=bodies)
def test_any_bodies_are_read_back(text: str, html: str) -> None:
    text, html = text.removeprefix("\ufeff"), html.removeprefix("\ufeff")
    raw = mail_of(headers_with(), render_body(text="x" + text, html="<p>" + html))
    assert_legal(raw)
    assert raw.isascii()
    read = parse(raw)
    assert (read.text, read.html) == (as_sent("x" + text), as_sent("<p>" + html))
    assert not read.defects
    message = by_standard_library(raw)
    for subtype, written in (("plain", "x" + text), ("html", "<p>" + html)):
        part = message.get_body((subtype,))
        assert part is not None
        assert part.get_payload(decode=True).decode("utf-8").replace("\r\n", "\n") == as_sent(written)  # type: ignore[union-attr]


files = st.builds(
    OutgoingAttachment,
    name=printable,
    content_type=st.sampled_from(["application/pdf", "image/png", "text/plain", "message/rfc822", "nonsense", ""]),
    content=st.binary(max_size=400),
)


@CALM
@given(attachments=st.lists(files, max_size=4))
@pytest.mark.slow
def test_any_attachments_are_read_back(attachments: list[OutgoingAttachment]) -> None:
    raw = mail_of(headers_with(), render_body(text="See below.\n", html="<p>See below.</p>\n", attachments=attachments))
    assert_legal(raw)
    read = parse(raw)
    assert read.text == "See below.\n"
    assert [one.content for one in read.attachments] == [one.content for one in attachments]
    names = [one.name for one in read.attachments]
    assert all(names)
    message = by_standard_library(raw)
    parts = list(message.iter_attachments())
    assert [part.get_filename() for part in parts] == names
    for part, written in zip(parts, attachments, strict=True):
        if part.get_content_type() != "message/rfc822":
            assert part.get_payload(decode=True) == written.content
