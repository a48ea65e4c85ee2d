"""A town of the test's own: sandbox, house, server, durable engine, on a database of its own."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.journeys.town import Town, living


@pytest.fixture
async def town(database_url: str, tmp_path: Path) -> AsyncIterator[Town]:
    """Without schedules: a test says what happens when."""
    async with living(database_url, tmp_path) as made:
        yield made
