from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('postroom', '0017_mailboxes'),
    ]

    operations = [
        migrations.AddField(
            model_name='inboundmessage',
            name='authentication',
            field=models.JSONField(blank=True, help_text='What is known about its author; empty: not yet.', null=True),
        ),
        migrations.AddField(
            model_name='mailbox',
            name='authserv_ids',
            field=models.CharField(blank=True, db_default='', default='', help_text='Whose Authentication-Results count for what is fetched here (authserv-ids, separated by commas).', max_length=500, verbose_name='believed servers'),
        ),
        migrations.AddIndex(
            model_name='inboundmessage',
            index=models.Index(condition=models.Q(('authentication__isnull', True), ('state', 'received')), fields=['due_at', 'id'], name='inbound_unproven'),
        ),
    ]
