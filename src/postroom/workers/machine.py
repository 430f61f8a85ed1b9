"""What only whoever stands on the machine can see: whether Postroom runs here, and which of its doors answer.

Laws: looks, and changes nothing; half a second for a door at most. Whoever looks must do so before a database is started for the look.
"""

from __future__ import annotations

from pathlib import Path

from postroom.core.diagnosis.machine_health import MachineFacts
from postroom.core.terms.configuration import Configuration
from postroom.workers.supervisor import answers, is_up, places_of


def look_at_machine(configuration: Configuration) -> MachineFacts:
    """The doctor's first facts; the tables tell the rest."""
    runs = is_up(Path(configuration.data_dir))
    closed = (
        {place.label: f"{place.host}:{place.port}" for place in places_of(configuration) if not answers(place)}
        if runs
        else {}
    )
    return MachineFacts(runs_here=runs, closed_doors=closed)
