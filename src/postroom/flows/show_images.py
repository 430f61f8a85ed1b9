"""Remote pictures of mails: not fetched until a reader asks, then fetched by us, so that the sender learns neither who reads nor where.

Laws: a reader asks for one message, or for all of a sender, for himself alone; "always" counts only where it is proven who wrote. The way
to a picture is signed for a message and an address: this is no door to the rest of the network, nor for those who may not read the message.
"""

from __future__ import annotations

from postroom.core.routing.authenticity import Proof, authenticity_from_json
from postroom.core.terms.addresses import normalize
from postroom.core.terms.pictures import NoPicture, Picture
from postroom.flows.access import visible_messages
from postroom.flows.ports import Ports
from postroom.flows.settings import parameters
from postroom.store.models import Member, Message, TrustedPictures


def shows_always(message_id: int, *, member: Member) -> bool:
    """Whether the reader sees the pictures of this message's author without asking. Two queries at most."""
    message = Message.objects.filter(pk=message_id).select_related("author__member", "inbound", "body").first()
    if message is None or not _is_proven(message):
        return False
    address = _address_of(message)
    return bool(address) and TrustedPictures.objects.filter(member=member, address=address).exists()


def show_always(ports: Ports, *, message_id: int, member: Member) -> str:  # noqa: ARG001 (every flow takes ports)
    """From now on: the address whose pictures are shown; ``""`` where nobody knows who wrote. Raises Message.DoesNotExist."""
    message = visible_messages(member).select_related("author__member", "inbound", "body").get(pk=message_id)
    address = _address_of(message)
    if not address or not _is_proven(message):
        return ""
    TrustedPictures.objects.get_or_create(member=member, address=address)
    return address


def ask_again(ports: Ports, *, message_id: int, member: Member) -> str:  # noqa: ARG001 (every flow takes ports)
    """No more. Raises Message.DoesNotExist."""
    message = visible_messages(member).select_related("author").get(pk=message_id)
    address = _address_of(message)
    TrustedPictures.objects.filter(member=member, address=address).delete()
    return address


def _address_of(message: Message) -> str:
    return normalize(message.author_address) or (message.author.normal if message.author else "")


def _is_proven(message: Message) -> bool:
    """What a member posted is; of what came in it must have been found (that nothing speaks against it is no proof), and be still
    on record."""
    if message.is_unverified:
        return False
    if message.inbound is None:
        return hasattr(message.author, "member") and not message.body.addressed
    return authenticity_from_json(message.inbound.authentication).proof is Proof.PROVEN


def fetch_image(ports: Ports, *, message_id: int, url: str, member: Member) -> Picture | NoPicture:
    """The picture. ``url`` stood in the message: the caller has proof of it. Raises Message.DoesNotExist. It waits for the network."""
    if not visible_messages(member).filter(pk=message_id).exists():
        raise Message.DoesNotExist
    return ports.pictures.fetch(url, allowed=parameters(ports).words("mail.images.private_networks"))
