"""The guardrails as the engine sees them: how far each budget may still move. The engine asks here before it proposes.

The gate judges again with its own facts; this exists so that a proposal is never one the gate must refuse. Doubt is read
against the engine: pending raises count as granted, and a cut frees nothing before it has happened.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from tools.optimizer.history import Book, Campaign, number

TINY = 1e-9


class Room:
    """Remaining freedom of one decision round. Mutable: `take` uses it up."""

    def __init__(self, book: Book, policy: Mapping[str, Any]) -> None:
        self.now = book.now
        self.approval_above = _limit(policy, "approval_above")
        self.max_single_increase = _limit(policy, "max_single_increase")
        self.min_runtime_h = number(policy.get("min_runtime_h"))
        self.quantum = number(policy.get("budget_quantum")) or 0.01
        self.pause_approval_spend = _limit(policy, "pause_approval_above_spend")
        self.active_total = sum(c.daily_budget for c in book.campaigns if c.active)
        self.cap_today = cap_today(book, policy)
        self._pending = {change.campaign_id for change in book.changes if change.state == "pending"}
        self._untouchable = _no_touch(book, _limit(policy, "no_touch_roas_above"))
        promised = sum(
            max(0.0, (change.after or 0.0) - (change.before or 0.0)) for change in book.changes if change.state == "pending"
        )
        self.adjustments = _adjustments_left(book, policy) - len(self._pending)
        self.increase = _increase_left(book, policy, self.active_total) - promised
        cap_room = number(book.account.get("cap_room"))
        limits = [self.cap_today - self.active_total, math.inf if cap_room is None else cap_room]
        self.cap_room = min(limits) - promised

    def touchable(self, campaign: Campaign) -> bool:
        """False while a change waits for a manager, or when the observed 7-day ROAS is above the no-touch line."""
        return self.adjustments >= 1 and campaign.id not in self._pending and not bool(self._untouchable[campaign.index])

    def may_pause(self, campaign: Campaign) -> bool:
        if not campaign.active or not self.touchable(campaign):
            return False
        if self.min_runtime_h is None:
            return True
        return campaign.started_at is not None and self.now - campaign.started_at >= self.min_runtime_h

    def may_resume(self, campaign: Campaign) -> bool:
        if campaign.active or not campaign.in_stock or campaign.daily_budget <= 0 or not self.touchable(campaign):
            return False
        return campaign.daily_budget <= min(self.increase, self.cap_room) + TINY

    def reach(self, campaign: Campaign, target: float) -> float | None:
        """The allowed budget nearest to `target`, rounded towards the present one; None when no move is left."""
        budget = campaign.daily_budget
        if budget <= 0 or not campaign.active or not self.touchable(campaign):
            return None
        if target > budget:
            ceiling = min(target, budget + self.increase, budget + self.cap_room)
            ceiling = min(ceiling, budget * (1.0 + self.max_single_increase))
            moved = self._floor(ceiling)
            if _share(budget, moved) > self.max_single_increase or moved - budget > min(self.increase, self.cap_room):
                moved = self._floor(moved - self.quantum)
            return moved if moved >= budget + self.quantum - TINY else None
        moved = self._ceil(max(target, self.quantum))
        return moved if moved <= budget - self.quantum + TINY else None

    def within_approval(self, campaign: Campaign, target: float) -> float:
        """`target` pulled back so that the change needs no approval."""
        budget = campaign.daily_budget
        if budget <= 0 or not self.needs_approval(campaign, target):
            return target
        if target > budget:
            moved = self._floor(budget * (1.0 + self.approval_above))
            return moved - self.quantum if self.needs_approval(campaign, moved) else moved
        moved = self._ceil(budget * (1.0 - self.approval_above))
        return moved + self.quantum if self.needs_approval(campaign, moved) else moved

    def needs_approval(self, campaign: Campaign, target: float) -> bool:
        return _share(campaign.daily_budget, target) > self.approval_above

    def pause_needs_approval(self, daily_spend: float) -> bool:
        return daily_spend > self.pause_approval_spend

    def take(self, campaign: Campaign, before: float, after: float) -> None:
        """Books a move of the active budget from `before` to `after` (a pause goes to 0, a resume comes from 0)."""
        self.adjustments -= 1
        self._pending.add(campaign.id)
        rise = max(0.0, after - before)
        self.increase -= rise
        self.cap_room -= rise

    def _floor(self, value: float) -> float:
        return round(math.floor(value / self.quantum + 1e-6) * self.quantum, 6)

    def _ceil(self, value: float) -> float:
        return round(math.ceil(value / self.quantum - 1e-6) * self.quantum, 6)


def cap_today(book: Book, policy: Mapping[str, Any]) -> float:
    """What the sum of active budgets may be today: `cap_today`, and min(daily cap, week left / days left) without it.

    The week starts at a multiple of 168 hours. A cap that is not given does not bind.
    """
    given = number(policy.get("cap_today"))
    daily = _limit(policy, "daily_cap")
    if given is not None:
        return min(given, daily)
    weekly = number(policy.get("weekly_cap"))
    if weekly is None:
        return daily
    week_start = book.now - book.now % 168
    day_start = book.now - book.now % 24
    spent = float(book.window("spend", week_start, day_start).sum())
    days_left = 7 - (day_start - week_start) // 24
    return min(daily, max(0.0, (weekly - spent) / days_left))


def _limit(policy: Mapping[str, Any], name: str) -> float:
    value = number(policy.get(name))
    return math.inf if value is None else value


def _share(before: float, after: float) -> float:
    # Two spellings of one ratio round differently; the larger is the one a gate could hold against us.
    return max(abs(after - before) / before, abs(after / before - 1.0)) if before > 0 else math.inf


def _adjustments_left(book: Book, policy: Mapping[str, Any]) -> float:
    given = number(book.account.get("adjustments_left"))
    if given is not None:
        return given
    limit = _limit(policy, "max_adjustments_per_day")
    today = book.now - book.now % 24
    return limit - sum(1 for change in book.changes if change.at >= today and change.state == "applied")


def _increase_left(book: Book, policy: Mapping[str, Any], active_total: float) -> float:
    given = number(book.account.get("increase_left"))
    if given is not None:
        return given
    share = _limit(policy, "max_reallocation_per_day")
    today = book.now - book.now % 24
    raised = sum(
        max(0.0, (change.after or 0.0) - (change.before or 0.0))
        for change in book.changes
        if change.at >= today and change.state == "applied"
    )
    return share * active_total - raised if math.isfinite(share) else math.inf


def _no_touch(book: Book, above: float) -> np.ndarray[Any, np.dtype[np.bool_]]:
    """Campaigns whose 7-day ROAS is above the line under any sensible reading of "7 days" (rolling or calendar)."""
    blocked = np.zeros(len(book.campaigns), dtype=bool)
    if not math.isfinite(above):
        return blocked
    today = book.now - book.now % 24
    windows = [(book.now - h, book.now) for h in (167, 168, 169)]
    windows += [(today - 168, today), (today - 168, book.now), (today - 144, book.now), (book.now - 169, book.now - 1)]
    for first, until in windows:
        spend = book.window("spend", first, until)
        blocked |= (spend > 0) & (book.window("revenue", first, until) > above * spend * (1 - 1e-9))
    return blocked
