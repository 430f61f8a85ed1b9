"""Automation rules, what they have still to do, and what they remember.

A rule is a setting; what is counted about it stands beside it, so that saving the one never writes over the other. What fired waits as a
row with a date: the row is the job. No constraint ties it to its record or rule, so that noting it locks neither.
"""

from __future__ import annotations

from django.db import models
from django.db.models import Q

from postroom.core.terms.automation import Responsible, Side, Trigger, Via
from postroom.store.models.choices import check_states


class AutomationRule(models.Model):
    """When this happens to a record of the company, and it is such a one, then that is done. Empty conditions hold always."""

    company = models.ForeignKey("postroom.Company", on_delete=models.CASCADE, related_name="+", db_index=False)
    name = models.CharField(max_length=100)
    is_active = models.BooleanField(default=True)
    trigger = models.CharField(max_length=12)
    kind = models.ForeignKey("postroom.RecordKind", null=True, blank=True, on_delete=models.CASCADE, related_name="+")
    via = models.CharField(max_length=8, blank=True, help_text="Of a new record: how it was made.")
    stage = models.CharField(max_length=80, blank=True, help_text="The one it is put into, else the one it stands in.")
    alias = models.ForeignKey(
        "postroom.Alias", null=True, blank=True, on_delete=models.CASCADE, related_name="+", help_text="It came by it."
    )
    responsible = models.CharField(max_length=8, blank=True, help_text="Whether there is somebody.")
    side = models.CharField(max_length=9, blank=True, help_text="Who caused it.")
    words = models.CharField(
        max_length=500, blank=True, help_text="Words or phrases separated by commas; one is enough."
    )
    hours = models.PositiveSmallIntegerField(default=0, help_text="Without an answer.")
    actions = models.JSONField(default=list, help_text="As `core.terms.automation` reads them.")
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["name", "id"]
        indexes = [
            models.Index(fields=["company", "trigger"], name="automation_rule_active", condition=Q(is_active=True))
        ]
        constraints = [
            check_states("automation_rule_trigger", "trigger", Trigger),
            models.CheckConstraint(
                name="automation_rule_words",
                condition=Q(via__in=["", *sorted(Via)])
                & Q(responsible__in=["", *sorted(Responsible)])
                & Q(side__in=["", *sorted(Side)]),
            ),
        ]

    def __str__(self) -> str:
        return self.name


class AutomationTally(models.Model):
    """What became of a rule so far. Who acts for a rule holds this row: one at a time."""

    rule = models.OneToOneField(AutomationRule, primary_key=True, on_delete=models.CASCADE, related_name="tally")
    count = models.PositiveIntegerField(default=0, help_text="How often it did something.")
    last_at = models.DateTimeField(null=True, blank=True)
    trouble = models.JSONField(null=True, blank=True, help_text="Why it could not do all it should, the last time.")
    last_member = models.ForeignKey(
        "postroom.Member",
        null=True,
        on_delete=models.SET_NULL,
        related_name="+",
        help_text="Whose turn it was last.",
    )

    def __str__(self) -> str:
        return f"rule {self.rule_id}: {self.count}"


class AutomationEvent(models.Model):
    """A rule fired, or will at ``due_at`` if nobody has answered by then. Done, the row is gone."""

    rule = models.ForeignKey(
        AutomationRule, on_delete=models.CASCADE, related_name="+", db_constraint=False, db_index=False
    )
    record = models.ForeignKey(
        "postroom.Record", on_delete=models.CASCADE, related_name="+", db_constraint=False, db_index=False
    )
    why = models.JSONField(default=list, help_text="Reasons; empty: it is judged when it is due.")
    may_answer = models.BooleanField(
        null=True, help_text="Whether a message may follow; unknown: judged when it is due."
    )
    due_at = models.DateTimeField()

    class Meta:
        indexes = [
            models.Index(fields=["due_at", "id"], name="automation_event_due"),
            models.Index(fields=["rule"], name="automation_event_rule"),
        ]

    def __str__(self) -> str:
        return f"rule {self.rule_id} on {self.record_id}"


class AutomationMark(models.Model):
    """What a rule remembers of a record: when it sent its last message, and of which waiting it has taken care."""

    rule = models.ForeignKey(AutomationRule, on_delete=models.CASCADE, related_name="+", db_index=False)
    record = models.ForeignKey("postroom.Record", on_delete=models.CASCADE, related_name="+")
    sent_at = models.DateTimeField(null=True, blank=True)
    waited_since = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["rule", "record"], name="automation_mark_once")]

    def __str__(self) -> str:
        return f"rule {self.rule_id} on {self.record_id}"
