"""A seed message through our deliverer, a real Postfix and a real Dovecot, read back from the mailbox, and found by the job."""

from __future__ import annotations

from pathlib import Path

import pytest

from postroom.core.mailtest.facts import Source
from postroom.core.mailtest.rules import Outcome, RuleCode
from postroom.core.terms.states import MailTestState
from postroom.flows.mail_tests import mail_test
from postroom.flows.route_message import route_waiting
from postroom.flows.send_seed import look_for_seed, send_seed
from postroom.store.models import InboundMessage, Record
from tests.core.mailtest.samples import lost, told
from tests.flows.outgoing_mails import a_company, a_server, ports_with
from tests.flows.scripted_mailbox import forget_jobs, make_mailbox
from tests.laboratory.availability import requires_dovecot, requires_postfix
from tests.laboratory.dovecot import Dovecot
from tests.laboratory.ports import LOOPBACK
from tests.laboratory.postfix import Postfix
from tests.laboratory.waiting import wait_until
from tests.workers.test_deliverer import delivering, states

pytestmark = [requires_postfix, requires_dovecot, pytest.mark.slow, pytest.mark.django_db(transaction=True)]

TESTS = "tests@box.test"


def test_a_seed_message_comes_back_from_a_real_mailbox_and_is_judged(tmp_path: Path) -> None:
    ports = ports_with(tmp_path)
    with Dovecot({TESTS: "wonder land"}) as dovecot, Postfix({"box.test": dovecot.lmtp_transport}) as postfix:
        a_company(default_from="notifications")
        server = a_server(postfix.smtp_port)
        mailbox = make_mailbox(
            "Tests",
            host=LOOPBACK,
            port=dovecot.imaps_port,
            verify_certificate=False,
            username=TESTS,
            secret=ports.vault.seal("wonder land"),
        )
        test = send_seed(ports, server.pk, mailbox.pk, member=None)
        assert test.state is MailTestState.WAITING
        with delivering(ports):
            wait_until(lambda: states() == {"sent": 1}, "it is sent", 60)
        wait_until(lambda: look_for_seed(ports, test.id), f"it is back:\n{postfix.log()}", 60)
    done = mail_test(ports, test.id, member=None)
    assert done.state is MailTestState.FINISHED, done.trouble
    assert done.report is not None
    assert done.report.source is Source.SEED
    assert len(done.report.hops) >= 2  # Postfix took it, Dovecot delivered it
    assert lost(done.report) == {RuleCode.DKIM_NONE}, done.report.arithmetic
    assert told(done.report, Outcome.GOOD) >= {
        RuleCode.PATH_GOOD,
        RuleCode.HEADERS_GOOD,
        RuleCode.CONTENT_GOOD,
        RuleCode.SIZE_GOOD,
    }
    route_waiting(ports, 10)
    assert InboundMessage.objects.get().state == "discarded"  # our own mail: no record is made of it
    assert not Record.objects.exists()
    forget_jobs()
