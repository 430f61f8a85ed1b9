"""Which programs of the laboratory this machine has. Tests of others are skipped, with reason and cure."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.laboratory.daemon import find_program


def missing_for_postfix() -> str:
    """Why a private Postfix cannot run here, or ``""``."""
    if not all(map(find_program, ("postfix", "postconf", "postqueue"))):
        return "Postfix is not installed (apt-get install postfix)"
    if os.geteuid() != 0:
        return "Postfix starts as root only, and these tests run as an ordinary user"
    if not _has_user("postfix"):
        return "there is no user postfix, which Postfix runs its daemons as"
    return ""


def missing_for_dovecot() -> str:
    """Why a private Dovecot cannot run here, or ``""``."""
    program = find_program("dovecot")
    if not program:
        return "Dovecot is not installed (apt-get install dovecot-imapd dovecot-pop3d dovecot-lmtpd)"
    version = subprocess.run([program, "--version"], capture_output=True, text=True, timeout=60, check=False).stdout
    if not version.startswith("2.3."):
        return f"the laboratory speaks the configuration of Dovecot 2.3, not of {version.strip() or 'this one'}"
    if os.geteuid() == 0 and not all(map(_has_user, ("dovecot", "dovenull", "nobody"))):
        return "as root, Dovecot needs the users dovecot, dovenull and nobody"
    if lacking := [name for name in ("imap", "pop3", "lmtp") if not (_dovecot_programs() / name).exists()]:
        packages = " ".join(f"dovecot-{name}d" for name in lacking)
        return f"Dovecot lacks {', '.join(lacking)} (apt-get install {packages})"
    return ""


def missing_for_smtp_sink() -> str:
    """Why smtp-sink cannot run here, or ``""``."""
    return "" if find_program("smtp-sink") else "smtp-sink is not installed (it comes with postfix)"


def missing_for_spamassassin() -> str:
    """Why SpamAssassin's daemon cannot run here, or ``""``."""
    if not find_program("spamd"):
        return "SpamAssassin is not installed (apt-get install spamassassin spamd)"
    return "" if os.geteuid() == 0 else "spamd is started as root, and these tests run as an ordinary user"


def chromium_path() -> str:
    """The browser for end-to-end tests, for Playwright's ``executable_path``; ``""`` when absent."""
    names = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
    return next((found for found in map(shutil.which, names) if found), "")


def _dovecot_programs() -> Path:
    places = (Path("/usr/lib/dovecot"), Path("/usr/libexec/dovecot"), Path("/usr/local/libexec/dovecot"))
    return next((place for place in places if place.is_dir()), places[0])


def _has_user(name: str) -> bool:
    try:
        pwd.getpwnam(name)
    except KeyError:
        return False
    return True


def need_dovecot() -> None:
    """For fixtures that start one; tests bear `requires_dovecot`."""
    if missing := missing_for_dovecot():
        pytest.skip(missing)


def _requires(missing: str) -> pytest.MarkDecorator:
    return pytest.mark.skipif(bool(missing), reason=missing)


requires_postfix = _requires(missing_for_postfix())
requires_dovecot = _requires(missing_for_dovecot())
requires_smtp_sink = _requires(missing_for_smtp_sink())
requires_chromium = _requires("" if chromium_path() else "no Chromium is installed (apt-get install chromium)")
