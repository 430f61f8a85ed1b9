"""What comes in: mailboxes, aliases, the inbound log with its verdicts, raw mail, reports."""

from __future__ import annotations

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Q

from postroom.core.terms.states import AliasPolicy, Door, InboundState
from postroom.store.models.choices import check_states


class Mailbox(models.Model):
    """An IMAP or POP3 mailbox that is fetched from. Cursor and health are kept with it."""

    company = models.ForeignKey("postroom.Company", on_delete=models.CASCADE, related_name="+")
    name = models.CharField(max_length=100, unique=True)
    preset = models.CharField(max_length=20, default="custom")
    protocol = models.CharField(max_length=4, default="imap", choices=[("imap", "IMAP"), ("pop3", "POP3")])
    host = models.CharField(max_length=253)
    port = models.PositiveIntegerField(default=993)
    encryption = models.CharField(
        max_length=8, default="tls", choices=[("none", "None"), ("starttls", "STARTTLS"), ("tls", "TLS")]
    )
    verify_certificate = models.BooleanField(default=True)
    username = models.CharField(max_length=320)
    authentication = models.CharField(
        max_length=8, default="password", choices=[("password", "Password"), ("token", "OAuth2 access token")]
    )
    token_source = models.CharField(
        max_length=300,
        blank=True,
        help_text="Who gives access tokens: google, microsoft, microsoft/TENANT or the https address of a token endpoint.",
    )
    secret = models.BinaryField(blank=True, default=b"", help_text="The password or the grant, encrypted.")
    folder = models.CharField(max_length=200, default="INBOX")
    after_fetch = models.CharField(
        max_length=200,
        default="mark_seen",
        help_text="mark_seen, nothing, delete, or move:FOLDER; done after the commit.",
    )
    fallback_kind = models.ForeignKey(
        "postroom.RecordKind", null=True, blank=True, on_delete=models.SET_NULL, related_name="+",
        help_text="What a mail becomes that no alias takes; empty: it is held.",
    )  # fmt: skip
    authserv_ids = models.CharField(
        "believed servers",
        max_length=500, blank=True, default="", db_default="",
        help_text="Whose Authentication-Results count for what is fetched here (authserv-ids, separated by commas).",
    )  # fmt: skip
    priority = models.PositiveIntegerField(default=5)
    interval_seconds = models.PositiveIntegerField(default=300)
    is_active = models.BooleanField(default=True)
    is_confirmed = models.BooleanField(default=False, help_text="Test & Confirm went well.")
    confirmed_at = models.DateTimeField(null=True, blank=True)
    tested_at = models.DateTimeField(null=True, blank=True)
    test_result = models.JSONField(null=True, blank=True)
    # how far it has been read
    uid_validity = models.BigIntegerField(default=0)
    last_uid = models.BigIntegerField(default=0)
    seen_uidls = models.JSONField(default=list, help_text="POP3: what is still on the server and already here.")
    open_uids = models.JSONField(default=list, help_text="IMAP: up to the last UID, and not here yet.")
    floor_uid = models.BigIntegerField(default=0, help_text="IMAP: what lies up to here was left on purpose.")
    old_before = models.DateField(null=True, blank=True, help_text="What arrived before was left on purpose.")
    old_up_to = models.BigIntegerField(default=0)
    # how it fares
    fetched_at = models.DateTimeField(null=True, blank=True)
    succeeded_at = models.DateTimeField(null=True, blank=True)
    last_message_at = models.DateTimeField(null=True, blank=True)
    last_error = models.TextField(blank=True)
    trouble = models.JSONField(null=True, blank=True, help_text="Kind, text and response code of the last error.")
    error_count = models.PositiveIntegerField(default=0)
    paused_until = models.DateTimeField(null=True, blank=True)
    habit = models.JSONField(default=dict, help_text="How many mails come in a week, and its longest pause.")
    strangers = models.JSONField(
        default=dict, help_text="By day: mails that were gone before we came, that somebody had read, and that we took."
    )
    reconciled_at = models.DateTimeField(null=True, blank=True)
    reconciliation = models.JSONField(null=True, blank=True)
    leased_until = models.DateTimeField(null=True, blank=True)
    leased_by = models.CharField(max_length=80, blank=True)

    class Meta:
        verbose_name_plural = "mailboxes"
        ordering = ["priority", "id"]

    def __str__(self) -> str:
        return self.name


class TakenMail(models.Model):
    """A mail of a mailbox that is here: by its number there, for as long as it lies there."""

    mailbox = models.ForeignKey(Mailbox, on_delete=models.CASCADE, related_name="taken", db_index=False)
    uid_validity = models.BigIntegerField(default=0, help_text="0 with POP3.")
    uid = models.CharField(max_length=120, help_text="UID, or UIDL with POP3.")
    digest = models.CharField(max_length=32, help_text="Of its content: a number that is used again is another mail.")
    inbound_id = models.BigIntegerField()
    taken_at = models.DateTimeField()
    is_settled = models.BooleanField(default=True, help_text="What was to happen after fetching has happened.")

    class Meta:
        constraints = [models.UniqueConstraint(fields=["mailbox", "uid_validity", "uid"], name="taken_mail_once")]
        indexes = [models.Index(fields=["mailbox", "digest"], name="taken_mail_content")]

    def __str__(self) -> str:
        return f"{self.mailbox_id}: {self.uid}"


class InboundHook(models.Model):
    """A secret address at which a provider hands in the mail that it receives for us."""

    company = models.ForeignKey("postroom.Company", on_delete=models.CASCADE, related_name="+")
    name = models.CharField(max_length=100, unique=True)
    provider = models.CharField(max_length=20)
    token_digest = models.CharField(max_length=64, unique=True, help_text="SHA-256 of the address's secret part, hex.")
    token = models.BinaryField(help_text="The secret part itself, encrypted: an administrator may see it again.")
    signing_secret = models.BinaryField(blank=True, default=b"", help_text="What signs the requests, encrypted.")
    is_active = models.BooleanField(default=True)
    created_at = models.DateTimeField()
    last_mail_at = models.DateTimeField(null=True, blank=True)
    last_trouble = models.CharField(max_length=200, blank=True, help_text="Why the last request was not believed.")
    fallback_kind = models.ForeignKey(
        "postroom.RecordKind",
        null=True,
        blank=True,
        on_delete=models.SET_NULL,
        related_name="+",
        help_text="What is made of its mails that no alias takes.",
    )
    topic = models.CharField(
        max_length=300,
        blank=True,
        db_default="",
        help_text="Amazon's topic that it belongs to, once one was confirmed.",
    )

    class Meta:
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name


class HookReceipt(models.Model):
    """A signed request that was believed: its signature opens nothing a second time."""

    hook = models.ForeignKey(InboundHook, on_delete=models.CASCADE, related_name="+", db_index=False)
    key = models.CharField(max_length=64, help_text="SHA-256 of what the provider made for this request alone.")
    digest = models.CharField(max_length=64, help_text="SHA-256 of its mails.")
    created_at = models.DateTimeField(db_index=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["hook", "key"], name="hook_receipt_once")]

    def __str__(self) -> str:
        return self.key


class IngressReceipt(models.Model):
    """What a program handed in under an Idempotency-Key: asked again with it, it gets the same answer."""

    member = models.ForeignKey("postroom.Member", on_delete=models.CASCADE, related_name="+", db_index=False)
    key = models.CharField(max_length=200)
    digest = models.CharField(max_length=64, help_text="Of what was handed in.")
    inbound_id = models.BigIntegerField()
    created_at = models.DateTimeField(db_index=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["member", "key"], name="ingress_receipt_once")]

    def __str__(self) -> str:
        return self.key


class Alias(models.Model):
    """An address that turns mail into records of a kind, or appends it to one (D-12)."""

    company = models.ForeignKey("postroom.Company", on_delete=models.CASCADE, related_name="+")
    name = models.CharField(max_length=64, help_text="What stands before the @, in lower case.")
    domain = models.ForeignKey("postroom.AliasDomain", on_delete=models.PROTECT, related_name="aliases")
    kind = models.ForeignKey("postroom.RecordKind", on_delete=models.PROTECT, related_name="+")
    defaults = models.JSONField(default=dict, blank=True, help_text="Values of the records it makes.")
    policy = models.CharField(
        max_length=16, default=AliasPolicy.EVERYONE, choices=[(p.value, p.value) for p in AliasPolicy]
    )
    forced_record = models.ForeignKey(
        "postroom.Record", null=True, blank=True, on_delete=models.SET_NULL, related_name="+"
    )
    owner_record = models.ForeignKey(
        "postroom.Record", null=True, blank=True, on_delete=models.SET_NULL, related_name="aliases"
    )
    responsible = models.ForeignKey(
        "postroom.Member", null=True, blank=True, on_delete=models.SET_NULL, related_name="+"
    )
    matches_local_part = models.BooleanField(
        default=False, help_text="Also for other domains: see mail.catchall.domain.allowed."
    )
    refusal_text = models.TextField(blank=True)
    status = models.CharField(
        max_length=10,
        default="not_tested",
        choices=[("not_tested", "Not tested"), ("valid", "Valid"), ("invalid", "Invalid")],
    )
    retired_at = models.DateTimeField(
        null=True, blank=True, help_text="Changed away from: still accepted for customers' replies."
    )
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        verbose_name_plural = "aliases"
        ordering = ["name"]
        constraints = [
            models.UniqueConstraint(fields=["name", "domain"], name="alias_once"),
            check_states("alias_policy", "policy", AliasPolicy),
        ]

    def __str__(self) -> str:
        return f"{self.name}@{self.domain.name}"


class AliasFollower(models.Model):
    """Who follows the records that an alias makes, from the start."""

    alias = models.ForeignKey(Alias, on_delete=models.CASCADE, related_name="alias_followers")
    contact = models.ForeignKey("postroom.Contact", on_delete=models.CASCADE, related_name="+")

    class Meta:
        constraints = [models.UniqueConstraint(fields=["alias", "contact"], name="alias_follower_once")]

    def __str__(self) -> str:
        return f"{self.contact_id} follows what alias {self.alias_id} makes"


class InboundMessage(models.Model):
    """A mail that came in: durable before it was acknowledged, with the verdict on it and why."""

    company = models.ForeignKey(
        "postroom.Company", null=True, on_delete=models.SET_NULL, related_name="+", db_constraint=False
    )
    door = models.CharField(max_length=4)
    mailbox = models.ForeignKey(Mailbox, null=True, on_delete=models.SET_NULL, related_name="+", db_index=False)
    hook = models.ForeignKey(
        InboundHook,
        null=True,
        blank=True,
        on_delete=models.DO_NOTHING,
        related_name="+",
        db_constraint=False,
        db_index=False,
        help_text="The address at which a provider handed it in; it may be gone.",
    )
    peer = models.CharField(max_length=300, blank=True, help_text="Who handed it to us.")
    mail_from = models.CharField(max_length=320, blank=True)
    rcpt_to = ArrayField(models.CharField(max_length=320), default=list)
    size = models.PositiveBigIntegerField()
    state = models.CharField(max_length=10, default=InboundState.RECEIVED)
    due_at = models.DateTimeField(help_text="Routed not before this (after a failed try: later).")
    attempt_count = models.PositiveSmallIntegerField(default=0)
    error = models.TextField(blank=True)
    subject = models.CharField(max_length=1000, blank=True)
    header_from = models.CharField(max_length=500, blank=True)
    message_id = models.CharField(max_length=1000, blank=True)
    verdict = models.JSONField(default=list, help_text="One decision per recipient, each with its reasons.")
    received_at = models.DateTimeField()
    routed_at = models.DateTimeField(null=True, blank=True)
    authentication = models.JSONField(
        null=True, blank=True, help_text="What is known about its author; empty: not yet."
    )

    class Meta:
        indexes = [
            models.Index(
                fields=["due_at", "id"],
                name="inbound_unproven",
                condition=Q(state=InboundState.RECEIVED, authentication__isnull=True),
            ),
            models.Index(fields=["due_at", "id"], name="inbound_queue", condition=Q(state=InboundState.RECEIVED)),
            models.Index(
                fields=["state", "-id"],
                name="inbound_attention",
                condition=Q(
                    state__in=[InboundState.HELD, InboundState.FAILED, InboundState.REFUSED, InboundState.DISCARDED]
                ),
            ),
            models.Index(fields=["message_id"], name="inbound_message_id"),
            models.Index(fields=["mailbox", "-id"], name="inbound_mailbox", condition=Q(mailbox__isnull=False)),
        ]
        constraints = [
            check_states("inbound_state", "state", InboundState),
            check_states("inbound_door", "door", Door),
        ]

    def __str__(self) -> str:
        return self.subject or f"inbound {self.pk}"


class RawMail(models.Model):
    """The bytes as they came: in the row up to a limit (one commit makes both durable), else in the blob ``sha256``."""

    inbound = models.OneToOneField(
        InboundMessage, primary_key=True, on_delete=models.CASCADE, related_name="raw_mail", db_constraint=False
    )
    raw = models.BinaryField(null=True)
    sha256 = models.CharField(max_length=64, blank=True)

    class Meta:
        indexes = [models.Index(fields=["sha256"], name="raw_mail_blob", condition=~Q(sha256=""))]

    def __str__(self) -> str:
        return f"raw mail of {self.inbound_id}"


class SeenMail(models.Model):
    """Which mail for which recipients was already routed: written with the routing's effects, in the same transaction."""

    key = models.CharField(primary_key=True, max_length=64)
    inbound = models.ForeignKey(InboundMessage, on_delete=models.CASCADE, related_name="+")
    seen_at = models.DateTimeField(db_index=True)

    def __str__(self) -> str:
        return self.key


class ReportedRecipient(models.Model):
    """What a delivery report said of one recipient (RFC 3464), and which delivery of ours it was."""

    inbound = models.ForeignKey(InboundMessage, on_delete=models.CASCADE, related_name="reported_recipients")
    delivery = models.ForeignKey("postroom.Delivery", null=True, on_delete=models.SET_NULL, related_name="reports")
    address = models.CharField(max_length=320, blank=True)
    action = models.CharField(max_length=10)
    status = models.CharField(max_length=12, blank=True)
    reply = models.TextField(blank=True)
    blame = models.CharField(max_length=10, blank=True)
    reason = models.CharField(max_length=24, blank=True, db_default="")  # of the taxonomy in core.reports
    is_claim = models.BooleanField(
        default=False, db_default=False, help_text="Somebody says so, and nothing proves it: it changed nothing."
    )

    def __str__(self) -> str:
        return f"{self.address}: {self.action} {self.status}"


class RefusalNotice(models.Model):
    """When whom was told that his mail was refused: at most one a day per sender and kind (no backscatter)."""

    sender = models.CharField(max_length=320)
    kind = models.CharField(max_length=40)
    sent_on = models.DateField()
    sent_at = models.DateTimeField(null=True, db_index=True, help_text="Counted for the cap an hour.")
    times = models.PositiveIntegerField(db_default=1, help_text="Mails refused that day that could have been answered.")

    class Meta:
        constraints = [models.UniqueConstraint(fields=["sender", "kind", "sent_on"], name="refusal_notice_daily")]

    def __str__(self) -> str:
        return f"{self.sender} {self.kind} {self.sent_on}"
