"""Who is at work: a row for each process in a role, written again and again by the loop that does its work."""

from __future__ import annotations

from django.db import models


class SignOfLife(models.Model):
    """The last one that a process gave. An unlogged table, written by raw SQL with the database's clock: see `store.signs`."""

    name = models.CharField(primary_key=True, max_length=63, help_text="As its connections call themselves.")
    role = models.CharField(max_length=20)
    machine = models.CharField(max_length=40)
    pid = models.PositiveIntegerField()
    steady_since = models.DateTimeField(help_text="Since when its signs came without a gap.")
    seen_at = models.DateTimeField()

    class Meta:
        verbose_name_plural = "signs of life"

    def __str__(self) -> str:
        return self.name
