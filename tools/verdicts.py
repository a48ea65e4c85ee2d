"""What an executed action really changed, against what would have happened without it. Pure.

The counterfactual, best first: difference-in-differences against untouched campaigns beside it over the same days; the campaign's own
days before; nothing, where it did not deliver before. Every amount has an 80 % interval: orders are few and come by chance, so that a
small effect of a small campaign is mostly noise, and the interval says so.

Shapes: figures are per account-local day, money in major units of one currency.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import Literal

from knowledge.domain.outcome import Z80, EffectVerdict, Interval, Method, Metric, Tally, Undefined

PRE_DAYS = 7
MIN_PRE_DAYS = 2
TREND_DAYS = 7
MIN_CONTROLS = 2
ORDER_SPREAD = 1.25
"""E[value^2] / E[value]^2 of orders: a basket varies by about half its mean."""
MODEL_VARIANCE = 0.01
"""Squared relative error of "parallel otherwise" that no figure shows."""
REACH = 0.5
"""Least share of the pre-period's days on which a control campaign must have spent."""


@dataclass(frozen=True)
class Day:
    """One campaign's figures of one day."""

    spend: float
    revenue: float
    orders: float
    provisional: bool = False


Series = Mapping[date, Day]
"""A day without a row delivered nothing; the caller vouches that the days were read."""


@dataclass(frozen=True)
class Case:
    """One executed action and the figures around it.

    `acted` is the local day of the action, which counts to neither side; `before` the full days before it that say how the campaign
    does by itself: on air, nothing done to it on that day (see `at_budget`); `ends` the last full day before something else was done
    to it (None: nothing was). `delivered_before` False: it did not deliver until the action (publication, resumption). `expected`
    holds the promised interval per metric for the whole horizon.
    """

    acted: date
    horizon_hours: int
    own: Series
    before: tuple[date, ...]
    delivered_before: bool
    ends: date | None = None
    margin: float | None = None
    controls: Mapping[str, Series] = field(default_factory=dict[str, Series])
    expected: Mapping[Metric, Interval] = field(default_factory=dict[Metric, Interval])


@dataclass(frozen=True)
class _Sum:
    """An amount over some days, and the variance of its noise."""

    amount: float
    variance: float


def horizon_days(acted: date, horizon_hours: int) -> list[date]:
    """The full days after an action over which its promise runs."""
    return [acted + timedelta(days=n) for n in range(1, max(horizon_hours // 24, 1) + 1)]


def look_back(acted: date) -> list[date]:
    """The days before an action that may speak for how things were."""
    return [acted - timedelta(days=n) for n in range(PRE_DAYS, 0, -1)]


def at_budget(series: Series, budgets: Mapping[date, float], reference: float, elasticity: float = 0.72) -> dict[date, Day]:
    """Days under another budget, as they would have been under `reference`: spend follows the budget, revenue its return curve.

    Only days with a known budget are moved. The steps between two changes are small, and what is left of the error is covered by
    MODEL_VARIANCE; without it, a campaign that is scaled every two days could never be judged.
    """
    moved: dict[date, Day] = {}
    for day, figures in series.items():
        budget = budgets.get(day)
        if budget is None or budget <= 0 or reference <= 0 or budget == reference:
            moved[day] = figures
            continue
        level = reference / budget
        curve = level**elasticity
        moved[day] = Day(figures.spend * level, figures.revenue * curve, figures.orders * curve, figures.provisional)
    return moved


def judge(case: Case, metrics: Sequence[Metric] = ("profit", "revenue", "spend")) -> list[EffectVerdict]:
    """The verdict on each metric, in the order given. Undefined stays undefined, with the reason."""
    before = [day for day in look_back(case.acted) if day in case.before]
    after = [day for day in horizon_days(case.acted, case.horizon_hours) if case.ends is None or day <= case.ends]
    return [_judge(case, metric, before, after) for metric in metrics]


def _judge(case: Case, metric: Metric, before: list[date], after: list[date]) -> EffectVerdict:
    expected = case.expected.get(metric)
    if expected is not None and after:
        share = 24 * len(after) / case.horizon_hours
        expected = Interval(low=expected.low * share, mid=expected.mid * share, high=expected.high * share)

    def undefined(reason: Undefined) -> EffectVerdict:
        return EffectVerdict(
            metric=metric, horizon_hours=case.horizon_hours, answer="undefined", reason=reason,
            expected=case.expected.get(metric),
        )  # fmt: skip

    if not after:
        return undefined("overtaken")
    if metric == "profit" and case.margin is None:
        return undefined("no_margin")
    if case.delivered_before and len(before) < MIN_PRE_DAYS:
        return undefined("too_little_before")
    observed = _total(case.own, after, metric, case.margin)
    method, controls, without = _without(case, metric, before, after)
    effect = observed.amount - without.amount
    deviation = math.sqrt(observed.variance + without.variance)
    measured = Interval(low=effect - Z80 * deviation, mid=effect, high=effect + Z80 * deviation)
    answer, z = _compare(expected, measured)
    if method == "nothing_before":
        # Out of nothing nothing negative is earned or spent: an order's luck cannot take away what was never there.
        least = 0.0 if metric != "profit" else -_total(case.own, after, "spend", None).amount
        measured = measured.model_copy(update={"low": min(max(measured.low, least), measured.mid)})
    return EffectVerdict(
        metric=metric,
        horizon_hours=case.horizon_hours,
        answer=answer,
        reason="no_expectation" if expected is None else None,
        expected=expected,
        measured=measured,
        observed=observed.amount,
        counterfactual=without.amount,
        z=z,
        method=method,
        controls=controls,
        since=after[0],
        until=after[-1],
        days=len(after),
        provisional=any(day in case.own and case.own[day].provisional for day in after),
    )


def _compare(
    expected: Interval | None, measured: Interval
) -> tuple[Literal["as_expected", "above", "below", "undefined"], float | None]:
    """Whether promise and measurement are compatible: both are uncertain, so their difference is held against both together."""
    if expected is None:
        return "undefined", None
    gap = measured.mid - expected.mid
    deviation = math.hypot(expected.deviation, measured.deviation)
    if deviation <= 0:
        return ("as_expected", 0.0) if abs(gap) < 0.005 else ("above" if gap > 0 else "below", None)
    z = gap / deviation
    return ("as_expected" if abs(z) <= Z80 else "above" if z > 0 else "below"), z


# -- the counterfactual ----------------------------------------------------------------------------------------------------------


def _without(case: Case, metric: Metric, before: list[date], after: list[date]) -> tuple[Method, tuple[str, ...], _Sum]:
    if not case.delivered_before:
        return "nothing_before", (), _Sum(0.0, 0.0)
    if metric == "profit":
        # Profit may be negative or near zero, where a ratio means nothing: it is made of the revenue and the spend there would have been.
        margin = case.margin if case.margin is not None else math.nan
        how, names, revenue = _without(case, "revenue", before, after)
        _, _, spend = _without(case, "spend", before, after)
        return how, names, _Sum(margin * revenue.amount - spend.amount, margin**2 * revenue.variance + spend.variance)
    beside = _difference(case, metric, before, after)
    if beside is not None:
        return "difference_in_differences", *beside
    return _own(case.own, metric, before, after)


def _difference(case: Case, metric: Metric, before: list[date], after: list[date]) -> tuple[tuple[str, ...], _Sum] | None:
    """The campaign's level before, moved as the untouched ones moved; None without enough of them, or without orders to go by."""
    usable = {
        name: series
        for name, series in sorted(case.controls.items())
        if sum(1 for day in before if day in series and series[day].spend > 0) >= max(REACH * len(before), 1)
        and any(day in series and series[day].spend > 0 for day in after)
    }
    if len(usable) < MIN_CONTROLS:
        return None
    level = _total(case.own, before, metric, None)
    parts = [(_total(s, before, metric, None), _total(s, after, metric, None)) for s in usable.values()]
    then, now = (_Sum(sum(p[i].amount for p in parts), sum(p[i].variance for p in parts)) for i in (0, 1))
    if then.amount <= 0 or now.amount <= 0:
        return None
    ratio = now.amount / then.amount
    # How unlike the untouched ones moved among themselves is how unlike them this one may have moved.
    moves = [b.amount / a.amount / ratio for a, b in parts if a.amount > 0]
    unlike = sum((m - 1.0) ** 2 for m in moves) / max(len(moves) - 1, 1) / len(moves) if len(moves) > 1 else 0.0
    relative = then.variance / then.amount**2 + now.variance / now.amount**2
    relative = max(relative, unlike) + MODEL_VARIANCE
    amount = level.amount * ratio
    return tuple(usable), _Sum(amount, ratio**2 * level.variance + amount**2 * relative)


def _own(own: Series, metric: Metric, before: list[date], after: list[date]) -> tuple[Method, tuple[str, ...], _Sum]:
    """The campaign's own course before: a straight line with enough days for one, else its level."""
    level = _total(own, before, metric, None)
    n, m = len(before), len(after)
    mean, per_day = level.amount / n, level.variance / n
    values = [_value(own.get(day), metric, None) for day in before]
    if n >= TREND_DAYS:
        x = [float((day - before[0]).days) for day in before]
        centre = sum(x) / n
        around = sum((a - centre) ** 2 for a in x)
        slope = sum((a - centre) * (v - mean) for a, v in zip(x, values, strict=True)) / around
        left = sum((v - mean - slope * (a - centre)) ** 2 for a, v in zip(x, values, strict=True)) / (n - 2)
        noise = max(per_day, left)
        # A slope within its own noise is no trend; believing it half would bend every counterfactual for nothing.
        if abs(slope) > 2.0 * math.sqrt(noise / around):
            ahead = [float((day - before[0]).days) - centre for day in after]
            amount = max(sum(mean + slope * a for a in ahead), 0.0)
            variance = m**2 * noise / n + sum(ahead) ** 2 * noise / around
            return "own_trend", (), _Sum(amount, variance + amount**2 * MODEL_VARIANCE)
    amount = mean * m
    return "own_level", (), _Sum(amount, m**2 * per_day / n + amount**2 * MODEL_VARIANCE)


def _value(day: Day | None, metric: Metric, margin: float | None) -> float:
    if day is None:
        return 0.0
    if metric == "spend":
        return day.spend
    return day.revenue if metric == "revenue" else (margin if margin is not None else math.nan) * day.revenue - day.spend


def _total(series: Series, days: Sequence[date], metric: Metric, margin: float | None) -> _Sum:
    """Sum over days with the variance of its noise: orders come by chance (compound Poisson), delivery is uneven from day to day."""
    if metric == "profit":
        if margin is None:
            raise ValueError("profit needs a margin")
        revenue, spend = _total(series, days, "revenue", None), _total(series, days, "spend", None)
        return _Sum(margin * revenue.amount - spend.amount, margin**2 * revenue.variance + spend.variance)
    values = [_value(series.get(day), metric, None) for day in days]
    amount, n = sum(values), len(values)
    mean = amount / n if n else 0.0
    uneven = sum((v - mean) ** 2 for v in values) / (n - 1) * n if n > 1 else 0.0
    if metric == "spend":
        return _Sum(amount, uneven)
    orders = sum(day.orders for d in days if (day := series.get(d)) is not None)
    if orders <= 0:
        # No order seen is at most as sure as half an order of the size that a day's revenue or spend would make.
        guess = max(amount, sum(_value(series.get(d), "spend", None) for d in days))
        return _Sum(amount, max(uneven, 0.5 * guess**2))
    worth = amount / orders
    return _Sum(amount, max(uneven, orders * ORDER_SPREAD * worth**2))


# -- how expectations turn out ---------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Judged:
    """One verdict as the tally needs it; amounts in major units of one currency."""

    strategy: str
    kind: str
    answer: str
    expected: float | None
    measured: float | None
    z: float | None


def tally(judged: Sequence[Judged]) -> list[Tally]:
    """Coverage and bias per strategy and kind of action, by name. Undefined verdicts are counted, and count for nothing."""
    groups: dict[tuple[str, str], list[Judged]] = {}
    for one in judged:
        groups.setdefault((one.strategy, one.kind), []).append(one)
    return [_tally(strategy, kind, rows) for (strategy, kind), rows in sorted(groups.items())]


def overall(judged: Sequence[Judged]) -> Tally:
    """All of them as one group."""
    return _tally("*", "*", list(judged))


def _tally(strategy: str, kind: str, rows: list[Judged]) -> Tally:
    known = [r for r in rows if r.answer != "undefined" and r.expected is not None and r.measured is not None]
    promised = sum(abs(r.expected) for r in known if r.expected is not None)
    missed = sum(r.measured - r.expected for r in known if r.expected is not None and r.measured is not None)
    zs = [r.z for r in known if r.z is not None]
    return Tally(
        strategy=strategy,
        kind=kind,
        judged=len(known),
        inside=sum(1 for r in known if r.answer == "as_expected"),
        above=sum(1 for r in known if r.answer == "above"),
        below=sum(1 for r in known if r.answer == "below"),
        undefined=len(rows) - len(known),
        bias=missed / promised if promised > 0 else None,
        mean_z=sum(zs) / len(zs) if zs else None,
        mean_square_z=sum(z * z for z in zs) / len(zs) if zs else None,
    )
