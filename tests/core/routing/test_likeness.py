"""Which mails say nearly the same: robots do, people do not."""

from __future__ import annotations

import random
import time
from itertools import combinations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from postroom.core.routing.likeness import LENGTH, is_near, is_same, is_short, signature

NAMES = ("Alice", "Bob", "Charlie", "Dana Long Name", "Support Team")
DATES = (
    "Sat, 21 Nov 2026 07:43:02",
    "Sat, 21 Nov 2026 07:43:09",
    "Sun, 22 Nov 2026 00:00:01",
    "2026-11-23",
    "21.11.26 8 pm",
)

ROBOTS = {
    "a ticket system": [
        f"Dear {name},\n\nThank you for contacting Robotics Ltd. Your request has been received and was given the ticket number "
        f"RT-{number * 7919 + 100_000} on {date}. Our team will answer within two working days.\n\nRobotics Ltd."
        for number, (name, date) in enumerate(zip(NAMES, DATES, strict=True))
    ],
    "one line": [f"Hello {name}! Ticket {number} was received, thank you." for number, name in enumerate(NAMES)],
    "german": [
        f"Sehr geehrte Damen und Herren,\n\nIhre Anfrage vom {date} ist bei uns eingegangen. Vorgang: {number:08x}a\nBitte antworten Sie nicht."
        for number, date in enumerate(DATES)
    ],
    "chinese": [f"您好,您的邮件已收到,编号{number},我们会在两个工作日内回复您。" for number in range(10, 15)],
}

HUMANS = """Where is my parcel? It should have been here on Monday.
Thanks, I will look into it.
It is with the carrier, they say tomorrow.
Tomorrow is too late for us, can you call them?
I called, nobody answers the phone.
Could you send me the tracking number please?
ok
yes
thanks
Great!
The site says it was delivered to a neighbour.
Which neighbour? There is nobody here.
Let me ask the driver directly.
Please send photographs of the damage.
Shall we refund it or send a new one?
A new one please.
Perfect, thank you very much.
No problem at all.
One more thing: the invoice has a wrong address.""".splitlines()
SIGNATURE = (
    "\n\nCarla Conti\nHead of Purchasing\nCustomer Ltd, Main Street 5, 10115 Berlin\nPhone +49 30 1234567\nThis e-mail and any "
    "attachments are confidential and intended solely for the addressee. If you are not the intended recipient please delete it."
)


@pytest.mark.parametrize("texts", ROBOTS.values(), ids=ROBOTS)
def test_a_robot_says_nearly_the_same_whatever_name_number_and_time(texts: list[str]) -> None:
    signatures = [signature(f"Subject {number}", text) for number, text in enumerate(texts)]
    assert all(is_near(one, other) for one, other in combinations(signatures, 2))
    assert not any(is_short(one) for one in signatures)


@pytest.mark.parametrize("end", ["", SIGNATURE], ids=["bare", "long signature"])
def test_people_say_different_things_even_above_the_same_long_signature(end: str) -> None:
    signatures = [signature("Re: parcel", f"Hi Bob,\n\n{text}{end}") for text in HUMANS]
    near = [(a, b) for a, b in combinations(range(len(HUMANS)), 2) if is_near(signatures[a], signatures[b])]
    assert near == []


def test_short_words_are_known_to_be_short() -> None:
    for text in ("ok", "Thanks!", "yes please", f"Ok{SIGNATURE}", ""):
        assert is_short(signature("Re: parcel", text)), text


def test_the_same_words_in_another_frame_are_the_same_mail() -> None:
    """Our foot under a mail that comes round the third time."""
    foot = "\n\nMail Works · My parcel"
    assert is_same(signature("s", f"Where is it?{foot}"), signature("s", f"Where\nis it?{foot}{foot}"))
    assert not is_same(signature("s", "Where is it?"), signature("s", f"Where is it?{foot}"))


def test_numbers_make_mails_different_and_keep_them_near() -> None:
    one, other = (
        signature("Order", f"A new order came in. Order number: {number}, to be sent to Berlin today.")
        for number in (1, 2)
    )
    assert is_near(one, other)
    assert not is_same(one, other)


def test_signatures_of_another_form_are_near_nothing() -> None:
    fresh = signature("s", "some words that are long enough to be compared with others")
    assert len(fresh) == LENGTH == 64
    assert not is_near(fresh, "")
    assert not is_near("", "")
    assert not is_near(signature("s", ""), signature("s", ""))
    assert is_short("")


@given(st.text(max_size=400), st.text(max_size=400))
def test_nothing_raises_and_likeness_has_no_direction(one: str, other: str) -> None:
    first, second = signature(one, other), signature(other, one)
    assert len(first) == len(second) == LENGTH
    assert is_near(first, second) is is_near(second, first)


@pytest.mark.parametrize(
    "text", ["a" * 1_000_000, "a " * 500_000, "1" * 1_000_000, "你" * 1_000_000, "\n" * 1_000_000, "hi,\n" * 250_000]
)
def test_a_megabyte_of_anything_costs_no_more_than_its_beginning(text: str) -> None:
    """All patterns look at each character once; the bound is generous, the time is printed."""
    began = time.perf_counter()
    assert len(signature(text[:1000], text)) == LENGTH
    print(f"{(time.perf_counter() - began) * 1000:.1f} ms")


def test_words_in_any_order_have_one_sketch() -> None:
    words = "where is the parcel that I ordered three weeks ago from your shop".split()
    shuffled = random.Random(7).sample(words, len(words))
    assert is_same(signature("", " ".join(words)), signature("", " ".join(shuffled)))


def test_plain_text_and_other_text_are_cut_into_the_same_words() -> None:
    plain = signature("Parcel", "Hello Bob, it's the 3rd parcel\tof today; thanks_again")
    other = signature("Parcel", "Hello Bob, it’s the 3rd parcel of today – thanks again")
    assert is_same(plain, other)
    assert is_near(plain, other)
