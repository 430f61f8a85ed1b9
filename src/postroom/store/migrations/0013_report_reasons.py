from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("postroom", "0012_lighter_rows"),
    ]

    operations = [
        migrations.AddField(
            model_name="reportedrecipient",
            name="reason",
            field=models.CharField(blank=True, db_default="", max_length=24),
        ),
    ]
