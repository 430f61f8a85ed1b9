"""Where a person can find out whether a mail arrived whose outcome we do not know: by the server's provider."""

from __future__ import annotations

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

_BY_PRESET = {
    "gmail": gettext_lazy("Google Workspace: Admin console, Reporting, Email Log Search, by Message ID."),
    "microsoft365": gettext_lazy("Microsoft 365: Exchange admin center, Mail flow, Message trace, by Message ID."),
    "ses": gettext_lazy(
        "Amazon SES: the event destination or the mail log, by recipient and time; SES replaces the Message-ID."
    ),
    "sendgrid": gettext_lazy("SendGrid: Activity Feed, by recipient and time."),
    "mailgun": gettext_lazy("Mailgun: Sending, Logs, by Message-ID."),
    "postmark": gettext_lazy("Postmark: the stream's Activity, by recipient and time."),
    "brevo": gettext_lazy("Brevo: Transactional, Logs, by recipient and time."),
    "mailjet": gettext_lazy("Mailjet: Statistics, Messages, by recipient and time."),
    "mailcow": gettext_lazy("mailcow: System, Logs, Postfix, by Message-ID."),
}


def where_to_look(preset: str, host: str) -> str:
    """One sentence."""
    if preset in _BY_PRESET:
        return str(_BY_PRESET[preset])
    name = host or _("the server")
    return _(
        "Look in the mail log of {server} for the Message-ID: on Postfix, the line with message-id=<…> names the queue id whose last line says status=sent or not."
    ).format(server=name)
