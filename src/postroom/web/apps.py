"""The pages' templates, static files and admin registrations."""

from django.apps import AppConfig

from postroom.workers.house import process


class WebConfig(AppConfig):
    """Faces in the browser."""

    name = "postroom.web"
    label = "postroom_web"

    def ready(self) -> None:
        """What is told of signing in goes to the audit log."""
        if not process.shows_pages:
            return
        from postroom.web.signing.receivers import connect  # noqa: PLC0415 - models are ready now

        connect()
