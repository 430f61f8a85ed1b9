"""Trouble with a mailbox in plain words: a cause and a cure for everything."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from postroom.core.diagnosis.mailbox_errors import CASES, MailboxFault, explain_mailbox
from postroom.core.terms.encryption import Encryption
from postroom.core.terms.mailbox_presets import MAILBOX_PRESETS, mailbox_preset, preset_of_mailbox
from postroom.core.terms.mailboxes import TroubleKind
from postroom.core.terms.reasons import SENTENCES

HOST = "imap.northwind.example"


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.code)
def test_every_case_has_a_cause_and_a_cure(case: object) -> None:
    code = case.code  # type: ignore[attr-defined]
    assert SENTENCES[f"fault.{code}"]
    assert SENTENCES[f"cure.{code}"]


@pytest.mark.parametrize(
    ("fault", "code", "word"),
    [
        (MailboxFault(kind=TroubleKind.LOGIN, text="x says no: bad", host="imap.gmail.com"), "login_of_provider", "app password"),
        (MailboxFault(kind=TroubleKind.LOGIN, text="LOGIN failed", host="outlook.office365.com"), "login_of_provider", "OAuth2"),
        (MailboxFault(kind=TroubleKind.LOGIN, text="LOGIN failed", host=HOST), "login_refused", "app password"),
        (MailboxFault(kind=TroubleKind.LOGIN, text="Your account is not enabled for IMAP use.", host=HOST), "imap_off", "Switch it on"),
        (MailboxFault(kind=TroubleKind.LOGIN, text="no", response_code="WEBALERT"), "web_login", "browser"),
        (MailboxFault(kind=TroubleKind.TOKEN, text="the consent has ended or was withdrawn"), "token_ended", "consent"),
        (MailboxFault(kind=TroubleKind.TOKEN, text="AUTHENTICATIONFAILED"), "token_refused", "consent"),
        (MailboxFault(kind=TroubleKind.UNAVAILABLE, text="in use", response_code="IN-USE"), "in_use", "by itself"),
        (MailboxFault(kind=TroubleKind.TLS, text="The certificate of x is not trusted: unable to get local issuer"), "certificate_unknown", "authority"),
        (MailboxFault(kind=TroubleKind.TLS, text="The certificate of x is not trusted: certificate has expired"), "certificate_expired", "renew"),
        (MailboxFault(kind=TroubleKind.TLS, text="wrong version number", port=143), "tls_on_plain_port", "STARTTLS"),
        (MailboxFault(kind=TroubleKind.TIMEOUT, text="in time", port=993, encryption=Encryption.NONE), "plain_on_tls_port", "Choose TLS"),
        (MailboxFault(kind=TroubleKind.CONNECT, text="x refuses the connection.", port=993), "refused", "993"),
        (MailboxFault(kind=TroubleKind.FOLDER, text="NONEXISTENT", folder="Tickets"), "folder_missing", "INBOX"),
        (MailboxFault(kind=TroubleKind.STORAGE, text="No space left on device"), "storage", "disk"),
    ],
)  # fmt: skip
def test_what_is_wrong_and_what_helps(fault: MailboxFault, code: str, word: str) -> None:
    found = explain_mailbox(fault)
    assert found.code == f"mailbox_{code}"
    assert word in str(found.cure)


@given(st.sampled_from(TroubleKind), st.text(max_size=200))
def test_something_always_fits(kind: TroubleKind, text: str) -> None:
    found = explain_mailbox(MailboxFault(kind=kind, text=text, host=HOST, port=993))
    assert "?" not in str(found.cause).replace(text, "")
    assert str(found.cure)


def test_each_preset_says_what_it_needs_and_fills_a_form() -> None:
    for key, preset in MAILBOX_PRESETS.items():
        assert preset.needs
        assert preset.values()["preset"] == key
    assert mailbox_preset("gmail").host == "imap.gmail.com"
    assert mailbox_preset("microsoft365").values()["authentication"] == "token"
    assert mailbox_preset("gmx").values("pop3")["port"] == 995
    assert mailbox_preset("icloud").values("pop3")["protocol"] == "imap"
    assert mailbox_preset("nobody").key == "custom"


@pytest.mark.parametrize(
    ("host", "key"),
    [
        ("IMAP.GMAIL.COM.", "gmail"),
        ("outlook.office365.com", "microsoft365"),
        ("notgmail.com", "custom"),
        ("", "custom"),
    ],
)
def test_a_host_is_recognised(host: str, key: str) -> None:
    assert preset_of_mailbox(host).key == key
