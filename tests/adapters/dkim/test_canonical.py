"""The relaxed forms, against the examples of RFC 6376 and against another implementation."""

from __future__ import annotations

from base64 import b64encode
from hashlib import sha256

import pytest
from dkim.canonicalization import Relaxed
from hypothesis import given
from hypothesis import strategies as st

from postroom.adapters.dkim.canonical import body_digest, signed_fields


def test_the_example_of_rfc_6376_3_4_5() -> None:
    assert body_digest(b" C \r\nD \t E\r\n\r\n\r\n") == sha256(b" C\r\nD E\r\n").digest()


def test_an_empty_body_is_nothing() -> None:
    for body in (b"", b"\r\n", b"\r\n\r\n", b" \t\r\n \r\n"):
        assert b64encode(body_digest(body)) == b"47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU="  # RFC 6376 3.4.4


def test_a_body_without_an_end_of_line_gets_one() -> None:
    assert body_digest(b"a") == body_digest(b"a\r\n") == sha256(b"a\r\n").digest()


def test_stray_line_ends_are_hashed_as_the_wire_has_them() -> None:
    assert body_digest(b"a\nb\rc\r\n") == body_digest(b"a\r\nb c\r\n")


@given(st.lists(st.sampled_from([b"a", b" ", b"\t", b"\r\n", b"=C3", b".", b"  "])).map(b"".join))
def test_the_body_is_what_another_implementation_makes_of_it(body: bytes) -> None:
    if body and not body.endswith(b"\r\n"):
        body += b"\r\n"
    assert body_digest(body) == sha256(Relaxed.canonicalize_body(body)).digest()


def test_fields_are_lower_case_unfolded_and_their_blanks_are_one() -> None:
    found = signed_fields(b"from : \t Alice\r\n\t <a@b.example> \r\nSUBJECT:\r\n  two  words\r\nX-Own: 1\r\n\r\n")
    assert found.data == b"from:Alice <a@b.example>\r\nsubject:two words"


def test_of_equal_fields_the_lowest_comes_first() -> None:
    found = signed_fields(b"From: a\r\nReferences: 1\r\nReferences: 2\r\n")
    assert found.data == b"from:a\r\nreferences:2\r\nreferences:1"
    assert found.names.count(b"References") == 2


@pytest.mark.parametrize("name", [b"Sender", b"List-Id", b"Content-Transfer-Encoding", b"In-Reply-To"])
def test_what_relays_and_lists_may_add_is_signed_only_when_it_is_there(name: bytes) -> None:
    assert name not in signed_fields(b"From: a\r\n").names
    assert signed_fields(b"From: a\r\n%b: x\r\n" % name).names.count(name) == 1
