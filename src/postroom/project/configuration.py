"""Finds and reads the configuration of this installation (file and environment), and keeps its secret keys.

The file is ``postroom.toml`` in the working directory, or what ``POSTROOM_CONFIG`` names.
"""

from __future__ import annotations

import os
import secrets
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from postroom.core.terms.configuration import Configuration, ConfigurationError, read_configuration
from postroom.core.terms.key_file import read_key_file
from postroom.core.terms.secret import Secret
from postroom.workers.house import file_values


def load_configuration() -> Configuration:
    """The configuration, with an absolute data directory and a secret key. Raises `ConfigurationError`."""
    configuration = read_configuration(file_values(), os.environ)
    data_dir = Path(configuration.data_dir).expanduser().absolute()
    if configuration.secret_key:
        return replace(configuration, data_dir=str(data_dir), secret_key_file="")
    path = Path(configuration.secret_key_file or data_dir / "secret_key").expanduser().absolute()
    first, *former = _kept_keys(path)
    return replace(
        configuration,
        data_dir=str(data_dir),
        secret_key_file=str(path),
        secret_key=first,
        former_secret_keys=Secret(",".join(key.reveal() for key in former)),
    )


def _kept_keys(path: Path) -> tuple[Secret, ...]:
    """Made once, readable by the owner alone. They sign reply and bounce addresses, so they must survive restarts."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        except FileExistsError:
            return _read_keys(path)
        with os.fdopen(handle, "w", encoding="ascii") as file:
            key = secrets.token_hex(32)
            file.write(key)
            file.flush()
            os.fsync(file.fileno())
        return (Secret(key),)
    except OSError as error:
        raise ConfigurationError(
            f"The data directory {path.parent} cannot be used: {error.strerror}. Set POSTROOM_DATA_DIR."
        ) from error


def _read_keys(path: Path) -> tuple[Secret, ...]:
    """Another process may be writing it right now; an empty file that stays empty is a broken installation."""
    for _ in range(1000):
        with suppress(ValueError):
            return read_key_file(path.read_text(encoding="ascii")).keys
    raise ConfigurationError(
        f"{path} is damaged: remove it (sessions and signed reply addresses become invalid) or restore it."
    )
