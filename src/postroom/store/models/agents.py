"""What agents propose to change, until a person decides. Laws: arguments never change after the row is made; one decision ends it."""

from __future__ import annotations

from django.conf import settings
from django.db import models

from postroom.core.terms.states import ProposalState
from postroom.store.models.access import ApiKey, Company, Member
from postroom.store.models.choices import check_states


class AgentProposal(models.Model):
    """One change with exactly these arguments."""

    member = models.ForeignKey(
        Member, on_delete=models.CASCADE, related_name="+", help_text="For whom the agent works."
    )
    key = models.ForeignKey(
        ApiKey, null=True, on_delete=models.SET_NULL, related_name="+", help_text="None: it was removed."
    )
    key_name = models.CharField(max_length=100, blank=True)
    company = models.ForeignKey(
        Company,
        null=True,
        on_delete=models.CASCADE,
        related_name="+",
        help_text="Whose thing it is; none: the house's.",
    )
    action = models.CharField(max_length=20)
    arguments = models.JSONField()
    fingerprint = models.CharField(max_length=64, help_text="SHA-256 of action and arguments, in hex.")
    subject = models.CharField(max_length=300, help_text="What it is done to, as it was called then.")
    why = models.CharField(max_length=500, blank=True, help_text="In the agent's words.")
    state = models.CharField(max_length=10, default=ProposalState.WAITING)
    made_at = models.DateTimeField()
    expires_at = models.DateTimeField()
    decided_at = models.DateTimeField(null=True, blank=True)
    decided_by = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+")
    outcome = models.CharField(max_length=500, blank=True)

    class Meta:
        ordering = ["-id"]
        constraints = [
            check_states("proposal_state", "state", ProposalState),
            models.UniqueConstraint(
                fields=["member", "fingerprint"],
                name="proposal_once",
                condition=models.Q(state="waiting"),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.action} {self.subject}"
