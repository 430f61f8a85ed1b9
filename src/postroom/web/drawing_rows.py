"""How rows are drawn: by Jinja's templates, compiled to Python; what stands a hundred times on a page costs a quarter of what it did.

Duty: the engine of ``web/jinja2``. Django's templates draw pages, these draw what is drawn for each row, message or event of a list.
Laws: whatever is printed is escaped unless it is markup of ours. Words, addresses, signs and moments are made by the same functions as in Django's
templates (`templatetags`). What is not there is nothing, as in Django's templates: a missing name never breaks a page.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, datetime, time, tzinfo
from functools import lru_cache, partial
from typing import Any

from django.http import HttpRequest
from django.middleware.csrf import get_token
from django.template import defaultfilters, loader
from django.template.backends import jinja2 as backend
from django.urls import get_script_prefix
from django.utils.functional import SimpleLazyObject
from django.utils.safestring import SafeString
from django.utils.translation import gettext
from django.utils.translation import ngettext as django_ngettext
from jinja2 import ChainableUndefined, pass_context
from jinja2.runtime import Context
from markupsafe import Markup, escape

from postroom.core.terms.reasons import Reason, told
from postroom.store.queries.pages_envelope import RecipientFact
from postroom.store.queries.pages_failures import FailureFact
from postroom.web.quick_jinja import QuickJinja
from postroom.web.templatetags import addresses, meetings, timeline
from postroom.web.templatetags import postroom as looks

READER = "_reader"  # in each context: when, where and in which language somebody reads
PREFIX = "_prefix"  # beside it: what all our addresses begin with
# filters whose answer hangs on what is asked and on the language alone
WORDS = (
    "activity_word",
    "blame_word",
    "cause_badge",
    "delivery_badge",
    "door_word",
    "failure_word",
    "gate_badge",
    "gate_says",
    "inbound_badge",
    "lane_word",
    "reason_cure",
    "reason_meaning",
)
# Jinja has none, or others of the name
OF_DJANGO = ("filesizeformat", "floatformat", "linebreaksbr", "stringformat", "truncatechars")


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
        return SafeString(self.template.render(given | {READER: looks.here(), PREFIX: get_script_prefix()}))


def environment(**options: Any) -> QuickJinja:
    """With all that the templates of ``web/jinja2`` may use; ``options`` are Django's."""
    made = QuickJinja(**options | {"undefined": ChainableUndefined})
    made.add_extension("jinja2.ext.loopcontrols")
    made.filters |= looks.register.filters | timeline.register.filters | meetings.register.filters
    made.filters |= {name: defaultfilters.register.filters[name] for name in OF_DJANGO}
    made.filters |= {name: once_a_language(made.filters[name]) for name in WORDS}
    made.filters |= {
        "date": date_of,
        "time": time_of,
        "moment": moment,
        "because": because,
        "truncatechars": truncatechars,
    }
    made.filters |= {"day_key": day_key, "day_word": day_word}
    made.globals |= {
        "_": said,
        "ngettext": counted,
        "url": url,
        "icon": looks.icon,
        "avatar": looks.avatar,
        "recipient_badge": recipient_badge,
        "here_with": pass_context(looks.here_with),
        "csrf_input": csrf_input,
        "django": django,
    }
    made.may_call(made.globals.values())
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
    return looks.moment_read(at, context[READER]) if at else ""


@pass_context
def date_of(context: Context, at: datetime | date | None, pattern: str = "") -> str:
    """Django's ``date``, where the reader lives."""
    return _written(_local(at, context[READER].zone), pattern, defaultfilters.date)


@pass_context
def time_of(context: Context, at: datetime | time | None, pattern: str = "") -> str:
    """Django's ``time``, where the reader lives."""
    return _written(_local(at, context[READER].zone), pattern, defaultfilters.time)


def _local(at: object, zone: tzinfo) -> object:
    """Django's templates do this to whatever they hand to the two filters; what is not there is nothing."""
    return at.astimezone(zone) if isinstance(at, datetime) and at.tzinfo is not None else at or None


def _written(local: object, pattern: str, django: Callable[..., str]) -> str:
    quick = WRITTEN.get(pattern)
    if quick is not None and isinstance(local, datetime) and local.tzinfo is not None:
        return quick(local)
    return str(django(local, pattern or None))


def _zone_name(local: datetime) -> str:
    """Django's ``T``: nothing in the hour that is there twice, or not at all."""
    is_doubtful = local.replace(fold=not local.fold).utcoffset() != local.utcoffset()
    return "" if is_doubtful else str(local.tzname())


# what stands in many rows; Django takes each letter of a pattern for itself, which takes twenty times as long
WRITTEN: dict[str, Callable[[datetime], str]] = {
    "H:i:s": lambda local: local.isoformat()[11:19],
    "Y-m-d H:i": lambda local: local.isoformat(" ")[:16],
    "Y-m-d H:i T": lambda local: f"{local.isoformat(' ')[:16]} {_zone_name(local)}",
}


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
def recipient_badge(context: Context, fact: RecipientFact | FailureFact) -> SafeString:
    """As in Django's templates, remembered as `WORDS` are."""
    return _badge(context[READER].language, fact.state, fact.failure_type)


@lru_cache(maxsize=256, typed=True)
def _badge(_language: str | None, state: str, failure_type: str) -> SafeString:
    return looks.notification_badge(state, failure_type)


@pass_context
def day_key(context: Context, at: datetime) -> str:
    return timeline.day_read(at, context[READER])


@pass_context
def day_word(context: Context, at: datetime) -> str:
    return timeline.day_spoken(at, context[READER])


@pass_context
def url(context: Context, name: str, *numbers: int) -> str:
    """As Django's ``{% url %}``."""
    return addresses.address_under(context[PREFIX], name, *numbers)


@pass_context
def said(context: Context, text: str, **values: object) -> Markup:
    """A text in the reader's language; ``%(name)s`` stands for values, which are escaped, and ``%%`` for a per cent sign."""
    pattern, plain = _known(context[READER].language, text)
    return _filled(pattern, values) if values else plain


@lru_cache(maxsize=4096)
def _known(_language: str | None, text: str) -> tuple[str, Markup]:
    """The pattern, and the words if nothing is to be filled in. From the catalogues, which are ours."""
    pattern = gettext(text)
    return pattern, Markup(pattern.replace("%%", "%"))  # noqa: S704


@pass_context
def counted(context: Context, one: str, many: str, n: int, **values: object) -> Markup:
    """As `said`, singular or plural; ``%(n)s`` is the number."""
    return _filled(_known_of(context[READER].language, one, many, n), values | {"n": n})


@lru_cache(maxsize=4096)
def _known_of(_language: str | None, one: str, many: str, n: int) -> str:
    return django_ngettext(one, many, n)


def _filled(pattern: str, values: dict[str, object]) -> Markup:
    """Markup's own ``%`` does the same and takes three times as long."""
    return Markup(pattern % {name: escape(value) for name, value in values.items()})  # noqa: S704


@pass_context
def csrf_input(context: Context) -> Markup:
    """What each form that changes something carries; as Django's ``{% csrf_token %}``."""
    return Markup(_FIELD % escape(str(context.get("csrf_token", ""))))  # noqa: S704


_FIELD = '<input type="hidden" name="csrfmiddlewaretoken" value="%s">'


@pass_context
def django(context: Context, name: str, **given: object) -> SafeString:
    """A template of Django's within one of these: what a row seldom shows stays as it is."""
    return loader.render_to_string(name, context.get_all() | given)
