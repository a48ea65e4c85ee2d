"""Short ways to a grant."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Any

from knowledge.domain.action import Actor, GrantAutonomy
from runtime.jobs.autonomy import HOUSE
from tests.gate.house import ANA, Bench, brl


def wish(bench: Bench, **more: Any) -> GrantAutonomy:
    """Changes of budgets of up to 120, up to 15 %, twice, for a week."""
    values: dict[str, Any] = {
        "action_kind": "campaign.set_budget", "max_amount": brl("120"), "max_change": Decimal("0.15"), "max_count": 2,
        "expires_at": bench.clock.now() + timedelta(days=7),
    }  # fmt: skip
    return GrantAutonomy(**(values | more))


async def granted(bench: Bench, key: str = "grant", by: Actor = ANA, **more: Any) -> str:
    """A grant that a manager approved; its id."""
    receipt = await bench.submit(wish(bench, **more), key, HOUSE)
    assert receipt.status == "waiting", receipt.findings
    outcome = await bench.gate.approve(receipt.action_id, by)
    assert outcome.status == "done", outcome
    ((grant_id,),) = await bench.rows("select id from grants where action_id = :id", id=receipt.action_id)
    return str(grant_id)


async def used(bench: Bench) -> list[tuple[int, int]]:
    return [(int(a), int(b)) for a, b in await bench.rows("select used, max_count from grants order by granted_at, id")]
