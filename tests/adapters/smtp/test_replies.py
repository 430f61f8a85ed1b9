"""Reading replies: any bytes, in any pieces."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from postroom.adapters.smtp.replies import MAX_LINE, MAX_REPLY, RawReply, ReplyReader, as_reply
from postroom.core.terms.smtp_replies import SmtpReply

streams = (
    st.lists(
        st.sampled_from(
            [
                b"250",
                b"-",
                b" ",
                b"\r\n",
                b"\n",
                b"354",
                b"421 ",
                b"2.0.0",
                b"\xff",
                b"\0",
                b"x" * 2000,
                b"-1",
            ]
        )
    ).map(b"".join)
    | st.binary()
)


def read(data: bytes) -> list[RawReply]:
    return ReplyReader().feed(data)


def test_replies_of_one_and_of_several_lines() -> None:
    assert [as_reply(each) for each in read(b"250 2.1.0 Ok\r\n250-one\r\n250-two\r\n250 three\r\n354 go\r\n")] == [
        SmtpReply(250, "2.1.0", "Ok"),
        SmtpReply(250, "", "one\ntwo\nthree"),
        SmtpReply(354, "", "go"),
    ]


@pytest.mark.parametrize("data", [b"250\r\n", b"250 \r\n", b"250\n", b"250-\r\n250\r\n"])
def test_a_code_alone_is_a_reply(data: bytes) -> None:
    [raw] = read(data)
    assert as_reply(raw).code == 250
    assert as_reply(raw).text.strip("\n") == ""


@pytest.mark.parametrize(
    "data",
    [
        b"\r\n",
        b"hello\r\n",
        b"2500 x\r\n",
        b"25 x\r\n",
        b"-250 x\r\n",
        b"250_x\r\n",
        b"199 x\r\n",
        b"600 x\r\n",
    ],
)
def test_what_is_no_reply_breaks_the_stream(data: bytes) -> None:
    reader = ReplyReader()
    assert [code for code, _ in reader.feed(data + b"250 ok\r\n")] == [0]
    assert reader.is_broken
    assert reader.feed(b"250 ok\r\n") == []


@pytest.mark.parametrize("data", [b"250 " + b"x" * (MAX_LINE + 1), (b"250-" + b"x" * 996 + b"\r\n") * 1100])
def test_a_reply_without_end_breaks_the_stream(data: bytes) -> None:
    reader = ReplyReader()
    assert [code for code, _ in reader.feed(data)] == [0]
    assert reader.is_broken


@given(streams)
def test_reading_never_raises_and_text_can_be_stored(data: bytes) -> None:
    for raw in read(data):
        reply = as_reply(raw)
        assert reply.code == 0 or 200 <= reply.code < 600
        assert "\0" not in reply.text
        reply.text.encode()
        assert len(reply.text) < 10_000


@given(streams, st.lists(st.integers(min_value=0, max_value=100), max_size=20))
def test_the_pieces_make_no_difference(data: bytes, lengths: list[int]) -> None:
    reader = ReplyReader()
    replies: list[RawReply] = []
    rest = data
    for length in lengths:
        replies += reader.feed(rest[:length])
        rest = rest[length:]
    replies += reader.feed(rest)
    assert replies == read(data)


@given(st.lists(st.binary(max_size=5000), max_size=50))
def test_what_is_kept_of_an_unfinished_reply_is_limited(pieces: list[bytes]) -> None:
    reader = ReplyReader()
    for piece in pieces:
        reader.feed(b"250-" + piece.replace(b"\n", b"") + b"\r\n")
        assert sum(map(len, reader._lines)) <= 10_000
        assert len(reader._rest) <= MAX_LINE
    assert reader._size <= MAX_REPLY + 6000
