"""Takes archives apart within bounds: gzip, zip, and one within the other once.

Laws: never raises for what a stranger packed. What a file unpacks to is cut off at `MOST_UNPACKED`, counted over all of an archive's
members together, and refused when it is more than `MOST_RATIO` times its size (real reports: some ten times). Only the methods that reports
use are opened (stored, deflated): the memory that others take is the packer's choice. Standards: RFC 1952, APPNOTE 6.3.
"""

from __future__ import annotations

import io
import struct
import zipfile
import zlib
from collections.abc import Iterator

from postroom.adapters.zip_tables import table_of
from postroom.core.reports.authentication_reports import MOST_TEXT, NoReport, ReportFile
from postroom.core.terms.reasons import because

MOST_PACKED = 10 * 1024 * 1024  # bytes of a file as it comes
MOST_UNPACKED = 24 * 1024 * 1024  # bytes of all that comes out of it
MOST_RATIO = 250
FREE_OF_RATIO = 256 * 1024  # bytes that may come out however small it was
MOST_MEMBERS = 10
MOST_ENTRIES = 1_000  # of the table: what has more is not opened at all
MOST_TABLE = 256 * 1024  # bytes of names: the library reads them all before the first is looked at
MOST_LEVELS = 2
_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
_ZIP, _GZIP = b"PK\x03\x04", b"\x1f\x8b"


class _TooMuch(Exception):  # noqa: N818 (how unpacking ends, not a fault)
    """More came out than may."""


class _Room:
    """How much may still come out."""

    def __init__(self, packed: int) -> None:
        self.left = min(MOST_UNPACKED, max(FREE_OF_RATIO, packed * MOST_RATIO))

    def take(self, size: int) -> None:
        self.left -= size
        if self.left < 0:
            raise _TooMuch


def unpack(file: ReportFile) -> Iterator[ReportFile | NoReport]:
    """What is in it, plain; the file itself when it is no archive."""
    if len(file.content) > MOST_PACKED:
        yield NoReport(
            name=file.name,
            reason=because("receivers.too_large", name=file.name, limit=MOST_PACKED // (1024 * 1024)),
        )
        return
    try:
        yield from _opened(file, _Room(len(file.content)), level=0)
    except _TooMuch:
        yield NoReport(name=file.name, reason=because("receivers.too_packed", name=file.name))


def _opened(file: ReportFile, room: _Room, *, level: int) -> Iterator[ReportFile | NoReport]:
    is_zip, is_gzip = file.content.startswith(_ZIP), file.content.startswith(_GZIP)
    if not (is_zip or is_gzip):
        yield file
    elif level >= MOST_LEVELS:
        yield _not(file, "receivers.too_nested")
    else:
        for one in _members(file, room) if is_zip else (_gunzipped(file, room),):
            if isinstance(one, NoReport):
                yield one
            else:
                yield from _opened(one, room, level=level + 1)


def _gunzipped(file: ReportFile, room: _Room) -> ReportFile | NoReport:
    """The first stream; what is cut off at its end is read as far as it goes."""
    machine = zlib.decompressobj(zlib.MAX_WBITS | 16)
    try:
        content = machine.decompress(file.content, room.left + 1)
    except zlib.error:
        return _not(file, "receivers.broken_archive")
    room.take(len(content))
    return ReportFile(name=file.name.removesuffix(".gz"), content=content)


def _members(file: ReportFile, room: _Room) -> Iterator[ReportFile | NoReport]:
    table = table_of(file.content)
    if table is None:
        yield _not(file, "receivers.broken_archive")
        return
    if table.entries > MOST_ENTRIES or table.size > MOST_TABLE:
        yield NoReport(name=file.name, reason=because("receivers.too_many_entries", name=file.name, limit=MOST_ENTRIES))
        return
    try:
        archive = zipfile.ZipFile(io.BytesIO(file.content))
    except (zipfile.BadZipFile, ValueError, OSError, RuntimeError, struct.error):
        yield _not(file, "receivers.broken_archive")
        return
    with archive:
        infos = [info for info in archive.infolist() if not info.is_dir()]
        for info in infos[:MOST_MEMBERS]:
            yield _member(file, archive, info, room)
        if len(infos) > MOST_MEMBERS:
            yield NoReport(name=file.name, reason=because("receivers.too_many", name=file.name, limit=MOST_MEMBERS))


def _member(file: ReportFile, archive: zipfile.ZipFile, info: zipfile.ZipInfo, room: _Room) -> ReportFile | NoReport:
    name = f"{file.name}/{info.filename}"[:MOST_TEXT]
    if info.flag_bits & 0x1:
        return NoReport(name=name, reason=because("receivers.locked", name=name))
    if info.compress_type not in _METHODS:
        return NoReport(name=name, reason=because("receivers.broken_archive", name=name))
    try:
        with archive.open(info) as stream:
            content = stream.read(room.left + 1)
    except (zipfile.BadZipFile, zlib.error, ValueError, OSError, EOFError, RuntimeError):
        return NoReport(name=name, reason=because("receivers.broken_archive", name=name))
    room.take(len(content))
    return ReportFile(name=name, content=content)


def _not(file: ReportFile, code: str) -> NoReport:
    return NoReport(name=file.name, reason=because(code, name=file.name))
