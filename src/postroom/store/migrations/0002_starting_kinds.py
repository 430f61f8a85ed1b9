"""The record kinds that are there at the start, and storage settings of the hot tables."""

from django.db import migrations
from django.db.migrations.state import StateApps

KINDS = [
    ("lead", "Lead", "Leads and Opportunities", "trending_up", ["New", "Qualified", "Proposition", "Won", "Lost"]),
    ("ticket", "Ticket", "Tickets", "confirmation_number", ["New", "In progress", "Waiting", "Solved"]),
    ("task", "Task", "Tasks", "task_alt", ["New", "In progress", "Done"]),
    ("applicant", "Applicant", "Applicants", "person_search", ["New", "First interview", "Second interview", "Hired", "Refused"]),
    ("sales_order", "Sales Order", "Sales Orders", "shopping_cart", ["Quotation", "Sent", "Confirmed", "Cancelled"]),
    ("purchase_order", "Purchase Order", "Purchase Orders", "local_shipping", ["Request", "Sent", "Confirmed", "Cancelled"]),
    ("invoice", "Invoice", "Invoices", "receipt_long", ["Draft", "Posted", "Paid", "Cancelled"]),
    ("contact", "Contact", "Contacts", "contacts", []),
]

# Queue tables are updated far more often than they grow: vacuum by what changed, not by a share of what is kept.
HOT_TABLES = """
ALTER TABLE postroom_delivery SET (fillfactor = 80, autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_threshold = 5000);
ALTER TABLE postroom_inboundmessage SET (fillfactor = 80, autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_threshold = 5000);
ALTER TABLE postroom_notification SET (fillfactor = 85, autovacuum_vacuum_scale_factor = 0.05);
"""
COOL_TABLES = """
ALTER TABLE postroom_delivery RESET (fillfactor, autovacuum_vacuum_scale_factor, autovacuum_vacuum_threshold);
ALTER TABLE postroom_inboundmessage RESET (fillfactor, autovacuum_vacuum_scale_factor, autovacuum_vacuum_threshold);
ALTER TABLE postroom_notification RESET (fillfactor, autovacuum_vacuum_scale_factor);
"""


def add_kinds(apps: StateApps, _schema_editor: object) -> None:
    kinds = apps.get_model("postroom", "RecordKind").objects
    for position, (key, label, plural, icon, stages) in enumerate(KINDS, start=1):
        kinds.get_or_create(
            key=key, defaults={"label": label, "label_plural": plural, "icon": icon, "stages": stages, "position": position * 10}
        )


class Migration(migrations.Migration):
    dependencies = [("postroom", "0001_initial")]
    operations = [
        migrations.RunPython(add_kinds, migrations.RunPython.noop),
        migrations.RunSQL(HOT_TABLES, COOL_TABLES),
    ]
