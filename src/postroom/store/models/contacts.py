"""Contacts: the people and organisations that mail is written to, colleagues included."""

from __future__ import annotations

from django.contrib.postgres.indexes import GinIndex
from django.db import models

from postroom.store.models.words import Words


class Contact(models.Model):
    """``address`` as people wrote it, ``normal`` for comparing (see `core.terms.addresses.normalize`), ``""`` without one."""

    company = models.ForeignKey(
        "postroom.Company",
        null=True,
        blank=True,
        on_delete=models.CASCADE,
        related_name="contacts",
        help_text="Empty: shared by all.",
    )
    name = models.CharField(max_length=200)
    address = models.CharField(max_length=320, blank=True)
    normal = models.CharField(max_length=320, blank=True)
    language = models.CharField(max_length=12, default="en")
    is_active = models.BooleanField(default=True)
    bounce_count = models.PositiveIntegerField(default=0)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        indexes = [
            models.Index(fields=["normal"], name="contact_normal", condition=models.Q(is_active=True)),
            GinIndex(Words("name", "address"), name="contact_words"),
        ]

    def __str__(self) -> str:
        return self.name
