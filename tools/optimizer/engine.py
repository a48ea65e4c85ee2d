"""The one entrance: `decide(history, policy)`. Pure: all state comes in, every call with equal input gives equal output."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from tools.optimizer import bayes, framework, thresholds
from tools.optimizer.calibration import calibrate
from tools.optimizer.history import Book, read
from tools.optimizer.response import Response

STRATEGIES: Mapping[str, Callable[[Book, Mapping[str, Any]], list[dict[str, Any]]]] = {
    "bayes": bayes.propose,
    "framework": framework.propose,
    "thresholds": thresholds.propose,
}


def decide(history: dict[str, Any], policy: dict[str, Any]) -> list[dict[str, Any]]:
    """Proposes budget actions for one moment.

    `history` and `policy` are the plain dicts of the judge's interface (reference: decisions, section 3); money is in the
    account currency's major units, hours are integers from one origin. `policy["strategy"]` picks bayes (default),
    thresholds or framework. Neither argument is changed.

    Returns actions ordered by priority, each {campaign_id, action pause|resume|set_budget, daily_budget, confidence,
    expected_profit_7d (with _low and _high, 80 % interval, where computed), expected_effect [{metric, horizon_hours, low, mid,
    high}], reason, why {message_id, params}, needs_approval, priority, from_budget, platform}. `history["calibration"]`, when
    given, widens intervals and lowers confidence by how earlier expectations turned out (tools.optimizer.calibration). With
    `policy["rejection_memory_h"]`, what a manager rejected within so many hours is not proposed again.

    Raises ValueError for an unknown strategy, a missing `now`, or metrics without hours.
    """
    name = str(policy.get("strategy") or "bayes")
    if name not in STRATEGIES:
        raise ValueError(f"policy.strategy: {name!r} is not one of {', '.join(sorted(STRATEGIES))}")
    book = read(history, policy)
    actions = heeding(STRATEGIES[name](book, policy), book, int(policy.get("rejection_memory_h") or 0))
    if actions:
        Response(book, policy).attach(actions)
        calibrate(actions, history, name)
    return actions


def heeding(actions: list[dict[str, Any]], book: Book, hours: int) -> list[dict[str, Any]]:
    """The proposals without those that a manager said no to within the last `hours`: same campaign, same kind, same direction."""
    if hours <= 0:
        return actions
    noes = {
        (change.campaign_id, change.action, _direction(change.action, change.before, change.after))
        for change in book.changes
        if change.refusal is not None and book.now - change.at < hours
    }
    return [
        a
        for a in actions
        if (a["campaign_id"], a["action"], _direction(a["action"], a["from_budget"], a["daily_budget"])) not in noes
    ]


def _direction(action: str, before: float | None, after: float | None) -> int:
    return 0 if action != "set_budget" or before is None or after is None else (after > before) - (after < before)
