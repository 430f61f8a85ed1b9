"""Django's library ``i18n``, its ``{% translate %}`` quicker: a page says hundreds of words, and a word is the same until another language
is spoken.

Law: the same text as Django's. Only a literal word, written where it stands, is remembered, once for each language.
"""

from __future__ import annotations

from django import template
from django.template.base import Variable
from django.templatetags import i18n
from django.utils.translation import get_language

register = template.Library()
register.tags.update(i18n.register.tags)
register.filters.update(i18n.register.filters)


class WordNode(template.Node):
    """``{% translate "…" %}``."""

    child_nodelists = ()

    def __init__(self, whole: i18n.TranslateNode) -> None:
        self._whole = whole
        self._said: dict[str | None, str] = {}

    def render(self, context: template.Context) -> str:
        language = get_language()
        if (said := self._said.get(language)) is None:
            said = self._said[language] = self._whole.render(context)
        return said


@register.tag("translate")
@register.tag("trans")
def translate(parser: template.base.Parser, token: template.base.Token) -> template.Node:
    """See Django's tag of this name."""
    whole = i18n.do_translate(parser, token)
    text = whole.filter_expression
    is_literal = isinstance(text.var, Variable) and isinstance(text.var.literal, str) and not text.filters
    return whole if not is_literal or whole.noop or whole.asvar or whole.message_context else WordNode(whole)
