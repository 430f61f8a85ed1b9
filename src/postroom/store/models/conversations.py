"""Records and their conversations: followers, messages, attachments, one notification per person."""

from __future__ import annotations

from django.contrib.postgres.indexes import GinIndex
from django.db import models
from django.db.models import Q

from postroom.core.terms.states import Channel, FailureType, MessageKind, NotificationState
from postroom.store.models.choices import check_states
from postroom.store.models.words import Words


class RecordKind(models.Model):
    """A kind of business record: ticket, lead, invoice, or one of the user's own."""

    key = models.SlugField(primary_key=True, max_length=40)
    label = models.CharField(max_length=80)
    label_plural = models.CharField(max_length=80)
    icon = models.CharField(max_length=40, default="folder")
    stages = models.JSONField(default=list, help_text="Names of the stages in order.")
    value_names = models.JSONField(default=list, help_text="Names of the extra values a record of this kind has.")
    value_types = models.JSONField(
        default=dict,
        db_default=models.Value({}, models.JSONField()),
        help_text="Of those that are no text: number, date, switch, or a list of choices.",
    )
    position = models.PositiveSmallIntegerField(default=100)
    is_active = models.BooleanField(default=True)

    class Meta:
        ordering = ["position", "label"]

    def __str__(self) -> str:
        return self.label


class Record(models.Model):
    """A business record with a conversation. ``contact_address`` is its primary address even when no contact is known."""

    company = models.ForeignKey(
        "postroom.Company", on_delete=models.PROTECT, related_name="+", db_constraint=False, db_index=False
    )
    kind = models.ForeignKey(
        RecordKind, on_delete=models.PROTECT, related_name="+", db_constraint=False, db_index=False
    )
    title = models.CharField(max_length=500)
    contact = models.ForeignKey(
        "postroom.Contact", null=True, blank=True, on_delete=models.SET_NULL, related_name="records"
    )
    contact_name = models.CharField(max_length=200, blank=True)
    contact_address = models.CharField(max_length=320, blank=True)
    responsible = models.ForeignKey(
        "postroom.Member", null=True, blank=True, on_delete=models.SET_NULL, related_name="records", db_index=False
    )
    stage = models.CharField(max_length=80, blank=True)
    values = models.JSONField(default=dict, blank=True)
    alias = models.ForeignKey(
        "postroom.Alias",
        null=True,
        blank=True,
        on_delete=models.SET_NULL,
        related_name="made_records",
        db_constraint=False,
        db_index=False,
    )
    merged_into = models.ForeignKey(
        "self", null=True, blank=True, on_delete=models.SET_NULL, related_name="merged", db_index=False
    )
    created_at = models.DateTimeField()
    updated_at = models.DateTimeField(help_text="When something was last written on it.")
    is_done = models.BooleanField(
        default=False, db_default=False, help_text="Nothing is left to do: not in the list of what is open."
    )
    unanswered_since = models.DateTimeField(
        null=True, blank=True, help_text="Since then somebody outside waits for an answer."
    )

    class Meta:
        indexes = [
            models.Index(fields=["company", "kind", "is_done", "-updated_at", "-id"], name="record_list"),
            models.Index(
                fields=["responsible", "is_done", "-updated_at", "-id"],
                name="record_mine",
                condition=Q(responsible__isnull=False),
            ),
            models.Index(
                fields=["company", "-updated_at", "-id"],
                name="record_unanswered",
                condition=Q(unanswered_since__isnull=False, is_done=False),
            ),
            models.Index(fields=["contact_address", "created_at"], name="record_address"),
            models.Index(fields=["alias", "created_at"], name="record_alias_recent", condition=Q(alias__isnull=False)),
            models.Index(fields=["merged_into"], name="record_merged", condition=Q(merged_into__isnull=False)),
            GinIndex(Words("title", "contact_name", "contact_address"), name="record_words"),
        ]

    def __str__(self) -> str:
        return self.title


class Follower(models.Model):
    """A contact that hears of what is written on a record, by kind of message."""

    record = models.ForeignKey(Record, on_delete=models.CASCADE, related_name="followers", db_index=False)
    contact = models.ForeignKey(
        "postroom.Contact", on_delete=models.CASCADE, related_name="follows", db_constraint=False
    )
    comments = models.BooleanField(default=True)
    notes = models.BooleanField(default=False)
    changes = models.BooleanField(default=False)
    activities = models.BooleanField(default=False, db_default=False, help_text="Activities that are done.")
    came_with = models.ForeignKey(
        "postroom.Message",
        null=True,
        blank=True,
        on_delete=models.DO_NOTHING,
        related_name="+",
        db_constraint=False,
        db_index=False,
        help_text="The message that made it one, while that may be taken back; read only beside the record.",
    )

    class Meta:
        constraints = [models.UniqueConstraint(fields=["record", "contact"], name="follower_once")]

    def __str__(self) -> str:
        return f"{self.contact_id} follows {self.record_id}"


class Message(models.Model):
    """A message of a conversation. Its body is in `MessageBody`; the author is a contact or just an address."""

    company = models.ForeignKey(
        "postroom.Company", on_delete=models.PROTECT, related_name="+", db_constraint=False, db_index=False
    )
    record = models.ForeignKey(
        Record, null=True, blank=True, on_delete=models.CASCADE, related_name="messages", db_index=False
    )
    parent = models.ForeignKey(
        "self", null=True, blank=True, on_delete=models.SET_NULL, related_name="+", db_index=False
    )
    kind = models.CharField(max_length=10, default=MessageKind.COMMENT)
    author = models.ForeignKey(
        "postroom.Contact", null=True, blank=True, on_delete=models.SET_NULL, related_name="+", db_index=False
    )
    author_name = models.CharField(max_length=200, blank=True)
    author_address = models.CharField(max_length=320, blank=True)
    subject = models.CharField(max_length=1000, blank=True)
    message_id = models.CharField(max_length=1000, blank=True, help_text="RFC 5322 Message-ID, ours or the sender's.")
    inbound = models.ForeignKey(
        "postroom.InboundMessage",
        null=True,
        blank=True,
        on_delete=models.SET_NULL,
        related_name="messages",
        db_index=False,
    )
    text_digest = models.CharField(
        max_length=64, blank=True, help_text="Of what came in: equal for near-identical mails."
    )
    is_unverified = models.BooleanField(default=False, help_text="Came in without proof of who wrote it.")
    attachment_count = models.PositiveSmallIntegerField(default=0)
    posted_at = models.DateTimeField()
    undo_until = models.DateTimeField(null=True, blank=True, help_text="Until then its author may take it back.")

    class Meta:
        indexes = [
            models.Index(fields=["record", "-id"], name="message_thread"),
            models.Index(fields=["inbound"], name="message_inbound", condition=Q(inbound__isnull=False)),
            models.Index(fields=["parent"], name="message_parent", condition=Q(parent__isnull=False)),
            models.Index(fields=["author", "-id"], name="message_author", condition=Q(author__isnull=False)),
        ]
        constraints = [check_states("message_kind", "kind", MessageKind)]

    def __str__(self) -> str:
        return self.subject or self.message_id


class MessageBody(models.Model):
    """What a message says: sanitised HTML, the fresh words, the quoted rest, who else was addressed."""

    message = models.OneToOneField(
        Message, primary_key=True, on_delete=models.CASCADE, related_name="body", db_constraint=False
    )
    html = models.TextField(blank=True, help_text="Sanitised; the fresh part.")
    quoted_html = models.TextField(blank=True, help_text="Sanitised; what it quotes, collapsed on the page.")
    text = models.TextField(blank=True)
    addressed = models.JSONField(
        default=dict, help_text="To and Cc of an incoming mail: {'to': [[name, address]], 'cc': …}."
    )
    particulars = models.JSONField(
        null=True,
        blank=True,
        help_text="Of an incoming mail: invitations, what it forwards, signed, encrypted. Of ours: activity, edited_at, removed_at.",
    )
    changes = models.JSONField(default=list, help_text="Tracked changes of a system message: [[what, before, after]].")

    def __str__(self) -> str:
        return f"body of {self.message_id}"


class MessageIdentifier(models.Model):
    """Every Message-ID by which a message is known: ours, the sender's, one learned from a relay."""

    identifier = models.CharField(max_length=1000, help_text="With angle brackets.")
    message = models.ForeignKey(Message, on_delete=models.CASCADE, related_name="identifiers", db_index=False)

    class Meta:
        indexes = [models.Index(fields=["identifier"], name="message_identifier")]
        constraints = [models.UniqueConstraint(fields=["message", "identifier"], name="message_identifier_once")]

    def __str__(self) -> str:
        return self.identifier


class Attachment(models.Model):
    """A file of a message. Its bytes are the blob ``sha256``."""

    message = models.ForeignKey(Message, on_delete=models.CASCADE, related_name="attachments")
    name = models.CharField(max_length=255)
    content_type = models.CharField(max_length=255, default="application/octet-stream")
    size = models.PositiveBigIntegerField()
    sha256 = models.CharField(max_length=64)
    content_id = models.CharField(max_length=255, blank=True)
    is_inline = models.BooleanField(default=False)

    class Meta:
        indexes = [models.Index(fields=["sha256"], name="attachment_blob")]

    def __str__(self) -> str:
        return self.name


class Notification(models.Model):
    """One person hears of one message: how, and what became of it."""

    company = models.ForeignKey(
        "postroom.Company", on_delete=models.PROTECT, related_name="+", db_constraint=False, db_index=False
    )
    message = models.ForeignKey(Message, on_delete=models.CASCADE, related_name="notifications", db_index=False)
    contact = models.ForeignKey(
        "postroom.Contact", on_delete=models.CASCADE, related_name="notifications", db_constraint=False
    )
    author = models.ForeignKey(
        "postroom.Contact", null=True, on_delete=models.SET_NULL, related_name="+", db_constraint=False, db_index=False
    )
    channel = models.CharField(max_length=8, default=Channel.MAIL)
    state = models.CharField(max_length=10, default=NotificationState.READY)
    failure_type = models.CharField(max_length=32, blank=True, default=FailureType.NONE)
    failure_reason = models.TextField(blank=True)
    reasons = models.JSONField(default=list, help_text="Why this person, and why this way.")
    is_read = models.BooleanField(default=False)

    class Meta:
        indexes = [
            models.Index(
                fields=["author", "state"],
                name="notification_failures",
                condition=Q(state__in=[NotificationState.BOUNCE, NotificationState.EXCEPTION]),
            ),
            models.Index(fields=["author"], name="notification_author", condition=Q(author__isnull=False)),
            models.Index(
                fields=["contact", "-id"],
                name="notification_inbox",
                condition=Q(channel=Channel.INBOX, is_read=False),
            ),
        ]
        constraints = [
            models.UniqueConstraint(fields=["message", "contact"], name="notification_once"),
            check_states("notification_state", "state", NotificationState),
            check_states("notification_channel", "channel", Channel),
        ]

    def __str__(self) -> str:
        return f"{self.contact_id} hears of {self.message_id}: {self.state}"
