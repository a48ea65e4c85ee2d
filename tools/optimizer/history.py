"""What was known at one moment, read once from the plain dicts of the interface into arrays.

`Book` holds campaigns sorted by id (so the order given cannot matter) and dense matrices (campaign x hour) of the last 28 days.
Hours count from any common origin; money is in the account currency's major units.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

import numpy as np

from tools.optimizer.kpi import Totals
from tools.optimizer.stats import Floats

HOURS = 28 * 24
COUNTS = ("impressions", "clicks", "spend", "conversions", "revenue")


@dataclass(frozen=True)
class Campaign:
    """One campaign as the platform and the catalogue describe it now. None = not known."""

    index: int
    id: str
    platform: str
    product_id: str
    active: bool
    daily_budget: float
    launch_budget: float
    started_at: int | None
    margin: float | None
    in_stock: bool
    last_change_at: int | None


@dataclass(frozen=True)
class Change:
    """One earlier proposal and what became of it (applied, pending or rejected). `refusal`: a person's no, with the reason given."""

    campaign_id: str
    at: int
    action: str
    before: float | None
    after: float | None
    state: str
    refusal: str | None = None


@dataclass(frozen=True)
class StockOut:
    """A stretch [start, end) of hours without stock; end None = still out."""

    product_id: str
    start: int
    end: int | None


@dataclass(frozen=True)
class Book:
    """History as arrays. `grid[name][i, h]` is campaign i in hour `start + h`; the last column is hour `now - 1`."""

    now: int
    campaigns: tuple[Campaign, ...]
    grid: Mapping[str, Floats]
    known: frozenset[str]
    changes: tuple[Change, ...]
    stock_outs: tuple[StockOut, ...]
    account: Mapping[str, Any]

    @property
    def start(self) -> int:
        return self.now - HOURS

    def window(self, name: str, first: int, until: int | None = None) -> Floats:
        """Sum of one count per campaign over hours [first, until)."""
        low = min(max(first - self.start, 0), HOURS)
        high = HOURS if until is None else min(max(until - self.start, 0), HOURS)
        return self.grid[name][:, low:high].sum(axis=1)

    def totals(self, index: int, hours: int, until: int | None = None) -> Totals:
        """Counts of one campaign over the `hours` before `until` (default now); unreported columns are None."""
        end = self.now if until is None else until
        low = min(max(end - hours - self.start, 0), HOURS)
        high = min(max(end - self.start, 0), HOURS)
        sums = {name: float(self.grid[name][index, low:high].sum()) if name in self.known else None for name in COUNTS}
        return Totals(**sums)


def number(value: Any) -> float | None:
    """A finite float, or None for anything else (missing, NaN, text)."""
    if value is None or isinstance(value, str):
        return None
    try:
        result = float(value)
    except (TypeError, ValueError):
        return None
    return result if math.isfinite(result) else None


def _hour(value: Any) -> int | None:
    result = number(value)
    return None if result is None else math.floor(result)


def _rows(history: Mapping[str, Any], name: str) -> list[Mapping[str, Any]]:
    rows = history.get(name)
    if rows is None:
        return []
    return [cast("Mapping[str, Any]", row) for row in cast("Sequence[Any]", rows) if isinstance(row, Mapping)]


def _campaign(index: int, row: Mapping[str, Any], default_margin: float | None) -> Campaign:
    budget = number(row.get("daily_budget"))
    launch = number(row.get("launch_budget"))
    if budget is None or budget < 0:
        budget = 0.0  # an unknown budget can only be left alone: Room never moves a budget of zero
    if launch is None or launch <= 0:
        launch = budget
    margin = number(row.get("margin"))
    in_stock = row.get("in_stock")
    return Campaign(
        index=index,
        id=str(row["id"]),
        platform=str(row.get("platform") or ""),
        product_id=str(row.get("product_id") or row["id"]),
        active=str(row.get("status", "active")).lower() == "active",
        daily_budget=budget,
        launch_budget=launch,
        started_at=_hour(row.get("started_at")),
        margin=default_margin if margin is None else margin,
        in_stock=True if in_stock is None else bool(in_stock),
        last_change_at=_hour(row.get("last_change_at")),
    )


def _column(columns: Mapping[str, Any], name: str, size: int) -> Floats | None:
    values = columns.get(name)
    if values is None or len(values) != size:
        return None
    return np.asarray(values, dtype=np.float64)


def _grids(columns: Mapping[str, Any], ids: Mapping[Any, int], now: int) -> tuple[dict[str, Floats], frozenset[str]]:
    count = len(set(ids.values()))
    grid: dict[str, Floats] = {name: np.zeros((count, HOURS)) for name in COUNTS}
    names: Any = columns.get("campaign_id")
    size = 0 if names is None else len(names)
    if size == 0 or count == 0:
        return grid, frozenset(COUNTS)
    hour = _column(columns, "hour", size)
    if hour is None:
        raise ValueError("history.metrics: column 'hour' is missing or not as long as 'campaign_id'")
    listed: Any = names.tolist() if isinstance(names, np.ndarray) else names
    lookup = ids.get
    row = np.array([lookup(name, -1) for name in listed], dtype=np.int64)
    offset = np.where(np.isfinite(hour), np.floor(hour), -1e18) - (now - HOURS)
    values = {name: _column(columns, name, size) for name in COUNTS}
    good = (row >= 0) & (offset >= 0) & (offset < HOURS)
    for column in values.values():
        if column is not None:
            good &= np.isfinite(column)
    cell = row[good] * HOURS + offset[good].astype(np.int64)
    for name, column in values.items():
        if column is not None:
            grid[name] = np.bincount(cell, weights=column[good], minlength=count * HOURS).reshape(count, HOURS)
    return grid, frozenset(name for name, column in values.items() if column is not None)


def read(history: Mapping[str, Any], policy: Mapping[str, Any]) -> Book:
    """Reads the interface's dict (reference: decisions, section 3). Missing optional parts are empty, never guessed.

    Rows of the future, of unknown campaigns and rows with a non-finite count are left out. `policy["margin"]`, when
    given, stands in for a campaign whose margin is not known.

    Raises ValueError when `now` is missing or metrics have no hours.
    """
    now = _hour(history.get("now"))
    if now is None:
        raise ValueError("history.now: the current hour is missing")
    default_margin = number(policy.get("margin"))
    by_id = {str(row["id"]): row for row in _rows(history, "campaigns") if row.get("id") is not None}
    campaigns = tuple(_campaign(i, by_id[key], default_margin) for i, key in enumerate(sorted(by_id)))
    lookup: dict[Any, int] = {c.id: c.index for c in campaigns}
    lookup.update({by_id[c.id]["id"]: c.index for c in campaigns})
    metrics = history.get("metrics")
    columns: Mapping[str, Any] = cast("Mapping[str, Any]", metrics) if isinstance(metrics, Mapping) else {}
    grid, known = _grids(columns, lookup, now)
    changes = [
        Change(
            campaign_id=str(row.get("campaign_id")),
            at=at,
            action=str(row.get("action", "")),
            before=number(row.get("from")),
            after=number(row.get("to")),
            state=str(row.get("state", "applied")),
            refusal=None if row.get("reason") is None else str(row["reason"]),
        )
        for row in _rows(history, "changes")
        if (at := _hour(row.get("at"))) is not None and at <= now
    ]
    changes.sort(key=lambda change: (change.at, change.campaign_id, change.action))
    stock_outs = [
        StockOut(product_id=str(row.get("product_id")), start=start, end=_hour(row.get("to")))
        for row in _rows(history, "stock_out")
        if (start := _hour(row.get("from"))) is not None
    ]
    stock_outs.sort(key=lambda out: (out.product_id, out.start))
    account = history.get("account")
    return Book(
        now=now,
        campaigns=campaigns,
        grid=grid,
        known=known,
        changes=tuple(changes),
        stock_outs=tuple(stock_outs),
        account=cast("Mapping[str, Any]", account) if isinstance(account, Mapping) else {},
    )
