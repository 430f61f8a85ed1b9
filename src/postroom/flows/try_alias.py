"""An alias is tried with a real mail: from the member's own address through our own SMTP door, as a stranger's server would.

Laws: it goes the way of all mail (door, proof of the sender, router, defaults), so what becomes of it is what becomes of others; a record is made
of it if all is well, and the alias is *valid* then. No transaction is open while the door is spoken to.
"""

from __future__ import annotations

from dataclasses import dataclass
from html import escape

from postroom.core.mime.composing import MailHeaders, render_body, render_headers, splice
from postroom.core.terms.addresses import parse_one
from postroom.core.terms.envelopes import Envelope
from postroom.flows.access import company_ids, require, visible_records
from postroom.flows.ports import Ports
from postroom.store.models import Alias, InboundMessage, Member, MessageIdentifier


@dataclass(frozen=True, slots=True, kw_only=True)
class TriedAlias:
    """What became of the mail: ``state`` is that of inbound mail, empty before it is there. ``record_id``: what it became."""

    state: str
    inbound_id: int | None = None
    record_id: int | None = None

    @property
    def is_over(self) -> bool:
        return self.state not in ("", "received")


def try_alias(ports: Ports, alias_id: int, *, member: Member) -> str:
    """Send the mail; returns what `tried_alias` asks for. Raises `NotAllowed`, Alias.DoesNotExist, ValueError with the door's refusal, OSError
    when it is closed."""
    require(member, "settings")
    alias = Alias.objects.select_related("domain").get(pk=alias_id)
    require(member, "settings", alias)
    sender, target = parse_one(member.contact.address), parse_one(str(alias))
    if sender is None or target is None:
        raise ValueError("Your own address is no mail address: an administrator can change it.")
    unique = ports.ids.hex(12)
    headers = MailHeaders(
        header_from=sender,
        to=(target,),
        subject=f"Test of {alias}"[:200],
        message_id=_message_id(unique, member),
        date=ports.clock.now(),
    )
    text = f"{member.contact.name} tries whether mail to {alias} arrives. It does, if you read this."
    raw = b"".join(splice(render_headers(headers), render_body(text=text, html=f"<p>{escape(text)}</p>")))
    ports.submit(Envelope(mail_from=sender.spec, rcpt_to=(target.spec,)), raw)
    return unique


def tried_alias(ports: Ports, alias_id: int, unique: str, *, member: Member) -> TriedAlias:  # noqa: ARG001 (every flow takes ports)
    """How far it came. Four queries at most. Raises `NotAllowed`, and Alias.DoesNotExist for one of a company that is not the member's."""
    require(member, "settings")
    Alias.objects.only("pk").get(pk=alias_id, company_id__in=company_ids(member))
    if not unique.isalnum():
        return TriedAlias(state="")
    header_id = _message_id(unique, member)
    inbound = InboundMessage.objects.filter(message_id=header_id).order_by("-id").values("pk", "state").first()
    if inbound is None:
        return TriedAlias(state="")
    found = MessageIdentifier.objects.filter(identifier=header_id, message__record__in=visible_records(member))
    record_id = found.values_list("message__record_id", flat=True).first()
    return TriedAlias(state=inbound["state"], inbound_id=inbound["pk"], record_id=record_id)


def _message_id(unique: str, member: Member) -> str:
    """Not one of our own: a mail of ours that comes back to us is no news."""
    domain = member.contact.address.rpartition("@")[2].strip().lower() or "localhost"
    return f"<{unique}.alias-test@{domain}>"
