"""Who wrote a mail is shown: on its page with the reasons, on the record as a claim, and in the API's words."""

from __future__ import annotations

import pytest
from django.test import Client

from postroom.core.routing.authenticity import Observed, Path, authenticity_as_json, judge
from postroom.core.senders.results import Method, MethodResult, Policy, Result
from postroom.store.models import Company, InboundMessage, Member, Message, Record
from tests.web import seeding
from tests.web.conftest import SignedIn

RAW = seeding.a_mail("Carla Conti <carla@customer.example>", "support@postroom.test", "Money", "Please pay.")
FORGED = judge(
    Observed(
        path=Path.DIRECT,
        author="carla@customer.example",
        from_fields=1,
        findings=(
            MethodResult(
                method=Method.SPF, result=Result.FAIL, domain="customer.example", detail="-all of customer.example"
            ),
            MethodResult(
                method=Method.DMARC, result=Result.FAIL, domain="customer.example", policy=Policy.REJECT,
                detail="customer.example asks for reject",
            ),
        ),
    )
)  # fmt: skip


@pytest.fixture
def window(signed_in: SignedIn, alice: Member) -> Client:
    return signed_in(alice)


@pytest.fixture
def forged(company: Company) -> InboundMessage:
    return a_forged_mail(company)


def a_forged_mail(company: Company) -> InboundMessage:
    """A forged mail that became a ticket."""
    inbound = seeding.an_inbound(
        company,
        "Money",
        RAW,
        header_from="Carla Conti <carla@customer.example>",
        peer="203.0.113.9 (evil.example)",
        authentication=authenticity_as_json(FORGED),
    )
    record = seeding.a_record(company, "Money")
    carla = seeding.a_contact("Carla Conti", "carla@customer.example", company)
    message = seeding.a_message(
        record, carla, "<p>Please pay.</p>", is_unverified=True, inbound=inbound, kind="comment"
    )
    Message.objects.filter(pk=message.pk).update(author=None, author_name="Carla Conti")
    return inbound


def test_the_page_of_a_mail_tells_who_wrote_it_and_how_that_is_known(window: Client, forged: InboundMessage) -> None:
    page = window.get(f"/inbound/{forged.pk}/").content.decode()
    for words in (
        "Who wrote it",
        "forged",
        "It only claims to be from carla@customer.example",
        "spf=fail customer.example: -all of customer.example",
        "dmarc=fail customer.example policy=reject",
    ):
        assert words in page, words


def test_a_mail_that_nobody_looked_at_tells_nothing(window: Client, forged: InboundMessage) -> None:
    InboundMessage.objects.update(authentication=None)
    assert "Who wrote it" not in window.get(f"/inbound/{forged.pk}/").content.decode()


def test_on_the_record_the_name_is_a_claim_that_leads_to_the_reasons(window: Client, forged: InboundMessage) -> None:
    page = window.get(f"/records/{Record.objects.get().pk}/").content.decode()
    assert "claims to be" in page
    assert f"/inbound/{forged.pk}/#author" in page


def test_what_findings_say_is_shown_as_text(window: Client, forged: InboundMessage) -> None:
    stored = dict(forged.authentication)
    stored["findings"] = [
        {"method": "spf", "result": "fail", "domain": "<b>x</b>", "detail": "<script>alert(1)</script>"}
    ]
    stored["reasons"] = [
        {"code": "sender.spoofed", "facts": {"author": "<img src=x>", "domain": "d", "treated": "refused"}}
    ]
    InboundMessage.objects.filter(pk=forged.pk).update(authentication=stored)
    page = window.get(f"/inbound/{forged.pk}/").content.decode()
    assert "<script>alert(1)" not in page
    assert "<img src=x>" not in page
