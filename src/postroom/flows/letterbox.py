"""The Letterbox: the outside person writes, answers, is away, complains; the person's server bounces.

Each is a real mail that enters through the real SMTP door, so that what people see is what the product does.
No transaction is open while the door is spoken to. Nobody plays a colleague of the house in a mail of his own: colleagues are
believed more than strangers. Raises ValueError with the door's refusal, OSError when it is closed.
"""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from postroom.core.mime.composing import MailHeaders, OutgoingAttachment, render_body, render_headers, splice
from postroom.core.mime.markup import html_to_text, text_to_html
from postroom.core.mime.parsed import ParsedMail
from postroom.core.mime.parsing import parse
from postroom.core.reports.writing import write_delivery_report, write_feedback_report
from postroom.core.terms.addresses import Address, normalize, parse_one
from postroom.core.terms.envelopes import Envelope
from postroom.core.terms.smtp_replies import SmtpReply
from postroom.flows.access import is_house_administrator, require, visible_aliases, visible_letterbox
from postroom.flows.guard_installation import is_capturing
from postroom.flows.new_files import NewFile
from postroom.flows.ports import Ports
from postroom.store.models import Alias, AliasDomain, LetterboxMail, Member

_SAID = {
    "5.1.1": SmtpReply(550, "5.1.1", "The email account that you tried to reach does not exist."),
    "5.2.2": SmtpReply(552, "5.2.2", "The mailbox is full."),
    "5.7.1": SmtpReply(554, "5.7.1", "Message rejected by policy."),
}


def write_as_outsider(
    ports: Ports, *, person: str, to: str, subject: str, text: str, files: Sequence[NewFile] = (), member: Member | None
) -> None:
    """A person outside writes a mail of their own. ``person``: ``Carla <carla@customer.example>`` or the address alone. Raises `NotAllowed`.

    Only while mail is captured: a house whose mail leaves gets its mail from the world.
    """
    require(member, "letterbox")
    me, target = parse_one(person), parse_one(to)
    if me is None or target is None:
        raise ValueError(
            f"{(person if me is None else to).strip()[:200] or 'Nothing'} is no mail address, such as carla@customer.example."
        )
    if not is_capturing():
        raise ValueError("Mail leaves this Postroom: write from a real mail program instead.")
    if Member.objects.filter(contact__normal=me.normal).exists() or AliasDomain.objects.filter(name=me.domain).exists():
        raise ValueError(
            f"{me.spec} belongs to the house. Here write people outside; colleagues write on the record's page."
        )
    if not _may_write_to(target, member):
        raise ValueError(f"{target.spec} belongs to another company.")
    headers = MailHeaders(
        header_from=me,
        to=(target,),
        subject=" ".join(subject.split())[:500],
        message_id=f"<{ports.ids.hex(12)}@{me.domain}>",
        date=ports.clock.now(),
    )
    body = render_body(text=text, html=text_to_html(text), attachments=_outgoing(files))
    ports.submit(Envelope(mail_from=me.spec, rcpt_to=(target.spec,)), b"".join(splice(render_headers(headers), body)))


def _may_write_to(target: Address, member: Member | None) -> bool:
    """Nobody plays outsiders who write to another company."""
    name = target.local.partition("+")[0].lower()
    there = Alias.objects.filter(name=name, domain__name=target.domain.lower(), retired_at=None)
    return not there.exists() or visible_aliases(member).filter(pk__in=there).exists()


def _outgoing(files: Sequence[NewFile]) -> list[OutgoingAttachment]:
    return [OutgoingAttachment(name=one.name, content_type=one.content_type, content=one.content) for one in files]


def reply_as_recipient(
    ports: Ports, letterbox_id: int, text: str, *, files: Sequence[NewFile] = (), member: Member | None
) -> None:
    """The person answers as a mail program would: to Reply-To, with References and the quoted mail."""
    letter, mail = _open(letterbox_id, member)
    target = (mail.reply_to or mail.header_from)[:1]
    if not target:
        raise ValueError("This mail names nobody to answer.")
    author = f"{mail.author.name or mail.author.spec}" if mail.author else "somebody"
    quoted = mail.text or html_to_text(mail.html)
    plain = (
        f"{text}\n\nOn {mail.date:%d %b %Y at %H:%M}, {author} wrote:\n"
        if mail.date
        else f"{text}\n\n{author} wrote:\n"
    )
    plain += "".join(f"> {line}\n" for line in quoted.splitlines())
    html = f'{text_to_html(text)}<div class="gmail_quote">{escape(author)} wrote:<blockquote>{text_to_html(quoted)}</blockquote></div>'
    raw = _compose(ports, letter, mail, to=target[0], text=plain, html=html, files=files)
    ports.submit(Envelope(mail_from=letter.to_address, rcpt_to=(target[0].spec,)), raw)


def out_of_office(ports: Ports, letterbox_id: int, *, member: Member | None) -> None:
    """A vacation program answers the return path (RFC 3834 4), without a return path of its own."""
    letter, mail = _open(letterbox_id, member)
    to = _return_path(letter)
    text = "I am out of the office until Monday and will answer then."
    extra = (("Auto-Submitted", "auto-replied"), ("X-Auto-Response-Suppress", "All"))
    raw = _compose(ports, letter, mail, to=to, text=text, html="", prefix="Automatic reply: ", extra=extra)
    ports.submit(Envelope(mail_from="", rcpt_to=(to.spec,)), raw)


def bounce(ports: Ports, letterbox_id: int, status: str = "5.1.1", *, member: Member | None) -> None:
    """The person's server could not deliver: a delivery report to the return path. ``status``: 5.1.1, 5.2.2 or 5.7.1."""
    letter, _ = _open(letterbox_id, member)
    to = _return_path(letter)
    raw = write_delivery_report(
        original=bytes(letter.raw),
        recipient=letter.to_address,
        report_to=to.spec,
        reply=_SAID.get(status, _SAID["5.1.1"]),
        mta=_server_of(letter),
        unique=ports.ids.hex(12),
        now=ports.clock.now(),
    )
    ports.submit(Envelope(mail_from="", rcpt_to=(to.spec,)), raw)


def complain(ports: Ports, letterbox_id: int, *, member: Member | None) -> None:
    """The person calls it unwanted: his provider sends a feedback report."""
    letter, _ = _open(letterbox_id, member)
    to = _return_path(letter)
    raw = write_feedback_report(
        original=bytes(letter.raw),
        recipient=letter.to_address,
        report_to=to.spec,
        mta=_server_of(letter),
        unique=ports.ids.hex(12),
        now=ports.clock.now(),
    )
    ports.submit(Envelope(mail_from="", rcpt_to=(to.spec,)), raw)


def _open(letterbox_id: int, member: Member | None) -> tuple[LetterboxMail, ParsedMail]:
    letter = visible_letterbox(member).get(pk=letterbox_id)
    require(member, "letterbox", letter)
    _require_no_other_colleague(member, letter.to_address)
    return letter, parse(bytes(letter.raw))


def _require_no_other_colleague(member: Member | None, address: str) -> None:
    """Whoever looks after the whole house may play everybody; others themselves, and people outside."""
    normal = normalize(address)
    if is_house_administrator(member) or (member is not None and member.contact.normal == normal):
        return
    if Member.objects.filter(contact__normal=normal).exists():
        raise ValueError(f"{address} is a colleague's address: nobody answers for a colleague.")


def _return_path(letter: LetterboxMail) -> Address:
    found = parse_one(letter.return_path)
    if found is None:
        raise ValueError("This mail has a null return path: nobody may answer it automatically.")
    return found


def _server_of(letter: LetterboxMail) -> str:
    return "mx." + (normalize(letter.to_address).rpartition("@")[2] or "recipient.invalid")


def _compose(
    ports: Ports,
    letter: LetterboxMail,
    mail: ParsedMail,
    *,
    to: Address,
    text: str,
    html: str,
    prefix: str = "Re: ",
    extra: tuple[tuple[str, str], ...] = (),
    files: Sequence[NewFile] = (),
) -> bytes:
    me = next((one for one in mail.to if one.normal == normalize(letter.to_address)), None) or parse_one(
        letter.to_address
    )
    if me is None:
        raise ValueError("This mail went to no address.")
    subject = mail.subject if mail.subject.lower().startswith(prefix.strip().lower()) else f"{prefix}{mail.subject}"
    headers = MailHeaders(
        header_from=me,
        to=(to,),
        subject=subject,
        message_id=f"<{ports.ids.hex(12)}@{me.domain}>",
        date=ports.clock.now(),
        in_reply_to=(mail.message_id,) if mail.message_id else (),
        references=(*mail.references, *([mail.message_id] if mail.message_id else [])),
        extra=extra,
    )
    return b"".join(splice(render_headers(headers), render_body(text=text, html=html, attachments=_outgoing(files))))
