"""Fills templates: a small language inside Jinja's, in which nothing but the values given can be reached.

Laws: what is not allowed by name is refused before it runs: no calls, no arithmetic, no assignments, no macros, no inclusion, no names with
an underscore in front. A dot looks into mappings only, never at attributes of Python objects. Loops go over short lists and do not
nest; steps, time and length are bounded. HTML is escaped unless it stands in the template itself. Trouble is a `TemplateError` with its line.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from functools import lru_cache, wraps
from typing import Any

from jinja2 import StrictUndefined, Template, TemplateSyntaxError, Undefined, UndefinedError, nodes
from jinja2.runtime import LoopContext
from jinja2.sandbox import ImmutableSandboxedEnvironment
from markupsafe import Markup, escape

from postroom.core.terms.templates import (
    MAX_RENDERED,
    MAX_SOURCE,
    TemplateError,
    Values,
    spoken_date,
    spoken_number,
)

MAX_DEPTH = 40  # of nested expressions and blocks
MAX_STEPS = 50_000  # filters applied and rounds of loops
MAX_ROUNDS = 500  # of one loop
MAX_SECONDS = 2.0
MAX_DIGITS = 30  # of a number before its point

_ALLOWED = (
    nodes.Template, nodes.Output, nodes.TemplateData, nodes.Name, nodes.Getattr, nodes.Getitem, nodes.Const, nodes.Filter, nodes.Test,
    nodes.If, nodes.CondExpr, nodes.Compare, nodes.Operand, nodes.And, nodes.Or, nodes.Not, nodes.For, nodes.Tuple, nodes.Concat, nodes.Keyword,
)  # fmt: skip
_WORDS = {
    nodes.Call: "nothing can be called here",
    nodes.Macro: "macros are not part of this language",
    nodes.Assign: "nothing can be assigned here",
    nodes.Include: "other templates cannot be included",
    nodes.Import: "nothing can be imported here",
    nodes.FromImport: "nothing can be imported here",
    nodes.Extends: "a template cannot extend another one",
    nodes.BinExpr: "there is no arithmetic here",
}
_OF_LOOPS = frozenset(("index", "first", "last", "length"))
_TESTS = frozenset(("defined", "undefined", "none"))


@dataclass(slots=True)
class _Run:
    """One rendering: its language and what it may still use up."""

    language: str
    ends_at: float
    steps: int = MAX_STEPS

    def step(self) -> None:
        self.steps -= 1
        if self.steps < 0 or time.monotonic() > self.ends_at:
            raise TemplateError("this takes too long: the template does too much.")


_run: ContextVar[_Run] = ContextVar("postroom_template_run")


class _Fields(StrictUndefined):
    """Says which name is unknown."""

    @property
    def _undefined_message(self) -> str:
        return f"there is no {self._undefined_name!r} here."


class _Environment(ImmutableSandboxedEnvironment):
    def getattr(self, obj: Any, attribute: str) -> Any:
        return self._field(obj, attribute)

    def getitem(self, obj: Any, argument: Any) -> Any:
        return self._field(obj, argument)

    def _field(self, obj: Any, name: Any) -> Any:
        if isinstance(obj, Undefined):
            return obj
        if isinstance(name, str) and isinstance(obj, Mapping) and name in obj:
            return obj[name]
        if isinstance(obj, LoopContext) and name in _OF_LOOPS:
            return getattr(obj, name)
        return self.undefined(obj=obj, name=str(name)[:100])

    def is_safe_callable(self, _obj: Any) -> bool:
        return False


class TemplateRenderer:
    """Stateless; ready to be shared. Compiled templates are remembered."""

    def check(self, source: str) -> None:
        """Raises `TemplateError` where the template is no template of this language. Names are known only when it is rendered."""
        _compiled(source, True)

    def render(self, source: str, values: Values, *, language: str, is_html: bool) -> str:
        """The filled template. Raises `TemplateError`."""
        template = _compiled(source, is_html)
        token = _run.set(_Run(language, time.monotonic() + MAX_SECONDS))
        try:
            return "".join(_pieces(template, values)).encode("utf-8", "replace").decode("utf-8")  # no lone surrogates
        except TemplateError as error:
            raise (error if error.line else TemplateError(str(error), _line(error))) from None
        except UndefinedError as error:
            raise TemplateError(str(error), _line(error)) from None
        except (TypeError, ValueError, ArithmeticError, RecursionError) as error:
            raise TemplateError("this value cannot be used like that.", _line(error)) from error
        finally:
            _run.reset(token)


def _pieces(template: Template, values: Values) -> Iterator[str]:
    length = 0
    for piece in template.generate(values):
        length += len(piece)
        if length > MAX_RENDERED:
            raise TemplateError("this becomes too long.")
        if time.monotonic() > _run.get().ends_at:
            raise TemplateError("this takes too long: the template does too much.")
        yield piece


def _line(error: BaseException) -> int:
    """The template's line in which it went wrong; 0 when none did."""
    found, trace = 0, error.__traceback__
    while trace is not None:
        if trace.tb_frame.f_code.co_filename == "<template>":
            found = trace.tb_lineno
        trace = trace.tb_next
    return found


@lru_cache(maxsize=64)
def _compiled(source: str, is_html: bool) -> Template:
    if len(source) > MAX_SOURCE:
        raise TemplateError(f"a template has at most {MAX_SOURCE:,} characters.")
    environment = _environment(is_html)
    try:
        tree = environment.parse(source)
        _inspect(tree)
        return Template.from_code(environment, environment.compile(tree), {})
    except TemplateSyntaxError as error:
        raise TemplateError(error.message or "this cannot be read.", error.lineno) from None
    except TemplateError:
        raise
    except ValueError:  # a number of thousands of digits
        raise TemplateError("a number here is too long.") from None
    except (RecursionError, MemoryError, SyntaxError):
        raise TemplateError("this is nested too deeply.") from None


@lru_cache(maxsize=2)
def _environment(is_html: bool) -> _Environment:
    environment = _Environment(
        autoescape=is_html, undefined=_Fields, cache_size=0, keep_trailing_newline=True, finalize=_plain
    )
    environment.globals.clear()
    environment.filters = {name: _counted(work) for name, work in _FILTERS.items()}
    environment.tests = {name: environment.tests[name] for name in _TESTS}
    environment.policies.clear()
    return environment


def _inspect(tree: nodes.Node) -> None:
    """Refuses what is not allowed by name; makes loops go through `_each`."""
    waiting: list[tuple[nodes.Node, int, bool]] = [(tree, 0, False)]
    while waiting:
        node, depth, in_loop = waiting.pop()
        if depth > MAX_DEPTH:
            raise TemplateError("this is nested too deeply.", node.lineno or 0)
        _inspect_one(node, in_loop)
        if isinstance(node, nodes.For):
            in_loop = True
        waiting += [(child, depth + 1, in_loop) for child in node.iter_child_nodes()]
        if isinstance(node, nodes.Concat):
            node.nodes = [nodes.Filter(one, _PLAIN, [], [], None, None, lineno=node.lineno) for one in node.nodes]
        if isinstance(node, nodes.For):
            node.iter = nodes.Filter(node.iter, _EACH, [], [], None, None, lineno=node.lineno)


def _inspect_one(node: nodes.Node, in_loop: bool) -> None:
    if not isinstance(node, _ALLOWED):
        words = next(
            (words for kind, words in _WORDS.items() if issubclass(type(node), kind)),
            "this is not part of the language",
        )
        raise TemplateError(f"{words}.", node.lineno or 0)
    if isinstance(node, nodes.For) and (in_loop or node.recursive):
        raise TemplateError("a loop cannot stand inside a loop.", node.lineno)
    if isinstance(node, nodes.Filter) and (node.name not in _FILTERS or node.name in _OURS):
        raise TemplateError(f"there is no filter {node.name!r}.", node.lineno)
    if isinstance(node, nodes.Test) and node.name not in _TESTS:
        raise TemplateError(f"there is no test {node.name!r}.", node.lineno)
    if (isinstance(node, nodes.Getattr) and node.attr.startswith("_")) or (
        isinstance(node, nodes.Name) and node.name.startswith("_")
    ):
        raise TemplateError("names do not begin with an underscore.", node.lineno)


def _plain(value: Any) -> Any:
    """What a placeholder becomes: texts and numbers as they are, dates spoken, nothing for None."""
    match value:
        case Undefined() | str() | bool() | int() | float() | Decimal():
            return value
        case None:
            return ""
        case date():
            return spoken_date(value, _run.get().language)
        case _:
            raise TemplateError(_several(value))


def _several(value: Any) -> str:
    """What is wrong about a value that is no text, and what is right instead."""
    if isinstance(value, LoopContext):
        return f"loop has {', '.join(sorted(_OF_LOOPS))}: name one of them, as in loop.index."
    if isinstance(value, Mapping):
        names = ", ".join(sorted(map(str, value))[:8])
        return f"this holds several values: name one of them, as in record.title. It has {names}."
    return "this is a list: go through it with a loop."


# ---- filters: each takes plain values and gives plain text


def _counted(work: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(work)
    def counted(value: Any, *arguments: Any, **named: Any) -> Any:
        run = _run.get()
        run.step()
        if isinstance(value, Undefined) and work is not _default:
            str(value)  # raises: the name is unknown
        for one in (value, *arguments, *named.values()):
            if not isinstance(one, _SINGLE) and not (one is value and work in _TAKE_ANYTHING):
                raise TemplateError(_several(one))
        return work(value, *arguments, **named)

    return counted


def _each(value: Any) -> Iterator[Any]:
    if not isinstance(value, tuple | list):
        raise TemplateError("a loop goes over a list, and this is none.")
    for item in value[:MAX_ROUNDS]:
        _run.get().step()
        yield item


def _default(value: Any, instead: Any = "") -> Any:
    return instead if isinstance(value, Undefined) or value in ("", None) else value


def _date(value: Any) -> str:
    if value in ("", None):
        return ""
    if not isinstance(value, date):
        raise TemplateError("the filter date needs a date.")
    return spoken_date(value, _run.get().language)


def _time(value: Any) -> str:
    if value in ("", None):
        return ""
    if not isinstance(value, datetime):
        raise TemplateError("the filter time needs a date with a time.")
    return f"{value:%H:%M}"


def _number(value: Any, decimals: int = 0) -> str:
    if value in ("", None):
        return ""
    try:
        number = Decimal(str(value))
        if not number.is_finite() or number.adjusted() > MAX_DIGITS:
            raise TemplateError("this is no number that can be written here.")
        return spoken_number(number, _run.get().language, max(0, min(int(decimals), 10)))
    except TemplateError:
        raise
    except (ArithmeticError, ValueError, TypeError):
        raise TemplateError("this is no number.") from None


def _money(value: Any, currency: str = "") -> str:
    amount = _number(value, 2)
    return f"{amount}\u00a0{str(currency)[:10]}" if amount and currency else amount


def _nl2br(value: Any) -> Markup:
    return Markup("<br>\n").join(escape(line) for line in str(value).splitlines())


def _truncate(value: Any, length: int = 80) -> str:
    text = str(value)
    return text if len(text) <= int(length) else text[: max(0, int(length) - 1)].rstrip() + "…"


def _length(value: Any) -> int:
    if isinstance(value, tuple | list | str):
        return len(value)
    if not isinstance(value, _SINGLE):
        raise TemplateError(_several(value))
    return len(str(value))


_EACH, _PLAIN = "each element", "as text"  # nobody can write a name with a blank
_OURS = frozenset((_EACH, _PLAIN))
_SINGLE = (str, bool, int, float, Decimal, date, Undefined, type(None))
_TAKE_ANYTHING = (_each, _plain, _default, _length)
_FILTERS: Mapping[str, Callable[..., Any]] = {
    _EACH: _each,
    _PLAIN: _plain,
    "default": _default,
    "date": _date,
    "time": _time,
    "number": _number,
    "money": _money,
    "nl2br": _nl2br,
    "truncate": _truncate,
    "upper": lambda value: str(value).upper(),
    "lower": lambda value: str(value).lower(),
    "capitalize": lambda value: str(value)[:1].upper() + str(value)[1:],
    "trim": lambda value: str(value).strip(),
    "first_word": lambda value: next(iter(str(value).split()), ""),
    "length": _length,
}
