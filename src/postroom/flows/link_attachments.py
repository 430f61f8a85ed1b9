"""Attachments that are too large for the mail leave it, and signed links that expire stand in their place.

    too large -> the largest files chosen -> a body with links (once per mail and limit) -> fetched by whoever has the link

Laws: only files of a message that is kept can be linked: the link leads to the attachment itself, and dies with it. Composed only for
mails that need it. A GET changes nothing. What the token says is believed only when it is ours; whether it is late is said apart.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from urllib.parse import quote

from postroom.core.mime.attachments import clean_name
from postroom.core.mime.thinning import LinkedFile, choose_files, take_apart, thinned
from postroom.core.terms.parameters import Parameters
from postroom.core.terms.reasons import Reason, because
from postroom.core.tokens.links import make_link_token, read_link_token
from postroom.flows.ports import Ports
from postroom.store.models import Attachment
from postroom.store.queries.outgoing import MailFacts, files_of_message

MEGABYTE = 1_000_000
HEADERS = 4_000  # bytes kept free for the header block
MOST_BYTES = 32 * 1024 * 1024
MOST_NAMED = 3

TITLE = "Attached files, too large for this mail:"


@dataclass(frozen=True, slots=True, kw_only=True)
class Limit:
    """How large a mail may be. ``server`` is empty where the house's own default holds, which is no wall."""

    size: int  # bytes
    server: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class LighterMail:
    """The same mail with fewer files in it, and why."""

    mail: MailFacts
    reason: Reason


@dataclass(slots=True)
class LighterMails:
    """Those made lately: a mail is made lighter once for all its recipients. None is remembered, too."""

    _kept: OrderedDict[tuple[int, int], LighterMail | None] = field(default_factory=OrderedDict)
    _bytes: int = 0

    def get(self, ports: Ports, values: Parameters, mail: MailFacts, limit: Limit) -> LighterMail | None:
        """The mail within ``limit``; None when links cannot bring it there. Three queries the first time."""
        key = (mail.id, limit.size)
        if key not in self._kept:
            self._put(key, make_lighter(ports, values, mail, limit))
        return self._kept[key]

    def _put(self, key: tuple[int, int], found: LighterMail | None) -> None:
        self._kept[key] = found
        self._bytes += found.mail.size if found else 0
        while len(self._kept) > 1 and (self._bytes > MOST_BYTES or len(self._kept) > 500):
            _, gone = self._kept.popitem(last=False)
            self._bytes -= gone.mail.size if gone else 0


def limit_of(values: Parameters, server: str, max_message_size: int) -> Limit | None:
    """The server's own limit, else the house's; None: there is none."""
    if max_message_size:
        return Limit(size=max_message_size, server=server)
    default = values.number("base.default_max_email_size") * MEGABYTE
    return Limit(size=default) if default else None


def make_lighter(ports: Ports, values: Parameters, mail: MailFacts, limit: Limit) -> LighterMail | None:
    """As `LighterMails.get`, without remembering."""
    days = values.number("mail.attachment.link.days")
    if not days or mail.message_row is None:
        return None
    numbers = files_of_message(mail.message_row)
    apart = take_apart(mail.body)
    room = limit.size - HEADERS
    chosen = choose_files(apart, size=mail.size, limit=room, linkable=frozenset(numbers))
    if not chosen:
        return None
    until = _end_of_day(ports.clock.now() + timedelta(days=days))
    base = (values.text("web.base.url") or ports.configuration.public_url).rstrip("/")
    links = [
        LinkedFile(
            sha256=file.sha256,
            name=file.name,
            size=file.size,
            url=link_to(ports, base, numbers[file.sha256], file.name, until),
        )
        for file in chosen
    ]
    body = thinned(apart, links, title=TITLE, until=f"until {until:%Y-%m-%d}")
    lighter = replace(mail, body=body)
    if lighter.size > room:
        return None
    names = [link.name for link in links]
    facts = {
        "size": mail.size,
        "limit": limit.size,
        "until": f"{until:%Y-%m-%d}",
        "files": ", ".join(names[:MOST_NAMED]) + (f" (+{len(names) - MOST_NAMED})" if len(names) > MOST_NAMED else ""),
    }
    reason = (
        because("files.linked", server=limit.server, **facts)
        if limit.server
        else because("files.linked_default", **facts)
    )
    return LighterMail(mail=lighter, reason=reason)


def link_to(ports: Ports, base: str, attachment_id: int, name: str, until: datetime) -> str:
    """Where the file is to be had until then. The name is for people; the token alone counts."""
    token = make_link_token(ports.address_keys, attachment_id, until)
    return f"{base}/files/{token}/{quote(clean_name(name) or 'file', safe='')}"


def _end_of_day(moment: datetime) -> datetime:
    """The same for all workers that make the mail lighter on one day."""
    return moment.replace(hour=23, minute=59, second=59, microsecond=0)


# ---- the other end of the link


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkIsOver:
    """A genuine link that leads nowhere any more: it expired, or the file is gone."""

    has_expired: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class FileBehindLink:
    """What the link leads to."""

    name: str
    content_type: str
    content: bytes


def follow_link(ports: Ports, token: str) -> FileBehindLink | LinkIsOver | None:
    """What a link of ours leads to; None for a token that is not ours. Reads, and changes nothing."""
    read = read_link_token(ports.address_keys, token)
    if read is None:
        return None
    if read.expires_at < ports.clock.now():
        return LinkIsOver(has_expired=True)
    found = Attachment.objects.filter(pk=read.attachment_id).first()
    if found is None:
        return LinkIsOver(has_expired=False)
    try:
        content = ports.blobs.get(found.sha256)
    except KeyError:
        return LinkIsOver(has_expired=False)
    return FileBehindLink(name=found.name, content_type=found.content_type, content=content)
