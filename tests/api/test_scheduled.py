"""Templates and scheduled messages over the line."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from postroom.store.models import (
    Company,
    MailTemplate,
    MailTemplateVariant,
    Member,
    Message,
    Notification,
    Record,
    ScheduledFile,
    ScheduledMessage,
)
from postroom.wiring import ports

TOMORROW = (ports().clock.now() + timedelta(days=1)).replace(microsecond=0)


@pytest.fixture
def template(company: Company) -> MailTemplate:
    made = MailTemplate.objects.create(
        company=company, name="Ready", subject="Ready: {{ record.title }}", html="<p>Dear {{ contact.first_name }}</p>"
    )
    MailTemplateVariant.objects.create(template=made, language="de", subject="Fertig", html="<p>Guten Tag</p>")
    return made


def test_a_message_is_scheduled_changed_and_cancelled(program: Any, bob: Member, record: Record) -> None:
    caller = program(bob)
    place = f"/records/{record.pk}/scheduled"
    answer = caller.send("post", place, {"text": "See you", "scheduled_at": TOMORROW.isoformat()})
    assert answer.status_code == 201, answer.content
    row = answer.json()
    assert datetime.fromisoformat(row["scheduled_at"]) == TOMORROW
    assert [one["id"] for one in caller.get(place).json()] == [row["id"]]
    later = (TOMORROW + timedelta(days=1)).isoformat()
    changed = caller.send("patch", f"/scheduled/{row['id']}", {"html": "<p>Soon</p>", "scheduled_at": later})
    assert changed.json()["html"] == "<p>Soon</p>"
    assert caller.send("delete", f"/scheduled/{row['id']}").status_code == 204
    assert not ScheduledMessage.objects.exists()
    assert not Message.objects.exists()


def test_whom_it_also_goes_to_is_kept_until_its_date(program: Any, bob: Member, rita: Member, record: Record) -> None:
    body = {
        "text": "See you",
        "scheduled_at": TOMORROW.isoformat(),
        "mentioned_contact_ids": [rita.contact_id],
        "addresses": ["Dora Duck <dora@printer.example>"],
    }
    caller = program(bob)
    made = caller.send("post", f"/records/{record.pk}/scheduled", body).json()
    row = ScheduledMessage.objects.get()
    assert (row.mentioned_contact_ids, row.addresses) == ([rita.contact_id], ["Dora Duck <dora@printer.example>"])
    caller.send("post", f"/scheduled/{made['id']}/send-now", {})
    told = Notification.objects.values_list("contact__address", flat=True)
    assert set(told) == {"dora@printer.example", rita.contact.address}
    assert caller.send("post", f"/records/{record.pk}/scheduled", body | {"addresses": ["x"]}).status_code == 422


def test_t_125_a_moment_with_any_offset_is_stored_in_utc(program: Any, bob: Member, record: Record) -> None:
    written = TOMORROW.astimezone(UTC).replace(tzinfo=None).isoformat() + "-05:00"
    row = program(bob).send("post", f"/records/{record.pk}/scheduled", {"text": "x", "scheduled_at": written}).json()
    assert ScheduledMessage.objects.get(pk=row["id"]).scheduled_at == TOMORROW + timedelta(hours=5)


@pytest.mark.parametrize("moment", ["", "soon", "2026-13-01T00:00:00Z", "2020-01-01T00:00:00Z", "2199-01-01T00:00:00"])
def test_t_125_what_is_no_moment_to_come_is_refused(program: Any, bob: Member, record: Record, moment: str) -> None:
    answer = program(bob).send("post", f"/records/{record.pk}/scheduled", {"text": "x", "scheduled_at": moment})
    assert answer.status_code == 422
    assert not ScheduledMessage.objects.exists()


def test_it_is_sent_now_by_its_author(program: Any, bob: Member, record: Record) -> None:
    caller = program(bob)
    row = caller.send(
        "post", f"/records/{record.pk}/scheduled", {"text": "x", "scheduled_at": TOMORROW.isoformat()}
    ).json()
    sent = caller.send("post", f"/scheduled/{row['id']}/send-now", {})
    assert sent.status_code == 200
    assert Message.objects.get().pk == sent.json()["message_id"]


def test_a_file_that_the_disk_has_lost_is_a_clear_answer_and_it_waits_on(
    program: Any, bob: Member, record: Record
) -> None:
    caller = program(bob)
    asked = {"text": "x", "scheduled_at": TOMORROW.isoformat()}
    row = caller.send("post", f"/records/{record.pk}/scheduled", asked).json()
    ScheduledFile.objects.create(scheduled_id=row["id"], name="plan.txt", size=1, sha256="0" * 64)
    answer = caller.send("post", f"/scheduled/{row['id']}/send-now", {})
    assert answer.status_code == 422
    assert "plan.txt is lost" in answer.content.decode()
    assert ScheduledMessage.objects.filter(pk=row["id"]).exists()


def test_others_neither_see_nor_touch_it(
    program: Any, bob: Member, rita: Member, mallory: Member, record: Record
) -> None:
    place = f"/records/{record.pk}/scheduled"
    row = program(bob).send("post", place, {"text": "x", "scheduled_at": TOMORROW.isoformat()}).json()
    stranger, reader = program(mallory), program(rita)
    assert stranger.get(place).status_code == 404
    for answer in (
        stranger.send("patch", f"/scheduled/{row['id']}", {"html": "<p>forged</p>"}),
        stranger.send("delete", f"/scheduled/{row['id']}"),
        stranger.send("post", f"/scheduled/{row['id']}/send-now", {}),
    ):
        assert answer.status_code == 404
    assert reader.send("post", place, {"text": "x", "scheduled_at": TOMORROW.isoformat()}).status_code == 403
    assert reader.send("patch", f"/scheduled/{row['id']}", {"html": "<p>forged</p>"}).status_code == 403
    assert reader.send("delete", f"/scheduled/{row['id']}").status_code == 403
    assert ScheduledMessage.objects.get().html == "x"


def test_a_message_is_written_with_a_template(
    program: Any, bob: Member, record: Record, template: MailTemplate
) -> None:
    caller = program(bob)
    listed = caller.get(f"/records/{record.pk}/templates").json()
    assert listed == [{"id": template.pk, "name": "Ready", "kind": "", "languages": ["en", "de"]}]
    filled = caller.get(f"/records/{record.pk}/templates/{template.pk}", language="de").json()
    assert (filled["language"], filled["subject"]) == ("de", "Fertig")
    answer = caller.send("post", f"/records/{record.pk}/messages", {"template_id": template.pk})
    assert answer.status_code == 201, answer.content
    assert (answer.json()["subject"], answer.json()["html"]) == ("Ready: Poster", "<p>Dear Carla</p>")


def test_a_template_of_another_company_is_no_template(
    program: Any, bob: Member, mallory: Member, record: Record
) -> None:
    foreign = MailTemplate.objects.create(company=mallory.company, name="Theirs", html="<p>x</p>")
    caller = program(bob)
    assert caller.get(f"/records/{record.pk}/templates").json() == []
    assert caller.get(f"/records/{record.pk}/templates/{foreign.pk}").status_code == 404
    assert caller.send("post", f"/records/{record.pk}/messages", {"template_id": foreign.pk}).status_code == 422
    assert (
        caller.send("post", f"/records/{record.pk}/messages", {"template_id": foreign.pk, "text": "x"}).status_code
        == 422
    )
    assert not Message.objects.exists()


def test_a_template_that_does_not_fit_the_record_says_where(program: Any, bob: Member, record: Record) -> None:
    broken = MailTemplate.objects.create(company=bob.company, name="Broken", html="a\n{{ record.values.price }}")
    answer = program(bob).send("post", f"/records/{record.pk}/messages", {"template_id": broken.pk})
    assert answer.status_code == 422
    assert "Line 2: there is no 'price' here" in answer.json()["detail"]
