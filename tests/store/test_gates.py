"""The rows of the gates under many hands: nobody exceeds, nobody waits in a ring."""

from __future__ import annotations

import random
import threading
from datetime import UTC, datetime

import pytest
from django.db import connection, transaction

from postroom.core.delivery.throttle import Ask, GateKey, Span, admit
from postroom.store import gates
from postroom.store.gates import Reservation
from postroom.store.models import SendingGate

pytestmark = pytest.mark.django_db(transaction=True)

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
KEYS = [GateKey(server, place, Span.MINUTE) for server in (1, 2, 3) for place in ("", "google.com", "outlook.com")]
LIMIT = 500


def take(keys: list[GateKey], count: int) -> list[tuple[Reservation, ...]]:
    limits = dict.fromkeys(keys, LIMIT)
    gates.ensure(keys)
    with transaction.atomic():
        present = gates.lock(limits)
        found = admit([Ask(id=number, lane=1, gates=tuple(keys)) for number in range(count)], present, NOW)
        gates.write(found.gates)
    windows = {gate.key: gate.window_at for gate in found.gates}
    return [tuple(Reservation(key, windows[key]) for key in keys) for _ in found.admitted]


@pytest.mark.slow
def test_many_who_take_and_give_back_at_once_never_exceed_a_limit() -> None:
    held: dict[GateKey, int] = dict.fromkeys(KEYS, 0)
    failures: list[BaseException] = []
    guard = threading.Lock()

    def work(seed: int) -> None:
        dice = random.Random(seed)
        try:
            for _ in range(40):
                keys = dice.sample(KEYS, 3)
                places = take(keys, dice.randint(1, 20))
                kept, unused = places[::2], places[1::2]
                with guard:
                    for place in (one for mail in kept for one in mail):
                        held[place.key] += 1
                with transaction.atomic():
                    gates.give_back(one for mail in unused for one in mail)
        except BaseException as error:
            failures.append(error)
        finally:
            connection.close()

    threads = [threading.Thread(target=work, args=(seed,)) for seed in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(120)
        assert not thread.is_alive()
    assert failures == []
    rows = {GateKey(row.server_number, row.destination, Span(row.span)): row.used for row in SendingGate.objects.all()}
    assert rows == held
    assert max(rows.values()) <= LIMIT


def test_a_gate_that_somebody_tidied_up_is_missing_and_harms_nobody() -> None:
    gates.ensure(KEYS[:2])
    SendingGate.objects.filter(destination="").delete()
    with transaction.atomic():
        assert set(gates.lock(dict.fromkeys(KEYS[:2], 5))) == {KEYS[1]}


def test_promises_can_be_forgotten_for_a_server_for_a_destination_and_for_all() -> None:
    gates.ensure(KEYS)
    SendingGate.objects.update(frontier_at=NOW, ahead=3)
    promised = SendingGate.objects.filter(frontier_at__isnull=False, ahead=3)
    gates.forget_promises([1])
    assert promised.count() == 6
    gates.forget_promises(destination="google.com")
    assert promised.count() == 4
    gates.forget_promises(None)
    assert promised.count() == 0
