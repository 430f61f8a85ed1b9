"""Numbers that are set aside for rows that name each other."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from threading import Barrier

import pytest
from django.db import connection

from postroom.store.bulk import reserve
from postroom.store.models import Contact
from tests.people import add_contact

COUNT = 50


@pytest.mark.django_db(transaction=True)
def test_nobody_gets_numbers_that_another_has_while_many_take_some_at_the_same_moment() -> None:
    start = Barrier(3, timeout=90)

    def several() -> list[int]:
        try:
            start.wait()
            return [reserve(Contact, COUNT) for _ in range(40)]
        finally:
            connection.close()

    with ThreadPoolExecutor(3) as pool:
        others = [pool.submit(several) for _ in range(3)]
        firsts = sorted(first for one in others for first in one.result(timeout=90))
    assert all(after - before >= COUNT for before, after in pairwise(firsts))


@pytest.mark.django_db
def test_what_comes_after_them_lies_behind_them() -> None:
    first = reserve(Contact, COUNT)
    assert add_contact("Carla", "").pk >= first + COUNT
