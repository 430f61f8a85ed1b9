"""Servers of mailboxes that keep real folders, and err where a day tells them to: one for IMAP, one for POP3.

Laws: the folder is the truth: what the server takes away from it is noted, and can be compared with what was taken. A fault answers in
the place of the server; where it returns True the server does what it was asked as well. Once mended, no fault is left.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from tests.laboratory.scripted import Line
from tests.workers.bad_days.peers import CERTIFICATES

LITERAL = re.compile(rb"BODY\.PEEK\[(?P<section>[A-Z]*)\]<(?P<offset>\d+)\.(?P<length>\d+)>")


@dataclass(slots=True)
class Folder:
    """One mailbox, with what happened in it. ``gone``: what was deleted or moved out of it."""

    mails: dict[int, bytes] = field(default_factory=dict)
    flags: dict[int, set[str]] = field(default_factory=dict)
    others: dict[str, list[bytes]] = field(default_factory=dict)
    gone: list[bytes] = field(default_factory=list)
    uidvalidity: int = 7
    uidnext: int = 1
    lock: threading.RLock = field(default_factory=threading.RLock)

    def put(self, raw: bytes, uid: int = 0) -> int:
        with self.lock:
            uid = uid or self.uidnext
            self.mails[uid], self.flags[uid] = raw, set()
            self.uidnext = max(self.uidnext, uid + 1)
            return uid

    def take_away(self, uid: int, *, to: str = "") -> None:
        with self.lock:
            raw = self.mails.pop(uid)
            self.flags.pop(uid)
            self.gone.append(raw)
            if to:
                self.others.setdefault(to, []).append(raw)

    def make_anew(self) -> None:
        """The same mails under other numbers."""
        with self.lock:
            mails = list(self.mails.values())
            self.mails, self.flags, self.uidvalidity, self.uidnext = {}, {}, self.uidvalidity + 1, 1
            for raw in mails:
                self.put(raw)


@dataclass(slots=True)
class Talk:
    """What a fault may use: the line, the command and its tag, the server."""

    line: Line
    tag: bytes
    command: bytes
    server: MailboxServer

    def ok(self, *untagged: bytes) -> None:
        self.line.say(b"".join(untagged) + self.tag + b" OK done\r\n")


Fault = Callable[[Talk], bool | None]
Faults = Mapping[str, Fault]


class MailboxServer:
    """A script for `ScriptedPeer`; ``faults`` by phase."""

    def __init__(
        self,
        folder: Folder,
        faults: Faults | None = None,
        *,
        capabilities: bytes = b"IMAP4rev1 IDLE MOVE UIDPLUS",
        certificate: str = "",
        is_pop3: bool = False,
        select: bytes = b"",
    ) -> None:
        self.folder = folder
        self.is_mended = False
        self.counts: dict[str, int] = {}
        self.capabilities = capabilities
        self.select = select
        self._faults = faults or {}
        self._certificate = certificate
        self._is_pop3 = is_pop3

    def __call__(self, line: Line) -> None:
        if self._certificate and not self.is_mended:
            line.encrypt_with(CERTIFICATES[self._certificate])
        talk = Talk(line=line, tag=b"*", command=b"", server=self)
        if not self._errs("greeting", talk):
            line.say(b"+OK ready\r\n" if self._is_pop3 else b"* OK ready\r\n")
        if self._is_pop3:
            _Pop3(self, line).play()
        else:
            while True:
                tag, _, command = line.hear().partition(b" ")
                self._obey(Talk(line=line, tag=tag, command=command, server=self))

    def _errs(self, phase: str, talk: Talk) -> bool:
        """Whether a fault has answered, so that the server says nothing."""
        self.counts[phase] = self.counts.get(phase, 0) + 1
        fault = None if self.is_mended else self._faults.get(phase)
        return fault is not None and not fault(talk)

    # IMAP

    def _obey(self, talk: Talk) -> None:
        phase = _phase(talk.command)
        if self._errs(phase, talk):
            return
        folder, words = self.folder, talk.command.split()
        with folder.lock:
            match phase:
                case "capability":
                    talk.ok(b"* CAPABILITY " + self.capabilities + b"\r\n")
                case "select":
                    talk.ok(
                        b"* FLAGS (\\Seen \\Deleted)\r\n",
                        b"* %d EXISTS\r\n* 0 RECENT\r\n" % len(folder.mails),
                        b"* OK [UIDVALIDITY %d] ok\r\n" % folder.uidvalidity,
                        b"* OK [UIDNEXT %d] ok\r\n" % folder.uidnext,
                        self.select,
                    )
                case "search":
                    talk.ok(b"* SEARCH" + b"".join(b" %d" % uid for uid in self._found(talk.command)) + b"\r\n")
                case "sizes":
                    talk.ok(*(self._size(uid) for uid in _uids(words[2])))
                case "fetch":
                    talk.ok(*(self.piece(uid, talk.command) for uid in _uids(words[2])))
                case "store":
                    for uid in _uids(words[2]):
                        if uid in folder.flags:
                            folder.flags[uid] |= set(re.findall(r"\\\w+", talk.command.decode()))
                    talk.ok()
                case "expunge":
                    only = set(_uids(words[2])) if words[0] == b"UID" else set(folder.mails)
                    for uid in sorted(only & {one for one, flags in folder.flags.items() if "\\Deleted" in flags}):
                        folder.take_away(uid)
                    talk.ok()
                case "move" | "copy":
                    self._transfer(talk, words)
                case "idle":
                    self._idle(talk)
                case "logout":
                    talk.line.say(b"* BYE see you\r\n" + talk.tag + b" OK done\r\n")
                    talk.line.hang_up()
                case _:
                    talk.ok()

    def _transfer(self, talk: Talk, words: list[bytes]) -> None:
        to = words[3].strip(b'"').decode()
        for uid in _uids(words[2]):
            if uid not in self.folder.mails:
                continue
            if words[1] == b"MOVE":
                self.folder.take_away(uid, to=to)
            else:
                self.folder.others.setdefault(to, []).append(self.folder.mails[uid])
        talk.ok()

    def _idle(self, talk: Talk) -> None:
        talk.line.say(b"+ idling\r\n")
        talk.line.hear()
        talk.ok()

    def _found(self, command: bytes) -> list[int]:
        criteria = command.split()[2:]
        uids = sorted(self.folder.mails)
        if b"DELETED" in criteria:
            return [uid for uid in uids if "\\Deleted" in self.folder.flags[uid]]
        return [uid for uid in uids if uid in _in_set(criteria[criteria.index(b"UID") + 1], max(uids, default=0))]

    def _size(self, uid: int) -> bytes:
        raw = self.folder.mails.get(uid)
        return b"" if raw is None else b"* 1 FETCH (UID %d RFC822.SIZE %d)\r\n" % (uid, len(raw))

    def piece(self, uid: int, command: bytes) -> bytes:
        """A mail as FETCH answers with it; nothing for one that is gone."""
        raw = self.folder.mails.get(uid)
        asked = LITERAL.search(command)
        if raw is None or asked is None:
            return b""
        offset, length = int(asked["offset"]), int(asked["length"])
        content = raw[offset : offset + length]
        name = b"BODY[%b]<%d>" % (asked["section"], offset)
        return b"* 1 FETCH (UID %d %b {%d}\r\n%b)\r\n" % (uid, name, len(content), content)


class _Pop3:
    """A session by POP3: it shows the mails of its beginning, and deletes at QUIT."""

    def __init__(self, server: MailboxServer, line: Line) -> None:
        self._server = server
        self._line = line
        self._uids = sorted(server.folder.mails)
        self._doomed: list[int] = []

    def play(self) -> None:
        while True:
            command = self._line.hear()
            word = command.split()[0].lower().decode() if command.split() else ""
            talk = Talk(line=self._line, tag=b"", command=command, server=self._server)
            if not self._server._errs(word, talk):
                self._obey(word, command)

    def _obey(self, word: str, command: bytes) -> None:
        folder, numbers = self._server.folder, dict(enumerate(self._uids, start=1))
        match word:
            case "uidl":
                self._list(b"%d v%d-%d" % (n, folder.uidvalidity, uid) for n, uid in numbers.items())
            case "list":
                self._list(b"%d %d" % (n, len(folder.mails.get(uid, b""))) for n, uid in numbers.items())
            case "retr" | "top":
                uid = numbers[int(command.split()[1])]
                if uid not in folder.mails:
                    self._line.say(b"-ERR it is gone\r\n")
                    return
                raw = folder.mails[uid]
                self._line.say(b"+OK\r\n" + raw.replace(b"\r\n.", b"\r\n..") + b".\r\n")
            case "dele":
                self._doomed.append(numbers[int(command.split()[1])])
                self._line.say(b"+OK\r\n")
            case "quit":
                for uid in self._doomed:
                    folder.take_away(uid)
                self._line.say(b"+OK bye\r\n")
                self._line.hang_up()
            case _:
                self._line.say(b"+OK\r\n")

    def _list(self, rows: object) -> None:
        assert hasattr(rows, "__iter__")
        self._line.say(b"+OK\r\n" + b"".join(row + b"\r\n" for row in rows) + b".\r\n")


def _phase(command: bytes) -> str:
    words = command.upper().split()
    word = words[1] if words[:1] == [b"UID"] and len(words) > 1 else (words or [b""])[0]
    if word == b"FETCH":
        return "sizes" if b"RFC822.SIZE" in command else "fetch"
    return word.lower().decode("ascii", "replace")


def _uids(text: bytes) -> list[int]:
    """``1,3:5``"""
    found: list[int] = []
    for piece in text.split(b","):
        low, _, high = piece.partition(b":")
        found += range(int(low), int(high or low) + 1)
    return found


def _in_set(text: bytes, last: int) -> set[int]:
    found: set[int] = set()
    for piece in text.split(b","):
        low, colon, high = piece.partition(b":")
        top = (last if high == b"*" else int(high)) if colon else int(low)
        found.update(range(min(int(low), top), min(max(int(low), top), last) + 1))
    return found


# -- what may go wrong


def drops(talk: Talk) -> None:
    """The connection ends, without a word."""
    talk.line.hang_up()


def once(fault: Fault) -> Fault:
    """Only the first time."""
    left = [fault]
    return lambda talk: left.pop()(talk) if left else True


def says(words: bytes) -> Fault:
    """These bytes, ``TAG`` in them being the command's tag; then it goes on."""

    def fault(talk: Talk) -> None:
        talk.line.say(words.replace(b"TAG", talk.tag))

    return fault


def says_and_goes(words: bytes) -> Fault:
    def fault(talk: Talk) -> None:
        talk.line.say(words.replace(b"TAG", talk.tag))
        talk.line.hang_up()

    return fault


def silent(talk: Talk) -> None:
    talk.line.hear_nothing_more()


def drips(talk: Talk) -> None:
    """A byte now and then, for as long as anybody listens."""
    talk.line.drip(b"* OK " + b"x" * 100_000, every=0.05)


def first(act: Callable[[Folder], None]) -> Fault:
    """Something happens in the folder, once, and the server goes on as if nothing had been."""

    def fault(talk: Talk) -> bool:
        act(talk.server.folder)
        return True

    return once(fault)


def does_and_drops(talk: Talk) -> None:
    """It does what it was asked, and is gone before it says so."""
    quiet = Talk(line=_Mute(talk.line), tag=talk.tag, command=talk.command, server=talk.server)  # type: ignore[arg-type]
    faults, talk.server._faults = talk.server._faults, {}
    try:
        talk.server._obey(quiet)
    finally:
        talk.server._faults = faults
    talk.line.hang_up()


class _Mute:
    def __init__(self, line: Line) -> None:
        self._line = line

    def say(self, *_words: bytes) -> None:
        """Nobody hears it."""


def answers_with(make: Callable[[Talk], bytes]) -> Fault:
    """Untagged words of its own, then OK."""
    return lambda talk: talk.ok(make(talk))
