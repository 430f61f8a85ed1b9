"""What somebody wrote, the newest first: the index of authors keeps the order, too. It takes the place of the one that had none."""

from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('postroom', '0033_mail_of_the_house'),
    ]

    operations = [
        migrations.RemoveIndex(
            model_name='message',
            name='message_author',
        ),
        migrations.AddIndex(
            model_name='message',
            index=models.Index(condition=models.Q(('author__isnull', False)), fields=['author', '-id'], name='message_author'),
        ),
    ]
