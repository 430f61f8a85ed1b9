from __future__ import annotations

import asyncio

import pytest

from . import posting


@pytest.fixture(params=[pytest.param("asyncio", marks=pytest.mark.slow), "uvloop"])
def every_loop(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """The test runs in each event loop that the product runs in; they differ where connections break."""
    if request.param == "uvloop":
        import uvloop

        monkeypatch.setattr(posting, "new_event_loop", uvloop.new_event_loop)
    else:
        monkeypatch.setattr(posting, "new_event_loop", asyncio.new_event_loop)
