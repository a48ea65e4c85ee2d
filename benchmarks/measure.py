"""Pairs measured in turns, so that a busy moment of the machine hits both sides alike."""

from __future__ import annotations

import statistics
import time
from collections.abc import Awaitable, Callable
from dataclasses import asdict, dataclass, field
from typing import Any


@dataclass(frozen=True)
class Row:
    """One comparison: medians in milliseconds; `more` holds further figures of the house's side.

    `limit` is a promise about `limited` (default: the ratio), which must not be above it.
    """

    name: str
    house_ms: float
    base_ms: float
    baseline: str
    more: dict[str, Any] = field(default_factory=dict[str, Any])
    limit: float | None = None
    limited: float | None = None

    @property
    def ratio(self) -> float:
        return self.house_ms / self.base_ms

    @property
    def kept(self) -> bool | None:
        """Whether the promise holds; None without one."""
        if self.limit is None:
            return None
        return (self.ratio if self.limited is None else self.limited) <= self.limit

    def as_dict(self) -> dict[str, Any]:
        return asdict(self) | {"ratio": round(self.ratio, 3), "kept": self.kept}


def row(
    name: str,
    house: list[float],
    base: list[float],
    baseline: str,
    *,
    limit: float | None = None,
    limited: float | None = None,
    **more: Any,
) -> Row:
    """From seconds of each round."""
    return Row(name, 1000 * statistics.median(house), 1000 * statistics.median(base), baseline, more, limit, limited)


def pair(house: Callable[[], object], base: Callable[[], object], rounds: int) -> tuple[list[float], list[float]]:
    """Seconds of each round of both sides, in turns, after one round that does not count."""
    times: tuple[list[float], list[float]] = ([], [])
    for number in range(rounds + 1):
        for side, work in enumerate((house, base)):
            began = time.perf_counter()
            work()
            if number:
                times[side].append(time.perf_counter() - began)
    return times


async def apair(
    house: Callable[[int], Awaitable[object]], base: Callable[[int], Awaitable[object]], rounds: int, each: int
) -> tuple[list[float], list[float]]:
    """The same for coroutines: every round does `each` of one side, then of the other. Seconds per single one."""
    times: tuple[list[float], list[float]] = ([], [])
    count = 0
    for number in range(rounds + 1):
        for side, work in enumerate((house, base)):
            for _ in range(each):
                count += 1
                began = time.perf_counter()
                await work(count)
                if number:
                    times[side].append(time.perf_counter() - began)
    return times
