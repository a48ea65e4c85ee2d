"""The engine walked over real figures day by day, never shown the future, and what its decisions would have been worth.

The counterfactual is stated, not hidden: the days that followed are taken as they were, with spend scaled by the decision
and orders and revenue scaled by that factor to the power of an elasticity below 1 (more budget buys worse clicks).
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from runtime.backtest.reading import Export
from tools.optimizer import decide

Floats = NDArray[np.float64]
ELASTICITY = 0.72
ELASTICITY_RANGE = (0.55, 0.90)
DRAWS = 1000
FIELDS = ("impressions", "clicks", "spend", "conversions", "revenue")
BASIS = (
    "later days as observed; spend x k, orders and revenue x k^{elasticity} (elasticity drawn from {low}-{high} for the interval), "
    "margin {margin} of revenue; 90 % interval by resampling days and orders"
)


@dataclass
class Walk:
    """What came out: decisions with effects, totals and the policy used."""

    decisions: list[dict[str, Any]]
    totals: dict[str, Any]
    policy: dict[str, Any]
    days: dict[str, Any]
    caveats: list[str] = field(default_factory=list)


@dataclass
class _Sheet:
    """The export as (campaign x day) matrices, and the rows kept for the engine."""

    names: list[str]
    platforms: list[str]
    first_day: Any
    days: int
    daily: dict[str, Floats]
    row_campaign: NDArray[np.int64]
    row_day: NDArray[np.int64]
    row_hour: NDArray[np.int64]
    rows: dict[str, Floats]


def default_policy() -> dict[str, Any]:
    """The guardrails of the house without absolute caps: those would be another currency's or another account's."""
    return {
        "max_adjustments_per_day": 50,
        "max_reallocation_per_day": 0.3,
        "max_single_increase": 0.5,
        "min_runtime_h": 72,
        "approval_above": 0.2,
        "no_touch_roas_above": 5.0,
    }


def walk(export: Export, *, strategy: str, policy: dict[str, Any] | None, margin: float) -> Walk:
    """Runs `strategy` at the end of every day of the export and values each decision on the days after it.

    `margin` is the contribution share of revenue, used for every campaign. Money stays in the file's currency.
    Raises ValueError for an unknown strategy.
    """
    used = default_policy() | (policy or {}) | {"strategy": strategy}
    sheet = _sheet(export)
    own_cap = not ({"daily_cap", "weekly_cap", "cap_today"} & set(policy or {}))
    factor = np.ones(len(sheet.names))
    path = np.ones((len(sheet.names), sheet.days))
    changes: list[dict[str, Any]] = []
    last_change: dict[int, int] = {}
    decisions: list[dict[str, Any]] = []
    for day in range(sheet.days):
        history, base = _history(sheet, day, factor, path, changes, last_change, margin)
        cap = {"cap_today": float(base.sum())} if own_cap else {}
        for action in decide(history, used | cap):
            i = sheet.names.index(action["campaign_id"])
            before = float(factor[i])
            after = _factor_after(action, float(base[i]), before)
            now = (day + 1) * 24
            decisions.append(_decision(sheet, day, i, action, before, after, margin, export.currency))
            # A pause keeps the budget for a later resume: only the state goes to zero.
            factor[i] = after
            changes.append(
                {
                    "campaign_id": action["campaign_id"],
                    "at": now,
                    "action": action["action"],
                    "from": action["from_budget"],
                    "to": 0.0 if action["action"] == "pause" else action["daily_budget"],
                    "state": "applied",
                }
            )
            last_change[i] = now
        if day + 1 < sheet.days:
            path[:, day + 1] = factor
    totals = _totals(sheet, path, margin, decisions, export.currency)
    shown = {name: value for name, value in used.items() if name != "strategy"} | {"margin": margin}
    if own_cap:
        shown["cap_today"] = "the account's own trailing 7-day mean daily spend"
    days = {
        "first": sheet.first_day.isoformat(),
        "last": _date(sheet, sheet.days - 1),
        "count": sheet.days,
        "campaigns": len(sheet.names),
    }
    return Walk(decisions, totals, shown, days, _caveats(export, sheet, margin))


def _sheet(export: Export) -> _Sheet:
    names = sorted({row.campaign for row in export.rows})
    position = {name: i for i, name in enumerate(names)}
    platforms = [""] * len(names)
    first = min(row.day for row in export.rows)
    days = (max(row.day for row in export.rows) - first).days + 1
    campaign = np.array([position[row.campaign] for row in export.rows], dtype=np.int64)
    day = np.array([(row.day - first).days for row in export.rows], dtype=np.int64)
    hour = np.array([12 if row.hour is None else row.hour for row in export.rows], dtype=np.int64)
    rows: dict[str, Floats] = {}
    for name in FIELDS:
        values = [getattr(row, name) for row in export.rows]
        if all(value is not None for value in values):
            rows[name] = np.array(values, dtype=np.float64)
    for row in export.rows:
        platforms[position[row.campaign]] = row.platform
    shape = (len(names), days)
    daily: dict[str, Floats] = {
        name: np.asarray(np.bincount(campaign * days + day, weights=values, minlength=len(names) * days), dtype=np.float64).reshape(
            shape
        )
        for name, values in rows.items()
    }
    return _Sheet(names, platforms, first, days, daily, campaign, day, hour, rows)


def _history(
    sheet: _Sheet,
    day: int,
    factor: Floats,
    path: Floats,
    changes: list[dict[str, Any]],
    last_change: dict[int, int],
    margin: float,
) -> tuple[dict[str, Any], Floats]:
    """What the engine may see at the end of `day`, and each campaign's observed budget stand-in (7-day mean spend)."""
    spend = sheet.daily["spend"]
    recent = spend[:, max(0, day - 6) : day + 1]
    spent_days = (recent > 0).sum(axis=1)
    base = np.where(spent_days > 0, recent.sum(axis=1) / np.maximum(spent_days, 1), 0.0)
    campaigns: list[dict[str, Any]] = []
    for i, name in enumerate(sheet.names):
        seen = np.flatnonzero(spend[i, : day + 1] > 0)
        if not len(seen):
            continue
        paused = factor[i] <= 0
        kept = next((c["from"] for c in reversed(changes) if c["campaign_id"] == name and c["action"] == "pause"), base[i])
        campaigns.append(
            {
                "id": name,
                "platform": sheet.platforms[i],
                "product_id": name,
                "status": "paused" if paused or base[i] <= 0 else "active",
                "daily_budget": float(kept if paused else base[i] * factor[i]),
                "launch_budget": float(spend[i, seen[:3]].mean()),
                "started_at": int(seen[0]) * 24,
                "margin": margin,
                "in_stock": True,
                "last_change_at": last_change.get(i),
            }
        )
    known = sheet.row_day <= day
    k = path[sheet.row_campaign[known], sheet.row_day[known]]
    live = k > 0
    ids = np.array(sheet.names, dtype=object)[sheet.row_campaign[known][live]]
    metrics: dict[str, Any] = {
        "campaign_id": ids.tolist(),
        "hour": (sheet.row_day[known] * 24 + sheet.row_hour[known])[live].tolist(),
    }
    for name, values in sheet.rows.items():
        scale = k if name in ("spend", "impressions") else k**ELASTICITY
        metrics[name] = (values[known] * scale)[live].tolist()
    history = {
        "now": (day + 1) * 24,
        "campaigns": campaigns,
        "metrics": metrics,
        "changes": list(changes),
        "stock_out": [],
        "account": {},
    }
    return history, base


def _factor_after(action: dict[str, Any], base: float, before: float) -> float:
    if action["action"] == "pause":
        return 0.0
    if action["action"] in ("set_budget", "resume") and base > 0:
        return float(action["daily_budget"]) / base
    return before


def _decision(
    sheet: _Sheet, day: int, i: int, action: dict[str, Any], before: float, after: float, margin: float, currency: str | None
) -> dict[str, Any]:
    pause = action["action"] == "pause"
    return {
        "day": _date(sheet, day),
        "campaign": action["campaign_id"],
        "action": action["action"],
        "from": round(float(action["from_budget"]), 2),
        "to": 0.0 if pause else round(float(action["daily_budget"]), 2),
        "reason": action["reason"],
        "why": action["why"],
        "confidence": action["confidence"],
        "needs_approval": action["needs_approval"],
        "effect": _effect(sheet, day, i, before, after, margin, currency),
    }


def _effect(sheet: _Sheet, day: int, i: int, before: float, after: float, margin: float, currency: str | None) -> dict[str, Any]:
    """Change of profit from this decision alone, to the end of the file: profit at `after` less profit at `before`."""
    spend = sheet.daily["spend"][i, day + 1 :]
    if not (spend > 0).any():
        return {"estimate": None, "low": None, "high": None, "currency": currency, "basis": "no later day in the file"}
    orders, revenue = sheet.daily["conversions"][i, day + 1 :], sheet.daily["revenue"][i, day + 1 :]
    k0, k1 = np.full(len(spend), before), np.full(len(spend), after)
    estimate = float((_profit(spend, revenue, k1, margin) - _profit(spend, revenue, k0, margin)).sum())
    seed = zlib.crc32(f"{sheet.names[i]}|{day}|{after:.6f}".encode())
    draws = _draws(spend[None], orders[None], revenue[None], k0[None], k1[None], margin, seed)
    low, high = (float(v) for v in np.percentile(draws, (5, 95)))
    return {
        "estimate": round(estimate, 2),
        "low": round(min(low, estimate), 2),
        "high": round(max(high, estimate), 2),
        "currency": currency,
        "basis": _basis(margin) + f"; {len(spend)} later days",
    }


def _profit(spend: Floats, revenue: Floats, k: Floats, margin: float, elasticity: float | Floats = ELASTICITY) -> Floats:
    """Daily profit with the budget at k times the observed one."""
    return margin * revenue * np.where(k > 0, np.maximum(k, 1e-12) ** elasticity, 0.0) - spend * k


def _draws(spend: Floats, orders: Floats, revenue: Floats, before: Floats, after: Floats, margin: float, seed: int) -> Floats:
    """Resampled changes of profit (campaign x day in, one number per draw out): days, orders and elasticity all vary."""
    rng = np.random.default_rng(seed)
    days = spend.shape[1]
    result = np.empty(DRAWS)
    picks = rng.integers(0, days, size=(DRAWS, days))
    elasticities = rng.uniform(*ELASTICITY_RANGE, size=DRAWS)
    # The orders of a campaign are one Poisson outcome of its rate: Gamma with half an order of prior, over all its days.
    total = orders.sum(axis=1)
    luck = rng.gamma(np.maximum(total, 0.0) + 0.5, 1.0, size=(DRAWS, len(total))) / np.maximum(total + 0.5, 0.5)
    chunk = max(1, min(DRAWS, 2_000_000 // max(1, spend.size)))
    for first in range(0, DRAWS, chunk):
        pick, e = picks[first : first + chunk], elasticities[first : first + chunk, None]
        total_change = np.zeros(len(pick))
        for i in range(len(spend)):
            earned = revenue[i][pick] * (luck[first : first + chunk, i : i + 1] if days < 5 else 1.0)
            spent, k0, k1 = spend[i][pick], before[i][pick], after[i][pick]
            change = _profit(spent, earned, k1, margin, e) - _profit(spent, earned, k0, margin, e)
            total_change += change.sum(axis=1)
        result[first : first + chunk] = total_change
    return result


def _totals(sheet: _Sheet, path: Floats, margin: float, decisions: list[dict[str, Any]], currency: str | None) -> dict[str, Any]:
    spend, revenue, orders = sheet.daily["spend"], sheet.daily["revenue"], sheet.daily["conversions"]
    still = np.ones_like(path)
    observed = float(_profit(spend, revenue, still, margin).sum())
    estimate = float((_profit(spend, revenue, path, margin) - _profit(spend, revenue, still, margin)).sum())
    draws = _draws(spend, orders, revenue, still, path, margin, seed=20210201)
    low, high = (float(v) for v in np.percentile(draws, (5, 95)))
    saved = [d["effect"]["estimate"] for d in decisions if d["effect"]["estimate"] is not None]
    counts: dict[str, int] = {}
    for decision in decisions:
        kind = decision["action"]
        if kind == "set_budget":
            kind = "raise" if decision["to"] > decision["from"] else "cut"
        counts[kind] = counts.get(kind, 0) + 1
    return {
        "decisions": counts,
        "need_approval": sum(1 for d in decisions if d["needs_approval"]),
        "observed": {
            "spend": round(float(spend.sum()), 2),
            "revenue": round(float(revenue.sum()), 2),
            "orders": round(float(orders.sum()), 2),
            "profit": round(observed, 2),
        },
        "with_decisions": {
            "spend": round(float((spend * path).sum()), 2),
            "profit": round(observed + estimate, 2),
        },
        "effect": {
            "estimate": round(estimate, 2),
            "low": round(min(low, estimate), 2),
            "high": round(max(high, estimate), 2),
            "currency": currency,
            "basis": _basis(margin),
        },
        "decisions_that_would_have_paid": sum(1 for value in saved if value > 0),
        "decisions_valued": len(saved),
    }


def _basis(margin: float) -> str:
    return BASIS.format(elasticity=ELASTICITY, low=ELASTICITY_RANGE[0], high=ELASTICITY_RANGE[1], margin=f"{margin:g}")


def _date(sheet: _Sheet, day: int) -> str:
    return sheet.first_day.fromordinal(sheet.first_day.toordinal() + day).isoformat()


def _caveats(export: Export, sheet: _Sheet, margin: float) -> list[str]:
    result = [
        "This is an estimate at observed rates, not an experiment: nobody knows what the market would have done otherwise.",
        f"A margin of {margin:g} of revenue was assumed for every campaign; break-even ROAS is then {1 / margin:.2f}."
        if margin > 0
        else "A margin of 0 was given: no spend can pay.",
        f"Raises and cuts are valued with an elasticity of {ELASTICITY} (assumed); pauses do not depend on it.",
        "Budgets are not in the file: the mean daily spend of the last 7 days with spend stands in for them.",
        "Steps that need approval are valued as if a manager had said yes the same day.",
        "An export shows orders as finally counted; at the time, the latest days would have shown fewer.",
    ]
    if export.currency is None:
        result.append("The file does not name its currency: amounts are in the file's own units.")
    if export.bad:
        result.append(f"{len(export.bad)} of {export.read} rows were left out and are listed with their reasons.")
    for name, why in (("clicks", "spend stands in for clicks"), ("impressions", "CTR and minimum-impression rules are unknown")):
        if name not in sheet.rows:
            result.append(f"The file has no {name}: {why}.")
    if sheet.days < 8:
        result.append(f"Only {sheet.days} days: too few for most decisions, and for narrow intervals.")
    orders, revenue = float(sheet.daily["conversions"].sum()), float(sheet.daily["revenue"].sum())
    if orders <= 0:
        result.append("The file holds no order at all: what an order is worth is unknown, so no campaign can be valued.")
    elif revenue <= 0:
        result.append("The file's orders have no revenue: every campaign looks worthless. Check the revenue column.")
    return result + export.notes
