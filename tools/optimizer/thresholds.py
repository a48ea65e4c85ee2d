"""Strategy `thresholds`: winner, potential or loser by four fixed lines over the last 7 days, as the specification has them.

Kept for comparison and for those who want it: at 1,000 impressions it mostly judges noise (reference: decisions, section 1).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tools.optimizer.history import Book, number
from tools.optimizer.kpi import Totals
from tools.optimizer.proposals import move, ordered, pause, roas_above
from tools.optimizer.room import Room

ROAS_LINE = 1.5
CTR_LINE = 0.015
CVR_LINE = 0.02
CPA_SHARE_OF_AOV = 0.4
MIN_IMPRESSIONS = 1000
RAISE = 1.2
WINDOW_H = 168
HOURS_BETWEEN = 48


def verdicts(totals: Totals) -> dict[str, bool | None]:
    """Each threshold as met, missed, or None when its figures are not reported.

    CPA is undefined while nobody bought; as a promise of cheap orders that is a threshold missed, not one unknown.
    """
    cpa_known = totals.conversions is not None and totals.spend is not None and totals.revenue is not None
    return {
        "roas": None if totals.roas is None else totals.roas >= ROAS_LINE,
        "ctr": None if totals.ctr is None else totals.ctr >= CTR_LINE,
        "cvr": None if totals.cvr is None else totals.cvr >= CVR_LINE,
        "cpa": (totals.cpa is not None and totals.aov is not None and totals.cpa <= CPA_SHARE_OF_AOV * totals.aov)
        if cpa_known
        else None,
    }


def classify(totals: Totals, min_impressions: float = MIN_IMPRESSIONS) -> str | None:
    """ "winner" (every known threshold met), "loser" (ROAS missed and at most one met), else "potential".

    None before `min_impressions`, or when ROAS is undefined. Impressions that are not reported cannot hold it back.
    """
    if totals.impressions is not None and totals.impressions < min_impressions:
        return None
    known = {name: met for name, met in verdicts(totals).items() if met is not None}
    if "roas" not in known:
        return None
    if all(known.values()):
        return "winner"
    return "loser" if not known["roas"] and sum(known.values()) <= 1 else "potential"


def propose(book: Book, policy: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Raises winners by 20 % (once in 48 h) and pauses losers; potentials are left alone."""
    room = Room(book, policy)
    minimum = number(policy.get("min_impressions")) or MIN_IMPRESSIONS
    judged = [(c, book.totals(c.index, WINDOW_H)) for c in book.campaigns if c.active]
    pauses: list[dict[str, Any]] = []
    raises: list[dict[str, Any]] = []
    for campaign, totals in sorted(judged, key=lambda pair: (-(pair[1].roas or 0.0), pair[0].id)):
        label = classify(totals, minimum)
        met = verdicts(totals)
        params = {
            **{name: value for name, value in totals.as_dict().items() if name in ("roas", "ctr", "cvr", "cpa", "aov")},
            "impressions": totals.impressions,
            "met": sum(1 for value in met.values() if value),
            "known": sum(1 for value in met.values() if value is not None),
        }
        sure = roas_above(totals, ROAS_LINE)
        if label == "loser":
            action = pause(room, campaign, totals, "optimizer.thresholds.loser", params, 1.0 - sure)
            if action is not None:
                pauses.append(action)
        elif label == "winner":
            last = campaign.last_change_at
            if last is not None and book.now - last < HOURS_BETWEEN:
                continue
            target = room.within_approval(campaign, campaign.daily_budget * RAISE)
            action = move(room, campaign, totals, target, "optimizer.thresholds.winner", params, sure)
            if action is not None:
                raises.append(action)
    return ordered(pauses + raises)
