"""Parameters that are nothing but separators, in every part of a mail, cost no more than their length."""

from __future__ import annotations

import re
import time

import pytest

from postroom.core.mime import headers
from postroom.core.mime.headers import read_parameters
from postroom.core.mime.parsing import parse


class Counting:
    """A pattern that counts how often it was tried."""

    def __init__(self, pattern: re.Pattern[str]) -> None:
        self.pattern = pattern
        self.tries = 0

    def match(self, text: str, position: int) -> re.Match[str] | None:
        self.tries += 1
        return self.pattern.match(text, position)


@pytest.mark.parametrize("separators", [";", "; ", ";\t;", " ;"], ids=repr)
def test_a_run_of_separators_is_looked_at_once(separators: str, monkeypatch: pytest.MonkeyPatch) -> None:
    counting = Counting(headers._PARAMETER)
    monkeypatch.setattr(headers, "_PARAMETER", counting)
    word, parameters = read_parameters(f"text/plain{separators * 1_000}!{separators * 1_000}; charset=utf-8")
    assert (word, parameters) == ("text/plain", {"charset": "utf-8"})
    assert counting.tries < 10


def test_a_thousand_parts_of_separators_are_read() -> None:
    part = b"--b\r\nContent-Type: text/plain" + b";" * 30_000 + b"\r\n\r\nx\r\n"
    begun = time.perf_counter()
    mail = parse(b"From: a@b.example\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n" + part * 999 + b"--b--\r\n")
    print(f"{(time.perf_counter() - begun) * 1000:.0f} ms")
    assert mail.text.startswith("x")
