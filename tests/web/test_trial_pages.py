"""The piece of a page that follows a test: it asks again until the test is over, and can be called off."""

from __future__ import annotations

import pytest
from django.test import Client
from pytest_django import DjangoCaptureOnCommitCallbacks

from postroom.flows import trials
from postroom.flows.trials import WatchedStep
from postroom.store.models import Installation, Mailbox, Member, OutgoingServer, Trial
from postroom.wiring import ports
from tests.flows.outgoing_mails import a_mail, deliveries
from tests.web import seeding
from tests.web.conftest import SignedIn

pytestmark = pytest.mark.django_db
HTMX = {"HX-Request": "true"}
TESTED = {
    "tested_at": "2026-11-21T11:00:00+00:00", "ok": True, "code": "none", "cause": {"code": "fault.none", "facts": {}},
    "cure": {"code": "cure.none", "facts": {}}, "step": "", "reply": "", "senders": ["a@postroom.test"],
    "recipient": "ada@postroom.test", "tls": "", "steps": [],
}  # fmt: skip


@pytest.fixture
def window(signed_in: SignedIn, ada: Member) -> Client:
    return signed_in(ada)


@pytest.fixture
def server(ada: Member) -> OutgoingServer:
    return seeding.a_server(company=ada.company)


def begun(window: Client, where: str, capture: DjangoCaptureOnCommitCallbacks, **values: str) -> Trial:
    """Written down; what would work at it is not started, as nothing is committed here."""
    with capture(execute=False) as callbacks:
        answer = window.post(where, values, headers=HTMX)
    assert answer.status_code == 200
    assert len(callbacks) == 1, "somebody begins to work at it"
    return Trial.objects.latest("pk")


def test_the_piece_asks_again_until_the_test_is_over(
    window: Client, server: OutgoingServer, django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks
) -> None:
    trial = begun(window, f"/settings/servers/{server.pk}/try/", django_capture_on_commit_callbacks)
    place = f"/settings/trials/{trial.pk}/"
    steps = [WatchedStep(step="connect", milliseconds=3), WatchedStep(step="auth", is_open=True)]
    assert trials.note_steps(trial.pk, steps)
    text = window.get(place, headers=HTMX).content.decode()
    assert f'hx-get="{place}"' in text
    assert "Login" in text
    assert "turning" in text
    OutgoingServer.objects.filter(pk=server.pk).update(test_result=TESTED)
    trials.finish_trial(ports(), trial.pk)
    text = window.get(place, headers=HTMX).content.decode()
    assert "hx-get" not in text
    assert "The server takes mail." in text


def test_the_first_run_tells_of_mails_that_would_leave_with_the_server(
    window: Client,
    ada: Member,
    server: OutgoingServer,
    django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks,
) -> None:
    now = ports().clock.now()
    Installation.objects.create(identity="here", is_capturing=True, confirmed_at=now)
    deliveries(a_mail(ada.company, at=now), "hugo@petit.example", at=now)
    OutgoingServer.objects.filter(pk=server.pk).update(test_result=TESTED)
    where = f"/settings/servers/{server.pk}/try/"
    trial = begun(window, where, django_capture_on_commit_callbacks, place="welcome")
    trials.finish_trial(ports(), trial.pk)
    text = window.get(f"/settings/trials/{trial.pk}/", headers=HTMX).content.decode()
    assert "1 mail waits in the queue" in text
    assert "Use it, and cancel what waits" in text
    assert "Use it and go on" not in text


def test_a_test_is_called_off(
    window: Client, server: OutgoingServer, django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks
) -> None:
    trial = begun(window, f"/settings/servers/{server.pk}/try/", django_capture_on_commit_callbacks)
    text = window.post(f"/settings/trials/{trial.pk}/cancel/", headers=HTMX).content.decode()
    assert "Called off" in text
    assert "hx-get" not in text
    assert not trials.note_steps(trial.pk, [])
    assert not trials.is_wanted(trial.pk)


def test_a_mailbox_that_was_confirmed_is_shown_anew_but_not_in_the_first_run(
    window: Client, ada: Member, django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks
) -> None:
    mailbox = Mailbox.objects.create(company=ada.company, name="Support", host="imap.box.test", username="x")
    for place, is_anew in (("", True), ("welcome", False)):
        Trial.objects.all().delete()
        trial = begun(
            window, f"/settings/mailboxes/{mailbox.pk}/try/", django_capture_on_commit_callbacks, place=place, leave="1"
        )
        assert trial.options["leave"] is True
        trials.note_steps(trial.pk, [WatchedStep(step="login")])
        trials.finish_trial(ports(), trial.pk)
        answer = window.get(f"/settings/trials/{trial.pk}/", headers=HTMX)
        assert ("HX-Refresh" in answer) is is_anew


@pytest.mark.parametrize("trouble", ["broken", "gone", "The stored password cannot be read."])
def test_one_without_an_outcome_says_why(window: Client, ada: Member, server: OutgoingServer, trouble: str) -> None:
    trial = trials.begin_trial(ports(), "server", server.pk, member=ada)
    trials.finish_trial(ports(), trial.id, trouble)
    text = window.get(f"/settings/trials/{trial.id}/", headers=HTMX).content.decode()
    assert "pr-bad" in text
    assert "hx-get" not in text


def test_nobody_else_sees_it(signed_in: SignedIn, server: OutgoingServer, ada: Member, bob: Member) -> None:
    trial = trials.begin_trial(ports(), "server", server.pk, member=ada)
    for member in (bob,):
        assert signed_in(member).get(f"/settings/trials/{trial.id}/").status_code == 404
        assert signed_in(member).post(f"/settings/trials/{trial.id}/cancel/").status_code == 404
    answer = signed_in(ada).post(f"/settings/servers/{server.pk}/try/", {"to": "nobody"}, headers=HTMX)
    assert "no mail address" in answer.content.decode()


def test_who_is_no_administrator_any_more_sees_no_outcome_of_his_own_test(
    window: Client,
    server: OutgoingServer,
    ada: Member,
    django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks,
) -> None:
    trial = begun(window, f"/settings/servers/{server.pk}/try/", django_capture_on_commit_callbacks)
    assert window.get(f"/settings/trials/{trial.pk}/").status_code == 200
    Member.objects.filter(pk=ada.pk).update(role="agent")
    assert window.get(f"/settings/trials/{trial.pk}/").status_code == 404
    assert window.post(f"/settings/trials/{trial.pk}/cancel/").status_code == 404
    trial.refresh_from_db()
    assert trial.cancelled_at is None
