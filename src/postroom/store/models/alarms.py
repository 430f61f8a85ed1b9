"""What went wrong by itself and needs a person's eyes: one open alarm for each trouble, however often it shows."""

from __future__ import annotations

from django.db import models
from django.db.models import Q


class Alarm(models.Model):
    """A trouble. It ends when what was wrong is well again, or when a person has seen enough of it."""

    company = models.ForeignKey("postroom.Company", null=True, blank=True, on_delete=models.CASCADE, related_name="+")
    code = models.CharField(max_length=40, help_text="What kind of trouble, such as mailbox.silent.")
    subject = models.CharField(max_length=320, blank=True, help_text="What it is about, such as mailbox:3.")
    reason = models.JSONField(help_text="Code and facts of the sentence.")
    link = models.CharField(max_length=200, blank=True, help_text="The page where it can be mended.")
    count = models.PositiveIntegerField(default=1, help_text="How often it showed.")
    raised_at = models.DateTimeField()
    last_at = models.DateTimeField()
    ended_at = models.DateTimeField(null=True, blank=True)
    dismissed_by = models.ForeignKey(
        "postroom.Member", null=True, blank=True, on_delete=models.SET_NULL, related_name="+"
    )

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["code", "subject"], name="alarm_open_once", condition=Q(ended_at=None)),
        ]
        indexes = [
            models.Index(fields=["ended_at"], name="alarm_ended", condition=Q(ended_at__isnull=False)),
        ]

    def __str__(self) -> str:
        return f"{self.code} {self.subject}"
