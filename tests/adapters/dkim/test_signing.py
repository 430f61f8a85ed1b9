"""Every mail that we compose verifies with another implementation, also after relays folded its headers anew."""

from __future__ import annotations

import re
import time
from datetime import UTC, datetime
from functools import lru_cache

import pytest
from hypothesis import given
from hypothesis import strategies as st

from postroom.adapters.dkim.signing import DkimWriter, SigningKey
from postroom.core.mime.composing import MailHeaders, OutgoingAttachment, render_body, render_headers, splice
from postroom.core.terms.addresses import Address
from postroom.core.terms.secret import Secret
from tests.adapters.dkim.verifying import NOW, is_verified, make_keys

writer = DkimWriter()

texts = st.text(alphabet=st.characters(codec="utf-8", exclude_categories=("Cs",)), max_size=120)
bodies = st.one_of(
    texts,
    st.lists(st.sampled_from(["", " ", "\t", "  two  blanks ", "ends in blanks  \t", ".", "..", "\r", "\n", "ü" * 40, "x" * 1200])).map(
        "\n".join
    ),
)  # fmt: skip
locals_ = st.from_regex(r"[a-z0-9]{1,20}", fullmatch=True)
addresses = st.builds(Address, name=texts, local=locals_, domain=st.just("reader.example"))
headers = st.builds(
    MailHeaders,
    header_from=st.builds(Address, name=texts, local=locals_, domain=st.just("northwind.example")),
    to=st.lists(addresses, max_size=3).map(tuple),
    cc=st.lists(addresses, max_size=2).map(tuple),
    reply_to=st.lists(addresses, max_size=1).map(tuple),
    subject=texts,
    message_id=st.just("<one@northwind.example>"),
    date=st.just(datetime(2026, 11, 21, 6, 0, tzinfo=UTC)),
    references=st.lists(st.just("<before@reader.example>"), max_size=60).map(tuple),
    extra=st.lists(
        st.tuples(st.sampled_from(["List-Unsubscribe", "List-Id", "X-Own", "Auto-Submitted"]), texts), max_size=4
    ).map(tuple),
)
files = st.builds(OutgoingAttachment, name=texts, content_type=st.just("text/plain"), content=st.binary(max_size=300))


@lru_cache(maxsize=1)
def keys() -> dict[str, tuple[SigningKey, dict[bytes, bytes]]]:
    return make_keys()


def signed(head: bytes, body: bytes, *algorithms: str, **times: int) -> tuple[bytes, bytes]:
    """The signature fields, and the whole mail."""
    chosen = [keys()[algorithm][0] for algorithm in algorithms]
    fields = writer.signatures(chosen, head, writer.body_hash(body), **{"signed_at": NOW, **times})
    return fields, fields + head + body


def dns(*algorithms: str) -> dict[bytes, bytes]:
    return {name: value for algorithm in algorithms for name, value in keys()[algorithm][1].items()}


@given(mail=headers, text=bodies, html=bodies, attachments=st.lists(files, max_size=2))
def test_every_mail_that_we_compose_verifies(
    mail: MailHeaders, text: str, html: str, attachments: list[OutgoingAttachment]
) -> None:
    head, body = splice(render_headers(mail), render_body(text=text, html=html, attachments=attachments))
    _, raw = signed(head, body, "rsa", "ed25519")
    assert is_verified(raw, dns("rsa"), 0)
    assert is_verified(raw, dns("ed25519"), 1)


def a_mail(subject: str = "Your order of twelve framed prints", text: str = "All is well.\n") -> tuple[bytes, bytes]:
    mail = MailHeaders(
        header_from=Address("Alice Ager", "alice", "northwind.example"),
        to=(Address("Customer Carla", "carla", "reader.example"), Address("Bob Bücher", "bob", "reader.example")),
        subject=subject,
        message_id="<one@northwind.example>",
        date=datetime(2026, 11, 21, 6, 0, tzinfo=UTC),
        references=("<first@reader.example>", "<second@reader.example>"),
    )
    return splice(render_headers(mail), render_body(text=text))


def refolded(raw: bytes, width: int, blank: bytes) -> bytes:
    """As a relay does that unfolds every field and folds it anew at its blanks."""
    head, _, body = raw.partition(b"\r\n\r\n")
    lines = []
    for field in re.sub(rb"\r\n[ \t]+", b" ", head).split(b"\r\n"):
        words = field.split(b" ")
        line = words[0]
        for word in words[1:]:
            if len(line) + len(word) < width:
                line += b" " + word
            else:
                lines.append(line)
                line = blank + word
        lines.append(line)
    return b"\r\n".join(lines) + b"\r\n\r\n" + body


@pytest.mark.parametrize("algorithm", ["rsa", "ed25519"])
@pytest.mark.parametrize(("width", "blank"), [(20, b"\t"), (40, b"    "), (78, b" \t "), (900, b" ")])
def test_a_relay_may_fold_the_headers_anew(algorithm: str, width: int, blank: bytes) -> None:
    _, raw = signed(
        *a_mail(subject="A subject  with blanks, of more than one line, so that it is folded somewhere"), algorithm
    )
    assert is_verified(refolded(raw, width, blank), dns(algorithm))


@pytest.mark.parametrize(
    "harmless",
    [
        lambda raw: b"Received: from a by b; today\r\nDKIM-Filter: x\r\n" + raw,
        lambda raw: raw.replace(b"Subject: ", b"List-Post: <mailto:l@list.example>\r\nSender: l@list.example\r\nSubject: "),
        lambda raw: raw.replace(b"SUBJECT:", b"Subject:").replace(b"Subject: ", b"SUBJECT:   "),
        lambda raw: raw + b"\r\n\r\n \r\n",
        lambda raw: raw.replace(b"well.\r\n", b"well.  \t\r\n"),
        lambda raw: raw.replace(b"All is", b"All \t is"),
    ],
    ids=["trace", "list", "spelling", "lines at the end", "blanks at line ends", "blanks"],
)  # fmt: skip
@pytest.mark.parametrize("algorithm", ["rsa", "ed25519"])
def test_what_relays_and_lists_do_leaves_the_signature_whole(algorithm: str, harmless: object) -> None:
    _, raw = signed(*a_mail(), algorithm)
    assert callable(harmless)
    assert harmless(raw) != raw
    assert is_verified(harmless(raw), dns(algorithm))


@pytest.mark.parametrize(
    "field",
    [
        b"From: Mallory <mallory@evil.example>", b"To: all@evil.example", b"Cc: all@evil.example", b"Subject: Pay here",
        b"Reply-To: mallory@evil.example", b"Date: Sat, 21 Nov 2020 06:00:00 +0000", b"Content-Type: text/html",
        b"Message-ID: <two@evil.example>", b"MIME-Version: 2.0",
    ],
)  # fmt: skip
@pytest.mark.parametrize("place", ["above", "below"])
def test_nobody_can_add_a_field_that_people_see(field: bytes, place: str) -> None:
    fields, raw = signed(*a_mail(), "ed25519")
    mail = raw[len(fields) :]
    head, _, body = mail.partition(b"\r\n\r\n")
    forged = [field, head] if place == "above" else [head, field]
    assert is_verified(raw, dns("ed25519"))
    assert not is_verified(fields + b"\r\n".join(forged) + b"\r\n\r\n" + body, dns("ed25519"))


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b"All is well", b"All is lost"),
        (b"alice@northwind", b"malice@northwind"),
        (b"carla@reader", b"clara@reader"),
        (b"<first@reader", b"<other@reader"),
        (b"t=", b"t=1"),
    ],
)
def test_what_was_changed_does_not_verify(old: bytes, new: bytes) -> None:
    _, raw = signed(*a_mail(), "rsa")
    assert old in raw
    assert not is_verified(raw.replace(old, new, 1), dns("rsa"))


def test_a_key_that_is_another_ones_does_not_verify() -> None:
    _, raw = signed(*a_mail(), "rsa")
    (name,) = dns("rsa")
    other = make_keys()["rsa"][1][name]
    assert not is_verified(raw, {name: other})


def test_the_fields_are_folded_and_say_what_they_should() -> None:
    fields, _ = signed(*a_mail(), "rsa", "ed25519", expires_at=NOW + 86400)
    assert fields.endswith(b"\r\n")
    assert fields.count(b"\n") == fields.count(b"\r\n")
    lines = fields.decode("ascii").split("\r\n")
    assert max(map(len, lines)) < 78
    rsa, ed25519 = re.findall(r"DKIM-Signature: (.*?\r\n)(?!\s)", fields.decode("ascii"), flags=re.DOTALL)
    for text, algorithm in ((rsa, "rsa-sha256"), (ed25519, "ed25519-sha256")):
        tags = dict(tag.strip().partition("=")[::2] for tag in text.split(";"))
        assert list(tags) == ["v", "a", "c", "d", "s", "t", "x", "h", "bh", "b"]
        assert (tags["v"], tags["a"], tags["c"]) == ("1", algorithm, "relaxed/relaxed")
        assert (tags["d"], tags["t"], tags["x"]) == ("northwind.example", str(NOW), str(NOW + 86400))
        names = re.sub(r"\s", "", tags["h"]).split(":")
        for name in ("From", "To", "Subject", "Date", "Message-ID", "MIME-Version", "Content-Type"):
            assert names.count(name) == 2, name
        assert (names.count("Reply-To"), names.count("Cc"), names.count("References")) == (1, 1, 1)
        assert "List-Id" not in names
    without = signed(*a_mail(), "rsa")[0]
    assert b" x=" not in without


def test_a_domain_of_full_length_still_verifies() -> None:
    domain = ".".join(["a" * 60] * 4 + ["example"])
    ((key, zone), _) = make_keys(domain).values()
    head, body = a_mail()
    raw = writer.signatures([key], head, writer.body_hash(body), signed_at=NOW) + head + body
    assert is_verified(raw, zone)


def test_a_mail_whose_addresses_are_utf8_verifies() -> None:
    mail = MailHeaders(
        header_from=Address("Jürgen", "jürgen", "northwind.example"),
        to=(Address("", "käthe", "reader.example"),),
        subject="Grüße",
        message_id="<one@northwind.example>",
        date=datetime(2026, 11, 21, 6, 0, tzinfo=UTC),
    )
    _, raw = signed(*splice(render_headers(mail), render_body(text="Grüße")), "ed25519")
    assert "jürgen".encode() in raw
    assert is_verified(raw, dns("ed25519"))


@pytest.mark.parametrize("algorithm", ["rsa", "ed25519"])
def test_a_key_is_none_of_the_other_algorithm_and_nothing_else_is_a_key(algorithm: str) -> None:
    other = {"rsa": "ed25519", "ed25519": "rsa"}[algorithm]
    for private in (writer.make_key(other)[0], Secret(""), Secret("-----BEGIN PRIVATE KEY-----\nAA==\n")):
        with pytest.raises(ValueError, match="private key") as trouble:
            writer.open_key(domain="a.example", selector="s", algorithm=algorithm, private=private)
        assert "BEGIN" not in str(trouble.value)
    with pytest.raises(ValueError, match="no algorithm"):
        writer.make_key("dsa")


def test_a_key_does_not_show_itself() -> None:
    private, _ = writer.make_key("rsa")
    key = writer.open_key(domain="a.example", selector="s", algorithm="rsa", private=private)
    assert "PRIVATE" not in f"{key!r} {private!r}"
    assert "BEGIN PRIVATE KEY" in private.reveal()


@pytest.mark.parametrize("algorithm", ["rsa", "ed25519"])
def test_how_fast_it_signs(algorithm: str, capsys: pytest.CaptureFixture[str]) -> None:
    head, body = a_mail()
    key, digest = keys()[algorithm][0], writer.body_hash(body)

    def rate(work: object) -> float:
        assert callable(work)
        began = time.process_time()
        for _ in range(150):
            work()
        return 150 / max(time.process_time() - began, 1e-6)

    primitive = rate(lambda: key.sign(head))
    whole = rate(lambda: writer.signatures([key], head, digest, signed_at=NOW))
    with capsys.disabled():
        print(f"\nDKIM {algorithm}: {whole:,.0f} signatures a second and core; the bare primitive {primitive:,.0f}")
