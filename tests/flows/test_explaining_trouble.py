"""The trouble that a deliverer wrote down, explained later."""

from __future__ import annotations

import pytest

from postroom.core.delivery.outcomes import trouble_text
from postroom.core.delivery.wire import Phase, WireOutcome
from postroom.core.terms.smtp_replies import SmtpReply
from postroom.flows.explain_trouble import explain_trouble
from postroom.store.models import OutgoingServer


def a_server(outcome: WireOutcome | None, **values: object) -> OutgoingServer:
    usual = {"name": "Relay", "host": "smtp.northwind.example", "port": 587, "username": "alice"}
    return OutgoingServer(**usual | values, trouble=trouble_text(outcome) if outcome else "")  # type: ignore[arg-type]


def said(phase: Phase, code: int, enhanced: str, text: str) -> WireOutcome:
    return WireOutcome(key=1, phase=phase, reply=SmtpReply(code, enhanced, text))


def broke(phase: Phase, trouble: str) -> WireOutcome:
    return WireOutcome(key=1, phase=phase, reply=None, trouble=trouble)


@pytest.mark.parametrize(
    ("outcome", "code"),
    [
        (broke(Phase.CONNECT, "connection refused"), "refused"),
        (broke(Phase.CONNECT, "the certificate was not accepted: certificate has expired"), "certificate_expired"),
        (said(Phase.GREETING, 554, "5.7.1", "access denied"), "blocked"),
        (said(Phase.EHLO, 501, "", "need a hostname"), "ehlo_refused"),
        (broke(Phase.STARTTLS, "the server does not offer STARTTLS"), "starttls_missing"),
        (said(Phase.AUTH, 535, "5.7.8", "Username and Password not accepted: gsmtp"), "gmail_app_password"),
        (said(Phase.MAIL, 530, "5.7.0", "Authentication required"), "login_required"),
    ],
)
def test_a_stored_trouble_has_its_cause_and_cure(outcome: WireOutcome, code: str) -> None:
    found = explain_trouble(a_server(outcome))
    assert found is not None
    assert found.code == code


def test_no_trouble_and_words_of_others_are_not_explained() -> None:
    assert explain_trouble(a_server(None)) is None
    assert explain_trouble(OutgoingServer(name="x", trouble="something else")) is None
    assert explain_trouble(OutgoingServer(name="x", trouble="Odd words: it said 550 no")) is None
