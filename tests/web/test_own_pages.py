"""Limits, secret keys, my settings and a contact's language on the pages."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest
from django.test import Client

from postroom.core.terms.configuration import Configuration
from postroom.core.terms.secret import Secret
from postroom.flows.ports import Ports
from postroom.store.models import Company, Contact, Destination, Member, OutgoingServer, SendingGate, SettingChange
from postroom.wiring import make_ports, ports
from tests.web import seeding
from tests.web.conftest import SignedIn


@pytest.fixture
def window(signed_in: SignedIn, ada: Member) -> Client:
    return signed_in(ada)


def html(window: Client, place: str) -> str:
    answer = window.get(place)
    assert answer.status_code == 200
    return answer.content.decode()


# ---- limits


def test_limits_say_who_asked_for_what_and_who_uses_it_up(window: Client, ada: Member) -> None:
    now = ports().clock.now()
    server = seeding.a_server(company=ada.company)
    OutgoingServer.objects.filter(pk=server.pk).update(daily_limit=500, slow_reply="421 4.7.0 <slow>")
    OutgoingServer.objects.filter(pk=server.pk).update(
        learned_per_minute=7, slow_until=now + timedelta(hours=1), slowed_at=now
    )
    reason = {"code": "wait.transient", "facts": {"reply": "421 4.7.28 Unusual rate"}}
    Destination.objects.create(
        name="google.com", learned_per_minute=15, slow_until=now + timedelta(hours=1), reason=reason, changed_at=now
    )
    SendingGate.objects.create(server_number=server.pk, destination="google.com", span="minute", window_at=now, used=11)
    page = html(window, "/settings/limits/")
    for piece in ("0 of 500 mails today", "7 mails a minute", "421 4.7.0 &lt;slow&gt;", "google.com", "gmail.com"):
        assert piece in page, piece
    assert "421 4.7.28 Unusual rate" in page
    assert f"{server.name} 11" in page
    assert "google.com" in html(window, "/settings/limits/?q=gmail.com")
    window.post(f"/settings/servers/{server.pk}/release/", {"back": "/settings/limits/"})
    window.post("/settings/limits/change/", {"name": "google.com", "step": "release"})
    server.refresh_from_db()
    assert (server.learned_per_minute, Destination.objects.get().learned_per_minute) == (0, 0)


def test_a_limit_is_set_and_lifted_and_nonsense_is_told_beside_what_was_typed(window: Client) -> None:
    change = "/settings/limits/change/"
    assert window.post(change, {"name": "gmail.com", "per_minute": "60"}).status_code == 303
    assert Destination.objects.get().per_minute_limit == 60
    for name, number in (
        ("gmail.com", "many"),
        ("", "5"),
        ("<b>", "5"),
        ("gmail.com", "99999999999"),
        ("gmail.com", "²"),
    ):
        answer = window.post(change, {"name": name, "per_minute": number})
        assert answer.status_code == 422, (name, number)
        assert "<b>" + '"' not in answer.content.decode()
    window.post(change, {"name": "gmail.com", "per_minute": "0"})
    assert Destination.objects.get().per_minute_limit == 0
    assert SettingChange.objects.filter(subject="destination google.com").count() == 2


@pytest.mark.parametrize("place", ["/settings/limits/", "/settings/secrets/"])
def test_what_is_the_houses_is_shown_to_its_administrators_alone(
    place: str, signed_in: SignedIn, alice: Member, ada: Member, mallory: Member
) -> None:
    for one in (alice, ada, mallory):  # two companies: no one of them is administrator of all
        assert signed_in(one).get(place).status_code == 403
    for name in ("rotate", "forget"):
        assert signed_in(mallory).post(f"/settings/secrets/{name}/").status_code == 403
    assert signed_in(mallory).post("/settings/limits/change/", {"name": "gmail.com"}).status_code == 403


# ---- secret keys


@pytest.fixture
def own_keys(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Ports:
    """A key file of its own: that of the suite signs the sessions of other tests."""
    path = tmp_path / "secret_key"
    path.write_text("a" * 64)
    found = make_ports(Configuration(data_dir=str(tmp_path), secret_key=Secret("a" * 64), secret_key_file=str(path)))
    monkeypatch.setattr("postroom.web.settings.secrets.ports", lambda: found)
    return found


def test_secret_keys_are_changed_and_former_ones_let_go(window: Client, ada: Member, own_keys: Ports) -> None:
    server = seeding.a_server(company=ada.company)
    OutgoingServer.objects.filter(pk=server.pk).update(secret=own_keys.vault.seal("hunter2"))
    before = own_keys.key_store.count()
    page = html(window, "/settings/secrets/")
    assert "all is sealed with the present key" in page
    assert "hunter2" not in page
    assert window.post("/settings/secrets/rotate/").status_code == 303
    assert own_keys.key_store.count() == before + 1
    server.refresh_from_db()
    assert own_keys.vault.key_of(bytes(server.secret)) == 0
    assert "Forget former keys" in html(window, "/settings/secrets/")
    window.post("/settings/secrets/forget/")
    assert own_keys.key_store.count() == 1
    server.refresh_from_db()
    assert own_keys.vault.open(bytes(server.secret)).reveal() == "hunter2"


# ---- my settings


def test_everybody_says_for_himself_where_he_is_and_how_he_hears(signed_in: SignedIn, rita: Member) -> None:
    window = signed_in(rita)
    values = {
        "time_zone": "Asia/Tokyo",
        "language": "de",
        "channel": "inbox",
        "signature": "<b>Rita</b><script>alert(1)</script>",
    }
    assert window.post("/settings/mine/", values).status_code == 303
    rita.refresh_from_db()
    rita.contact.refresh_from_db()
    assert (rita.time_zone, rita.contact.language, rita.channel) == ("Asia/Tokyo", "de", "inbox")
    assert rita.signature == "<b>Rita</b>"
    assert (
        "JST" in html(window, "/records/") or "JST" in html(window, "/settings/mine/") or _tells_times_in("JST", window)
    )


def test_a_signature_of_lines_is_typed_and_shown_without_tags(signed_in: SignedIn, rita: Member) -> None:
    window = signed_in(rita)
    values = {"time_zone": "UTC", "language": "en", "channel": "mail", "signature": "Rita & Co.\r\nHarbour 7"}
    assert window.post("/settings/mine/", values).status_code == 303
    rita.refresh_from_db()
    assert rita.signature == "Rita &amp; Co.<br>Harbour 7"
    assert "Rita &amp; Co.\nHarbour 7</textarea>" in html(window, "/settings/mine/")
    assert window.post("/settings/mine/", values | {"signature": "<b>Rita</b><br>7"}).status_code == 303
    assert "&lt;b&gt;Rita&lt;/b&gt;" in html(window, "/settings/mine/")  # who writes tags sees them


def _tells_times_in(zone: str, window: Client) -> bool:
    seeding.a_record(Company.objects.first(), "A poster")  # type: ignore[arg-type]
    return zone in html(window, "/records/")


@pytest.mark.parametrize(
    "wrong",
    [
        {"time_zone": "Mars/Olympus"},
        {"time_zone": "../../etc/passwd"},
        {"language": "!!"},
        {"channel": "pigeon"},
        {"signature": "x" * 10001},
        {"time_zone": ""},
    ],
)
def test_what_is_no_setting_is_told(signed_in: SignedIn, rita: Member, wrong: dict[str, str]) -> None:
    values = {"time_zone": "Asia/Tokyo", "language": "de", "channel": "inbox", "signature": "", **wrong}
    assert signed_in(rita).post("/settings/mine/", values).status_code == 422
    rita.refresh_from_db()
    assert rita.time_zone == "UTC"


# ---- a contact's language


def test_a_contacts_language_is_changed_on_its_record(signed_in: SignedIn, bob: Member, rita: Member) -> None:
    carla = seeding.a_contact("Customer Carla", "carla@customer.example", bob.company)
    record = seeding.a_record(bob.company, "A poster", contact=carla)
    place = f"/records/{record.pk}/"
    assert 'name="language"' in html(signed_in(bob), place)
    signed_in(bob).post(f"{place}language/", {"language": "de"})
    carla.refresh_from_db()
    assert carla.language == "de"
    signed_in(bob).post(f"{place}language/", {"language": "<script>"})
    assert signed_in(rita).post(f"{place}language/", {"language": "fr"}).status_code == 403
    carla.refresh_from_db()
    assert carla.language == "de"


def test_a_colleagues_language_is_his_own_matter(signed_in: SignedIn, bob: Member, alice: Member) -> None:
    record = seeding.a_record(bob.company, "A poster", contact=alice.contact)
    signed_in(bob).post(f"/records/{record.pk}/language/", {"language": "de"})
    assert Contact.objects.get(pk=alice.contact_id).language == "en"


def test_the_pages_speak_the_language_of_my_settings(signed_in: SignedIn, bob: Member) -> None:
    window = signed_in(bob)
    assert '<html lang="en"' in window.get("/settings/mine/").content.decode()
    Contact.objects.filter(pk=bob.contact_id).update(language="de")
    page = window.get("/settings/mine/").content.decode()
    assert '<html lang="de"' in page
    assert "Speichern" in page
    Contact.objects.filter(pk=bob.contact_id).update(language="ja")
    assert '<html lang="de"' in window.get("/settings/mine/", headers={"accept-language": "de"}).content.decode()
