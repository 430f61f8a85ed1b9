"""Who is at work. Without a log and with room for new versions of a row in its page: a sign costs no flush and touches no index."""

from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('postroom', '0034_newest_of_an_author'),
    ]

    operations = [
        migrations.CreateModel(
            name='SignOfLife',
            fields=[
                ('name', models.CharField(help_text='As its connections call themselves.', max_length=63, primary_key=True, serialize=False)),
                ('role', models.CharField(max_length=20)),
                ('machine', models.CharField(max_length=40)),
                ('pid', models.PositiveIntegerField()),
                ('steady_since', models.DateTimeField(help_text='Since when its signs came without a gap.')),
                ('seen_at', models.DateTimeField()),
            ],
            options={
                'verbose_name_plural': 'signs of life',
            },
        ),
        migrations.RunSQL(
            "ALTER TABLE postroom_signoflife SET UNLOGGED; ALTER TABLE postroom_signoflife SET (fillfactor = 50)",
            "",
        ),
    ]
