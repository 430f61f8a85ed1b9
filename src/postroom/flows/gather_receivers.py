"""What receivers reported within the last days, as facts for the doctor. Two queries along an index; reports are bounded."""

from __future__ import annotations

from datetime import datetime, timedelta

from postroom.core.diagnosis.receivers import ReceiversFacts, SourceFacts, TlsFacts
from postroom.store.queries import receivers

LATELY = timedelta(days=10)  # reports come a day or two late


def receivers_facts(now: datetime) -> ReceiversFacts:
    since = (now - LATELY).date()
    return ReceiversFacts(
        sources=tuple(
            SourceFacts(
                domain=one.domain,
                ip=one.ip,
                failed=one.failed,
                stopped=one.stopped,
                server=one.server,
                name=one.name,
                in_spf=one.in_spf,
                is_known=one.looked,
                reporters=one.reporters,
            )
            for one in receivers.sources(since)
        ),
        tls=tuple(
            TlsFacts(domain=one.domain, result=one.result, count=one.count, reporters=one.reporters)
            for one in receivers.tls(since)
        ),
    )
