"""The decision document: strict, versioned, the same after a round trip through JSON."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from pydantic import ValidationError

from knowledge.domain.decision import CampaignFigures, DecisionDocument, build_document, health_of
from knowledge.domain.money import CurrencyMismatch, Money

NOW = datetime(2026, 3, 2, 12, tzinfo=UTC)


def figures(name: str, budget: str, spend: str, revenue: str, currency: str = "BRL", **more: Any) -> CampaignFigures:
    return CampaignFigures(
        campaign_id=name,
        campaign_name=f"Campaign {name}",
        platform="meta",
        active=True,
        budget=Money.of(budget, currency),
        spend_7d=Money.of(spend, currency),
        revenue_7d=Money.of(revenue, currency),
        margin=Decimal("0.4"),
        **more,
    )


def proposal(campaign: str, action: str, budget: float, **more: Any) -> dict[str, Any]:
    why = {"message_id": "optimizer.raise.marginal", "params": {"campaign": campaign}}
    given = {"campaign_id": campaign, "action": action, "daily_budget": budget, "confidence": 0.9, "expected_profit_7d": 12.345,
             "reason": "Because.", "why": why, "needs_approval": False, "priority": 0}  # fmt: skip
    return given | more


def document() -> DecisionDocument:
    campaigns = [figures("a", "50.00", "350", "1400"), figures("b", "40", "280", "200"), figures("c", "30", "210", "500")]
    proposals = [proposal("a", "set_budget", 60.0, priority=1), proposal("b", "pause", 40.0, expected_profit_7d=None)]
    return build_document(NOW, proposals, campaigns, currency="BRL")


def test_survives_json_unchanged() -> None:
    made = document()
    text = made.model_dump_json()
    assert DecisionDocument.model_validate_json(text) == made
    raw = json.loads(text)
    assert raw["version"] == "1.0"
    assert set(raw["budget_reallocation"]) == {"total_moved", "from", "to"}


def test_actions_come_by_priority_with_their_kind_and_change() -> None:
    first, second = document().immediate_actions
    assert (first.campaign_id, first.action_type) == ("b", "PAUSE")
    assert first.proposed_change.budget_to == Money.zero("BRL")
    assert (second.action_type, second.proposed_change.percent) == ("INCREASE_BUDGET", Decimal("20.0000"))
    assert second.current_state.roas_7d == Decimal("4.0000")
    assert second.estimated_impact.profit_7d == Money.of("12.34", "BRL")


def test_moved_budget_is_what_really_changes_hands_and_the_rest_is_watched() -> None:
    made = document()
    assert made.budget_reallocation.total_moved == Money.of("10", "BRL")
    assert made.expected_outcomes.daily_budget_after == Money.of("90", "BRL")
    assert [item.campaign_id for item in made.monitoring_items] == ["c"]
    assert any(reason.message_id == "decision.caveat.unvalued" for reason in made.risks_and_caveats)


@pytest.mark.parametrize(
    ("revenue", "health"), [("4000", "EXCELLENT"), ("3000", "GOOD"), ("2500", "FAIR"), ("2000", "POOR"), ("100", "CRITICAL")]
)
def test_health_follows_margin_per_spend(revenue: str, health: str) -> None:
    assert health_of([figures("a", "50", "1000", revenue)])[0] == health


def test_no_spend_is_no_finding() -> None:
    assert health_of([figures("a", "50", "0", "0")]) == ("FAIR", None)
    made = build_document(NOW, [], [figures("a", "50", "0", "0")], currency="BRL")
    assert made.monitoring_items[0].reasoning.params["roas"] == "undefined"
    assert any(reason.message_id == "decision.caveat.no_basis" for reason in made.risks_and_caveats)


def test_yen_have_no_cents() -> None:
    made = build_document(NOW, [proposal("a", "set_budget", 6000.0)], [figures("a", "5000", "100", "100", "JPY")], currency="JPY")
    assert made.immediate_actions[0].estimated_impact.profit_7d == Money.of("12", "JPY")


def test_refuses_what_it_cannot_mean() -> None:
    with pytest.raises(ValidationError):
        DecisionDocument.model_validate(document().model_dump() | {"surprise": 1})
    with pytest.raises(ValidationError, match="naive"):
        build_document(NOW.replace(tzinfo=None), [], [], currency="BRL")
    with pytest.raises(KeyError):
        build_document(NOW, [proposal("ghost", "pause", 1.0)], [], currency="BRL")
    with pytest.raises(CurrencyMismatch):
        build_document(NOW, [], [figures("a", "50", "1", "1", "USD")], currency="BRL")
