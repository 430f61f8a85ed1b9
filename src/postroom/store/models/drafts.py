"""What is written ahead: mail templates with their languages and files, messages that wait for their date, and those half written."""

from __future__ import annotations

from django.db import models
from django.db.models import Q

from postroom.core.terms.states import MessageKind
from postroom.store.models.choices import check_states


class MailTemplate(models.Model):
    """Words that are used again and again, with placeholders. Its own text is in ``language``; other languages are variants."""

    company = models.ForeignKey(
        "postroom.Company",
        null=True,
        blank=True,
        on_delete=models.CASCADE,
        related_name="+",
        help_text="Empty: for every company.",
    )
    name = models.CharField(max_length=100)
    kind = models.ForeignKey(
        "postroom.RecordKind",
        null=True,
        blank=True,
        on_delete=models.CASCADE,
        related_name="+",
        help_text="Empty: for records of every kind.",
    )
    language = models.CharField(max_length=12, default="en", help_text="Of the text below: en, de, pt-br …")
    subject = models.CharField(max_length=1000, blank=True)
    html = models.TextField(blank=True)
    reply_to = models.CharField(
        max_length=320, blank=True, help_text="Empty: the record's own address, so that answers come back to it."
    )
    from_address = models.CharField(max_length=320, blank=True, help_text="Empty: the author's own address.")
    server = models.ForeignKey(
        "postroom.OutgoingServer",
        null=True,
        blank=True,
        on_delete=models.SET_NULL,
        related_name="templates",
        help_text="Empty: chosen for each mail by the FROM filters.",
    )
    is_active = models.BooleanField(default=True)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["name", "id"]

    def __str__(self) -> str:
        return self.name


class MailTemplateVariant(models.Model):
    """The same template in another language."""

    template = models.ForeignKey(MailTemplate, on_delete=models.CASCADE, related_name="variants")
    language = models.CharField(max_length=12)
    subject = models.CharField(max_length=1000, blank=True)
    html = models.TextField(blank=True)

    class Meta:
        ordering = ["language"]
        constraints = [models.UniqueConstraint(fields=["template", "language"], name="template_language_once")]

    def __str__(self) -> str:
        return self.language


class MailTemplateFile(models.Model):
    """A file that goes with every message made from a template. Its bytes are the blob ``sha256``."""

    template = models.ForeignKey(MailTemplate, on_delete=models.CASCADE, related_name="files")
    name = models.CharField(max_length=255)
    content_type = models.CharField(max_length=255, default="application/octet-stream")
    size = models.PositiveBigIntegerField()
    sha256 = models.CharField(max_length=64)

    class Meta:
        ordering = ["id"]

    def __str__(self) -> str:
        return self.name


class ScheduledMessage(models.Model):
    """A message that is posted at its date with the rights that its author has then. Once posted the row is gone."""

    company = models.ForeignKey("postroom.Company", on_delete=models.CASCADE, related_name="+")
    record = models.ForeignKey("postroom.Record", on_delete=models.CASCADE, related_name="scheduled")
    author = models.ForeignKey("postroom.Member", null=True, on_delete=models.SET_NULL, related_name="scheduled")
    author_name = models.CharField(max_length=200)
    kind = models.CharField(max_length=10, default=MessageKind.COMMENT)
    subject = models.CharField(max_length=1000, blank=True)
    html = models.TextField(blank=True, help_text="Sanitised.")
    extra_contact_ids = models.JSONField(default=list)
    mentioned_contact_ids = models.JSONField(default=list)
    addresses = models.JSONField(default=list, help_text="Whom it also goes to, contacts or not: Name <address>.")
    to_customer = models.BooleanField(default=False)
    template = models.ForeignKey(
        MailTemplate, null=True, on_delete=models.SET_NULL, related_name="+", help_text="Gives sender and server."
    )
    scheduled_at = models.DateTimeField(help_text="UTC.")
    trouble = models.TextField(blank=True, help_text="Why it could not be posted; it waits for a person then.")
    created_at = models.DateTimeField()

    class Meta:
        indexes = [
            models.Index(fields=["scheduled_at", "id"], name="scheduled_message_due", condition=Q(trouble="")),
            models.Index(fields=["record", "scheduled_at"], name="scheduled_message_record"),
        ]
        constraints = [check_states("scheduled_message_kind", "kind", MessageKind)]

    def __str__(self) -> str:
        return self.subject or f"scheduled for {self.scheduled_at:%Y-%m-%d %H:%M}"


class ScheduledFile(models.Model):
    """A file of a scheduled message. Its bytes are the blob ``sha256``."""

    scheduled = models.ForeignKey(ScheduledMessage, on_delete=models.CASCADE, related_name="files")
    name = models.CharField(max_length=255)
    content_type = models.CharField(max_length=255, default="application/octet-stream")
    size = models.PositiveBigIntegerField()
    sha256 = models.CharField(max_length=64)
    content_id = models.CharField(max_length=255, blank=True)
    is_inline = models.BooleanField(default=False)

    class Meta:
        ordering = ["id"]

    def __str__(self) -> str:
        return self.name


class Draft(models.Model):
    """What a member has begun to write on a record, and not sent. ``version`` grows with each change of its words; 0: only files yet."""

    company = models.ForeignKey("postroom.Company", on_delete=models.CASCADE, related_name="+")
    member = models.ForeignKey("postroom.Member", on_delete=models.CASCADE, related_name="drafts")
    record = models.ForeignKey("postroom.Record", on_delete=models.CASCADE, related_name="drafts")
    kind = models.CharField(max_length=10, default=MessageKind.COMMENT)
    subject = models.CharField(max_length=1000, blank=True)
    html = models.TextField(blank=True, help_text="Sanitised; its pictures are files, named by cid.")
    extra_contact_ids = models.JSONField(default=list)
    template = models.ForeignKey(MailTemplate, null=True, blank=True, on_delete=models.SET_NULL, related_name="+")
    version = models.PositiveIntegerField(default=0)
    updated_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["member", "record"], name="draft_once"),
            check_states("draft_kind", "kind", MessageKind),
        ]

    def __str__(self) -> str:
        return f"draft of {self.member_id} on {self.record_id}"


class DraftFile(models.Model):
    """A file of a draft, there before it is sent. Its bytes are the blob ``sha256``."""

    draft = models.ForeignKey(Draft, on_delete=models.CASCADE, related_name="files")
    name = models.CharField(max_length=255)
    content_type = models.CharField(max_length=255, default="application/octet-stream")
    size = models.PositiveBigIntegerField()
    sha256 = models.CharField(max_length=64)
    content_id = models.CharField(max_length=255, blank=True)
    is_inline = models.BooleanField(default=False)

    class Meta:
        ordering = ["id"]

    def __str__(self) -> str:
        return self.name
