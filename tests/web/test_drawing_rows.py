"""Rows and fields drawn by Jinja's templates say what Django's would say, and escape what comes from outside."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest
from django import forms
from django.forms.renderers import DjangoTemplates
from django.template import Context, Template, engines, loader
from django.test import RequestFactory
from django.urls import get_script_prefix, reverse, set_script_prefix
from django.utils import timezone, translation
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy
from jinja2 import DictLoader
from markupsafe import Markup

from postroom.core.terms.reasons import because
from postroom.web import drawing_rows
from postroom.web.drawing_forms import Fields
from postroom.web.drawing_rows import WRITTEN, Row, Rows, environment

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
        (
            '{{ ngettext("%(n)s recipient", "%(n)s recipients", 1) }}',
            "{% blocktranslate count n=1 %}{{ n }} recipient{% plural %}{{ n }} recipients{% endblocktranslate %}",
        ),
        ('{{ url("web:record", 7) }}', '{% url "web:record" 7 %}'),
        ("{{ at|moment }}", "{{ at|moment }}"),
        ("{{ at|day_key }} {{ at|day_word }}", "{{ at|day_key }} {{ at|day_word }}"),
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
        whole = Template("{% load i18n postroom timeline %}" + django).render(Context(given))
        drawn = row(jinja).draw(given)
    assert drawn.replace("&#39;", "&#x27;").replace("&#34;", "&quot;") == whole


ZONES = ("UTC", "Europe/Berlin", "America/St_Johns", "Asia/Kathmandu", "Australia/Lord_Howe")
HOURS = [
    datetime(2026, 3, 29, 0, 59, 59, 999_999, tzinfo=UTC),  # Berlin's hour that is not there begins a second later
    datetime(2026, 3, 29, 1, 0, tzinfo=UTC),
    datetime(2026, 10, 25, 0, 30, tzinfo=UTC),  # Berlin's hour that is there twice, the first time
    datetime(2026, 10, 25, 1, 30, 7, tzinfo=UTC),  # and again
    datetime(2026, 7, 1, 23, 5, 9, 1, tzinfo=UTC),
    datetime(2026, 12, 31, 23, 59, tzinfo=timezone.get_fixed_timezone(-90)),
    datetime(987, 1, 2, 3, 4, 5, tzinfo=UTC),
    datetime(2026, 6, 7, 8, 9, 10),
]


@pytest.mark.parametrize("zone", ZONES)
@pytest.mark.parametrize("at", HOURS, ids=str)
@pytest.mark.parametrize("filter_", ["date", "time"])
def test_a_date_is_written_as_django_writes_it_where_the_reader_lives(zone: str, at: datetime, filter_: str) -> None:
    for pattern in (*WRITTEN, "D j M Y", "H:i"):
        if filter_ == "time" and "Y" in pattern:
            continue  # Django's knows no days
        with timezone.override(zone):
            whole = Template(f'{{{{ at|{filter_}:"{pattern}" }}}}').render(Context({"at": at}))
            drawn = row(f'{{{{ at|{filter_}("{pattern}") }}}}').draw({"at": at})
        assert drawn == whole != ""


def test_of_no_date_nothing_is_written() -> None:
    for nothing in (None, ""):
        assert row('{{ at|date("Y-m-d H:i T") }}{{ at|time("H:i:s") }}').draw({"at": nothing}) == ""
    assert row('{{ at|date("Y-m-d H:i T") }}{{ of.none|moment }}').draw({}) == ""
    assert row('{{ at|date("Y-m-d") }}').draw({"at": date(2026, 3, 1)}) == "2026-03-01"


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


def loaded(*, auto_reload: bool = False, **templates: str) -> Rows:
    """An engine with these templates alone."""
    engine = Rows({"NAME": "few", "DIRS": [], "APP_DIRS": False, "OPTIONS": {}})
    engine.env = environment(loader=DictLoader(templates), autoescape=True, auto_reload=auto_reload)
    return engine


@pytest.mark.parametrize("auto_reload", [False, True])
def test_a_piece_is_drawn_within_a_loop_with_what_stands_around_it(*, auto_reload: bool) -> None:
    engine = loaded(
        auto_reload=auto_reload,
        rows='{% for row in rows %}{% set own = row %}{% with more=1 %}{% include "row" %}{% endwith %}{{ late }},{% endfor %}',
        row='{% set late = "late" %}{{ row }}{{ more }}{{ _("Note") }}{{ url("web:record", row) }}{% include "end" %}',
        end="{{ own }}{{ host }}!\n",
    )
    drawn = engine.get_template("rows").draw({"rows": [4, 5], "host": "<b>"})
    assert drawn == "41Note/records/4/4&lt;b&gt;!,51Note/records/5/5&lt;b&gt;!,"


def test_markup_of_ours_is_printed_as_it_is_and_nothing_else() -> None:
    class Known(Markup):
        """As markupsafe's own classes may be extended."""

    class Told:
        def __str__(self) -> str:
            return "<s>"

    values = [
        SafeString("<b>"),
        Markup("<b>"),
        Known("<b>"),
        "<s>",
        Told(),
        7,
        None,
        gettext_lazy("Note"),
        SafeString("<b>") + "<s>",
    ]
    drawn = row("{% for value in values %}{{ value }},{% endfor %}").draw({"values": values})
    assert drawn == "<b>,<b>,<b>,&lt;s&gt;,&lt;s&gt;,7,None,Note,&lt;b&gt;&lt;s&gt;,"


def test_a_piece_within_itself_ends_where_it_says() -> None:
    engine = loaded(tree='({% for one in tree %}{% with tree=one %}{% include "tree" %}{% endwith %}{% endfor %})')
    assert engine.get_template("tree").draw({"tree": [[], [[]]]}) == "(()(()))"


def test_addresses_begin_with_what_the_server_says() -> None:
    drawn = row('{{ url("web:record", 7) }}')
    before = get_script_prefix()
    set_script_prefix("/mail/")
    try:
        assert drawn.draw({}) == "/mail/records/7/" == reverse("web:record", args=[7])
    finally:
        set_script_prefix(before)
    assert drawn.draw({}) == reverse("web:record", args=[7])


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


class Lamp(forms.Form):
    shade = forms.ChoiceField(choices=[("1", 'White & "warm"'), ("Colours", [("2", HOSTILE), ("3", "Blue")])])
    words = forms.CharField(widget=forms.Textarea, max_length=90)
    watts = forms.IntegerField(min_value=1, max_value=1000, initial=1234)
    is_lit = forms.BooleanField(required=False)
    rooms = forms.MultipleChoiceField(choices=[("k", "Kitchen"), ("h", "Hall")], widget=forms.CheckboxSelectMultiple)
    since = forms.DateTimeField(widget=forms.DateTimeInput(attrs={"type": "datetime-local", "data-x": HOSTILE}))


@pytest.mark.parametrize("given", [None, {"shade": "2", "words": HOSTILE, "watts": "x", "rooms": ["k"], "since": "<"}])
def test_fields_are_drawn_as_by_djangos_own_templates(given: dict[str, object] | None) -> None:
    ours, djangos = Lamp(given, renderer=Fields()), Lamp(given, renderer=DjangoTemplates())
    for name in ours.fields:
        drawn, expected = (
            re.sub(r"\s+", " ", str(one)).replace("&#34;", "&quot;").replace("&#39;", "&#x27;").replace("> <", "><")
            for one in (ours[name], djangos[name])
        )
        assert drawn == expected
    assert "<script" not in str(ours)


def test_a_field_that_only_a_template_of_djangos_draws_is_drawn_by_it() -> None:
    drawn = Fields().render("postroom/_errors.html", {"form": {"errors": 1, "non_field_errors": ["Too late"]}})
    assert "Too late" in drawn
