"""The verdict on an action: against which world without it, how sure, and undefined where nothing can be said."""

from __future__ import annotations

import random
from datetime import date, timedelta

import pytest

from knowledge.domain.outcome import Z80, Interval
from tools.verdicts import Case, Day, Judged, at_budget, horizon_days, judge, look_back, overall, tally

ACTED = date(2026, 11, 20)
BEFORE = look_back(ACTED)
AFTER = horizon_days(ACTED, 72)


def flat(level: float, days: list[date] | None = None, roas: float = 2.0, orders: float = 10.0) -> dict[date, Day]:
    return {d: Day(level, level * roas, orders) for d in (days if days is not None else [*BEFORE, *AFTER])}


def about(mid: float, half: float) -> Interval:
    return Interval(low=mid - half, mid=mid, high=mid + half)


def case(own: dict[date, Day], **more: object) -> Case:
    values: dict[str, object] = {"acted": ACTED, "horizon_hours": 72, "own": own, "before": tuple(BEFORE), "delivered_before": True}
    return Case(**(values | more))  # type: ignore[arg-type]


def test_what_neighbours_did_too_is_not_the_actions_effect() -> None:
    """Everybody's spend and revenue doubled (a holiday): the campaign that also doubled gained nothing by its action."""
    doubled = flat(100, BEFORE) | flat(200, AFTER)
    beside = {f"c{n}": flat(50, BEFORE) | flat(100, AFTER) for n in range(3)}
    spend, revenue = judge(case(doubled, controls=beside), ("spend", "revenue"))
    assert spend.method == revenue.method == "difference_in_differences"
    assert spend.controls == ("c0", "c1", "c2")
    assert spend.measured is not None and spend.measured.mid == pytest.approx(0)
    assert revenue.measured is not None and revenue.measured.mid == pytest.approx(0)
    alone, _ = judge(case(doubled), ("spend", "revenue"))
    assert alone.method == "own_level"
    assert alone.measured is not None and alone.measured.mid == pytest.approx(300)


def test_one_neighbour_is_not_enough_and_a_silent_one_does_not_count() -> None:
    own = flat(100)
    (one,) = judge(case(own, controls={"a": flat(50)}), ("spend",))
    assert one.method == "own_level"
    (silent,) = judge(case(own, controls={"a": flat(50), "b": {}, "c": flat(20, BEFORE)}), ("spend",))
    assert silent.method == "own_level"
    (two,) = judge(case(own, controls={"a": flat(50), "b": flat(20)}), ("spend",))
    assert two.method == "difference_in_differences"


def test_a_clear_trend_of_its_own_is_continued_and_noise_is_not_a_trend() -> None:
    rising = {d: Day(100 + 10 * n, 0, 0) for n, d in enumerate(BEFORE)}
    rising |= {d: Day(100 + 10 * n, 0, 0) for n, d in zip(range(8, 11), AFTER, strict=True)}
    (seen,) = judge(case(rising), ("spend",))
    assert seen.method == "own_trend"
    assert seen.measured is not None and seen.measured.mid == pytest.approx(0, abs=1e-6)
    noisy = dict(zip(BEFORE, (Day(v, 0, 0) for v in (100, 90, 110, 95, 105, 98, 103)), strict=True)) | flat(100, AFTER)
    (level,) = judge(case(noisy), ("spend",))
    assert level.method == "own_level"


def test_profit_is_revenue_on_margin_less_spend_against_both_counterfactuals() -> None:
    own = flat(100, BEFORE) | flat(150, AFTER)
    profit, revenue, spend = judge(case(own, margin=0.4), ("profit", "revenue", "spend"))
    assert revenue.measured and spend.measured and profit.measured
    assert spend.measured.mid == pytest.approx(150)
    assert revenue.measured.mid == pytest.approx(300)
    assert profit.measured.mid == pytest.approx(0.4 * 300 - 150)
    assert profit.measured.low < profit.measured.mid < profit.measured.high


@pytest.mark.parametrize(
    ("gap", "answer"), [(0.0, "as_expected"), (0.99, "as_expected"), (1.01, "above"), (-0.99, "as_expected"), (-1.01, "below")]
)
def test_inside_means_within_eighty_per_cent_of_both_doubts_together(gap: float, answer: str) -> None:
    """A campaign that did not deliver before, with even spend: the measured amount is exact, so only the promise is in doubt."""
    expected = about(300, 20)
    own = {d: Day(100 + gap * 20 / 3, 0, 0) for d in AFTER}
    (said,) = judge(case(own, delivered_before=False, before=(), expected={"spend": expected}), ("spend",))
    assert (said.answer, said.method) == (answer, "nothing_before")
    assert said.z == pytest.approx(gap * Z80, abs=1e-6)


def test_a_shorter_window_is_held_to_its_share_of_the_promise() -> None:
    own = flat(100, BEFORE) | flat(130, AFTER)
    (said,) = judge(case(own, ends=AFTER[0], expected={"spend": about(90, 3)}), ("spend",))
    assert said.days == 1 and (said.since, said.until) == (AFTER[0], AFTER[0])
    assert said.expected is not None and said.expected.mid == pytest.approx(30)
    assert said.answer == "as_expected"


def test_undefined_stays_undefined_and_says_why() -> None:
    own = flat(100)
    promise = {"profit": about(1, 1), "spend": about(1, 1)}
    overtaken = judge(case(own, ends=ACTED, expected=promise))
    assert {v.reason for v in overtaken} == {"overtaken"}
    assert all(v.answer == "undefined" and v.measured is None and v.z is None for v in overtaken)
    young = judge(case(own, before=tuple(BEFORE[-1:]), expected=promise), ("spend",))
    assert young[0].reason == "too_little_before"
    assert judge(case(own, before=tuple(BEFORE[-2:]), expected=promise), ("spend",))[0].answer != "undefined"
    profit, spend = judge(case(own, expected=promise), ("profit", "spend"))
    assert (profit.reason, spend.reason) == ("no_margin", None)
    (unpromised,) = judge(case(own), ("spend",))
    assert unpromised.reason == "no_expectation"
    assert unpromised.measured is not None, "what was measured is kept, also where nothing was promised"


def test_no_order_at_all_is_not_certainty() -> None:
    own = {d: Day(100, 0, 0) for d in [*BEFORE, *AFTER]}
    (revenue,) = judge(case(own, margin=0.4), ("revenue",))
    assert revenue.measured is not None
    assert revenue.measured.mid == 0 and revenue.measured.high > 100


def test_a_new_campaign_earns_no_less_than_nothing_and_loses_no_more_than_its_spend() -> None:
    own = {d: Day(100, 0, 0) for d in AFTER}
    profit, revenue, spend = judge(case(own, before=(), delivered_before=False, margin=0.4))
    assert profit.measured and revenue.measured and spend.measured
    assert (profit.measured.low, profit.measured.mid) == (-300, -300) and profit.measured.high > -300
    assert revenue.measured.low == 0 < revenue.measured.high
    assert spend.measured.low == spend.measured.high == 300


def test_days_under_another_budget_are_read_as_under_the_last_one() -> None:
    moved = at_budget({BEFORE[0]: Day(50, 100, 4), BEFORE[1]: Day(100, 180, 7)}, {BEFORE[0]: 50.0, BEFORE[1]: 100.0}, 100.0)
    assert moved[BEFORE[0]].spend == pytest.approx(100)
    assert 100 < moved[BEFORE[0]].revenue < 200, "twice the spend earns less than twice"
    assert moved[BEFORE[1]] == Day(100, 180, 7)


def test_intervals_hold_what_they_claim() -> None:
    """Campaigns with Poisson orders and an untouched market: the interval of an action without effect holds zero about 80 % of the time."""
    chance = random.Random(11)

    def orders(mean: float) -> float:
        # Knuth's method; the means here are small.
        limit, product, count = pow(2.718281828, -mean), chance.random(), 0
        while product > limit:
            product *= chance.random()
            count += 1
        return float(count)

    def story(spend: float, rate: float) -> dict[date, Day]:
        days: dict[date, Day] = {}
        for day in [*BEFORE, *AFTER]:
            n = orders(rate)
            days[day] = Day(spend * chance.uniform(0.9, 1.1), sum(40.0 * chance.uniform(0.5, 1.5) for _ in range(int(n))), n)
        return days

    for with_controls in (False, True):
        held = 0
        for _ in range(300):
            beside = {f"c{n}": story(80, 5) for n in range(4)} if with_controls else {}
            (said,) = judge(case(story(100, 6), controls=beside, margin=0.5), ("profit",))
            assert said.measured is not None
            held += said.measured.low <= 0 <= said.measured.high
        assert 0.72 <= held / 300 <= 0.97, held


def test_coverage_and_bias_are_counted_per_strategy_and_kind() -> None:
    def one(strategy: str, answer: str, expected: float | None, measured: float | None, z: float | None) -> Judged:
        return Judged(strategy, "campaign.set_budget", answer, expected, measured, z)

    rows = [one("bayes", "as_expected", 10, 12, 0.5)] * 12 + [one("bayes", "below", 10, -10, -3)] * 2
    rows += [one("bayes", "above", 10, 40, 2), one("bayes", "undefined", 10, None, None), one("people", "below", -5, -9, -2)]
    bayes, people = tally(rows)
    assert (bayes.judged, bayes.inside, bayes.above, bayes.below, bayes.undefined) == (15, 12, 1, 2, 1)
    assert bayes.coverage == pytest.approx(0.8)
    assert bayes.bias == pytest.approx((12 * 2 - 2 * 20 + 30) / 150)
    assert people.bias == pytest.approx(-0.8)
    empty = overall([one("bayes", "undefined", None, None, None)])
    assert (empty.judged, empty.coverage, empty.bias, empty.mean_z) == (0, None, None, None)


def test_the_same_case_gives_the_same_verdict_in_any_order_of_controls() -> None:
    beside = {f"c{n}": flat(10 * (n + 1), BEFORE) | flat(12 * (n + 1), AFTER) for n in range(4)}
    first = judge(case(flat(100), margin=0.4, controls=beside))
    second = judge(case(flat(100), margin=0.4, controls=dict(reversed(beside.items()))))
    assert first == second


def test_the_horizon_begins_after_the_day_of_the_action() -> None:
    assert [ACTED + timedelta(days=n) for n in (1, 2, 3)] == AFTER
    assert ACTED not in BEFORE and len(BEFORE) == 7
