"""Between DATA and the final dot: what arrives is what was meant, whatever its lines begin and end with."""

from __future__ import annotations

import re
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from postroom.adapters.smtp.content import END_OF_DATA, WireContent, stuff

from .posting import endpoint, mail, post, post_one
from .scripted_peer import ScriptedPeer, polite

tricky_bytes = st.lists(st.sampled_from([b"\r\n", b".", b"\r", b"\n", b"x", b"..", b"\r\n.\r\n", b"\xfc"])).map(
    b"".join
)
tricky_lines = st.lists(st.sampled_from([b"\r\n", b".", b"x", b"..", b"\r\n.\r\n", b"\xfc"])).map(b"".join)


def received(wire: bytes) -> bytes:
    """What a conforming server makes of it (RFC 5321 4.5.2)."""
    return re.sub(rb"(?m)^\.", b"", wire)


def cut(content: bytes, places: list[int]) -> tuple[bytes, ...]:
    edges = [0, *sorted(place % (len(content) + 1) for place in places), len(content)]
    return tuple(content[start:end] for start, end in pairwise(edges))


@given(tricky_lines, st.lists(st.integers(min_value=0)))
def test_what_arrives_is_what_was_meant(content: bytes, places: list[int]) -> None:
    wire = b"".join(WireContent().derive(cut(content, places)))
    meant = content if not content or content.endswith(b"\r\n") else content + b"\r\n"
    assert received(wire) == meant


@given(tricky_bytes, st.lists(st.integers(min_value=0)))
def test_no_content_can_end_the_mail_early(content: bytes, places: list[int]) -> None:
    wire = b"".join(WireContent().derive(cut(content, places)))
    assert not re.search(rb"(?<!\r)\n|\r(?!\n)", wire), "bare line ends"
    assert not re.search(rb"(\A|\n)\.(\r|\n|\Z)", wire), "a lone dot"
    assert not wire or wire.endswith(b"\r\n")


@given(tricky_bytes, st.lists(st.integers(min_value=0)))
def test_where_the_chunks_are_cut_makes_no_difference(content: bytes, places: list[int]) -> None:
    assert b"".join(WireContent().derive(cut(content, places))) == b"".join(WireContent().derive((content,)))


@pytest.mark.parametrize(
    ("chunks", "wire"),
    [
        ((b"",), b""),
        ((), b""),
        ((b"a",), b"a\r\n"),
        ((b".",), b"..\r\n"),
        ((b".\r\n",), b"..\r\n"),
        ((b"a\r\n", b".\r\n"), b"a\r\n..\r\n"),
        ((b"a", b".b\r\n"), b"a.b\r\n"),
        ((b"a\r", b"\n.b\r\n"), b"a\r\n..b\r\n"),
        ((b"a\r\n", b"", b"..b"), b"a\r\n...b\r\n"),
        ((b"a\n.\nb",), b"a\r\n..\r\nb\r\n"),
        ((b"a\r.\rb",), b"a . b\r\n"),
        ((b"a\r\r\nb\r\n",), b"a \r\nb\r\n"),
        ((b"a\r",), b"a \r\n"),
    ],
)
def test_examples(chunks: tuple[bytes, ...], wire: bytes) -> None:
    assert b"".join(WireContent().derive(chunks)) == wire


def test_lines_and_bytes_arrive_exactly() -> None:
    body = b"".join(
        (
            b".\r\n",
            b"..\r\n",
            b". \r\n",
            b"x" * 5000 + b"\r\n",
            b"\r\n\r\n",
            b"\x00\xff\xfe\r\n",
            b"no line end.",
        )
    )
    with ScriptedPeer(polite()) as server:
        assert post_one(endpoint(server.port), mail(chunks=(b".Subject: dots\r\n\r\n", body))).is_accepted
    assert received(server.mails[0].content) == b".Subject: dots\r\n\r\n" + body + b"\r\n"


def test_an_empty_mail_is_a_lone_dot() -> None:
    with ScriptedPeer(polite()) as server:
        assert post_one(endpoint(server.port), mail(chunks=())).is_accepted
    assert server.mails[0].content == b""


def test_a_shared_chunk_is_derived_once() -> None:
    content = WireContent()
    shared = b"a line\r\n.a dot\r\n" * 100
    first = content.derive((b"To: bob\r\n\r\n", shared))
    second = content.derive((b"To: charlie\r\n\r\n", shared))
    assert first[-1] is second[-1]
    assert first[-1] == stuff(shared)


def test_a_clean_chunk_is_not_copied() -> None:
    shared = b"a line\r\n" * 100
    assert WireContent().derive((b"\r\n", shared))[-1] is shared


def test_what_is_remembered_is_limited() -> None:
    content = WireContent()
    for number in range(500):
        content.derive((b"\r\n", b"%d\r\n" % number * 1000))
    assert len(content._seen) <= 64
    for number in range(20):
        content.derive((b"\r\n", b"%d" % number * 5_000_000))
    assert sum(len(chunk) for chunk, _ in content._seen.values()) <= 48 * 1024 * 1024


def test_a_chunk_that_died_is_not_mistaken_for_its_successor() -> None:
    content = WireContent()
    for number in range(2000):
        body = b"%05d\r\n.\r\n" % number * 200
        assert content.derive((b"\r\n", body))[-1] == b"%05d\r\n..\r\n" % number * 200


def test_recipients_share_a_body_and_have_headers_of_their_own() -> None:
    body = b".signature\r\n" * 100
    letters = [mail(key, chunks=(b"Subject: %d\r\n\r\n" % key, body)) for key in range(1, 21)]
    with ScriptedPeer(polite()) as server:
        assert all(outcome.is_accepted for outcome in post(endpoint(server.port), *letters))
    assert [received(each.content) for each in server.mails] == [b"".join(letter.chunks) for letter in letters]
    assert END_OF_DATA == b".\r\n"
