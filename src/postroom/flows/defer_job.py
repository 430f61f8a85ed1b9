"""Deferring a background job in the transaction of the change that causes it (Procrastinate, on the same database).

Laws: a job exists exactly if the transaction commits. Jobs are told by name, so that nobody here knows who does them.
"""

from __future__ import annotations

from django.db import transaction
from procrastinate.contrib.django import app
from procrastinate.contrib.django.models import ProcrastinateJob
from procrastinate.exceptions import AlreadyEnqueued


def defer_job(name: str, /, *, only_one: str = "", in_seconds: int = 0, **arguments: int | str) -> bool:
    """Defer the job, to be done ``in_seconds`` at the earliest, with ``only_one`` not while another of that name waits. Whether it was
    deferred.

    ``only_one`` makes concurrent transactions wait for each other: for what people click, not for what comes in bulk.
    """
    later = {"seconds": in_seconds} if in_seconds else None
    job = app.configure_task(name, queueing_lock=only_one or None, schedule_in=later)
    try:
        with transaction.atomic():  # a refusal must not spoil the caller's transaction
            job.defer(**arguments)
    except AlreadyEnqueued:
        return False
    return True


def waiting_jobs(name: str, most: int) -> int:
    """How many of that name wait for their turn; counted up to ``most``. One query."""
    return ProcrastinateJob.objects.filter(task_name=name, status="todo")[:most].count()
