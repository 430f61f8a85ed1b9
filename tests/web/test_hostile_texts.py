"""What strangers write is shown, never obeyed: hostile names, subjects, bodies and addresses on every page that shows them."""

from __future__ import annotations

import re

import pytest

from postroom.core.terms.reasons import because
from postroom.store.models import AliasDomain, Follower, LetterboxMail, Member, RecordKind, SettingChange
from tests.web import seeding
from tests.web.conftest import SignedIn

EVIL = "\"'><script>alert(1)</script><img src=x onerror=alert(2)>{{7*7}}"
SIGNS = ("<script>alert", "<img src=x", "onerror=alert(2)>", "49")


@pytest.fixture
def numbers(company: seeding.Company, ada: Member) -> dict[str, int]:
    RecordKind.objects.update(label=EVIL[:80], label_plural=EVIL[:80], icon="<b>x", stages=[EVIL[:80]])
    carla = seeding.a_contact(EVIL, "carla@customer.example", company)
    record = seeding.a_record(company, EVIL, contact=carla, stage=EVIL[:80], values={EVIL: EVIL})
    Follower.objects.create(record=record, contact=carla)
    raw = seeding.a_mail(f'"{EVIL}" <carla@customer.example>', "support@postroom.test", EVIL, EVIL, "html")
    came = seeding.an_inbound(
        company,
        EVIL,
        raw,
        "held",
        header_from=EVIL,
        mail_from=EVIL,
        rcpt_to=[EVIL],
        peer=EVIL,
        error=EVIL,
        message_id=EVIL,
        verdict=[{"decision": EVIL, "reasons": [because(EVIL, x=EVIL).as_json()]}],
    )
    message = seeding.a_message(
        record,
        carla,
        "<p>hello</p>",
        subject=EVIL,
        inbound=came,
        addressed={"to": [[EVIL, EVIL]], "cc": [[EVIL, EVIL]]},
    )
    seeding.a_message(record, carla, "", kind="system", changes=[[EVIL, EVIL, EVIL]])
    told = seeding.a_notification(message, carla, "bounce", failure_reason=EVIL)
    server = seeding.a_server(EVIL, trouble=EVIL, from_filter=EVIL)
    delivery = seeding.a_delivery(
        company,
        EVIL,
        "failed",
        subject=EVIL,
        to_name=EVIL,
        message=message,
        notification=told,
        server=server,
        failure_reason=EVIL,
        reasons=[because(EVIL).as_json()],
    )
    seeding.an_attempt(delivery, "failed", 550, "5.1.1", EVIL, connection=EVIL)
    letter = LetterboxMail.objects.create(
        company=company, to_address=EVIL, from_display=EVIL, subject=EVIL, raw=raw, captured_at=seeding.NOW
    )
    AliasDomain.objects.create(name=EVIL)
    SettingChange.objects.create(
        changed_at=seeding.NOW, user=ada.user, subject=EVIL, before={EVIL: EVIL}, after={EVIL: "x"}
    )
    return {
        "record": record.pk,
        "message": message.pk,
        "inbound": came.pk,
        "delivery": delivery.pk,
        "letter": letter.pk,
        "server": server.pk,
    }


@pytest.mark.slow
def test_hostile_texts_are_shown_as_texts_everywhere(numbers: dict[str, int], signed_in: SignedIn, ada: Member) -> None:
    window = signed_in(ada)
    for place in (
        "/",
        "/records/",
        "/records/ticket/",
        "/records/ticket/new/",
        "/people/find/?who=script",
        "/records/{record}/",
        "/records/{record}/live/?after=0",
        "/records/{record}/audience/?kind=comment",
        "/message/{message}/recipients/",
        "/queue/?state=failed",
        "/queue/{delivery}/",
        "/inbound/",
        "/held/",
        "/inbound/{inbound}/",
        "/inbound/{inbound}/find/?q=script",
        "/letterbox/",
        "/letterbox/{letter}/",
        "/settings/servers/",
        "/settings/servers/{server}/",
        "/settings/domains/",
        "/settings/changes/",
    ):
        page = window.get(place.format(**numbers)).content.decode()
        for sign in SIGNS[:3]:
            assert sign not in page, (place, sign)
        assert not re.search(r'\son\w+="', page), place


@pytest.mark.parametrize(
    "place", ["/records/?q={evil}", "/queue/?after={evil}", "/letterbox/?to={evil}", "/settings/parameters/?q={evil}"]
)
def test_what_stands_in_the_address_bar_is_not_obeyed(signed_in: SignedIn, ada: Member, place: str) -> None:
    page = (
        signed_in(ada)
        .get(place.split("?", maxsplit=1)[0], {place.split("?")[1].split("=", maxsplit=1)[0]: EVIL})
        .content.decode()
    )
    for sign in SIGNS[:3]:
        assert sign not in page


def test_a_hostile_mail_is_shown_behind_glass(numbers: dict[str, int], signed_in: SignedIn, ada: Member) -> None:
    window = signed_in(ada)
    for place in ("/inbound/{inbound}/body/", "/letterbox/{letter}/body/"):
        answer = window.get(place.format(**numbers))
        page = answer.content.decode()
        assert "<script" not in page
        assert "onerror" not in page
        assert answer["Content-Security-Policy"].startswith("sandbox allow-same-origin allow-popups")
        assert "default-src 'none'" in answer["Content-Security-Policy"]


def test_the_source_is_a_download_that_no_browser_runs(
    numbers: dict[str, int], signed_in: SignedIn, ada: Member
) -> None:
    answer = signed_in(ada).get(f"/inbound/{numbers['inbound']}/source/")
    assert answer["Content-Disposition"].startswith("attachment")
    assert answer["X-Content-Type-Options"] == "nosniff"
    assert b"<script>alert(1)</script>" in answer.content
