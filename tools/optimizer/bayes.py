"""Strategy `bayes` (default): move budget to where the next unit of spend pays most, as far as the guardrails allow.

One shadow price of budget by bisection; raise where the next unit probably beats it, cut where the last one probably
does not, pause only on evidence that stays sound under repeated looks (reference: decisions, sections 1 and 2).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from tools.optimizer.estimate import Estimate, estimate
from tools.optimizer.history import Book, Campaign, number
from tools.optimizer.proposals import HORIZON_DAYS, ordered, proposal
from tools.optimizer.response import Response
from tools.optimizer.room import Room
from tools.optimizer.stats import gamma_above, gamma_quantile

PAUSE_E_VALUE = 20.0
RAISE_SURE = 0.50
CUT_SURE = 0.75
BIG_STEP_SURE = 0.98
PAUSE_SURE = 0.90
RESUME_SURE = 0.75
HOURS_BETWEEN = 24
HOURS_BEFORE_RESUME = 72
FLOOR_SHARE = 0.1  # of the launch budget: below it a campaign is paused or left alone
LEAST_STEP = 0.04
BIG_STEP_EDGE = 1.25  # how much more a step that needs a manager must be worth than one that does not
Z80 = 1.2815515655446004


@dataclass(frozen=True)
class _Curve:
    """Daily margin of one campaign as a function of its budget: value * launch * (budget/launch)^elasticity."""

    value: float
    shape: float
    launch: float
    elasticity: float

    def marginal(self, budget: float, value: float | None = None) -> float:
        return (self.value if value is None else value) * self.elasticity * self._relative(budget) ** (self.elasticity - 1.0)

    def average(self, budget: float) -> float:
        return self.value * self._relative(budget) ** (self.elasticity - 1.0)

    def gain(self, before: float, after: float, price: float, value: float | None = None) -> float:
        """Change of profit per day, spend charged at `price`."""
        worth = self.value if value is None else value
        earned = worth * self.launch * (self._power(after) - self._power(before))
        return earned - price * (after - before)

    def sure_above(self, line: float, budget: float, *, average: bool = False) -> float:
        """P(marginal (or average) return at `budget` > line)."""
        mean = self.average(budget) if average else self.marginal(budget)
        return float(gamma_above(np.array(line), np.array(mean), np.array(self.shape)))

    def bounds(self) -> tuple[float, float]:
        low, high = (float(gamma_quantile(np.array(self.value), np.array(self.shape), z)) for z in (-Z80, Z80))
        return low, high

    def _relative(self, budget: float) -> float:
        return max(budget / self.launch, 0.02)

    def _power(self, budget: float) -> float:
        return 0.0 if budget <= 0 else (budget / self.launch) ** self.elasticity


def propose(book: Book, policy: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Actions in order of worth: out of stock, pauses, cuts, then raises and resumes by gain per unit of room."""
    if not book.campaigns:
        return []
    room = Room(book, policy)
    est = estimate(book, policy)
    curves = {
        c.id: _Curve(float(est.value[c.index]), float(est.shape[c.index]), c.launch_budget, est.elasticity)
        for c in book.campaigns
        if math.isfinite(est.value[c.index]) and c.launch_budget > 0
    }
    price = shadow_price(book, est, room.cap_today)
    yes = _approval_rate(book, room)
    gap = number(policy.get("min_hours_between_changes"))
    gap = HOURS_BETWEEN if gap is None else gap

    actions: list[dict[str, Any]] = []
    for campaign in book.campaigns:
        action = _out_of_stock(room, campaign, curves.get(campaign.id))
        if action is not None:
            actions.append(action)
    wishes: list[tuple[float, int, Campaign, _Curve]] = []
    least_sure = number(policy.get("min_confidence")) or 0.0
    for campaign in book.campaigns:
        curve = curves.get(campaign.id)
        if curve is None or not campaign.in_stock:
            continue
        if campaign.last_change_at is not None and book.now - campaign.last_change_at < gap:
            continue
        if campaign.active:
            outage = bool(est.outage[campaign.index])
            action = None if outage else _pause(book, room, est, campaign, curve)
            if action is not None:
                actions.append(action)
                continue
            if not outage:
                action = _cut(room, campaign, curve, price, yes, least_sure)
                if action is not None:
                    actions.append(action)
                    continue
            worth = curve.marginal(campaign.daily_budget) - price
            if worth > 0:
                wishes.append((worth, campaign.index, campaign, curve))
        elif _paused_by_us(book, campaign):
            wishes.append((curve.average(campaign.daily_budget) - price, campaign.index, campaign, curve))
    wishes.sort(key=lambda wish: (-wish[0], wish[1]))
    for _, _, campaign, curve in wishes:
        grow = (
            _raise(room, campaign, curve, price, yes, least_sure)
            if campaign.active
            else _resume(book, room, campaign, curve, price, least_sure)
        )
        if grow is not None:
            actions.append(grow)
    Response(book, policy, est).attach(actions)
    return ordered(actions)


def shadow_price(book: Book, est: Estimate, cap: float) -> float:
    """What a unit of budget must return so that all wishes together fit under today's cap; 1 when the cap does not bind."""
    live = [c for c in book.campaigns if c.active and c.in_stock and c.launch_budget > 0]
    rated = [c for c in live if math.isfinite(est.value[c.index])]
    index = np.array([c.index for c in rated], dtype=np.int64)
    if not rated or not math.isfinite(cap):
        return 1.0
    launch = np.array([c.launch_budget for c in rated])
    top = est.value[index] * est.elasticity

    def wanted(price: float) -> float:
        relative = (top / price) ** (1.0 / (1.0 - est.elasticity))
        return float((launch * np.clip(relative, FLOOR_SHARE, 50.0)).sum())

    if wanted(1.0) <= cap:
        return 1.0
    low, high = 1.0, 20.0
    for _ in range(40):
        middle = 0.5 * (low + high)
        low, high = (middle, high) if wanted(middle) > cap else (low, middle)
    return high


def _approval_rate(book: Book, room: Room) -> float:
    """How often a manager says yes to a step that needs one: Beta(4, 1) before anything is seen."""
    yes, no = 4.0, 1.0
    for change in book.changes:
        if change.state == "rejected":
            no += 1.0
        elif change.state == "applied" and change.before and change.after:
            yes += 1.0 if abs(change.after - change.before) / change.before > room.approval_above else 0.0
    return yes / (yes + no)


def _paused_by_us(book: Book, campaign: Campaign) -> bool:
    last = [c for c in book.changes if c.campaign_id == campaign.id and c.state == "applied"]
    return bool(last) and last[-1].action == "pause" and book.now - last[-1].at >= 1


def _interval(curve: _Curve, before: float, after: float) -> tuple[float, float]:
    ends = sorted(curve.gain(before, after, 1.0, value) * HORIZON_DAYS for value in curve.bounds())
    return ends[0], ends[1]


def _out_of_stock(room: Room, campaign: Campaign, curve: _Curve | None) -> dict[str, Any] | None:
    if campaign.in_stock or not campaign.active:
        return None
    budget = campaign.daily_budget
    if room.may_pause(campaign):
        room.take(campaign, budget, 0.0)
        return proposal(
            campaign,
            "pause",
            budget,
            message_id="optimizer.pause.stock",
            params={},
            confidence=0.99,
            profit=budget * HORIZON_DAYS,
            needs_approval=room.pause_needs_approval(budget),
        )
    if curve is None:
        return None
    target = room.reach(campaign, room.within_approval(campaign, 0.0))
    if target is None or target >= budget:
        return None
    room.take(campaign, budget, target)
    return proposal(
        campaign,
        "set_budget",
        target,
        message_id="optimizer.cut.stock",
        params={},
        confidence=0.99,
        profit=(budget - target) * HORIZON_DAYS,
    )


def _pause(book: Book, room: Room, est: Estimate, campaign: Campaign, curve: _Curve) -> dict[str, Any] | None:
    i = campaign.index
    if est.log_e[i] < math.log(PAUSE_E_VALUE) or not room.may_pause(campaign):
        return None
    smallest = min(campaign.daily_budget, campaign.launch_budget)
    sure = 1.0 - curve.sure_above(1.0, smallest, average=True)
    if sure < PAUSE_SURE:
        return None
    budget = campaign.daily_budget
    room.take(campaign, budget, 0.0)
    return proposal(
        campaign,
        "pause",
        budget,
        message_id="optimizer.pause.evidence",
        params={
            "conversions": round(float(est.orders[i]), 2),
            "needed": round(float(est.orders_needed[i]), 2),
            "evalue": round(min(math.exp(min(float(est.log_e[i]), 20.0)), 1e6)),
            "line": round(PAUSE_E_VALUE),
        },
        confidence=sure,
        profit=curve.gain(budget, 0.0, 1.0) * HORIZON_DAYS,
        interval=_interval(curve, budget, 0.0),
        needs_approval=room.pause_needs_approval(budget),
    )


def _step(room: Room, campaign: Campaign, curve: _Curve, goal: float, price: float, yes: float, sure: float) -> float | None:
    """The better of the step a manager need not see and the larger one, towards `goal`."""
    budget = campaign.daily_budget
    small = room.reach(campaign, room.within_approval(campaign, goal))
    big = room.reach(campaign, max(goal, budget * 0.5))
    if big is not None and sure >= BIG_STEP_SURE and room.needs_approval(campaign, big):
        gains = [0.0 if t is None else curve.gain(budget, t, price) for t in (small, big)]
        if yes * gains[1] > BIG_STEP_EDGE * max(gains[0], 0.0):
            return big
    if small is None or abs(small - budget) < LEAST_STEP * budget:
        return None
    return small


def _cut(room: Room, campaign: Campaign, curve: _Curve, price: float, yes: float, least_sure: float) -> dict[str, Any] | None:
    budget = campaign.daily_budget
    over_cap = room.active_total > room.cap_today
    sure = 1.0 - curve.sure_above(price, budget)
    if sure < (0.5 if over_cap else max(CUT_SURE, least_sure)) or not campaign.active:
        return None
    ideal = campaign.launch_budget * (curve.value * curve.elasticity / price) ** (1.0 / (1.0 - curve.elasticity))
    goal = max(ideal, FLOOR_SHARE * campaign.launch_budget)
    if goal >= budget * (1.0 - LEAST_STEP):
        return None
    target = _step(room, campaign, curve, goal, price, yes, sure)
    if target is None or target >= budget:
        return None
    approval = room.needs_approval(campaign, target)
    room.take(campaign, budget, target)
    params: dict[str, Any] = {"return_last": round(curve.marginal(budget), 4), "price": round(price, 4)}
    if over_cap:
        params |= {"active": round(room.active_total, 2), "cap": round(room.cap_today, 2)}
    return proposal(
        campaign,
        "set_budget",
        target,
        message_id="optimizer.cut.cap" if over_cap else "optimizer.cut.marginal",
        params=params,
        confidence=sure,
        profit=curve.gain(budget, target, 1.0) * HORIZON_DAYS,
        interval=_interval(curve, budget, target),
        needs_approval=approval,
    )


def _raise(room: Room, campaign: Campaign, curve: _Curve, price: float, yes: float, least_sure: float) -> dict[str, Any] | None:
    budget = campaign.daily_budget
    goal = campaign.launch_budget * (curve.value * curve.elasticity / price) ** (1.0 / (1.0 - curve.elasticity))
    if goal <= budget * (1.0 + LEAST_STEP):
        return None
    # The goal already shares the cap by price; room that is free has no other use, so the gate is profit itself.
    sure = curve.sure_above(1.0, min(goal, budget * 1.5))
    target = _step(room, campaign, curve, goal, price, yes, sure)
    if target is None or target <= budget:
        return None
    sure = curve.sure_above(1.0, target)
    if sure < max(RAISE_SURE, least_sure):
        return None
    approval = room.needs_approval(campaign, target)
    room.take(campaign, budget, target)
    return proposal(
        campaign,
        "set_budget",
        target,
        message_id="optimizer.raise.marginal",
        params={"return_next": round(curve.marginal(budget), 4), "price": round(price, 4)},
        confidence=sure,
        profit=curve.gain(budget, target, 1.0) * HORIZON_DAYS,
        interval=_interval(curve, budget, target),
        needs_approval=approval,
    )


def _resume(book: Book, room: Room, campaign: Campaign, curve: _Curve, price: float, least_sure: float) -> dict[str, Any] | None:
    if not room.may_resume(campaign):
        return None
    budget = campaign.daily_budget
    sure = curve.sure_above(price, budget, average=True)
    last = next(c for c in reversed(book.changes) if c.campaign_id == campaign.id and c.state == "applied" and c.action == "pause")
    stock = any(
        out.product_id == campaign.product_id and out.start <= last.at and (out.end is None or last.at < out.end)
        for out in book.stock_outs
    )
    if not stock and book.now - last.at < HOURS_BEFORE_RESUME:
        return None
    if sure < max(0.5 if stock else RESUME_SURE, least_sure):
        return None
    room.take(campaign, 0.0, budget)
    return proposal(
        campaign,
        "resume",
        budget,
        message_id="optimizer.resume.stock" if stock else "optimizer.resume.pays",
        params={"return_mean": round(curve.average(budget), 4)},
        confidence=sure,
        profit=curve.gain(0.0, budget, 1.0) * HORIZON_DAYS,
        interval=_interval(curve, 0.0, budget),
    )
