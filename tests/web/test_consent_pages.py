"""Connecting an account at Google or Microsoft, against a consent server that keeps to the protocol."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterator
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from django.test import Client

from postroom.adapters.oauth import refreshing
from postroom.adapters.oauth.refreshing import RefreshingTokens
from postroom.core.terms import oauth
from postroom.core.terms.oauth import TokenProvider
from postroom.core.terms.secret import Secret
from postroom.flows import connect_account
from postroom.flows.keep_grant import keep_grant
from postroom.store.models import Mailbox, Member, OAuthClient, SettingChange
from postroom.wiring import ports
from tests.laboratory.consent_server import ConsentServer, consent_server
from tests.web import seeding
from tests.web.conftest import SignedIn

pytestmark = pytest.mark.django_db
OWN = ("127.0.0.0/8",)


@pytest.fixture
def provider(monkeypatch: pytest.MonkeyPatch, settings: Any) -> Iterator[ConsentServer]:
    settings.POSTROOM = dataclasses.replace(settings.POSTROOM, token_networks=OWN)
    with consent_server() as server:
        place = dataclasses.replace(
            oauth.CONSENT_PLACES[TokenProvider.GOOGLE], authorize=server.authorize_address, token=server.token_address
        )
        monkeypatch.setattr(connect_account, "CONSENT_PLACES", {**oauth.CONSENT_PLACES, TokenProvider.GOOGLE: place})
        monkeypatch.setitem(refreshing.ENDPOINTS, "google", server.token_address)
        yield server


@pytest.fixture
def mailbox(ada: Member) -> Mailbox:
    return Mailbox.objects.create(
        company=ada.company, name="Support", preset="gmail", host="imap.gmail.com", username="help@box.test"
    )


@pytest.fixture
def window(signed_in: SignedIn, ada: Member) -> Client:
    return signed_in(ada)


def place_of(mailbox: Mailbox) -> str:
    return f"/settings/connect/mailbox/{mailbox.pk}/"


def register(window: Client, mailbox: Mailbox, provider: ConsentServer) -> None:
    values = {"step": "client", "client_id": provider.client_id, "client_secret": provider.client_secret}
    assert window.post(place_of(mailbox), values).status_code == 303


def consent(window: Client, mailbox: Mailbox, provider: ConsentServer) -> str:
    """The address at which the browser comes back, as the provider's pages send it."""
    sent = window.post(place_of(mailbox), {"step": "start"})
    assert sent.status_code == 200
    link = sent.context["url"]
    assert link.startswith(provider.authorize_address)
    asked = {name: values[0] for name, values in parse_qs(urlsplit(link).query).items()}
    back = urlsplit(provider.authorize(asked))
    return f"{back.path}?{back.query}"


def grant_of(mailbox: Mailbox) -> dict[str, str]:
    mailbox.refresh_from_db()
    found: dict[str, str] = json.loads(ports().vault.open(bytes(mailbox.secret)).reveal())
    return found


def test_a_consent_becomes_a_sealed_grant_that_gives_tokens(
    window: Client, mailbox: Mailbox, provider: ConsentServer
) -> None:
    assert "redirect URI" in window.get(place_of(mailbox)).content.decode()
    register(window, mailbox, provider)
    back = consent(window, mailbox, provider)
    asked = provider.asked[0]
    assert (asked["response_type"], asked["code_challenge_method"], asked["login_hint"]) == (
        "code",
        "S256",
        "help@box.test",
    )
    assert "mail.google.com" in asked["scope"]
    assert window.get(back)["Location"] == f"/settings/mailboxes/{mailbox.pk}/#test"
    grant = grant_of(mailbox)
    assert (mailbox.authentication, mailbox.token_source) == ("token", "google")
    assert grant["refresh_token"] in provider.refresh_tokens
    assert "code_verifier" in provider.traded[0]
    written = str(list(SettingChange.objects.values())) + str(list(OAuthClient.objects.values()))
    assert grant["refresh_token"] not in written
    assert provider.client_secret not in written


def test_a_rotated_token_is_kept_and_a_withdrawn_one_is_dead_until_one_connects_again(
    window: Client, mailbox: Mailbox, provider: ConsentServer
) -> None:
    register(window, mailbox, provider)
    window.get(consent(window, mailbox, provider))
    before = grant_of(mailbox)["refresh_token"]
    tokens = RefreshingTokens(on_rotation=_keep, allowed=OWN)
    grant = Secret(json.dumps(grant_of(mailbox)))
    assert tokens.access_token("google", grant).reveal().startswith("access-")
    after = grant_of(mailbox)["refresh_token"]
    assert after != before
    assert after in provider.refresh_tokens
    provider.withdraw()
    with pytest.raises(ValueError, match="ended or was withdrawn"):
        RefreshingTokens(on_rotation=_keep, allowed=OWN).access_token("google", Secret(json.dumps(grant_of(mailbox))))
    assert "Connect again" in window.get(f"/settings/mailboxes/{mailbox.pk}/").content.decode()
    window.get(consent(window, mailbox, provider))
    assert grant_of(mailbox)["refresh_token"] in provider.refresh_tokens


def _keep(source: str, former: Secret, fresh: Secret) -> None:
    keep_grant(ports(), source, former, fresh)


def test_the_way_back_counts_once_and_only_for_the_browser_that_began_it(
    window: Client, mailbox: Mailbox, provider: ConsentServer, signed_in: SignedIn, ada: Member
) -> None:
    register(window, mailbox, provider)
    back = consent(window, mailbox, provider)
    other = signed_in(ada)
    assert "was not begun here" in other.get(back, follow=True).content.decode()
    assert not provider.traded
    window.get(back)
    former = bytes(grant_of(mailbox) and mailbox.secret)
    assert "was not begun here" in window.get(back, follow=True).content.decode()
    mailbox.refresh_from_db()
    assert bytes(mailbox.secret) == former
    assert "was not begun here" in window.get("/settings/connect/back/?state=x&code=y", follow=True).content.decode()


def test_a_no_changes_nothing_and_is_said(window: Client, mailbox: Mailbox, provider: ConsentServer) -> None:
    register(window, mailbox, provider)
    provider.says_no = True
    text = window.get(consent(window, mailbox, provider), follow=True).content.decode()
    assert "No consent was given" in text
    mailbox.refresh_from_db()
    assert (mailbox.authentication, bytes(mailbox.secret)) == ("password", b"")


def test_a_wrong_client_secret_is_said_and_not_shown(window: Client, mailbox: Mailbox, provider: ConsentServer) -> None:
    window.post(place_of(mailbox), {"step": "client", "client_id": provider.client_id, "client_secret": "wrong one"})
    text = window.get(consent(window, mailbox, provider), follow=True).content.decode()
    assert "invalid_client" in text
    assert "wrong one" not in text
    mailbox.refresh_from_db()
    assert mailbox.authentication == "password"


def test_before_there_is_a_registration_nobody_is_sent_anywhere(
    window: Client, mailbox: Mailbox, provider: ConsentServer
) -> None:
    text = window.post(place_of(mailbox), {"step": "start"}, follow=True).content.decode()
    assert "not registered at Google yet" in text


def test_only_who_may_settle_it_connects_it(
    signed_in: SignedIn, bob: Member, mallory: Member, mailbox: Mailbox, provider: ConsentServer
) -> None:
    for member in (bob, mallory):
        assert signed_in(member).get(place_of(mailbox)).status_code == 403
        assert signed_in(member).post(place_of(mailbox), {"step": "start"}).status_code == 403
    company_admin = seeding.a_member("carl", "Carl", mailbox.company, role=_administrator())
    values = {"step": "client", "client_id": "x", "client_secret": "y"}
    assert signed_in(company_admin).post(place_of(mailbox), values).status_code == 403, (
        "the registration is the house's"
    )
    assert signed_in(company_admin).get("/settings/connect/mailbox/987654/").status_code == 404
    assert signed_in(company_admin).get("/settings/connect/nothing/1/").status_code == 404


def _administrator() -> object:
    from postroom.core.terms.states import Role

    return Role.ADMINISTRATOR
