"""A room for talking to the CEO."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.chat.room import Room, room_of
from tests.gate.conftest import bench, engine
from tests.gate.house import Bench, brl, policy_with

__all__ = ["bench", "engine"]


@pytest.fixture
def room(bench: Bench, tmp_path: Path) -> Room:
    """Caps with room for several campaigns: what a test is about is the conversation."""
    bench.policy = policy_with(
        quality={"min_hours_between_raises": 0}, daily_cap=brl("2000"), weekly_cap=brl("9000"), max_campaign_budget=brl("500")
    )
    return room_of(bench, tmp_path)
