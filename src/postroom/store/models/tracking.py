"""What providers tell us after they took a mail: where they tell it, and what they told of each delivery."""

from __future__ import annotations

from django.db import models

from postroom.core.delivery.tracking import EventKind
from postroom.store.models.choices import check_states
from postroom.store.models.outgoing import Delivery, OutgoingServer


class ProviderHook(models.Model):
    """The secret address at which a provider's events for one server come in."""

    server = models.OneToOneField(OutgoingServer, on_delete=models.CASCADE, related_name="hook")
    token_digest = models.CharField(max_length=64, unique=True, help_text="SHA-256 of the address's secret part, hex.")
    token = models.BinaryField(help_text="The secret part itself, encrypted: an administrator may see it again.")
    signing_secret = models.BinaryField(blank=True, default=b"", help_text="What signs the events, encrypted.")
    changed_at = models.DateTimeField(help_text="When the address was made.")
    last_event_at = models.DateTimeField(null=True, blank=True, help_text="To the minute.")
    last_trouble = models.CharField(max_length=200, blank=True, help_text="Why the last request was not believed.")

    def __str__(self) -> str:
        return f"events of server {self.server_id}"


class DeliveryEvent(models.Model):
    """One thing that a provider told of a delivery, once. Deliveries and acceptances are not rows: they are its state."""

    delivery = models.ForeignKey(Delivery, on_delete=models.CASCADE, related_name="events", db_index=False)
    kind = models.CharField(max_length=12)
    event_id = models.CharField(max_length=200, help_text="The provider's, or a digest of what it told.")
    told_at = models.DateTimeField(help_text="When it happened, by the provider's clock.")
    recorded_at = models.DateTimeField()
    status = models.CharField(max_length=12, blank=True)
    text = models.TextField(blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["delivery", "kind", "event_id"], name="delivery_event_once"),
            check_states("delivery_event_kind", "kind", EventKind),
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.text}"
