"""`postroom bundle`: made here, read elsewhere."""

from __future__ import annotations

import io
import itertools
import json
import os
import tempfile
import zipfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from django.db import connection

from postroom.adapters.log_files import LogFiles
from postroom.cli import bundle
from postroom.core.diagnosis.bundle import MANIFEST, BundleError
from postroom.flows import build_support_bundle
from postroom.flows.gather_case import CaseWish
from postroom.flows.post_message import post_message
from postroom.flows.replay_bundle import NotEmpty, Replayed, replay_bundle
from postroom.store.models import AuditEvent, Contact, InboundMessage, Message, Record, SettingChange
from postroom.wiring import ports
from tests.cli.conftest import Command
from tests.flows.arriving import CARLA, a_report, a_thread, arrive, return_path
from tests.laboratory.zip_files import many_members
from tests.people import House, add_server, build_house, write_mail

pytestmark = pytest.mark.django_db


@pytest.fixture
def house() -> House:
    return build_house()


def members_of(file: Path) -> dict[str, bytes]:
    with zipfile.ZipFile(file) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def test_a_bundle_about_a_mail_has_all_that_support_asks_for(postroom: Command, house: House, tmp_path: Path) -> None:
    raw = write_mail(text="Where is my parcel?\n")
    inbound = arrive(raw, "support@in.test")
    file = tmp_path / "case.zip"
    answer = postroom("bundle", "make", "--inbound", str(inbound.pk), "-o", str(file))
    assert answer.code == 0, answer.err
    assert "Nothing is masked" in answer.out
    members = members_of(file)
    assert {
        "manifest.json", "summary.txt", "timeline.json", "answers.json", "settings.json", "changes.json", "versions.json",
        "findings.json", "log.jsonl", "replay.json", "record.json", f"mails/received-{inbound.pk}.eml",
        f"headers/received-{inbound.pk}.json",
    } <= members.keys()  # fmt: skip
    assert members[f"mails/received-{inbound.pk}.eml"] == bytes(inbound.raw_mail.raw)
    kinds = [one["kind"] for one in json.loads(members["timeline.json"])]
    assert {"received", "routed", "posted"} <= set(kinds)
    assert file.stat().st_mode & 0o077 == 0
    assert AuditEvent.objects.filter(what="bundle_made", subject=f"inbound {inbound.pk}").exists()


def test_a_message_is_named_by_its_number_or_its_message_id(postroom: Command, house: House, tmp_path: Path) -> None:
    inbound = arrive(write_mail(Message_ID="<1234@customer.example>"), "support@in.test")
    message = Message.objects.get(inbound=inbound)
    for at, name in enumerate((str(message.pk), "<1234@customer.example>", "1234@customer.example")):
        file = tmp_path / f"{at}.zip"
        assert postroom("bundle", "make", "--message", name, "-o", str(file)).code == 0
        assert json.loads(members_of(file)["manifest.json"])["about"]["number"] == message.pk
    record = tmp_path / "record.zip"
    assert postroom("bundle", "make", "--record", str(message.record_id), "-o", str(record)).code == 0
    assert f"mails/received-{inbound.pk}.eml" in members_of(record)


def test_what_is_not_there_or_asked_wrongly_is_said(postroom: Command, house: House, tmp_path: Path) -> None:
    file = str(tmp_path / "x.zip")
    assert "No mail 99 came in" in postroom("bundle", "make", "--inbound", "99", "-o", file).err
    assert "<a@b.test> is known here" in postroom("bundle", "make", "--message", "a@b.test", "-o", file).err
    wrong = postroom("bundle", "make", "--mask", "names", "-o", file)
    assert (wrong.code, "There is no mask names" in wrong.err) == (2, True)
    assert postroom("bundle", "make", "--inbound", "1", "--record", "1", "-o", file).code == 2
    Path(file).write_text("mine")
    assert "is there already" in postroom("bundle", "make", "-o", file).err
    assert Path(file).read_text() == "mine"


def test_of_long_logs_the_newest_lines_are_in_it_and_that_others_are_not_is_said(
    house: House, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Four thousand lines of 64 kB each would be more than whoever reads a bundle takes."""
    now = ports().clock.now()
    row = {"time": now.isoformat(), "level": "WARNING", "logger": "postroom.test"}
    rows = [json.dumps(row | {"message": f"{number} {'x' * 500}"}) for number in range(40)]
    (tmp_path / "postroom.log").write_text("\n".join(rows) + "\n")
    monkeypatch.setattr(build_support_bundle, "MOST_LOG", 6_500)
    given = replace(ports(), logbook=LogFiles(tmp_path))
    made = build_support_bundle.build_support_bundle(given, CaseWish(), member=None)
    with zipfile.ZipFile(io.BytesIO(made.content)) as archive:
        kept = [json.loads(one)["message"].split()[0] for one in archive.read("log.jsonl").splitlines()]
    assert kept == [str(number) for number in range(30, 40)]
    assert any("not all lines" in note for note in made.notes)


def test_no_address_is_left_in_a_masked_bundle(postroom: Command, house: House, tmp_path: Path) -> None:
    thread = a_thread(house)
    inbound = arrive(
        write_mail(
            to=thread.reply_address,
            text=f"Hello bob@box.test,\n\nwrite to carla.private@home.example or {CARLA}.\n",
            In_Reply_To=thread.message.message_id,
        ),
        thread.reply_address,
    )
    file = tmp_path / "case.zip"
    done = postroom(
        "bundle", "make", "--inbound", str(inbound.pk), "--mask", "addresses", "--mask", "bodies", "-o", str(file)
    )
    assert done.code == 0, done.err
    whole = b"\n".join(members_of(file).values()).decode().lower()
    for address in (CARLA, "carla.private@home.example", "bob@box.test", "alice@box.test", "support@in.test"):
        assert address not in whole, address
    assert "customer.example>" not in whole.replace(inbound.message_id.lower(), "")
    assert "where is" not in whole
    assert "write to" not in whole


def made(postroom: Command, file: Path, *words: str) -> dict[str, str]:
    done = postroom("bundle", "make", *words, "-o", str(file))
    assert done.code == 0, done.err
    return {name: content.decode() for name, content in members_of(file).items()}


def test_a_fully_masked_bundle_has_no_word_of_anybody_in_any_member(
    postroom: Command, house: House, tmp_path: Path
) -> None:
    """The whole world that was made is searched for, word by word, in each file of the bundle."""
    for log in Path(ports().configuration.log_dir).iterdir():
        log.write_text("")  # of other tests' people, of whom this house knows nothing
    user = house.alice.user
    user.username = "alisonlogin"
    user.save()
    thread = a_thread(house)
    Contact.objects.filter(pk=house.alice.contact_id).update(name="Alison Wunderlich")
    Record.objects.filter(pk=thread.record.pk).update(title="Turquoise samovar")
    SettingChange.objects.create(
        user=user, subject="parameter x for alisonlogin", before="", after="1", changed_at=ports().clock.now()
    )
    AuditEvent.objects.create(
        at=ports().clock.now(), what="member_changed", login="alisonlogin", subject="Alison Wunderlich"
    )
    arrive(
        write_mail(
            sender="Perpetua Krähenfuß <perpetua.k@kraehen.example>",
            to=thread.reply_address,
            subject="Turquoise samovar dented",
            text="We inspect gladly, Wilhelmina.\n\nFaithfully\n",
            In_Reply_To=thread.message.message_id,
            X_Campaign="Turquoise samovar of Perpetua",
        ),
        thread.reply_address,
    )
    reply = post_message(
        ports(),
        record_id=thread.record.pk,
        author=house.alice,
        html="<p>Marmalade shipment tomorrow.</p>",
        to_customer=True,
    )
    secrets = (
        "turquoise samovar dented inspect gladly wilhelmina faithfully marmalade shipment perpetua krähenfuß kr\\u00e4 alison wunderlich "
        "alisonlogin parcel perpetua.k@kraehen.example kraehen.example box.test customer.example carla"
    ).split()  # fmt: skip
    asked = ("--record", str(thread.record.pk))
    plain = "".join(made(postroom, tmp_path / "plain.zip", *asked).values()).lower()
    assert [word for word in secrets if word not in plain] == ["kr\\u00e4"], "the search would find them"
    masks = ("--mask", "addresses", "--mask", "bodies", "--mask", "message-ids")
    for number, wish in enumerate((asked, ("--message", str(reply.pk)), ())):
        for name, content in made(postroom, tmp_path / f"{number}.zip", *wish, *masks).items():
            found = [word for word in secrets if word in content.lower()]
            assert not found, (wish, name, found, content[:3000])


def test_masks_of_addresses_alone_leave_the_words(postroom: Command, house: House, tmp_path: Path) -> None:
    thread = a_thread(house)
    members = made(postroom, tmp_path / "a.zip", "--record", str(thread.record.pk), "--mask", "addresses")
    assert "My parcel is late" in members["summary.txt"]
    assert "Carla" not in members["timeline.json"]


def test_secrets_are_never_in_it(postroom: Command, house: House, tmp_path: Path) -> None:
    sealed = ports().vault.seal("hunter2-of-the-relay")
    add_server(host="relay.in.test", secret=sealed, username="relay-user", client_key=sealed)
    file = tmp_path / "house.zip"
    assert postroom("bundle", "make", "-o", str(file)).code == 0
    whole = b"\n".join(members_of(file).values())
    for secret in (b"hunter2", sealed, sealed.hex().encode(), ports().configuration.secret_key.reveal().encode()):
        assert secret not in whole
    server = json.loads(members_of(file)["settings.json"])["outgoing_servers"][0]
    assert (server["secret"], server["client_key"], server["username"]) == ("********", "********", "relay-user")


def test_a_forwarded_copy_is_told_from_the_mail_itself(postroom: Command, house: House, tmp_path: Path) -> None:
    told = "---------- Forwarded message ---------\nFrom: Dora <dora@shop.example>\nDate: Fri, 20 Nov 2026\nSubject: Order\nTo: me\n\nHi\n"
    inbound = arrive(write_mail(subject="Fwd: Order", text=f"See below.\n\n{told}"), "support@in.test")
    file = tmp_path / "case.zip"
    assert postroom("bundle", "make", "--inbound", str(inbound.pk), "-o", str(file)).code == 0
    (evidence,) = [one for one in json.loads(members_of(file)["answers.json"]) if one["key"] == "evidence"]
    assert evidence["facts"]["forwarded_copy"] is True
    assert "dora@shop.example" in evidence["answer"]


# ---- reading


def rewritten(file: Path, change: Callable[[dict[str, bytes]], None]) -> Path:
    members = members_of(file)
    change(members)
    target = file.with_name("changed.zip")
    with zipfile.ZipFile(target, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return target


def replayed(file: Path) -> list[Replayed]:
    """Decided again in this very database, once nobody lives in it any more. (The sandbox has one of its own; to build that takes a while.)"""
    with connection.cursor() as cursor:
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
        cursor.execute(
            "TRUNCATE postroom_company, postroom_aliasdomain, postroom_alias, postroom_record, postroom_message, postroom_contact, "
            "postroom_inboundmessage, postroom_outgoingmail, postroom_delivery, postroom_messageidentifier, postroom_parameter CASCADE"
        )
    return replay_bundle(ports(), ports().bundles.read(str(file)))


@pytest.mark.parametrize("masks", [(), ("addresses",), ("addresses", "bodies", "message-ids")])
def test_masked_or_not_the_mails_are_decided_as_they_were(
    postroom: Command, house: House, tmp_path: Path, masks: tuple[str, ...]
) -> None:
    thread = a_thread(house)
    arrive(write_mail(to=thread.reply_address, In_Reply_To=thread.message.message_id), thread.reply_address)
    arrive(a_report(thread.delivery.to_address), return_path(thread.delivery), sender="")
    file = tmp_path / "case.zip"
    words = [word for one in masks for word in ("--mask", one)]
    assert postroom("bundle", "make", "--record", str(thread.record.pk), *words, "-o", str(file)).code == 0
    found = replayed(file)
    assert sorted(one.now[0]["decision"] for one in found) == ["AppendToRecord", "CreateRecord", "RecordReport"]
    assert all(one.is_same for one in found), [(one.before, one.now, one.sentences) for one in found]


def test_a_decision_that_would_differ_now_is_shown(postroom: Command, house: House, tmp_path: Path) -> None:
    inbound = arrive(write_mail(), "support@in.test")
    house.support.name = "help"
    house.support.save()
    file = tmp_path / "case.zip"
    assert postroom("bundle", "make", "--inbound", str(inbound.pk), "-o", str(file)).code == 0
    (one,) = replayed(file)
    assert (one.is_same, one.state_before, one.before[0]["decision"]) == (False, "routed", "CreateRecord")
    assert one.now[0]["decision"] != "CreateRecord"
    bundle._tell_replay({"replay_trouble": "", "replay": [one.as_json()]})


@pytest.mark.slow
def test_a_sandbox_decides_again_and_is_gone_afterwards(
    postroom: Command, house: House, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "t"))
    (tmp_path / "t").mkdir()
    inbound = arrive(write_mail(), "support@in.test")
    file = tmp_path / "case.zip"
    masks = ("--mask", "addresses", "--mask", "bodies")
    assert postroom("bundle", "make", "--inbound", str(inbound.pk), *masks, "-o", str(file)).code == 0
    answer = postroom("bundle", "read", str(file), "--json")
    assert answer.data["replay_trouble"] == ""
    (found,) = answer.data["replay"]
    assert (found["inbound"], found["same"], answer.code) == (inbound.pk, True, 0), found
    assert os.listdir(tmp_path / "t") == []
    assert InboundMessage.objects.count() == 1  # nothing came into this house


def test_a_bundle_that_was_changed_is_refused(postroom: Command, house: House, tmp_path: Path) -> None:
    file = tmp_path / "house.zip"
    assert postroom("bundle", "make", "-o", str(file)).code == 0
    assert postroom("bundle", "read", str(file), "--no-replay").code == 0

    def change(members: dict[str, bytes]) -> None:
        members["summary.txt"] += b"!"

    def add(members: dict[str, bytes]) -> None:
        members["more.txt"] = b""

    def take(members: dict[str, bytes]) -> None:
        del members["summary.txt"]

    def older(members: dict[str, bytes]) -> None:
        members[MANIFEST] = members[MANIFEST].replace(b'"schema": 1', b'"schema": 99')

    for how, said in (
        (change, "summary.txt' was changed"),
        (add, "more.txt' is not in the manifest"),
        (take, "summary.txt' is missing"),
        (older, "has schema 99"),
    ):
        answer = postroom("bundle", "read", str(rewritten(file, how)))
        assert (answer.code, said in answer.err) == (2, True), answer.err


def zipped(entries: list[tuple[str, bytes]], **how: object) -> bytes:
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in entries:
            info = zipfile.ZipInfo(name)
            info.compress_type = zipfile.ZIP_DEFLATED
            info.external_attr = int(str(how.get("mode", 0o100600))) << 16
            archive.writestr(info, content)
    return target.getvalue()


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "no ZIP file"),
        (b"PK\x03\x04" + b"x" * 100, "no ZIP file"),
        (b"x" * 100 + b"PK\x05\x06" + b"\xff" * 18, "members"),
        (many_members(50_000, is_large=True), "no ZIP file"),
        (many_members(50_000), "members"),
        (zipped([("../../etc/cron.d/x", b""), (MANIFEST, b"{}")]), "outside of the bundle"),
        (zipped([("/etc/passwd", b""), (MANIFEST, b"{}")]), "outside of the bundle"),
        (zipped([("a\\..\\b", b""), (MANIFEST, b"{}")]), "outside of the bundle"),
        (zipped([("link", b"/etc/passwd"), (MANIFEST, b"{}")], mode=0o120777), "is a link or a folder"),
        (zipped([(f"f{n}", b"") for n in range(300)]), "300 members"),
        (zipped([("bomb", b"\0" * 30_000_000), (MANIFEST, b"{}")]), "when it is unpacked"),
        (zipped([("story.txt", b"")]), "no manifest.json"),
        (zipped([(MANIFEST, b"[" * 100_000)]), "is no JSON"),
        (zipped([(MANIFEST, b"[]")]), "not that of a bundle"),
        (zipped([(MANIFEST, b'{"bundle": "postroom", "schema": 1, "members": [1]}')]), "does not list"),
    ],
    ids=map(str, itertools.count()),
)  # fmt: skip
def test_a_hostile_file_is_refused_in_plain_words(postroom: Command, tmp_path: Path, content: bytes, said: str) -> None:
    file = tmp_path / "hostile.zip"
    file.write_bytes(content)
    answer = postroom("bundle", "read", str(file))
    assert (answer.code, said in answer.err) == (2, True), answer.err


def test_a_bundle_that_is_not_there_was_asked_for_wrongly(postroom: Command, tmp_path: Path) -> None:
    told = postroom("bundle", "read", str(tmp_path / "nothere.zip"))
    assert (told.code, "cannot be read: No such file" in told.err) == (2, True)


def test_a_member_that_is_announced_smaller_than_it_is_is_refused(postroom: Command, tmp_path: Path) -> None:
    whole = bytearray(zipped([(MANIFEST, b"{" + b" " * 5000 + b"}")]))
    for mark, offset in ((b"PK\x03\x04", 22), (b"PK\x01\x02", 24)):
        at = whole.index(mark) + offset
        whole[at : at + 4] = (10).to_bytes(4, "little")
    file = tmp_path / "lying.zip"
    file.write_bytes(bytes(whole))
    assert postroom("bundle", "read", str(file)).code == 2


@pytest.mark.parametrize(
    "told",
    [
        {"house": {"aliases": [{"id": 1}]}},
        {"house": {"aliases": "all"}},
        {"house": {"domains": [{"id": "x", "name": 1, "bounce": 2, "catchall": 3}]}},
        {"house": {"domains": [{"id": 2**80, "name": "a.test", "bounce": "b", "catchall": "c"}]}},
        {"house": {"records": [{"id": 1, "company": 1, "kind": "ticket"}] * 3}},
        {"house": {}, "mails": [{"file": "mails/gone.eml", "door": "smtp"}]},
        {"house": {}, "mails": [{"file": "replay.json", "door": "window"}]},
        {"house": {}, "mails": [{"file": "replay.json", "door": "smtp", "signed": [{"address": "a@b.test"}]}]},
        [],
    ],
)
def test_a_house_that_makes_no_sense_ends_the_replay(told: object) -> None:
    with pytest.raises(BundleError, match=r"replay\.json"):
        replay_bundle(ports(), {"replay.json": json.dumps(told).encode()})


def test_nothing_is_replayed_in_a_house_that_is_lived_in(postroom: Command, house: House, tmp_path: Path) -> None:
    file = tmp_path / "house.zip"
    assert postroom("bundle", "make", "-o", str(file)).code == 0
    answer = postroom("bundle", "replay-here", str(file))
    assert (answer.code, "sandbox" in answer.err) == (2, True)
    with pytest.raises(NotEmpty):
        replay_bundle(ports(), members_of(file))
