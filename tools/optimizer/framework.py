"""Strategy `framework`: the decision framework of the specification (M7), taken at its word, within the guardrails."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tools.optimizer.history import Book, Campaign
from tools.optimizer.proposals import move, ordered, pause, roas_above
from tools.optimizer.room import Room

PAUSE_ROAS = 1.5
RAISE_ROAS = 4.0
CPA_RISE = 0.5
CUT = 0.6
RAISE = 1.3
REALLOCATE_ROAS = 2.0
HOURS_BETWEEN = 48


def propose(book: Book, policy: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Pauses, then cuts of 40 %, raises of 30 % above ROAS 4, then what the cuts free to the best of the rest.

    Everything else is watched. Steps above the approval line are proposed and say that they need approval.
    """
    room = Room(book, policy)
    stops: list[dict[str, Any]] = []
    cuts: list[dict[str, Any]] = []
    raises: list[dict[str, Any]] = []
    rest: list[tuple[float, Campaign]] = []
    active = [c for c in book.campaigns if c.active]
    for campaign in active:
        action = _stop(book, room, campaign)
        if action is not None:
            stops.append(action)
            continue
        week = book.totals(campaign.index, 168)
        if week.roas is None or not _rested(book, campaign):
            continue
        if week.roas < PAUSE_ROAS:
            params = {"roas": week.roas, "line": PAUSE_ROAS}
            sure = 1.0 - roas_above(week, PAUSE_ROAS)
            action = move(room, campaign, week, campaign.daily_budget * CUT, "optimizer.framework.reduce", params, sure)
            if action is not None:
                cuts.append(action)
        else:
            rest.append((week.roas, campaign))
    rest.sort(key=lambda pair: (-pair[0], pair[1].id))
    freed = sum(a["from_budget"] for a in stops) + sum(a["from_budget"] - a["daily_budget"] for a in cuts)
    for value, campaign in rest:
        week = book.totals(campaign.index, 168)
        params = {"roas": value, "line": RAISE_ROAS}
        if value > RAISE_ROAS:
            target, message = campaign.daily_budget * RAISE, "optimizer.framework.increase"
        elif value > REALLOCATE_ROAS and freed > 0:
            target, message = (
                campaign.daily_budget + min(freed, campaign.daily_budget * (RAISE - 1)),
                ("optimizer.framework.reallocate"),
            )
        else:
            continue
        action = move(room, campaign, week, target, message, params, roas_above(week, PAUSE_ROAS))
        if action is not None:
            raises.append(action)
            freed -= action["daily_budget"] - campaign.daily_budget
    return ordered(stops + cuts + raises)


def _rested(book: Book, campaign: Campaign) -> bool:
    return campaign.last_change_at is None or book.now - campaign.last_change_at >= HOURS_BETWEEN


def _stop(book: Book, room: Room, campaign: Campaign) -> dict[str, Any] | None:
    week = book.totals(campaign.index, 168)
    last = book.totals(campaign.index, 72)
    sure = 1.0 - roas_above(last, PAUSE_ROAS)
    days = [book.totals(campaign.index, 24, book.now - 24 * back).roas for back in (2, 1, 0)]
    if all(value is not None and value < PAUSE_ROAS for value in days):
        shown = ", ".join("undefined" if value is None else f"{value:.2f}" for value in days)
        params: dict[str, Any] = {"line": PAUSE_ROAS, "days": shown}
        return pause(room, campaign, week, "optimizer.framework.pause_roas", params, sure)
    silent = book.totals(campaign.index, 48)
    if silent.spend and silent.conversions == 0:
        return pause(room, campaign, week, "optimizer.framework.pause_silent", {"spend": silent.spend}, sure)
    before = book.totals(campaign.index, 168, book.now - 72)
    if last.cpa is not None and before.cpa is not None and last.cpa > (1 + CPA_RISE) * before.cpa:
        params = {"before": before.cpa, "now": last.cpa, "rise": round(100 * (last.cpa / before.cpa - 1))}
        return pause(room, campaign, week, "optimizer.framework.pause_cpa", params, sure)
    return None
