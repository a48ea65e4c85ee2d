"""A gate whose budget changes ask, on a database of the test's own."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from knowledge.domain.clock import SettableClock
from knowledge.domain.policy import Policy
from runtime.db.engine import make_engine
from tests.gate.ads import FakeAds
from tests.gate.house import Bench, policy_with


def asking(money: dict[str, Any] | None = None, **autonomy: Any) -> Policy:
    """Every change of a budget asks; pauses do not. `money` names financial dials other than the bench's."""
    quality = {"min_hours_between_raises": 0, "min_impressions": 0, "test_hours": 0}
    return policy_with(quality=quality, autonomy={"by_action": {"campaign.set_budget": 2}} | autonomy, **(money or {}))


@pytest.fixture
async def engine(database_url: str) -> AsyncIterator[AsyncEngine]:
    made = make_engine(database_url, pool_size=5, max_overflow=25)
    yield made
    await made.dispose()


@pytest.fixture
def bench(engine: AsyncEngine, clock: SettableClock) -> Bench:
    return Bench(engine, clock, FakeAds(), asking())
