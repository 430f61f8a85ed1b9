"""The support bundle: what is in it, and what must hold before anybody believes one.

Duty: the manifest (``manifest.json``) names schema, version, what the bundle is about, what was masked, and each member with size and SHA-256.
Laws: pure. A bundle comes from strangers: names are plain relative ones, numbers and sizes are bounded before anything is read, and a member
that is not named, missing, or other than it should be makes the whole bundle unbelieved (`BundleError` says which and why).
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from hashlib import sha256
from typing import Any

SCHEMA = 1
MANIFEST = "manifest.json"
MOST_MEMBERS = 200
MOST_MEMBER = 64 * 1024 * 1024  # bytes, unpacked
MOST_TOTAL = 160 * 1024 * 1024  # bytes, unpacked
MOST_FILE = 96 * 1024 * 1024  # bytes of the file
MOST_RATIO = 250  # unpacked to packed, of what is larger than a megabyte
_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,80}(?:/[a-z0-9][a-z0-9._-]{0,80})?")
_DIGEST = re.compile(r"[0-9a-f]{64}")


class BundleError(ValueError):
    """No bundle of ours, or one that must not be trusted; the text says why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """A file of the bundle. ``what`` says in words what it is."""

    name: str
    content: bytes = field(repr=False)
    what: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """A file as the table of a ZIP announces it."""

    name: str
    size: int  # bytes, unpacked
    packed: int
    is_encrypted: bool = False
    is_file: bool = True  # neither a folder nor a link
    is_known_method: bool = True  # stored or deflated


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """``about``: kind and number of what the bundle was made for. ``masks``: what is masked in it."""

    version: str
    made_at: str
    about: Mapping[str, Any]
    masks: tuple[str, ...]
    members: tuple[Mapping[str, Any], ...]


def json_bytes(value: Any) -> bytes:
    """As it stands in a bundle: for people and programs, keys in their order."""
    return (json.dumps(value, ensure_ascii=False, indent=2, default=str) + "\n").encode("utf-8", "replace")


def write_manifest(
    members: Sequence[Member], *, version: str, made_at: datetime, about: Mapping[str, Any], masks: Sequence[str]
) -> Member:
    """The manifest of these members."""
    rows = [
        {"name": one.name, "size": len(one.content), "sha256": sha256(one.content).hexdigest(), "what": one.what}
        for one in members
    ]
    value = {
        "bundle": "postroom",
        "schema": SCHEMA,
        "version": version,
        "made_at": made_at.isoformat(timespec="seconds"),
        "about": dict(about),
        "masks": list(masks),
        "members": rows,
    }
    return Member(name=MANIFEST, content=json_bytes(value), what="what is in this bundle")


def check_entries(entries: Sequence[Entry], file_size: int) -> None:
    """Before anything is unpacked. Raises `BundleError`."""
    if file_size > MOST_FILE:
        raise BundleError(f"The file has {file_size} bytes; a bundle has {MOST_FILE} at most.")
    if len(entries) > MOST_MEMBERS:
        raise BundleError(f"It has {len(entries)} members; a bundle has {MOST_MEMBERS} at most.")
    names = [one.name for one in entries]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise BundleError(f"It has two members of the name {_told(twice[0])}.")
    if MANIFEST not in names:
        raise BundleError(f"It has no {MANIFEST}: this is no bundle of Postroom.")
    for one in entries:
        _check_entry(one)
    if sum(one.size for one in entries) > MOST_TOTAL:
        raise BundleError(f"Unpacked it would have more than {MOST_TOTAL} bytes.")


def _check_entry(one: Entry) -> None:
    if not _NAME.fullmatch(one.name):
        raise BundleError(f"A member has the name {_told(one.name)}: only plain names are taken, and nothing outside of the bundle.")  # fmt: skip
    if not one.is_file:
        raise BundleError(f"The member {one.name} is a link or a folder.")
    if one.is_encrypted:
        raise BundleError(f"The member {one.name} is encrypted.")
    if not one.is_known_method:
        raise BundleError(f"The member {one.name} is packed in a way that bundles are not.")
    if one.size > MOST_MEMBER:
        raise BundleError(f"The member {one.name} would have {one.size} bytes; {MOST_MEMBER} are taken.")
    if one.size > 1_000_000 and one.size > MOST_RATIO * max(one.packed, 1):
        raise BundleError(f"The member {one.name} grows {one.size // max(one.packed, 1)} times when it is unpacked.")


def read_manifest(members: Mapping[str, bytes]) -> Manifest:
    """Of what was unpacked: every member is as the manifest says, and no other is there. Raises `BundleError`."""
    value = read_json(members, MANIFEST)
    if not isinstance(value, dict) or value.get("bundle") != "postroom":
        raise BundleError(f"{MANIFEST} is not that of a bundle of Postroom.")
    schema = value.get("schema")
    if schema != SCHEMA:
        raise BundleError(f"The bundle has schema {_told(schema)}; this version reads {SCHEMA}: use the version that wrote it, or a newer one.")  # fmt: skip
    rows = value.get("members")
    if not isinstance(rows, list) or not all(isinstance(one, dict) for one in rows):
        raise BundleError(f"{MANIFEST} does not list the members.")
    _check_members(rows, members)
    about = value.get("about")
    return Manifest(
        version=_text(value.get("version")),
        made_at=_text(value.get("made_at")),
        about=about if isinstance(about, dict) else {},
        masks=tuple(_text(one) for one in value.get("masks") or () if isinstance(one, str)),
        members=tuple(rows),
    )


def _check_members(rows: Iterable[Mapping[str, Any]], members: Mapping[str, bytes]) -> None:
    named = {}
    for row in rows:
        name, digest = row.get("name"), row.get("sha256")
        if not (isinstance(name, str) and isinstance(digest, str) and _DIGEST.fullmatch(digest)):
            raise BundleError(f"{MANIFEST} has a line without name or SHA-256.")
        named[name] = digest
    if missing := sorted(named.keys() - members.keys()):
        raise BundleError(f"The member {_told(missing[0])} is missing.")
    if more := sorted(members.keys() - named.keys() - {MANIFEST}):
        raise BundleError(f"The member {_told(more[0])} is not in the manifest.")
    for name, digest in named.items():
        if sha256(members[name]).hexdigest() != digest:
            raise BundleError(f"The member {_told(name)} was changed after the bundle was made.")


def read_json(members: Mapping[str, bytes], name: str) -> Any:
    """A member as JSON; None when it is not there. Raises `BundleError`."""
    if name not in members:
        return None
    try:
        return json.loads(members[name].decode("utf-8"))
    except (ValueError, RecursionError) as error:
        raise BundleError(f"The member {name} is no JSON.") from error


def _text(value: object) -> str:
    return value[:200] if isinstance(value, str) else ""


def _told(value: object) -> str:
    return ascii(value)[:100]
