"""Addresses that do not receive well: what came back from each, and which of them campaigns leave out.

An address belongs to a company: what one company's mail met is not told to another one. A row of `AddressHealth` is the anchor (and the
lock) for what is known of an address; one is made when the first thing comes back, or when a person puts the address on the list.
"""

from __future__ import annotations

from django.conf import settings
from django.contrib.postgres.indexes import GinIndex
from django.db import models
from django.db.models import Q

from postroom.core.terms.states import EvidenceKind, EvidenceSource, SuppressionCause
from postroom.store.models.choices import check_states
from postroom.store.models.words import Words


class AddressHealth(models.Model):
    """An address of a company's: normalised (see `core.terms.addresses.normalize`), with counters since the last sign of life."""

    company = models.ForeignKey("postroom.Company", on_delete=models.CASCADE, related_name="+", db_index=False)
    address = models.CharField(max_length=320)
    domain = models.CharField(max_length=255)
    bounce_count = models.PositiveIntegerField(default=0, help_text="Since the last sign of life.")
    first_bounced_at = models.DateTimeField(null=True, help_text="Of those that are counted.")
    last_bounced_at = models.DateTimeField(null=True)
    last_status = models.CharField(max_length=12, blank=True, default="")
    last_reply = models.TextField(blank=True, default="")
    last_blame = models.CharField(max_length=10, blank=True, default="")
    complaint_count = models.PositiveIntegerField(default=0)
    last_complained_at = models.DateTimeField(null=True)
    alive_at = models.DateTimeField(null=True, help_text="The last sign of life since it bounced.")
    alive_by = models.CharField(
        max_length=10, blank=True, default="", help_text="mail: it wrote to us; delivered: a report said so."
    )

    class Meta:
        verbose_name_plural = "healths of addresses"
        constraints = [models.UniqueConstraint(fields=["company", "address"], name="address_health_once")]
        indexes = [
            models.Index(fields=["address"], name="address_bouncing", condition=Q(bounce_count__gt=0)),
            models.Index(
                fields=["company", "-last_bounced_at", "-id"],
                name="address_bouncing_list",
                condition=Q(bounce_count__gt=0),
            ),
            models.Index(
                fields=["company", "-last_complained_at", "-id"],
                name="address_complaints",
                condition=Q(complaint_count__gt=0),
            ),
            GinIndex(Words("address"), name="address_health_words"),
        ]

    def __str__(self) -> str:
        return self.address


class BounceEvent(models.Model):
    """One thing that came back from an address, proven to speak of a delivery of ours. Each delivery's attempt counts once."""

    health = models.ForeignKey(AddressHealth, on_delete=models.CASCADE, related_name="events", db_index=False)
    company = models.ForeignKey(
        "postroom.Company", on_delete=models.CASCADE, related_name="+", db_constraint=False, db_index=False
    )
    kind = models.CharField(max_length=10)
    source = models.CharField(max_length=10)
    delivery = models.ForeignKey(
        "postroom.Delivery",
        on_delete=models.DO_NOTHING,
        related_name="+",
        db_constraint=False,
        db_index=False,
        help_text="The number stays when retention took the delivery.",
    )
    attempt = models.PositiveSmallIntegerField(default=0)
    inbound = models.ForeignKey(
        "postroom.InboundMessage",
        null=True,
        on_delete=models.DO_NOTHING,
        related_name="+",
        db_constraint=False,
        db_index=False,
        help_text="The report that said so.",
    )
    status = models.CharField(max_length=12, blank=True)
    reply = models.TextField(blank=True)
    blame = models.CharField(max_length=10, blank=True)
    fault = models.CharField(max_length=10, blank=True, help_text="The blame, with full mailboxes apart.")
    is_proof = models.BooleanField(default=False, help_text="That the address does not exist.")
    happened_at = models.DateTimeField()
    recorded_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["delivery", "attempt", "kind"], name="bounce_event_once"),
            check_states("bounce_event_kind", "kind", EvidenceKind),
            check_states("bounce_event_source", "source", EvidenceSource),
        ]
        indexes = [
            models.Index(fields=["health", "-happened_at", "-id"], name="bounce_event_of_address"),
            models.Index(fields=["company", "-happened_at"], name="bounce_event_recent", include=["health", "kind"]),
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.status} {self.reply}"


class Suppression(models.Model):
    """An address that campaigns leave out, from then until it is released; its former times are kept."""

    health = models.ForeignKey(AddressHealth, on_delete=models.CASCADE, related_name="suppressions", db_index=False)
    company = models.ForeignKey(
        "postroom.Company", on_delete=models.CASCADE, related_name="+", db_constraint=False, db_index=False
    )
    cause = models.CharField(max_length=10)
    reasons = models.JSONField(default=list)
    since = models.DateTimeField()
    expires_at = models.DateTimeField(null=True, help_text="It is over then; empty: never by itself.")
    user = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+")
    who = models.CharField(max_length=200, blank=True, help_text="Their name then; empty: the rule.")
    released_at = models.DateTimeField(null=True)
    released_by = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+")
    released_who = models.CharField(max_length=200, blank=True, default="")
    released_why = models.CharField(max_length=500, blank=True, default="")

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["health"], name="suppression_open_once", condition=Q(released_at=None)),
            check_states("suppression_cause", "cause", SuppressionCause),
        ]
        indexes = [
            models.Index(fields=["company", "-id"], name="suppression_open", condition=Q(released_at=None)),
            models.Index(
                fields=["company", "-released_at", "-id"],
                name="suppression_released",
                condition=Q(released_at__isnull=False),
            ),
            models.Index(fields=["health", "-id"], name="suppression_of_address"),
            models.Index(
                fields=["expires_at"],
                name="suppression_expiring",
                condition=Q(released_at=None, expires_at__isnull=False),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.health_id}: {self.cause}"
