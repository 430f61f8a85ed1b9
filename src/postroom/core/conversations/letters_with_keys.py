"""The letters that carry a key to an account: an invitation, and a link to a new password.

Laws: pure; whatever people wrote is escaped here. Each sentence is one of the catalogue, so the letter is in the language of whoever gets it.
"""

from __future__ import annotations

from collections.abc import Callable
from html import escape

from postroom.core.terms.reasons import Reason, because, catalogue

catalogue(
    {
        "letter.invitation.subject": "Your place in the Postroom of {company}",
        "letter.invitation.hello": "Hello {name},",
        "letter.invitation.body": "{inviter} invites you to the Postroom of {company}. Choose a password here; the link works once, for three days:",
        "letter.password.subject": "A new password for Postroom",
        "letter.password.hello": "Dear {name},",
        "letter.password.body": "somebody, hopefully you, asked for a new password for the account {login}.",
        "letter.password.link": "Choose a new password",
        "letter.password.once": "The link works once, within an hour. If it was not you, do nothing: your password stays as it is.",
    }
)

Tell = Callable[[Reason], str]


def invitation(tell: Tell, *, name: str, inviter: str, company: str, link: str) -> tuple[str, str]:
    """Subject and HTML. ``tell`` makes a sentence of a reason."""
    hello = because("letter.invitation.hello", name=name)
    body = because("letter.invitation.body", inviter=inviter, company=company)
    html = f'{_paragraph(tell(hello))}{_paragraph(tell(body))}<p><a href="{escape(link)}">{escape(link)}</a></p>'
    return tell(because("letter.invitation.subject", company=company)), html


def password_link(tell: Tell, *, name: str, login: str, link: str) -> tuple[str, str]:
    """As `invitation`."""
    hello = because("letter.password.hello", name=name)
    body = because("letter.password.body", login=login)
    words = escape(tell(because("letter.password.link")))
    html = (
        f'{_paragraph(tell(hello))}{_paragraph(tell(body))}<p><a href="{escape(link)}">{words}</a></p>'
        f"{_paragraph(tell(because('letter.password.once')))}"
    )
    return tell(because("letter.password.subject")), html


def _paragraph(text: str) -> str:
    return f"<p>{escape(text)}</p>"
