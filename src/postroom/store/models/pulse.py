"""How much mail moved, how old the queue was, and what people changed in bulk.

Counts are appended beside what they count, in its own statement and transaction, and folded into hours now and then: nobody waits
for a shared row, and no page counts deliveries.
"""

from __future__ import annotations

from django.contrib.postgres.fields import ArrayField
from django.db import models

from postroom.core.terms.traffic import Traffic

NOBODYS = 0  # the number of the company, where none is known


class TrafficTally(models.Model):
    """What one batch counted; folded into `TrafficHour` within minutes. Written by raw SQL."""

    company_number = models.BigIntegerField(db_default=NOBODYS)
    hour = models.DateTimeField(help_text="When the hour began, UTC.")
    what = models.CharField(max_length=10, choices=[(one.value, one.value) for one in Traffic])
    count = models.PositiveIntegerField()

    def __str__(self) -> str:
        return f"{self.hour:%Y-%m-%d %H} {self.what}: {self.count}"


class TrafficHour(models.Model):
    """How much of this happened to a company in an hour, as far as it is folded."""

    company_number = models.BigIntegerField(db_default=NOBODYS)
    hour = models.DateTimeField()
    what = models.CharField(max_length=10, choices=[(one.value, one.value) for one in Traffic])
    count = models.PositiveBigIntegerField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["hour", "company_number", "what"], name="traffic_hour_once")]

    def __str__(self) -> str:
        return f"{self.hour:%Y-%m-%d %H} {self.what}: {self.count}"


class QueueSample(models.Model):
    """How late the queue was at a moment: of one company, or (``company_number`` 0) of the house. No row of a company: nothing was late."""

    company_number = models.BigIntegerField(db_default=NOBODYS)
    taken_at = models.DateTimeField()
    age_seconds = models.PositiveIntegerField(
        help_text="For how long the delivery that is due and waits longest was due."
    )

    class Meta:
        indexes = [models.Index(fields=["company_number", "taken_at"], name="queue_sample_place")]

    def __str__(self) -> str:
        return f"{self.taken_at:%Y-%m-%d %H:%M}: {self.age_seconds} s"


class QueueChange(models.Model):
    """Retry, Send Now or Cancel for many deliveries, as a person asked for it: what is meant, and how far it is."""

    member = models.ForeignKey("postroom.Member", on_delete=models.CASCADE, related_name="+")
    action = models.CharField(max_length=10)
    wanted = models.JSONField(
        null=True, blank=True, help_text="The filter; empty: these deliveries were chosen one by one."
    )
    newest = models.BigIntegerField(default=0, help_text="What was made after the click is not meant.")
    ids = ArrayField(
        models.BigIntegerField(), null=True, blank=True, help_text="Which they are; empty: not looked up yet."
    )
    total = models.PositiveIntegerField(default=0)
    seen = models.PositiveIntegerField(default=0, help_text="How many of them were looked at: the work goes on here.")
    done = models.PositiveIntegerField(default=0)
    refused = models.JSONField(default=list, help_text="[[reason, how many], …] of those that stay as they are.")
    trouble = models.CharField(max_length=300, blank=True)
    undoes = models.ForeignKey(
        "self", null=True, blank=True, on_delete=models.SET_NULL, related_name="undone_by", db_constraint=False
    )
    asked_at = models.DateTimeField()
    finished_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        indexes = [models.Index(fields=["asked_at"], name="queue_change_age")]

    def __str__(self) -> str:
        return f"{self.action}: {self.seen} of {self.total}"
