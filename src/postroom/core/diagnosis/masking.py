"""Masking: the same text without the addresses of people, or without what they wrote.

Duty: a pseudonym for each address, the same wherever it occurs: ``carla@shop.example`` becomes ``p2f1c9a04be@d81e0c77.invalid`` in headers,
bodies, logs and settings alike, so that who wrote to whom can still be followed. Local part and domain have masks of their own, so aliases,
sub-addresses and domains stay what they are to each other.
Laws: pure and keyed: with another key there are other masks, and without the key nobody finds the way back. What was learned as an address is
found also as ``carla%40shop.example``, ``carla&#64;shop.example`` or ``carla=shop.example``, within base64, and its domain wherever it stands
alone; what only looks like an address is masked, too. Message-IDs are kept where they are wanted, unless one is somebody's address. Linear in the text.
Standards: RFC 5322 3.4.1, RFC 4648 4 and 5, RFC 5233 (sub-addresses), RFC 2606 (``.invalid``).
"""

from __future__ import annotations

import hashlib
import hmac
import re
from binascii import a2b_base64, b2a_base64
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from postroom.core.diagnosis.known_words import KnownWords
from postroom.core.terms.addresses import normalize, normalize_domain, strip_plus

_SEPARATOR = re.compile(
    r"@(?:(?:\r?\n)?[ \t]{1,4})?|[\uff20\ufe6b]|%40|&#0{0,4}64;|&#x0{0,4}40;|&commat;|=40|=", re.IGNORECASE
)  # with blanks: a field was folded there
_ONLY_KNOWN = frozenset(("=", "=40"))  # elsewhere these mean something else
_NO_LOCAL = frozenset(' \t\r\n\f\v<>()[],;:"\\\x00\u2028\u2029\u00a0')
_DOMAIN = re.compile(r"\[[0-9a-zA-Z:.]{2,60}\]|[^\W_](?:[\w.-]{0,251}[^\W_])?")
_DOTTED = re.compile(r"[\w-]{1,63}(?:\.[\w-]{1,63}){0,9}\.[^\W\d_]")
_NAME = re.compile(r"(?:[\w-]{1,63}\.){1,20}[\w-]{1,63}")
_KEYS = re.compile(
    r"(?:[\w.-]{0,20}\.)?(?:mailfrom|from|to|rcpt|rcpt_to|mail_from|email|e-?mail|user|address|addr|mail|i|d|for|login|username|sender"
    r"|recipient|orcpt|envelope-from|subject|author|peer)=",
    re.IGNORECASE,
)
_CODED = re.compile(r"[A-Za-z0-9+/_-]{14,}={0,2}")  # as base64 writes it, also that of addresses of pages (RFC 4648 5)
_USUAL, _IN_ADDRESSES = str.maketrans("-_", "+/"), str.maketrans("+/", "-_")
_MOST_LOCAL = 320
_CUTS = "/?&'|{}"


class Masker:
    """``key``: random bytes, made for one bundle and forgotten. What is learned later is not found in what was masked before."""

    def __init__(
        self, key: bytes, *, hides_addresses: bool = True, hides_bodies: bool = False, hides_message_ids: bool = False
    ) -> None:
        self.hides_addresses = hides_addresses
        self.hides_bodies = hides_bodies
        self._hides_ids = hides_message_ids
        self._key = key
        self._addresses: set[str] = set()
        self._locals: dict[str, dict[int, set[str]]] = {}  # by domain and length
        self._domains: set[str] = set()
        self._most_labels = 1  # of a domain that was learned
        self._ids: set[str] = set()
        self._made: set[str] = set()
        self._words = KnownWords()

    @property
    def is_idle(self) -> bool:
        """Whether nothing is to be masked."""
        return not (self.hides_addresses or self.hides_bodies)

    @property
    def boundary(self) -> str:
        """A MIME boundary that nobody who does not know the key could have written."""
        return f"=_{self._mark('boundary', '', 24)}"

    def learn(self, specs: Iterable[str]) -> None:
        """These are addresses."""
        for spec in specs:
            normal = normalize(spec)
            if normal and normal not in self._made:
                self._addresses.add(normal)
                local, _, domain = normal.rpartition("@")
                self._locals.setdefault(domain, {}).setdefault(len(local), set()).add(local)
                self.learn_domains([domain])

    def learn_domains(self, names: Iterable[str]) -> None:
        """These are domains of people or of the house."""
        for name in names:
            domain = normalize_domain(name)
            if "." in domain and not domain.startswith("["):
                self._domains.add(domain)
                self._most_labels = max(self._most_labels, domain.count(".") + 1)

    def learn_text(self, text: str) -> None:
        """What looks like an address in it is one."""
        self.learn(f"{local}@{domain}" for _, local, _, domain, _ in self._found(text, is_learning=True))

    def learn_people(self, names: Iterable[str]) -> None:
        """These are names or logins of people."""
        if self.hides_addresses:
            self._words.learn_names(names)

    def learn_called(self, titles: Iterable[str]) -> None:
        """This stands before addresses: mostly names."""
        if self.hides_addresses:
            self._words.learn_titles(titles)

    def learn_words(self, texts: Iterable[str]) -> None:
        """Somebody wrote these: subjects, texts of mails."""
        if self.hides_bodies:
            self._words.learn_sentences(texts)

    def keep_message_ids(self, identifiers: Iterable[str]) -> None:
        """These are Message-IDs, with brackets or without; they stay, unless they are to be hidden."""
        if not self._hides_ids:
            self._ids |= {one.strip().strip("<>").lower() for one in identifiers}

    # ---- masks

    def address(self, spec: str) -> str:
        """The mask of one address; ``""`` stays."""
        if not self.hides_addresses or not spec or spec in self._made:
            return spec
        local, at, domain = spec.strip().strip("<>").rpartition("@")
        if not at:
            return self.text(spec)
        made = f"{self.local(local)}@{self.domain(domain)}"
        self._made.add(made)
        return made

    def local(self, local: str) -> str:
        """Of what stands before the @; a sub-address has a mask of its own."""
        if not self.hides_addresses or not local:
            return local
        base, detail = strip_plus(local.lower())
        return f"p{self._mark('local', base, 10)}" + (f"+{self._mark('detail', detail, 8)}" if detail else "")

    def domain(self, domain: str) -> str:
        if not self.hides_addresses or not domain or domain in self._made:
            return domain
        made = f"d{self._mark('domain', normalize_domain(domain) or domain.lower(), 8)}.invalid"
        self._made.add(made)
        return made

    def text(self, text: str) -> str:
        """With all addresses masked, and the domains that were learned."""
        if not self.hides_addresses or not text:
            return text
        return self._text(_CODED.sub(self._coded, text))

    def _text(self, text: str) -> str:
        pieces: list[str] = []
        end = 0
        for start, local, separator, domain, stop in self._found(text):
            pieces.append(self._without_domains(text[end:start]))
            whole = text[start:stop]
            if domain in self._made or self._is_kept(local, domain):
                pieces.append(whole)
            else:
                masked, place = self.local(local), self.domain(domain)
                self._made.add(f"{masked}@{place}")
                pieces.append(f"{masked}{separator}{place}")
            end = stop
        pieces.append(self._without_domains(text[end:]))
        return "".join(pieces)

    def value(self, value: Any) -> Any:
        """A JSON value with all its texts masked."""
        match value:
            case str():
                return self.text(value)
            case Mapping():
                return {self.text(str(key)): self.value(one) for key, one in value.items()}
            case list() | tuple():
                return [self.value(one) for one in value]
            case _:
                return value

    def words(self, text: str) -> str:
        """What somebody wrote: its shape, where bodies are hidden."""
        return shape(text) if self.hides_bodies else self.text(text)

    def told(self, text: str) -> str:
        """What programs say, without what people are called and wrote, where that is hidden."""
        text = self.text(text)
        pieces: list[str] = []
        done = 0
        for begin, end in self._words.places(text):
            pieces += [text[done:begin], shape(text[begin:end])]
            done = end
        return "".join([*pieces, text[done:]]) if pieces else text

    def told_value(self, value: Any) -> Any:
        """`told` of all texts of a JSON value; names of fields are nobody's words."""
        match value:
            case str():
                return self.told(value)
            case Mapping():
                return {self.text(str(key)): self.told_value(one) for key, one in value.items()}
            case list() | tuple():
                return [self.told_value(one) for one in value]
            case _:
                return value

    def person(self, named: str) -> str:
        """A name, an address, or both: ``Carla <carla@shop.example>``."""
        if not self.hides_addresses:
            return self.told(named)
        name, bracket, rest = named.rpartition("<")
        if bracket:
            return f"{shape(self.text(name))}<{self.text(rest)}"
        return self.text(named) if "@" in named else shape(named)

    def html(self, html: str) -> str:
        return shape_of_html(html) if self.hides_bodies else self.text(html)

    def _coded(self, match: re.Match[str]) -> str:
        """Base64, and what stands between slashes: with masks in it where addresses are."""
        if (whole := self._recoded(match[0])) != match[0] or "/" not in match[0]:
            return whole
        return "/".join(self._recoded(one) for one in match[0].split("/"))

    def _recoded(self, coded: str) -> str:
        plain = coded.rstrip("=").translate(_USUAL)
        try:
            text = a2b_base64(plain + "=" * (-len(plain) % 4)).decode("utf-8")
        except ValueError:
            return coded
        if not any(sign in text for sign in "@%") or (masked := self._text(text)) == text:
            return coded
        made = b2a_base64(masked.encode(), newline=False).decode()
        return made if coded.endswith("=") else made.rstrip("=").translate(_IN_ADDRESSES)

    # ---- finding

    def _found(self, text: str, *, is_learning: bool = False) -> Iterator[tuple[int, str, str, str, int]]:
        """Start, local part, separator, domain and end of each address."""
        done = 0
        for match in _SEPARATOR.finditer(text):
            separator = match[0].lower()
            if match.start() < done or (is_learning and separator != "@"):
                continue
            behind = _DOMAIN.match(text, match.end())
            if behind is None or (separator in _ONLY_KNOWN and not self._begins_known(behind[0])):
                continue
            if separator[-1] in " \t" and not _DOTTED.match(behind[0]):
                continue
            begin = self._local_begins(text, done, match.start())
            if begin is None:
                continue
            domain = self._fitting(behind[0], text[begin : match.start()])
            start = self._start(text, begin, match.start(), domain, only_known=separator in _ONLY_KNOWN)
            if start is None:
                continue
            done = match.end() + len(domain)
            yield start, text[start : match.start()], match[0], domain, done

    @staticmethod
    def _local_begins(text: str, least: int, end: int) -> int | None:
        least = max(least, end - _MOST_LOCAL)
        if end > least + 1 and text[end - 1] == '"':  # a quoted local part
            opened = text.rfind('"', least, end - 1)
            return opened if opened >= 0 and "\n" not in text[opened:end] else None
        begin = end
        while begin > least and text[begin - 1] not in _NO_LOCAL:
            begin -= 1
        return begin if begin < end else None

    def _fitting(self, written: str, run: str) -> str:
        """The domain; where more was read than is known, as much as is known: ``shop.example.html``."""
        if normalize(f"x@{written}") == "" or not self._addresses:
            return written
        if normalize_domain(written) in self._domains or not run:
            return written
        shorter = (one for one in self._beginnings(written) if one != written and "." in one)
        known = (
            one for one in shorter if normalize_domain(one) in self._domains and self._known_from(run, one) is not None
        )
        return next(known, written)

    def _begins_known(self, written: str) -> bool:
        """Whether it is, or begins with, a domain that somebody has an address at."""
        return any(normalize_domain(one) in self._locals for one in self._beginnings(written))

    def _beginnings(self, written: str) -> Iterator[str]:
        """Of a name the first labels, as many as a domain that was learned can have: the most first."""
        labels = written.split(".")
        return (".".join(labels[:count]) for count in range(min(len(labels), self._most_labels), 0, -1))

    def _known_from(self, run: str, domain: str) -> int | None:
        """Where in the run a known address begins, the longest one. Only as long as known ones are is tried: each of them once."""
        known = self._locals.get(normalize_domain(domain))
        if not known:
            return None
        if normalize(f"{run}@{domain}") in self._addresses:
            return 0
        folded = run.lower()
        if len(folded) != len(run):  # letters that become two
            folded = run
        lengths = sorted((one for one in known if one <= len(run)), reverse=True)
        starts = ((len(run) - one, one) for one in lengths)
        found = (at for at, one in starts if folded[at:] in known[one] and (at == 0 or not run[at - 1].isalnum()))
        return next(found, None)

    def _start(self, text: str, begin: int, end: int, domain: str, *, only_known: bool) -> int | None:
        run = text[begin:end]
        if (at := self._known_from(run, domain)) is not None:
            return begin + at
        if only_known:
            return None
        if f"{run}@{domain}".lower() in self._ids:
            return begin
        if run.startswith('"'):
            return begin
        if key := _KEYS.match(run):
            begin, run = begin + key.end(), run[key.end() :]
        cut = max((run.rfind(one) for one in _CUTS), default=-1)
        return begin + cut + 1 if begin + cut + 1 < end else None

    def _is_kept(self, local: str, domain: str) -> bool:
        return f"{local}@{domain}".lower() in self._ids and normalize(f"{local}@{domain}") not in self._addresses

    def _without_domains(self, text: str) -> str:
        return _NAME.sub(self._domain_named, text) if self._domains and "." in text else text

    def _domain_named(self, match: re.Match[str]) -> str:
        """The longest known domain at the end of a name, or within it."""
        labels = match[0].split(".")
        for count in range(len(labels), 1, -1):
            for begin in range(len(labels) - count + 1):
                if ".".join(labels[begin : begin + count]).lower() in self._domains:
                    rest = [*labels[:begin], self.domain(".".join(labels[begin : begin + count]))]
                    return ".".join([*rest, *labels[begin + count :]])
        return match[0]

    def _mark(self, kind: str, value: str, size: int) -> str:
        return hmac.new(self._key, f"{kind}\0{value}".encode("utf-8", "replace"), hashlib.sha256).hexdigest()[:size]


_TAG = re.compile(r"<(/?[a-zA-Z][a-zA-Z0-9]{0,20})?[^<>]*>")


def shape(text: str) -> str:
    """How long its words and lines are: letters become x, digits 0; what quotes stays (``>``)."""
    return "".join(_shape_of(char) for char in text)


def _shape_of(char: str) -> str:
    if char.isalpha():
        return "X" if char.isupper() else "x"
    return "0" if char.isnumeric() else char


def shape_of_html(html: str) -> str:
    """Elements without their attributes, texts as their shapes."""
    pieces: list[str] = []
    end = 0
    for tag in _TAG.finditer(html):
        pieces += [shape(html[end : tag.start()]), f"<{tag[1].lower()}>" if tag[1] else "<>"]
        end = tag.end()
    return "".join([*pieces, shape(html[end:])])
