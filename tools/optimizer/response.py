"""What a change of budget is expected to bring: one response model for every strategy and for people's own commands.

Revenue follows the return curve of `estimate` (power law anchored at the launch budget), spend follows the budget by the share of it
that the campaign really spends. Intervals hold 80 %: the posterior of the campaign's value, the form of the curve, and the unevenness
of delivery. Few data make them wide; no data at all give no number.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping, Sequence
from typing import Any

from knowledge.domain.outcome import HORIZON_HOURS, Z80
from tools.optimizer.estimate import Estimate, estimate
from tools.optimizer.history import Book, Campaign, read
from tools.optimizer.stats import Floats, gamma_quantile

ELASTICITY_DEVIATION = 0.1
FILL_DEVIATION = 0.25  # of one day's spend around its budget, before anything is seen
FILL_FLOOR = 0.05  # what stays uncertain about delivery however long one looks
LEAST = 0.02


def expected_effects(
    history: Mapping[str, Any], policy: Mapping[str, Any], campaign_id: str, before: float, after: float
) -> list[dict[str, Any]]:
    """The effects of moving one campaign's active daily budget from `before` to `after` (0 = not delivering).

    `history` and `policy` as for `decide`; the campaign must be among them (a new one without metrics is read by its product, its
    platform and the account). Returns {metric profit|revenue|spend, horizon_hours, low, mid, high} in major units, best-known first:
    profit where the margin is known, then revenue where any order was ever seen, then spend. Raises LookupError when the history
    does not name the campaign.
    """
    book = read(history, policy)
    campaign = next((c for c in book.campaigns if c.id == campaign_id), None)
    if campaign is None:
        raise LookupError(f"campaign {campaign_id}: not in the history")
    return Response(book, policy).effects(campaign, before, after)


class Response:
    """The response model over one book."""

    def __init__(self, book: Book, policy: Mapping[str, Any], known: Estimate | None = None) -> None:
        self._book = book
        self._policy = policy
        self._known = known
        self._own: tuple[Estimate, Floats, Floats] | None = None
        self._bare: tuple[Estimate, Floats, Floats] | None = None

    def attach(self, actions: Sequence[dict[str, Any]]) -> None:
        """Puts `expected_effect` on every action that has none yet."""
        by_id = {c.id: c for c in self._book.campaigns}
        for action in actions:
            if "expected_effect" not in action:
                after = 0.0 if action["action"] == "pause" else float(action["daily_budget"])
                action["expected_effect"] = self.effects(by_id[action["campaign_id"]], float(action["from_budget"]), after)

    def effects(self, campaign: Campaign, before: float, after: float) -> list[dict[str, Any]]:
        """See `expected_effects`."""
        days = HORIZON_HOURS / 24.0
        fill, doubt = self._fill(campaign)
        spent = (after - before) * fill * days
        spread = abs(spent) * doubt
        found: list[dict[str, Any]] = []
        revenue = self._revenue(campaign, before * fill, after * fill, days)
        if revenue is not None:
            mid, low, high = revenue
            if campaign.margin is not None:
                profit = campaign.margin * mid - spent
                down = math.hypot(campaign.margin * (mid - low), Z80 * spread)
                up = math.hypot(campaign.margin * (high - mid), Z80 * spread)
                found.append(_effect("profit", profit - down, profit, profit + up))
            found.append(_effect("revenue", low, mid, high))
        found.append(_effect("spend", spent - Z80 * spread, spent, spent + Z80 * spread))
        return found

    def _fill(self, campaign: Campaign) -> tuple[float, float]:
        """(share of its budget that the campaign spends, standard deviation of it), from the full days since its last change."""
        book = self._book
        last = campaign.last_change_at if campaign.last_change_at is not None else campaign.started_at
        hours = 168 if last is None else min(book.now - last, 168)
        days = hours // 24
        if days < 1 or campaign.daily_budget <= 0 or not campaign.active:
            return 1.0, FILL_DEVIATION
        spent = book.totals(campaign.index, 24 * days).spend
        if spent is None:
            return 1.0, FILL_DEVIATION
        seen = min(max(spent / (campaign.daily_budget * days), 0.1), 1.5)
        # One day's worth of belief that the platform spends what it was given.
        return (1.0 + seen * days) / (1.0 + days), math.hypot(FILL_FLOOR, FILL_DEVIATION / math.sqrt(1.0 + days))

    def _revenue(self, campaign: Campaign, before: float, after: float, days: float) -> tuple[float, float, float] | None:
        """(mid, low, high) of the change of revenue; None when nothing is known of what a unit of spend returns."""
        launch = campaign.launch_budget
        if launch <= 0:
            return None
        est, lows, highs, margin = self._estimate(campaign)
        value, worst, best = (float(values[campaign.index]) for values in (est.value, lows, highs))
        if not math.isfinite(value) or margin is None or margin <= 0:
            return None

        def change(worth: float, elasticity: float) -> float:
            return days * worth / margin * launch * (_power(after / launch, elasticity) - _power(before / launch, elasticity))

        mid = change(value, est.elasticity)
        ends = sorted((change(worst, est.elasticity), change(best, est.elasticity)))
        form = Z80 * 0.5 * abs(
            change(value, min(est.elasticity + ELASTICITY_DEVIATION, 1.0)) - change(value, est.elasticity - ELASTICITY_DEVIATION)
        )  # fmt: skip
        return mid, mid - math.hypot(mid - ends[0], form), mid + math.hypot(ends[1] - mid, form)

    def _estimate(self, campaign: Campaign) -> tuple[Estimate, Floats, Floats, float | None]:
        """(estimate that can speak of this campaign, lower and upper ends of every value, margin).

        Without a margin of its own the campaign is read as revenue (margin 1).
        """
        if campaign.margin is not None:
            if self._own is None:
                self._own = _bounded(self._known or estimate(self._book, self._policy))
            return *self._own, campaign.margin
        if self._bare is None:
            bare = tuple(dataclasses.replace(c, margin=1.0) for c in self._book.campaigns)
            self._bare = _bounded(estimate(dataclasses.replace(self._book, campaigns=bare), self._policy))
        return *self._bare, 1.0


def _bounded(est: Estimate) -> tuple[Estimate, Floats, Floats]:
    low, high = (gamma_quantile(est.value, est.shape, z) for z in (-Z80, Z80))
    return est, low, high


def _power(level: float, elasticity: float) -> float:
    return 0.0 if level <= 0 else max(level, LEAST) ** elasticity


def _effect(metric: str, low: float, mid: float, high: float) -> dict[str, Any]:
    return {"metric": metric, "horizon_hours": HORIZON_HOURS, "low": round(low, 6), "mid": round(mid, 6), "high": round(high, 6)}
