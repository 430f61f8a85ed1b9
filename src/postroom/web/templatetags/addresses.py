"""``{% url %}``, as Django's own, but quick: a page names hundreds of addresses, and Django works each of them out anew.

Law: the same text as Django's. What is remembered of an address is its form, not the numbers in it: memory does not grow with the
rows that somebody looks at. Whatever is not plain (names of others than ours, keywords, anything but whole numbers) is left to Django.
"""

from __future__ import annotations

from functools import lru_cache

from django import template
from django.template import defaulttags
from django.urls import NoReverseMatch, get_script_prefix, reverse
from django.utils.html import escape

register = template.Library()

OURS = "web:"  # this namespace stands once: whose page it is decides nothing about an address
STAND_INS = range(900_000_000_001, 900_000_000_009)  # as the numbers of rows, and found in no address by chance


def address_of(name: str, *numbers: int) -> str:
    """What ``reverse(name, args=numbers)`` answers. For names of `OURS`. Raises `NoReverseMatch`."""
    return address_under(get_script_prefix(), name, *numbers)


def address_under(prefix: str, name: str, *numbers: int) -> str:
    """`address_of`, where the prefix is known already: it is looked up as long as all the rest takes."""
    form = _form(prefix, name, len(numbers)) if _are_plain(numbers) else None
    return form[0] % numbers if form else reverse(name, args=numbers)


def _are_plain(values: tuple[object, ...]) -> bool:
    for value in values:  # noqa: SIM110 - all() takes three times as long
        if type(value) is not int or value < 0:
            return False
    return True


@lru_cache(maxsize=1024)
def _form(_prefix: str, name: str, count: int) -> tuple[str, str] | None:
    """The address with ``%d`` for each number, plain and escaped; None if it has none that takes numbers alone."""
    numbers = STAND_INS[:count]
    try:
        form = reverse(name, args=numbers).replace("%", "%%")
    except NoReverseMatch:
        return None
    for number in numbers:
        form = form.replace(str(number), "%d")
    return form, escape(form)


class AddressNode(template.Node):
    """``{% url "web:…" … %}`` with values in their order, written where it stands."""

    child_nodelists = ()

    def __init__(self, name: str, whole: defaulttags.URLNode) -> None:
        self._name = name
        self._whole = whole

    def render(self, context: template.Context) -> str:
        values = tuple(value.resolve(context) for value in self._whole.args)
        form = _form(get_script_prefix(), self._name, len(values)) if _are_plain(values) else None
        if form is None:
            return self._whole.render(context)
        return form[context.autoescape] % values


@register.tag
def url(parser: template.base.Parser, token: template.base.Token) -> template.Node:
    """See Django's tag of this name."""
    whole = defaulttags.url(parser, token)
    name = whole.view_name.var
    is_plain = isinstance(name, str) and name.startswith(OURS) and not whole.view_name.filters
    if not is_plain or whole.kwargs or whole.asvar or len(whole.args) > len(STAND_INS):
        return whole
    return AddressNode(name, whole)
