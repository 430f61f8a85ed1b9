"""What people plan on records, what they keep in sight, and from whom they want to see pictures."""

from __future__ import annotations

from django.db import models
from django.db.models import Q
from django.db.models.functions import Now

from postroom.core.terms.states import ActivityKind, ActivityState
from postroom.store.models.choices import check_states


class Activity(models.Model):
    """Something to be done on a record by a person until a day. What is over stays, with what came of it."""

    company = models.ForeignKey("postroom.Company", on_delete=models.CASCADE, related_name="+", db_index=False)
    record = models.ForeignKey("postroom.Record", on_delete=models.CASCADE, related_name="activities")
    kind = models.CharField(max_length=10, default=ActivityKind.TO_DO)
    summary = models.CharField(max_length=200)
    note = models.TextField(blank=True, help_text="Plain text.")
    due_on = models.DateField(help_text="A day in the life of whoever does it.")
    assignee = models.ForeignKey("postroom.Member", on_delete=models.PROTECT, related_name="activities", db_index=False)
    planned_by = models.ForeignKey("postroom.Member", null=True, on_delete=models.SET_NULL, related_name="+")
    planned_at = models.DateTimeField()
    state = models.CharField(max_length=10, default=ActivityState.PLANNED)
    finished_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        indexes = [
            models.Index(
                fields=["assignee", "due_on", "id"], name="activity_mine", condition=Q(state=ActivityState.PLANNED)
            ),
        ]
        constraints = [
            check_states("activity_kind", "kind", ActivityKind),
            check_states("activity_state", "state", ActivityState),
        ]

    def __str__(self) -> str:
        return self.summary


class Star(models.Model):
    """A member keeps a message in sight."""

    member = models.ForeignKey("postroom.Member", on_delete=models.CASCADE, related_name="stars", db_index=False)
    message = models.ForeignKey("postroom.Message", on_delete=models.CASCADE, related_name="stars")
    starred_at = models.DateTimeField(db_default=Now())

    class Meta:
        constraints = [models.UniqueConstraint(fields=["member", "message"], name="star_once")]

    def __str__(self) -> str:
        return f"{self.member_id} keeps {self.message_id} in sight"


class TrustedPictures(models.Model):
    """A member sees the remote pictures of this sender without asking. ``address`` is normalised."""

    member = models.ForeignKey("postroom.Member", on_delete=models.CASCADE, related_name="+", db_index=False)
    address = models.CharField(max_length=320)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["member", "address"], name="trusted_pictures_once")]

    def __str__(self) -> str:
        return f"{self.member_id} sees pictures of {self.address}"
