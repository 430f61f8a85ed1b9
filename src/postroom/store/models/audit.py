"""Who did what, from where: signing in, secrets, exports and what else must be told later. And secrets that other apps ask us to keep.

Law: a line is written once. The database itself refuses to change one, or to delete one that retention does not delete, so the rows
point at nobody by foreign key: the person, the company and the names stand in them as they were.
"""

from __future__ import annotations

from django.db import models


class AuditEvent(models.Model):
    """One line of the audit log."""

    at = models.DateTimeField(db_index=True)
    user_id = models.BigIntegerField(
        null=True, help_text="Who did it, or tried to; none for a stranger and for the command line."
    )
    login = models.CharField(max_length=150, blank=True, help_text="The name to sign in with, as it was then.")
    company_id = models.BigIntegerField(null=True, db_index=True)
    address = models.GenericIPAddressField(null=True, help_text="From where; none at the command line.")
    what = models.CharField(max_length=40)
    subject = models.CharField(max_length=200, blank=True)
    detail = models.JSONField(default=dict)

    def __str__(self) -> str:
        return f"{self.at:%Y-%m-%d %H:%M} {self.login} {self.what}"


class SealedText(models.Model):
    """A secret that another app of this house keeps by its number: those of two-factor sign-in."""

    secret = models.BinaryField(help_text="Encrypted.")

    def __str__(self) -> str:
        return f"sealed text {self.pk}"
