"""What must hold of every strategy on any history: pure, never beyond a guardrail, blind to order and to the unit of money."""

from __future__ import annotations

import copy
import random
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tools.optimizer import STRATEGIES, decide

ALL = sorted(STRATEGIES)
BOUNDED = settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])


def make(seed: int, count: int, days: int, scale: float = 1.0) -> tuple[dict[str, Any], dict[str, Any]]:
    """A random account: good, bad and odd campaigns, pending changes, stock-outs, tight and loose guardrails."""
    rng = random.Random(seed)
    now = days * 24 + rng.randrange(24)
    campaigns: list[dict[str, Any]] = []
    columns: dict[str, list[Any]] = {
        k: [] for k in ("campaign_id", "hour", "impressions", "clicks", "spend", "conversions", "revenue")
    }
    changes: list[dict[str, Any]] = []
    for i in range(count):
        budget = round(rng.uniform(5, 400), 2)
        rate = rng.choice([0.0, 0.005, 0.02, 0.06, 0.2])
        value = rng.uniform(20, 120)
        name = f"c{i}"
        started = rng.randrange(0, now)
        campaigns.append(
            {
                "id": name,
                "platform": rng.choice(["meta", "google"]),
                "product_id": f"p{rng.randrange(3)}",
                "status": rng.choice(["active", "active", "active", "paused"]),
                "daily_budget": budget * scale,
                "launch_budget": round(budget * rng.choice([0.5, 1, 1, 2]), 2) * scale,
                "started_at": started,
                "margin": rng.choice([0.3, 0.5, None]),
                "in_stock": rng.random() > 0.15,
                "last_change_at": rng.choice([None, max(0, now - 10), max(0, now - 100)]),
            }
        )
        for hour in range(started, now, rng.choice([1, 6, 24])):
            clicks = rng.randrange(0, 40)
            orders = sum(rng.random() < rate for _ in range(clicks))
            row = (name, hour, clicks * 50, clicks, clicks * 0.8 * scale, orders, orders * value * scale)
            for column, cell in zip(columns.values(), row, strict=True):
                column.append(cell)
        if rng.random() < 0.3:
            state = rng.choice(["applied", "pending", "rejected"])
            kind = rng.choice(["pause", "set_budget"])
            changes.append({"campaign_id": name, "at": max(0, now - rng.randrange(1, 90)), "action": kind,
                            "from": budget * scale, "to": budget * 1.5 * scale, "state": state})  # fmt: skip
    history: dict[str, Any] = {
        "now": now,
        "campaigns": campaigns,
        "metrics": columns,
        "changes": changes,
        "stock_out": [{"product_id": "p1", "from": max(0, now - 60), "to": rng.choice([None, now - 5])}],
        "account": {
            "adjustments_left": rng.choice([0, 1, 3, 50]),
            "increase_left": rng.choice([0.0, 7.5, 1e4]) * scale,
            "cap_room": rng.choice([-50.0, 0.0, 12.5, 1e4]) * scale,
        },
    }
    policy: dict[str, Any] = {
        "daily_cap": 1e5 * scale, "weekly_cap": 5e5 * scale, "cap_today": rng.choice([200.0, 1e4]) * scale,
        "max_adjustments_per_day": 50, "max_reallocation_per_day": 0.3, "max_single_increase": rng.choice([0.1, 0.5]),
        "min_runtime_h": 72, "approval_above": rng.choice([0.05, 0.2]), "no_touch_roas_above": rng.choice([2.0, 5.0]),
        "budget_quantum": 0.01 * scale,
    }  # fmt: skip
    return history, policy


def breaches(actions: list[dict[str, Any]], history: dict[str, Any], policy: dict[str, Any]) -> list[str]:
    """The guardrails once more, written apart from the engine."""
    found: list[str] = []
    account = history["account"]
    by_id = {c["id"]: c for c in history["campaigns"]}
    pending = {c["campaign_id"] for c in history["changes"] if c["state"] == "pending"}
    m, now = history["metrics"], history["now"]
    risen = 0.0
    if len(actions) > account["adjustments_left"]:
        found.append("adjustments")
    if len({a["campaign_id"] for a in actions}) != len(actions):
        found.append("two actions for one campaign")
    for action in actions:
        c = by_id[action["campaign_id"]]
        rows = [k for k, (i, h) in enumerate(zip(m["campaign_id"], m["hour"], strict=True)) if i == c["id"] and h >= now - 168]
        spend, revenue = sum(m["spend"][k] for k in rows), sum(m["revenue"][k] for k in rows)
        if spend > 0 and revenue / spend > policy["no_touch_roas_above"]:
            found.append("touched above the line")
        if c["id"] in pending:
            found.append("changed while a change waits")
        before = c["daily_budget"] if c["status"] == "active" else 0.0
        if action["action"] == "pause":
            if now - c["started_at"] < policy["min_runtime_h"] or c["status"] != "active":
                found.append("pause")
            continue
        risen += max(0.0, action["daily_budget"] - before)
        if action["action"] == "resume":
            if not c["in_stock"] or c["status"] == "active":
                found.append("resume")
            continue
        share = action["daily_budget"] / before - 1 if before else 9.0
        if action["daily_budget"] <= 0 or c["status"] != "active" or share > policy["max_single_increase"] + 1e-9:
            found.append("step")
        if abs(share) > policy["approval_above"] + 1e-9 and not action["needs_approval"]:
            found.append("approval hidden")
    if risen > 1e-9 * (1 + risen) + max(0.0, min(account["increase_left"], account["cap_room"])):
        found.append(f"raised {risen}")
    total = sum(c["daily_budget"] for c in history["campaigns"] if c["status"] == "active")
    if risen > 0 and total + risen > policy["cap_today"] * (1 + 1e-9):
        found.append("cap of today")
    return found


@BOUNDED
@given(seed=st.integers(0, 10**6), count=st.integers(0, 9), days=st.integers(1, 20), strategy=st.sampled_from(ALL))
def test_pure_and_never_beyond_a_guardrail(seed: int, count: int, days: int, strategy: str) -> None:
    history, policy = make(seed, count, days)
    policy["strategy"] = strategy
    kept = copy.deepcopy((history, policy))
    first = decide(history, policy)
    assert (history, policy) == kept
    assert decide(copy.deepcopy(history), copy.deepcopy(policy)) == first
    assert breaches(first, history, policy) == []
    for position, action in enumerate(first):
        assert action["priority"] == position
        assert 0.0 <= action["confidence"] <= 1.0
        assert action["reason"] and action["why"]["message_id"].startswith("optimizer.")


@BOUNDED
@given(seed=st.integers(0, 10**6), count=st.integers(2, 9), strategy=st.sampled_from(ALL))
def test_the_order_of_campaigns_and_rows_does_not_matter(seed: int, count: int, strategy: str) -> None:
    history, policy = make(seed, count, 12)
    policy["strategy"] = strategy
    rng = random.Random(seed)
    shuffled = copy.deepcopy(history)
    rng.shuffle(shuffled["campaigns"])
    order = list(range(len(history["metrics"]["hour"])))
    rng.shuffle(order)
    shuffled["metrics"] = {name: [column[k] for k in order] for name, column in history["metrics"].items()}
    assert _moves(decide(shuffled, policy)) == _moves(decide(history, policy))


@BOUNDED
@given(seed=st.integers(0, 10**6), count=st.integers(1, 8), strategy=st.sampled_from(ALL))
def test_the_unit_of_money_does_not_matter(seed: int, count: int, strategy: str) -> None:
    one, policy = make(seed, count, 12)
    hundred, policy_hundred = make(seed, count, 12, scale=128.0)  # a power of two scales floats exactly
    small = decide(one, policy | {"strategy": strategy})
    large = decide(hundred, policy_hundred | {"strategy": strategy})
    assert [(a["campaign_id"], a["action"]) for a in small] == [(a["campaign_id"], a["action"]) for a in large]
    for a, b in zip(small, large, strict=True):
        assert b["daily_budget"] == pytest.approx(128 * a["daily_budget"], rel=1e-4)
        assert b["confidence"] == pytest.approx(a["confidence"], abs=2e-3)


def _moves(actions: list[dict[str, Any]]) -> list[tuple[Any, ...]]:
    return [(a["campaign_id"], a["action"], a["daily_budget"], round(a["confidence"], 3)) for a in actions]


@pytest.mark.parametrize("strategy", ALL)
def test_lists_and_arrays_are_the_same_to_it(strategy: str) -> None:
    history, policy = make(7, 8, 14)
    arrays = history | {"metrics": {name: np.array(column) for name, column in history["metrics"].items()}}
    assert decide(arrays, policy | {"strategy": strategy}) == decide(history, policy | {"strategy": strategy})


@pytest.mark.parametrize("strategy", ALL)
@pytest.mark.parametrize("missing", ["metrics", "changes", "stock_out", "account", "campaigns"])
def test_missing_parts_are_no_error(strategy: str, missing: str) -> None:
    history, policy = make(3, 5, 10)
    del history[missing]
    assert isinstance(decide(history, policy | {"strategy": strategy}), list)
    bare = {"now": 240, "campaigns": [{"id": "a", "daily_budget": 50.0, "status": "active"}]}
    assert isinstance(decide(bare, {"strategy": strategy}), list)


def test_future_rows_and_rows_that_are_no_number_are_not_believed() -> None:
    history, policy = make(11, 6, 14)
    policy["strategy"] = "thresholds"
    before = decide(history, policy)
    for name, cell in {"campaign_id": "c1", "hour": history["now"] + 5, "impressions": 9e9, "clicks": 9e8, "spend": 1.0,
                       "conversions": 9e8, "revenue": 9e9}.items():  # fmt: skip
        history["metrics"][name].append(cell)
    for name, cell in {"campaign_id": "c1", "hour": history["now"] - 5, "impressions": 10, "clicks": 1, "spend": float("nan"),
                       "conversions": 9e8, "revenue": 9e9}.items():  # fmt: skip
        history["metrics"][name].append(cell)
    assert decide(history, policy) == before


def test_unknown_strategy_and_missing_now_are_said() -> None:
    with pytest.raises(ValueError, match=r"policy\.strategy"):
        decide({"now": 1}, {"strategy": "luck"})
    with pytest.raises(ValueError, match=r"history\.now"):
        decide({}, {})


@pytest.mark.parametrize("strategy", ALL)
def test_what_a_manager_rejected_is_not_proposed_again_for_a_while(strategy: str) -> None:
    for seed in range(40):
        history, policy = make(seed, 12, 20)
        policy["strategy"] = strategy
        before = decide(history, policy)
        if before:
            break
    else:
        raise AssertionError("no market of forty gives a proposal")
    no = before[0]
    change = {
        "campaign_id": no["campaign_id"], "at": history["now"] - 5, "action": no["action"], "from": no["from_budget"],
        "to": no["daily_budget"], "state": "rejected", "reason": "ainda não",
    }  # fmt: skip
    history["changes"] = [*history.get("changes", []), change]
    policy["rejection_memory_h"] = 72

    def repeated(actions: list[dict[str, Any]]) -> bool:
        return any(
            (a["campaign_id"], a["action"]) == (no["campaign_id"], no["action"])
            and (a["daily_budget"] > a["from_budget"]) == (no["daily_budget"] > no["from_budget"])
            for a in actions
        )

    assert not repeated(decide(history, policy))
    if strategy == "thresholds":  # it has no memory of its own
        assert repeated(decide(history, {**policy, "rejection_memory_h": 0}))
    # Nobody said no to a request that only expired, and a no of long ago is forgotten by this rule.
    for other in ({k: v for k, v in change.items() if k != "reason"}, change | {"at": history["now"] - 72}):
        heard = {**history, "changes": [*history["changes"][:-1], other]}
        silent = {**policy, "rejection_memory_h": 0}
        assert decide(heard, policy) == decide(heard, silent)
