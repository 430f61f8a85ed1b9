"""The app's name and label: tables are called ``postroom_*``."""

from django.apps import AppConfig


class StoreConfig(AppConfig):
    """Postroom's tables, usable in any Django project."""

    name = "postroom.store"
    label = "postroom"
    verbose_name = "Postroom"
    default_auto_field = "django.db.models.BigAutoField"
