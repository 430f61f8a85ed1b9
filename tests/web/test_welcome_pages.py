"""The first run: a link that counts once, steps that store something whole or nothing, and are come back to."""

from __future__ import annotations

from datetime import timedelta
from html import unescape

import pytest
from django.core import signing
from django.test import Client

from postroom.core.delivery.discovery import Proposal, Service, Source
from postroom.core.terms.encryption import Encryption
from postroom.core.terms.states import Role
from postroom.flows import enter_account, welcome
from postroom.flows.access import NotAllowed
from postroom.flows.find_servers import FoundServers
from postroom.flows.settings import save_server
from postroom.store.models import Alias, AliasDomain, Delivery, Installation, Mailbox, Member, OutgoingServer, Parameter
from postroom.store.queries import pages_home
from postroom.wiring import ports
from tests.flows.outgoing_mails import a_mail, deliveries
from tests.web.conftest import SignedIn

pytestmark = pytest.mark.django_db

ALICE = {
    "name": "Alice Arnold",
    "address": "Alice@Arnold.test",
    "password": "lighthouse-keeper-7",
    "time_zone": "Europe/Berlin",
}
ACCOUNT = {
    "preset": "custom", "address": "support@box.test", "username": "", "password": "open sesame", "host": "mail.box.test",
    "port": "587", "encryption": "starttls", "verify_certificate": "on",
}  # fmt: skip


def link() -> str:
    return "/" + welcome.first_link(ports()).split("/", 3)[3]


@pytest.fixture
def window(signed_in: SignedIn, ada: Member) -> Client:
    Installation.objects.create(identity="here", is_capturing=True, confirmed_at=ports().clock.now())
    return signed_in(ada)


def test_the_first_person_is_administrator_of_everything_and_signed_in(client: Client) -> None:
    place = link()
    assert client.get(place).status_code == 200
    assert not Member.objects.exists(), "a GET changes nothing"
    assert client.post(place, ALICE)["Location"] == "/welcome/company/"
    alice = Member.objects.select_related("user").get()
    assert (alice.role, alice.user.username, alice.user.is_superuser) == (Role.ADMINISTRATOR, "alice@arnold.test", True)
    assert alice.time_zone == "Europe/Berlin"
    assert client.get("/welcome/", follow=True).status_code == 200
    assert Client().get(place).status_code == 410
    assert Client().post(place, {**ALICE, "address": "mallory@else.test"}).status_code == 410
    assert Member.objects.count() == 1
    assert welcome.first_link(ports()) == ""


@pytest.mark.parametrize("token", ["first", "x", "first:1:2", "fïrst:AAAA:BBBB"])
def test_a_link_that_nobody_signed_opens_nothing(client: Client, token: str) -> None:
    assert client.get(f"/welcome/begin/{token}/").status_code == 410
    assert client.post(f"/welcome/begin/{token}/", ALICE).status_code == 410
    assert not Member.objects.exists()


def test_an_old_link_opens_nothing(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    place = link()
    monkeypatch.setattr(welcome, "LINK_LASTS", timedelta(seconds=-1))
    assert client.get(place).status_code == 410
    with pytest.raises(signing.BadSignature):
        signing.TimestampSigner(salt="another").unsign(place.split("/")[3])


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"address": "admin@example.com"}, "placeholder"),
        ({"address": "alice"}, "no mail address"),
        ({"password": "12345678"}, "too common"),
    ],
)
def test_what_cannot_be_is_said_and_makes_nobody(client: Client, change: dict[str, str], words: str) -> None:
    answer = client.post(link(), {**ALICE, **change})
    assert answer.status_code == 422
    assert words in answer.content.decode()
    assert not Member.objects.exists()


def test_company_and_domain_are_named(window: Client, ada: Member) -> None:
    answer = window.post("/welcome/company/", {"company": "Arnold Lamps", "domain": "help@Arnold.test"})
    assert answer["Location"] == "/welcome/outgoing/"
    ada.company.refresh_from_db()
    assert (ada.company.name, str(ada.company.alias_domain)) == ("Arnold Lamps", "arnold.test")
    assert Parameter.objects.get(key="mail.catchall.domain").value == "arnold.test"
    window.post("/welcome/company/", {"company": "Arnold Lamps", "domain": "arnold.test"})
    assert AliasDomain.objects.count() == 1


@pytest.mark.parametrize("domain", ["_dmarc.example", "127.0.0.1", "[127.0.0.1]", "nothing at all"])
def test_what_is_no_mail_domain_is_refused(window: Client, domain: str) -> None:
    answer = window.post("/welcome/company/", {"company": "Arnold", "domain": domain})
    assert answer.status_code == 422
    assert not AliasDomain.objects.exists()
    assert window.post("/settings/domains/new/", {"name": domain, "priority": "10"}).status_code == 422


def test_an_outgoing_server_is_out_of_use_until_a_person_says_so(window: Client, ada: Member) -> None:
    answer = window.post("/welcome/outgoing/", ACCOUNT)
    server = OutgoingServer.objects.get()
    assert answer["Location"] == f"/welcome/outgoing/?test={server.pk}"
    assert not server.is_active
    assert f"/settings/servers/{server.pk}/try/" in window.get(answer["Location"]).content.decode()
    again = window.post("/welcome/outgoing/", {**ACCOUNT, "password": "", "host": "smtp.box.test"})
    assert again.status_code == 422, "a stored password follows to no other host"
    assert "Type the password again" in again.content.decode()
    window.post("/welcome/outgoing/", {**ACCOUNT, "host": "smtp.box.test"})
    server.refresh_from_db()
    assert OutgoingServer.objects.count() == 1, "a second try changes the first"
    assert server.host == "smtp.box.test"
    assert ports().vault.open(bytes(server.secret)).reveal() == "open sesame"
    assert window.post("/welcome/outgoing/use/")["Location"] == "/welcome/incoming/"
    server.refresh_from_db()
    assert server.is_active
    assert not Installation.objects.get().is_capturing
    assert window.post("/welcome/outgoing/use/").status_code == 404


def test_whoever_uses_the_first_server_says_what_becomes_of_the_mails_that_wait(window: Client, ada: Member) -> None:
    now = ports().clock.now()
    deliveries(a_mail(ada.company, at=now), "hugo@petit.example", "carla@customer.example", at=now)
    window.post("/welcome/outgoing/", ACCOUNT)
    server = OutgoingServer.objects.get()
    undecided = window.post("/welcome/outgoing/use/")
    assert undecided["Location"] == f"/welcome/outgoing/?test={server.pk}"
    server.refresh_from_db()
    assert not server.is_active, "whole or nothing"
    assert Installation.objects.get().is_capturing
    assert window.post("/welcome/outgoing/use/", {"waiting": "cancel"})["Location"] == "/welcome/incoming/"
    assert set(Delivery.objects.values_list("state", flat=True)) == {"cancelled"}
    assert not Installation.objects.get().is_capturing


def test_gmail_sends_as_its_login_and_so_do_our_notices(window: Client, ada: Member) -> None:
    window.post("/welcome/company/", {"company": "Arnold", "domain": "arnold.test"})
    page = window.get("/welcome/outgoing/?preset=gmail&address=me@gmail.com").content.decode()
    assert "smtp.gmail.com" in page
    assert "App password" in page
    window.post(
        "/welcome/outgoing/", {**ACCOUNT, "preset": "gmail", "address": "me@gmail.com", "host": "smtp.gmail.com"}
    )
    window.post("/welcome/outgoing/use/")
    server = OutgoingServer.objects.get()
    assert (server.username, server.from_filter, server.envelope_sender) == ("me@gmail.com", "me@gmail.com", "login")
    assert AliasDomain.objects.get().default_from == "me@gmail.com"


def test_a_mailbox_takes_the_password_of_the_server_and_is_not_read_before_its_test(window: Client) -> None:
    window.post("/welcome/outgoing/", ACCOUNT)
    window.post("/welcome/outgoing/use/")
    page = window.get("/welcome/incoming/").content.decode()
    assert 'value="support@box.test"' in page
    answer = window.post(
        "/welcome/incoming/", {**ACCOUNT, "password": "", "same_password": "1", "port": "993", "encryption": "tls"}
    )
    mailbox = Mailbox.objects.get()
    assert answer["Location"] == f"/welcome/incoming/?test={mailbox.pk}"
    assert not mailbox.is_confirmed
    assert ports().vault.open(bytes(mailbox.secret)).reveal() == "open sesame"
    window.post("/welcome/incoming/", {**ACCOUNT, "port": "143"})
    assert Mailbox.objects.get().port == 143


def test_the_password_of_the_house_goes_to_no_mailbox_of_one_company(
    signed_in: SignedIn, ada: Member, mallory: Member
) -> None:
    sealed = ports().vault.seal("open sesame")
    shared = OutgoingServer.objects.create(name="Shared", host="x", username="support@box.test", secret=sealed)
    window = signed_in(ada)
    assert "support@box.test" not in window.get("/welcome/incoming/").content.decode()
    window.post("/welcome/incoming/", {**ACCOUNT, "password": "", "same_password": "1", "host": "evil.test"})
    assert not Mailbox.objects.exclude(secret=b"").exists()
    with pytest.raises(NotAllowed):
        enter_account.save_draft_mailbox(ports(), an_account(), draft_id=None, same_as=shared.pk, member=ada)


def test_a_draft_of_the_house_is_gone_on_with_by_administrators_of_the_house_alone(
    signed_in: SignedIn, ada: Member, mallory: Member
) -> None:
    draft = OutgoingServer.objects.create(
        name="Shared", host="smtp.house.test", username="x@house.test", is_active=False
    )
    window = signed_in(ada)  # of one company of two
    assert "house.test" not in window.get("/welcome/outgoing/").content.decode()
    assert window.post("/welcome/outgoing/use/").status_code == 404
    window.post("/welcome/outgoing/", {**ACCOUNT, "password": "open sesame"})
    own = OutgoingServer.objects.exclude(pk=draft.pk).get()
    assert own.company_id == ada.company_id
    draft.refresh_from_db()
    assert (draft.host, draft.is_active) == ("smtp.house.test", False)
    ada.companies.add(mallory.company_id)
    own.delete()
    assert "smtp.house.test" in signed_in(ada).get("/welcome/outgoing/").content.decode()


def an_account(**changes: object) -> enter_account.Account:
    values: dict[str, object] = {
        "preset": "custom", "address": "support@box.test", "username": "", "password": "", "host": "evil.test", "port": 993,
        "encryption": "tls",
    }  # fmt: skip
    return enter_account.Account(**(values | changes))  # type: ignore[arg-type]


def test_a_password_is_copied_for_the_same_login_alone(ada: Member) -> None:
    sealed = ports().vault.seal("open sesame")
    own = OutgoingServer.objects.create(
        name="Own", host="x", username="other@box.test", secret=sealed, company=ada.company
    )
    made = enter_account.save_draft_mailbox(ports(), an_account(), draft_id=None, same_as=own.pk, member=ada)
    assert not made.secret


def test_the_first_address_becomes_an_alias_and_the_records_for_the_dns_are_shown(window: Client) -> None:
    assert "It needs a domain first" in window.get("/welcome/alias/").content.decode()
    assert window.post("/welcome/alias/", {"name": "support", "kind": "ticket"}).status_code == 422
    window.post("/welcome/company/", {"company": "Arnold", "domain": "arnold.test"})
    window.post("/welcome/alias/", {"name": "support@arnold.test", "kind": "ticket"})
    assert str(Alias.objects.get()) == "support@arnold.test"
    text = window.get("/welcome/done/").content.decode()
    assert "v=spf1 mx ~all" in text
    assert "_dmarc.arnold.test" in text


def test_the_suggested_address_fits_the_kind_and_the_end_speaks_of_the_one_that_was_made(window: Client) -> None:
    window.post("/welcome/company/", {"company": "Arnold", "domain": "arnold.test"})
    page = unescape(window.get("/welcome/alias/").content.decode())
    assert 'value="support"' in page
    assert '"invoice": "invoices"' in page
    window.post("/welcome/alias/", {"name": "support", "kind": "ticket"})
    again = window.get("/welcome/alias/").content.decode()
    assert 'value="support"' not in again, (
        "tickets have an address: another kind is suggested, with a name that fits it"
    )
    place = window.post("/welcome/alias/", {"name": "invoices", "kind": "invoice"})["Location"]
    invoices = Alias.objects.get(name="invoices")
    assert place == f"/welcome/done/?alias={invoices.pk}"
    assert f"/settings/aliases/{invoices.pk}/test/" in window.get(place).content.decode()
    for other in ("/welcome/done/", "/welcome/done/?alias=0", "/welcome/done/?alias=x"):
        text = window.get(other).content.decode()
        assert "Send a test mail to support@arnold.test" in text
        assert "/settings/people/new/" in text


def test_one_comes_back_to_the_first_step_that_is_open(window: Client) -> None:
    Installation.objects.update(is_capturing=False)
    for expected, act in (
        ("company", lambda: window.post("/welcome/company/", {"company": "Arnold", "domain": "arnold.test"})),
        ("outgoing", lambda: window.post("/welcome/outgoing/capture/")),
        ("incoming", lambda: Mailbox.objects.create(company_id=Member.objects.get().company_id, name="x", host="x", username="x", is_confirmed=True)),
        ("alias", lambda: window.post("/welcome/alias/", {"name": "support", "kind": "ticket"})),
        ("done", lambda: None),
    ):  # fmt: skip
        assert window.get("/welcome/")["Location"] == f"/welcome/{expected}/"
        act()
    assert window.get("/welcome/nowhere/").status_code == 404


def test_others_may_not(signed_in: SignedIn, bob: Member) -> None:
    for place in (
        "/welcome/",
        "/welcome/company/",
        "/welcome/outgoing/",
        "/welcome/incoming/",
        "/welcome/alias/",
        "/welcome/done/",
    ):
        assert signed_in(bob).get(place).status_code == 403, place
    assert signed_in(bob).post("/welcome/outgoing/use/").status_code == 403
    assert signed_in(bob).post("/welcome/outgoing/capture/").status_code == 403


def test_a_domain_that_everybody_has_is_not_proposed_as_the_company_s(window: Client, ada: Member) -> None:
    ada.contact.address = "ada@gmail.com"
    ada.contact.save(update_fields=["address"])
    assert "gmail.com" not in window.get("/welcome/company/").content.decode().partition("id_domain")[2][:300]


def test_the_first_address_is_the_one_whose_mail_is_fetched(window: Client, ada: Member) -> None:
    window.post("/welcome/company/", {"company": "Arnold", "domain": "arnold.test"})
    Mailbox.objects.create(
        company=ada.company, name="hello@arnold.test", host="x", username="hello@arnold.test", is_confirmed=True
    )
    assert 'value="hello"' in window.get("/welcome/alias/").content.decode()


def test_an_address_that_is_there_is_not_suggested_again(window: Client, ada: Member) -> None:
    window.post("/welcome/company/", {"company": "Lumen", "domain": "lumen.internal"})
    for name, kind in (("support", "ticket"), ("sales", "lead"), ("jobs", "applicant"), ("orders", "invoice")):
        window.post("/welcome/alias/", {"name": name, "kind": kind})
    page = unescape(window.get("/welcome/alias/").content.decode())
    assert 'value="purchasing"' in page, "orders@ is taken, by invoices"
    assert '"sales_order": ""' in page
    Mailbox.objects.create(
        company=ada.company, name="hello@lumen.internal", host="x", username="hello@lumen.internal", is_confirmed=True
    )
    page = window.get("/welcome/alias/").content.decode()
    assert 'value="hello"' in page, "its mail is fetched, and nothing is made of it yet"


def test_the_test_asks_about_the_account_s_own_mailbox(window: Client) -> None:
    page = window.get(window.post("/welcome/outgoing/", ACCOUNT)["Location"]).content.decode()
    assert '"to": "support@box.test"' in page.replace("\\u002D", "-").replace("&quot;", '"')


def test_a_domain_that_exists_nowhere_is_spoken_of_before_real_mail_is_set_up(window: Client) -> None:
    window.post("/welcome/company/", {"company": "Lumen", "domain": "lumen.example"})
    assert "exists nowhere" in window.get("/welcome/outgoing/").content.decode()
    window.post("/welcome/company/", {"company": "Lumen", "domain": "lumen.internal"})
    assert "exists nowhere" not in window.get("/welcome/outgoing/").content.decode()


def a_failed_test() -> dict[str, object]:
    """As Test Connection stores one that a wrong password ended."""
    cause = {"code": "server.auth_refused", "facts": {}}
    return {"tested_at": ports().clock.now().isoformat(), "ok": False, "code": "auth_refused", "cause": cause, "cure": cause, "step": "login",
            "reply": "535 no", "senders": [], "recipient": "", "tls": "", "steps": []}  # fmt: skip


def use_all_the_same(window: Client) -> OutgoingServer:
    """A server whose test failed, used nevertheless."""
    window.post("/welcome/outgoing/", ACCOUNT)
    OutgoingServer.objects.update(test_result=a_failed_test(), tested_at=ports().clock.now())
    window.post("/welcome/outgoing/use/")
    return OutgoingServer.objects.get()


def test_after_use_it_all_the_same_it_is_that_server_which_is_corrected_and_tested(window: Client) -> None:
    server = use_all_the_same(window)
    assert server.is_active
    page = window.get("/welcome/outgoing/").content.decode()
    assert "Correct mail.box.test" in page
    answer = window.post("/welcome/outgoing/", {**ACCOUNT, "host": "smtp.box.test"})
    assert OutgoingServer.objects.count() == 1, "no archived server is left behind"
    assert answer["Location"] == f"/welcome/outgoing/?test={server.pk}"
    assert f"/settings/servers/{server.pk}/try/" in window.get(answer["Location"]).content.decode()
    server.refresh_from_db()
    assert (server.is_active, server.host, server.name) == (True, "smtp.box.test", "smtp.box.test")
    assert window.post("/welcome/outgoing/use/")["Location"] == "/welcome/incoming/"


def test_a_server_that_works_is_not_corrected_by_entering_another(window: Client) -> None:
    first = use_all_the_same(window)
    OutgoingServer.objects.update(test_result={**a_failed_test(), "ok": True})
    answer = window.post("/welcome/outgoing/", {**ACCOUNT, "host": "smtp.else.test"})
    other = OutgoingServer.objects.exclude(pk=first.pk).get()
    assert (other.is_active, other.host) == (False, "smtp.else.test")
    page = window.get(answer["Location"]).content.decode()
    assert f"/settings/servers/{other.pk}/try/" in page, "its test is shown, too"
    window.post("/welcome/outgoing/", {**ACCOUNT, "host": "smtp.third.test"})
    assert OutgoingServer.objects.count() == 2, "a second try changes the first"


def test_a_server_whose_test_failed_is_praised_nowhere(window: Client) -> None:
    use_all_the_same(window)
    step_list = window.get("/welcome/incoming/").content.decode()
    assert "troubled" in step_list
    assert "(does not work)" in step_list
    done = window.get("/welcome/done/").content.decode()
    assert "it does not work" in done
    assert "Mail leaves through" not in done
    _known, guide = pages_home.first_steps()
    assert guide is not None
    assert not guide.server
    assert "its last test failed" in window.get("/queue/").content.decode()
    OutgoingServer.objects.update(test_result={**a_failed_test(), "ok": True})
    _known, guide = pages_home.first_steps()
    assert guide is not None
    assert guide.server
    assert "Mail leaves through" in window.get("/welcome/done/").content.decode()


def test_trouble_of_the_former_host_is_forgotten_with_it(window: Client) -> None:
    server = use_all_the_same(window)
    OutgoingServer.objects.update(trouble="connection refused by mail.box.test", trouble_count=3)
    save_server(ports(), {"id": server.pk, "host": "smtp.box.test", "password": "open sesame"}, member=None)
    server.refresh_from_db()
    assert (server.trouble, server.trouble_count, server.tested_at) == ("", 0, None)
    assert (server.name, "mail.box.test" in str(server.test_result)) == ("smtp.box.test", False)
    save_server(ports(), {"id": server.pk, "priority": 3}, member=None)
    OutgoingServer.objects.update(trouble="slow")
    save_server(ports(), {"id": server.pk, "name": "Ours", "priority": 4}, member=None)
    server.refresh_from_db()
    assert server.trouble == "slow", "what is not about the place stays"
    save_server(ports(), {"id": server.pk, "host": "third.box.test", "password": "open sesame"}, member=None)
    server.refresh_from_db()
    assert server.name == "Ours", "a name that a person gave stays"


def test_the_mailbox_beside_smtp_is_looked_for_at_imap(window: Client) -> None:
    window.post("/welcome/outgoing/", {**ACCOUNT, "host": "smtp.box.test"})
    window.post("/welcome/outgoing/use/")
    page = window.get("/welcome/incoming/").content.decode()
    assert 'value="imap.box.test"' in page
    assert 'value="smtp.box.test"' not in page
    assert "change, load" in page, "its servers are looked for at once"


def test_a_tile_keeps_what_was_typed(window: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("postroom.web.welcome.accounts.find_servers", _nobody_asks)
    page = window.get("/welcome/outgoing/").content.decode()
    assert 'hx-include="#id_address, #id_username"' in page
    piece = window.get("/welcome/find/?way=out&preset=sendgrid&address=me@box.test&username=apikey2").content.decode()
    assert "smtp.sendgrid.net" in piece
    assert 'value="apikey2"' in piece
    assert 'name="password"' not in piece, "the field of the password is not written anew"
    assert 'name="address"' not in piece


def _nobody_asks(*_: object, **__: object) -> FoundServers:
    raise AssertionError("a tile that is chosen asks nobody")


def test_a_proposal_says_where_it_comes_from(window: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    for source, words in (
        (Source.PUBLISHED, "Your provider publishes it."),
        (Source.RECORDS, "The DNS of box.test names it."),
        (Source.ANSWERED, "a mail server answered there"),
        (Source.GUESSED, "not yet tried"),
    ):
        place = Proposal(
            service=Service.SMTP, host="mx.box.test", port=465, encryption=Encryption.TLS, source=source, username="me"
        )
        found = FoundServers(domain="box.test", proposals=(place,))
        monkeypatch.setattr("postroom.web.welcome.accounts.find_servers", lambda *_, found=found, **__: found)
        piece = window.get("/welcome/find/?way=out&address=me@box.test").content.decode()
        assert words in piece, source
        assert 'value="mx.box.test"' in piece
        assert 'value="465"' in piece
        is_open = '<details class="pr-more-fields" open>' in piece
        assert is_open is (source is Source.GUESSED), "what was found need not be read again"
