"""What goes out: domains, servers and their limits, keys, mails, one delivery per recipient, its attempts, the Letterbox."""

from __future__ import annotations

from django.conf import settings
from django.contrib.postgres.indexes import OpClass
from django.db import models
from django.db.models import F, Q
from django.db.models.fields.json import KeyTextTransform
from django.db.models.functions import Lower

from postroom.core.terms.states import DeliveryState, FailureType, Lane
from postroom.store.models.choices import check_states

WAITING = [DeliveryState.QUEUED.value, DeliveryState.DEFERRED.value]
SHOWN_APART = [  # few of millions: each has a list of its own
    DeliveryState.FAILED.value,
    DeliveryState.BOUNCED.value,
    DeliveryState.UNKNOWN.value,
    DeliveryState.COMPLAINED.value,
    DeliveryState.CANCELLED.value,
]
PARKED = [  # what waits for these has no time of its own: it is woken when the gate opens
    "wait.paused",
    "wait.broken",
    "wait.busy",
    "wait.no_server",
    "wait.archived",
]
ENDED = [DeliveryState.SENT.value, *SHOWN_APART]
LANE_RANK = {Lane.URGENT: 0, Lane.NORMAL: 1, Lane.CAMPAIGN: 2}


class AliasDomain(models.Model):
    """A domain whose mail comes to us, with its bounce, catchall and default From addresses (D-11)."""

    name = models.CharField(max_length=253)
    bounce_alias = models.CharField(max_length=64, default="bounce")
    catchall_alias = models.CharField(max_length=64, default="catchall")
    default_from = models.CharField(
        max_length=320, default="notifications", help_text="A local part or a full address."
    )
    priority = models.PositiveIntegerField(default=10)
    plus_addresses_arrive = models.BooleanField(
        null=True,
        blank=True,
        default=None,
        help_text="Whether bounce+token@ reaches us: tested with a real mail; empty: not tested.",
    )
    retired_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["priority", "id"]
        constraints = [
            models.UniqueConstraint(fields=["bounce_alias", "name"], name="alias_domain_bounce_once"),
            models.UniqueConstraint(fields=["catchall_alias", "name"], name="alias_domain_catchall_once"),
        ]

    def __str__(self) -> str:
        return self.name


class OutgoingServer(models.Model):
    """What mail leaves through: an SMTP server, a provider's HTTP API, or the Letterbox (``transport``)."""

    TRANSPORTS = (("smtp", "SMTP"), ("letterbox", "Letterbox (capture)"), ("api", "Provider's HTTP API"))

    company = models.ForeignKey(
        "postroom.Company",
        null=True,
        blank=True,
        on_delete=models.CASCADE,
        related_name="+",
        help_text="Empty: for every company.",
    )
    name = models.CharField(max_length=100)
    preset = models.CharField(max_length=20, default="custom", help_text="The provider whose habits it has.")
    transport = models.CharField(max_length=10, default="smtp", choices=TRANSPORTS)
    provider = models.CharField(max_length=30, blank=True, help_text="Whose HTTP API it is, when it is one.")
    provider_options = models.JSONField(default=dict, blank=True, help_text="What its API wants to know; no secrets.")
    host = models.CharField(max_length=253, blank=True)
    port = models.PositiveIntegerField(default=587)
    encryption = models.CharField(
        max_length=8, default="starttls", choices=[("none", "None"), ("starttls", "STARTTLS"), ("tls", "TLS")]
    )
    verify_certificate = models.BooleanField(default=True)
    authentication = models.CharField(
        max_length=12,
        default="password",
        choices=[
            ("password", "Username and password"),
            ("certificate", "Client certificate"),
            ("token", "OAuth2 token"),
        ],
    )
    username = models.CharField(max_length=320, blank=True)
    secret = models.BinaryField(blank=True, default=b"", help_text="The password or API key, encrypted.")
    client_certificate = models.TextField(blank=True, help_text="PEM.")
    client_key = models.BinaryField(blank=True, default=b"", help_text="Its private key, PEM, encrypted.")
    token_source = models.CharField(max_length=60, blank=True, help_text="Who gives the OAuth2 tokens.")
    from_filter = models.CharField(
        max_length=2000, blank=True, help_text="Addresses and domains this server may send from."
    )
    envelope_sender = models.CharField(
        max_length=8,
        default="signed",
        choices=[
            ("signed", "Signed bounce address"),
            ("plain", "Plain bounce address"),
            ("login", "The login"),
        ],
    )
    priority = models.PositiveIntegerField(default=10, help_text="The lower comes first.")
    purpose = models.CharField(
        max_length=14,
        default="both",
        choices=[("both", "Both"), ("transactional", "Transactional"), ("campaigns", "Campaigns")],
    )
    max_connections = models.PositiveSmallIntegerField(default=10)
    mails_per_connection = models.PositiveIntegerField(default=100)
    learned_mails_per_connection = models.PositiveIntegerField(
        default=0, help_text="After so many it wanted a new connection; 0: not met yet."
    )
    max_message_size = models.PositiveBigIntegerField(default=0, help_text="Bytes; 0: what the server announces.")
    announced_size = models.PositiveBigIntegerField(default=0, help_text="Bytes, from SIZE (RFC 1870); 0: unknown.")
    daily_limit = models.PositiveIntegerField(default=0, help_text="Mails a day; 0: no limit.")
    per_minute_limit = models.PositiveIntegerField(default=0, help_text="Mails a minute; 0: no limit.")
    warm_up_started_on = models.DateField(null=True, blank=True, help_text="The first day of its warm-up; empty: none.")
    warm_up_first_day = models.PositiveIntegerField(default=50, help_text="Mails on the first day of a warm-up.")
    warm_up_growth = models.PositiveSmallIntegerField(default=50, help_text="Percent more each day of a warm-up.")
    learned_per_minute = models.PositiveIntegerField(
        default=0, db_default=0, help_text="Mails a minute, after it asked us to slow down; 0: free."
    )
    slow_until = models.DateTimeField(null=True, blank=True, help_text="Then a little faster again.")
    slowed_at = models.DateTimeField(null=True, blank=True, help_text="When it asked us to slow down last.")
    slow_reply = models.CharField(max_length=500, blank=True, default="", db_default="", help_text="What it said then.")
    signs_dkim = models.BooleanField(default=True, help_text="We sign with our keys; off where the relay signs.")
    tested_at = models.DateTimeField(null=True, blank=True)
    test_result = models.JSONField(null=True, blank=True, help_text="What Test Connection found last.")
    is_active = models.BooleanField(default=True)
    paused_at = models.DateTimeField(null=True, blank=True, help_text="Paused by a person.")
    broken_until = models.DateTimeField(null=True, blank=True, help_text="The circuit is open until then.")
    trouble = models.TextField(blank=True, help_text="The last trouble with the server itself.")
    trouble_count = models.PositiveIntegerField(default=0)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["priority", "id"]
        constraints = [
            models.CheckConstraint(
                condition=~Q(authentication="certificate", encryption="none"),
                name="server_certificate_needs_tls",
                violation_error_message="A client certificate needs TLS or STARTTLS: without encryption nobody can show one.",
            )
        ]

    def __str__(self) -> str:
        return self.name


class SendingGate(models.Model):
    """How much of a limit is used up: of a server (``destination`` empty) or of a server at one destination provider.

    One row a gate, whatever the traffic. ``server_number`` 0 is the server of the configuration, which has no row.
    """

    server_number = models.BigIntegerField()
    destination = models.CharField(max_length=253, blank=True)
    span = models.CharField(max_length=6, choices=[("day", "Day"), ("minute", "Minute")])
    window_at = models.DateTimeField(help_text="When the present day or minute began.")
    used = models.PositiveIntegerField(default=0)
    ahead = models.PositiveIntegerField(default=0, help_text="How many were put at the head of the next window.")
    reached_at = models.DateTimeField(null=True, blank=True, help_text="When this window was found full.")
    frontier_at = models.DateTimeField(null=True, blank=True, help_text="Up to here the time is promised to who waits.")
    urgent_frontier_at = models.DateTimeField(null=True, blank=True, help_text="The same, to urgent mail.")
    normal_frontier_at = models.DateTimeField(null=True, blank=True, help_text="The same, to normal mail.")

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["server_number", "destination", "span"], name="sending_gate_once")
        ]

    def __str__(self) -> str:
        return f"{self.server_number} {self.destination} {self.span}: {self.used}"


class Destination(models.Model):
    """A provider that many recipients' domains share, by where their MX point, and how fast it takes our mail."""

    name = models.CharField(max_length=253, primary_key=True)
    per_minute_limit = models.PositiveIntegerField(default=0, help_text="Set by a person; 0: no limit.")
    learned_per_minute = models.PositiveIntegerField(default=0, help_text="After it asked us to slow down; 0: free.")
    slow_until = models.DateTimeField(null=True, blank=True, help_text="Then a little faster again.")
    reason = models.JSONField(null=True, blank=True, help_text="What it said when it asked us to slow down.")
    changed_at = models.DateTimeField()

    class Meta:
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name


class DestinationDomain(models.Model):
    """Which provider takes a domain's mail, as its MX said."""

    domain = models.CharField(max_length=253, primary_key=True)
    destination = models.CharField(max_length=253)
    mail_hosts = models.JSONField(default=list)
    resolved_at = models.DateTimeField(
        null=True, blank=True, help_text="Empty: not asked yet, the domain stands alone."
    )

    class Meta:
        indexes = [models.Index(fields=["resolved_at"], name="destination_domain_age")]

    def __str__(self) -> str:
        return f"{self.domain} -> {self.destination}"


class DkimKey(models.Model):
    """A key with which we sign for a domain (RFC 6376, RFC 8463). Its private half is encrypted."""

    domain = models.CharField(max_length=253)
    company = models.ForeignKey("postroom.Company", null=True, blank=True, on_delete=models.CASCADE, related_name="+")
    selector = models.CharField(max_length=63)
    algorithm = models.CharField(max_length=8, choices=[("rsa", "RSA, 2048 bits"), ("ed25519", "Ed25519")])
    private_key = models.BinaryField()
    public_key = models.TextField(help_text="Base64, as it stands in the DNS record.")
    state = models.CharField(
        max_length=8,
        default="prepared",
        choices=[("prepared", "Prepared"), ("active", "Signing"), ("retired", "Retired")],
    )
    created_at = models.DateTimeField()
    activated_at = models.DateTimeField(null=True, blank=True)
    retired_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["domain", "id"]
        constraints = [models.UniqueConstraint(fields=["domain", "selector"], name="dkim_key_once")]

    def __str__(self) -> str:
        return f"{self.selector}._domainkey.{self.domain}"


class OutgoingMail(models.Model):
    """A mail as composed once for a group of recipients; its rendered body is in `OutgoingContent`."""

    company = models.ForeignKey(
        "postroom.Company", on_delete=models.PROTECT, related_name="+", db_constraint=False, db_index=False
    )
    message = models.ForeignKey(
        "postroom.Message", null=True, blank=True, on_delete=models.SET_NULL, related_name="outgoing_mails"
    )
    from_name = models.CharField(max_length=200, blank=True)
    from_address = models.CharField(max_length=320, blank=True)
    reply_to_name = models.CharField(max_length=200, blank=True)
    reply_to_address = models.CharField(max_length=320, blank=True)
    subject = models.CharField(max_length=1000, blank=True)
    header_message_id = models.CharField(max_length=1000, help_text="RFC 5322 Message-ID, with brackets.")
    in_reply_to = models.CharField(max_length=1000, blank=True)
    references = models.TextField(blank=True)
    extra_headers = models.JSONField(default=list, help_text="[[name, value], …]")
    null_return_path = models.BooleanField(default=False, help_text="An automatic answer: nobody hears when it fails.")
    is_of_the_house = models.BooleanField(
        default=False, db_default=False, help_text="It opens more than one company: no company's own server carries it."
    )
    forced_server = models.ForeignKey(
        OutgoingServer, null=True, blank=True, on_delete=models.SET_NULL, related_name="+", db_index=False
    )
    alias_domain = models.ForeignKey(
        AliasDomain,
        null=True,
        blank=True,
        on_delete=models.SET_NULL,
        related_name="+",
        db_constraint=False,
        db_index=False,
    )
    created_at = models.DateTimeField()

    class Meta:
        indexes = [
            models.Index(fields=["header_message_id"], name="outgoing_mail_message_id"),
            models.Index(
                fields=["forced_server"], name="outgoing_mail_server", condition=Q(forced_server__isnull=False)
            ),
        ]

    def __str__(self) -> str:
        return self.subject or self.header_message_id


class OutgoingContent(models.Model):
    """The rendered MIME body of a mail: content headers and body, CRLF, shared by all its recipients."""

    mail = models.OneToOneField(
        OutgoingMail, primary_key=True, on_delete=models.CASCADE, related_name="content", db_constraint=False
    )
    content_headers = models.BinaryField()
    body = models.BinaryField()

    def __str__(self) -> str:
        return f"content of {self.mail_id}"


class Delivery(models.Model):
    """One mail to one recipient: the durable job of the queue, and its history's head."""

    mail = models.ForeignKey(OutgoingMail, on_delete=models.CASCADE, related_name="deliveries")
    company = models.ForeignKey(
        "postroom.Company", on_delete=models.PROTECT, related_name="+", db_constraint=False, db_index=False
    )
    is_of_the_house = models.BooleanField(
        default=False, db_default=False, help_text="Seen by administrators of the whole house alone."
    )
    notification = models.ForeignKey(
        "postroom.Notification",
        null=True,
        blank=True,
        on_delete=models.SET_NULL,
        related_name="deliveries",
        db_index=False,
    )
    to_name = models.CharField(max_length=200, blank=True)
    to_address = models.CharField(max_length=320)
    state = models.CharField(max_length=10, default=DeliveryState.QUEUED)
    lane = models.PositiveSmallIntegerField(default=1, help_text="0 urgent, 1 normal, 2 campaign.")
    due_at = models.DateTimeField(help_text="Not before this.")
    waits_for = models.JSONField(null=True, blank=True, help_text="The reason why it waits.")
    deadline_at = models.DateTimeField(help_text="Given up after this.")
    held_since = models.DateTimeField(null=True, blank=True, help_text="Since when it waits for the same gate.")
    waited = models.JSONField(
        null=True, blank=True, help_text="The gates it waited at before: reasons with since and until."
    )
    attempt_count = models.PositiveSmallIntegerField(default=0)
    claimed_by = models.CharField(max_length=80, blank=True)
    lease_until = models.DateTimeField(null=True, blank=True)
    server = models.ForeignKey(
        OutgoingServer,
        null=True,
        blank=True,
        on_delete=models.SET_NULL,
        related_name="+",
        db_constraint=False,
        db_index=False,
    )
    reasons = models.JSONField(default=list, help_text="Why this server and this sender.")
    failure_type = models.CharField(max_length=32, blank=True, default=FailureType.NONE)
    failure_reason = models.TextField(blank=True)
    blame = models.CharField(max_length=10, blank=True)
    provider_message_id = models.CharField(
        max_length=200, blank=True, help_text="Under which a provider's API knows it."
    )
    confirmed_at = models.DateTimeField(null=True, blank=True, help_text="The provider said that it was delivered.")
    created_at = models.DateTimeField()
    finished_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        verbose_name_plural = "deliveries"
        indexes = [
            models.Index(fields=["lane", "due_at", "id"], name="delivery_queue", condition=Q(state__in=WAITING)),
            models.Index(
                fields=["claimed_by", "lease_until"],
                name="delivery_claimed",
                condition=Q(state=DeliveryState.SENDING),
            ),
            models.Index(
                fields=["notification"], name="delivery_notification", condition=Q(notification__isnull=False)
            ),
            models.Index(
                fields=["state", "-id"],
                name="delivery_attention",
                condition=Q(state__in=SHOWN_APART),
            ),
            models.Index(
                fields=["server", "lane", "due_at", "id"],
                name="delivery_parked",
                condition=Q(state__in=WAITING, waits_for__code__in=PARKED),
            ),
            models.Index(
                fields=["company", "lane", "due_at", "id"],
                name="delivery_company_queue",
                condition=Q(state__in=WAITING),
            ),
            models.Index(
                fields=["company", "state", "-id"], name="delivery_company_ended", condition=Q(state__in=ENDED)
            ),
            models.Index(
                KeyTextTransform("code", "waits_for"),
                "lane",
                "due_at",
                "id",
                name="delivery_gate",
                condition=Q(state__in=WAITING, waits_for__isnull=False),
            ),
            models.Index(
                fields=["server", "lane", "due_at", "id"],
                name="delivery_server_queue",
                condition=Q(state__in=WAITING, server__isnull=False),
            ),
            models.Index(
                OpClass(Lower("to_address"), "text_pattern_ops"),
                F("id").desc(),
                name="delivery_recipient",
                condition=~Q(state=DeliveryState.SENDING),
            ),
            models.Index(
                fields=["provider_message_id"],
                name="delivery_at_provider",
                condition=~Q(provider_message_id=""),
            ),
        ]
        constraints = [check_states("delivery_state", "state", DeliveryState)]

    def __str__(self) -> str:
        return f"{self.to_address}: {self.state}"


class Resolution(models.Model):
    """What a person decided about a delivery whose outcome nobody knew."""

    delivery = models.ForeignKey(Delivery, on_delete=models.CASCADE, related_name="resolutions")
    decision = models.CharField(
        max_length=10,
        choices=[("arrived", "It arrived"), ("again", "Send again"), ("given_up", "Give up")],
    )
    resolved_at = models.DateTimeField()
    user = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+")
    who = models.CharField(max_length=200, blank=True, help_text="Their name then; empty: the command line.")
    sent_again_as = models.ForeignKey(Delivery, null=True, on_delete=models.SET_NULL, related_name="+")

    def __str__(self) -> str:
        return f"{self.delivery_id}: {self.decision}"


class Attempt(models.Model):
    """One try to hand a mail to a server, with the server's reply verbatim (law 7)."""

    delivery = models.ForeignKey(Delivery, on_delete=models.CASCADE, related_name="attempts", db_constraint=False)
    server = models.ForeignKey(
        OutgoingServer, null=True, on_delete=models.SET_NULL, related_name="+", db_constraint=False, db_index=False
    )
    tried_at = models.DateTimeField()
    duration_ms = models.PositiveIntegerField(default=0)
    phase = models.CharField(max_length=10)
    code = models.PositiveSmallIntegerField(default=0)
    enhanced = models.CharField(max_length=12, blank=True)
    text = models.TextField(blank=True)
    connection = models.CharField(max_length=300, blank=True)
    tls = models.CharField(max_length=12, blank=True)
    state = models.CharField(max_length=10)

    def __str__(self) -> str:
        return f"{self.phase} {self.code} {self.text}"


class LetterboxMail(models.Model):
    """A mail that did not leave: captured whole, with its envelope, to be looked at as its recipient would."""

    company = models.ForeignKey("postroom.Company", on_delete=models.CASCADE, related_name="+")
    delivery = models.ForeignKey(Delivery, null=True, on_delete=models.SET_NULL, related_name="letterbox")
    return_path = models.CharField(max_length=320, blank=True)
    to_address = models.CharField(max_length=320)
    from_display = models.CharField(max_length=500, blank=True)
    subject = models.CharField(max_length=1000, blank=True)
    raw = models.BinaryField()
    captured_at = models.DateTimeField()
    is_read = models.BooleanField(default=False)

    class Meta:
        indexes = [models.Index(fields=["to_address", "-id"], name="letterbox_person")]

    def __str__(self) -> str:
        return self.subject
