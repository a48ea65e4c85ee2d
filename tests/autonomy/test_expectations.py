"""What an action is expected to change: typed, with an honest interval, from every strategy; and learning from verdicts."""

from __future__ import annotations

import copy
import random
from typing import Any

import pytest
from pydantic import ValidationError

from knowledge.domain.money import Money
from knowledge.domain.outcome import Effect, Expectation, expectation_of
from tools.optimizer import decide, expected_effects
from tools.optimizer.calibration import PRIOR, calibrate, correction

NOW = 28 * 24 * 10
POLICY: dict[str, Any] = {
    "daily_cap": 2000.0, "weekly_cap": 14000.0, "cap_today": 2000.0, "max_adjustments_per_day": 50, "max_single_increase": 0.5,
    "min_runtime_h": 72, "approval_above": 0.2, "no_touch_roas_above": 50.0,
}  # fmt: skip


def history(
    days: int = 20, *, margin: float | None = 0.5, roas: dict[str, float] | None = None, orders: float = 6.0
) -> dict[str, Any]:
    """Daily rows of three campaigns at 100 a day, with orders of 40 each that come as they come."""
    chance = random.Random(3)
    metrics: dict[str, list[Any]] = {
        k: [] for k in ("campaign_id", "hour", "impressions", "clicks", "spend", "conversions", "revenue")
    }
    earned = roas or {"bad": 0.6, "fair": 2.4, "good": 6.0}
    for name, value in earned.items():
        for back in range(1, days + 1):
            count = round(orders * value / 2.4 * chance.uniform(0.6, 1.4))
            row = (name, NOW - 24 * back, 4000, 100, 100.0, count, count * 100.0 * 2.4 / orders)
            for key, cell in zip(metrics, row, strict=True):
                metrics[key].append(cell)
    return {
        "now": NOW,
        "campaigns": [
            {
                "id": name, "platform": "meta", "product_id": name, "status": "active", "daily_budget": 100.0, "launch_budget": 100.0,
                "started_at": NOW - 24 * days, "margin": margin, "in_stock": True, "last_change_at": NOW - 24 * days,
            }
            for name in earned
        ],
        "metrics": metrics, "changes": [], "stock_out": [],
        "account": {"adjustments_left": 50, "increase_left": 500.0, "cap_room": 500.0},
    }  # fmt: skip


def by_metric(effects: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    return {e["metric"]: e for e in effects}


@pytest.mark.parametrize("strategy", ["thresholds", "framework", "bayes"])
def test_every_strategy_states_every_effect_with_an_interval(strategy: str) -> None:
    actions = decide(history(), POLICY | {"strategy": strategy})
    assert actions, "the bad campaign at least is touched"
    for action in actions:
        found = by_metric(action["expected_effect"])
        assert list(found) == ["profit", "revenue", "spend"]
        for effect in found.values():
            assert effect["low"] < effect["mid"] < effect["high"] and effect["horizon_hours"] == 72
        after = 0.0 if action["action"] == "pause" else action["daily_budget"]
        assert (found["spend"]["mid"] > 0) == (after > action["from_budget"])


def test_less_is_known_the_less_was_seen() -> None:
    def width(days: int) -> float:
        effect = by_metric(expected_effects(history(days), POLICY, "fair", 100.0, 120.0))["revenue"]
        return effect["high"] - effect["low"]

    assert width(2) > 1.1 * width(25)


def test_without_a_margin_revenue_is_the_headline_and_profit_is_not_guessed() -> None:
    effects = expected_effects(history(margin=None), POLICY, "fair", 100.0, 120.0)
    assert [e["metric"] for e in effects] == ["revenue", "spend"]


def test_without_any_order_only_the_spend_is_known() -> None:
    assert [e["metric"] for e in expected_effects(history(orders=1e9), POLICY, "fair", 100.0, 0.0)] != ["spend"]
    silent = history()
    silent["metrics"]["conversions"] = [0] * len(silent["metrics"]["conversions"])
    silent["metrics"]["revenue"] = [0.0] * len(silent["metrics"]["revenue"])
    assert [e["metric"] for e in expected_effects(silent, POLICY, "fair", 100.0, 120.0)] == ["spend"]


def test_a_new_campaign_is_read_by_its_neighbours() -> None:
    known = history()
    entry = known["campaigns"][1] | {"id": "new", "status": "paused", "started_at": None, "last_change_at": None}
    known["campaigns"].append(entry)
    found = by_metric(expected_effects(known, POLICY, "new", 0.0, 100.0))
    own = by_metric(expected_effects(known, POLICY, "fair", 0.0, 100.0))
    assert found["profit"]["low"] < found["profit"]["mid"] < found["profit"]["high"]
    assert found["revenue"]["high"] - found["revenue"]["low"] > own["revenue"]["high"] - own["revenue"]["low"]
    with pytest.raises(LookupError, match="not in the history"):
        expected_effects(history(), POLICY, "nobody", 0.0, 10.0)


def test_expectation_survives_its_storage_and_a_foreign_form_is_no_expectation() -> None:
    effect = Effect(
        metric="profit",
        low=Money(minor=-5, currency="BRL"),
        mid=Money(minor=2, currency="BRL"),
        high=Money(minor=9, currency="BRL"),
    )
    stated = Expectation(effects=(effect,), method="response", strategy="bayes")
    stored = stated.plain()
    assert stored["mid"] == {"minor": 2, "currency": "BRL"}, "the headline stands on top"
    assert expectation_of(stored) == stated
    unknown = Expectation(method="response", strategy="people", unknown="no_data")
    assert expectation_of(unknown.plain()) == unknown
    for other in (None, {}, {"profit_7d": 3.0, "currency": "BRL"}, {"method": "x"}, stored | {"effects": [{"metric": "luck"}]}):
        assert expectation_of(other) is None
    with pytest.raises(ValidationError):
        Effect(metric="profit", low=effect.high, mid=effect.mid, high=effect.low)
    with pytest.raises(ValidationError):
        Expectation(method="response", strategy="bayes")


# -- calibration -------------------------------------------------------------------------------------------------------------------


def verdicts(
    judged: int, mean_z: float, mean_square_z: float, kind: str = "campaign.set_budget", strategy: str = "bayes"
) -> dict[str, Any]:
    return {"strategy": strategy, "kind": kind, "judged": judged, "inside": 0, "mean_z": mean_z, "mean_square_z": mean_square_z}


def test_without_verdicts_nothing_changes_to_the_byte() -> None:
    plain = decide(history(), POLICY)
    for nothing in ([], None):
        assert decide(history() | {"calibration": nothing}, POLICY) == plain
    assert decide(history() | {"calibration": [verdicts(50, 0.0, 1.0)]}, POLICY) == plain, "a calibrated engine is left alone"
    assert decide(history() | {"calibration": [verdicts(50, -2.0, 6.0, strategy="framework")]}, POLICY) == plain, (
        "another one's misses"
    )


def test_an_overconfident_engine_falls_below_the_confidence_that_asks_nobody() -> None:
    before = {(a["campaign_id"], a["action"]): a for a in decide(history(), POLICY)}
    sure = [key for key, a in before.items() if 0.85 <= a["confidence"] < 0.999 and a["action"] == "set_budget"]
    assert sure, [(k, a["confidence"]) for k, a in before.items()]
    bad = [verdicts(30, -1.2, 6.0)]
    given = history() | {"calibration": bad}
    kept = copy.deepcopy(given)
    after = {(a["campaign_id"], a["action"]): a for a in decide(given, POLICY)}
    assert given == kept, "pure"
    assert before.keys() == after.keys()
    for key in sure:
        assert after[key]["confidence"] < 0.85
        old, new = (by_metric(x[key]["expected_effect"])["profit"] for x in (before, after))
        assert new["mid"] == old["mid"] and new["high"] - new["low"] > 1.5 * (old["high"] - old["low"])


def test_calibration_never_makes_an_engine_surer() -> None:
    chance = random.Random(5)
    for _ in range(200):
        action = {
            "action": chance.choice(["pause", "set_budget", "resume"]), "confidence": chance.choice([0.0, 1.0, chance.random()]),
            "expected_profit_7d": 5.0, "expected_profit_7d_low": -1.0, "expected_profit_7d_high": 9.0,
            "expected_effect": [{"metric": "profit", "low": -1.0, "mid": 5.0, "high": 9.0}],
        }  # fmt: skip
        z = chance.uniform(-3, 3)
        rows = [verdicts(chance.randint(1, 40), z, z * z + chance.uniform(0, 4))]
        new = copy.deepcopy(action)
        calibrate([new], {"calibration": rows}, "bayes")
        assert new["confidence"] <= max(action["confidence"], 0.5) + 1e-9, "below a half, more doubt is nearer to a half"
        assert new["confidence"] <= action["confidence"] + 1e-9 or action["confidence"] < 0.5
        assert new["expected_profit_7d_low"] <= -1.0 and new["expected_profit_7d_high"] >= 9.0


def test_few_verdicts_weigh_little_and_other_kinds_half() -> None:
    assert correction({"calibration": [verdicts(1, -3.0, 9.0)]}, "bayes", "campaign.set_budget")[0] < 1.4
    own = correction({"calibration": [verdicts(20, -1.0, 5.0)]}, "bayes", "campaign.set_budget")
    other = correction({"calibration": [verdicts(20, -1.0, 5.0, kind="campaign.pause")]}, "bayes", "campaign.set_budget")
    assert own[0] > other[0] > 1 and own[1] < other[1] < 0
    assert own[1] == pytest.approx(-20 / (PRIOR + 20))
    for broken in ("text", [1, {"strategy": "bayes"}], [verdicts(0, -1, 4)], [verdicts(3, float("nan"), 4)]):
        assert correction({"calibration": broken}, "bayes", "campaign.set_budget") == (1.0, 0.0)
