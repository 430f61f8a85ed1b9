"""GET changes nothing, and a POST proves that it comes from one of our pages."""

from __future__ import annotations

import pytest
from django.test import Client

from postroom.store.models import Member
from tests.web.conftest import SignedIn

CHANGING = [
    "/settings/mail-tests/send/",
    "/read/",
    "/records/1/change/",
    "/records/1/follow/",
    "/records/1/subtypes/",
    "/activities/1/",
    "/message/1/star/",
    "/message/1/remove/",
    "/message/1/images/",
    "/records/1/unfollow/",
    "/message/1/resend/",
    "/message/1/ignore/",
    "/message/1/undo/",
    "/guide/close/",
    "/failures/ignore/",
    "/records/1/draft/",
    "/records/1/draft/discard/",
    "/records/1/draft/files/",
    "/records/1/draft/files/1/remove/",
    "/records/1/templates/save/",
    "/queue/act/",
    "/queue/change/1/undo/",
    "/queue/server/1/pause/",
    "/alarm/1/dismiss/",
    "/inbound/1/again/",
    "/inbound/loops/act/",
    "/inbound/1/attach/",
    "/inbound/1/create/",
    "/inbound/1/refuse/",
    "/inbound/1/discard/",
    "/inbound/1/allow/",
    "/inbound/act/",
    "/inbound/again/",
    "/suppression/1/release/",
    "/letterbox/1/act/",
    "/letterbox/1/seen/",
    "/scheduled/1/cancel/",
    "/scheduled/1/send/",
    "/settings/approvals/1/",
    "/settings/templates/preview/",
    "/settings/rules/try/",
    "/settings/rules/1/switch/",
    "/settings/rules/1/remove/",
    "/settings/templates/1/remove/",
    "/settings/parameters/mail.retry.days/",
    "/settings/actions/queue_manager/run/",
    "/settings/servers/configuration/test/",
    "/settings/servers/1/test/",
    "/settings/mailboxes/1/test/",
    "/settings/servers/1/try/",
    "/settings/mailboxes/1/try/",
    "/settings/trials/1/cancel/",
    "/settings/aliases/1/test/",
    "/settings/mailboxes/1/unconfirm/",
    "/settings/people/1/act/",
    "/welcome/outgoing/use/",
    "/welcome/outgoing/capture/",
    "/settings/mailboxes/1/fetch/",
    "/settings/mailboxes/1/reconcile/",
    "/settings/ingress/1/remove/",
    "/settings/servers/1/hook/",
    "/settings/servers/1/release/",
    "/settings/limits/change/",
    "/settings/secrets/rotate/",
    "/settings/secrets/forget/",
    "/records/1/language/",
    "/settings/dkim/create/",
    "/settings/dkim/rotate/",
    "/settings/dkim/act/",
    "/settings/keys/remove/",
    "/settings/installation/confirm/",
    "/settings/installation/capture/",
    "/logout/",
    "/security/everywhere/",
]


@pytest.mark.parametrize("place", CHANGING)
def test_what_changes_something_does_not_listen_to_get(signed_in: SignedIn, ada: Member, place: str) -> None:
    assert signed_in(ada).get(place).status_code == 405


@pytest.mark.parametrize(
    "place",
    [
        *CHANGING,
        "/records/1/messages/",
        "/records/1/activities/",
        "/records/1/merge/",
        "/message/1/edit/",
        "/suppression/",
        "/scheduled/1/",
        "/settings/templates/new/",
        "/records/ticket/new/",
        "/settings/servers/new/",
        "/login/",
    ],
)
def test_a_post_without_the_token_of_a_page_is_refused(ada: Member, place: str) -> None:
    window = Client(enforce_csrf_checks=True)
    window.force_login(ada.user)
    answer = window.post(place, {"title": "x"})
    assert answer.status_code == 403
    assert b"This form has expired" in answer.content
