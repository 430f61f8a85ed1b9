"""Where the house stands, and whether there is one, without making anything: asked before the first key or folder is made.

Duty: the configuration's file and environment, read alone; and whether this process will show pages, so that one that only answers a question
need not load them. Laws: writes nothing; imports nothing heavy.
"""

from __future__ import annotations

import os
import tomllib
from pathlib import Path

from postroom.core.terms.configuration import ConfigurationError, read_configuration


class _Process:
    """What this process is for; said before the settings are read."""

    shows_pages = True


process = _Process()


def file_values() -> dict[str, object]:
    """What ``postroom.toml`` in the working directory says, or the file that ``POSTROOM_CONFIG`` names. Raises `ConfigurationError`."""
    named = os.environ.get("POSTROOM_CONFIG", "")
    path = Path(named or "postroom.toml")
    if not path.is_file():
        if named:
            raise ConfigurationError(f"POSTROOM_CONFIG names {named}, but there is no such file.")
        return {}
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"{path}: not valid TOML: {error}.") from error


def missing_house() -> Path | None:
    """The folder in which nobody ever made a house; None where there is one, or where the database is somebody else's to make."""
    configuration = read_configuration(file_values(), os.environ)
    folder = Path(configuration.data_dir).expanduser().absolute()
    return None if configuration.database_url or (folder / "postgres").is_dir() else folder
