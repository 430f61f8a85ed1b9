"""How forms look: our classes on Django's widgets."""

from __future__ import annotations

from django import forms


def style(form: forms.BaseForm) -> None:
    """Gives every field the look of its kind."""
    for field in form.fields.values():
        widget = field.widget
        widget.attrs["class"] = "pr-check" if isinstance(widget, forms.CheckboxInput) else "pr-input"
        if isinstance(widget, forms.HiddenInput):
            widget.attrs.pop("class")
        if isinstance(widget, forms.Textarea):
            widget.attrs.setdefault("rows", 3)
