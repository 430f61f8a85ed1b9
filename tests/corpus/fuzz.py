"""A mail through everything that reads it, and a loop that sends strange ones until the time is up.

``python -m tests.corpus.fuzz --seconds 600`` (`make fuzz` calls it) prints how many mails it tried and stops at the first that
breaks a law, with the seed that makes it again: ``--seed N --count 1``.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections import Counter
from random import Random
from time import monotonic

from postroom.core.mime.html_quotes import separate_html_reply
from postroom.core.mime.parsed import ParsedMail
from postroom.core.mime.parsing import parse, parse_headers
from postroom.core.mime.particulars import particulars_as_json, particulars_of, read_particulars
from postroom.core.mime.quotes import separate_reply
from postroom.core.reports.reading import read_report
from postroom.core.routing.deciding import decide
from postroom.core.routing.evidence import collect
from postroom.core.routing.verdicts import Facts
from postroom.core.terms.addresses import normalize
from postroom.core.terms.envelopes import Envelope
from postroom.core.terms.states import Door
from tests.core.routing.people import KEYS, MARK, OURS, SECOND
from tests.corpus.shared import SHARED, content, labels
from tests.corpus.strange_mails import damaged, strange_mail
from tests.corpus.wholeness import assert_whole

FACTS = Facts(domains=(OURS, SECOND))
ENVELOPES = (
    None,
    Envelope(mail_from="", rcpt_to=("support@ours.example",)),
    Envelope(mail_from="b@x.example", rcpt_to=("catchall@ours.example", "x")),
)


def read_all_the_way(raw: bytes) -> ParsedMail:
    """Parse, collect, decide and read the report of one mail; every law that binds them is asserted."""
    mail = parse(raw)
    assert_whole(mail)
    assert parse_headers(raw).headers == mail.headers
    stored = json.loads(json.dumps(particulars_as_json(mail)))
    assert read_particulars(stored) == particulars_of(mail)
    parts = separate_reply(mail.text)
    assert sorted("".join((parts.reply + parts.quoted + parts.signature).split())) == sorted("".join(mail.text.split()))
    fresh, quoted = separate_html_reply(mail.html)
    assert sorted(fresh + quoted) == sorted(mail.html)
    report = read_report(mail)
    if report is not None:
        assert all(one.address == normalize(one.address) for one in report.recipients)
    for envelope in ENVELOPES:
        for door in (Door.SMTP, Door.IMAP):
            seen = collect(mail, envelope, door, keys=KEYS, size=len(raw), content_digest="0", our_mark=MARK)
            verdict = decide(seen, FACTS)
            assert verdict.decisions
            assert all(decision.reasons for decision in verdict.decisions)
    return mail


def seeds() -> list[bytes]:
    """The mails of the shared corpora, where they are, to be damaged."""
    if not SHARED.is_dir():
        return []
    return [raw for name in ("mail", "reports") for label in labels(name) if len(raw := content(label)) < 60_000]


def strange(seed: int, others: list[bytes]) -> bytes:
    dice = Random(seed)
    if others and dice.random() < 0.4:
        return damaged(dice.choice(others), dice, others=others)
    return strange_mail(dice)


def main() -> int:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--seconds", type=float, default=600)
    arguments.add_argument("--seed", type=int, default=0)
    arguments.add_argument("--count", type=int, default=0, help="mails; 0: as many as the time allows")
    said = arguments.parse_args()
    others, defects, number = seeds(), Counter[str](), 0
    end = monotonic() + said.seconds
    while monotonic() < end and (not said.count or number < said.count):
        raw = strange(said.seed + number, others)
        try:
            defects.update(read_all_the_way(raw).defects)
        except Exception:
            print(f"seed {said.seed + number} breaks a law; the mail: {raw!r}", file=sys.stderr)
            raise
        number += 1
    print(
        f"{number} mails ({len(others)} of the corpora as seeds), no exception; defects: {dict(defects.most_common())}"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
