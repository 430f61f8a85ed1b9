"""The way that a mail came: hops in their order, delays, and clocks that are off told apart from mail that waited."""

from __future__ import annotations

from postroom.core.mailtest.path import in_words
from postroom.core.mailtest.received import Hop, read_path


def field(
    by: str, clock: str, *, peer: str = "a.example", address: str = "198.51.100.7", protocol: str = "ESMTPS"
) -> str:
    return f"from {peer} ({peer} [{address}]) by {by} (Postfix) with {protocol} id 1; Mon, 2 Mar 2026 {clock} +0000"


def path(*clocks: str) -> tuple[Hop, ...]:
    """Of hops whose clocks show this, the first one first."""
    return read_path([field(f"mx{number}.example", clock) for number, clock in enumerate(clocks, 1)][::-1])


def test_a_hop_knows_its_peer_and_how_it_was_spoken_to() -> None:
    (hop,) = path("09:00:00")
    assert (hop.by, hop.helo, hop.ip, hop.protocol) == ("mx1.example", "a.example", "198.51.100.7", "ESMTPS")
    assert hop.is_from_the_world is False  # a network for documentation is none of the world
    assert hop.delay is None


def test_delays_are_told_from_the_first_hop_on() -> None:
    assert [hop.delay for hop in path("09:00:00", "09:00:03", "09:10:03")] == [None, 3.0, 600.0]


def test_one_clock_that_runs_ahead_makes_no_delay() -> None:
    hops = path("09:00:00", "11:00:00", "09:00:10")
    assert [hop.delay for hop in hops] == [None, None, 10.0]
    assert [hop.skew for hop in hops] == [0.0, 7_190.0, 0.0]


def test_one_clock_that_runs_behind_makes_no_delay() -> None:
    hops = path("09:00:00", "08:00:00", "09:00:10")
    assert [hop.delay for hop in hops] == [None, None, 10.0]
    assert hops[1].skew == -3_600.0


def test_a_real_delay_stays_one_where_all_later_clocks_agree() -> None:
    assert [hop.delay for hop in path("09:00:00", "11:00:00", "11:00:01")] == [None, 7_200.0, 1.0]


def test_clocks_may_differ_by_some_seconds_without_a_word() -> None:
    hops = path("09:00:03", "09:00:01", "09:00:02")
    assert not any(hop.skew for hop in hops)
    assert hops[1].delay == 0.0


def test_a_field_without_a_date_is_a_hop_whose_time_nobody_knows() -> None:
    (hop,) = read_path(["by mx.example (Postfix, from userid 1000)"])
    assert (hop.by, hop.at, hop.delay) == ("mx.example", None, None)


def test_the_address_is_what_the_server_saw_and_not_what_the_peer_called_itself() -> None:
    (hop,) = read_path(
        ["from [10.0.0.1] (unknown [203.0.113.9]) by mx.example with ESMTP id 1; Mon, 2 Mar 2026 09:00:00 +0000"]
    )
    assert hop.ip == "203.0.113.9"


def test_an_address_in_words_about_the_server_is_not_the_peers() -> None:
    (hop,) = read_path(
        ["from a.example by mx.example (mx.example [192.0.2.1]) with LMTP id 1; Mon, 2 Mar 2026 09:00:00 +0000"]
    )
    assert hop.ip == ""


def test_only_what_crosses_the_world_unencrypted_is_called_plain() -> None:
    def is_plain(address: str, protocol: str) -> bool:
        (hop,) = read_path([field("mx.example", "09:00:00", address=address, protocol=protocol)])
        return hop.is_plain

    assert is_plain("8.8.8.8", "ESMTP")
    assert not is_plain("8.8.8.8", "ESMTPS")
    assert not is_plain("10.0.0.1", "ESMTP")
    assert not is_plain("8.8.8.8", "LMTP")


def test_many_hops_are_cut_and_still_read() -> None:
    assert len(read_path([field("mx.example", "09:00:00")] * 5_000)) == 60


def test_seconds_are_told_in_the_units_of_people() -> None:
    assert [in_words(one) for one in (0.4, 59, 90, 120, 3_660, 200_000)] == [
        "0 s", "59 s", "1 min 30 s", "2 min", "1 h 1 min", "2 d 7 h",
    ]  # fmt: skip
