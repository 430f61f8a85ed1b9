"""Somebody asks for a new password, and the background does what was left to it."""

from __future__ import annotations

from django.db import connection
from procrastinate.contrib.django.models import ProcrastinateJob

from postroom.flows import sign_in
from postroom.flows.ports import Ports


def ask_for_new_password(ports: Ports, typed: str, place: str) -> None:
    sign_in.ask_for_new_password(ports, typed, place)
    send_what_was_asked(ports)


def send_what_was_asked(ports: Ports) -> int:
    """How many links left."""
    asked = list(ProcrastinateJob.objects.filter(task_name="send_password_links", status="todo").order_by("id"))
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM procrastinate_jobs WHERE id = ANY(%s)", [[one.pk for one in asked]])
    return sum(sign_in.send_password_links(ports, **one.args) for one in asked)
