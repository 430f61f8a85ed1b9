"""The small language of templates: what it can, and that nobody gets out of it."""

from __future__ import annotations

import contextlib
import time
from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from postroom.adapters.html import templating
from postroom.adapters.html.templating import MAX_SECONDS, TemplateRenderer
from postroom.core.terms.templates import MAX_RENDERED, MAX_SOURCE, TemplateError

VALUES = {
    "record": {
        "title": "Lamp <b>& Co</b>",
        "values": {"price": "1234.5", "empty": ""},
        "created_at": datetime(2026, 3, 2, 9, 5, tzinfo=UTC),
        "nothing": None,
    },
    "values": ({"name": "price", "value": "1234.5"}, {"name": "colour", "value": "red"}),
    "big": tuple({"name": str(number)} for number in range(5000)),
}


def filled(source: str, *, language: str = "en", is_html: bool = True) -> str:
    return TemplateRenderer().render(source, VALUES, language=language, is_html=is_html)


@pytest.mark.parametrize(
    ("source", "becomes"),
    [
        ("{{ record.title }}", "Lamp &lt;b&gt;&amp; Co&lt;/b&gt;"),
        ("{{ record['title'] }}", "Lamp &lt;b&gt;&amp; Co&lt;/b&gt;"),
        ("{{ record.nothing }}.", "."),
        ("{{ record.created_at|date }} {{ record.created_at|time }}", "2 March 2026 09:05"),
        ("{{ record.created_at }}", "2 March 2026"),
        ("{{ record.values.price|money('EUR') }}", "1,234.50\u00a0EUR"),
        ("{{ record.values.price|number(1) }}", "1,234.5"),
        ("{{ record.values.empty|default('none') }}", "none"),
        ("{{ record.colour|default('unknown') }}", "unknown"),
        ("{% if record.values.empty %}a{% elif record.values.price %}b{% else %}c{% endif %}", "b"),
        (
            "{% for one in values %}{{ loop.index }}{{ one.name }}{% if not loop.last %}, {% endif %}{% endfor %}",
            "1price, 2colour",
        ),
        ("{{ 'a\nb<'|nl2br }}", "a<br>\nb&lt;"),
        ("{{ 'x' if record.title == 'y' else 'z' }}", "z"),
        ("{{ record.nope is defined }}", "False"),
        ("{{ 'some longer words'|truncate(8) }}{{ ' a b'|first_word }}", "some lo…a"),
        ("{{ values|length }}", "2"),
        ("{# a comment #}{% raw %}{{ kept }}{% endraw %}", "{{ kept }}"),
    ],
)
def test_a_template_is_filled(source: str, becomes: str) -> None:
    assert filled(source) == becomes


def test_in_a_subject_nothing_is_escaped() -> None:
    assert filled("{{ record.title }}", is_html=False) == "Lamp <b>& Co</b>"


def test_dates_and_numbers_are_written_in_the_language_of_the_text() -> None:
    assert filled("{{ record.created_at|date }}, {{ record.values.price|money('EUR') }}", language="de") == (
        "2. März 2026, 1.234,50\u00a0EUR"
    )


@pytest.mark.parametrize(
    ("source", "line", "words"),
    [
        ("a\nb\n{{ record.nope }}", 3, "there is no 'nope' here"),
        ("a\n{{ recrod.title }}", 2, "there is no 'recrod' here"),
        ("a\n{{ record.nope|upper }}", 2, "there is no 'nope' here"),
        ("\n\n{% if record.title %}", 3, "endif"),
        ("{{ record.title", 1, "end of print statement"),
        ("\n{{ record.title|date }}", 2, "needs a date"),
        ("\n{{ record.title|number }}", 2, "no number"),
        ("\n{{ record.title|truncate('x') }}", 2, "cannot be used like that"),
        ("\n{{ record }}", 2, "several values"),
        ("\n{% for letter in record.title %}{% endfor %}", 2, "a loop goes over a list"),
        ("\n{{ record.title|shout }}", 2, "no filter 'shout'"),
    ],
)
def test_trouble_is_told_with_its_line(source: str, line: int, words: str) -> None:
    with pytest.raises(TemplateError, match=words) as caught:
        filled(source)
    assert caught.value.line == line


ESCAPES = [
    "{{ ''.__class__.__mro__[1].__subclasses__() }}",
    "{{ ''['__class__'] }}",
    "{{ record['__class__'] }}",
    "{{ record.title.__class__ }}",
    "{{ record.title.format }}",
    "{{ record.title.format(1) }}",
    "{{ record.items() }}",
    "{{ record.keys }}",
    "{{ record|attr('__class__') }}",
    "{{ '{0.__class__}'|format(record) }}",
    "{{ record|map('upper') }}",
    "{{ record|xmlattr }}",
    "{{ record.title|safe }}",
    "{% autoescape false %}{{ record.title }}{% endautoescape %}",
    "{{ self }}",
    "{{ self.__init__ }}",
    "{{ self._TemplateReference__context }}",
    "{{ loop }}",
    "{% for one in values %}{{ loop }}{% endfor %}",
    "{% for one in values %}{{ loop.previtem }}{% endfor %}",
    "{% for one in values %}{{ loop._iterable }}{% endfor %}",
    "{% for one in values recursive %}{{ loop(values) }}{% endfor %}",
    "{% include 'settings.py' %}",
    "{% import 'os' as os %}",
    "{% from 'os' import system %}",
    "{% extends 'base' %}",
    "{% block x %}{% endblock %}",
    "{% macro x() %}{% endmacro %}",
    "{% call x() %}{% endcall %}",
    "{% set x = 1 %}",
    "{% with x = 1 %}{% endwith %}",
    "{% filter upper %}x{% endfilter %}",
    "{% do 1 %}",
    "{{ cycler }}",
    "{{ joiner }}",
    "{{ lipsum() }}",
    "{{ range(10) }}",
    "{{ dict() }}",
    "{{ namespace() }}",
    "{{ config }}",
    "{{ request }}",
    "{{ settings.SECRET_KEY }}",
    "{{ [1, 2] }}",
    "{{ {'a': 1} }}",
    "{{ record.title[0:1] }}",
    "{{ 'a' * 1000000000 }}",
    "{{ 10 ** 10 ** 10 }}",
    "{{ '%1000000000d' % 1 }}",
    "{{ 1 + 1 }}",
    "{{ -1 }}",
    "{{ _run }}",
    "{% for _x in values %}{% endfor %}",
    "{% for a in values %}{% for b in values %}{% endfor %}{% endfor %}",
    "{{ record|each }}",
    "{{ 'x' is callable }}",
    "{{ 'x' is sameas 'x' }}",
]


@pytest.mark.parametrize("source", ESCAPES)
@pytest.mark.parametrize("is_html", [True, False])
def test_nobody_gets_out(source: str, is_html: bool) -> None:
    with pytest.raises(TemplateError):
        filled(source, is_html=is_html)


@pytest.mark.parametrize(
    "source",
    [
        "{{ " + "(" * 3000 + "1" + ")" * 3000 + " }}",
        "{{ " + "not " * 3000 + "1 }}",
        "{{ 'x'" + "|upper" * 3000 + " }}",
        "{% if 1 %}" * 300 + "{% endif %}" * 300,
        "x" * (MAX_SOURCE + 1),
        "{% for one in big %}" + "y" * 5000 + "{% endfor %}",
        "{% for one in big %}{% if one.name|upper|lower|upper %}{% endif %}{% endfor %}" * 200,
    ],
)
def test_what_is_too_deep_too_long_or_too_slow_ends(source: str) -> None:
    began = time.monotonic()
    with pytest.raises(TemplateError):
        filled(source)
    assert time.monotonic() - began < 20 * MAX_SECONDS, "a bound, not a measure"


def test_the_longest_text_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(templating, "MAX_SECONDS", 600.0)  # a slow machine would need too long for it, and say that
    with pytest.raises(TemplateError, match="too long"):
        filled("{% for one in big %}" + "y" * (MAX_RENDERED // 400) + "{% endfor %}")


@settings(max_examples=150, deadline=None)
@given(st.text(alphabet="{}%|.()[]'\"abcrecord title for if end in not or _~=1,\n", max_size=80))
def test_any_source_gives_a_text_or_a_template_error(source: str) -> None:
    with contextlib.suppress(TemplateError):
        assert isinstance(filled(source), str)


def test_a_template_that_cannot_be_read_is_refused_when_it_is_saved() -> None:
    TemplateRenderer().check("{{ record.title }}")
    with pytest.raises(TemplateError):
        TemplateRenderer().check("{{ open('x') }}")


@pytest.mark.parametrize(
    "source",
    [
        "{{ '1e100000000'|number|length }}",
        "{{ '1e99999999'|money('EUR') }}",
        "{{ 'NaN'|number }}",
        "{{ 'Infinity'|money('EUR') }}",
        "{{ " + "9" * 5000 + " }}",
        "{{ 0x" + "f" * 20_000 + " }}",
    ],
)
def test_a_number_that_no_letter_needs_is_refused_at_once(source: str) -> None:
    with pytest.raises(TemplateError):
        filled(source)


def test_half_a_character_becomes_a_question_mark() -> None:
    assert filled(r"{{ '\ud800' }}").encode("utf-8") == b"?"


@pytest.mark.parametrize(
    "source",
    [
        "{% for one in values %}{{ loop|upper }}{% endfor %}",
        "{% for one in values %}{{ '' ~ loop }}{% endfor %}",
        "{% for one in values %}{{ loop|length }}{% endfor %}",
        "{% for one in values %}{{ record.nothing|default(loop)|trim }}{% endfor %}",
        "{% for one in values %}{{ 5|money(loop) }}{% endfor %}",
        "{% for one in values %}{{ loop|nl2br }}{% endfor %}",
    ],
)
def test_what_holds_a_loop_is_no_text_and_says_what_is(source: str) -> None:
    with pytest.raises(TemplateError, match="loop has first, index, last, length"):
        filled(source)


@pytest.mark.parametrize("source", ["{{ record|upper }}", "{{ 'x' ~ record }}", "{{ record.values|trim }}"])
def test_several_values_are_no_text_and_are_named(source: str) -> None:
    with pytest.raises(TemplateError, match=r"several values: name one of them.*It has "):
        filled(source)


def test_a_list_is_no_text() -> None:
    with pytest.raises(TemplateError, match="go through it with a loop"):
        filled("{{ values|upper }}")


def test_texts_dates_and_lengths_are_joined() -> None:
    assert filled("{{ 'on ' ~ record.created_at ~ record.nothing }}", is_html=False).startswith("on ")
    assert "datetime" not in filled("{{ 'on ' ~ record.created_at }}", is_html=False)
    assert filled("{{ '<' ~ record.title }}") == "&lt;Lamp &lt;b&gt;&amp; Co&lt;/b&gt;"
    assert filled("{{ values|length }}") == "2"
