"""Support bundles as ZIP files: written once, read with suspicion.

Laws: nothing is unpacked onto the disk; the table of the file is checked before the first byte is unpacked, and each member is read to the size
that was announced and not further, whatever comes. Raises `BundleError` alone for what is wrong with a file, OSError for the disk.
"""

from __future__ import annotations

import io
import stat
import struct
import zipfile
import zlib
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path

from postroom.adapters.zip_tables import table_of
from postroom.core.diagnosis.bundle import MOST_FILE, MOST_MEMBERS, BundleError, Entry, Member, check_entries

_MOST_TABLE = 1024 * 1024  # bytes: so many names no bundle has
_MOST_ALIKE = 20  # places in packed contents that may look like an entry of the table


class BundleFiles:
    """ZIP files in memory."""

    def pack(self, members: Sequence[Member], *, made_at: datetime) -> bytes:
        """The same members at the same time are the same bytes."""
        target = io.BytesIO()
        moment = (max(made_at.year, 1980), made_at.month, made_at.day, made_at.hour, made_at.minute, made_at.second)
        with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED, compresslevel=6) as archive:
            for one in members:
                entry = zipfile.ZipInfo(one.name, date_time=moment)
                entry.compress_type = zipfile.ZIP_DEFLATED
                entry.external_attr = (stat.S_IFREG | 0o600) << 16
                archive.writestr(entry, one.content)
        return target.getvalue()

    def read(self, path: str) -> Mapping[str, bytes]:
        """Names and contents, as far as the file itself goes; see `core.diagnosis.bundle.read_manifest`."""
        with Path(path).open("rb") as file:
            whole = file.read(MOST_FILE + 1)
        if len(whole) > MOST_FILE:
            raise BundleError(f"The file is larger than {MOST_FILE} bytes; a bundle is not.")
        _check_table(whole)
        try:
            with zipfile.ZipFile(io.BytesIO(whole)) as archive:
                infos = archive.infolist()
                check_entries([_entry(one) for one in infos], len(whole))
                return {one.filename: _content(archive, one) for one in infos}
        except BundleError:
            raise
        except (
            zipfile.BadZipFile,
            zlib.error,
            EOFError,
            RuntimeError,
            ValueError,
            struct.error,
        ) as error:
            raise BundleError(f"The file is damaged, or no ZIP file: {error}") from error


def _check_table(whole: bytes) -> None:
    """How long the table says that it is, and how long it is, is looked at before it is read."""
    table = table_of(whole)
    if table is None:
        raise BundleError("This is no ZIP file.")
    count = max(table.told, table.entries - _MOST_ALIKE)
    if count > MOST_MEMBERS or table.size > _MOST_TABLE:
        raise BundleError(f"It has {count} members; a bundle has {MOST_MEMBERS} at most.")


def _entry(info: zipfile.ZipInfo) -> Entry:
    mode = info.external_attr >> 16
    return Entry(
        name=info.orig_filename,
        size=info.file_size,
        packed=info.compress_size,
        is_encrypted=bool(info.flag_bits & 0x1),
        is_file=not info.is_dir() and (not stat.S_IFMT(mode) or stat.S_ISREG(mode)),
        is_known_method=info.compress_type in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED),
    )


def _content(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> bytes:
    with archive.open(info) as file:
        content = file.read(info.file_size + 1)
    if len(content) != info.file_size:
        raise BundleError(f"The member {info.filename} has another size than the file announces.")
    return content
