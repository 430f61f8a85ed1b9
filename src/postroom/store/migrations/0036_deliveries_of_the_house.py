"""Deliveries that no single company sees. With a default of the database: the table is not rewritten."""

from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('postroom', '0035_signs_of_life'),
    ]

    operations = [
        migrations.AddField(
            model_name='delivery',
            name='is_of_the_house',
            field=models.BooleanField(db_default=False, default=False, help_text='Seen by administrators of the whole house alone.'),
        ),
    ]
