"""Companies, people and their roles, system parameters and the log of changed settings."""

from __future__ import annotations

from django.conf import settings
from django.db import models

from postroom.core.terms.states import Channel, Role
from postroom.store.models.choices import check_states


class Company(models.Model):
    """One of the companies that share the installation."""

    name = models.CharField(max_length=200, unique=True)
    alias_domain = models.ForeignKey(
        "postroom.AliasDomain", null=True, blank=True, on_delete=models.SET_NULL, related_name="companies"
    )
    is_active = models.BooleanField(default=True)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        verbose_name_plural = "companies"
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name


class Member(models.Model):
    """What Postroom knows of a user of the surrounding Django project: contact, role, companies, habits."""

    user = models.OneToOneField(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="postroom_member")
    contact = models.OneToOneField("postroom.Contact", on_delete=models.PROTECT, related_name="member")
    company = models.ForeignKey(
        Company, on_delete=models.PROTECT, related_name="members", help_text="The default company."
    )
    companies = models.ManyToManyField(
        Company, related_name="+", blank=True, help_text="All companies this person may see."
    )
    role = models.CharField(max_length=16, default=Role.AGENT, choices=[(role.value, role.value) for role in Role])
    channel = models.CharField(max_length=8, default=Channel.MAIL, choices=[(way.value, way.value) for way in Channel])
    time_zone = models.CharField(max_length=64, default="UTC")
    signature = models.TextField(blank=True)
    uses_keys = models.BooleanField(
        default=True, db_default=True, help_text="Single keys do something on pages (j, k, e …)."
    )
    signed_out_at = models.DateTimeField(
        null=True, blank=True, help_text="Sessions that began before are over, wherever they are."
    )

    class Meta:
        constraints = [
            check_states("member_role", "role", Role),
            check_states("member_channel", "channel", Channel),
        ]

    def __str__(self) -> str:
        return self.contact.name


class ApiKey(models.Model):
    """A key by which a program acts for a member. Only its hash is kept: the key itself is shown once."""

    member = models.ForeignKey(Member, on_delete=models.CASCADE, related_name="api_keys")
    name = models.CharField(max_length=100)
    scope = models.CharField(
        max_length=20,
        default="all",
        choices=[
            ("all", "All that I may"),
            ("ingress", "Hand in mail, nothing else"),
            ("agent", "An agent that looks, nothing else"),
            ("agent:change", "An agent that looks and proposes changes, nothing else"),
        ],
    )
    hash = models.CharField(max_length=64, unique=True, help_text="SHA-256 of the key, in hex.")
    created_at = models.DateTimeField(auto_now_add=True)
    last_used_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["-id"]

    def __str__(self) -> str:
        return self.name


class Parameter(models.Model):
    """A system parameter that differs from its default; `core.terms.parameters` lists them all."""

    key = models.CharField(max_length=100, unique=True)
    value = models.TextField(blank=True)

    def __str__(self) -> str:
        return self.key


class SettingChange(models.Model):
    """Who changed which setting when, before and after. Secrets are masked."""

    changed_at = models.DateTimeField(db_index=True)
    user = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+")
    company = models.ForeignKey(Company, null=True, on_delete=models.SET_NULL, related_name="+")
    subject = models.CharField(
        max_length=200, help_text="What was changed: 'outgoing server 3', 'parameter mail.default.from'."
    )
    before = models.JSONField(null=True)
    after = models.JSONField(null=True)

    def __str__(self) -> str:
        return f"{self.subject} {self.changed_at:%Y-%m-%d %H:%M}"
