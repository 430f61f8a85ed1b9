"""Law: reading a report never raises, and every report says the same twice."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from postroom.core.mime.parsed import ParsedMail, ReportPart
from postroom.core.reports.blame import blame
from postroom.core.reports.reading import MAX_TEXT, read_report
from postroom.core.terms.addresses import Address, normalize

ANY = st.characters(exclude_categories=())  # lone surrogates too
WORDS = st.sampled_from(
    ["bob@there.example", "<bob@there.example>:", "\n", " ", "550 5.1.1", "undeliverable", "rcpt to:", "delivered to", "Received: x", ";", "(", "Final-Recipient:"]
)  # fmt: skip
TEXTS = st.one_of(st.text(ANY, max_size=200), st.lists(WORDS, max_size=20).map(" ".join))
FIELDS = st.lists(
    st.tuples(
        st.sampled_from(["Final-Recipient", "Original-Recipient", "Action", "Status", "Diagnostic-Code", "Feedback-Type", "Message-ID", "Original-Rcpt-To", ""]),
        st.one_of(st.text(ANY, max_size=30), st.sampled_from(["rfc822; bob@there.example", "failed", "5.1.1", "utf-8; \\x{FFFFFF}", "smtp; 550 no"])),
    ),
    max_size=8,
).map(lambda fields: "\n".join(f"{name}: {value}" for name, value in fields).encode("utf-8", "surrogatepass"))  # fmt: skip
PARTS = st.builds(
    ReportPart,
    content_type=st.sampled_from(
        ["message/delivery-status", "MESSAGE/Feedback-Report", "message/disposition-notification", "message/rfc822", "text/rfc822-headers", ""]
    ),
    content=st.one_of(FIELDS, st.binary(max_size=300)),
)  # fmt: skip
MAILS = st.builds(
    ParsedMail,
    headers=st.lists(
        st.tuples(st.sampled_from(["From", "X-Failed-Recipients", "Content-Type"]), TEXTS), max_size=3
    ).map(tuple),
    header_from=st.lists(st.builds(Address, TEXTS, TEXTS, TEXTS), max_size=1).map(tuple),
    to=st.lists(st.builds(Address, TEXTS, TEXTS, TEXTS), max_size=2).map(tuple),
    subject=TEXTS,
    return_path=st.sampled_from([None, "", "bob@there.example"]),
    content_params=st.dictionaries(st.just("report-type"), st.sampled_from(["delivery-status", "x"])),
    text=TEXTS,
    html=TEXTS,
    report_parts=st.lists(PARTS, max_size=3).map(tuple),
)


@settings(max_examples=200, deadline=None)
@given(MAILS, st.booleans())
@pytest.mark.slow
def test_any_mail_is_read_without_raising(mail: ParsedMail, is_null: bool) -> None:
    found = read_report(mail, has_null_reverse_path=is_null)
    assert found == read_report(mail, has_null_reverse_path=is_null)
    if found is not None:
        assert len(found.text) <= MAX_TEXT
        assert all(one.address == normalize(one.address) and len(one.reply) <= MAX_TEXT for one in found.recipients)


@settings(max_examples=200, deadline=None)
@given(TEXTS, TEXTS, st.integers())
def test_somebody_is_always_to_blame(status: str, text: str, code: int) -> None:
    assert blame(status, text, code=code)
