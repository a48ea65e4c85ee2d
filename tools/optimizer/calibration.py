"""Learning from verdicts: an engine whose intervals missed too often says less surely what it says next.

`history["calibration"]` is a list of {strategy, kind, judged, mean_z, mean_square_z}: how the measured effects of earlier actions lay
against the expected ones, in standard deviations. Without it nothing changes.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from statistics import NormalDist
from typing import Any, cast

from tools.optimizer.history import number

PRIOR = 8.0
"""Verdicts' worth of belief that the engine is calibrated."""
_NORMAL = NormalDist()


def correction(history: Mapping[str, Any], strategy: str, kind: str) -> tuple[float, float]:
    """(factor >= 1 by which intervals are too narrow, shift <= 0 by which effects fall short, in standard deviations).

    Verdicts of the kind count whole, those of the strategy's other kinds by half: an overconfident engine is so in more than one way.
    """
    rows = history.get("calibration")
    listed = cast("Sequence[Any]", rows) if isinstance(rows, Sequence) and not isinstance(rows, str) else ()
    weight = square = shift = 0.0
    for row in listed:
        if not isinstance(row, Mapping):
            continue
        entry = cast("Mapping[str, Any]", row)
        judged, mean_z, mean_square = (number(entry.get(name)) for name in ("judged", "mean_z", "mean_square_z"))
        if entry.get("strategy") != strategy or judged is None or mean_z is None or mean_square is None or judged <= 0:
            continue
        own = judged if entry.get("kind") == kind else 0.5 * judged
        weight += own
        square += own * mean_square
        shift += own * mean_z
    spread = math.sqrt(max((PRIOR + square) / (PRIOR + weight), 1.0))
    return spread, min(shift / (PRIOR + weight), 0.0)


def calibrate(actions: Sequence[dict[str, Any]], history: Mapping[str, Any], strategy: str) -> None:
    """Widens the intervals and lowers the confidence of actions, never the other way round."""
    if not history.get("calibration"):
        return
    for action in actions:
        spread, shift = correction(history, strategy, f"campaign.{action['action']}")
        if spread == 1.0 and shift == 0.0:
            continue
        sure = min(max(float(action["confidence"]), 0.0), 1.0)
        if 0.0 < sure < 1.0:
            action["confidence"] = round(min(sure, _NORMAL.cdf((_NORMAL.inv_cdf(sure) + shift) / spread)), 4)
        elif sure == 1.0:
            # Certainty that was wrong before is no certainty: read as four nines.
            action["confidence"] = round(_NORMAL.cdf((_NORMAL.inv_cdf(0.9999) + shift) / spread), 4)
        mid, low, high = (action.get(f"expected_profit_7d{end}") for end in ("", "_low", "_high"))
        if mid is not None and low is not None and high is not None:
            action["expected_profit_7d_low"] = round(mid - spread * (mid - low), 6)
            action["expected_profit_7d_high"] = round(mid + spread * (high - mid), 6)
        for effect in action.get("expected_effect", ()):
            if effect["metric"] != "spend":
                centre = effect["mid"]
                effect["low"] = round(centre - spread * (centre - effect["low"]), 6)
                effect["high"] = round(centre + spread * (effect["high"] - centre), 6)
