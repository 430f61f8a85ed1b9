"""DKIM signatures checked (RFC 6376 6, RFC 8463, RFC 8301).

Laws: never raises; the work is linear in the size of the mail, whatever it consists of, and no more than `MOST_SIGNATURES` are
checked. A generator of questions, as everything that asks DNS about senders. A signature over part of a body (l=) is right
but does not count: what stands behind that part is anybody's.
"""

from __future__ import annotations

import binascii
from base64 import b64decode
from dataclasses import dataclass

from postroom.adapters.dkim.public_keys import KeyTrouble, PublicKey, read_key
from postroom.adapters.dkim.raw_mail import Field, RawMail
from postroom.core.senders.questions import Asking, Question, RecordType
from postroom.core.senders.results import Method, MethodResult, Result
from postroom.core.senders.tag_lists import TagListError, read_tags, without_blanks
from postroom.core.terms.addresses import normalize_domain

MOST_SIGNATURES = 6
LONGEST_FIELD = 16 * 1024  # bytes
ALGORITHMS = ("rsa-sha256", "ed25519-sha256")
CLOCK_SLOP = 3600  # seconds that clocks may differ


@dataclass(frozen=True, slots=True, kw_only=True)
class Signature:
    """A DKIM-Signature or ARC field that was taken apart. ``names`` in lower case."""

    field: Field
    algorithm: str
    domain: str
    selector: str
    names: tuple[bytes, ...]
    body_hash: bytes
    signature: bytes
    relaxed_header: bool
    relaxed_body: bool
    length: int = -1
    identity: str = ""  # the domain of i=
    expires_at: int = 0


class Unusable(Exception):  # noqa: N818 (an answer about a signature, not a fault)
    """The signature cannot be checked, or need not be."""

    def __init__(self, text: str, result: Result = Result.PERMERROR, domain: str = "") -> None:
        super().__init__(text)
        self.result = result
        self.domain = domain


def verify_signatures(mail: RawMail, *, author_domain: str, received_at: int = 0) -> Asking[tuple[MethodResult, ...]]:
    """All that can matter, those of the author's domain first. ``received_at``: see `ArrivedMail`. Nothing signed: empty."""
    fields = mail.named(b"dkim-signature")
    read: list[Signature | Unusable] = []
    for field in fields[: 10 * MOST_SIGNATURES]:
        try:
            read.append(read_signature(field))
        except Unusable as trouble:
            read.append(trouble)
    read.sort(key=lambda one: one.domain != author_domain)
    found: list[MethodResult] = []
    for one in read[:MOST_SIGNATURES]:
        if isinstance(one, Unusable):
            found.append(MethodResult(method=Method.DKIM, result=one.result, domain=one.domain, detail=str(one)))
        else:
            result, detail = yield from check(mail, one, received_at=received_at)
            found.append(MethodResult(method=Method.DKIM, result=result, domain=one.domain, detail=detail))
    return tuple(found)


def check(mail: RawMail, one: Signature, *, received_at: int = 0) -> Asking[tuple[Result, str]]:
    """One signature: body first, for that costs no question. The result and a few words."""
    named = f"selector {one.selector}"
    if wrong := _wrong_before_asking(mail, one, received_at):
        return Result.FAIL, f"{named}: {wrong}"
    answer = yield Question(f"{one.selector}._domainkey.{one.domain}", RecordType.TXT)
    if answer.is_trouble:
        return Result.TEMPERROR, f"{named}: nobody could tell the key"
    try:
        key = _first_key(answer.records, one)
    except KeyTrouble as trouble:
        return trouble.result, f"{named}: {trouble}"
    if not key.verifies(one.signature, mail.signed_data(one.names, one.field, relaxed=one.relaxed_header)):
        return Result.FAIL, f"{named}: the header was changed, or the signature is another's"
    if 0 <= one.length < mail.body_length(relaxed=one.relaxed_body):
        return Result.POLICY, f"{named}: it covers only a part of the body"
    return Result.PASS, named


def _wrong_before_asking(mail: RawMail, one: Signature, received_at: int) -> str:
    if received_at and one.expires_at and one.expires_at + CLOCK_SLOP < received_at:
        return "it had expired"
    if one.length > mail.body_length(relaxed=one.relaxed_body):
        return "the body is shorter than what was signed"
    if mail.body_digest(relaxed=one.relaxed_body, length=one.length) != one.body_hash:
        return "the body was changed"
    return ""


def _first_key(records: tuple[str, ...], one: Signature) -> PublicKey:
    """RFC 6376 3.6.2.2 leaves open what several records mean: the first that can be used. Raises `KeyTrouble`."""
    trouble: KeyTrouble | None = None
    for record in records[:4]:
        try:
            key = read_key(record, one.algorithm)
        except KeyTrouble as error:
            trouble = trouble or error
            continue
        if one.identity and one.identity != one.domain and not key.is_for_subdomains:
            raise KeyTrouble("the key is not for subdomains")
        return key
    raise trouble or KeyTrouble("there is no such key")


def read_signature(field: Field, *, is_arc: bool = False) -> Signature:
    """Raises `Unusable`."""
    if len(field[1]) > LONGEST_FIELD:
        raise Unusable("the signature is too long")
    try:
        tags = read_tags(field[1].decode("utf-8"))
    except (TagListError, UnicodeDecodeError):
        raise Unusable("the signature cannot be read") from None
    domain = normalize_domain(tags.get("d", ""))
    try:
        return _signature(field, tags, domain, is_arc=is_arc)
    except (KeyError, binascii.Error, ValueError) as error:
        text = str(error) if type(error) is ValueError else "the signature lacks something"
        raise Unusable(text, domain=domain) from None


def _signature(field: Field, tags: dict[str, str], domain: str, *, is_arc: bool) -> Signature:
    """Raises KeyError, ValueError."""
    algorithm = tags["a"].lower()
    selector = normalize_domain(tags["s"])
    names = tuple(name.strip().lower().encode("utf-8") for name in tags["h"].split(":"))
    header_form, _, body_form = tags.get("c", "relaxed/relaxed" if is_arc else "simple/simple").lower().partition("/")
    body_form = body_form or "simple"
    if not is_arc and tags["v"] != "1":
        raise ValueError("the signature is of another version")
    if algorithm not in ALGORITHMS:
        raise ValueError(f"{algorithm[:20]} does not count")
    if not domain or not selector or {header_form, body_form} - {"simple", "relaxed"}:
        raise ValueError("the signature cannot be read")
    if b"from" not in names:
        raise ValueError("the author is not signed")
    if "dns/txt" not in [one.strip().lower() for one in tags.get("q", "dns/txt").split(":")]:
        raise ValueError("the key lies where nobody can ask")
    identity = "" if is_arc else normalize_domain(tags.get("i", "").rpartition("@")[2])
    if identity and identity != domain and not identity.endswith(f".{domain}"):
        raise ValueError("the signature speaks for another domain than it is of")
    return Signature(
        field=field,
        algorithm=algorithm,
        domain=domain,
        selector=selector,
        names=names,
        body_hash=b64decode(without_blanks(tags["bh"]), validate=True),
        signature=b64decode(without_blanks(tags["b"]), validate=True),
        relaxed_header=header_form == "relaxed",
        relaxed_body=body_form == "relaxed",
        length=_number(tags["l"]) if "l" in tags else -1,
        identity=identity,
        expires_at=_number(tags["x"]) if "x" in tags else 0,
    )


def _number(text: str) -> int:
    if not text.isascii() or not text.isdigit() or len(text) > 20:
        raise ValueError("a number in the signature is none")
    return int(text)
