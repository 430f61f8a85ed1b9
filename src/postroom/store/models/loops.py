"""The loop breaker's memory: what it holds, and what a person permitted."""

from __future__ import annotations

from django.db import models
from django.db.models import Q


class LoopHold(models.Model):
    """A mail that a breaker holds for a target (``alias:3``); open until a person released it or let it be."""

    inbound = models.ForeignKey("postroom.InboundMessage", on_delete=models.CASCADE, related_name="loop_holds")
    company = models.ForeignKey("postroom.Company", null=True, on_delete=models.CASCADE, related_name="+")
    subject = models.CharField(max_length=80, help_text="The target: alias:3, record:7, kind:ticket, refusal:policy.")
    author = models.CharField(max_length=320, blank=True, help_text="Whom it holds; empty: everybody.")
    sender = models.CharField(max_length=320, blank=True, help_text="Who wrote it, without sub-address.")
    reason = models.JSONField(help_text="Code and facts of the sentence.")
    held_at = models.DateTimeField()
    ended_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["inbound", "subject"], name="loop_hold_open_once", condition=Q(ended_at=None)
            ),
        ]
        indexes = [
            models.Index(fields=["subject", "author", "id"], name="loop_hold_open", condition=Q(ended_at=None)),
            models.Index(fields=["ended_at"], name="loop_hold_ended", condition=Q(ended_at__isnull=False)),
        ]

    def __str__(self) -> str:
        return f"{self.subject} holds {self.inbound_id}"


class LoopPermit(models.Model):
    """A person said that this is no loop: the breaker lets it pass until then."""

    subject = models.CharField(max_length=80)
    author = models.CharField(max_length=320, blank=True, help_text="Empty: the cap that counts everybody.")
    until = models.DateTimeField()
    member = models.ForeignKey("postroom.Member", null=True, blank=True, on_delete=models.SET_NULL, related_name="+")

    class Meta:
        constraints = [models.UniqueConstraint(fields=["subject", "author"], name="loop_permit_once")]

    def __str__(self) -> str:
        return f"{self.author or 'everybody'} to {self.subject} until {self.until}"
