"""What is remembered of addresses and words is what Django itself would write."""

from __future__ import annotations

import pytest
from django.template import Context, Engine, Template, engines
from django.test import RequestFactory
from django.urls import NoReverseMatch, URLPattern, reverse, set_script_prefix
from django.utils import translation

from postroom.web import urls
from postroom.web.templatetags import addresses
from postroom.web.templatetags.addresses import AddressNode, address_of
from postroom.web.templatetags.postroom import here_with
from postroom.web.templatetags.words import WordNode

NUMBERS = (7, 0, 12345678)


def numbered() -> list[tuple[str, int]]:
    """Names of ours and how many numbers each takes, where it takes nothing else."""
    found = []
    for pattern in urls.urlpatterns:
        assert isinstance(pattern, URLPattern)
        kinds = [type(one).__name__ for one in pattern.pattern.converters.values()]
        if set(kinds) <= {"IntConverter"}:
            found.append((f"web:{pattern.name}", len(kinds)))
    return found


def drawn(source: str, **values: object) -> str:
    return str(engines["django"].from_string(source).render(values))


@pytest.mark.parametrize(("name", "count"), numbered())
def test_an_address_is_what_django_makes_of_it(name: str, count: int) -> None:
    numbers = NUMBERS[:count]
    assert address_of(name, *numbers) == reverse(name, args=numbers)
    values = {f"n{place}": number for place, number in enumerate(numbers)}
    assert drawn(f'{{% url "{name}" {" ".join(values)} %}}', **values) == reverse(name, args=numbers)


def test_most_addresses_are_of_the_quick_kind() -> None:
    assert len(numbered()) > 100
    assert all(addresses._form("/", name, count) for name, count in numbered())


@pytest.mark.parametrize("value", [-1, None, "", "x/y", True])
def test_what_is_no_number_of_a_row_is_left_to_django(value: object) -> None:
    try:
        wanted = reverse("web:record", args=[value])
    except NoReverseMatch:
        with pytest.raises(NoReverseMatch):
            drawn('{% url "web:record" value %}', value=value)
        with pytest.raises(NoReverseMatch):
            address_of("web:record", value)  # type: ignore[arg-type]
    else:
        assert drawn('{% url "web:record" value %}', value=value) == wanted


def test_texts_keywords_variables_and_names_of_others_are_left_to_django() -> None:
    assert drawn('{% url "web:kind" kind %}', kind="a-b") == "/records/a-b/"
    assert drawn('{% url "web:record" record_id=5 %}') == "/records/5/"
    assert drawn('{% url "web:record" 5 as place %}[{{ place }}]') == "[/records/5/]"
    assert drawn("{% url name 5 %}", name="web:record") == "/records/5/"
    assert drawn('{% url "admin:login" %}') == reverse("admin:login")
    assert drawn('{% url "web:record" nothing as place %}[{{ place }}]') == "[]"


def test_below_another_root_addresses_begin_there() -> None:
    assert drawn('{% url "web:record" 5 %}') == "/records/5/"
    set_script_prefix("/post&room/%d/")
    try:
        assert drawn('{% url "web:record" 5 %}') == "/post&amp;room/%25d/records/5/"
        assert drawn('{% autoescape off %}{% url "web:record" 5 %}{% endautoescape %}') == reverse(
            "web:record", args=[5]
        )
    finally:
        set_script_prefix("/")


def test_numbers_that_were_looked_at_are_not_kept() -> None:
    address_of("web:record", 1)
    before = addresses._form.cache_info().currsize
    for number in range(2, 500):
        address_of("web:record", number)
    assert addresses._form.cache_info().currsize == before


def test_a_word_is_said_in_the_language_of_each_reader() -> None:
    template = engines["django"].from_string('{% load i18n %}{% translate "Cancel" %}')
    said = []
    for language in ("en", "de", "en", "de"):
        with translation.override(language):
            said.append(str(template.render()))
    assert said == ["Cancel", "Abbrechen", "Cancel", "Abbrechen"]
    with translation.override(None):
        assert str(template.render()) == "Cancel"


def test_only_plain_words_and_addresses_are_remembered() -> None:
    source = """{% load i18n %}{% translate "Cancel" %}{% translate word %}{% translate "Cancel" as said %}{% translate "Cancel" noop %}
      {% translate "May" context "month" %}{% translate "cancel"|upper %}{% url "web:home" %}{% url "web:home" as home %}"""
    template = Template(source, engine=engines["django"].engine)
    assert len(template.nodelist.get_nodes_by_type(WordNode)) == 1
    assert len(template.nodelist.get_nodes_by_type(AddressNode)) == 1
    assert "CANCEL" in template.render(Context({"word": "Cancel"}))


@pytest.mark.parametrize("word", ["Cancel", "100%% <b>", "50%", "It\\'s & so", " "])
def test_a_word_comes_out_as_djangos_own_tag_writes_it(word: str) -> None:
    source = f"{{% load i18n %}}{{% translate '{word}' %}}"
    own = Engine(libraries={"i18n": "django.templatetags.i18n"})
    assert drawn(source) == own.from_string(source).render(Context())


def test_numbers_are_written_as_they_are_and_fractions_for_people_in_their_way() -> None:
    with translation.override("de"):
        assert drawn("{{ id }} {{ x }}", id=1234567, x=1.5) == "1234567 1.5"
        assert drawn("{% load l10n %}{{ x|localize }} {{ x|floatformat:1 }}", x=1.5) == "1,5 1,5"


@pytest.mark.parametrize("asked", ["", "after=1", "a=1&a=2&b=&after=3", "q=%C3%BC+x%2Fy~*&state=", "a=%00&é=1"])
@pytest.mark.parametrize("changes", [{}, {"a": 5, "c": "ü /&"}, {"after": "x:y+z", "q": ""}, {"state": None, "b": 0}])
def test_the_address_of_a_page_changes_as_its_query_would(
    asked: str, changes: dict[str, object], rf: RequestFactory
) -> None:
    request = rf.get(f"/records/?{asked}")
    query = request.GET.copy()
    for name in ("after", *changes):
        query.pop(name, None)
    query.update({name: str(value) for name, value in changes.items() if value not in ("", None)})
    assert here_with(Context({"request": request}), **changes) == f"?{query.urlencode()}"
