"""When a refused sender was told: for the cap of answers an hour."""

from __future__ import annotations

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("postroom", "0013_report_reasons")]

    operations = [
        migrations.AddField(
            model_name="refusalnotice",
            name="sent_at",
            field=models.DateTimeField(db_index=True, help_text="Counted for the cap an hour.", null=True),
        ),
    ]
