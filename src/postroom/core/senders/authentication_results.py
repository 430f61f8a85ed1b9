"""Authentication-Results: what another server found, read and believed only where somebody named that server (RFC 8601).

Duty: `read_field` takes one field apart; `trusted_findings` takes from the top of a mail what the named server put there.
Laws: pure; linear; never raises. Of each method the topmost finding counts, and only fields that stand together: whatever a
stranger wrote stands below them. The server is trusted to remove fields that bear its own name (RFC 8601 5).
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable
from dataclasses import dataclass

from postroom.core.senders.results import Method, MethodResult, Policy, read_result
from postroom.core.terms.addresses import normalize_domain

NAMELESS = "-"  # stands for a server that does not name itself in its fields, as Microsoft 365 does
MOST_FIELDS = 20
LONGEST_FIELD = 16 * 1024  # characters
_BESIDE = frozenset(("received-spf", "dkim-filter", "dmarc-filter", "openarc-filter"))  # what filters write beside it
_TOKEN = re.compile(r'[;=()]|"|[^\s;=()"]+')
_POLICY = re.compile(r"\b(?:p|policy)\s{0,3}=\s{0,3}(none|quarantine|reject)\b", re.IGNORECASE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Statement:
    """One method's result in a field. ``properties``: ``header.d`` and the like, in lower case."""

    method: str
    result: str
    properties: tuple[tuple[str, str], ...] = ()
    comment: str = ""

    def property(self, *names: str) -> str:
        return next((value for wanted in names for name, value in self.properties if name == wanted), "")


@dataclass(frozen=True, slots=True, kw_only=True)
class ResultsField:
    """A field that was taken apart. ``server``: the authserv-id in lower case, ``""`` where the field begins with results."""

    server: str
    statements: tuple[Statement, ...]


def read_servers(text: str) -> frozenset[str]:
    """Authserv-ids as an administrator names them: separated by commas."""
    return frozenset(word.strip().lower().rstrip(".") for word in text.split(",") if word.strip())


def read_field(value: str) -> ResultsField:
    """The value of a field, unfolded. What cannot be read is left out."""
    sections = _sections(value[:LONGEST_FIELD])
    first = sections[0][0] if sections else []
    server = ""
    if first and "=" not in first:
        server = first[0].strip().lower().rstrip(".")
        sections = sections[1:]
    found = (_statement(words, comment) for words, comment in sections)
    return ResultsField(server=server, statements=tuple(one for one in found if one is not None))


def _sections(value: str) -> list[tuple[list[str], str]]:
    """Between semicolons: the words, and what stood in comments beside them."""
    found: list[tuple[list[str], str]] = [([], "")]
    depth = 0
    place = 0
    while match := _TOKEN.search(value, place):
        word, place = match[0], match.end()
        words, comment = found[-1]
        if word == "(":
            depth += 1
        elif word == ")":
            depth = max(0, depth - 1)
        elif depth:
            found[-1] = (words, f"{comment} {word}".strip()) if len(comment) < 500 else found[-1]
        elif word == '"':
            end = value.find('"', place)
            end = len(value) if end < 0 else end
            words.append(value[place:end])
            place = end + 1
        elif word == ";":
            found.append(([], ""))
        else:
            words.append(word)
    return found


def _statement(words: list[str], comment: str) -> Statement | None:
    """``method/version = result`` and then ``ptype.property = value`` as often as there are any."""
    if len(words) < 3 or words[1] != "=":
        return None
    pairs = []
    place = 3
    while place + 2 < len(words):
        if words[place + 1] == "=":
            pairs.append((words[place].lower(), words[place + 2]))
            place += 3
        else:
            place += 1
    return Statement(
        method=words[0].partition("/")[0].lower(), result=words[2].lower(), properties=tuple(pairs), comment=comment
    )


def trusted_findings(headers: Iterable[tuple[str, str]], servers: Collection[str]) -> tuple[MethodResult, ...]:
    """What one of ``servers`` (authserv-ids in lower case; `NAMELESS`) found, from its fields that stand topmost and together."""
    if not servers:
        return ()
    fields: list[ResultsField] = []
    for name, value in headers:
        if name.lower() == "authentication-results":
            field = read_field(value)
            if (field.server or NAMELESS) in servers and (not fields or field.server == fields[0].server):
                fields.append(field)
                if len(fields) == MOST_FIELDS:
                    break
                continue
        if fields and name.lower() not in _BESIDE:
            break
    return _first_of_each_method(fields)


def _first_of_each_method(fields: Iterable[ResultsField]) -> tuple[MethodResult, ...]:
    """All that the first field with a method says of it: a mail may have several DKIM signatures."""
    findings: list[MethodResult] = []
    for field in fields:
        known = {finding.method for finding in findings}
        read = (as_finding(statement, field.server) for statement in field.statements)
        findings += [finding for finding in read if finding is not None and finding.method not in known]
    return tuple(findings)


def as_finding(statement: Statement, server: str) -> MethodResult | None:
    """In our vocabulary; None for a method that is none of ours."""
    result = read_result(statement.result)
    try:
        method = Method(statement.method)
    except ValueError:
        return None
    if result is None:
        return None
    policy = _policy(statement) if method is Method.DMARC else None
    return MethodResult(
        method=method, result=result, domain=_domain(method, statement), by=server or NAMELESS, policy=policy
    )


def _domain(method: Method, statement: Statement) -> str:
    match method:
        case Method.SPF:
            named = statement.property("smtp.mailfrom", "smtp.mail", "smtp.helo")
        case Method.DKIM:
            named = statement.property("header.d", "header.i")
        case Method.DMARC:
            named = statement.property("header.from")
        case Method.ARC:
            named = statement.property("header.d", "arc.chain")
    return normalize_domain(named.rpartition("@")[2])


def _policy(statement: Statement) -> Policy | None:
    """What the author's domain asks for: servers say it in a property, in a comment, or as what they did."""
    said = statement.property("policy.dmarc", "policy.published-domain-policy", "policy.p").lower()
    if not said and (found := _POLICY.search(statement.comment.replace(" = ", "="))):
        said = found[1].lower()
    if not said:
        action = statement.property("action").lower()
        said = {"reject": "reject", "oreject": "reject", "quarantine": "quarantine"}.get(action, "")
    try:
        return Policy(said)
    except ValueError:
        return None
