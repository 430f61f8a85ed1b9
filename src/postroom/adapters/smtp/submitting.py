"""Hands single mails in at a door of our own, as a stranger's server would: plain SMTP on loopback.

For the Letterbox: what the outside person does there enters through the real door as a real mail.
"""

from __future__ import annotations

import smtplib

from postroom.core.terms.envelopes import Envelope

_TIMEOUT = 20.0  # seconds


class DoorSubmitter:
    """``host`` and ``port`` of the SMTP door."""

    def __init__(self, host: str, port: int) -> None:
        self._host = host
        self._port = port

    def __call__(self, envelope: Envelope, raw: bytes) -> None:
        try:
            with smtplib.SMTP(self._host, self._port, local_hostname="letterbox.invalid", timeout=_TIMEOUT) as door:
                door.sendmail(envelope.mail_from, list(envelope.rcpt_to), raw)
        except smtplib.SMTPException as error:
            raise ValueError(f"The SMTP door at {self._host}:{self._port} refused: {error}") from error
