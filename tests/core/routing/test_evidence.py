"""What a mail shows by itself."""

from __future__ import annotations

import pytest

from postroom.core.mime.parsed import ParsedMail
from postroom.core.routing.evidence import collect
from postroom.core.routing.verdicts import Evidence
from postroom.core.terms.envelopes import Envelope
from postroom.core.terms.states import Door
from tests.core.routing.people import KEYS, MARK, addresses, bounce_address, evidence, fetched, mail, reply_address


def take(parsed: ParsedMail, envelope: Envelope | None, door: Door = Door.PIPE, digest: str = "d" * 64) -> Evidence:
    return collect(parsed, envelope, door, keys=KEYS, size=10, content_digest=digest, our_mark=MARK)


# --- recipients


def test_at_smtp_the_envelope_alone_names_the_recipients() -> None:
    seen = evidence(mail(to=["sales@ours.example"], delivered_to=("x@ours.example",)), rcpt=["support@ours.example"])
    assert [one.normal for one in seen.recipients] == ["support@ours.example"]
    assert not seen.recipients[0].is_header
    assert seen.to == ("sales@ours.example",)


def test_a_fetched_mail_names_its_recipients_in_headers_nearest_hop_first() -> None:
    parsed = mail(
        to=["Support <support@ours.example>"],
        cc=["sales@ours.example"],
        delivered_to=("inbox@ours.example", "support@ours.example"),
        resent_to=addresses("bob@ours.example"),
    )
    seen = fetched(parsed)
    assert [(one.normal, one.is_header, one.is_cc) for one in seen.recipients] == [
        ("inbox@ours.example", True, False),
        ("support@ours.example", True, False),
        ("sales@ours.example", True, True),
        ("bob@ours.example", True, False),
    ]


def test_a_piped_mail_with_an_envelope_goes_by_it() -> None:
    envelope = Envelope(mail_from="carla@customer.example", rcpt_to=("support@ours.example",))
    assert [one.normal for one in take(mail(to=["x@y.example"]), envelope).recipients] == ["support@ours.example"]


@pytest.mark.parametrize("envelope", [None, Envelope(mail_from="", rcpt_to=())])
def test_an_envelope_without_recipients_is_none(envelope: Envelope | None) -> None:
    seen = take(mail(to=["support@ours.example"], return_path="carla@customer.example"), envelope)
    assert [one.normal for one in seen.recipients] == ["support@ours.example"]
    assert not seen.has_null_reverse_path
    assert seen.mail_from == "carla@customer.example"


def test_who_is_in_to_and_cc_counts_as_in_to() -> None:
    seen = evidence(to=["support@ours.example"], cc=["support@ours.example", "sales@ours.example"])
    assert [(one.normal, one.is_cc) for one in seen.recipients] == [
        ("support@ours.example", False),
        ("sales@ours.example", True),
    ]


def test_a_recipient_in_no_header_was_in_bcc_and_is_no_cc() -> None:
    assert not evidence(to=["x@y.example"], rcpt=["support@ours.example"]).recipients[0].is_cc


def test_tokens_are_verified_and_numbers_told_by_purpose() -> None:
    seen = evidence(rcpt=[reply_address(7), bounce_address(8), reply_address(7), "catchall+rforged@ours.example"])
    assert seen.reply_numbers == (7,)
    assert seen.bounce_numbers == (8,)
    assert seen.is_bounce_addressed
    assert seen.recipients[-1].token is None


def test_a_reply_address_is_no_bounce_address() -> None:
    assert not evidence(rcpt=[reply_address(7)]).is_bounce_addressed


def test_a_recipient_is_taken_apart() -> None:
    recipient = evidence(rcpt=["Support+Order-7@OURS.example"]).recipients[0]
    assert (recipient.normal, recipient.local, recipient.detail, recipient.domain) == (
        "support+order-7@ours.example",
        "support",
        "order-7",
        "ours.example",
    )


def test_a_mail_to_half_the_world_does_not_stop_us() -> None:
    seen = fetched(to=[f"a{number}@x.example" for number in range(5_000)], delivered_to=("support@ours.example",))
    assert len(seen.recipients) == 1_000
    assert seen.recipients[0].normal == "support@ours.example"


# --- reverse path


@pytest.mark.parametrize("mail_from", ["", "<>", " <> "])
def test_a_null_reverse_path_makes_a_mail_automatic(mail_from: str) -> None:
    seen = evidence(mail_from=mail_from)
    assert seen.has_null_reverse_path
    assert seen.is_automatic
    assert not seen.is_auto_reply
    assert seen.mail_from == ""


@pytest.mark.parametrize(("header", "is_null"), [("", True), (None, False), ("carla@customer.example", False)])
def test_a_fetched_mail_tells_its_reverse_path_in_a_header(header: str | None, is_null: bool) -> None:
    assert fetched(return_path=header).has_null_reverse_path is is_null


# --- thread


def test_thread_ids_are_in_reply_to_and_then_the_references_newest_first() -> None:
    seen = evidence(in_reply_to=("<3@x.example>",), references=("<1@x.example>", "<2@x.example>", "<3@x.example>"))
    assert seen.thread_ids == ("<3@x.example>", "<2@x.example>", "<1@x.example>")
    assert seen.in_reply_to == ("<3@x.example>",)


def test_of_a_long_thread_the_newest_ids_are_looked_up() -> None:
    seen = evidence(references=tuple(f"<{number}@x.example>" for number in range(100)))
    assert len(seen.thread_ids) == 32
    assert seen.thread_ids[0] == "<99@x.example>"


@pytest.mark.parametrize("subject", ["Re: Offer", "RE:Offer", "AW: Offer", "Re[2]: Offer", "SV: x", "回复：报价"])
def test_a_subject_may_say_that_it_is_a_reply(subject: str) -> None:
    assert evidence(subject=subject).subject_is_reply


@pytest.mark.parametrize("subject", ["Offer", "Regarding: x", "Fwd: Offer", "", "Report: June"])
def test_other_subjects_do_not(subject: str) -> None:
    assert not evidence(subject=subject).subject_is_reply


# --- fingerprint


def test_the_same_mail_for_the_same_recipients_has_one_fingerprint_in_any_order() -> None:
    one = evidence(rcpt=["a@ours.example", "B@ours.example"])
    other = evidence(rcpt=["b@ours.example", "a@ours.example"], text="altered by a mailing list")
    assert one.fingerprint == other.fingerprint
    assert len(one.fingerprint) == 64


def test_other_recipients_or_another_message_id_make_another_fingerprint() -> None:
    prints = {
        evidence(rcpt=["a@ours.example"]).fingerprint,
        evidence(rcpt=["a@ours.example", "b@ours.example"]).fingerprint,
        evidence(rcpt=["a@ours.example"], message_id="<other@x.example>").fingerprint,
    }
    assert len(prints) == 3


def test_a_fetched_mail_is_the_same_where_it_was_delivered_to_the_same_place() -> None:
    one = fetched(delivered_to=("support@ours.example", "first-hop@x.example"))
    other = fetched(delivered_to=("support@ours.example",))
    third = fetched(delivered_to=("sales@ours.example",))
    assert one.fingerprint == other.fingerprint == evidence(rcpt=["support@ours.example"]).fingerprint
    assert third.fingerprint != one.fingerprint


def test_without_a_message_id_the_content_tells() -> None:
    parsed = mail(message_id="")
    one, same, other = (
        take(parsed, None, digest="a" * 64),
        take(parsed, None, digest="a" * 64),
        take(parsed, None, digest="b" * 64),
    )
    assert one.fingerprint == same.fingerprint != other.fingerprint


# --- our mark


def test_our_mark_is_read_from_our_header_and_from_the_one_of_old() -> None:
    assert evidence(headers=(("x-postroom-objects", f"{MARK} ticket-70"),)).has_our_mark
    assert evidence(headers=(("X-Odoo-Objects", f"ticket-70 {MARK}"),)).has_our_mark
    assert not evidence(headers=(("X-Odoo-Objects", "helpdesk.ticket-70"),)).has_our_mark


def test_an_installation_without_a_mark_recognises_nothing() -> None:
    parsed = mail(headers=(("X-Postroom-Objects", "anything"),))
    seen = collect(parsed, None, Door.IMAP, keys=KEYS, size=1, content_digest="", our_mark="")
    assert not seen.has_our_mark


def test_a_mail_without_a_from_is_its_senders() -> None:
    (sender,) = addresses("Secretary <secretary@customer.example>")
    seen = fetched(ParsedMail(sender=sender))
    assert seen.author == sender
    assert seen.author_normal == "secretary@customer.example"
