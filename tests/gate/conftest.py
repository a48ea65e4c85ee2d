"""A gate on a database of the test's own."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from knowledge.domain.clock import SettableClock
from runtime.db.engine import make_engine
from tests.gate.ads import FakeAds
from tests.gate.books_pair import MemoryShelf, PostgresShelf, Shelf
from tests.gate.house import Bench, policy_with


@pytest.fixture
async def engine(database_url: str) -> AsyncIterator[AsyncEngine]:
    made = make_engine(database_url, pool_size=5, max_overflow=25)
    yield made
    await made.dispose()


@pytest.fixture
def bench(engine: AsyncEngine, clock: SettableClock) -> Bench:
    """New campaigns are allowed, raises of one campaign need no distance: the test names the rule it is about."""
    return Bench(engine, clock, FakeAds(), policy_with(quality={"min_hours_between_raises": 0}))


@pytest.fixture(params=("memory", "postgres"))
async def shelf(request: pytest.FixtureRequest) -> AsyncIterator[Shelf]:
    if request.param == "memory":
        yield MemoryShelf()
        return
    engine = make_engine(request.getfixturevalue("database_url"), pool_size=5, max_overflow=15)
    made = PostgresShelf(engine)
    yield made
    await made.close()
    await engine.dispose()
