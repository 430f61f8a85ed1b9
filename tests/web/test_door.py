"""The door of the pages: tries, the second step, a new password by mail, and what ends a session."""

from __future__ import annotations

import re
import time
from datetime import timedelta
from types import SimpleNamespace

import pytest
from allauth.mfa.models import Authenticator
from allauth.mfa.totp.internal import auth as totp
from allauth.mfa.totp.internal.auth import format_hotp_value, hotp_value, yield_hotp_counters_from_time
from axes.models import AccessAttempt
from django.conf import settings
from django.core.cache import cache
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from procrastinate.contrib.django.models import ProcrastinateJob

from postroom.core.mime.parsing import parse
from postroom.flows import audit, sign_in
from postroom.flows.keep_secret import kept
from postroom.flows.sign_in import BEGAN, MOST_OF_ALL
from postroom.flows.unlock_member import unlock_member
from postroom.store.models import AuditEvent, Contact, Delivery, Member, OutgoingContent, OutgoingMail, SealedText
from postroom.web import sessions
from postroom.wiring import ports
from tests.flows.asked_for_passwords import send_what_was_asked
from tests.web.conftest import SignedIn
from tests.web.seeding import PASSWORD

_SOME_VALUE = re.compile(r"'[^']*'|\d+")
LIMIT = settings.AXES_FAILURE_LIMIT


def try_to(client: Client, login: str, password: str, *, address: str = "192.0.2.7") -> str:
    answer = client.post("/login/", {"username": login, "password": password}, REMOTE_ADDR=address)
    if answer.status_code == 302:
        return str(answer["Location"])
    return "wait" if b"Too many wrong passwords" in answer.content else "wrong"


@pytest.fixture(autouse=True)
def _within_one_step(monkeypatch: pytest.MonkeyPatch) -> None:
    """The clock of codes stands still: none runs out on its way."""
    now = time.time()
    monkeypatch.setattr(totp, "time", SimpleNamespace(time=lambda: now))


def codes_of(secret: str, steps_ago: int = 0) -> str:
    """What an authenticator app shows, or showed so many steps of 30 seconds ago."""
    _before, current, _next = yield_hotp_counters_from_time()
    return str(format_hotp_value(hotp_value(secret, current - steps_ago)))


def happened(what: str) -> int:
    return AuditEvent.objects.filter(what=what).count()


# -- tries


def test_too_many_wrong_passwords_keep_out_this_account_from_this_address_alone(alice: Member, bob: Member) -> None:
    stranger, at_home = Client(), Client()
    assert [try_to(stranger, "alice", "guess") for _ in range(LIMIT - 1)] == ["wrong"] * (LIMIT - 1)
    assert try_to(stranger, "alice", "guess") == "wait"
    assert try_to(stranger, "alice", PASSWORD) == "wait"
    assert try_to(stranger, "bob", PASSWORD) == "/"
    assert try_to(at_home, "alice", PASSWORD, address="198.51.100.4") == "/"


def test_a_name_that_nobody_has_is_answered_with_the_same_words_and_written_down_nowhere(alice: Member) -> None:
    typed = "my-password-by-mistake"
    answers = [try_to(Client(), typed, "x") for _ in range(LIMIT)]
    assert answers == ["wrong"] * (LIMIT - 1) + ["wait"]
    assert not AccessAttempt.objects.filter(username__contains=typed).exists()
    assert not AuditEvent.objects.filter(login__contains=typed).exists()
    assert typed not in str(list(AccessAttempt.objects.values()))


def test_addresses_of_ipv6_are_counted_by_their_network(alice: Member) -> None:
    answers = [try_to(Client(), "alice", "x", address=f"2001:db8:1:2::{number}") for number in range(LIMIT + 1)]
    assert answers[-1] == "wait"
    assert try_to(Client(), "alice", PASSWORD, address="2001:db8:1:3::1") == "/"


def test_what_a_stranger_says_of_proxies_changes_nothing(alice: Member) -> None:
    client = Client()
    for number in range(LIMIT):
        client.post(
            "/login/",
            {"username": "alice", "password": "x"},
            REMOTE_ADDR="192.0.2.7",
            headers={"X-Forwarded-For": f"10.0.0.{number}"},
        )
    assert try_to(client, "alice", PASSWORD) == "wait"


def test_after_the_pause_one_may_try_again(alice: Member) -> None:
    for _ in range(LIMIT):
        try_to(Client(), "alice", "x")
    AccessAttempt.objects.update(
        attempt_time=ports().clock.now() - timedelta(minutes=settings.POSTROOM.sign_in_pause + 1)
    )
    assert try_to(Client(), "alice", PASSWORD) == "/"


def test_an_operator_lets_somebody_in_again(alice: Member) -> None:
    for _ in range(LIMIT):
        try_to(Client(), "alice", "x")
    assert unlock_member(ports(), "alice") == 1
    assert try_to(Client(), "alice", PASSWORD) == "/"
    assert happened("sign_in_unlocked") == 1


# -- the second step


def a_second_factor(window: Client, member: Member) -> str:
    """Switched on as a person does; the secret of the app."""
    page = window.get(reverse("mfa_activate_totp"))
    if page.status_code == 302:
        assert page["Location"].startswith(reverse("account_reauthenticate"))
        window.post(page["Location"], {"password": PASSWORD})
        page = window.get(reverse("mfa_activate_totp"))
    found = re.search(rb'id="totp-secret">([A-Z2-7]+)<', page.content)
    assert found
    secret = found[1].decode()
    answer = window.post(reverse("mfa_activate_totp"), {"code": codes_of(secret)})
    assert (answer.status_code, answer["Location"]) == (302, reverse("mfa_view_recovery_codes"))
    return secret


def recovery_codes(window: Client) -> list[str]:
    page = window.get(reverse("mfa_view_recovery_codes")).content.decode()
    return re.search(r'id="recovery-codes">([^<]+)<', page)[1].split()  # type: ignore[index]


def test_a_second_factor_needs_the_password_again_and_then_a_code_at_each_sign_in(
    signed_in: SignedIn, alice: Member
) -> None:
    window = signed_in(alice)
    assert window.get(reverse("mfa_activate_totp"))["Location"].startswith(reverse("account_reauthenticate"))
    secret = a_second_factor(window, alice)
    assert happened("totp_on") == 1
    codes = recovery_codes(window)
    assert len(set(codes)) == 10

    fresh = Client()
    assert try_to(fresh, "alice", PASSWORD) == reverse("mfa_authenticate")
    assert fresh.get("/").status_code == 302, "the password alone opens nothing"
    assert fresh.get("/api/v1/records").status_code == 401
    assert fresh.post(reverse("mfa_authenticate"), {"code": "000000"}).status_code == 200
    assert fresh.get("/").status_code == 302
    answer = fresh.post(reverse("mfa_authenticate"), {"code": codes[0]})
    assert (answer.status_code, answer["Location"]) == (302, "/")
    assert fresh.get("/").status_code == 200
    assert happened("recovery_code_used") == 1

    again = Client()
    try_to(again, "alice", PASSWORD)
    assert again.post(reverse("mfa_authenticate"), {"code": codes[0]}).status_code == 200, "a recovery code works once"
    assert secret not in str(list(Authenticator.objects.values())), "its secret is sealed"


def test_a_code_works_half_a_minute_longer_than_it_is_shown_and_once_in_all_processes(
    signed_in: SignedIn, alice: Member
) -> None:
    secret = a_second_factor(signed_in(alice), alice)

    def tried(code: str) -> int:
        cache.clear()  # as in another process, and later than one step
        window = Client()
        assert try_to(window, "alice", PASSWORD) == reverse("mfa_authenticate")
        return window.post(reverse("mfa_authenticate"), {"code": code}).status_code

    assert tried(codes_of(secret, steps_ago=2)) == 200, "it ran out"
    assert tried(codes_of(secret, steps_ago=1)) == 302
    assert tried(codes_of(secret, steps_ago=1)) == 200, "it is spent"
    assert tried(codes_of(secret)) == 302
    assert tried(codes_of(secret)) == 200
    assert tried(codes_of(secret, steps_ago=1)) == 200, "what came before is spent, too"


def test_before_an_account_is_changed_a_spent_code_is_no_proof(signed_in: SignedIn, alice: Member) -> None:
    window = signed_in(alice)
    secret = a_second_factor(window, alice)
    assert window.post(reverse("mfa_reauthenticate"), {"code": codes_of(secret)}).status_code == 302
    cache.clear()
    assert window.post(reverse("mfa_reauthenticate"), {"code": codes_of(secret)}).status_code == 200


def test_the_secret_of_a_second_factor_is_sealed_where_the_rotation_of_keys_finds_it(
    signed_in: SignedIn, alice: Member
) -> None:
    secret = a_second_factor(signed_in(alice), alice)
    stored = Authenticator.objects.get(type="totp").data["secret"]
    assert kept(ports(), stored) == secret
    assert secret.encode() not in b"".join(bytes(row.secret) for row in SealedText.objects.all())


def test_switching_it_off_is_noted_and_the_password_is_enough_again(signed_in: SignedIn, alice: Member) -> None:
    window = signed_in(alice)
    a_second_factor(window, alice)
    assert window.get(reverse("mfa_deactivate_totp")).status_code == 200
    assert window.post(reverse("mfa_deactivate_totp"))["Location"] == reverse("mfa_index")
    assert happened("totp_off") == 1
    assert try_to(Client(), "alice", PASSWORD) == "/"


# -- a new password by mail


def the_link() -> str:
    raw = (
        bytes(OutgoingContent.objects.latest("pk").content_headers)
        + b"\r\n"
        + bytes(OutgoingContent.objects.latest("pk").body)
    )
    found = re.search(r"/login/new-password/[\w=-]+/[\w-]+/", parse(raw).html)
    assert found
    return found[0]


def test_a_new_password_is_set_by_a_link_that_works_once(alice: Member) -> None:
    client = Client()
    assert (
        b"a mail with a link is on its way" in client.post("/login/forgotten/", {"who": "ALICE@postroom.test"}).content
    )
    assert not Delivery.objects.exists()
    assert send_what_was_asked(ports()) == 1
    delivery = Delivery.objects.get()
    assert (delivery.to_address, delivery.lane) == ("alice@postroom.test", 0)
    link = the_link()
    form = client.get(link, follow=True)
    assert b"new_password1" in form.content
    answer = client.post(
        form.redirect_chain[-1][0], {"new_password1": "another-7-password", "new_password2": "another-7-password"}
    )
    assert (answer.status_code, answer["Location"]) == (302, "/login/")
    assert try_to(Client(), "alice", "another-7-password") == "/"
    assert b"was used already" in Client().get(link, follow=True).content
    assert happened("password_reset") == 1


@pytest.mark.parametrize("who", ["nobody@nowhere.example", "alice", "", "a" * 320])
def test_nobody_learns_who_is_known_here(alice: Member, who: str) -> None:
    answer = Client().post("/login/forgotten/", {"who": who})
    assert answer.status_code == 200
    assert (b"a mail with a link is on its way" in answer.content) == bool(who)
    send_what_was_asked(ports())
    assert Delivery.objects.exists() == (who == "alice")


def test_the_request_does_the_same_for_whom_nobody_knows(alice: Member) -> None:
    Client().post("/login/forgotten/", {"who": "warm@nowhere.example"})
    done: list[list[str]] = []
    for who in ("nobody@nowhere.example", "alice@postroom.test", "alice", "another@nowhere.example"):
        with CaptureQueriesContext(connection) as asked:
            Client().post("/login/forgotten/", {"who": who})
        done.append([_SOME_VALUE.sub("?", query["sql"]) for query in asked.captured_queries])
        assert who not in str(asked.captured_queries), "it may be a password"
    assert done[0] == done[1] == done[2] == done[3]
    assert [one for one in done[0] if "procrastinate_defer" in one]
    jobs = ProcrastinateJob.objects.order_by("id")
    assert [one.task_name for one in jobs] == ["send_password_links"] * 5
    assert {tuple(sorted(one.args)) for one in jobs} == {("address", "language", "place", "sealed")}
    assert not Delivery.objects.exists()
    assert happened("password_reset_asked") == 0


def test_a_flood_of_requests_fills_no_queue(alice: Member, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sign_in, "MOST_ASKED", 2)
    for number in range(4):
        answer = Client().post("/login/forgotten/", {"who": f"nobody-{number}"})
        assert b"a mail with a link is on its way" in answer.content
    assert ProcrastinateJob.objects.count() == 2


@pytest.mark.parametrize(
    ("chosen", "browser", "subject"),
    [("de", "en", "Ein neues Passwort für Postroom"), ("en", "de", "Ein neues Passwort für Postroom"),
     ("en", "en", "A new password for Postroom"), ("fr-x", "de", "A new password for Postroom")],
)  # fmt: skip
def test_the_letter_speaks_as_its_reader_chose_or_as_the_page_was_asked(
    alice: Member, chosen: str, browser: str, subject: str
) -> None:
    Contact.objects.filter(pk=alice.contact_id).update(language=chosen)
    Client().post("/login/forgotten/", {"who": "alice"}, headers={"Accept-Language": browser})
    send_what_was_asked(ports())
    assert OutgoingMail.objects.get().subject == subject


def test_a_stranger_cannot_fill_a_mailbox_by_asking_again_and_again(alice: Member) -> None:
    for _ in range(6):
        Client().post("/login/forgotten/", {"who": "alice"})
    assert send_what_was_asked(ports()) == 3
    assert Delivery.objects.count() == 3


def test_a_stranger_who_asks_again_and_again_does_not_use_up_the_owners_links(alice: Member) -> None:
    for number in range(6):
        Client().post("/login/forgotten/", {"who": "alice"}, REMOTE_ADDR=f"2001:db8::{number + 1}")
    send_what_was_asked(ports())
    assert Delivery.objects.count() == 3, "one network, whichever of its addresses"
    Client().post("/login/forgotten/", {"who": "alice"}, REMOTE_ADDR="192.0.2.7")
    send_what_was_asked(ports())
    assert Delivery.objects.count() == 4
    with audit.from_where("192.0.2.99"):
        for _ in range(MOST_OF_ALL):
            audit.note(ports(), "password_reset_asked", user=alice.user)
    Client().post("/login/forgotten/", {"who": "alice"}, REMOTE_ADDR="192.0.2.8")
    send_what_was_asked(ports())
    assert Delivery.objects.count() == 4, "from everywhere together it has an end, too"


# -- sessions


def test_a_new_password_ends_the_sessions_elsewhere(signed_in: SignedIn, alice: Member) -> None:
    here, elsewhere = signed_in(alice), signed_in(alice)
    words = {"old_password": PASSWORD, "new_password1": "another-7-password", "new_password2": "another-7-password"}
    assert here.post("/password/", words).status_code == 302
    assert here.get("/").status_code == 200
    assert elsewhere.get("/").status_code == 302
    assert happened("password_changed") == 1


def test_signing_out_everywhere_leaves_this_session_alone(signed_in: SignedIn, alice: Member) -> None:
    elsewhere, here = signed_in(alice), signed_in(alice)
    assert here.post(reverse("sign_out_everywhere")).status_code == 303
    assert here.get("/").status_code == 200
    assert elsewhere.get("/api/v1/records").status_code == 401
    assert elsewhere.get("/").status_code == 302


@pytest.mark.parametrize(("name", "minutes"), [(sessions.SEEN, "session_idle"), (BEGAN, "session_life")])
def test_a_session_ends_when_it_was_idle_or_is_old(signed_in: SignedIn, alice: Member, name: str, minutes: str) -> None:
    window = signed_in(alice)
    assert window.get("/").status_code == 200
    session = window.session
    session[name] = time.time() - getattr(settings.POSTROOM, minutes) * 60 - 1
    session.save()
    assert window.get("/").status_code == 302
    assert happened("session_ended") == 1


def test_signing_in_gives_the_session_another_number(alice: Member) -> None:
    client = Client()
    client.get("/login/")
    client.session["x"] = 1
    before = client.session.session_key
    try_to(client, "alice", PASSWORD)
    assert client.session.session_key not in (None, before)


def test_keys_and_secrets_change_only_in_a_session_that_is_fresh(signed_in: SignedIn, ada: Member) -> None:
    window = signed_in(ada)
    session = window.session
    session[BEGAN] = time.time() - 3600
    session.save()
    answer = window.post("/settings/keys/", {"name": "x"})
    assert answer["Location"].startswith(reverse("account_reauthenticate"))
    window.post(answer["Location"], {"password": PASSWORD})
    assert window.post("/settings/keys/", {"name": "x"}).status_code == 200
    assert happened("key_created") == 1
