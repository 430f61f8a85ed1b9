"""Mail that opens more than one company. With a default of the database: the table is not rewritten."""

from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('postroom', '0032_watch'),
    ]

    operations = [
        migrations.AddField(
            model_name='outgoingmail',
            name='is_of_the_house',
            field=models.BooleanField(db_default=False, default=False, help_text="It opens more than one company: no company's own server carries it."),
        ),
    ]
