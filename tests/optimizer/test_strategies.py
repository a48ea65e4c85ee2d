"""What each strategy does in a situation one can check by hand."""

from __future__ import annotations

import time
from typing import Any

import numpy as np
import pytest

from tools.optimizer import decide, kpi, reasons
from tools.optimizer.estimate import learn_delay
from tools.optimizer.history import HOURS
from tools.optimizer.stats import gamma_above, log_e_value
from tools.optimizer.thresholds import classify

POLICY: dict[str, Any] = {
    "daily_cap": 1e6, "weekly_cap": 7e6, "cap_today": 1e6, "max_adjustments_per_day": 50, "max_reallocation_per_day": 0.3,
    "max_single_increase": 0.5, "min_runtime_h": 72, "approval_above": 0.2, "no_touch_roas_above": 5.0,
}  # fmt: skip
FREE = {"adjustments_left": 50, "increase_left": 1e5, "cap_room": 1e5}


def account(
    roas: dict[str, float], *, days: int = 10, budget: float = 100.0, value: float = 50.0, cpc: float = 1.0, **campaign: Any
) -> dict[str, Any]:
    """Campaigns that return exactly `roas`, hour by hour (fractional orders: no luck, so that a test says what it says)."""
    ids, hours, spend, clicks, orders, revenue = [], [], [], [], [], []
    for name, level in roas.items():
        for hour in range(days * 24):
            ids.append(name)
            hours.append(hour)
            spend.append(budget / 24)
            clicks.append(budget / 24 / cpc)
            orders.append(level * budget / 24 / value)
            revenue.append(level * budget / 24)
    return {
        "now": days * 24,
        "campaigns": [
            {"id": name, "platform": "meta", "product_id": f"p-{name}", "status": "active", "daily_budget": budget,
             "launch_budget": budget, "started_at": 0, "margin": 0.5, "in_stock": True, "last_change_at": None} | campaign
            for name in roas
        ],
        "metrics": {"campaign_id": ids, "hour": hours, "impressions": [c * 50 for c in clicks], "clicks": clicks, "spend": spend,
                    "conversions": orders, "revenue": revenue},
        "changes": [], "stock_out": [], "account": dict(FREE),
    }  # fmt: skip


def by_campaign(history: dict[str, Any], **policy: Any) -> dict[str, dict[str, Any]]:
    return {a["campaign_id"]: a for a in decide(history, POLICY | policy)}


def test_bayes_raises_what_pays_pauses_what_does_not_and_leaves_break_even_alone() -> None:
    # At margin 0.5 and elasticity 0.72 the next unit pays from ROAS 2.8 on.
    actions = by_campaign(account({"good": 4.5, "even": 2.8, "bad": 0.2}))
    assert actions["good"]["action"] == "set_budget" and actions["good"]["daily_budget"] > 100
    assert actions["bad"]["action"] == "pause"
    assert "even" not in actions
    assert actions["good"]["expected_profit_7d_low"] < actions["good"]["expected_profit_7d"]
    assert "returns" in actions["good"]["reason"] and "good" in actions["good"]["reason"]


def test_what_is_paused_already_is_no_loser() -> None:
    """A platform that says CAMPAIGN_PAUSED says nothing about the campaign's worth."""
    history = account({"good": 4.5, "bad": 0.2})
    assert by_campaign(history)["bad"]["action"] == "pause"
    history["campaigns"][1]["status"] = "paused"
    assert by_campaign(history).get("bad", {"action": "none"})["action"] != "pause"


def test_bayes_does_not_pause_on_thin_evidence() -> None:
    """No order yet where break-even expects less than three: that happens to good campaigns too."""
    thin = account({"a": 3.0, "b": 3.0, "c": 3.0, "new": 0.0}, days=10)
    rows = thin["metrics"]
    keep = [k for k, (i, h) in enumerate(zip(rows["campaign_id"], rows["hour"], strict=True)) if i != "new" or h % 48 == 0]
    thin["metrics"] = {name: [column[k] for k in keep] for name, column in rows.items()}
    assert by_campaign(thin).get("new", {"action": "none"})["action"] != "pause"
    assert by_campaign(account({"a": 3.0, "b": 3.0, "c": 3.0, "new": 0.0}))["new"]["action"] == "pause"


def test_bayes_keeps_the_minimum_runtime_and_the_no_touch_line() -> None:
    young = account({"bad": 0.1, "good": 4.0}, started_at=200)
    assert by_campaign(young)["bad"]["action"] == "set_budget"
    assert "star" not in by_campaign(account({"star": 6.0, "good": 4.0}))


def test_out_of_stock_is_paused_and_comes_back_with_the_stock() -> None:
    history = account({"a": 4.0, "b": 4.0})
    history["campaigns"][0]["in_stock"] = False
    action = by_campaign(history)["a"]
    assert (action["action"], action["why"]["message_id"]) == ("pause", "optimizer.pause.stock")
    back = account({"a": 4.0, "b": 4.0})
    back["campaigns"][0] |= {"status": "paused", "last_change_at": 200}
    back["changes"] = [{"campaign_id": "a", "at": 200, "action": "pause", "from": 100.0, "to": 0.0, "state": "applied"}]
    back["stock_out"] = [{"product_id": "p-a", "from": 195, "to": 230}]
    assert by_campaign(back)["a"]["action"] == "resume"
    back["changes"] = []  # paused by somebody else: not ours to wake
    assert "a" not in by_campaign(back)


def test_a_tracking_outage_pauses_nobody() -> None:
    names = {f"c{i}": 3.0 for i in range(6)}
    history = account(names, days=12)
    hour = np.array(history["metrics"]["hour"])
    for column in ("conversions", "revenue"):
        values = np.array(history["metrics"][column])
        values[hour >= history["now"] - 40] = 0.0
        history["metrics"][column] = values
    assert all(a["action"] != "pause" and a["daily_budget"] >= 100 for a in decide(history, POLICY))


def test_the_delay_is_learnt_and_late_orders_are_not_held_against_anybody() -> None:
    rng = np.random.default_rng(4)
    clicks = rng.poisson(20.0, (6, HOURS)).astype(float)
    age = HOURS - np.arange(HOURS) - 0.5
    for truth in (5.0, 36.0):
        orders = rng.poisson(clicks * 0.05 * (1 - np.exp(-age / truth))).astype(float)
        assert learn_delay(clicks, orders) == pytest.approx(truth, rel=0.5)


def test_pacing_by_the_weekly_cap_keeps_budgets_where_they_fit() -> None:
    history = account({"a": 4.0, "b": 3.9}, days=5)
    history["account"] = {"adjustments_left": 50, "increase_left": 1e5}
    capped = {"cap_today": None, "daily_cap": 300.0, "weekly_cap": 1500.0}
    # Week from hour 0: 1,000 spent in five days, 500 left for two: 250 a day against 200 active.
    rises = sum(a["daily_budget"] - 100 for a in decide(history, POLICY | capped))
    assert 0 < rises <= 50 + 1e-6
    tight = decide(history, POLICY | capped | {"weekly_cap": 1200.0})  # 100 a day left, 200 active
    assert tight and all(a["daily_budget"] < 100 for a in tight)


def test_a_no_from_the_manager_makes_large_steps_rarer() -> None:
    history = account({"a": 0.8, "b": 4.0}, days=20, budget=400.0, started_at=440)  # too young to be paused
    asked = by_campaign(history)["a"]
    history["changes"] = [
        {"campaign_id": "b", "at": 300 + k, "action": "set_budget", "from": 100.0, "to": 150.0, "state": "rejected"}
        for k in range(40)
    ]
    alone = by_campaign(history)["a"]
    assert asked["needs_approval"] and asked["daily_budget"] == 200.0
    assert not alone["needs_approval"] and alone["daily_budget"] == 320.0


def test_a_demanded_confidence_is_kept() -> None:
    history = account({"a": 3.2, "b": 3.3, "c": 3.4}, days=4)
    assert any(a["confidence"] < 0.85 for a in decide(history, POLICY))
    assert all(a["confidence"] >= 0.85 for a in decide(history, POLICY | {"min_confidence": 0.85}))


def test_thresholds_at_their_word() -> None:
    def totals(**given: float | None) -> kpi.Totals:
        return kpi.Totals(**({"impressions": 2000, "clicks": 60, "spend": 30, "conversions": 2, "revenue": 100} | given))

    assert classify(totals()) == "winner"
    assert classify(totals(impressions=900)) is None
    assert classify(totals(revenue=50)) == "potential"
    assert classify(totals(conversions=0, revenue=0)) == "loser"
    assert classify(totals(spend=0)) is None
    assert classify(totals(impressions=None, clicks=None)) == "winner"


def test_thresholds_and_framework_act_as_specified() -> None:
    history = account({"winner": 3.0, "loser": 0.5}, value=30.0, cpc=0.3)
    actions = by_campaign(history, strategy="thresholds")
    assert actions["winner"]["daily_budget"] == 120.0 and actions["loser"]["action"] == "pause"
    actions = by_campaign(account({"star": 4.5, "poor": 1.2, "fine": 3.0}), strategy="framework")
    assert (actions["star"]["daily_budget"], actions["star"]["needs_approval"]) == (130.0, True)
    assert actions["poor"]["why"]["message_id"] == "optimizer.framework.pause_roas"
    silent = account({"a": 0.0, "b": 3.0})
    assert by_campaign(silent, strategy="framework")["a"]["action"] == "pause"


def test_undefined_ratios_are_none_never_zero() -> None:
    nothing = kpi.Totals(impressions=0, clicks=0, spend=0, conversions=0, revenue=0)
    assert [nothing.roas, nothing.ctr, nothing.cvr, nothing.cpa, nothing.aov] == [None] * 5
    spent = kpi.Totals(impressions=10, clicks=0, spend=5, conversions=0, revenue=0)
    assert (spent.roas, spent.ctr, spent.cvr, spent.cpa) == (0.0, 0.0, None, None)
    assert kpi.roas(None, 5.0) is None


def test_every_reason_speaks_both_languages_with_the_same_numbers() -> None:
    assert set(reasons.EN) == set(reasons.PT_BR)
    for message_id, english in reasons.EN.items():
        names = {part.split("}")[0] for part in english.split("{")[1:]}
        assert names == {part.split("}")[0] for part in reasons.PT_BR[message_id].split("{")[1:]}
    params = dict.fromkeys(("campaign", "from", "to", "line"), "x") | {"roas": 1234.5}
    assert "1.234,50" in reasons.sentence("optimizer.framework.reduce", params, "pt-BR")
    assert "1,234.50" in reasons.sentence("optimizer.framework.reduce", params)


def test_e_value_keeps_its_promise_under_repeated_looks() -> None:
    """A campaign exactly at break-even, looked at every hour for 30 days: crossing 20 happens to at most one in twenty."""
    rng = np.random.default_rng(8)
    orders = rng.poisson(0.15, (2000, 720)).cumsum(axis=1).astype(float)
    expected = np.broadcast_to(0.15 * np.arange(1, 721), orders.shape)
    crossed = (log_e_value(orders, expected) >= np.log(20)).any(axis=1).mean()
    assert crossed <= 0.05
    lost = rng.poisson(0.045, (200, 720)).cumsum(axis=1).astype(float)
    assert (log_e_value(lost, expected[:200]) >= np.log(20)).any(axis=1).mean() > 0.95


def test_gamma_tail_against_simulation() -> None:
    rng = np.random.default_rng(2)
    for shape in (1.0, 4.0, 30.0):
        draws = rng.gamma(shape, 2.0 / shape, 100_000)
        for line in (1.0, 2.0, 3.0):
            got = float(gamma_above(np.array(line), np.array(2.0), np.array(shape)))
            assert got == pytest.approx((draws > line).mean(), abs=0.02)


def test_a_thousand_campaigns_fit_in_the_time() -> None:
    rng = np.random.default_rng(0)
    names = [f"c{i}" for i in range(1000)]
    history = account(dict.fromkeys(names, 2.0), days=1)
    cells = 1000 * HOURS
    clicks = rng.poisson(3, cells)
    orders = rng.binomial(clicks, 0.03)
    history["now"] = HOURS
    history["metrics"] = {
        "campaign_id": np.repeat(names, HOURS), "hour": np.tile(np.arange(HOURS), 1000), "impressions": clicks * 60,
        "clicks": clicks, "spend": clicks * 0.9 + 0.1, "conversions": orders, "revenue": orders * 60.0,
    }  # fmt: skip
    started = time.process_time()
    assert decide(history, POLICY)
    assert time.process_time() - started < 5.0
