"""The watch: what the doctor found over time, each look, facts of the outside with their first and last day, and what programs are told."""

from __future__ import annotations

from django.db import models
from django.db.models import Q


class WatchedFinding(models.Model):
    """A finding, from the look that saw it first until one that did not see it any more (``ended_at``)."""

    key = models.CharField(max_length=400, help_text="What makes two findings the same trouble.")
    code = models.CharField(max_length=40)
    severity = models.CharField(max_length=16)
    subject = models.CharField(max_length=320)
    detail = models.CharField(max_length=300, blank=True)
    cause = models.JSONField()
    cure = models.JSONField()
    who = models.CharField(max_length=20)
    evidence = models.JSONField(default=list)
    is_cause = models.BooleanField(default=True, help_text="It follows from nothing else.")
    is_back = models.BooleanField(default=False, help_text="It had ended less than a day before.")
    seen_count = models.PositiveIntegerField(default=1)
    first_seen_at = models.DateTimeField()
    last_seen_at = models.DateTimeField()
    alarmed_at = models.DateTimeField(null=True, blank=True)
    mailed_at = models.DateTimeField(null=True, blank=True)
    ended_at = models.DateTimeField(null=True, blank=True)
    end_mailed_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["first_seen_at", "id"]
        constraints = [
            models.UniqueConstraint(fields=["key"], condition=Q(ended_at=None), name="watched_finding_open_once"),
        ]
        indexes = [models.Index(fields=["ended_at"], name="watched_finding_ended", condition=Q(ended_at__isnull=False))]

    def __str__(self) -> str:
        return self.key


class WatchRun(models.Model):
    """One look, and what changed with it."""

    ran_at = models.DateTimeField()
    seconds = models.FloatField(default=0.0)
    errors = models.PositiveIntegerField(default=0)
    warnings = models.PositiveIntegerField(default=0)
    appeared = models.JSONField(default=list, help_text="Keys.")
    gone = models.JSONField(default=list, help_text="Keys, subjects and sentences of what is over.")

    class Meta:
        ordering = ["-id"]
        indexes = [models.Index(fields=["-ran_at"], name="watch_run_newest")]

    def __str__(self) -> str:
        return f"{self.ran_at:%Y-%m-%d %H:%M}"


class ObservedFact(models.Model):
    """Something outside as it was from the first to the last look that saw it so: a certificate, a record, a greeting, our version."""

    subject = models.CharField(max_length=320, help_text="As findings name it, such as: domain example.com.")
    name = models.CharField(max_length=40)
    value = models.CharField(max_length=1000)
    first_seen_at = models.DateTimeField()
    last_seen_at = models.DateTimeField()

    class Meta:
        ordering = ["-first_seen_at", "-id"]
        indexes = [models.Index(fields=["subject", "name", "-id"], name="observed_fact_newest")]

    def __str__(self) -> str:
        return f"{self.subject} {self.name}"


class WatchHook(models.Model):
    """The one address that programs of the house listen at. ``mailed_at``: when the last digest left."""

    url = models.CharField(max_length=500, blank=True)
    secret = models.BinaryField(blank=True, default=b"", help_text="It signs what is posted; encrypted.")
    mailed_at = models.DateTimeField(null=True, blank=True)

    def __str__(self) -> str:
        return self.url


class WatchPost(models.Model):
    """Something that is told at the address, until it was taken or tried often enough."""

    body = models.BinaryField()
    created_at = models.DateTimeField()
    attempts = models.PositiveSmallIntegerField(default=0)
    due_at = models.DateTimeField()
    done_at = models.DateTimeField(null=True, blank=True, help_text="Taken, or given up.")
    is_taken = models.BooleanField(default=False)
    said = models.CharField(max_length=300, blank=True, help_text="What came back last.")

    class Meta:
        ordering = ["-id"]
        indexes = [models.Index(fields=["due_at"], name="watch_post_due", condition=Q(done_at=None))]

    def __str__(self) -> str:
        return f"{self.pk} {self.said}"
