"""What a person can do about a mail that waits, by the gate that holds it.

Laws: pure. Which gate it is, `core.terms.gates` says, and nobody else; here are only the cures, the best first.
"""

from __future__ import annotations

import postroom.core.delivery.sentences  # noqa: F401 - the sentences of the reasons below
from postroom.core.terms.gates import Gate
from postroom.core.terms.reasons import Reason, because


def cures_of(gate: Gate | None, waits_for: Reason | None) -> tuple[Reason, ...]:
    """``waits_for``: the stored reason, where there is one. Empty where only time helps."""
    facts = waits_for.facts if waits_for is not None else {}
    server = str(facts.get("server", ""))
    codes: tuple[str, ...]
    match gate:
        case Gate.PAUSED:
            codes = ("cure.resume",)
        case Gate.LIMIT if waits_for is not None and waits_for.code == "wait.per_minute":
            codes = ("cure.raise_limit",)
        case Gate.LIMIT:
            codes = ("cure.raise_limit", "cure.another_server", "cure.in_app")
        case Gate.SLOWED:
            codes = ("cure.lift_slowness",)
        case Gate.TROUBLE:
            codes = ("cure.mend", "cure.another_server")
        case Gate.SERVER:
            codes = ("cure.mend",) if server else ("cure.add_server",)
        case Gate.TURN | Gate.NOT_DUE:
            codes = ("cure.send_now",)
        case Gate.RETRY | Gate.OTHER | None:
            codes = ()
    return tuple(because(code, server=server) for code in codes)
