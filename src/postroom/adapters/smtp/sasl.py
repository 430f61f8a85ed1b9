"""Saying who we are: the SASL mechanisms of SMTP AUTH, as pure values.

Laws: a mechanism is a first word (or none) and the answers to the challenges that follow, in order; what is
asked beyond is cancelled. Nothing here is ever printed: the answers are `Secret`.
Standards: RFC 4954, RFC 4616 PLAIN, draft-murchison-sasl-login LOGIN, RFC 7628 OAUTHBEARER, Google's and Microsoft's XOAUTH2,
RFC 4422 appendix A EXTERNAL.
"""

from __future__ import annotations

import base64
from dataclasses import dataclass

from postroom.core.terms.secret import Secret


@dataclass(frozen=True, slots=True, kw_only=True)
class Mechanism:
    """``initial`` goes with the AUTH command, ``answers`` to the 334s; all in base64 already."""

    name: str
    initial: Secret | None
    answers: tuple[Secret, ...]


def plain(username: str, password: Secret) -> Mechanism:
    return Mechanism(name="PLAIN", initial=_base64(f"\0{username}\0{password.reveal()}"), answers=())


def login(username: str, password: Secret) -> Mechanism:
    """Asks for name and password one after the other; what the prompts say does not matter (they vary)."""
    return Mechanism(name="LOGIN", initial=None, answers=(_base64(username), _base64(password.reveal())))


def xoauth2(username: str, token: Secret) -> Mechanism:
    """A refusal comes as a challenge that wants an empty answer before the server says 535."""
    bearer = _base64(f"user={username}\x01auth=Bearer {token.reveal()}\x01\x01")
    return Mechanism(name="XOAUTH2", initial=bearer, answers=(Secret(""),))


def oauthbearer(username: str, token: Secret, *, host: str, port: int) -> Mechanism:
    """RFC 7628 3.1. A refusal comes as a challenge, to be answered with a lone control A (3.2.3)."""
    name = username.replace("=", "=3D").replace(",", "=2C")  # RFC 5801 4: a GS2 header
    bearer = f"n,a={name},\x01host={host}\x01port={port}\x01auth=Bearer {token.reveal()}\x01\x01"
    return Mechanism(name="OAUTHBEARER", initial=_base64(bearer), answers=(_base64("\x01"),))


def external(username: str) -> Mechanism:
    """Who we are, the certificate said; ``username`` as whom we act, ``""`` for the same (sent as ``=``, RFC 4954 4)."""
    return Mechanism(name="EXTERNAL", initial=_base64(username) if username else Secret("="), answers=())


def _base64(text: str) -> Secret:
    return Secret(base64.b64encode(text.encode()).decode())
