"""Scheduled actions with their history, and the identity of this installation (staging lock)."""

from __future__ import annotations

from django.db import models
from django.db.models import Q


class ScheduledAction(models.Model):
    """Something that happens again and again: interval, next run, last result."""

    key = models.SlugField(primary_key=True, max_length=40)
    name = models.CharField(max_length=100)
    interval_seconds = models.PositiveIntegerField()
    is_active = models.BooleanField(default=True)
    next_run_at = models.DateTimeField()
    running_since = models.DateTimeField(null=True, blank=True)
    last_run_at = models.DateTimeField(null=True, blank=True)
    last_result = models.TextField(blank=True)
    failure_count = models.PositiveIntegerField(default=0)

    class Meta:
        ordering = ["name"]
        indexes = [models.Index(fields=["next_run_at"], name="scheduled_action_due", condition=Q(is_active=True))]

    def __str__(self) -> str:
        return self.name


class ScheduledRun(models.Model):
    """One run of a scheduled action."""

    action = models.ForeignKey(ScheduledAction, on_delete=models.CASCADE, related_name="runs")
    started_at = models.DateTimeField()
    finished_at = models.DateTimeField(null=True, blank=True)
    is_failed = models.BooleanField(default=False)
    result = models.TextField(blank=True)

    class Meta:
        indexes = [models.Index(fields=["action", "-id"], name="scheduled_run_history")]

    def __str__(self) -> str:
        return f"{self.action_id} {self.started_at:%Y-%m-%d %H:%M}"


class Installation(models.Model):
    """The one row that says where this database lives. Elsewhere, sending and fetching are locked (wish 19)."""

    identity = models.CharField(max_length=200, help_text="Host and data directory that were confirmed.")
    is_capturing = models.BooleanField(default=False, help_text="All outgoing mail goes to the Letterbox.")
    found_elsewhere = models.CharField(
        max_length=200,
        blank=True,
        help_text="Where this database was found running without being confirmed: a copy, locked.",
    )
    confirmed_at = models.DateTimeField()
    guide_closed_at = models.DateTimeField(
        null=True, blank=True, help_text="An administrator wants the first steps shown no longer."
    )

    def __str__(self) -> str:
        return self.identity
