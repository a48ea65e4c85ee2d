"""Caps that are broken already, and changes that are not settled: money may be taken away at any time, never added."""

from __future__ import annotations

import pytest

from knowledge.domain.facts import Reservation
from tests.guardrails.law_support import (
    USER,
    books,
    brl,
    campaign,
    exposure,
    facts,
    pause,
    policy,
    publish,
    resume,
    says,
    set_budget,
)
from tools.guardrails import judge


def held(campaign_id: str = "c1", amount: str = "60") -> Reservation:
    return Reservation(action_id="a-1", campaign_id=campaign_id, platform="meta", daily_budget=brl(amount))


@pytest.mark.parametrize("action", [set_budget(51), set_budget(60), resume(), publish(campaign_id="c1")])
def test_nothing_is_added_to_a_campaign_with_an_open_change(action: object) -> None:
    open_change = facts(USER, budget=books(exposure(), held=[held()]))
    assert says("unsettled", action, open_change) == "refuse"
    assert says("unsettled", action, facts(USER, budget=books(exposure(), held=[held("another")]))) == "allow"


def test_taking_away_needs_no_settling() -> None:
    open_change = facts(USER, budget=books(exposure(), held=[held()]))
    assert says("unsettled", set_budget("49.99"), open_change) == "allow"
    assert "unsettled" not in {f.rule for f in judge(pause(), open_change, policy()).findings}


def test_a_cut_after_a_deeper_cut_that_is_on_its_way_would_be_a_raise() -> None:
    deeper = facts(USER, budget=books(exposure(), held=[held(amount="30")]))
    assert says("unsettled", set_budget("40"), deeper) == "refuse"  # 50 -> 40, but after 30 has arrived it is a raise
    assert says("unsettled", set_budget("30"), deeper) == "allow"
    assert says("unsettled", set_budget("20"), deeper) == "allow"


def test_switching_on_over_a_broken_cap_is_refused_though_it_may_have_spent_it_already() -> None:
    """c1 ran this morning and was paused: today counts its 50 x 1.75 whether it runs again or not. The others broke the cap."""
    others = exposure("c2", "150")
    stopped = exposure("c1", "50", delivering=False, spent="40")
    broken = facts(USER, campaign=campaign("50", status="paused", delivery="paused"), budget=books(stopped, others))
    assert says("daily_cap", resume(), broken) == "refuse"  # 87.50 + 262.50 of 300
    assert says("daily_cap", set_budget("49"), broken) == "allow"
    assert says("daily_cap", set_budget("50.01"), broken) == "refuse"
    assert says("weekly_cap", resume(), facts(USER, budget=books(stopped, others, spent_week="1400"))) == "refuse"
    assert says("weekly_cap", set_budget("49"), facts(USER, budget=books(stopped, others, spent_week="1400"))) == "allow"
    own = policy(platform_daily_cap={"meta": brl(299)}, campaign_daily_cap=brl(87))
    for rule in ("platform_daily_cap", "campaign_daily_cap"):
        assert says(rule, resume(), broken, own) == "refuse"
        assert says(rule, set_budget("49"), broken, own) == "allow"


def test_what_is_published_is_not_published_again() -> None:
    known = facts(USER, campaign=campaign())
    assert says("already_published", publish(campaign_id="c1"), known) == "refuse"
    assert says("already_published", publish(campaign_id="c1", platform="tiktok"), known) == "refuse"
    assert says("already_published", publish(campaign_id="c9"), facts(USER, campaign=None)) == "allow"
