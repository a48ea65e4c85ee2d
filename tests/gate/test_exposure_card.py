"""The worst case on a request's card counts every local day that the request can live into."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

from knowledge.domain.action import Creative, PublishCampaign
from knowledge.domain.facts import Facts
from knowledge.domain.money import Money
from runtime.settings import load_operator
from tools.gate import worst_until


def test_a_request_that_lives_past_local_midnight_may_cost_two_days() -> None:
    policy = load_operator(Path("agentos.yaml")).policy()
    action = PublishCampaign(
        platform="meta", campaign_id="c", product_id="p", name="n", daily_budget=Money.of("40.00", "BRL"),
        creatives=(Creative(id="x", headline="h", text="t"),), landing_url="https://example.com",
    )  # fmt: skip
    morning = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)  # 09:00 in São Paulo
    evening = datetime(2026, 11, 24, 1, 0, tzinfo=UTC)  # 22:00 in São Paulo
    for now, expected in ((morning, "70.00"), (evening, "140.00")):
        facts = Facts(now=now, proposer="agent:media_buyer")
        assert worst_until(action, facts, policy, now, now + timedelta(hours=4)) == Money.of(expected, "BRL")
