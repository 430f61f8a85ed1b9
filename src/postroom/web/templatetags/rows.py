"""``{% drawn "postroom/records/_rows.html" %}``: rows drawn by Jinja's templates (`web.drawing_rows`) within a page of Django's."""

from __future__ import annotations

from typing import Any

from django import template
from django.template import engines
from django.utils.safestring import SafeString

register = template.Library()


@register.simple_tag(takes_context=True)
def drawn(context: template.Context, name: str, **given: object) -> SafeString:
    """With all that the page knows, and what is given beside."""
    known: dict[str, Any] = {str(key): value for key, value in context.flatten().items()}
    row: SafeString = engines["rows"].get_template(name).draw(known | given)  # type: ignore[attr-defined]
    return row
