"""What a session with a mailbox has in common by IMAP and by POP3: entering step by step, tokens, trouble, being woken.

Duty: the half of `core.terms.mailboxes.MailboxSession` that does not depend on the language. Laws: after trouble the connection is
gone, and the next call makes a new one; an access token that is refused is replaced once, and then the consent is at fault.
"""

from __future__ import annotations

import contextlib
import dataclasses
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Generic, TypeVar

from postroom.adapters.mailbox.connecting import plain, troubles
from postroom.adapters.mailbox.waking import Waker
from postroom.core.terms.mailboxes import EnteredStep, MailboxEndpoint, MailboxStep, MailboxTrouble, TroubleKind
from postroom.core.terms.secret import Secret

Client = TypeVar("Client")

# Gives an access token that is another one than this (which was refused). Raises ValueError when none can be had, OSError when not now.
TokenGiver = Callable[[Secret], Secret]
_NO_TOKEN = Secret("")


class ServerSession(ABC, Generic[Client]):
    """A connection to a mailbox server that is made when needed. For one thread, but for `interrupt` and `close`."""

    def __init__(self, endpoint: MailboxEndpoint, *, poll_every: float, tokens: TokenGiver | None = None) -> None:
        self._endpoint = endpoint
        self._poll_every = poll_every
        self._tokens = tokens
        self._waker = Waker()
        self._client: Client | None = None
        self._steps: list[EnteredStep] = []

    def open(self) -> None:
        self.close()
        self._steps = []
        if self._tokens is None:
            self._enter()
        else:
            self._enter_with_token(self._tokens)

    def steps(self) -> Sequence[EnteredStep]:
        return tuple(self._steps)

    def interrupt(self) -> None:
        self._waker.ring()

    def close(self) -> None:
        if self._client is not None:
            with contextlib.suppress(Exception):  # whatever happens now, we have left
                self._say_goodbye(self._client)
        self._drop()

    # What the languages do in their own ways

    @abstractmethod
    def _enter(self) -> None:
        """Connect, encrypt, log in, and get ready to read; each in a `_stepping`."""

    @abstractmethod
    def _say_goodbye(self, client: Client) -> None: ...

    @abstractmethod
    def _shut(self, client: Client) -> None:
        """Close the connection without a word."""

    # For both

    def _enter_with_token(self, give: TokenGiver) -> None:
        token = self._token(give, _NO_TOKEN)
        try:
            self._enter()
        except MailboxTrouble as trouble:
            if trouble.kind is not TroubleKind.LOGIN:
                raise
        else:
            return
        self._steps = []
        self._token(give, token)  # perhaps it was revoked before its time
        try:
            self._enter()
        except MailboxTrouble as trouble:
            if trouble.kind is TroubleKind.LOGIN:
                raise MailboxTrouble(TroubleKind.TOKEN, trouble.text, trouble.response_code) from trouble
            raise

    def _token(self, give: TokenGiver, refused: Secret) -> Secret:
        began = time.monotonic()
        try:
            token = give(refused)
        except (ValueError, OSError) as error:
            text = f"There is no access token for {self._endpoint.username}: {error}"
            self._note(MailboxStep.TOKEN, began, is_ok=False)
            kind = TroubleKind.TOKEN if isinstance(error, ValueError) else TroubleKind.UNAVAILABLE
            raise MailboxTrouble(kind, plain(text, self._endpoint)) from error
        self._note(MailboxStep.TOKEN, began, is_ok=True)
        self._endpoint = dataclasses.replace(self._endpoint, access_token=token)
        return token

    def _ensure_open(self) -> None:
        if self._client is None:
            self.open()

    @contextmanager
    def _stepping(self, step: MailboxStep) -> Iterator[list[str]]:
        """A step of entering, timed. What is put into the list is what was seen."""
        seen: list[str] = []
        began = time.monotonic()
        try:
            yield seen
        except MailboxTrouble as trouble:
            is_handshake = step is MailboxStep.CONNECT and trouble.kind is TroubleKind.TLS
            self._note(MailboxStep.TLS if is_handshake else step, began, is_ok=False)
            raise
        self._note(step, began, is_ok=True, about=", ".join(seen))

    def _note(self, step: MailboxStep, began: float, *, is_ok: bool, about: str = "") -> None:
        self._steps.append(EnteredStep(step=step, is_ok=is_ok, seconds=time.monotonic() - began, about=about))

    @contextmanager
    def _speaking(self, doing: str, refused: TroubleKind = TroubleKind.PROTOCOL) -> Iterator[Client]:
        """The connection, to speak on; after trouble it is gone."""
        try:
            with troubles(self._endpoint, doing, refused):
                if self._client is None:
                    raise ConnectionError("it was closed")
                yield self._client
        except MailboxTrouble:
            self._drop()
            raise

    def _drop(self) -> None:
        if self._client is not None:
            with contextlib.suppress(Exception):
                self._shut(self._client)
            self._client = None
