"""What receivers report on mail in our name: the reports, their rows, and whose the addresses in them are.

A row waits (``waiting``) from the moment its mail is routed until it is read. What nobody proves is kept beside the rest
(``is_believed``) and counts nowhere. They are of the house: domains belong to it.
"""

from __future__ import annotations

from django.db import models
from django.db.models import Q

from postroom.core.reports.authentication_reports import ReportForm

WAITING, READ, UNREADABLE, TWICE = "waiting", "read", "unreadable", "twice"
STATES = (WAITING, READ, UNREADABLE, TWICE)


class ReceiversReport(models.Model):
    """One report, or a mail that should have brought one."""

    inbound_id = models.BigIntegerField(null=True, help_text="The mail that brought it.")
    received_at = models.DateTimeField()
    state = models.CharField(max_length=10, default=WAITING)
    note = models.JSONField(null=True, help_text="Why it could not be read, or does not count: a reason.")
    # who sent it, as far as that is proven
    proof = models.CharField(max_length=20, blank=True, default="")
    sender_domain = models.CharField(max_length=253, blank=True, default="")
    is_believed = models.BooleanField(
        default=False, help_text="Its sender is proven, and it is about a domain of ours."
    )
    # what it says
    form = models.CharField(max_length=10, blank=True, default="")
    organisation = models.CharField(max_length=120, blank=True, default="")
    contact = models.CharField(max_length=320, blank=True, default="")
    report_id = models.CharField(max_length=200, blank=True, default="")
    domain = models.CharField(max_length=253, blank=True, default="")
    policy = models.CharField(max_length=20, blank=True, default="")
    begins_at = models.DateTimeField(null=True)
    ends_at = models.DateTimeField(null=True)
    lost = models.PositiveIntegerField(default=0, help_text="Rows that could not be read.")

    class Meta:
        constraints = [
            models.CheckConstraint(condition=Q(state__in=STATES), name="receivers_report_state"),
            models.CheckConstraint(condition=Q(form__in=["", *ReportForm]), name="receivers_report_form"),
            models.UniqueConstraint(
                fields=["form", "domain", "report_id", "organisation", "sender_domain", "is_believed"],
                condition=Q(state=READ),
                name="receivers_report_once",
            ),
        ]
        indexes = [
            models.Index(fields=["id"], condition=Q(state=WAITING), name="receivers_report_waits"),
            models.Index(fields=["received_at"], name="receivers_report_age"),
        ]

    def __str__(self) -> str:
        return f"{self.organisation}: {self.report_id}"


class ReportedSource(models.Model):
    """So many mails of a day from this address that fared alike. ``is_believed`` as the report's."""

    report = models.ForeignKey(ReceiversReport, on_delete=models.CASCADE, related_name="sources")
    is_believed = models.BooleanField()
    form = models.CharField(max_length=10)
    domain = models.CharField(max_length=253)
    day = models.DateField()
    ip = models.GenericIPAddressField(null=True)
    count = models.PositiveIntegerField()
    disposition = models.CharField(max_length=20)
    dkim_aligned = models.BooleanField()
    spf_aligned = models.BooleanField()
    header_from = models.CharField(max_length=253, blank=True)
    dkim_domain = models.CharField(max_length=320, blank=True)
    spf_domain = models.CharField(max_length=320, blank=True)
    override = models.CharField(max_length=80, blank=True)

    class Meta:
        indexes = [models.Index(fields=["domain", "day"], condition=Q(is_believed=True), name="reported_source_day")]

    def __str__(self) -> str:
        return f"{self.day} {self.ip}: {self.count}"


class ReportedTls(models.Model):
    """Connections to one of our domains on a day that fared alike; ``result`` ``""``: encrypted as they should be."""

    report = models.ForeignKey(ReceiversReport, on_delete=models.CASCADE, related_name="tls")
    is_believed = models.BooleanField()
    domain = models.CharField(max_length=253)
    day = models.DateField()
    policy = models.CharField(max_length=20, blank=True)
    result = models.CharField(max_length=60, blank=True)
    count = models.PositiveIntegerField()
    sending_ip = models.GenericIPAddressField(null=True)
    receiving_host = models.CharField(max_length=253, blank=True)
    detail = models.CharField(max_length=320, blank=True)

    class Meta:
        indexes = [models.Index(fields=["domain", "day"], condition=Q(is_believed=True), name="reported_tls_day")]

    def __str__(self) -> str:
        return f"{self.day} {self.domain} {self.result or 'success'}: {self.count}"


class SourceOwner(models.Model):
    """Whose an address is that sent mail in our name, as far as the DNS told: found out beside, and kept for a while."""

    ip = models.GenericIPAddressField()
    domain = models.CharField(max_length=253, help_text="As which it sent.")
    server = models.CharField(max_length=100, blank=True, help_text="The outgoing server of ours that it belongs to.")
    name = models.CharField(max_length=253, blank=True, help_text="What its PTR record calls it.")
    in_spf = models.BooleanField(
        null=True, help_text="Whether the SPF record of the domain names it; empty: nobody could tell."
    )
    looked_at = models.DateTimeField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["domain", "ip"], name="source_owner_once")]

    def __str__(self) -> str:
        return f"{self.ip}: {self.server or self.name}"
