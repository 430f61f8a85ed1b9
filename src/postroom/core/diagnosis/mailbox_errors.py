"""Why a mailbox cannot be read: from the kind of trouble and the server's words to a cause in plain words and a cure.

Laws: an ordered table, the most specific first, the first that fits wins; something always fits.
Standards: RFC 5530 and RFC 3206 (response codes), RFC 8446 (alerts); the words that Gmail, Microsoft 365 and others are known to use.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, replace

import postroom.core.diagnosis.mailbox_sentences  # noqa: F401 - the sentences of the cases below
from postroom.core.diagnosis.server_errors import Explanation, is_this_machine
from postroom.core.terms.encryption import Encryption
from postroom.core.terms.mailbox_presets import preset_of_mailbox
from postroom.core.terms.mailboxes import MailboxProtocol, TroubleKind
from postroom.core.terms.reasons import because

_LONGEST_QUOTE = 300  # characters


@dataclass(frozen=True, slots=True, kw_only=True)
class MailboxFault:
    """What was seen. ``text`` is the sentence of the trouble, with the server's words in it."""

    kind: TroubleKind
    text: str
    response_code: str = ""
    protocol: MailboxProtocol = MailboxProtocol.IMAP
    host: str = ""
    port: int = 0
    encryption: Encryption = Encryption.TLS
    username: str = ""
    folder: str = "INBOX"


@dataclass(frozen=True, slots=True)
class _Case:
    """All that is given must fit."""

    code: str
    kinds: frozenset[TroubleKind] = frozenset()
    codes: frozenset[str] = frozenset()
    says: str = ""
    when: Callable[[MailboxFault], bool] | None = None

    def fits(self, fault: MailboxFault) -> bool:
        return (
            (not self.kinds or fault.kind in self.kinds)
            and (not self.codes or fault.response_code in self.codes)
            and (not self.says or re.search(self.says, fault.text, re.IGNORECASE) is not None)
            and (self.when is None or self.when(fault))
        )


def explain_mailbox(fault: MailboxFault) -> Explanation:
    """The first case that fits."""
    code = next(case.code for case in CASES if case.fits(fault))
    facts = {
        "host": fault.host or "the server",
        "port": fault.port or "(the one in use)",
        "username": fault.username or "(none)",
        "folder": fault.folder or "INBOX",
        "protocol": fault.protocol.value.upper(),
        "trouble": fault.text[:_LONGEST_QUOTE],
        "provider_cure": preset_of_mailbox(fault.host).login_cure,
    }
    found = explained_mailbox(code, **facts)
    if code == "mailbox_refused" and is_this_machine(fault.host):  # no firewall stands between
        return replace(found, cure=because("cure.refused_here", **facts))
    return found


def explained_mailbox(code: str, **facts: object) -> Explanation:
    """Cause and cure of a case that is known already."""
    return Explanation(code=code, cause=because(f"fault.{code}", **facts), cure=because(f"cure.{code}", **facts))


def _case(
    code: str,
    *kinds: TroubleKind,
    codes: tuple[str, ...] = (),
    says: str = "",
    when: Callable[[MailboxFault], bool] | None = None,
) -> _Case:
    return _Case(f"mailbox_{code}", frozenset(kinds), frozenset(codes), says, when)


def _known_provider(fault: MailboxFault) -> bool:
    return bool(preset_of_mailbox(fault.host).login_cure)


_TLS, _CONNECT, _LOGIN, _FOLDER = TroubleKind.TLS, TroubleKind.CONNECT, TroubleKind.LOGIN, TroubleKind.FOLDER

CASES: tuple[_Case, ...] = (
    # reaching it
    _case("host_unknown", _CONNECT, says=r"cannot be resolved"),
    _case("refused", _CONNECT, says=r"refuses the connection"),
    _case("unreachable", _CONNECT, says=r"unreachable|no route to host|cannot assign"),
    # encryption
    _case("certificate_expired", _TLS, says=r"certificate .*has expired"),
    _case("certificate_not_yet", _TLS, says=r"certificate .*not yet valid"),
    _case("certificate_name", _TLS, says=r"certificate .*(mismatch|not valid for|doesn't match)"),
    _case("certificate_self_signed", _TLS, says=r"not trusted: self.signed certificate$"),
    _case("certificate_unknown", _TLS, says=r"not trusted"),
    _case("starttls_missing", _TLS, says=r"does not offer STARTTLS|unknown command|not supported"),
    _case("starttls_smuggled", _TLS, says=r"smuggled"),
    _case("preauth", _TLS, says=r"PREAUTH"),
    _case("tls_on_plain_port", _TLS, says=r"wrong version number|record layer|packet length|unexpected eof|http request|unknown protocol", when=lambda fault: fault.encryption is Encryption.TLS),
    _case("tls_other", _TLS),
    _case("plain_on_tls_port", TroubleKind.TIMEOUT, _CONNECT, TroubleKind.PROTOCOL, when=lambda fault: fault.encryption is not Encryption.TLS and fault.port in (993, 995)),
    # tokens
    _case("token_ended", TroubleKind.TOKEN, says=r"consent has ended|withdrawn"),
    _case("token_missing", TroubleKind.TOKEN, says=r"there is no access token"),
    _case("token_refused", TroubleKind.TOKEN),
    _case("token_later", TroubleKind.UNAVAILABLE, says=r"there is no access token"),
    # login
    _case("secret_unreadable", _LOGIN, says=r"stored password cannot be read"),
    _case("login_in_clear", _LOGIN, codes=("LOGINDISABLED", "PRIVACYREQUIRED")),
    _case("login_locked", _LOGIN, says=r"locked|disabled account|suspended"),
    _case("imap_off", _LOGIN, says=r"not enabled for (IMAP|POP)|(IMAP|POP) (access )?(is )?(disabled|not enabled|off)|enable (IMAP|POP)"),
    _case("web_login", _LOGIN, codes=("WEBALERT",)),
    _case("web_login", _LOGIN, says=r"web browser|web login"),
    _case("login_expired", _LOGIN, codes=("EXPIRED",)),
    _case("login_of_provider", _LOGIN, when=_known_provider),
    _case("login_refused", _LOGIN),
    # not now
    _case("in_use", TroubleKind.UNAVAILABLE, codes=("IN-USE", "INUSE")),
    _case("too_many", TroubleKind.UNAVAILABLE, says=r"too many|limit|rate|bandwidth|login.?delay"),
    _case("unavailable", TroubleKind.UNAVAILABLE),
    # the folder
    _case("folder_read_only", _FOLDER, says=r"may only be read|read.only"),
    _case("no_folders", _FOLDER, says=r"speaks POP3"),
    _case("setting_wrong", _FOLDER, says=r"the setting for what happens"),
    _case("no_lasting_numbers", _FOLDER, says=r"no lasting numbers"),
    _case("not_settled", _FOLDER, says=r"acknowledging mail"),
    _case("folder_missing", _FOLDER),
    # ours
    _case("storage", TroubleKind.STORAGE),
    # the conversation
    _case("silent", TroubleKind.TIMEOUT),
    _case("not_a_mailbox", TroubleKind.PROTOCOL, says=r"while connecting"),
    _case("nonsense", TroubleKind.PROTOCOL),
    _case("hung_up", _CONNECT),
    _case("other"),
)  # fmt: skip
