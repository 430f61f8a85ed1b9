"""Views that people keep: a filter with a name, for oneself or, by a manager, for a whole company.

Laws: everybody orders and removes his own; what is shared may be changed by its owner and by the company's managers. The default view of a
kind is each person's own, one per kind.
"""

from __future__ import annotations

from collections.abc import Mapping

from django.db import transaction
from django.db.models import Max, Q, QuerySet

from postroom.flows.access import NotAllowed, company_ids, may, require
from postroom.flows.ports import Ports
from postroom.store.models import Member, RecordKind, SavedView

ASKED = ("q", "who", "stage", "state", "contact")  # what a view keeps of an address
MOST_VIEWS = 50


class TooMany(ValueError):  # noqa: N818 (an answer to a person, not a fault)
    """Somebody keeps as many as there may be."""


def visible_views(member: Member) -> QuerySet[SavedView]:
    """One's own first, then those of the own companies."""
    shared = Q(company_id__in=company_ids(member))
    return SavedView.objects.filter(Q(member=member) | shared).order_by("position", "id")


def may_change(member: Member, view: SavedView) -> bool:
    """Its owner may, and a manager of the company it is shared with."""
    if view.member_id == member.pk:
        return True
    return view.company_id is not None and may(member, "queue", view)


@transaction.atomic
def save_view(
    ports: Ports,  # noqa: ARG001 (every flow takes ports)
    *,
    name: str,
    kind: str,
    asked: Mapping[str, str],
    by: Member,
    is_shared: bool = False,
    is_default: bool = False,
) -> SavedView:
    """Keep this filter; the same name of the same kind is replaced. Raises `NotAllowed`, `TooMany`, RecordKind.DoesNotExist."""
    title = " ".join(name.split())[:60] or "View"
    if is_shared:
        require(by, "queue")
    row_kind = RecordKind.objects.get(pk=kind) if kind else None
    mine = SavedView.objects.select_for_update().filter(member=by)
    view = mine.filter(name=title, kind=row_kind).first()
    if view is None:
        if mine.count() >= MOST_VIEWS:
            raise TooMany(f"At most {MOST_VIEWS} views each: remove one first.")
        last = mine.aggregate(last=Max("position"))["last"]
        view = SavedView(member=by, kind=row_kind, name=title, position=0 if last is None else last + 1)
    view.asked = {key: str(asked[key])[:200] for key in ASKED if asked.get(key)}
    view.company = by.company if is_shared else None
    view.is_default = is_default
    if is_default:
        SavedView.objects.filter(member=by, kind=row_kind).update(is_default=False)
    view.save()
    return view


@transaction.atomic
def move_view(ports: Ports, *, view_id: int, by: Member) -> None:  # noqa: ARG001 (every flow takes ports)
    """One place towards the front. Raises SavedView.DoesNotExist for another's."""
    rows = list(SavedView.objects.select_for_update().filter(member=by).order_by("position", "id"))
    place = next((at for at, row in enumerate(rows) if row.pk == view_id), None)
    if place is None:
        raise SavedView.DoesNotExist
    rows.insert(max(0, place - 1), rows.pop(place))
    for position, row in enumerate(rows):
        row.position = position
    SavedView.objects.bulk_update(rows, ["position"])


@transaction.atomic
def make_default(ports: Ports, *, view_id: int, by: Member) -> None:  # noqa: ARG001 (every flow takes ports)
    """The list of its kind opens with it; a second time: no more. Raises SavedView.DoesNotExist for another's."""
    view = SavedView.objects.select_for_update().get(pk=view_id, member=by)
    SavedView.objects.filter(member=by, kind_id=view.kind_id).exclude(pk=view.pk).update(is_default=False)
    view.is_default = not view.is_default
    view.save(update_fields=["is_default"])


@transaction.atomic
def remove_view(ports: Ports, *, view_id: int, by: Member) -> None:  # noqa: ARG001 (every flow takes ports)
    """Raises `NotAllowed`, SavedView.DoesNotExist."""
    view = visible_views(by).select_for_update(of=("self",)).get(pk=view_id)
    if not may_change(by, view):
        raise NotAllowed("This view is another's: its owner or a manager may remove it.")
    view.delete()
