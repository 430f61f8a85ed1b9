"""Which way mail should go of which somebody says that it does not: out, in, or all too slowly; or whether he asks about everything at once.

Duty: `read_flow` reads verb, direction and negation of a question in English or German, as "why is nothing being sent" or "es kommt nichts
mehr rein"; `asks_about_all` knows "what is wrong" and its like.
Laws: pure, linear in the words, which the caller bounds. Without a negation or a word of slowness there is no direction. Sending decides
before receiving ("don't get sent"), whose mail it is and who should have it before the verb ("customers do not get our mails").
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from enum import StrEnum

SOMEBODY = "somebody"  # stands for an address or a domain
_NEAR = 5


class Flow(StrEnum):
    """What should happen, and does not."""

    OUT = "out"
    IN = "in"
    SLOW = "slow"


def _any(pattern: str) -> re.Pattern[str]:
    return re.compile(rf"(?:{pattern})\Z")


_NOT = _any(
    r".*n't|dont|doesnt|cant|wont|isnt|arent|didnt|not|no|none|nothing|never|nobody|neither|cannot|without|stop(?:s|ped)?|unable|fails?|failed|"
    r"failing|broken|down|kein(?:e|en|er|es|em)?|nicht|nichts|nix|nie|niemals|niemand|kaputt|aufgehört|gestört|streikt"
)
_SEND = _any(
    r"sen[dt]|sends|sending|leaves?|leaving|left|departs?|outgoing|outbound|(?:ab|ver|raus)?(?:zu)?send(?:e|et|en|est)|(?:ab|ver|raus)?gesendet|"
    r"(?:ab|ver)sandt|versand|mailversand|(?:ab|ver|raus|ge|abge|rausge)*schick(?:e|t|en|st)|(?:he)?raus|hinaus|(?:he)?raus(?:ge|zu)?g.*|hinaus(?:ge|zu)?g.*|"
    r"ausgeh.*|verl[aä](?:ss|ß).*"
)
_GET = _any(
    r"receiv(?:e|es|ed|ing)|gets?|got|getting|gotten|bekomm.*|krieg(?:e|t|en|st)|kriegten?|erh[aä]lt(?:en|e|st)?|empfang(?:e|en)?|mailempfang|"
    r"empfäng(?:t|st)|fetch(?:es|ed|ing)?|abgerufen|has|have|had|hat|haben|hatte"
)
_SURE_GET = _any(
    r"receiv.*|bekomm.*|krieg.*|erh[aä]lt.*|empfang.*|empfäng(?:t|st)|mailempfang|fetch.*|abgerufen|gets?|got|getting|gotten"
)
_INTO = _any(r"rein|herein|(?:he)?rein(?:ge|zu)?komm.*|incoming|inbound|eingehend.*|inbox|posteingang|maileingang")
_ARRIVE = _any(
    r"arriv(?:e|es|ed|ing)|ankomm.*|angekommen|anzukommen|reach(?:es|ed|ing)?|deliver(?:ed|ing)?|delivery|zugestellt|zustellung"
)
_COME = _any(r"comes?|coming|came|komm(?:e|t|en)|kam(?:en)?|käme(?:n)?|gekommen")
_GO = _any(
    r"go|goes|going|gone|went|gets?|got|getting|make|makes|made|come|comes|move|moving|geht?|gehen|ging(?:en)?|gegangen"
)
_THROUGH = _any(r"through|durch|durchkomm.*")
_OTHERS = _any(
    rf"{SOMEBODY}|customers?|clients?|nobody|niemand|recipients?|people|others|they|them|he|she|kunden?|kundin(?:nen)?|empfänger(?:n|in)?|leuten?|andere[nr]?|"
    r"gegenüber|partners?|suppliers?|lieferanten?"
)
_WE = _any(r"we|i|wir|ich|us|uns|me|mir")
_OUR = _any(r"our|my|unsere?[nrms]?|meine?[nrms]?|ours|mine")
_FROM = _any(r"from|von|vom")
_MAIL = _any(
    r"e-?mails?|mails?|messages?|nachricht(?:en)?|(?:news)?letters?|post|invoices?|offers?|rechnung(?:en)?|angebote?|everything|anything|alles"
)
_NONE = _any(r"no|nothing|none|keine?|nichts|nix")
_SLOW = _any(
    r"slow(?:ly|er)?|late|sluggish|langsam(?:er)?|verspätet|verspätung|schleppend|ewig|träge|delays?|delayed|verzögerung(?:en)?"
)
_LONG = _any(r"long|longer|forever|ages|lange|länger|hours|stunden")
_TAKES = _any(r"takes?|taking|took|dauer(?:t|n|te)|braucht|brauchen|need|needs")

_ALL = re.compile(
    r"\b(?:what(?: i|')?s (?:going )?(?:wrong|broken|up|the (?:problem|matter|trouble)|going on|not working)|what(?: i|')?s the state|what goes wrong|"
    r"(?:is|are) (?:any|some)?thing(?:s)? (?:wrong|broken)|is (?:everything|all) (?:ok|okay|fine|well|alright|all right|in order)|"
    r"(?:any|are there(?: any)?) (?:problems|troubles?|errors)|(?:e-?mail|mails?|postroom|it|everything|nothing) (?:does not|doesn't|do not|don't|is not|isn't) work(?:ing)?|"
    r"(?:e-?mail|mail|postroom|it|everything) is (?:broken|down)|is (?:e-?mail|mail|postroom) (?:broken|down)|nothing works|how are (?:we|you|things)|how is (?:it|postroom|everything|the house)|"
    r"was ist (?:denn |hier |heute |da |eigentlich )*(?:los|kaputt|falsch|passiert|das problem)|was (?:stimmt|geht|funktioniert|klappt) (?:hier |da |denn )*nicht|"
    r"was läuft (?:hier |da |denn )*(?:falsch|schief)|was fehlt|wo (?:ist|liegt) (?:das problem|der fehler)|wo klemmt|ist alles (?:ok|okay|gut|in ordnung)|"
    r"gibt es (?:probleme|fehler|störungen)|(?:e-?mail|mails?|postroom|nichts|es) (?:geht|gehen|funktioniert|funktionieren) (?:nicht|nichts|mehr)$|"
    r"nichts (?:geht|funktioniert)|wie geht es|alles kaputt)\b"
)  # fmt: skip


def asks_about_all(words: Sequence[str]) -> bool:
    """``words`` in lower case."""
    return _ALL.search(" ".join(words).replace("whats", "what's")) is not None


def read_flow(words: Sequence[str]) -> Flow | None:
    """``words`` in lower case, addresses and domains as `SOMEBODY`."""
    if _is_slow(words):
        return Flow.SLOW
    if not _has(words, _NOT):
        return None
    return next((way(words) for speaks, way in _WAYS if speaks(words)), None)


def _has(words: Sequence[str], *patterns: re.Pattern[str]) -> bool:
    return any(pattern.match(word) for word in words for pattern in patterns)


def _after(words: Sequence[str], first: re.Pattern[str], *wanted: str) -> bool:
    """One of ``wanted`` stands near behind such a word."""
    near = (words[place + 1 : place + 1 + _NEAR] for place, word in enumerate(words) if first.match(word))
    return any(word in wanted for some in near for word in some)


def _is_slow(words: Sequence[str]) -> bool:
    takes_long = _has(words, _TAKES) and _has(words, _LONG)
    return takes_long or _has(words, _SLOW)


def _goes_out(words: Sequence[str]) -> bool:
    return _after(words, _GO, "out", "off", "away", "weg")


def _comes_in(words: Sequence[str]) -> bool:
    return _after(words, _COME, "in", "inside") and not _comes_on(words)


def _comes_on(words: Sequence[str]) -> bool:
    """The German verb of two parts: "kommen bei Kunden nicht an"."""
    return _after(words, _COME, "an")


def _from_us(words: Sequence[str]) -> bool:
    return any(_FROM.match(word) and words[place + 1] in ("us", "uns", "me", "mir") for place, word in enumerate(words[:-1])) or (
        _is_ours(words) and _has(words, _OTHERS)
    )  # fmt: skip


def _is_ours(words: Sequence[str]) -> bool:
    """Mail that we wrote."""
    return any(_OUR.match(word) and _MAIL.match(words[place + 1]) for place, word in enumerate(words[:-1]))


def _others_get(words: Sequence[str]) -> bool:
    """Who should have it is somebody else: named before the verb, or as its owner, and not as the one from whom it comes."""
    for place, word in enumerate(words):
        if _OTHERS.match(word):
            before = words[max(0, place - 2) : place]
            if not _has(before, _FROM) and not _has(words[:place], _WE):
                return True
    return _is_ours(words) and not _has(words, _WE)


def _of_arriving(words: Sequence[str]) -> Flow:
    """What does not arrive was sent by us, unless it says: here, to us, from them, or that none at all comes."""
    here = any(word in ("here", "hier") for word in words)
    at_us = any(word in ("us", "uns", "me", "mir") for word in words)
    if here or at_us:
        return Flow.IN
    if any(_FROM.match(word) for word in words[:-1]):
        return Flow.IN
    to_others = _has(words, _OTHERS) or any(word in ("to", "the", "bei", "die", "der") for word in words)
    is_nothing = _has(words, _NONE) and not _has(words, _OUR)
    return Flow.IN if is_nothing and not to_others else Flow.OUT


def _of_leaving(words: Sequence[str]) -> Flow:
    """Others who cannot send to us are our receiving."""
    to_us = any(word in ("us", "uns", "me", "mir") for word in words) and _has(words, _OTHERS) and not _from_us(words)
    return Flow.IN if to_us else Flow.OUT


def _of_getting(words: Sequence[str]) -> Flow:
    return Flow.OUT if _others_get(words) else Flow.IN


def _out(_: Sequence[str]) -> Flow:
    return Flow.OUT


_WAYS: tuple[tuple[Callable[[Sequence[str]], bool], Callable[[Sequence[str]], Flow]], ...] = (
    (lambda words: _has(words, _SEND) or _goes_out(words), _of_leaving),
    (lambda words: _from_us(words) and _has(words, _GET, _ARRIVE, _COME), _out),
    (lambda words: _has(words, _INTO) or _comes_in(words), _of_getting),
    (lambda words: _has(words, _THROUGH), _out),
    (lambda words: _has(words, _SURE_GET) and _has(words, _MAIL, _NONE, _WE), _of_getting),
    (lambda words: _has(words, _ARRIVE) or _comes_on(words), _of_arriving),
)
