"""A small private market for judging strategies: made to be unlike the engine's own model in curve, delay and noise.

It keeps the guardrails itself and counts every proposal beyond one. Profit is counted at true expected rates, so that luck
does not decide a comparison.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

Decide = Callable[[dict[str, Any], dict[str, Any]], list[dict[str, Any]]]


@dataclass(frozen=True)
class Kind:
    """One kind of account."""

    name: str
    campaigns: int
    launch: float
    order_value: float
    delay_h: float
    curve: str  # "hill", "log" or "power"
    drift: float = 0.0
    outage: bool = False
    stock_out: bool = False
    daily_cap: float = 300.0
    days: int = 30


KINDS = (
    Kind("small", 6, 40.0, 60.0, 10.0, "hill", daily_cap=360.0),
    Kind("enterprise", 24, 900.0, 80.0, 12.0, "log", daily_cap=30_000.0),
    Kind("long tail", 60, 15.0, 50.0, 8.0, "power", daily_cap=1_300.0),
    Kind("slow drift", 15, 120.0, 70.0, 48.0, "hill", drift=0.05, daily_cap=2_600.0),
    Kind("shocks", 15, 120.0, 70.0, 14.0, "log", outage=True, stock_out=True, daily_cap=2_600.0),
)


@dataclass
class Result:
    """What one strategy made of one market."""

    profit: float
    false_pauses: int
    profitable: int
    loser_loss: float
    breaches: list[str] = field(default_factory=list)
    stated: list[tuple[float, bool]] = field(default_factory=list)


class Market:
    """One seeded market; `run` may be called once per strategy (every run meets the same luck per hour)."""

    def __init__(self, kind: Kind, seed: int) -> None:
        self.kind = kind
        rng = np.random.default_rng((seed, len(kind.name), kind.campaigns))
        n = kind.campaigns
        self.hours = kind.days * 24
        self.margin = rng.uniform(0.3, 0.5, n)
        self.platform = rng.integers(0, 2, n)
        self.product = rng.integers(0, max(2, n // 3), n)
        self.launch = kind.launch * rng.uniform(0.7, 1.3, n)
        product_luck = rng.normal(0, 0.25, int(self.product.max()) + 1)
        # margin x ROAS at launch: about two in five campaigns pay.
        self.worth = np.exp(rng.normal(-0.15, 0.5, n) + product_luck[self.product])
        self.cost_per_click = rng.uniform(0.5, 1.5, n) * (1 + 0.3 * self.platform)
        self.order_value = kind.order_value * np.exp(rng.normal(0, 0.15, n))
        self.cvr = self.worth * self.cost_per_click / (self.margin * self.order_value)
        self.drift = np.exp(np.cumsum(rng.normal(0, kind.drift, (n, kind.days)), axis=1)) if kind.drift else np.ones((n, kind.days))
        self.season = 1 + 0.4 * np.sin(2 * np.pi * (np.arange(24) - 9) / 24)
        self.seed = seed
        self.outage = (int(rng.integers(10, 20)) * 24, 30) if kind.outage else None
        self.stock = (int(rng.integers(0, self.product.max() + 1)), int(rng.integers(8, 14)) * 24, 96) if kind.stock_out else None
        self.saturation = rng.uniform(0.6, 1.4, n)
        grid = np.concatenate([[0.02], np.geomspace(0.05, 12, 160)])[:, None] * self.launch
        self._grid = (grid, np.stack([self.efficiency(g) * g for g in grid]))

    def efficiency(self, budget: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
        """Clicks per unit of spend at a daily budget, relative to the launch budget."""
        b = np.maximum(budget / self.launch, 1e-6)
        s = self.saturation
        if self.kind.curve == "hill":
            k = 2.5 / s
            return (k + 1) / (k + b)
        if self.kind.curve == "log":
            k = 1.2 * s
            return np.log1p(k * b) / (b * np.log1p(k))
        return b ** (-0.25 * s)

    def in_stock(self, hour: int) -> np.ndarray[Any, Any]:
        if self.stock is None:
            return np.ones(len(self.launch), dtype=bool)
        product, start, length = self.stock
        return ~((self.product == product) & (start <= hour < start + length))

    def best_budget(self, day: int, price: float = 1.0) -> np.ndarray[Any, Any]:
        """The budget where the next unit of spend returns `price`, by search on the true curve."""
        grid, clicks = self._grid
        profit = self.worth * self.drift[:, day] * clicks - price * grid
        best = grid[profit.argmax(axis=0), np.arange(len(self.launch))]
        return np.where(profit.max(axis=0) > 0, best, 0.0)

    def run(self, decide: Decide | None, policy: dict[str, Any] | None = None, every: int = 6) -> Result:
        """Plays the market with `decide` (None = static budgets; "oracle" below is `oracle_for`)."""
        n, kind = len(self.launch), self.kind
        rng = np.random.default_rng((self.seed, 77))
        budget = self.launch.copy()
        active = np.ones(n, dtype=bool)
        result = Result(0.0, 0, int((self.worth >= 1.0).sum()), 0.0)
        shape = (n, self.hours)
        grid = {name: np.zeros(shape) for name in ("impressions", "clicks", "spend")}
        orders: list[tuple[int, int, int, float]] = []  # campaign, click hour, known hour, value
        changes: list[dict[str, Any]] = []
        waiting: list[tuple[int, dict[str, Any], dict[str, Any]]] = []
        last_change: dict[int, int] = {}
        week_spent, paused_wrongly = 0.0, set[int]()
        day_cap, raised_today, adjusted_today = kind.daily_cap, 0.0, 0
        for hour in range(self.hours):
            day = hour // 24
            if hour % 168 == 0:
                week_spent = 0.0
            days_left = 7 - (hour % 168) // 24
            if hour % 24 == 0:
                day_cap = min(kind.daily_cap, max(0.0, kind.daily_cap * 6 - week_spent) / days_left)
                raised_today, adjusted_today = 0.0, 0
            for due, action, change in [w for w in waiting if w[0] <= hour]:
                waiting.remove((due, action, change))
                if rng.random() < 0.85 and active[int(action["campaign_id"][1:])]:
                    i = int(action["campaign_id"][1:])
                    budget[i] = action["daily_budget"]
                    last_change[i] = hour
                    change |= {"state": "applied", "at": hour}
                else:
                    change["state"] = "rejected"
            if decide is not None and hour % every == 0 and hour > 0:
                total = float(budget[active].sum())
                pol = {
                    "daily_cap": kind.daily_cap, "weekly_cap": kind.daily_cap * 6, "cap_today": day_cap,
                    "max_adjustments_per_day": 50, "max_reallocation_per_day": 0.3, "max_single_increase": 0.5,
                    "min_runtime_h": 72, "approval_above": 0.2, "no_touch_roas_above": 5.0,
                } | (policy or {})  # fmt: skip
                account = {
                    "adjustments_left": 50 - adjusted_today,
                    "increase_left": max(0.0, 0.3 * total - raised_today),
                    "cap_room": max(0.0, day_cap - total),
                }
                history = self._history(hour, grid, orders, budget, active, changes, last_change, account)
                roas = self._roas(history)
                for action in decide(history, pol):
                    i = int(action["campaign_id"][1:])
                    problem = self._breach(action, i, hour, budget, active, account, pol, roas)
                    if problem:
                        result.breaches.append(problem)
                        continue
                    before = float(budget[i]) if active[i] else 0.0
                    after = 0.0 if action["action"] == "pause" else float(action["daily_budget"])
                    rise = max(0.0, after - before)
                    raised_today += rise
                    adjusted_today += 1
                    account["adjustments_left"] -= 1
                    account["increase_left"] -= rise
                    account["cap_room"] -= rise
                    change = {"campaign_id": action["campaign_id"], "at": hour, "action": action["action"], "from": before,
                              "to": after, "state": "applied"}  # fmt: skip
                    changes.append(change)
                    worth = self.worth[i] * self.drift[i, day]
                    if action["action"] == "set_budget" and before > 0:
                        b = np.array(self.launch)
                        level = b.copy()
                        level[i], b[i] = after, before
                        gain = worth * (self.efficiency(level)[i] * after - self.efficiency(b)[i] * before) - (after - before)
                        result.stated.append((action["confidence"], bool(gain > 0)))
                    if action["needs_approval"] and action["action"] == "set_budget":
                        change["state"] = "pending"
                        waiting.append((hour + 4, action, change))
                        continue
                    last_change[i] = hour
                    if action["action"] == "pause":
                        active[i] = False
                        if worth >= 1.0 and self.in_stock(hour)[i]:
                            paused_wrongly.add(i)
                    elif action["action"] == "resume":
                        active[i] = True
                        budget[i] = after
                    else:
                        budget[i] = after
            self._hour(hour, rng, budget, active, grid, orders, result)
            week_spent += float(grid["spend"][:, hour].sum())
        result.false_pauses = len(paused_wrongly)
        return result

    def _hour(self, hour: int, rng: Any, budget: Any, active: Any, grid: Any, orders: Any, result: Result) -> None:
        n = len(self.launch)
        noise = np.exp(rng.normal(0, 0.1, n))
        spend = np.where(active, budget / 24 * self.season[hour % 24] * noise, 0.0)
        level = self.efficiency(np.where(active, budget, self.launch)) * self.drift[:, hour // 24]
        expected = spend / self.cost_per_click * level
        draws = np.random.default_rng((self.seed, hour))
        clicks = draws.poisson(np.maximum(expected, 0))
        stock = self.in_stock(hour)
        profit = self.margin * expected * self.cvr * self.order_value * stock - spend
        result.profit += float(profit.sum())
        losing = self.worth * self.drift[:, hour // 24] < 1.0
        result.loser_loss -= float(np.minimum(profit[losing], 0.0).sum())
        grid["spend"][:, hour] = spend
        grid["clicks"][:, hour] = clicks
        grid["impressions"][:, hour] = clicks * 70 + draws.integers(0, 60, n) * (spend > 0)
        bought = draws.binomial(clicks, np.minimum(self.cvr * stock, 1.0))
        for i in np.flatnonzero(bought):
            for _ in range(int(bought[i])):
                # Delays are a mixture (some buy at once), not the exponential the engine fits.
                delay = draws.gamma(0.6, self.kind.delay_h / 0.6)
                known = hour + int(delay)
                if self.outage and self.outage[0] <= known < sum(self.outage):
                    continue
                orders.append((int(i), hour, known, float(self.order_value[i] * draws.gamma(4, 0.25))))

    def _history(
        self, now: int, grid: Any, orders: Any, budget: Any, active: Any, changes: Any, last_change: Any, account: Any
    ) -> dict[str, Any]:
        first = max(0, now - 672)
        conversions, revenue = np.zeros((len(budget), self.hours)), np.zeros((len(budget), self.hours))
        if orders:
            known = np.array([(o[0], o[1], o[3]) for o in orders if o[2] < now]).reshape(-1, 3)
            at = (known[:, 0].astype(int), known[:, 1].astype(int))
            np.add.at(conversions, at, 1)
            np.add.at(revenue, at, known[:, 2])
        rows = np.argwhere((grid["spend"][:, first:now] > 0) | (conversions[:, first:now] > 0))
        i, h = rows[:, 0], rows[:, 1] + first
        stock = self.in_stock(now)
        stock_out: list[dict[str, Any]] = []
        if self.stock and now >= self.stock[1]:
            end = self.stock[1] + self.stock[2]
            stock_out = [{"product_id": f"p{self.stock[0]}", "from": self.stock[1], "to": end if now >= end else None}]
        return {
            "now": now,
            "campaigns": [
                {
                    "id": f"c{k}", "platform": ("meta", "google")[self.platform[k]], "product_id": f"p{self.product[k]}",
                    "status": "active" if active[k] else "paused", "daily_budget": float(budget[k]),
                    "launch_budget": float(self.launch[k]), "started_at": 0, "margin": float(self.margin[k]),
                    "in_stock": bool(stock[k]), "last_change_at": last_change.get(k),
                }
                for k in range(len(budget))
            ],
            "metrics": {
                "campaign_id": np.array([f"c{k}" for k in range(len(budget))])[i], "hour": h,
                **{name: grid[name][i, h] for name in ("impressions", "clicks", "spend")},
                "conversions": conversions[i, h], "revenue": revenue[i, h],
            },
            "changes": [dict(change) for change in changes],
            "stock_out": stock_out,
            "account": dict(account),
        }  # fmt: skip

    def _roas(self, history: dict[str, Any]) -> dict[str, float]:
        m = history["metrics"]
        recent = m["hour"] >= history["now"] - 168
        result: dict[str, float] = {}
        for c in history["campaigns"]:
            mine = recent & (m["campaign_id"] == c["id"])
            spend = m["spend"][mine].sum()
            result[c["id"]] = float(m["revenue"][mine].sum() / spend) if spend > 0 else 0.0
        return result

    def _breach(self, action: Any, i: int, hour: int, budget: Any, active: Any, account: Any, policy: Any, roas: Any) -> str | None:
        kind, target = action["action"], float(action["daily_budget"])
        if account["adjustments_left"] < 1:
            return "too many adjustments"
        if roas[action["campaign_id"]] > policy["no_touch_roas_above"]:
            return "touched a campaign above the no-touch line"
        if kind == "pause":
            return "paused before the minimum runtime" if hour < policy["min_runtime_h"] or not active[i] else None
        rise = target - (budget[i] if active[i] else 0.0)
        if rise > account["increase_left"] + 1e-6 or rise > max(account["cap_room"], 0.0) + 1e-6:
            return f"raise of {rise} beyond the room left"
        if kind == "resume":
            return "resumed out of stock" if not self.in_stock(hour)[i] or active[i] else None
        share = abs(target - budget[i]) / budget[i]
        if not active[i] or target <= 0 or (rise > 0 and share > policy["max_single_increase"] + 1e-9):
            return "impossible budget"
        if share > policy["approval_above"] + 1e-9 and not action["needs_approval"]:
            return "hid that it needs approval"
        return None


def oracle_for(market: Market) -> Decide:
    """A clairvoyant under the same guardrails: knows every true curve, moves by steps no manager needs to see."""

    def decide(history: dict[str, Any], policy: dict[str, Any]) -> list[dict[str, Any]]:
        from tools.optimizer.history import read
        from tools.optimizer.room import Room

        book = read(history, policy)
        room = Room(book, policy)
        now = history["now"]
        low, high = 1.0, 10.0
        for _ in range(20):
            middle = (low + high) / 2
            low, high = (middle, high) if market.best_budget(now // 24, middle).sum() > room.cap_today else (low, middle)
        best = market.best_budget(now // 24, low if low > 1.001 else 1.0)
        stock = market.in_stock(now)
        actions: list[dict[str, Any]] = []
        order = sorted(book.campaigns, key=lambda c: -market.worth[int(c.id[1:])])
        for c in order:
            i = int(c.id[1:])
            want = float(best[i]) if stock[i] else 0.0
            act, target = "set_budget", None
            if not c.active:
                if want > 0 and room.may_resume(c):
                    act, target = "resume", c.daily_budget
            elif want < 0.06 * c.launch_budget and room.may_pause(c):
                act, target = "pause", c.daily_budget
            elif c.last_change_at is None or now - c.last_change_at >= 24:
                target = room.reach(c, room.within_approval(c, max(want, 0.06 * c.launch_budget)))
            if target is None or (act == "set_budget" and abs(target - c.daily_budget) < 0.03 * c.daily_budget):
                continue
            room.take(c, c.daily_budget if c.active else 0.0, 0.0 if act == "pause" else target)
            actions.append({"campaign_id": c.id, "action": act, "daily_budget": target, "confidence": 1.0, "needs_approval": False})
        return actions

    return decide
