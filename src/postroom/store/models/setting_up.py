"""Setting up: tests of servers and mailboxes that somebody watches, and our registrations at those who give OAuth2 tokens."""

from __future__ import annotations

from django.db import models

from postroom.core.terms.oauth import TokenProvider
from postroom.store.models.access import Member
from postroom.store.models.choices import check_states


class Trial(models.Model):
    """A test of a server or a mailbox while it goes on: its steps as they happen. The outcome stays with what was tested."""

    member = models.ForeignKey(Member, on_delete=models.CASCADE, related_name="+")
    kind = models.CharField(max_length=8, choices=[("server", "server"), ("mailbox", "mailbox")])
    target_id = models.BigIntegerField()
    options = models.JSONField(default=dict, help_text="What the person chose: a recipient, or to leave old mail.")
    steps = models.JSONField(default=list)
    started_at = models.DateTimeField()
    finished_at = models.DateTimeField(null=True, blank=True)
    cancelled_at = models.DateTimeField(null=True, blank=True)
    trouble = models.CharField(max_length=300, blank=True, help_text="Why there is no outcome.")

    class Meta:
        ordering = ["-id"]

    def __str__(self) -> str:
        return f"{self.kind} {self.target_id}"


class OAuthClient(models.Model):
    """What a provider knows us by: made once in its console, used by every consent."""

    provider = models.CharField(max_length=10, unique=True, choices=[(one.value, one.value) for one in TokenProvider])
    client_id = models.CharField(max_length=300)
    client_secret = models.BinaryField(blank=True, default=b"", help_text="Encrypted.")
    tenant = models.CharField(max_length=100, blank=True, help_text="Of Microsoft; empty: common.")
    changed_at = models.DateTimeField()

    class Meta:
        constraints = [check_states("oauth_client_provider", "provider", TokenProvider)]

    def __str__(self) -> str:
        return self.provider
