"""The table of bad days of a mailbox: what a server may do at every step, and what becomes of mailbox and mail.

Standards: RFC 9051 and 3501, RFC 2177 (IDLE), RFC 4315 (UIDPLUS), RFC 6851 (MOVE), RFC 5530 (response codes), RFC 1939 and 2449 (POP3).
"""

from __future__ import annotations

from postroom.core.terms.mailboxes import TroubleKind
from tests.workers.mailbox_days.expecting import Chapter, Day, Expected, fine, login, lost, unmarked
from tests.workers.mailbox_days.servers import (
    Folder,
    Talk,
    answers_with,
    does_and_drops,
    drips,
    drops,
    first,
    once,
    says,
    says_and_goes,
    silent,
)

PROTOCOL, TIMEOUT, FOLDER, TLS = TroubleKind.PROTOCOL, TroubleKind.TIMEOUT, TroubleKind.FOLDER, TroubleKind.TLS
UNAVAILABLE = TroubleKind.UNAVAILABLE
DELETE, MOVE, NOTHING = {"after_fetch": "delete"}, {"after_fetch": "move:Done"}, {"after_fetch": "nothing"}
BARE = {"capabilities": b"IMAP4rev1"}


def _drop(name: str, phase: str, says_: str, taken: int = 0, **more: object) -> Day:
    return Day(name=name, faults=lambda: {phase: drops}, expected=lost(says_, taken), **more)  # type: ignore[arg-type]


def _bye(name: str, phase: str, taken: int = 0) -> Day:
    return Day(
        name=name,
        faults=lambda: {phase: says_and_goes(b"* BYE going down for maintenance\r\n")},
        expected=lost("", taken),
    )


CONNECTING = (
    Day(name="nobody listens", is_closed=True, expected=lost("refuses the connection")),
    Day(name="its name does not resolve", mailbox={"host": "imap.invalid"}, expected=lost("cannot be resolved")),
    _drop("it closes at once", "greeting", "ended the connection while connecting"),
    _bye("it greets with BYE", "greeting"),
    Day(
        name="it accepts and says nothing",
        faults=lambda: {"greeting": silent},
        expected=lost("does not answer in time", kind=TIMEOUT),
    ),
    Day(
        name="it greets byte by byte without end",
        faults=lambda: {"greeting": drips},
        expected=lost("does not answer in time", kind=TIMEOUT),
    ),
    Day(
        name="a web server answers",
        faults=lambda: {"greeting": says_and_goes(b"HTTP/1.1 400 Bad Request\r\nServer: x\r\n\r\n")},
        expected=lost("", kind=PROTOCOL),
    ),
    Day(
        name="it greets in eight bits",
        faults=lambda: {"greeting": says(b"* OK gr\xfc\xdfe, \xe4\xf6\xfc\r\n")},
        expected=fine(),
    ),
    Day(
        name="its greeting has a megabyte and no end",
        faults=lambda: {"greeting": says_and_goes(b"* OK " + b"x" * 1_100_000)},
        expected=lost("", kind=PROTOCOL),
    ),
    Day(
        name="it speaks plain where TLS is expected",
        mailbox={"encryption": "tls"},
        faults=lambda: {"greeting": says_and_goes(b"* OK ready in plain text\r\n")},
        expected=lost("", kind=TLS),
    ),
    Day(name="its certificate has expired", mailbox={"encryption": "tls"}, server={"certificate": "expired"},
        expected=lost("expired", kind=TLS)),
    Day(name="its certificate is its own", mailbox={"encryption": "tls"}, server={"certificate": "unknown"},
        expected=lost("not trusted", kind=TLS)),
    Day(
        name="its certificate is its own, and that is allowed",
        mailbox={"encryption": "tls", "verify_certificate": False},
        server={"certificate": "unknown"},
        expected=fine(),
    ),
    Day(name="it offers no STARTTLS", mailbox={"encryption": "starttls"}, expected=lost("does not offer STARTTLS", kind=TLS)),
    Day(
        name="it offers STARTTLS and hangs up in the handshake",
        mailbox={"encryption": "starttls"},
        server={"capabilities": b"IMAP4rev1 STARTTLS"},
        faults=lambda: {"starttls": says_and_goes(b"TAG OK begin\r\n")},
        expected=lost("", kind=TLS),
    ),
    Day(
        name="words come before the encryption",
        mailbox={"encryption": "starttls"},
        server={"capabilities": b"IMAP4rev1 STARTTLS"},
        faults=lambda: {"starttls": says(b"TAG OK begin\r\n* CAPABILITY IMAP4rev1 AUTH=PLAIN\r\n")},
        expected=lost("smuggled", kind=TLS),
    ),
)  # fmt: skip

LOGGING_IN = (
    Day(
        name="it refuses the password",
        faults=lambda: {"login": says(b"TAG NO [AUTHENTICATIONFAILED] Invalid credentials\r\n")},
        expected=login("Invalid credentials"),
    ),
    Day(
        name="it locks the account",
        faults=lambda: {"login": says(b"TAG NO [AUTHENTICATIONFAILED] account disabled\r\n")},
        expected=login("account disabled"),
    ),
    Day(
        name="it cannot check the password now",
        faults=lambda: {"login": says(b"TAG NO [UNAVAILABLE] Temporary authentication failure\r\n")},
        expected=lost("Temporary", kind=UNAVAILABLE),
    ),
    Day(
        name="it limits logins",
        faults=lambda: {"login": says(b"TAG NO [LIMIT] Too many logins in too short a time\r\n")},
        expected=lost("Too many logins", kind=UNAVAILABLE),
    ),
    Day(
        name="it has too many connections",
        faults=lambda: {"login": says(b"TAG NO [ALERT] Too many simultaneous connections\r\n")},
        expected=lost("Too many", kind=UNAVAILABLE),
    ),
    Day(
        name="it forbids the login without encryption",
        server={"capabilities": b"IMAP4rev1 LOGINDISABLED"},
        expected=login("forbids the login"),
    ),
    Day(
        name="IMAP is switched off for the account",
        faults=lambda: {"login": says(b"TAG NO Your account is not enabled for IMAP use.\r\n")},
        expected=login("not enabled for IMAP"),
    ),
    Day(
        name="it calls the login a syntax error",
        faults=lambda: {"login": says(b"TAG BAD what?\r\n")},
        expected=login("what?"),
    ),
    _drop("it drops in the login", "login", "ended the connection while logging in"),
    _bye("it says BYE in the login", "login"),
    Day(
        name="it says nothing to the login",
        faults=lambda: {"login": silent},
        expected=lost("does not answer in time while logging in", kind=TIMEOUT),
    ),
)

_read_only = says(b"* 3 EXISTS\r\n* OK [UIDVALIDITY 7] ok\r\n* OK [UIDNEXT 4] ok\r\nTAG OK [READ-ONLY] done\r\n")

OPENING = (
    Day(
        name="the folder is missing",
        mailbox={"folder": "Tickets"},
        faults=lambda: {"select": says(b"TAG NO [NONEXISTENT] Mailbox doesn't exist: Tickets\r\n")},
        expected=lost("doesn't exist", kind=FOLDER),
    ),
    Day(
        name="the folder may only be read",
        faults=lambda: {
            "select": _read_only,
            "examine": _read_only,
            "store": says(b"TAG NO Mailbox is read-only\r\n"),
        },
        expected=unmarked("read-only"),
    ),
    Day(
        name="the folder may only be read, and nothing is to be marked",
        mailbox=NOTHING,
        faults=lambda: {
            "select": _read_only,
            "examine": _read_only,
        },
        expected=fine(),
    ),
    Day(
        name="it has no UIDVALIDITY",
        faults=lambda: {"select": says(b"* 3 EXISTS\r\nTAG OK done\r\n")},
        expected=lost("no lasting numbers", kind=FOLDER),
    ),
    Day(
        name="it has no UIDNEXT",
        faults=lambda: {"select": once(says(b"* 3 EXISTS\r\n* OK [UIDVALIDITY 7] ok\r\nTAG OK done\r\n"))},
        expected=fine(),
    ),
    _drop("it drops when the folder is opened", "select", "ended the connection"),
    _bye("it says BYE when the folder is opened", "select"),
    Day(
        name="it opens the folder with nonsense",
        faults=lambda: {"select": says(b"* OK [UIDVALIDITY many] ok\r\nTAG OK done\r\n")},
        expected=lost("", kind=PROTOCOL),
    ),
    Day(
        name="it tells of an APPENDLIMIT that is none",
        server={"capabilities": b"IMAP4rev1 IDLE MOVE UIDPLUS APPENDLIMIT=-1 APPENDLIMIT=99999999999999999999"},
        expected=fine(),
    ),
    Day(
        name="its capabilities have a hundred thousand letters",
        server={"capabilities": b"IMAP4rev1 " + b"X" * 100_000},
        expected=fine(),
    ),
)


def _expunge_2(folder: Folder) -> None:
    folder.take_away(2)


def _wrong_numbers(talk: Talk) -> bytes:
    return b"* SEARCH 1 2 3 4294967295 0\r\n"


LOOKING = (
    _drop("it drops while we look", "search", "ended the connection while looking"),
    _bye("it says BYE while we look", "noop"),
    Day(
        name="it refuses the search",
        faults=lambda: {"search": says(b"TAG NO not now\r\n")},
        expected=lost("not now", kind=PROTOCOL),
    ),
    Day(
        name="it says nothing to the search",
        faults=lambda: {"search": silent},
        expected=lost("does not answer in time", kind=TIMEOUT),
    ),
    Day(
        name="it finds words instead of numbers",
        faults=lambda: {"search": answers_with(lambda _: b"* SEARCH one two\r\n")},
        expected=lost("", kind=PROTOCOL),
    ),
    Day(
        name="it finds mails that are not there",
        faults=lambda: {"search": once(answers_with(_wrong_numbers))},
        expected=fine(),
    ),
    Day(
        name="it finds each mail twice",
        faults=lambda: {"search": answers_with(lambda _: b"* SEARCH 1 1 2 2 3 3\r\n")},
        expected=fine(),
    ),
    Day(
        name="it finds them from last to first",
        faults=lambda: {"search": answers_with(lambda _: b"* SEARCH 3 2 1\r\n")},
        expected=fine(),
    ),
    Day(
        name="it announces mail that is not there",
        faults=lambda: {"noop": answers_with(lambda _: b"* 17 EXISTS\r\n* 4 RECENT\r\n")},
        expected=fine(),
    ),
    Day(
        name="it expunges a mail between search and fetch",
        faults=lambda: {"sizes": first(_expunge_2)},
        expected=fine(2),
    ),
    Day(
        name="it announces an expunge in the middle of a fetch",
        faults=lambda: {"fetch": lambda talk: talk.line.say(b"* 2 EXPUNGE\r\n* 2 EXISTS\r\n") or True},
        expected=fine(),
    ),
)


def _all(talk: Talk) -> bytes:
    return b"".join(talk.server.piece(uid, talk.command) for uid in sorted(talk.server.folder.mails))


def _claims(size: int) -> object:
    return answers_with(
        lambda talk: b"".join(
            b"* 1 FETCH (UID %d RFC822.SIZE %d)\r\n" % (uid, size) for uid in sorted(talk.server.folder.mails)
        )
    )


def _half(talk: Talk) -> None:
    answer = _all(talk)
    talk.line.say(answer[: len(answer) // 2])
    talk.line.hang_up()


def _second_refused(talk: Talk) -> bool | None:
    if b",2" in talk.command or b":" in talk.command or talk.command.split()[2] == b"2":
        talk.line.say(talk.tag + b" NO [SERVERBUG] cannot read message\r\n")
        return None
    return True


def _second_broken(talk: Talk) -> bool | None:
    if talk.command.split()[2] != b"2" and b"," not in talk.command and b":" not in talk.command:
        return True
    talk.line.say(talk.tag + b" NO internal error in message 2\r\n")
    return None


FETCHING = (
    _drop("it drops before the mails", "fetch", "ended the connection while fetching"),
    Day(name="it drops in the middle of a mail", faults=lambda: {"fetch": _half}, expected=lost("")),
    _bye("it says BYE before the mails", "fetch"),
    Day(
        name="it says nothing more before the mails",
        faults=lambda: {"fetch": silent},
        expected=lost("does not answer in time while fetching", kind=TIMEOUT),
    ),
    Day(
        name="it sends the mails byte by byte without end",
        faults=lambda: {"fetch": drips},
        expected=lost("does not answer in time", kind=TIMEOUT),
    ),
    Day(
        name="it claims that mails have no size",
        faults=lambda: {"sizes": _claims(0)},  # type: ignore[dict-item]
        expected=fine(),
    ),
    Day(
        name="it claims that mails are smaller than they are",
        faults=lambda: {"sizes": _claims(7)},  # type: ignore[dict-item]
        expected=fine(),
    ),
    Day(
        name="it claims that mails are a little larger",
        faults=lambda: {"sizes": _claims(9_999)},  # type: ignore[dict-item]
        expected=fine(),
    ),
    Day(
        name="it tells no sizes at all",
        faults=lambda: {"sizes": answers_with(lambda _: b"")},
        expected=fine(0),
    ),
    Day(
        name="it promises a literal of four gigabytes",
        faults=lambda: {"fetch": says(b"* 1 FETCH (UID 1 BODY[]<0> {4294967295}\r\nabc")},
        expected=lost("", kind=PROTOCOL),
    ),
    Day(
        name="its literals are longer than what follows",
        faults=lambda: {"fetch": says_and_goes(b"* 1 FETCH (UID 1 BODY[]<0> {500}\r\nabc)\r\nTAG OK done\r\n")},
        expected=lost(""),
    ),
    Day(
        name="its literals are shorter than what follows",
        faults=lambda: {"fetch": says(b"* 1 FETCH (UID 1 BODY[]<0> {3}\r\nabcdefgh\r\nij)\r\nTAG OK done\r\n")},
        expected=lost("", kind=PROTOCOL),
    ),
    Day(
        name="its answers to the fetch are nonsense",
        faults=lambda: {"fetch": says(b"* 1 FETCH (((\r\nTAG OK done\r\n")},
        expected=lost("", kind=PROTOCOL),
    ),
    Day(
        name="it sends nothing for the mails it has",
        faults=lambda: {"fetch": answers_with(lambda _: b"")},
        expected=fine(0),
    ),
    Day(
        name="it sends NIL for all mails",
        faults=lambda: {
            "fetch": answers_with(
                lambda _: b"".join(b"* 1 FETCH (UID %d BODY[]<0> NIL)\r\n" % uid for uid in (1, 2, 3))
            )
        },
        expected=fine(0),
    ),
    Day(
        name="it refuses one mail of three",
        faults=lambda: {"fetch": _second_broken},
        expected=fine(2),
    ),
    Day(
        name="it cannot read one mail now",
        faults=lambda: {"fetch": _second_refused},
        expected=lost("cannot read message", kind=UNAVAILABLE),
    ),
    Day(
        name="it sends mails that nobody asked for",
        faults=lambda: {
            "fetch": lambda talk: talk.line.say(b"* 9 FETCH (FLAGS (\\Seen))\r\n* 8 FETCH (FLAGS ())\r\n") or True
        },
        expected=fine(),
    ),
    Day(
        name="it answers a fetch with a line of two megabytes",
        faults=lambda: {"fetch": says(b"* OK " + b"x" * 2_000_000 + b"\r\nTAG OK done\r\n")},
        expected=lost("", kind=PROTOCOL),
    ),
    Day(
        name="it has words in eight bits in every answer",
        faults=lambda: {"fetch": lambda talk: talk.line.say(b"* OK gr\xfc\xdfe\r\n") or True},
        expected=fine(),
    ),
)


def _make_anew(folder: Folder) -> None:
    folder.make_anew()


def _use_again(folder: Folder) -> None:
    """Number 2 is another mail now."""
    old = folder.mails[2]
    folder.gone.append(old)
    folder.mails[2] = old.replace(b"-2@", b"-other@").replace(b" mail 2", b" another mail 2")


NUMBERS = (
    Day(name="the folder is made anew between two fetches", expected=fine(), after=_make_anew),
    Day(
        name="the folder is made anew, and nothing is marked in it", mailbox=NOTHING, expected=fine(), after=_make_anew
    ),
    Day(
        name="the folder is made anew while it is fetched",
        faults=lambda: {"fetch": first(_make_anew)},
        expected=fine(),
        after=_make_anew,
    ),
    Day(
        name="it uses a number again for another mail",
        expected=fine(),
        after=_use_again,
        ours="reset",
    ),
    Day(name="all mails come again after a reset", expected=fine(), ours="reset"),
    Day(
        name="all mails come again under other UIDLs",
        is_pop3=True,
        mailbox=NOTHING,
        expected=fine(),
        after=_make_anew,
    ),
)

AFTERWARDS = (
    _drop("it drops before the mark", "store", "ended the connection while acknowledging", 3),
    Day(name="it marks, and drops before it says so", faults=lambda: {"store": does_and_drops}, expected=lost("", 3)),
    Day(name="it refuses the mark", faults=lambda: {"store": says(b"TAG NO not here\r\n")}, expected=unmarked("not here")),
    Day(name="it calls the mark a syntax error", faults=lambda: {"store": says(b"TAG BAD what?\r\n")}, expected=unmarked("what?")),
    _bye("it says BYE before the mark", "store", 3),
    Day(
        name="it says nothing to the mark",
        faults=lambda: {"store": silent},
        expected=lost("does not answer in time while acknowledging", 3, TIMEOUT),
    ),
    _drop("it drops before the move", "move", "ended the connection", 3, mailbox=MOVE),
    Day(name="it moves, and drops before it says so", mailbox=MOVE, faults=lambda: {"move": does_and_drops}, expected=lost("", 3)),
    Day(
        name="it refuses to move",
        mailbox=MOVE,
        faults=lambda: {"move": says(b"TAG NO [OVERQUOTA] over quota\r\n")},
        expected=lost("over quota", 3, UNAVAILABLE),
    ),
    Day(
        name="it has no right to move",
        mailbox=MOVE,
        faults=lambda: {"move": says(b"TAG NO [NOPERM] no\r\n"), "create": says(b"TAG NO [NOPERM] no\r\n")},
        expected=unmarked("NOPERM"),
    ),
    Day(name="the folder to move to is missing", mailbox=MOVE, faults=lambda: {"move": once(says(b"TAG NO [TRYCREATE] none\r\n"))}, expected=fine()),
    Day(name="it knows no MOVE", mailbox=MOVE, server={"capabilities": b"IMAP4rev1 UIDPLUS"}, expected=fine()),
    Day(name="it knows neither MOVE nor UIDPLUS", mailbox=MOVE, server=BARE, expected=fine()),
    Day(
        name="it copies, and drops before it deletes",
        mailbox=MOVE,
        server=BARE,
        faults=lambda: {"store": drops},
        expected=lost("", 3),
    ),
    Day(name="it deletes, and drops before it says so", mailbox=DELETE, faults=lambda: {"expunge": does_and_drops}, expected=lost("", 3)),
    _drop("it drops between the mark and the deletion", "expunge", "ended the connection", 3, mailbox=DELETE),
    Day(name="it knows no UIDPLUS, and mails are deleted", mailbox=DELETE, server=BARE, expected=fine()),
    Day(
        name="the setting for after fetching is none",
        mailbox={"after_fetch": "shred"},
        expected=lost("shred", kind=FOLDER),
    ),
)  # fmt: skip


def _half_retr(talk: Talk) -> None:
    talk.line.say(b"+OK\r\nSubject: half")
    talk.line.hang_up()


def _silent_retr(talk: Talk) -> None:
    talk.line.say(b"+OK\r\nSubject")
    talk.line.hear_nothing_more()


POP3 = (
    Day(name="nobody listens (POP3)", is_pop3=True, is_closed=True, expected=lost("refuses the connection")),
    _drop("it closes at once (POP3)", "greeting", "", is_pop3=True),
    Day(name="it greets with a refusal (POP3)", is_pop3=True, faults=lambda: {"greeting": says_and_goes(b"-ERR [SYS/TEMP] too busy\r\n")}, expected=lost("too busy", kind=UNAVAILABLE)),
    Day(name="it refuses the password (POP3)", is_pop3=True, faults=lambda: {"pass": says(b"-ERR [AUTH] invalid password\r\n")}, expected=login("invalid password")),
    Day(name="somebody else has the mailbox (POP3)", is_pop3=True, faults=lambda: {"pass": says(b"-ERR [IN-USE] maildrop already locked\r\n")}, expected=lost("locked", kind=UNAVAILABLE)),
    Day(name="it wants longer pauses (POP3)", is_pop3=True, faults=lambda: {"pass": says(b"-ERR [LOGIN-DELAY] wait a minute\r\n")}, expected=lost("wait", kind=UNAVAILABLE)),
    _drop("it drops in the login (POP3)", "pass", "", is_pop3=True),
    Day(name="it says nothing to the login (POP3)", is_pop3=True, faults=lambda: {"pass": silent}, expected=lost("in time", kind=TIMEOUT)),
    Day(name="it knows no UIDL (POP3)", is_pop3=True, faults=lambda: {"uidl": says(b"-ERR unknown command\r\n")}, expected=fine()),
    Day(name="it knows neither UIDL nor TOP (POP3)", is_pop3=True, faults=lambda: {"uidl": says(b"-ERR unknown command\r\n"), "top": says(b"-ERR unknown command\r\n")}, expected=lost("unknown command", kind=PROTOCOL)),
    Day(name="its UIDLs are nonsense (POP3)", is_pop3=True, faults=lambda: {"uidl": says(b"+OK\r\nfirst mail\r\n.\r\n")}, expected=lost("", kind=PROTOCOL)),
    Day(name="all its mails have one UIDL (POP3)", is_pop3=True, mailbox=DELETE, faults=lambda: {"uidl": says(b"+OK\r\n1 same\r\n2 same\r\n3 same\r\n.\r\n")}, expected=fine()),
    _drop("it drops in the list (POP3)", "uidl", "", is_pop3=True),
    _drop("it drops before a mail (POP3)", "retr", "", is_pop3=True),
    Day(name="it drops in the middle of a mail (POP3)", is_pop3=True, faults=lambda: {"retr": _half_retr}, expected=lost("")),
    Day(name="it refuses the mails (POP3)", is_pop3=True, faults=lambda: {"retr": says(b"-ERR cannot read it\r\n")}, expected=fine(0)),
    Day(name="it says nothing in the middle of a mail (POP3)", is_pop3=True, faults=lambda: {"retr": _silent_retr}, expected=lost("in time", kind=TIMEOUT)),
    _drop("it drops before a deletion (POP3)", "dele", "", 3, is_pop3=True, mailbox=DELETE),
    Day(name="it drops at the end, and deletes nothing (POP3)", is_pop3=True, mailbox=DELETE, faults=lambda: {"quit": drops}, expected=fine()),
    Day(name="it refuses to delete (POP3)", is_pop3=True, mailbox=DELETE, faults=lambda: {"dele": says(b"-ERR no\r\n")}, expected=lost("no", 3, PROTOCOL)),
    Day(name="mails are to be moved (POP3)", is_pop3=True, mailbox=MOVE, expected=Expected(kind=FOLDER, says="knows no folders", is_warning=True)),
)  # fmt: skip

OURS = (
    Day(name="the database goes away before mails are stored", ours="database before storing", expected=Expected(taken=0, raises="OperationalError", again="when it is back")),
    Day(name="the database goes away between storing and marking", ours="database before marking", expected=Expected(taken=3, raises="OperationalError", again="when it is back")),
    Day(name="the database goes away between marking and the cursor", ours="database before the cursor", expected=Expected(taken=3, raises="OperationalError", again="when it is back")),
    Day(name="mails are to be deleted, and the database goes away before the cursor", mailbox=DELETE, ours="database before the cursor", expected=Expected(taken=3, raises="OperationalError", again="when it is back")),
    Day(name="our disk is full", ours="disk full", expected=lost("No space left", kind=TroubleKind.STORAGE)),
    Day(name="our disk is full for the second half of a batch", ours="disk full later", expected=lost("No space left", 1, TroubleKind.STORAGE)),
    Day(name="another reader takes the mailbox over before we store", ours="robbed before storing", expected=Expected(taken=0, raises="LeaseLost", again="by the other one")),
    Day(name="another reader takes the mailbox over after we stored", ours="robbed after storing", expected=Expected(taken=3, raises="LeaseLost", again="by the other one")),
    Day(name="another reader reads all while we are paused", ours="read by another", expected=Expected(taken=3, raises="LeaseLost", again="by the other one")),
    Day(name="our time is up after one mail", ours="no time", expected=fine(1)),
    Day(name="mails are too large to be stored", ours="small limit", expected=fine()),
    Day(name="the stored password cannot be read", ours="other key", expected=login("Enter it again")),
)  # fmt: skip

CHAPTERS = (
    Chapter(title="Connecting", days=CONNECTING),
    Chapter(title="Logging in", days=LOGGING_IN),
    Chapter(title="Opening the folder", days=OPENING),
    Chapter(title="Looking", days=LOOKING),
    Chapter(title="Fetching", days=FETCHING),
    Chapter(title="Numbers that change", days=NUMBERS),
    Chapter(title="Marking, moving, deleting", days=AFTERWARDS),
    Chapter(title="POP3", days=POP3),
    Chapter(title="Trouble of our own", days=OURS),
)
DAYS = tuple(day for chapter in CHAPTERS for day in chapter.days)
