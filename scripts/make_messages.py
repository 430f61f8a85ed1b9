"""Keep the catalogues of translations in step with the code.

    python scripts/make_messages.py                 take new texts into every catalogue and compile them
    python scripts/make_messages.py --check         exit 1 and say what is behind: texts, translations, compiled files
    python scripts/make_messages.py --missing de    the texts that have no translation yet, a JSON document a line
    python scripts/make_messages.py --take de FILE  take translations from a file of lines like {"id": "...", "text": "..."}

Texts are found where they stand: in templates, in calls of gettext, and in the tables of the core whose words pages show. Needs
no database and no xgettext. A translation that names a field that the text does not have is refused: it would break a page.
"""

from __future__ import annotations

import ast
import json
import re
import string
import sys
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import fields, is_dataclass
from datetime import UTC, datetime
from io import BytesIO
from pathlib import Path

from babel.messages.catalog import Catalog
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po, write_po
from django.utils.translation.template import templatize
from jinja2 import Environment

from postroom.core.delivery.presets import PRESETS
from postroom.core.delivery.providers import providers
from postroom.core.reports.taxonomy import TAXONOMY
from postroom.core.terms.ingress import INBOUND_PROVIDERS
from postroom.core.terms.mailbox_presets import MAILBOX_PRESETS
from postroom.core.terms.parameters import PARAMETERS

PROJECT = Path(__file__).resolve().parents[1]
SOURCES = PROJECT / "src" / "postroom"
JINJA = SOURCES / "web" / "jinja2"
LOCALE = SOURCES / "web" / "locale"
LANGUAGES = ("de", "fr", "es", "zh_Hans")
COMPLETE = ("de",)  # the others fall back to English
_CALLS = {"_", "gettext", "gettext_lazy", "gettext_noop", "ngettext", "ngettext_lazy"}
_SHOWN = {
    "meaning", "cure", "help", "label", "needs", "advice", "limit_note", "username_hint", "signing_label", "secret_label", "login_cure", "key_help",
}  # fmt: skip
_SOME_DAY = datetime(2026, 1, 1, tzinfo=UTC)  # the catalogue's own date, so that equal texts are equal files
_OLD_STYLE = re.compile(r"%\((\w+)\)[sd]")

_JINJA = Environment(extensions=["jinja2.ext.i18n"], autoescape=True)

Message = str | tuple[str, str]


def messages() -> dict[Message, list[str]]:
    """Each text, singular and plural where there are two, with the files where it stands."""
    found: dict[Message, list[str]] = defaultdict(list)
    for place, message in (*_in_templates(), *_in_code(), *_in_tables()):
        if (message if isinstance(message, str) else message[0]).strip() and place not in found[message]:
            found[message].append(place)
    return dict(sorted(found.items(), key=lambda item: (item[1][0], str(item[0]))))


def _in_templates() -> Iterator[tuple[str, Message]]:
    for path in sorted(SOURCES.rglob("*.html")):
        place = path.relative_to(PROJECT).as_posix()
        if JINJA in path.parents:
            yield from ((place, message) for message in _in_rows(path.read_text(encoding="utf-8")))
            continue
        for message in _calls(ast.parse(_as_python(templatize(path.read_text(encoding="utf-8"), origin=place)))):
            yield place, message


def _in_rows(source: str) -> Iterator[Message]:
    """The texts of a template of Jinja's: ``_("…")`` and ``ngettext("…", "…", n)``."""
    for _line, name, said in _JINJA.extract_translations(source, gettext_functions=("_", "ngettext")):  # type: ignore[attr-defined]
        texts = [said] if isinstance(said, str) else [text for text in said if text is not None]
        yield (texts[0], texts[1]) if name == "ngettext" else texts[0]


_CALL = re.compile(
    r"\b(n?gettext)\((u?(?:'(?:[^'\\]|\\.)*'|\"(?:[^\"\\]|\\.)*\"))(?:, ?(u?(?:'(?:[^'\\]|\\.)*'|\"(?:[^\"\\]|\\.)*\")))?|"
    r"\b_\((u?(?:'(?:[^'\\]|\\.)*'|\"(?:[^\"\\]|\\.)*\"))\)",
    re.DOTALL,
)


def _as_python(text: str) -> str:
    """The calls alone: what `templatize` leaves between them is not Python."""
    return "\n".join(
        f"{call[1]}({call[2]}, {call[3]}, 0)" if call[3] else f"gettext({call[2] or call[4]})"
        for call in _CALL.finditer(text)
    )


def _in_code() -> Iterator[tuple[str, Message]]:
    for path in sorted(SOURCES.rglob("*.py")):
        place = path.relative_to(PROJECT).as_posix()
        tree = ast.parse(path.read_text(encoding="utf-8"))
        for message in _calls(tree):
            yield place, message
        for node in ast.walk(tree):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "catalogue":
                for sentence in ast.literal_eval(node.args[0]).values():
                    yield place, sentence


def _calls(tree: ast.AST) -> Iterator[Message]:
    for node in ast.walk(tree):
        if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in _CALLS):
            continue
        texts = [one.value for one in node.args[:2] if isinstance(one, ast.Constant) and isinstance(one.value, str)]
        if node.func.id.startswith("n") and len(texts) == 2:
            yield texts[0], texts[1]
        elif texts:
            yield texts[0]


def _in_tables() -> Iterator[tuple[str, Message]]:
    for table in (
        PRESETS.values(),
        MAILBOX_PRESETS.values(),
        providers(),
        INBOUND_PROVIDERS.values(),
        TAXONOMY.values(),
        PARAMETERS.values(),
    ):
        for row in table:
            for text in _words_of(row):
                yield f"src/{type(row).__module__.replace('.', '/')}.py", text


def _words_of(row: object) -> Iterator[str]:
    """The texts of a row that pages show, also those of rows within it."""
    if not is_dataclass(row):
        return
    for field in fields(row):
        value = getattr(row, field.name)
        if field.name in _SHOWN:
            yield from (one for one in ((value,) if isinstance(value, str) else value) if isinstance(one, str))
        elif isinstance(value, tuple):
            for inner in value:
                yield from _words_of(inner)


# ---- catalogues


def catalogue_of(language: str) -> Catalog:
    path = _po(language)
    if path.exists():
        with path.open("rb") as file:
            return read_po(file, locale=language)
    return Catalog(locale=language, project="Postroom", charset="utf-8")


def _po(language: str) -> Path:
    return LOCALE / language / "LC_MESSAGES" / "django.po"


def in_step(language: str) -> Catalog:
    """The catalogue with exactly the texts of the code, and the translations that it has."""
    before = catalogue_of(language)
    known = {
        message.id if isinstance(message.id, str) else tuple(message.id): message.string
        for message in before
        if message.id
    }
    after = Catalog(
        locale=language,
        project="Postroom",
        charset="utf-8",
        fuzzy=False,
        header_comment="# Translations of Postroom's pages.",
    )
    after.creation_date = after.revision_date = _SOME_DAY
    for message, places in messages().items():
        string = known.get(message) or ("" if isinstance(message, str) else ("",) * after.num_plurals)
        flags = {"python-format"} if _OLD_STYLE.search(str(message)) else set()
        after.add(message, string, locations=[(place, None) for place in places[:3]], flags=flags)
    return after


def written(catalog: Catalog) -> bytes:
    out = BytesIO()
    write_po(
        out, catalog, width=140, omit_header=False, include_previous=False, sort_output=False, include_lineno=False
    )
    return out.getvalue()


def compiled(catalog: Catalog) -> bytes:
    out = BytesIO()
    write_mo(out, catalog)
    return out.getvalue()


def _is_translated(string: object) -> bool:
    return bool(string) if isinstance(string, str) else all(string) and bool(string)  # type: ignore[call-overload]


def wrong_fields(message: Message, string: object) -> set[str]:
    """The fields of a translation that the text does not have."""
    texts = [message] if isinstance(message, str) else list(message)
    given = [string] if isinstance(string, str) else list(string)  # type: ignore[call-overload]
    allowed = set().union(*map(_fields_of, texts))
    return set().union(*map(_fields_of, given)) - allowed if any(given) else set()


def _fields_of(text: str) -> set[str]:
    named = set(_OLD_STYLE.findall(text))
    try:
        named |= {f"{{{name}}}" for _, name, _, _ in string.Formatter().parse(text) if name is not None}
    except ValueError:  # braces that are no fields
        named.add("{")
    return named


def behind() -> list[str]:
    """What is not as it should be, a sentence each."""
    troubles = []
    for language in LANGUAGES:
        after = in_step(language)
        path = _po(language)
        if not path.exists() or path.read_bytes() != written(after):
            troubles.append(f"{language}: the catalogue is not in step with the code; run scripts/make_messages.py")
        mo = path.with_suffix(".mo")
        if not mo.exists() or mo.read_bytes() != compiled(after):
            troubles.append(f"{language}: the compiled catalogue is not that of the text; run scripts/make_messages.py")
        for message in after:
            if message.id and (strange := wrong_fields(_key(message.id), message.string)):
                troubles.append(f"{language}: {message.id!r} is translated with the unknown field {sorted(strange)}")
            if message.id and language in COMPLETE and not _is_translated(message.string):
                troubles.append(f"{language}: {message.id!r} has no translation")
    return troubles


def _key(message_id: object) -> Message:
    return message_id if isinstance(message_id, str) else tuple(message_id)  # type: ignore[call-overload, no-any-return]


def take(language: str, lines: Iterable[str]) -> list[str]:
    """Translations into the catalogue; what was refused, and why."""
    after = in_step(language)
    refused = []
    for line in lines:
        if not line.strip():
            continue
        row = json.loads(line)
        message = after.get(row["id"] if isinstance(row["id"], str) else tuple(row["id"]))
        if message is None:
            refused.append(f"{row['id']!r} is no text of the code")
        elif strange := wrong_fields(_key(message.id), row["text"]):
            refused.append(f"{row['id']!r} has the unknown field {sorted(strange)}")
        else:
            message.string = row["text"] if isinstance(row["text"], str) else tuple(row["text"])
    _store(language, after)
    return refused


def _store(language: str, catalog: Catalog) -> None:
    path = _po(language)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(written(catalog))
    path.with_suffix(".mo").write_bytes(compiled(catalog))


def main(arguments: list[str]) -> int:
    if arguments[:1] == ["--check"]:
        troubles = behind()
        sys.stderr.write("".join(f"{trouble}\n" for trouble in troubles[:40]))
        return 1 if troubles else 0
    if arguments[:1] == ["--missing"]:
        for message in in_step(arguments[1]):
            if message.id and not _is_translated(message.string):
                sys.stdout.write(json.dumps({"id": message.id, "text": ""}, ensure_ascii=False) + "\n")
        return 0
    if arguments[:1] == ["--take"]:
        refused = take(arguments[1], Path(arguments[2]).read_text(encoding="utf-8").splitlines())
        sys.stderr.write("".join(f"{reason}\n" for reason in refused))
        return 1 if refused else 0
    for language in LANGUAGES:
        _store(language, in_step(language))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
