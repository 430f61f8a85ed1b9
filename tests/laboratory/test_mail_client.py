"""What the mail program of the laboratory writes."""

from __future__ import annotations

from email import message_from_bytes

import pytest

from tests.laboratory.mail_client import compose_new, compose_reply, envelope_of, reply_target, text_of

NOTIFICATION = (
    b"From: =?utf-8?q?J=C3=BCrgen?= <notifications@in.test>\r\n"
    b"Reply-To: Support <support+abc@in.test>\r\n"
    b"To: Customer Carla <carla@customer.example>\r\n"
    b"Cc: bob@box.test\r\n"
    b"Date: Fri, 20 Nov 2026 09:30:00 +0100\r\n"
    b"Subject: =?utf-8?q?Angebot_f=C3=BCr?= Carla\r\n"
    b"Message-ID: <n1@in.test>\r\n"
    b"References: <root@in.test>\r\n <n0@in.test>\r\n"
    b'MIME-Version: 1.0\r\nContent-Type: multipart/alternative; boundary="b"\r\n\r\n'
    b"--b\r\nContent-Type: text/plain; charset=iso-8859-1\r\n"
    b"Content-Transfer-Encoding: quoted-printable\r\n\r\n"
    b"Gr=FC=DFe\r\nzweite Zeile\r\n--b\r\nContent-Type: text/html\r\n\r\n<p>x</p>\r\n--b--\r\n"
)
CARLA = "Customer Carla <carla@customer.example>"


def test_a_reply_goes_to_reply_to_and_names_the_thread() -> None:
    reply = message_from_bytes(compose_reply(NOTIFICATION, body="Yes please.", author=CARLA))
    assert reply["To"] == "Support <support+abc@in.test>"
    assert reply["In-Reply-To"] == "<n1@in.test>"
    assert reply["References"].split() == ["<root@in.test>", "<n0@in.test>", "<n1@in.test>"]
    assert reply["Message-ID"].endswith("@customer.example>")
    assert envelope_of(reply.as_bytes()) == ("carla@customer.example", ["support+abc@in.test"])


def test_a_reply_quotes_the_old_text_below_the_new() -> None:
    text = text_of(message_from_bytes(compose_reply(NOTIFICATION, body="Yes please.", author=CARLA)))
    assert text == (
        "Yes please.\n\nOn Fri, 20 Nov 2026 at 08:30, Jürgen <notifications@in.test> wrote:\n> Grüße\n> zweite Zeile\n"
    )


def test_a_reply_without_quotation_holds_the_new_words_alone() -> None:
    reply = compose_reply(NOTIFICATION, body="Yes please.", author=CARLA, quote=False)
    assert text_of(message_from_bytes(reply)) == "Yes please.\n"


def test_a_program_that_drops_the_thread_leaves_no_reference() -> None:
    reply = message_from_bytes(compose_reply(NOTIFICATION, body="Yes.", author=CARLA, keep_references=False))
    assert "References" not in reply
    assert "In-Reply-To" not in reply


def test_a_program_that_ignores_reply_to_writes_to_the_author() -> None:
    reply = compose_reply(NOTIFICATION, body="Yes.", author=CARLA, keep_reply_to=False)
    assert envelope_of(reply)[1] == ["notifications@in.test"]
    assert reply_target(b"From: a@x.test\r\n\r\n") == "a@x.test"


@pytest.mark.parametrize(("changed", "start"), [(True, "Something else"), (False, "Re: Angebot für Carla")])
def test_the_subject_is_kept_or_replaced(changed: bool, start: str) -> None:
    raw = compose_reply(NOTIFICATION, body="Yes.", author=CARLA, changed_subject=changed)
    again = compose_reply(raw, body="And?", author="bob@box.test")
    for mail in (raw, again):
        assert _subject(mail).startswith(start if mail is raw else ("Re: Something" if changed else start))


def test_reply_all_keeps_the_others_and_spares_oneself() -> None:
    reply = message_from_bytes(compose_reply(NOTIFICATION, body="Yes.", author=CARLA, reply_all=True))
    assert reply["Cc"] == "bob@box.test"


def test_an_html_reply_has_a_block_quotation() -> None:
    reply = message_from_bytes(compose_reply(NOTIFICATION, body="<Yes>", author=CARLA, html=True))
    _, plain, html = reply.walk()
    assert plain.get_content_type() == "text/plain"
    content = html.get_payload(decode=True)
    assert isinstance(content, bytes)
    assert b'<blockquote class="gmail_quote"' in content
    assert b"&lt;Yes&gt;" in content


def test_a_reply_to_a_mail_without_any_header_is_still_a_mail() -> None:
    reply = message_from_bytes(compose_reply(b"From: a@x.test\r\n\r\nhi\r\n", body="Yes.", author=CARLA))
    assert reply["Subject"] == "Re: "
    assert "References" not in reply


def test_a_new_mail_has_crlf_line_ends_and_its_attachments() -> None:
    raw = compose_new(
        author="alice@box.test",
        to=["bob@box.test"],
        cc=["charlie@box.test"],
        subject="Plan für morgen",
        body="See below.",
        html="<p>See below.</p>",
        attachments=[("plan.pdf", b"%PDF", "application/pdf")],
        headers=[("Auto-Submitted", "auto-generated")],
    )
    assert b"\n" not in raw.replace(b"\r\n", b"")
    mail = message_from_bytes(raw)
    assert [part.get_content_type() for part in mail.walk() if not part.is_multipart()] == [
        "text/plain",
        "text/html",
        "application/pdf",
    ]
    assert mail["Auto-Submitted"] == "auto-generated"
    assert envelope_of(raw) == ("alice@box.test", ["bob@box.test", "charlie@box.test"])


def _subject(raw: bytes) -> str:
    from email import policy
    from email.parser import BytesParser

    return str(BytesParser(policy=policy.default).parsebytes(raw, headersonly=True)["Subject"])
