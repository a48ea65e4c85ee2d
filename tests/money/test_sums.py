"""Sums over many campaigns, made in one walk: against the same sums made the long way."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from knowledge.domain import fact_building
from knowledge.domain.action import Platform, SetBudget
from knowledge.domain.campaign import PlatformCampaign
from knowledge.domain.fact_building import LedgerRows, Windows, campaign_facts
from knowledge.domain.facts import BudgetFacts, Exposure, Facts, Reservation
from knowledge.domain.money import Money
from tests.gate.house import policy_with
from tools.guardrails.exposure import outlook
from tools.guardrails.reallocation import moved

NOW = datetime(2026, 11, 25, 15, tzinfo=UTC)
PLATFORMS: tuple[Platform, ...] = ("meta", "tiktok", "google", "linkedin")
POLICY = policy_with()
small = st.integers(0, 500)


def brl(minor: int) -> Money:
    return Money(minor=minor, currency="BRL")


@st.composite
def exposures(draw: st.DrawFn) -> tuple[Exposure, ...]:
    return tuple(
        Exposure(
            campaign_id=f"c{number}", platform=draw(st.sampled_from(PLATFORMS)), delivering=draw(st.booleans()),
            daily_budget=brl(draw(small)), highest_today=brl(draw(small)), spent_today=brl(draw(small)), spent_week=brl(draw(small)),
            start_of_day=draw(st.none() | small.map(brl)), touched_today=draw(st.booleans()),
        )
        for number in range(draw(st.integers(0, 6)))
    )  # fmt: skip


@st.composite
def books(draw: st.DrawFn) -> BudgetFacts:
    held = draw(st.lists(st.tuples(st.integers(0, 8), st.sampled_from(PLATFORMS), small), max_size=3, unique_by=lambda h: h[0]))
    kept = draw(exposures())
    platforms: dict[str, Platform] = {e.campaign_id: e.platform for e in kept}
    return BudgetFacts(
        exposures=kept,
        reservations=tuple(
            Reservation(action_id=str(n), campaign_id=f"c{c}", platform=platforms.get(f"c{c}", p), daily_budget=brl(m))
            for n, (c, p, m) in enumerate(held)
        ),
        spent_week_before_today=brl(draw(small)), days_left_after_today=draw(st.integers(0, 6)), adjustments_today=0,
        spent_week_by_platform={name: brl(draw(small)) for name in PLATFORMS},
    )  # fmt: skip


def worst(exposure: Exposure) -> tuple[int, int]:
    figures = exposure.minor
    over = figures.highest * POLICY.multiplier(exposure.platform)
    return max(int(over.to_integral_value("ROUND_CEILING")), figures.spent), figures.running


@given(books(), st.integers(0, 8), st.sampled_from(PLATFORMS), small)
def test_the_outlook_is_the_sum_of_the_largest_claims(kept: BudgetFacts, number: int, platform: Platform, amount: int) -> None:
    own = f"c{number}"
    known: dict[str, Platform] = {r.campaign_id: r.platform for r in kept.reservations}
    known |= {e.campaign_id: e.platform for e in kept.exposures}
    platform = known.get(own, platform)
    claims: dict[str, tuple[Platform, int, int]] = {e.campaign_id: (e.platform, *worst(e)) for e in kept.exposures}

    def claim(campaign: str, there: Platform, minor: int) -> None:
        today = int((minor * POLICY.multiplier(there)).to_integral_value("ROUND_CEILING"))
        _, old, later = claims.get(campaign, (there, 0, 0))
        claims[campaign] = there, max(old, today), max(later, minor)

    for held in kept.reservations:
        claim(held.campaign_id, held.platform, held.daily_budget.minor)
    facts = Facts(now=NOW, proposer="user:ana", budget=kept)
    found = outlook(SetBudget(platform=platform, campaign_id=own, daily_budget=brl(amount)), facts, POLICY)
    assert found is not None
    for spans in (
        (found.before, found.platform_before, found.campaign_before),
        (found.after, found.platform_after, found.campaign_after),
    ):
        for span, rows, spent in zip(
            spans,
            (claims.values(), [r for r in claims.values() if r[0] == platform], [claims[own]] if own in claims else []),
            (
                kept.spent_week_before_today.minor,
                (kept.spent_week_by_platform or {})[platform].minor,
                next((e.spent_week.minor for e in kept.exposures if e.campaign_id == own and e.spent_week), 0),
            ),
            strict=True,
        ):
            assert span is not None
            day, later = sum(r[1] for r in rows), sum(r[2] for r in rows)
            assert (span.day, span.week) == (day, spent + day)
            assert span.projected == spent + day + later * kept.days_left_after_today
        claim(own, platform, amount)
    assert found.spent == sum(e.spent_today.minor for e in kept.exposures)


@given(books(), st.integers(0, 8), small)
def test_moved_is_the_smaller_of_all_raises_and_all_cuts(kept: BudgetFacts, number: int, budget: int) -> None:
    after = {e.campaign_id: e.minor.running for e in kept.exposures}
    before = {e.campaign_id: e.minor.began for e in kept.exposures if e.minor.began is not None}
    for held in kept.reservations:
        if held.campaign_id not in after:
            before[held.campaign_id] = 0
        after[held.campaign_id] = held.daily_budget.minor

    def of_both() -> int:
        changes = [after[name] - start for name, start in before.items()]
        return min(sum(c for c in changes if c > 0), -sum(c for c in changes if c < 0))

    now, total = of_both(), sum(before.values())
    after[f"c{number}"] = budget
    assert moved(kept, f"c{number}", budget) == (now, of_both(), total)


def row(number: int, **other: Any) -> dict[str, Any]:
    return {
        "id": f"c{number}", "platform": "meta", "external_id": f"x{number}", "status": "active", "delivery": "active",
        "currency": "BRL", "daily_budget_minor": 1000, "spent_today": 0, "highest_today": 0, "day_from_minor": None,
        "day_to_minor": None,
    } | other  # fmt: skip


changes = st.sampled_from(
    [
        {}, {}, {}, {"status": "paused"}, {"delivery": "unknown"}, {"currency": "USD"}, {"daily_budget_minor": None},
        {"daily_budget_minor": 2000}, {"spent_today": 70}, {"highest_today": 3000}, {"day_from_minor": 500}, {"day_to_minor": 900},
    ]
)  # fmt: skip
"""Mostly the same row: what else is different must show then."""
reads = st.sampled_from([("active", 1000, "BRL"), ("active", 1000, "BRL"), ("paused", 1000, "BRL"), ("active", None, "BRL"),
    ("active", 1500, "BRL"), ("active", 1000, "USD"), None])  # fmt: skip


@given(
    st.lists(st.tuples(changes, reads, st.sampled_from([0, 0, 40]), st.sampled_from([False, False, True])), min_size=2, max_size=6)
)
def test_what_was_seen_before_never_stands_for_what_is_different_now(steps: list[tuple[dict[str, Any], Any, int, bool]]) -> None:
    """The same campaign, pass after pass, with anything about it changed: as if it was looked at for the first time."""
    at = Windows.at(NOW, POLICY.time_zone)
    action = SetBudget(platform="meta", campaign_id="c0", daily_budget=brl(1))
    for other, read, week, moves in steps:
        rows = LedgerRows(
            campaigns=[row(1, **other)], held=[], week_spent=0, week_foreign=False, adjustments=0,
            spent=[{"platform": "meta", "external_id": "x1", "before": week, "today": 0, "foreign": False, "currency": "BRL"}] if week else [],
            moves=[{"campaign_id": "c1", "kind": "campaign.pause", "done": True}] if moves else [],
        )  # fmt: skip
        platform = () if read is None else (
            PlatformCampaign(
                platform="meta", external_id="x1", name="one", delivery=read[0],
                daily_budget=None if read[1] is None else Money(minor=read[1], currency=read[2]), read_at=NOW - timedelta(minutes=1),
            ),
        )  # fmt: skip
        facts = Facts(now=NOW, proposer="user:ana", confidence=Decimal("0.9"))
        found = campaign_facts(facts, action, platform, POLICY, at, rows)
        fact_building._SEEN.clear()
        assert found == campaign_facts(facts, action, platform, POLICY, at, rows)
        fact_building._SEEN.clear()
        campaign_facts(facts, action, platform, POLICY, at, rows)  # seen again for the next step
