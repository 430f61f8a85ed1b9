"""What providers answer when they do not take a mail, as documented, and what it means for the mail or the server."""

from __future__ import annotations

import pytest

from postroom.adapters.esp.answers import judge_answer, said
from postroom.core.delivery.outcomes import is_server_trouble, judge
from postroom.core.delivery.wire import Phase
from postroom.core.terms.states import Blame, DeliveryState, FailureType
from tests.adapters.esp.providing import a_wire_mail, send_one
from tests.adapters.esp.scripted_api import Says, api_that
from tests.flows.outgoing_mails import DAY, HandClock

RCPT, MAIL, DATA, AUTH = Phase.RCPT, Phase.MAIL, Phase.DATA, Phase.AUTH
NOW = HandClock().now()


def amazon(code: str, message: str, status: int = 400) -> Says:
    return Says(status=status, json={"message": message}, headers={"x-amzn-ErrorType": code})


def mailjet(status: int, message: str, related: str, code: str = "mj-0013") -> Says:
    error = {
        "ErrorIdentifier": "88b5ca9f-5f1f-42e7-a45e-9ecbad0c285e",
        "ErrorCode": code,
        "StatusCode": status,
        "ErrorMessage": message,
        "ErrorRelatedTo": [related],
    }
    return Says(status=status, json={"Messages": [{"Status": "error", "Errors": [error]}]})


def postmark(code: int, message: str, status: int = 422) -> Says:
    return Says(status=status, json={"ErrorCode": code, "Message": message})


def sendgrid(status: int, message: str, field: str | None = None) -> Says:
    return Says(status=status, json={"errors": [{"message": message, "field": field, "help": None}]})


def brevo(status: int, code: str, message: str) -> Says:
    return Says(status=status, json={"code": code, "message": message})


def resend(status: int, name: str, message: str) -> Says:
    return Says(status=status, json={"statusCode": status, "name": name, "message": message})


def sparkpost(status: int, message: str, code: str, description: str = "") -> Says:
    return Says(status=status, json={"errors": [{"message": message, "description": description, "code": code}]})


# provider, answer, phase, code, state of the delivery, blame
REFUSALS = [
    ("amazon_ses", amazon("MessageRejected", "Email address is not verified. The following identities failed the check in region EU-CENTRAL-1: notifications@northwind.example"), MAIL, 553, "failed", Blame.SENDER),
    ("amazon_ses", amazon("BadRequestException", "Missing final '@domain'"), RCPT, 550, "failed", Blame.ADDRESS),
    ("amazon_ses", amazon("AccountSuspendedException", "Your account is suspended."), MAIL, 421, "deferred", Blame.SERVER),
    ("amazon_ses", amazon("SendingPausedException", "Sending is paused for the account."), MAIL, 421, "deferred", Blame.SERVER),
    ("amazon_ses", amazon("SignatureDoesNotMatchException", "The request signature we calculated does not match", 403), AUTH, 535, "deferred", Blame.SERVER),
    ("amazon_ses", amazon("InternalFailure", "An internal failure", 500), DATA, 451, "deferred", Blame.SERVER),
    ("brevo", brevo(400, "invalid_parameter", "email is not valid in to"), RCPT, 550, "failed", Blame.ADDRESS),
    ("brevo", brevo(400, "invalid_parameter", "Sending has been rejected because the sender you used notifications@northwind.example is not valid."), MAIL, 553, "failed", Blame.SENDER),
    ("brevo", brevo(401, "unauthorized", "Key not found"), AUTH, 535, "deferred", Blame.SERVER),
    ("brevo", brevo(402, "not_enough_credits", "You do not have enough credits"), MAIL, 421, "deferred", Blame.SERVER),
    ("mailgun", Says(status=400, json={"message": "'to' parameter is not a valid address. please check documentation"}), RCPT, 550, "failed", Blame.ADDRESS),
    ("mailgun", Says(status=401, text="Forbidden"), AUTH, 535, "deferred", Blame.SERVER),
    ("mailgun", Says(status=404, json={"message": "Domain not found: mg.northwind.example"}), MAIL, 421, "deferred", Blame.SERVER),
    ("mailgun", Says(status=413, json={"message": "Request Entity Too Large"}), DATA, 552, "failed", Blame.POLICY),
    ("mailjet", mailjet(400, '"carla" is an invalid email address.', "To[0].Email"), RCPT, 550, "failed", Blame.ADDRESS),
    ("mailjet", mailjet(403, '"notifications@northwind.example" is not an authorized sender email address for your account.', "From", "send-0008"), MAIL, 553, "failed", Blame.SENDER),
    ("mailjet", Says(status=401, json={"ErrorIdentifier": "06df1144", "StatusCode": 401, "ErrorMessage": "API key authentication/authorization failure.", "ErrorCode": "mj-0002"}), AUTH, 535, "deferred", Blame.SERVER),
    ("postmark", postmark(406, "You tried to send to a recipient that has been marked as inactive.\nFound inactive addresses: carla@customer.example.\nInactive recipients are ones that have generated a hard bounce or a spam complaint."), RCPT, 550, "failed", Blame.MAILBOX),
    ("postmark", postmark(300, "Error parsing 'To': Illegal email domain 'customer' in address 'carla@customer'."), RCPT, 550, "failed", Blame.ADDRESS),
    ("postmark", postmark(400, "The 'From' address you supplied (notifications@northwind.example) is not a Sender Signature on your account."), MAIL, 553, "failed", Blame.SENDER),
    ("postmark", postmark(405, "You are not allowed to send: you have run out of credits."), MAIL, 421, "deferred", Blame.SERVER),
    ("postmark", postmark(10, "No Account or Server API tokens were supplied in the HTTP headers.", 401), AUTH, 535, "deferred", Blame.SERVER),
    ("resend", resend(403, "validation_error", "The northwind.example domain is not verified. Please, add and verify your domain"), MAIL, 553, "failed", Blame.SENDER),
    ("resend", resend(422, "validation_error", "Invalid `to` field. The email address needs to follow the `email@example.com` format."), RCPT, 550, "failed", Blame.ADDRESS),
    ("resend", resend(403, "invalid_api_key", "API key is invalid"), AUTH, 535, "deferred", Blame.SERVER),
    ("sendgrid", sendgrid(400, "Does not contain a valid address.", "personalizations.0.to.0.email"), RCPT, 550, "failed", Blame.ADDRESS),
    ("sendgrid", sendgrid(403, "The from address does not match a verified Sender Identity.", "from"), MAIL, 553, "failed", Blame.SENDER),
    ("sendgrid", sendgrid(401, "Maximum credits exceeded"), MAIL, 421, "deferred", Blame.SERVER),
    ("sendgrid", sendgrid(401, "The provided authorization grant is invalid, expired, or revoked"), AUTH, 535, "deferred", Blame.SERVER),
    ("sendgrid", sendgrid(413, "Payload too large"), DATA, 552, "failed", Blame.POLICY),
    ("sparkpost", sparkpost(400, "Unconfigured or unverified sending domain.", "7001", "Unconfigured Sending Domain <northwind.example>"), MAIL, 553, "failed", Blame.SENDER),
    ("sparkpost", sparkpost(400, "At least one valid recipient is required", "5001"), RCPT, 550, "failed", Blame.ADDRESS),
    ("sparkpost", Says(status=401, json={"errors": [{"message": "Unauthorized."}]}), AUTH, 535, "deferred", Blame.SERVER),
    ("sparkpost", Says(json={"results": {"total_rejected_recipients": 1, "total_accepted_recipients": 0, "id": "1"}}), RCPT, 550, "failed", Blame.MAILBOX),
]  # fmt: skip


@pytest.mark.parametrize(
    ("provider", "answer", "phase", "code", "state", "who"),
    REFUSALS,
    ids=[f"{one[0]}-{one[3]}-{number}" for number, one in enumerate(REFUSALS)],
)
def test_a_documented_refusal_means_what_it_says(
    provider: str, answer: Says, phase: Phase, code: int, state: str, who: Blame
) -> None:
    with api_that(answer) as api:
        outcome = send_one(api, provider)
    assert outcome.reply is not None, outcome
    assert (outcome.phase, outcome.reply.code) == (phase, code), outcome.reply
    assert outcome.provider_message_id == ""
    judged = judge(outcome, attempt_count=0, deadline_at=NOW + DAY, now=NOW, jitter=0.0)
    assert (judged.state.value, judged.blame) == (state, who)
    assert is_server_trouble(outcome) == (code in (421, 535))
    assert f"(HTTP {answer.status})" in outcome.reply.text
    assert len(api.requests) == 1


def test_an_address_that_is_none_and_a_sender_that_may_not_have_their_own_kind_of_failure() -> None:
    kinds = {}
    for name, answer in (("to", REFUSALS[1]), ("from", REFUSALS[0])):
        with api_that(answer[1]) as api:
            outcome = send_one(api, "amazon_ses")
        kinds[name] = judge(outcome, attempt_count=0, deadline_at=NOW + DAY, now=NOW, jitter=0.0).failure_type
    assert kinds == {"to": FailureType.MAIL_EMAIL_INVALID, "from": FailureType.MAIL_FROM_INVALID}


@pytest.mark.parametrize("status", [301, 302, 307, 308])
def test_nobody_is_followed_to_another_place(status: int) -> None:
    with api_that(Says(json={"stolen": True})) as elsewhere:
        there = Says(status=status, json={}, headers={"Location": f"{elsewhere.url}/emails"})
        with api_that(there) as api:
            outcome = send_one(api, "resend")
        assert elsewhere.requests == []
    assert outcome.reply is not None
    assert (outcome.phase, outcome.reply.code) == (MAIL, 421)
    assert "elsewhere" in outcome.reply.text


@pytest.mark.parametrize("provider", ["mailgun", "postmark", "sendgrid", "sparkpost", "mailjet"])
@pytest.mark.parametrize("status", [502, 504])
def test_a_middlemans_answer_tells_nothing_of_the_mail(provider: str, status: int) -> None:
    with api_that(Says(status=status, text="<html>Bad gateway</html>")) as api:
        outcome = send_one(api, provider)
    assert outcome.is_unknown
    assert "Bad gateway" in outcome.trouble
    assert len(api.requests) == 1


@pytest.mark.parametrize(("status", "phase", "code"), [(500, DATA, 451), (503, MAIL, 421), (418, DATA, 554)])
def test_what_no_documentation_names_goes_by_its_class(status: int, phase: Phase, code: int) -> None:
    with api_that(Says(status=status, text="?")) as api:
        outcome = send_one(api, "postmark")
    assert outcome.reply is not None
    assert (outcome.phase, outcome.reply.code) == (phase, code)


@pytest.mark.parametrize(
    ("headers", "least", "most"),
    [
        ({"Retry-After": "90"}, 90, 90),
        ({"retry-after": "Fri, 31 Dec 2999 23:59:59 GMT"}, 86_400, 86_400),
        ({"x-sib-ratelimit-reset": "40"}, 40, 40),
        ({"X-RateLimit-Reset": "99999999999"}, 86_400, 86_400),
        ({"ratelimit-reset": "2"}, 2, 2),
        ({"Retry-After": "soon"}, 0, 0),
        ({"Retry-After": "-5"}, 0, 0),
        ({}, 0, 0),
    ],
)
def test_how_long_to_wait_is_read_in_all_its_forms(headers: dict[str, str], least: float, most: float) -> None:
    answer = judge_answer("sendgrid", 429, headers, "{}")
    assert answer.phase is Phase.MAIL
    assert answer.reply is not None
    assert (answer.reply.code, answer.reply.enhanced) == (421, "4.7.0")
    assert least <= answer.retry_after <= most


def test_what_is_said_is_one_line_of_words_whatever_comes() -> None:
    assert said('{"message": "No\\u0000 such\\n user", "errors": [{"detail": "really"}]}') == "No such user really"
    assert said("<html><h1>Sorry</h1></html>") == "Sorry"
    assert said("[" * 100_000) != ""
    assert len(said("x" * 10_000)) == 500
    assert said("") == ""


def test_what_a_provider_cannot_carry_is_refused_before_anything_is_asked() -> None:
    mail = a_wire_mail(extra=(("X-Campaign", "Frühling"),))
    with api_that() as api:
        outcome = send_one(api, "brevo", mail)
        assert api.requests == []
    assert outcome.reply is not None
    assert (outcome.phase, outcome.reply.code, outcome.reply.enhanced) == (DATA, 554, "5.6.3")
    assert judge(outcome, attempt_count=0, deadline_at=NOW + DAY, now=NOW, jitter=0.0).state is DeliveryState.FAILED
