"""Test Connection for APIs: a question that needs the key and sends nothing."""

from __future__ import annotations

import pytest

from postroom.adapters.esp.checking import check
from postroom.core.delivery.providers import PROVIDERS
from postroom.core.delivery.wire import Phase
from tests.adapters.esp.providing import KEY, endpoint_at
from tests.adapters.esp.scripted_api import Does, Says, api_that, path_of
from tests.adapters.smtp.scripted_peer import closed_port

GOOD = {
    "amazon_ses": (
        Says(json={"ProductionAccessEnabled": False, "SendQuota": {"Max24HourSend": 200.0, "SentLast24Hours": 12.0}}),
        "/v2/email/account",
        "12 of 200 mails a day are used. It is in the sandbox: only verified addresses get mail.",
    ),
    "brevo": (Says(json={"email": "alice@northwind.example", "companyName": "Northwind"}), "/v3/account", "Northwind"),
    "mailgun": (Says(json={"domain": {"state": "active"}}), "/v3/domains/mg.northwind.example", "active"),
    "mailjet": (Says(json={"Data": [{"Email": "alice@northwind.example"}]}), "/v3/REST/user", "alice@"),
    "postmark": (Says(json={"Name": "Northwind mail", "DeliveryType": "Live"}), "/server", "Northwind mail, Live"),
    "resend": (Says(json={"data": [{"name": "northwind.example", "status": "verified"}]}), "/domains", "verified"),
    "sendgrid": (Says(json={"scopes": ["mail.send"]}), "/v3/scopes", ""),
    "sparkpost": (Says(json={"results": [{"domain": "northwind.example"}]}), "/api/v1/sending-domains", "northwind"),
}


@pytest.mark.parametrize("provider", sorted(PROVIDERS))
def test_a_good_key_is_told_with_what_the_account_shows(provider: str) -> None:
    answer, path, words = GOOD[provider]
    with api_that(answer) as api:
        found = check(endpoint_at(api, provider))
    (request,) = api.requests
    assert (request.method, path_of(request), request.body) == ("GET", path, b"")
    assert (found.is_good, found.is_told) == (True, True)
    assert words in found.text
    assert KEY not in found.text


@pytest.mark.parametrize("provider", sorted(set(PROVIDERS) - {"mailgun"}))
def test_a_wrong_key_is_told(provider: str) -> None:
    wrong = Says(
        status=401, json={"message": "invalid key"}, headers={"x-amzn-ErrorType": "UnrecognizedClientException"}
    )
    with api_that(wrong) as api:
        found = check(endpoint_at(api, provider))
    assert (found.is_good, found.is_told, found.phase) == (False, True, Phase.AUTH)
    assert "invalid key" in found.text


RESTRICTED = {
    "resend": Says(status=401, json={"name": "restricted_api_key", "message": "This API key is restricted to only send emails"}),
    "sparkpost": Says(status=403, json={"errors": [{"message": "Forbidden."}]}),
    "amazon_ses": Says(
        status=403,
        json={"message": "User is not authorized to perform: ses:GetAccount"},
        headers={"x-amzn-ErrorType": "AccessDeniedException"},
    ),
}  # fmt: skip


@pytest.mark.parametrize("provider", sorted(RESTRICTED))
def test_a_key_that_may_only_send_is_not_called_wrong(provider: str) -> None:
    with api_that(RESTRICTED[provider]) as api:
        found = check(endpoint_at(api, provider))
    assert (found.is_good, found.is_told) == (True, False)


def test_mailgun_tells_sending_keys_and_wrong_ones_the_same() -> None:
    with api_that(Says(status=401, text="Forbidden")) as api:
        found = check(endpoint_at(api, "mailgun"))
    assert (found.is_good, found.is_told) == (False, False)


def test_a_key_without_the_permission_to_send_is_told() -> None:
    with api_that(Says(json={"scopes": ["alerts.read"]})) as api:
        found = check(endpoint_at(api, "sendgrid"))
    assert not found.is_good
    assert "Mail Send" in found.text


@pytest.mark.parametrize("provider", sorted(PROVIDERS))
def test_nobody_there_is_told(provider: str) -> None:
    with closed_port() as port:
        found = check(endpoint_at(f"http://127.0.0.1:{port}", provider))
    assert (found.is_good, found.phase) == (False, Phase.CONNECT)
    assert found.text


@pytest.mark.parametrize("bad", [Does.DROP, Does.GARBAGE, Says(status=302, headers={"Location": "/x"}), Says(text="{")])
def test_a_strange_answer_is_no_crash(bad: Says | str) -> None:
    with api_that(bad) as api:
        check(endpoint_at(api, "postmark"))
    assert len(api.requests) == 1
