"""Autonomy is earned by agreement over enough cases with sound outcomes, and lost at once when they turn."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from knowledge.domain.money import Money
from tests.gate.house import brl, policy_with
from tools.autonomy_record import Case, lower_bound, promotion, regression, rejections_in_row, standing, worse_than_expected

NOW = datetime(2026, 11, 23, 11, 0, tzinfo=UTC)
KIND = "campaign.set_budget"
GOOD = ["as_expected"] * 8


def cases(pattern: str, wanted: str = "60", current: str = "50") -> list[Case]:
    """y = approved unchanged, n = not; newest first."""
    return [
        Case(agreed=c == "y", at=NOW - timedelta(hours=n), wanted=brl(wanted), current=brl(current)) for n, c in enumerate(pattern)
    ]


@pytest.mark.parametrize(
    ("agreed", "of", "bound"),
    [(20, 20, 0.8809), (19, 20, 0.8040), (18, 20, 0.7383), (10, 10, 0.7871), (0, 5, 0.0), (1, 1, 0.2699), (50, 100, 0.4191)],
)
def test_bound_is_wilsons(agreed: int, of: int, bound: float) -> None:
    assert lower_bound(agreed, of) == pytest.approx(bound, abs=5e-4)


def test_no_case_is_no_agreement_rather_than_none() -> None:
    assert lower_bound(0, 0) is None
    assert standing(KIND, [], []).agreement is None


@pytest.mark.parametrize(
    ("below", "of", "worse"), [(0, 0, False), (0, 9, False), (1, 1, False), (2, 2, True), (2, 3, True), (2, 5, False), (3, 5, True), (5, 30, False), (7, 30, True)]
)  # fmt: skip
def test_worse_than_expected_is_more_than_chance(below: int, of: int, worse: bool) -> None:
    """One in ten outcomes falls below an honest interval."""
    assert worse_than_expected(below, of) is worse


def test_promotion_at_its_borders() -> None:
    policy = policy_with()
    assert policy.autonomy.earned.min_cases == 20
    earned = promotion(KIND, cases("y" * 20), GOOD, policy, NOW)
    assert earned is not None
    assert (earned.max_amount, earned.max_change, earned.max_count) == (brl("60"), Decimal("0.20"), 20)
    assert earned.expires_at == NOW + timedelta(days=14)
    assert promotion(KIND, cases("y" * 19), GOOD, policy, NOW) is None, "too few"
    assert promotion(KIND, cases("yn" + "y" * 17 + "n"), GOOD, policy, NOW) is None, "18 of 20 are 0.74 at least"
    assert promotion(KIND, cases("y" + "n" + "y" * 18), GOOD, policy, NOW) is not None
    assert promotion(KIND, cases("n" + "y" * 40), GOOD, policy, NOW) is None, "the newest word was no"
    assert promotion(KIND, cases("y" * 20), GOOD[:4], policy, NOW) is None, "too few outcomes"
    assert promotion(KIND, cases("y" * 20), GOOD[:4] + ["undefined"] * 9, policy, NOW) is None, "undefined ones prove nothing"
    assert promotion(KIND, cases("y" * 20), ["below"] * 4 + GOOD, policy, NOW) is None, "outcomes were worse"


def test_bounds_are_what_managers_approved_and_never_beyond_the_dials() -> None:
    policy = policy_with()
    mixed = cases("y" * 20) + cases("n", "900", "500") + cases("y", "149", "148")
    earned = promotion(KIND, mixed, GOOD, policy, NOW)
    assert earned is not None and earned.max_amount == brl("149"), "what was rejected is no bound"
    huge = cases("y" * 30, "4000", "1000")
    earned = promotion(KIND, huge, GOOD, policy, NOW)
    assert earned is not None
    assert earned.max_amount == policy.guardrails.financial.max_campaign_budget
    assert earned.max_change == policy.guardrails.financial.max_single_increase
    foreign = [Case(True, NOW, Money.of("60", "USD"), Money.of("50", "USD"))] * 30
    assert promotion(KIND, foreign, GOOD, policy, NOW) is None, "amounts of another currency bound nothing"


def test_cuts_earn_no_right_to_raise() -> None:
    policy = policy_with()
    cuts = cases("y" * 25, "60", "100")
    assert promotion(KIND, cuts, GOOD, policy, NOW) is None
    assert promotion(KIND, cuts + cases("y" * 19), GOOD, policy, NOW) is None, "19 raises are not 20"
    earned = promotion(KIND, cuts + cases("y" * 20), GOOD, policy, NOW)
    assert earned is not None and (earned.max_amount, earned.max_change) == (brl("60"), Decimal("0.20")), "as the raises bound it"
    assert earned.standing.cases == 20
    assert promotion(KIND, cases("n", "60", "100") + cases("y" * 40), GOOD, policy, NOW) is None, "a no is a no, to a cut too"


def test_what_ends_a_grant() -> None:
    dials = policy_with().autonomy.earned
    assert regression(dials, cases("nyy"), GOOD, []) is None
    lost = regression(dials, cases("nny"), GOOD, [])
    assert lost is not None and (lost.id, lost.params) == ("autonomy.lost.rejections", {"count": 2})
    assert regression(dials, [], ["below", *GOOD], []) is None
    lost = regression(dials, [], ["below", "below", "undefined", "as_expected"], [])
    assert lost is not None and lost.params == {"below": 2, "judged": 3}
    lost = regression(dials, cases("y" * 9), GOOD, ["a1"])
    assert lost is not None and lost.id == "autonomy.lost.incident"
    assert rejections_in_row([]) == 0
