"""The SMTP envelope: who really gets a mail and who hears when it fails (RFC 5321 3.3, RFC 6531, RFC 6152)."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Envelope:
    """One transaction. ``mail_from`` is ``""`` for the null reverse-path; addresses are bare, without angle brackets."""

    mail_from: str
    rcpt_to: tuple[str, ...]
    smtputf8: bool = False

    @property
    def has_null_reverse_path(self) -> bool:
        """A report or an automatic mail: never to be answered (RFC 5321 4.5.5)."""
        return not self.mail_from
