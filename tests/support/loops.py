"""Both event loops: a test module that imports `event_loop_policy` runs under each."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
import uvloop


@pytest.fixture(params=["asyncio", "uvloop"])
def event_loop_policy(request: pytest.FixtureRequest) -> Any:
    """The policy whose loop pytest-asyncio runs the tests in."""
    if request.param == "uvloop":
        return uvloop.EventLoopPolicy()
    return asyncio.DefaultEventLoopPolicy()
