"""Jinja, quicker for rows: what it does for each call, each piece and each value is done once, when a template is loaded, or not at all.

Laws: the same HTML as Jinja's own, and the same escaping. While developing (``auto_reload``) templates are compiled as they are written, so
that they may change at any moment and tracebacks name their lines.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

from django.utils.safestring import SafeString
from jinja2 import Environment, nodes
from jinja2.ext import Extension
from jinja2.runtime import Context
from markupsafe import Markup, escape

_WANTS_CONTEXT: dict[Any, bool] = {}  # each function that templates may call by name
_INCLUDE = re.compile(r'{% include "(?P<name>[^"]+)" %}')
_SIGN = re.compile(r'{{ icon\("(?P<name>[a-z0-9_]+)"\) }}')


class Direct(Context):
    """What a template knows. Functions of ours are called as they are: Jinja looks at each call anew for what its function wants, and copies
    all that a loop knows for those that want the context, which read nothing of a loop."""

    def call(self, called: Any, *given: Any, **named: Any) -> Any:
        wants = _WANTS_CONTEXT.get(called)
        if wants is None:
            return super().call(called, *given, **named)
        named.pop("_loop_vars", None)
        named.pop("_block_vars", None)
        return called(self, *given, **named) if wants else called(*given, **named)


class Pieces(Extension):
    """``{% include "…" %}`` is written out where it stands: to begin a template anew for each of many rows, and to look up all that it names,
    takes longer than to draw it. So are signs, where their name is written there."""

    def preprocess(self, source: str, name: str | None, filename: str | None = None) -> str:  # noqa: ARG002 - Jinja's
        if self.environment.auto_reload:
            return source
        return _SIGN.sub(self._sign, self._written_out(source, (name,)))

    def _written_out(self, source: str, within: tuple[str | None, ...]) -> str:
        return _INCLUDE.sub(lambda found: self._piece(found["name"], found[0], within), source)

    def _piece(self, name: str, tag: str, within: tuple[str | None, ...]) -> str:
        loader = self.environment.loader
        if loader is None or name in within:
            return tag
        source = loader.get_source(self.environment, name)[0].removesuffix("\n")
        return "{% with %}" + self._written_out(source, (*within, name)) + "{% endwith %}"

    def _sign(self, found: re.Match[str]) -> str:
        icon = self.environment.globals.get("icon")
        return str(icon(found["name"])) if callable(icon) else found[0]


class QuickJinja(Environment):
    """Jinja's environment, with `Direct`, `Pieces` and `escaped`."""

    context_class = Direct

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.add_extension(Pieces)

    def may_call(self, functions: Iterable[object]) -> None:
        """These are called as they are. They read nothing of a loop."""
        _WANTS_CONTEXT.update({one: getattr(one, "jinja_pass_arg", None) is not None for one in functions})

    def _generate(self, source: nodes.Template, *named: Any, **options: Any) -> str:
        return f"{super()._generate(source, *named, **options)}\n\nfrom {__name__} import escaped as escape"


def escaped(value: object) -> Markup | SafeString:
    """Whatever a template prints. Markupsafe's own makes a copy of what is markup already, as half of all values are."""
    return value if type(value) is SafeString or type(value) is Markup else escape(value)
