"""What each campaign is worth, from its own orders and its neighbours': the statistical half of strategy `bayes`.

Source of the shape: reference decisions, section 2. Conversions per click are Gamma-Poisson, shrunk to product, platform
and account; clicks count only by the share of their orders already due; old hours fade; hours without stock or
without tracking do not count against anybody; the return curve is a power law anchored at the launch budget.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from tools.optimizer.history import HOURS, Book, number
from tools.optimizer.stats import Floats, log_e_value

ELASTICITY = 0.72  # revenue ~ budget ** elasticity around the launch budget
RATE_HALF_LIFE_H = 8 * 24.0
COST_HALF_LIFE_H = 4 * 24.0
DELAYS_H = (0.5, 2.0, 5.0, 10.0, 16.0, 24.0, 36.0, 54.0, 80.0, 120.0)
PRIOR_DELAY_H = 16.0
MODEL_NOISE = 0.05  # squared relative error left by drift and the form of the curve
ORDER_VALUE_PRIOR = 5.0
LIKENESS = (0.0, 0.5, 1.0)
OUTAGE_LOG_EVIDENCE = 12.0
OUTAGE_SHARE = 0.3


@dataclass(frozen=True)
class Estimate:
    """Per campaign (arrays in book order). Value is margin per unit of spend at the launch budget: 1 = breaks even."""

    value: Floats
    shape: Floats
    log_e: Floats
    orders: Floats
    orders_needed: Floats
    delay_h: float
    outage: Floats
    elasticity: float


def estimate(book: Book, policy: Mapping[str, Any]) -> Estimate:
    """Posterior of every campaign's value. Campaigns without a known margin have value NaN (nothing can be said)."""
    campaigns = book.campaigns
    spend = book.grid["spend"]
    clicks = book.grid["clicks"] if "clicks" in book.known and book.grid["clicks"].any() else spend
    orders = book.grid["conversions"]
    open_hours = _in_stock(book)
    clicks_open = clicks * open_hours
    orders_open = orders * open_hours
    age = HOURS - np.arange(HOURS) - 0.5
    given = number(policy.get("conversion_delay_h"))
    delay = learn_delay(clicks_open, orders_open) if given is None else max(given, 0.01)
    due = 1.0 - np.exp(-age / delay)

    groups = _groups([c.platform for c in campaigns])
    products = _groups([c.product_id for c in campaigns])
    outage = _outages(clicks_open * due, orders_open, age, groups)
    seen = ~outage
    fade = np.exp2(-age / RATE_HALF_LIFE_H)
    exposed = clicks_open * due * seen
    bought = orders_open * seen
    n = bought @ fade
    x = exposed @ fade

    margin = np.array([math.nan if c.margin is None else c.margin for c in campaigns])
    order_value, value_noise = _order_values(book, products, seen & open_hours)
    elasticity = number(policy.get("elasticity")) or ELASTICITY
    level_weight = _level_weight(book, elasticity)
    cost_fade = np.exp2(-age / COST_HALF_LIFE_H)
    reach = _clicks_per_spend(clicks @ cost_fade, (spend * level_weight) @ cost_fade, groups)
    with np.errstate(divide="ignore", invalid="ignore"):
        break_even = 1.0 / (margin * order_value * reach)

    prior, strength = _prior_rate(n, x, break_even, groups, products)
    rate = prior * (strength + n) / (strength + prior * x)
    shape_rate = strength + n
    relative_variance = 1.0 / shape_rate + value_noise + MODEL_NOISE
    value = rate / break_even

    log_e, got, needed = _evidence(book, exposed, bought, break_even, value_noise)
    return Estimate(
        value=value,
        shape=1.0 / relative_variance,
        log_e=log_e,
        orders=got,
        orders_needed=needed,
        delay_h=float(delay),
        outage=np.asarray(outage[:, -72:].any(axis=1)),
        elasticity=elasticity,
    )


def learn_delay(clicks: Floats, orders: Floats) -> float:
    """Mean hours from click to known order, from how orders per click still rise with the age of the click.

    Exponential delay on a fixed grid; each campaign's own rate is profiled out of a Poisson likelihood over ages, so
    that a mix of good and bad campaigns cannot pose as a delay. A weak log-normal prior holds it where data are few.
    """
    edges = np.concatenate([np.arange(0, 24, 2), np.arange(24, 96, 6), np.arange(96, 337, 24)])
    until = HOURS - edges[:-1]
    first = HOURS - edges[1:]
    running_clicks = np.concatenate([np.zeros((len(clicks), 1)), clicks.cumsum(axis=1)], axis=1)
    running_orders = np.concatenate([np.zeros((len(orders), 1)), orders.cumsum(axis=1)], axis=1)
    c = running_clicks[:, until] - running_clicks[:, first]
    k = running_orders[:, until] - running_orders[:, first]
    middle = (edges[:-1] + edges[1:]) / 2.0
    total = k.sum(axis=1)
    scores: list[float] = []
    for delay in DELAYS_H:
        due = 1.0 - np.exp(-middle / delay)
        exposed = c @ due
        fit = k.sum(axis=0) @ np.log(due) - total @ np.log(np.maximum(exposed, 1e-12))
        scores.append(float(fit) - 0.5 * (math.log(delay / PRIOR_DELAY_H) / 1.0) ** 2)
    best = np.array(scores)
    weight = np.exp(best - best.max())
    return float(math.exp((weight @ np.log(np.array(DELAYS_H))) / weight.sum()))


def _in_stock(book: Book) -> Floats:
    open_hours = np.ones((len(book.campaigns), HOURS), dtype=bool)
    for out in book.stock_outs:
        low = min(max(out.start - book.start, 0), HOURS)
        high = HOURS if out.end is None else min(max(out.end - book.start, 0), HOURS)
        for campaign in book.campaigns:
            if campaign.product_id == out.product_id:
                open_hours[campaign.index, low:high] = False
    return open_hours


def _groups(labels: Sequence[str]) -> Floats:
    order = {label: i for i, label in enumerate(sorted(set(labels)))}
    return np.array([order[label] for label in labels], dtype=np.int64)


def _outages(exposed: Floats, orders: Floats, age: Floats, groups: Floats) -> Floats:
    """Hours in which many campaigns at once sold far less than they do: suspected loss of tracking, per platform."""
    outage = np.zeros(exposed.shape, dtype=bool)
    x = exposed.sum(axis=1)
    rate = np.divide(orders.sum(axis=1), x, out=np.zeros_like(x), where=x > 0)
    expected_rows = exposed * rate[:, None]
    sections = [np.ones(len(groups), dtype=bool)]
    if len(groups) and groups.max() > 0:
        sections += [groups == g for g in range(int(groups.max()) + 1)]
    for members in sections:
        if members.sum() < 3:
            continue
        expected = np.concatenate([[0.0], expected_rows[members].sum(axis=0).cumsum()])
        got = np.concatenate([[0.0], orders[members].sum(axis=0).cumsum()])
        flagged = np.zeros(HOURS, dtype=bool)
        for width in (6, 12, 24, 48):
            e = np.maximum(expected[width:] - expected[:-width], 1e-12)
            k = got[width:] - got[:-width]
            gap = e - k + k * np.log(np.maximum(k, 1e-12) / e)
            hit = (k < OUTAGE_SHARE * e) & (gap > OUTAGE_LOG_EVIDENCE)
            for start in np.flatnonzero(hit):
                flagged[start : start + width] = True
        # One campaign's collapse is its own; an outage takes the others with it.
        if flagged.any():
            share = expected_rows[members][:, flagged].sum(axis=1)
            if share.max() > 0.7 * share.sum():
                continue
            outage[np.ix_(members, flagged)] = True
    return outage


def _order_values(book: Book, products: Floats, counted: Floats) -> tuple[Floats, Floats]:
    """Mean order value per campaign, shrunk to its product's, with its squared relative error."""
    orders = (book.grid["conversions"] * counted).sum(axis=1)
    revenue = (book.grid["revenue"] * counted).sum(axis=1)
    count = int(products.max()) + 1
    product_orders = np.bincount(products, weights=orders, minlength=count)
    product_revenue = np.bincount(products, weights=revenue, minlength=count)
    all_orders = orders.sum()
    overall = revenue.sum() / all_orders if all_orders > 0 else math.nan
    product_value = (product_revenue + 2.0 * (0.0 if math.isnan(overall) else overall)) / (product_orders + 2.0)
    own_prior = product_value[products]
    value = (revenue + ORDER_VALUE_PRIOR * own_prior) / (orders + ORDER_VALUE_PRIOR)
    if math.isnan(overall):
        value = np.full(len(orders), math.nan)
    noise = 0.25 / (orders + ORDER_VALUE_PRIOR)
    return value, noise


def _level_weight(book: Book, elasticity: float) -> Floats:
    """Per campaign and hour: the efficiency of a unit of spend relative to the launch budget, (level)^(elasticity-1)."""
    launch = np.array([c.launch_budget if c.launch_budget > 0 else math.nan for c in book.campaigns])
    daily = book.grid["spend"].reshape(len(launch), HOURS // 24, 24).sum(axis=2)
    level = np.clip(np.nan_to_num(daily / launch[:, None], nan=1.0), 0.25, 20.0)
    return np.repeat(level ** (elasticity - 1.0), 24, axis=1)


def _clicks_per_spend(clicks: Floats, spend: Floats, groups: Floats) -> Floats:
    count = int(groups.max()) + 1
    group_clicks = np.bincount(groups, weights=clicks, minlength=count)
    group_spend = np.bincount(groups, weights=spend, minlength=count)
    total = clicks.sum() / spend.sum() if spend.sum() > 0 else math.nan
    group = np.divide(group_clicks, group_spend, out=np.full(count, total), where=(group_spend > 0) & (group_clicks > 0))
    own_prior = group[groups]
    with np.errstate(divide="ignore", invalid="ignore"):
        return (clicks + 10.0) / (spend + 10.0 / own_prior)


def _prior_rate(n: Floats, x: Floats, break_even: Floats, groups: Floats, products: Floats) -> tuple[Floats, float]:
    """Prior conversions per click of each campaign (account x platform x product), and its strength in orders.

    Campaigns may be alike in conversion rate or alike in worth (dear clicks then convert better): the data weigh the two
    and a middle by their negative-binomial likelihood. An account without orders is presumed to break even, which is
    the one scale-free guess.
    """
    usable = np.isfinite(break_even)
    if not usable.any():
        return np.full(len(n), math.nan), 1.0
    middle = float(np.exp(np.log(break_even[usable]).mean()))
    relative = np.where(usable, break_even / middle, 1.0)
    fits = [_fit_prior(n, x * relative**power, middle, groups, products) for power in LIKENESS]
    scores = np.array([score for _, _, score in fits])
    weights = np.exp(scores - scores.max())
    weights = weights / weights.sum()
    logs = [np.log(prior) + power * np.log(relative) for (prior, _, _), power in zip(fits, LIKENESS, strict=True)]
    blended = np.exp(sum(w * part for w, part in zip(weights, logs, strict=True)))
    strength = float(sum(w * part for w, (_, part, _) in zip(weights, fits, strict=True)))
    return np.where(usable, blended, math.nan), strength


def _fit_prior(n: Floats, x: Floats, anchor: float, groups: Floats, products: Floats) -> tuple[Floats, float, float]:
    """One multiplicative prior with its strength (orders) and its log marginal likelihood."""
    account = (n.sum() + 2.0) / (x.sum() + 2.0 / anchor)
    prior = np.full(len(n), account)
    for labels, pseudo in ((groups, 6.0), (products, 4.0)):
        count = int(labels.max()) + 1
        got = np.bincount(labels, weights=n, minlength=count)
        expected = np.bincount(labels, weights=prior * x, minlength=count)
        prior = prior * ((got + pseudo) / (expected + pseudo))[labels]
    expected = np.maximum(prior * x, 1e-12)
    spread = float(((n - expected) ** 2 - expected).sum() + 0.3 * 60.0) / (float((expected**2).sum()) + 60.0)
    strength = 1.0 / min(max(spread, 0.08), 1.0)
    combinations = np.array([math.lgamma(strength + k) for k in n]).sum() - len(n) * math.lgamma(strength)
    score = strength * np.log(strength / (strength + expected)) + n * np.log(expected / (strength + expected))
    return prior, strength, float(combinations + score.sum())


def _evidence(
    book: Book, exposed: Floats, bought: Floats, break_even: Floats, value_noise: Floats
) -> tuple[Floats, Floats, Floats]:
    """log e-value of "does not break even" with the orders seen and needed; a mean over look-backs is an e-value too."""
    # Order values could be higher than seen: break-even is taken one standard error easier to reach.
    easier = break_even / (1.0 + np.sqrt(value_noise))
    windows = (HOURS, 14 * 24, 7 * 24)
    logs: list[Floats] = []
    for hours in windows:
        got = bought[:, -hours:].sum(axis=1)
        needed = np.nan_to_num(exposed[:, -hours:].sum(axis=1) * easier)
        logs.append(log_e_value(got, needed))
    stacked = np.stack(logs)
    top = stacked.max(axis=0)
    mean = top + np.log(np.exp(stacked - top).mean(axis=0))
    return mean, bought.sum(axis=1), np.nan_to_num(exposed.sum(axis=1) * break_even)
