"""What finds messages by their words, and what people look for again and again."""

from __future__ import annotations

from django.contrib.postgres.indexes import GinIndex
from django.contrib.postgres.search import SearchVectorField
from django.db import models
from django.db.models import Q


class SearchEntry(models.Model):
    """The words of one message (`core.conversations.words`), written beside the mail's way: in bulk, by the scheduler."""

    message = models.OneToOneField(
        "postroom.Message", primary_key=True, on_delete=models.CASCADE, related_name="+", db_constraint=False
    )
    words = SearchVectorField()

    class Meta:
        indexes = [GinIndex(fields=["words"], name="search_words", fastupdate=True, gin_pending_list_limit=1024)]

    def __str__(self) -> str:
        return f"words of {self.message_id}"


class SearchProgress(models.Model):
    """The one row that says how far: all messages between ``oldest`` and ``newest`` have their words written down."""

    newest = models.BigIntegerField(default=0, help_text="Up to this message nothing is missing at the new end.")
    oldest = models.BigIntegerField(default=0, help_text="What is below is still to be written down; 0: nothing.")

    def __str__(self) -> str:
        return f"{self.oldest} to {self.newest}"


class SavedView(models.Model):
    """A filter with a name, for one person or shown to a whole company."""

    member = models.ForeignKey("postroom.Member", on_delete=models.CASCADE, related_name="saved_views")
    company = models.ForeignKey(
        "postroom.Company",
        null=True,
        blank=True,
        on_delete=models.CASCADE,
        related_name="+",
        help_text="Everybody of this company sees it. Empty: only who saved it.",
    )
    name = models.CharField(max_length=60)
    kind = models.ForeignKey("postroom.RecordKind", null=True, blank=True, on_delete=models.CASCADE, related_name="+")
    asked = models.JSONField(default=dict, help_text="The filter: names and values of the address.")
    position = models.PositiveSmallIntegerField(default=0)
    is_default = models.BooleanField(default=False, help_text="Opens when its owner opens the list of its kind.")

    class Meta:
        ordering = ["position", "id"]
        indexes = [models.Index(fields=["company"], name="saved_view_shared", condition=Q(company__isnull=False))]

    def __str__(self) -> str:
        return self.name
