"""The watch compares two looks: one key for a trouble, damping, blindness, and by whom people can be told."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

import postroom.core.diagnosis.checks  # noqa: F401 - the sentences
from postroom.core.conversations.letters import VOICES
from postroom.core.diagnosis.finding_codes import FindingCode, Severity
from postroom.core.diagnosis.findings import Finding, domain_named, fold, found, server_named
from postroom.core.diagnosis.history import ChangeFacts, HourFacts, line_up
from postroom.core.diagnosis.observed import FactChange, changes_among, steady_greeting
from postroom.core.diagnosis.outside_clocks import ClockWitness, check_outside_clocks, date_within
from postroom.core.diagnosis.watch_news import mail_html, news_body, signed_headers, subject_of_mail
from postroom.core.diagnosis.watching import (
    MOST_WATCHED,
    Comparison,
    Messenger,
    Watched,
    compare,
    key_of,
    messenger_for,
)
from postroom.core.terms.secret import Secret

NOW = datetime(2026, 5, 4, 12, 0, tzinfo=UTC)
HOUR = timedelta(hours=1)

RELAY = server_named("Relay")
OURS = domain_named("northwind.example")


def after(*looks: tuple[Finding, ...], back: frozenset[str] = frozenset()) -> Comparison:
    before: tuple[Watched, ...] = ()
    for number, findings in enumerate(looks):
        result = compare(before, fold(findings), NOW + number * HOUR, lately_gone=back)
        before = result.open
    return result


def refuses(detail: str = "refused") -> Finding:
    return found(FindingCode.SERVER_REFUSES, RELAY, evidence=["no"], detail=detail)


def no_dmarc() -> Finding:
    return found(FindingCode.DMARC_MISSING, OURS, evidence=["none"])


def test_what_is_said_differently_by_the_same_server_has_one_key() -> None:
    assert key_of(refuses("refused")) == key_of(refuses("login_refused"))


def test_two_cases_of_one_code_are_two_troubles() -> None:
    one, other = (found(FindingCode.SCHEDULE_OFF, "action a", detail=key) for key in ("fetchmail", "queue_manager"))
    assert key_of(one) != key_of(other)


def test_an_error_that_stops_the_mail_is_raised_with_the_first_look_and_never_again() -> None:
    assert [one.code for one in after((refuses(),)).raised] == [FindingCode.SERVER_REFUSES]
    assert after((refuses(),), (refuses(),)).raised == ()


def test_a_warning_is_raised_with_the_second_look_in_a_row() -> None:
    assert after((no_dmarc(),)).raised == ()
    assert len(after((no_dmarc(),), (no_dmarc(),)).raised) == 1
    assert after((no_dmarc(),), (), (no_dmarc(),)).raised == ()


def test_what_came_back_waits_for_a_second_look_however_grave_it_is() -> None:
    back = frozenset({key_of(refuses())})
    assert after((refuses(),), back=back).raised == ()
    assert len(after((refuses(),), (refuses(),), back=back).raised) == 1


def test_what_only_follows_from_something_raises_nothing() -> None:
    refused = found(FindingCode.MAILS_REFUSED, "the queue", detail="auth_failure", about=[OURS])
    missing = found(FindingCode.SPF_MISSING, OURS)
    result = after((missing, refused), (missing, refused))
    assert [one.code for one in result.raised] == [FindingCode.SPF_MISSING]
    assert len(result.open) == 2


def test_what_was_never_told_is_gone_without_a_word() -> None:
    result = after((no_dmarc(),), ())
    assert (len(result.gone), result.cleared) == (1, ())


def test_a_subject_that_could_not_be_looked_at_keeps_its_findings() -> None:
    unheard = found(FindingCode.DNS_UNCHECKED, OURS, detail="DMARC")
    result = after((no_dmarc(),), (no_dmarc(),), (unheard,))
    assert (len(result.open), result.gone) == (1, ())


def test_a_silent_dns_heals_no_names_and_hides_no_server() -> None:
    silent = found(FindingCode.DNS_UNREACHABLE)
    result = after((no_dmarc(), refuses()), (no_dmarc(), refuses()), (silent,))
    assert [one.code for one in result.cleared] == [FindingCode.SERVER_REFUSES]


def test_clues_are_not_watched() -> None:
    assert after((found(FindingCode.ALARM_OPEN, "alarm x"), found(FindingCode.CHANGED_BEFORE))).open == ()


def test_no_more_is_watched_than_can_be_kept() -> None:
    many = tuple(
        found(FindingCode.DMARC_MISSING, domain_named(f"d{number}.example")) for number in range(MOST_WATCHED + 50)
    )
    assert len(after(many).open) == MOST_WATCHED


@pytest.mark.parametrize(
    ("finding", "expected"),
    [
        (refuses(), "server Spare"),
        (found(FindingCode.SERVER_UNCHECKED, RELAY), "server Spare"),
        (found(FindingCode.MAILS_REFUSED, "the queue", about=[RELAY]), "server Spare"),
        (found(FindingCode.SPF_MISSING, OURS, about=[RELAY, "server Spare"]), RELAY),
        (no_dmarc(), RELAY),
    ],
)
def test_people_are_told_by_the_first_server_that_nothing_blames(finding: Finding, expected: str) -> None:
    servers = [Messenger(id=1, subject=RELAY), Messenger(id=2, subject="server Spare")]
    chosen = messenger_for(fold([finding]), servers)
    assert chosen is not None
    assert chosen.subject == expected


def test_nobody_tells_where_every_server_is_blamed() -> None:
    assert messenger_for(fold([refuses()]), [Messenger(id=1, subject=RELAY)]) is None


def test_what_strangers_said_stands_in_the_mail_as_text() -> None:
    evil = found(FindingCode.SERVER_REFUSES, RELAY, facts={"server": "Relay", "reply": "<script>alert(1)</script>"})
    (one,) = after((evil,)).raised
    html = mail_html([one], [], at=NOW, link="https://post.example/settings/health/")
    assert "<script>" not in html
    assert "&lt;script&gt;" in html


@pytest.mark.parametrize("voice", VOICES)
def test_the_gravest_trouble_stands_first_and_names_the_mail_in_every_voice(voice: str) -> None:
    raised = after((no_dmarc(), refuses()), (no_dmarc(), refuses())).open
    mildest_first = sorted(raised, key=lambda one: -one.severity.rank)
    assert [one.subject for one in mildest_first] == [OURS, RELAY]
    assert subject_of_mail(mildest_first, 0, voice).endswith(f"({RELAY})")
    html = mail_html(mildest_first, mildest_first, at=NOW, link="https://post.example/", voice=voice)
    assert 0 < html.index(RELAY) < html.index(OURS)
    assert subject_of_mail([], 1, voice) != subject_of_mail([], 2, voice) != subject_of_mail(raised, 0, voice)


def test_a_mail_and_a_request_are_bounded() -> None:
    many = tuple(found(FindingCode.SERVER_REFUSES, server_named(f"S{number}")) for number in range(60))
    raised = after(many).raised
    assert "And 40 more" in mail_html(raised, [], at=NOW, link="https://post.example/")
    assert "And 40 more" in mail_html([], raised, at=NOW, link="https://post.example/")
    assert b'"more":40' in news_body(raised, (), at=NOW, link="", kind="doctor.changed")


def test_a_signature_depends_on_the_secret_the_time_and_the_body() -> None:
    def signed(secret: str, at: int, body: bytes) -> str:
        return signed_headers(body, secret=Secret(secret), message_id="1", at=at)["webhook-signature"]

    one = signed("whsec_YWJj", 1, b"{}")
    assert (
        len({one, signed("whsec_YWJk", 1, b"{}"), signed("whsec_YWJj", 2, b"{}"), signed("whsec_YWJj", 1, b"[]")}) == 4
    )


# ---- what is seen outside


@pytest.mark.parametrize(
    ("text", "steady"),
    [
        ("mx.google.com ESMTP a1b2c3.45 - gsmtp", "mx.google.com ESMTP - gsmtp"),
        ("mail.there.example ESMTP Postfix", "mail.there.example ESMTP Postfix"),
        ("ex01.there.example Microsoft ESMTP MAIL Service ready at Sat, 21 Nov 2026 18:00:00 +0000", "ex01.there.example Microsoft ESMTP MAIL Service ready at"),
        ("", ""),
    ],
)  # fmt: skip
def test_what_changes_with_every_connection_is_taken_out_of_a_greeting(text: str, steady: str) -> None:
    assert steady_greeting(text) == steady


def test_a_change_lies_between_the_last_look_at_the_old_and_the_first_at_the_new() -> None:
    rows = [
        (OURS, "SPF", "v=spf1 -all", NOW - 5 * HOUR, NOW - 3 * HOUR),
        (OURS, "SPF", "v=spf1 ~all", NOW - 2 * HOUR, NOW),
        (OURS, "MX", "mx.example", NOW - 5 * HOUR, NOW),
    ]
    (change,) = changes_among(rows, NOW - 24 * HOUR)
    assert (change.before, change.after, change.until, change.at) == ("v=spf1 -all", "v=spf1 ~all", NOW - 3 * HOUR, NOW - 2 * HOUR)  # fmt: skip
    assert changes_among(rows, NOW - HOUR) == ()


def test_changes_are_lined_up_with_the_failures() -> None:
    hours = [
        HourFacts(starts_at=NOW - 5 * HOUR, sent=20, failed=0),
        HourFacts(starts_at=NOW - 3 * HOUR, sent=1, failed=30),
        HourFacts(starts_at=NOW - 2 * HOUR, sent=0, failed=5),
        HourFacts(starts_at=NOW - HOUR, sent=20, failed=0),
    ]
    seen = FactChange(subject=OURS, name="SPF", before="a", after="b", until=NOW - 5 * HOUR, at=NOW - 4 * HOUR)
    moments = line_up(
        hours, [ChangeFacts(at=seen.at, subject=OURS, seen=seen), ChangeFacts(at=NOW, subject="server A")]
    )
    assert [moment.is_trouble for moment in moments] == [False, True, False]
    assert "35 of 36" in str(moments[1].what)


# ---- clocks


def witness(name: str, minutes: float) -> ClockWitness:
    return ClockWitness(name=name, says=NOW + timedelta(minutes=minutes), at=NOW)


def test_two_clocks_that_agree_prove_that_ours_is_wrong() -> None:
    (finding,) = check_outside_clocks([witness("a", 9), witness("b", 9.5)])
    assert (finding.severity, "behind" in str(finding.cause)) == (Severity.ERROR, True)


@pytest.mark.parametrize(
    "witnesses",
    [
        [],
        [witness("a", 9)],
        [witness("a", 9), witness("a", 9)],  # the same one twice
        [witness("a", 9), witness("b", -9)],
        [witness("a", 1), witness("b", 1.5)],
        [witness("a", 9), witness("b", 9), witness("c", 0), witness("d", 0)],  # as many say that it is right
    ],
)
def test_less_proves_nothing(witnesses: list[ClockWitness]) -> None:
    assert check_outside_clocks(witnesses) == []


@pytest.mark.parametrize(
    "text", ["", "ready", "ready at 99 Foo 2026 99:99:99 +0000", "31 Feb 2026 10:00:00 +0000", "x" * 5000]
)
def test_a_greeting_without_a_good_date_tells_no_time(text: str) -> None:
    assert date_within(text) is None


def test_a_date_in_a_greeting_is_read() -> None:
    assert date_within("mx ESMTP ready at Mon, 4 May 2026 14:00:00 +0200") == NOW
