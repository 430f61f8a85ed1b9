"""Rows drawn by Jinja's templates say what Django's would say, and escape what comes from outside."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest
from django.template import Context, Template, engines, loader
from django.test import RequestFactory
from django.utils import timezone, translation

from postroom.core.terms.reasons import because
from postroom.web import drawing_rows
from postroom.web.drawing_rows import Row, Rows

HOSTILE = "<script>alert(1)</script>\"'"
FOLDER = Path(drawing_rows.__file__).parent / "jinja2"


def row(source: str) -> Row:
    engine = engines["rows"]
    assert isinstance(engine, Rows)
    return Row(engine.env.from_string(source), engine)


def test_what_comes_from_outside_is_escaped_wherever_it_stands() -> None:
    drawn = row(
        '{{ name }} <a title="{{ name }}">{{ _("Choose %(title)s", title=name) }}</a>'
        '{{ ngettext("%(n)s mail of %(who)s", "%(n)s mails of %(who)s", 2, who=name) }}{{ avatar(name, name) }}'
    ).draw({"name": HOSTILE})
    assert "<script" not in drawn
    assert drawn.count("&lt;script&gt;") == 4
    assert drawn.count('"') == 8, "of the title and of the avatar's attributes alone"


@pytest.mark.parametrize(
    ("jinja", "django"),
    [
        ('{{ _("Note") }}', '{% translate "Note" %}'),
        ('{{ _("Choose %(title)s", title=title) }}', "{% blocktranslate %}Choose {{ title }}{% endblocktranslate %}"),
        (
            '{{ ngettext("%(n)s recipient", "%(n)s recipients", n) }}',
            "{% blocktranslate count n=n %}{{ n }} recipient{% plural %}{{ n }} recipients{% endblocktranslate %}",
        ),
        ('{{ url("web:record", 7) }}', '{% url "web:record" 7 %}'),
        ("{{ at|moment }}", "{{ at|moment }}"),
        ('{{ at|date("Y-m-d H:i T") }}', '{{ at|date:"Y-m-d H:i T" }}'),
        ('{{ icon("check") }}{{ avatar(title, title, "s") }}', '{% icon "check" %}{% avatar title title "s" %}'),
        ("{{ size|filesizeformat }}", "{{ size|filesizeformat }}"),
        (
            '{{ "sent"|delivery_badge }}{{ title|delivery_badge }}',
            '{{ "sent"|delivery_badge }}{{ title|delivery_badge }}',
        ),
        (
            '{{ "held"|inbound_badge }}{{ "manual"|cause_badge }}',
            '{{ "held"|inbound_badge }}{{ "manual"|cause_badge }}',
        ),
        ('{{ "limit"|gate_badge }}{{ "turn"|gate_says }}', '{{ "limit"|gate_badge }}{{ "turn"|gate_says }}'),
        (
            '{{ 2|lane_word }}{{ "imap"|door_word }}{{ "server"|blame_word }}',
            '{{ 2|lane_word }}{{ "imap"|door_word }}{{ "server"|blame_word }}',
        ),
        ("{{ why|because }}{{ no_reason|because }}", "{{ why|because }}{{ no_reason|because }}"),
        (
            "{{ title|truncatechars(9) }}{{ title|truncatechars(99) }}",
            "{{ title|truncatechars:9 }}{{ title|truncatechars:99 }}",
        ),
        (
            "{{ accents|truncatechars(2) }}{{ accents|truncatechars(9) }}",
            "{{ accents|truncatechars:2 }}{{ accents|truncatechars:9 }}",
        ),
        ("{{ nothing.of.this }}", "{{ nothing.of.this }}"),
        ("{{ csrf_input() }}", "{% csrf_token %}"),
    ],
)
@pytest.mark.parametrize("language", ["en", "de"])
@pytest.mark.parametrize("minutes", [0, 5, 300, 60 * 24, 60 * 24 * 30])
def test_both_engines_say_the_same(jinja: str, django: str, language: str, minutes: int) -> None:
    given = {
        "title": 'Lamps & "shades"', "n": 3, "size": 123456, "csrf_token": "abc", "no_reason": None,
        "why": because("wait.paused", server='"Relay" & <co>'), "accents": "e\N{COMBINING ACUTE ACCENT}te\N{COMBINING ACUTE ACCENT}",
        "at": timezone.now() - timedelta(minutes=minutes, seconds=5),
    }  # fmt: skip
    with translation.override(language):
        whole = Template("{% load i18n postroom %}" + django).render(Context(given))
        drawn = row(jinja).draw(given)
    assert drawn.replace("&#39;", "&#x27;").replace("&#34;", "&quot;") == whole


def test_a_word_is_said_in_the_language_of_who_reads_it() -> None:
    said = []
    for language in ("en", "de", "en"):
        with translation.override(language):
            said.append(row('{{ _("Show recipients") }} 100 {{ _("%%") }}').draw({}))
    assert said[0] == said[2] != said[1]
    assert said[0].endswith("100 %")


def test_each_draws_pieces_of_the_other(rf: RequestFactory) -> None:
    request = rf.get("/records/?q=lamp&after=9")
    page = Template('{% load rows %}{% drawn "postroom/records/_rows.html" rows=page place="/records/" %}')
    drawn = page.render(Context({"request": request, "page": {"rows": [], "next": "a&b"}}))
    assert 'href="/records/?q=lamp&amp;after=a%26b"' in drawn
    piece = row('{{ django("postroom/_errors.html", form=form) }}').draw(
        {"form": {"errors": 1, "non_field_errors": [HOSTILE]}}
    )
    assert "&lt;script&gt;" in piece
    assert "<script" not in piece


def test_a_view_draws_either_by_its_name(rf: RequestFactory) -> None:
    drawn = loader.render_to_string("postroom/records/_rows.html", {"rows": {"next": "x"}}, rf.get("/records/?q=1"))
    assert "?q=1&amp;after=x" in drawn
    assert "csrf_token" not in drawn


def test_no_piece_is_drawn_by_both() -> None:
    ours = {path.relative_to(FOLDER) for path in FOLDER.rglob("*.html")}
    assert ours
    assert [path for path in ours if (FOLDER.parent / "templates" / path).exists()] == []


@pytest.mark.parametrize("path", sorted(FOLDER.rglob("*.html")), ids=lambda path: path.stem)
def test_nothing_is_called_safe_by_hand(path: Path) -> None:
    source = path.read_text(encoding="utf-8")
    assert "|safe" not in source.replace(" ", "")
    assert "autoescape" not in source
