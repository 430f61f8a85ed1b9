"""Signed mail leaves through our deliverer and a real Postfix into a mailbox, and verifies there."""

from __future__ import annotations

from pathlib import Path

import pytest

from postroom.core.mime.composing import OutgoingAttachment, render_body
from postroom.flows.manage_keys import activate_key, create_keys
from postroom.store.models import OutgoingContent
from tests.adapters.dkim.verifying import is_verified
from tests.flows.outgoing_mails import a_company, a_mail, a_server, deliveries, ports_with
from tests.laboratory.availability import requires_dovecot, requires_postfix
from tests.laboratory.dovecot import Dovecot
from tests.laboratory.postfix import Postfix
from tests.laboratory.waiting import wait_until
from tests.workers.test_deliverer import delivering, states

pytestmark = [requires_postfix, requires_dovecot, pytest.mark.slow, pytest.mark.django_db(transaction=True)]

ALICE = "alice@box.test"
TEXTS = (
    "All is well.",
    ".a dot first\n..two\n.\n\nblanks behind   \n\ttabs\tand  blanks\n\n\n",
    "Grüße, Ελλάδα, 日本語 " * 40,
    "x" * 3000,
    "",
)


def test_every_kind_of_body_verifies_in_the_mailbox(tmp_path: Path) -> None:
    ports = ports_with(tmp_path)
    with (
        Dovecot({ALICE: "wonder land"}) as dovecot,
        Postfix({"box.test": dovecot.lmtp_transport}) as postfix,
    ):
        a_server(postfix.smtp_port)
        keys = [
            activate_key(ports, key.id, member=None)
            for key in create_keys(ports, "northwind.example", "both", member=None)
        ]
        zone = {f"{key.record.name}.".encode(): key.record.value.encode() for key in keys}
        company, at = a_company(), ports.clock.now()
        for number, text in enumerate(TEXTS):
            mail = a_mail(
                company, at=at, subject=f"{number}: a subject  with blanks, Grüße, and more than one line of words"
            )
            files = [OutgoingAttachment(name="a.bin", content_type="application/x-any", content=bytes(range(256)))]
            body = render_body(text=text, html=f"<p>{text}</p>" if number % 2 else "", attachments=files)
            OutgoingContent.objects.filter(mail=mail).update(content_headers=body.content_headers, body=body.body)
            deliveries(mail, ALICE, at=at)
        with delivering(ports):
            wait_until(lambda: states() == {"sent": len(TEXTS)}, "all are sent", 60)
        wait_until(lambda: len(dovecot.mails(ALICE)) == len(TEXTS), "all have arrived", 60)
        for raw in dovecot.mails(ALICE):
            arrived = raw.replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")
            assert b"\r\nReceived: " in arrived[: arrived.index(b"DKIM-Signature")]
            assert is_verified(arrived, zone, 0), arrived
            assert is_verified(arrived, zone, 1), arrived
