"""Why: the rules told aloud are the rules that decide, for mail that came and for mail that never did."""

from __future__ import annotations

import pytest

from postroom.core.routing import deciding
from postroom.core.routing.deciding import PLACED, SETTLED, decide, decide_aloud
from postroom.core.routing.silences import why_silent
from postroom.core.terms.envelopes import Envelope
from postroom.core.terms.states import Door, InboundState
from postroom.flows.access import NotAllowed
from postroom.flows.explain_routing import Explanation, explain, explain_inbound
from postroom.store.models import InboundMessage, Record
from postroom.wiring import ports
from tests.core.routing import people
from tests.flows.arriving import CARLA, a_thread, arrive
from tests.people import House, build_house, write_mail

pytestmark = pytest.mark.django_db


@pytest.fixture
def house() -> House:
    return build_house()


def rules(found: Explanation) -> list[tuple[str, bool]]:
    return [(step.rule, step.decisions is not None) for step in found.steps]


def test_every_rule_up_to_the_one_that_answers_is_told_with_a_sentence(house: House) -> None:
    thread = a_thread(house)
    envelope = Envelope(mail_from=CARLA, rcpt_to=(thread.reply_address,))
    found = explain(ports(), write_mail(to=thread.reply_address), envelope, Door.SMTP)
    assert rules(found) == [
        ("already_seen", False),
        ("receivers_report", False),
        ("report", False),
        ("bounce_address", False),
        ("our_own", False),
        ("auto_reply", False),
        ("forward_to_another_kind", False),
        ("signed_reply", True),
        ("loop_breaker", False),
    ]
    told = [str(step.sentence) for step in found.steps]
    assert told[0] == "It was not seen before."
    assert told[7] == f"It was written to the signed reply address of message {thread.message.pk}."
    assert [str(one.reasons[0]) for one in found.recipients] == [
        f"{thread.reply_address} is a signed reply address of ours."
    ]


def test_what_nobody_takes_walks_the_whole_table(house: House) -> None:
    raw = write_mail(to="nobody@in.test", In_Reply_To="<strange@x.example>")
    found = explain(ports(), raw, None, Door.IMAP)
    assert [rule for rule, _ in rules(found)] == [rule.__name__ for rule in (*SETTLED, *PLACED)] + ["loop_breaker"]
    assert "It refers to <strange@x.example>, which we do not know." in [str(step.sentence) for step in found.steps]
    assert not any("?" in str(step.sentence) for step in found.steps)


def test_every_rule_of_the_table_has_a_sentence_for_its_silence() -> None:
    """Who adds a rule writes one in `core.routing.silences`; `nobody` always answers."""
    for rule in (*SETTLED, *PLACED):
        if rule.__name__ != "nobody":
            assert why_silent(rule.__name__, people.evidence(), people.facts()).code != "silent.other", rule.__name__


def test_told_aloud_it_is_decided_alike(monkeypatch: pytest.MonkeyPatch) -> None:
    """There is one table: what changes the decision changes what is told."""
    seen = people.evidence()
    assert decide_aloud(seen, people.facts())[0] == decide(seen, people.facts())
    monkeypatch.setattr(deciding, "PLACED", PLACED[-1:])
    verdict, steps = decide_aloud(seen, people.facts())
    assert verdict == decide(seen, people.facts())
    assert [step.rule for step in steps][-2:] == ["nobody", "loop_breaker"]


def test_a_mail_that_was_routed_is_explained_as_if_it_had_made_nothing_yet(house: House) -> None:
    inbound = arrive(write_mail(), "support@in.test")
    found = explain_inbound(ports(), inbound.pk, member=house.alice)
    assert (found.state, found.before_state) == (InboundState.ROUTED, InboundState.ROUTED)
    assert found.as_json()["decisions"] == inbound.verdict
    assert Record.objects.count() == 1


def test_old_and_new_verdict_are_compared_before_it_is_routed_again(house: House) -> None:
    held = arrive(write_mail(to="help@in.test"), door=Door.IMAP)
    house.support.name = "help"
    house.support.save()
    found = explain_inbound(ports(), held.pk, member=house.alice)
    assert (found.before_state, found.state) == (InboundState.HELD, InboundState.ROUTED)
    assert found.before == ("None of its recipients is known here: help@in.test.",)
    assert InboundMessage.objects.get(pk=held.pk).state == InboundState.HELD
    told = found.aloud_as_json()
    assert told["recipients"] == [
        {"address": "help@in.test", "accepted": True, "sentences": ["help@in.test is the alias help@in.test."]}
    ]


def test_only_who_decides_about_incoming_mail_is_told(house: House) -> None:
    inbound = arrive(write_mail(), "support@in.test")
    with pytest.raises(NotAllowed):
        explain_inbound(ports(), inbound.pk, member=house.bob)
