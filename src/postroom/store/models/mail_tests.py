"""Tests of mails: what was looked at, and what was found. Kept for some days."""

from __future__ import annotations

from django.db import models
from django.db.models import Q

from postroom.core.terms.states import MailTestState
from postroom.store.models.access import Member
from postroom.store.models.choices import check_states
from postroom.store.models.incoming import Mailbox
from postroom.store.models.outgoing import OutgoingServer


class MailTest(models.Model):
    """One test. Of a seed message also the way that it goes: server, mailbox, and the Message-ID under which it is found again."""

    member = models.ForeignKey(Member, null=True, blank=True, on_delete=models.SET_NULL, related_name="+")
    source = models.CharField(max_length=8, help_text="mail, headers, outlook or seed.")
    name = models.CharField(max_length=200, blank=True, help_text="Of the file, or where a seed message went.")
    state = models.CharField(max_length=14, default=MailTestState.WAITING)
    asked_at = models.DateTimeField()
    finished_at = models.DateTimeField(null=True, blank=True)
    report = models.JSONField(null=True, blank=True)
    trouble = models.JSONField(null=True, blank=True, help_text="Why there is no report: a reason.")
    # of a seed message
    server = models.ForeignKey(OutgoingServer, null=True, blank=True, on_delete=models.SET_NULL, related_name="+")
    mailbox = models.ForeignKey(Mailbox, null=True, blank=True, on_delete=models.SET_NULL, related_name="+")
    mail_number = models.BigIntegerField(null=True, blank=True, help_text="The mail in the queue; it may be gone.")
    message_id = models.CharField(max_length=300, blank=True)
    until = models.DateTimeField(null=True, blank=True, help_text="How long it is waited for.")

    class Meta:
        ordering = ["-id"]
        constraints = [check_states("mail_test_state", "state", MailTestState)]
        indexes = [
            models.Index(fields=["asked_at"], name="mail_test_age"),
            models.Index(fields=["until"], name="mail_test_waiting", condition=Q(state=MailTestState.WAITING)),
        ]

    def __str__(self) -> str:
        return self.name or f"mail test {self.pk}"
