"""The pages' templates, static files and admin registrations."""

from django.apps import AppConfig


class WebConfig(AppConfig):
    """Faces in the browser."""

    name = "postroom.web"
    label = "postroom_web"
