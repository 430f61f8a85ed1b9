"""How rows are drawn: by Jinja's templates, compiled to Python; what stands a hundred times on a page costs a quarter of what it did.

Duty: the engine of ``web/jinja2``. Django's templates draw pages, these draw what is drawn for each row, message or event of a list.
Laws: whatever is printed is escaped unless it is markup of ours. Words, addresses, signs and moments are made by the same functions as in Django's
templates (`templatetags`). What is not there is nothing, as in Django's templates: a missing name never breaks a page.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from functools import lru_cache, partial
from typing import Any

from django.http import HttpRequest
from django.middleware.csrf import get_token
from django.template import defaultfilters, loader
from django.template.backends import jinja2 as backend
from django.utils.functional import SimpleLazyObject
from django.utils.safestring import SafeString
from django.utils.translation import gettext
from django.utils.translation import ngettext as django_ngettext
from jinja2 import ChainableUndefined, Environment, pass_context
from jinja2.runtime import Context
from markupsafe import Markup

from postroom.core.terms.reasons import Reason, told
from postroom.web.templatetags import addresses, timeline
from postroom.web.templatetags import postroom as looks

READER = "_reader"  # in each context: when, where and in which language somebody reads
# filters whose answer hangs on what is asked and on the language alone
WORDS = (
    "blame_word",
    "cause_badge",
    "delivery_badge",
    "door_word",
    "gate_badge",
    "gate_says",
    "inbound_badge",
    "lane_word",
)
OF_DJANGO = ("date", "filesizeformat", "floatformat", "stringformat", "time")  # Jinja has none, or others of the name


class Rows(backend.Jinja2):
    """Django's backend for Jinja, with its templates' texts marked as the markup that they are."""

    def get_template(self, template_name: str) -> Row:
        return Row(super().get_template(template_name).template, self)


class Row(backend.Template):
    """A template of Jinja that a view may draw alone, as a piece of a page."""

    def render(self, context: dict[str, Any] | None = None, request: HttpRequest | None = None) -> SafeString:
        given = dict(context or {})
        if request is not None:
            given |= {"request": request, "csrf_token": SimpleLazyObject(partial(get_token, request))}
        return self.draw(given)

    def draw(self, given: dict[str, Any]) -> SafeString:
        return SafeString(self.template.render(given | {READER: looks.here()}))


def environment(**options: Any) -> Environment:
    """With all that the templates of ``web/jinja2`` may use; ``options`` are Django's."""
    made = Environment(**options | {"undefined": ChainableUndefined})  # noqa: S701 - Django asks for it
    made.add_extension("jinja2.ext.loopcontrols")
    made.filters |= looks.register.filters | timeline.register.filters
    made.filters |= {name: defaultfilters.register.filters[name] for name in OF_DJANGO}
    made.filters |= {name: once_a_language(looks.register.filters[name]) for name in WORDS}
    made.filters |= {"moment": moment, "because": because, "truncatechars": truncatechars}
    made.globals |= {
        "_": said,
        "ngettext": counted,
        "url": addresses.address_of,
        "icon": looks.icon,
        "avatar": looks.avatar,
        "recipient_badge": looks.recipient_badge,
        "here_with": pass_context(looks.here_with),
        "csrf_input": csrf_input,
        "django": django,
    }
    return made


def once_a_language(word: Callable[[Any], str]) -> Callable[[Context, Any], str]:
    """One of `WORDS`, remembered: a list says the same few again and again."""
    known = lru_cache(maxsize=256, typed=True)(lambda _language, asked: word(asked))

    @pass_context
    def remembered(context: Context, asked: Any) -> str:
        return known(context[READER].language, asked)

    return remembered


@pass_context
def moment(context: Context, at: datetime | None) -> SafeString | str:
    """As in Django's templates, but for when and where, which are asked for once."""
    return looks.moment_read(at, context[READER]) if at is not None else ""


@pass_context
def because(context: Context, reason: Reason | None) -> str:
    """As in Django's templates, but for the language, which is asked for once."""
    return told(reason, partial(_sentence, context[READER].language)) if reason else ""


@lru_cache(maxsize=4096)
def _sentence(_language: str | None, text: str) -> str:
    return gettext(text)


def truncatechars(text: object, most: int) -> str:
    """Django's; a text that is short enough as it stands is not looked through."""
    if isinstance(text, str) and len(text) <= most and text.isascii():
        return text
    return str(defaultfilters.truncatechars(str(text), most))


@pass_context
def said(context: Context, text: str, **values: object) -> Markup:
    """A text in the reader's language; ``%(name)s`` stands for values, which are escaped, and ``%%`` for a per cent sign."""
    pattern, plain = _known(context[READER].language, text)
    return pattern % values if values else plain


@lru_cache(maxsize=4096)
def _known(_language: str | None, text: str) -> tuple[Markup, Markup]:
    """The pattern, and the words if nothing is to be filled in. From the catalogues, which are ours."""
    pattern = gettext(text)
    return Markup(pattern), Markup(pattern.replace("%%", "%"))  # noqa: S704


def counted(one: str, many: str, n: int, **values: object) -> Markup:
    """As `said`, singular or plural; ``%(n)s`` is the number."""
    return Markup(Markup(django_ngettext(one, many, n)) % (values | {"n": n}))  # noqa: S704


@pass_context
def csrf_input(context: Context) -> Markup:
    """What each form that changes something carries; as Django's ``{% csrf_token %}``."""
    field = Markup('<input type="hidden" name="csrfmiddlewaretoken" value="%s">')
    return field % str(context.get("csrf_token", ""))


@pass_context
def django(context: Context, name: str, **given: object) -> SafeString:
    """A template of Django's within one of these: what a row seldom shows stays as it is."""
    return loader.render_to_string(name, context.get_all() | given)
