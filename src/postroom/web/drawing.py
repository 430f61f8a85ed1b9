"""How pages are drawn: by Django's templates, numbers written as they are.

Duty: a list has two hundred numbers, nearly all of them names of rows, and Django looks up each time how the reader's language writes numbers.
Law: where a fraction is shown to people its template says so (``|localize``, ``|floatformat``). All other numbers are whole, and nobody groups
the digits of those.
"""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest
from django.template import TemplateDoesNotExist
from django.template.backends.django import DjangoTemplates, Template, reraise
from django.template.context import make_context


class Templates(DjangoTemplates):
    """Django's own backend but for the numbers."""

    def from_string(self, template_code: str) -> Template:
        return PlainNumbers(super().from_string(template_code).template, self)

    def get_template(self, template_name: str) -> Template:
        return PlainNumbers(super().get_template(template_name).template, self)


class PlainNumbers(Template):
    """A template whose numbers are not written in the manner of a language."""

    def render(self, context: dict[str, Any] | None = None, request: HttpRequest | None = None) -> str:
        made = make_context(context, request, autoescape=self.backend.engine.autoescape, use_l10n=False)
        try:
            drawn: str = self.template.render(made)
        except TemplateDoesNotExist as missing:
            reraise(missing, self.backend)
        return drawn
