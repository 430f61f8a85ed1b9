"""Small charts: from the numbers of a day to shapes of an SVG, and to the words for each hour.

Laws: the picture says nothing that the table behind it does not; heights are relative to the highest hour, which is named.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from postroom.store.queries.pages_pulse import Point, Series

WIDTH, HEIGHT, GAP = 240, 48, 2  # units of the picture
LEAST = 2  # so that one mail is seen beside a thousand

# series -> (words above the chart, tone)
WORDS = {
    "received": (gettext_lazy("Received"), "info"),
    "sent": (gettext_lazy("Sent"), "ok"),
    "failed": (gettext_lazy("Failed or bounced"), "bad"),
    "age": (gettext_lazy("How late the queue was"), "warn"),
    "came_in": (gettext_lazy("Came in on my records"), "info"),
    "written": (gettext_lazy("Written by me"), "ok"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Bar:
    """One hour. ``says`` is the whole sentence; ``value`` and ``hour`` stand in the table."""

    x: float
    y: float
    height: float
    hour: str
    value: str
    says: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Chart:
    """A picture with its title, the number that counts most and what it counts, and a bar per hour from ``begins`` to now."""

    name: str
    title: str
    headline: str
    unit: str
    begins: str
    tone: str
    bars: tuple[Bar, ...]
    bar_width: float
    is_empty: bool
    summary: str
    width: int = WIDTH
    height: int = HEIGHT


def chart(series: Series) -> Chart:
    """The picture of one series."""
    title, tone = WORDS[series.name]
    is_age = series.name == "age"
    step = WIDTH / len(series.points)
    top = max(series.highest, 1)
    bars = tuple(_bar(point, place * step, top, series.name) for place, point in enumerate(series.points))
    headline = lateness(series.last) if is_age else f"{series.total:,}".replace(",", "\N{NARROW NO-BREAK SPACE}")
    peak = max(series.points, key=lambda point: point.value or 0)
    unit = _unit(series.name, series.total)
    says = _("{title}, last 24 hours: {headline}. Highest: {value} from {hour}.").format(
        title=title, headline=f"{headline} {unit}".strip(), value=_value(peak, is_age), hour=_hour(peak.starts_at)
    )
    return Chart(
        name=series.name,
        title=str(title),
        headline=headline,
        unit=unit,
        begins=_hour(series.points[0].starts_at),
        tone=tone,
        bars=bars,
        bar_width=round(step - GAP, 2),
        is_empty=series.highest == 0,
        summary=says,
    )


def charts(day: Sequence[Series]) -> list[Chart]:
    return [chart(series) for series in day]


def _unit(name: str, number: int) -> str:
    """What so many are called; lateness says its own."""
    if name == "age":
        return ""
    if name == "written":
        return ngettext("message", "messages", number)
    return ngettext("mail", "mails", number)


def _bar(point: Point, x: float, top: int, name: str) -> Bar:
    is_age = name == "age"
    share = (point.value or 0) / top
    height = max(LEAST, round(share * HEIGHT, 2)) if point.value else 0.0
    hour, value = _span(point.starts_at), _value(point, is_age)
    says = f"{hour}: {value}" if is_age or point.value is None else f"{hour}: {value} {_unit(name, point.value)}"
    return Bar(x=round(x + GAP / 2, 2), y=round(HEIGHT - height, 2), height=height, hour=hour, value=value, says=says)


def _value(point: Point, is_age: bool) -> str:
    if point.value is None:
        return _("not looked at")
    return lateness(point.value) if is_age else str(point.value)


def lateness(seconds: int) -> str:
    """``in time``, ``40 s``, ``12 min``, ``3 h 20 min``."""
    if seconds < 1:
        return _("in time")
    if seconds < 60:
        return _("{n} s").format(n=seconds)
    minutes = seconds // 60
    if minutes < 60:
        return _("{n} min").format(n=minutes)
    hours, rest = divmod(minutes, 60)
    return _("{h} h {m} min").format(h=hours, m=rest) if rest and hours < 24 else _("{n} h").format(n=hours)


def _hour(at: datetime) -> str:
    return f"{timezone.localtime(at):%H:%M}"


def _span(at: datetime) -> str:
    return f"{_hour(at)}\N{EN DASH}{_hour(at + timedelta(hours=1))}"
