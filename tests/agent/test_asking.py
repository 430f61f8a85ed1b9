"""A question in plain words: answered by the doctor without any model, and by a model that may look and nothing else."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from postroom.core.diagnosis.answers import Answered
from postroom.core.diagnosis.machine_health import MachineFacts
from postroom.core.terms.configuration import ConfigurationError, read_configuration
from postroom.core.terms.secret import Secret
from postroom.core.terms.steps import Step
from postroom.flows.answer_question import answer_question
from postroom.flows.guard_installation import set_capturing
from postroom.flows.speak_language import teller
from postroom.store.models import AddressHealth, AgentProposal, Delivery, Member, Suppression
from postroom.wiring import _ModelAsker
from postroom.workers import machine
from tests.agent.hostile_house import everything
from tests.agent.scripted_model import Raw, ScriptedModel, calls, says, speaking
from tests.cli.conftest import Command, postroom  # noqa: F401 - the command as tests of it call it
from tests.doctor.ward import DOMAIN, HEALTHY_STAFF, Ward

pytestmark = pytest.mark.django_db

CARLA = "0carla@customer.example"


@pytest.fixture
def ward(monkeypatch: pytest.MonkeyPatch) -> Iterator[Ward]:
    with Ward(monkeypatch) as made:
        monkeypatch.setattr("postroom.wiring.ports", lambda: made.ports)
        monkeypatch.setattr(machine, "look_at_machine", lambda _: MachineFacts(runs_here=True))
        monkeypatch.setattr("postroom.flows.diagnose.connected_roles", lambda: HEALTHY_STAFF)
        yield made


def ask(ward: Ward, text: str, *, member: Member | None = None, asks_world: bool = False) -> Answered:
    return answer_question(ward.ports, text, member=member, machine=ward.machine, asks_world=asks_world)


def words(found: Answered) -> str:
    return " ".join(str(one.what) for one in found.said)


def use_model(ward: Ward, model: ScriptedModel, **more: Any) -> None:
    ward.configure(model_url=model.url, model_name="doctor-1", model_key=Secret("sk-of-the-house"), **more)
    ward.ports = dataclasses.replace(ward.ports, ask_model=_ModelAsker(ward.ports.configuration))


# -- without a model


def test_mails_that_bounce_are_answered_with_the_reply_its_meaning_and_the_cure(ward: Ward) -> None:
    ward.refused(550, "5.1.1", "user unknown")
    found = ask(ward, f"why do mails to {CARLA} bounce?")
    said = words(found)
    assert "1 failed" in said
    assert "user unknown" in said
    assert "To go on" not in said
    assert f"postroom queue list --to={CARLA}" in found.commands
    assert "postroom doctor --symptom bounces" in found.commands
    assert not found.is_by_model


def test_a_domain_is_looked_up_as_its_addresses_are(ward: Ward) -> None:
    ward.refused(554, "5.7.1", "listed at a blocklist")
    assert "blocklist" in words(ask(ward, "why does customer.example refuse us?"))


def test_a_symptom_is_walked_and_the_cause_told_with_evidence(ward: Ward) -> None:
    ward.spf("nothing")
    found = ask(ward, "our mails land in spam", asks_world=True)
    assert found.walked is not None
    assert found.walked.found[0].finding.code == "spf_missing"
    assert "The cause that explains this" in words(found)


def test_a_healthy_house_says_how_much_was_looked_at(ward: Ward) -> None:
    found = ask(ward, "Warum landen unsere Mails im Spam?")
    assert "none was found" in words(found)
    assert "What to do" in words(found)


def in_its_language(found: Answered) -> str:
    return " ".join(map(teller(found.language), (one.what for one in found.said)))


def test_who_asks_in_german_is_answered_in_german(ward: Ward) -> None:
    ward.spf("nothing")
    said = in_its_language(ask(ward, "Warum landen unsere Mails im Spam?", asks_world=True))
    assert "Die Ursache, die das erklärt" in said
    assert "SPF-Eintrag" in said, "the cause within the sentence, too"
    assert "The cause" not in said
    error = in_its_language(ask(ward, "Was bedeutet '535 5.7.8 Username and Password not accepted'?"))
    assert "Der Fehler bedeutet" in error
    assert "password" not in error.lower().replace("username and password not accepted", "")


def test_who_asks_in_a_language_that_words_do_not_tell_is_answered_in_his_own(ward: Ward) -> None:
    asked = answer_question(
        ward.ports, CARLA, member=None, machine=ward.machine, asks_world=False, language="de_AT.UTF-8"
    )
    assert asked.language == "de"
    assert ask(ward, CARLA).language == "en"
    assert ask(ward, "why do mails bounce?").as_json()["language"] == "en"


def test_the_text_of_an_error_is_explained(ward: Ward) -> None:
    found = ask(ward, "what does '535 5.7.8 Username and Password not accepted' mean")
    assert "The error means" in words(found)
    assert found.question.error.startswith("535")


def test_a_message_id_is_found(ward: Ward) -> None:
    (row,) = ward.queued(1, state="sent", finished_at=ward.now)
    identifier = Delivery.objects.select_related("mail").get(pk=row.pk).mail.header_message_id
    assert "sent" in words(ask(ward, f"what became of {identifier}"))


def test_what_is_held_against_an_address_is_told(ward: Ward) -> None:
    health = AddressHealth.objects.create(
        company=ward.house.company, address=CARLA, bounce_count=7, last_reply="550 no such user"
    )
    Suppression.objects.create(
        health=health, company=ward.house.company, cause="manual", since=datetime(2026, 2, 1, tzinfo=UTC)
    )
    said = words(ask(ward, f"does {CARLA} bounce"))
    assert "7 times" in said
    assert "since 2026-02-01" in said


def test_nothing_stored_is_said_so(ward: Ward) -> None:
    assert "Nothing about nobody@else.example" in words(ask(ward, "why do mails to nobody@else.example bounce"))


def test_what_is_not_understood_is_said_so(ward: Ward) -> None:
    found = ask(ward, "what is for lunch")
    assert not found.question.is_understood
    assert "names nothing" in words(found)


def test_who_is_no_administrator_gets_his_mails_and_not_the_house(ward: Ward) -> None:
    ward.refused(550, "5.1.1", "user unknown")
    Member.objects.filter(pk=ward.house.bob.pk).update(role="manager")
    Member.objects.create(  # of a second company, so that the house is not Bob's alone
        user=type(ward.house.bob.user).objects.create(username="eve"),
        contact=type(ward.house.bob.contact).objects.create(
            name="Eve", address="eve@else.example", normal="eve@else.example"
        ),
        company=type(ward.house.company).objects.create(name="Elsewhere"),
    )
    bob = Member.objects.get(pk=ward.house.bob.pk)
    assert "user unknown" in words(ask(ward, f"why do mails to {CARLA} bounce", member=bob))
    assert "needs an administrator" in words(ask(ward, "why do our mails bounce", member=bob))


def test_where_the_mails_themselves_tell_the_cause_no_other_is_named(ward: Ward) -> None:
    ward.refused(550, "5.1.1", "user unknown")
    ward.relay_greets("ready", until=ward.now + timedelta(days=1))
    ward.spf("v=spf1 -all", "v=spf1 ~all")
    for asked in (
        f"why did the mail to {CARLA} not arrive",
        f"why do mails to {CARLA} bounce",
        f"did {CARLA} get my mail",
    ):
        found = ask(ward, asked, asks_world=True)
        assert "user unknown" in words(found)
        assert "The cause that explains" not in words(found), asked
        assert "none was found" not in words(found), asked
        assert found.walked is None


def test_what_befell_others_is_no_cause_for_this_address(ward: Ward) -> None:
    ward.refused(552, "5.2.2", "mailbox full", count=30)
    said = words(ask(ward, "why did the mail to ines@else.example not arrive"))
    assert "full" not in said
    assert "The cause that explains" not in said


def test_an_address_with_an_answer_of_its_own_is_not_explained_by_capture_mode(ward: Ward) -> None:
    set_capturing(ward.ports, True, member=None)
    AddressHealth.objects.create(
        company=ward.house.company, address=CARLA, bounce_count=3, last_reply="550 no such user"
    )
    said = words(ask(ward, f"why did the mail to {CARLA} not arrive"))
    assert "3 times" in said
    assert "The cause that explains" not in said


def test_mail_that_waits_is_explained_by_its_own_server_alone(ward: Ward) -> None:
    ward.refused(550, "5.1.1", "user unknown", count=3)
    Delivery.objects.all().update(to_address="sven@slow.example")
    ward.queued(1, to="@out.example", state="queued", server=ward.server)
    Delivery.objects.filter(to_address="0@out.example").update(to_address="carla@out.example")
    ward.relay_says(Step.CONNECT, trouble="[Errno 111] Connection refused")
    found = ask(ward, "did carla@out.example get my mail", asks_world=True)
    said = words(found)
    assert "1 queued" in said
    assert found.walked is not None
    assert [one.finding.subject for one in found.walked.found] == ["server Relay"]
    assert "The cause that explains this: The connection was refused" in said
    assert "user unknown" not in said


def test_a_certificate_that_ends_soon_explains_no_mail_that_did_not_leave(ward: Ward) -> None:
    ward.relay_greets("ready", until=ward.now + timedelta(days=1))
    assert "ends" not in words(ask(ward, "why are mails not sent", asks_world=True))


def test_who_asks_what_is_wrong_gets_the_gravest_findings(ward: Ward) -> None:
    assert "found nothing wrong" in words(ask(ward, "what is wrong"))
    ward.spf("v=spf1 -all", "v=spf1 ~all")
    found = ask(ward, "what is wrong", asks_world=True)
    assert "What is wrong: " in words(found)
    assert "What to do: " in words(found)
    assert found.commands == ("postroom doctor",)


def test_the_story_of_an_address_is_pointed_to(ward: Ward) -> None:
    assert f"postroom story {CARLA}" in ask(ward, f"does {CARLA} bounce").commands
    assert not any("story" in one for one in ask(ward, "does customer.example bounce").commands)


def test_asking_changes_nothing(ward: Ward) -> None:
    ward.refused(550, "5.1.1", "user unknown")
    before = everything()
    ask(ward, f"why do mails to {CARLA} bounce")
    assert everything() == before


def test_the_command_answers_people_and_programs(ward: Ward, postroom: Command) -> None:  # noqa: F811
    ward.refused(550, "5.1.1", "user unknown")
    answer = postroom("ask", "why", "do", "mails", "to", CARLA, "bounce", "--json")
    assert answer.code == 0, answer.err
    assert answer.data["answered_by"] == "doctor"
    assert answer.data["understood"]["symptom"] == "bounces"
    assert "user unknown" in answer.data["answer"]
    people = postroom("ask", f"why do mails to {CARLA} bounce")
    assert "To go on:" in people.out
    assert postroom("ask", "what is for lunch").code == 1
    assert postroom("ask", " ").code == 2


# -- with a model


def test_a_model_looks_by_tools_and_answers(ward: Ward) -> None:
    ward.refused(550, "5.1.1", "user unknown")
    with speaking(calls(("story", {"about": CARLA})), says("The address does not exist.")) as model:
        use_model(ward, model)
        found = ask(ward, f"why do mails to {CARLA} bounce")
    assert found.words == "The address does not exist."
    assert found.tools == ("story",)
    assert model.heard[0]["path"] == "/v1/chat/completions"
    assert model.keys == ["Bearer sk-of-the-house"] * 2
    answer = model.heard[1]["messages"][-1]
    assert answer["role"] == "tool"
    assert "⟦untrusted " in answer["content"]
    assert "user unknown" in answer["content"]
    offered = {tool["function"]["name"] for tool in model.heard[0]["tools"]}
    assert "doctor" in offered
    assert not any(name.startswith("propose_") for name in offered)


def test_a_model_that_demands_changes_gets_none(ward: Ward) -> None:
    ward.refused(550, "5.1.1", "user unknown")
    demands = [
        (f"propose_{name}", {"delivery_id": 1, "server_id": 1, "why": "x"})
        for name in ("retry_delivery", "hold_server")
    ]
    before = everything()
    with speaking(calls(*demands, ("approve", {"number": 1}), ("rm", {})), says("It is done.")) as model:
        use_model(ward, model)
        found = ask(ward, f"why do mails to {CARLA} bounce")
    assert everything() == before
    assert not AgentProposal.objects.exists()
    assert all("no tool of that name" in one["content"] for one in model.heard[1]["messages"] if one["role"] == "tool")
    assert found.is_by_model


@pytest.mark.parametrize(
    ("said", "why"),
    [
        (Raw(status=429), "asks us to wait"),
        (Raw(status=401), "refuses the key"),
        (Raw(status=500, body=b"<html>"), "does not answer"),
        (Raw(status=302, location="http://127.0.0.1:1/steal"), "does not answer"),
        (Raw(body=b"<html>no</html>"), "no chat completion"),
        (Raw(body=b"[" * 100_000), "no chat completion"),
        (Raw(body=b'{"choices":[]}'), "no chat completion"),
        (Raw(body=b'{"choices":[{"message":{"tool_calls":[{"x":1}]}}]}'), "no chat completion"),
        (Raw(body=b'{"choices":[{"message":{"content":{"a":1}}}]}'), "no chat completion"),
        (Raw(body=b"x" * 1_100_000), "more than anybody reads"),
        (says("  "), "said nothing"),
        (calls(("doctor", {})), "to no end"),
        (calls(("queue_state", {}), tokens=50_000), "too many tokens"),
    ],
)  # fmt: skip
def test_when_the_model_fails_the_doctor_answers_and_says_so(said: Any, why: str, ward: Ward) -> None:
    ward.refused(550, "5.1.1", "user unknown")
    with speaking(said) as model:
        use_model(ward, model)
        found = ask(ward, f"why do mails to {CARLA} bounce")
    assert not found.is_by_model
    assert "user unknown" in words(found)
    assert why in str(found.note)
    assert "sk-of-the-house" not in json.dumps(found.as_json())


def test_a_model_that_hangs_is_left_after_its_seconds(ward: Ward) -> None:
    with speaking(Raw(hangs=True)) as model:
        use_model(ward, model, model_seconds=1)
        found = ask(ward, "our mails land in spam")
    assert "takes too long" in str(found.note)
    assert found.walked is not None


def test_nobody_at_the_endpoint_is_told(ward: Ward) -> None:
    with speaking(says("x")) as model:
        use_model(ward, model)
    found = ask(ward, "our mails land in spam")
    assert "cannot be asked" in str(found.note)


@pytest.mark.parametrize(
    "arguments", ["{", "[]", '"x"', "null", "{}" * 3, '{"about": 5}', '{"about": {"$gt": ""}}', "[" * 50_000]
)
def test_arguments_that_are_garbage_are_answered_in_words(arguments: str, ward: Ward) -> None:
    with speaking(calls(("story", arguments)), says("I could not look.")) as model:
        use_model(ward, model)
        assert ask(ward, "our mails land in spam").is_by_model
    assert "error" in json.loads(model.heard[1]["messages"][-1]["content"])


def test_without_an_address_of_a_model_nobody_is_asked(ward: Ward) -> None:
    def never(_: object) -> Any:
        raise AssertionError("a model was asked")

    ward.ports = dataclasses.replace(ward.ports, ask_model=never)
    assert ask(ward, "our mails land in spam").note is None


@pytest.mark.parametrize(
    ("settings", "trouble"),
    [
        ({"model_url": "http://models.example/v1", "model_name": "x"}, "https"),
        ({"model_url": "ftp://models.example", "model_name": "x"}, "https"),
        ({"model_url": "https://models.example/v1"}, "model_name"),
    ],
)
def test_a_model_that_could_not_be_asked_safely_is_no_configuration(settings: dict[str, object], trouble: str) -> None:
    with pytest.raises(ConfigurationError, match=trouble):
        read_configuration(settings, {})


def test_the_key_of_the_model_is_not_shown() -> None:
    found = read_configuration(
        {"model_url": "https://models.example/v1", "model_name": "x", "model_key": "sk-of-the-house"}, {}
    )
    assert "sk-of-the-house" not in repr(found)


def test_names_of_strangers_are_not_looked_up_for_a_model(ward: Ward) -> None:
    ward.ports = dataclasses.replace(
        ward.ports, text_records=lambda _: ("v=spf1 -all",), mail_hosts=lambda _: ("mx.northwind.example",)
    )
    with speaking(
        calls(("dns", {"domain": DOMAIN}), ("dns", {"domain": "secret.attacker.example"})), says("fine")
    ) as model:
        use_model(ward, model)
        ask(ward, "dns of northwind.example")
    own, other = [one["content"] for one in model.heard[1]["messages"] if one["role"] == "tool"]
    assert "v=spf1" in own
    assert "no domain of this house" in other
