"""How a message on a record looks as a mail: subject, layout, reply address.

Duty: the words around a message; `mime.composing` makes bytes of them.
Laws: pure; everything of strangers is escaped here (bodies come sanitised); a colleague gets a button to the record, an
outside person does not; Reply-To is never longer than 68 characters (O-71).
"""

from __future__ import annotations

from dataclasses import dataclass
from html import escape

from postroom.core.mime.markup import html_to_text
from postroom.core.terms.addresses import Address, format_address
from postroom.core.terms.states import MessageKind

MAX_REPLY_TO = 68  # O-71

_FRAME = (
    '<div style="font-family:-apple-system,Segoe UI,Roboto,Helvetica,Arial,sans-serif;font-size:15px;line-height:1.5;color:#1f2933">'
    "{body}{foot}</div>"
)
_FOOT = '<div style="margin-top:24px;padding-top:12px;border-top:1px solid #d9dee3;font-size:12px;color:#616e7c">{text}</div>'
_BUTTON = (
    '<div style="margin-bottom:16px"><a href="{url}" style="display:inline-block;padding:7px 14px;border-radius:6px;'
    'background:#0f6674;color:#ffffff;text-decoration:none;font-size:13px">{words}</a></div>'
)
_NOTE = '<p style="color:#8d5a00;font-size:13px">{words}</p>'


@dataclass(frozen=True, slots=True, kw_only=True)
class _Words:
    """The few words of ours around a message, in one language."""

    view: str
    note: str


_WORDS = {
    "en": _Words(view="View {label}", note="Internal note: your answer stays inside."),
    "de": _Words(view="{label} ansehen", note="Interne Notiz: Ihre Antwort bleibt im Haus."),
}


VOICES = tuple(_WORDS)


def voice_of(language: str, *, for_colleague: bool) -> str:
    """In which of our languages a reader is written to: a key that is the same for all who get the same letter. Outside people get no
    words of ours, so there is one letter for all of them."""
    known = language.partition("-")[0]
    return known if for_colleague and known in _WORDS else "en"


@dataclass(frozen=True, slots=True, kw_only=True)
class Letter:
    """What is said. ``record_url`` and ``kind_label`` belong to the record, ``""`` without one."""

    kind: MessageKind
    body_html: str  # sanitised
    record_title: str
    kind_label: str
    record_url: str
    company: str
    signature: str = ""  # sanitised


def letter_html(letter: Letter, *, for_colleague: bool, voice: str = "en") -> str:
    """The HTML body of the mail; ``voice`` as `voice_of` says."""
    words = _WORDS[voice]
    head = ""
    if for_colleague and letter.record_url:
        view = words.view.format(label=escape(letter.kind_label))
        head = _BUTTON.format(url=escape(letter.record_url, quote=True), words=view)
    if letter.kind is MessageKind.NOTE:
        head += _NOTE.format(words=words.note)
    foot = " · ".join(escape(part) for part in (letter.company, letter.record_title) if part)
    body = letter.body_html + (f"<p>-- <br>{letter.signature}</p>" if letter.signature else "")
    return _FRAME.format(body=head + body, foot=_FOOT.format(text=foot) if foot else "")


def letter_text(letter: Letter, text: str, *, for_colleague: bool, voice: str = "en") -> str:
    """The same letter as plain text, around ``text``: the body as its author wrote it."""
    words = _WORDS[voice]
    parts = []
    if for_colleague and letter.record_url:
        parts.append(f"{words.view.format(label=letter.kind_label)}: {letter.record_url}")
    if letter.kind is MessageKind.NOTE:
        parts.append(words.note)
    parts.append(text.strip("\r\n"))
    if letter.signature:
        parts.append(f"-- \n{html_to_text(letter.signature)}")
    foot = " · ".join(part for part in (letter.company, letter.record_title) if part)
    return "\n\n".join([*parts, foot] if foot else parts) + "\n"


def letter_subject(subject: str, record_title: str, *, is_answer: bool) -> str:
    """The message's own subject, else the record's title; an answer is marked once (O-24)."""
    text = " ".join((subject or record_title or "").split()) or "(no subject)"
    if is_answer and not text.lower().startswith("re:"):
        text = f"Re: {text}"
    return text[:900]


def reply_to(company: str, record: str, local: str, domain: str) -> Address:
    """``"Company Record" <local@domain>``, the name shortened or dropped until it fits 68 characters (O-71)."""
    spec = f"{local}@{domain}"
    for name in (f"{company} {record}".strip(), record, company):
        name = " ".join(name.split())
        if name and len(format_address(name, spec)) <= MAX_REPLY_TO:
            return Address(name, local, domain)
    return Address("", local, domain)
