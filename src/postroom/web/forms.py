"""What all forms share: how they look (our classes on Django's widgets), and how a flow's objections are told in them."""

from __future__ import annotations

from django import forms
from django.core.exceptions import ValidationError


def tell(form: forms.BaseForm, error: ValidationError) -> None:
    """What a flow found wrong: at the fields that the form has, else above them."""
    for name, words in error.update_error_dict({}).items():
        form.add_error(name if name in form.fields else None, list(words))


def style(form: forms.BaseForm) -> None:
    """Gives every field the look of its kind."""
    for field in form.fields.values():
        widget = field.widget
        widget.attrs["class"] = "pr-check" if isinstance(widget, forms.CheckboxInput) else "pr-input"
        if isinstance(widget, forms.HiddenInput):
            widget.attrs.pop("class")
        if isinstance(widget, forms.Textarea):
            widget.attrs.setdefault("rows", 3)
