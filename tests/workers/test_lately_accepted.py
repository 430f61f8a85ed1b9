"""What was accepted a moment ago is not asked about again; what was refused always is."""

from __future__ import annotations

from postroom.workers.reception import LatelyAccepted


def test_a_recipient_is_remembered_for_its_time_and_no_longer() -> None:
    clock = [0.0]
    lately = LatelyAccepted(lambda: clock[0], seconds=1.0)
    lately.add("support@in.test")
    assert "support@in.test" in lately
    assert "sales@in.test" not in lately
    clock[0] = 1.0
    assert "support@in.test" not in lately


def test_a_flood_of_recipients_does_not_fill_the_memory() -> None:
    lately = LatelyAccepted(lambda: 0.0)
    for number in range(3 * LatelyAccepted.MOST):
        lately.add(f"support+{number}@in.test")
    assert len(lately._until) <= LatelyAccepted.MOST
