"""Caps by platform and campaign, the reserve, real spend, moves of the day, raises that add up: each at its border."""

from __future__ import annotations

from datetime import date
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from law_support import (
    AGENT,
    CLOCK,
    USER,
    books,
    brl,
    campaign,
    exposure,
    facts,
    finding_of,
    pause,
    policy,
    publish,
    resume,
    says,
    set_budget,
)

from knowledge.domain.action import SetBudget
from knowledge.domain.facts import Exposure, Reservation, UnreadDay
from knowledge.domain.money import Money
from knowledge.domain.policy import Policy
from prompts.messages import render
from tools.guardrails import judge
from tools.guardrails.exposure import worst_today
from tools.guardrails.reallocation import moved

WIDE = policy(daily_cap=100_000, weekly_cap=500_000, max_campaign_budget=50_000)


# -- caps of a platform and of a campaign ---------------------------------------------------------------------------------


@pytest.mark.parametrize(("budget", "answer"), [("57.14", "allow"), ("57.15", "refuse")])
def test_platform_daily_cap(budget: str, answer: str) -> None:
    """Meta may cost 200 a day; 57.14 x 1.75 beside 100 already there is 199.995, rounded up 200.00. TikTok has no part in it."""
    law = policy(platform_daily_cap={"meta": brl(200)}, daily_cap=1000, weekly_cap=9000)
    there = facts(campaign=None, budget=books(exposure("m", "57.14"), exposure("t", "200", platform="tiktok")))
    assert says("platform_daily_cap", publish(budget), there, law) == answer
    assert says("platform_daily_cap", publish("150", platform="tiktok"), there, law) == "allow"


def test_platform_weekly_cap_refuses_what_is_certain_and_asks_for_what_is_planned() -> None:
    law = policy(platform_weekly_cap={"meta": brl(500)}, daily_cap=1000, weekly_cap=9000)
    # 325 spent, 175 at worst today: exactly 500 on the last day of the week.
    last_day = facts(campaign=None, budget=books(days_left=0, meta="325"))
    assert says("platform_weekly_cap", publish("100"), last_day, law) == "allow"
    assert says("platform_weekly_cap", publish("100.01"), last_day, law) == "refuse"
    # 175 today and three days of 100 make 475, with 25 spent exactly 500.
    early = facts(campaign=None, budget=books(days_left=3, meta="25"))
    assert says("platform_weekly_cap", publish("100"), early, law) == "allow"
    assert says("platform_weekly_cap", publish("100.01"), early, law) == "ask"


@pytest.mark.parametrize(("budget", "answer"), [("57.14", "allow"), ("57.15", "refuse")])
def test_campaign_daily_cap(budget: str, answer: str) -> None:
    assert says("campaign_daily_cap", set_budget(budget), facts(), policy(campaign_daily_cap=brl(100))) == answer


def test_campaign_weekly_cap() -> None:
    law = policy(campaign_weekly_cap=brl(400))
    now = facts(budget=books(exposure(spent_week="225"), days_left=0))
    assert says("campaign_weekly_cap", set_budget("100"), now, law) == "allow"
    assert says("campaign_weekly_cap", set_budget("100.01"), now, law) == "refuse"
    ahead = facts(budget=books(exposure(spent_week="25"), days_left=2))  # 25 + 175 + 200
    assert says("campaign_weekly_cap", set_budget("100"), ahead, law) == "allow"
    assert says("campaign_weekly_cap", set_budget("100.01"), ahead, law) == "ask"


def test_a_week_that_was_not_summed_is_no_room() -> None:
    blind = exposure().model_copy(update={"spent_week": None})
    unsummed = books(blind).model_copy(update={"spent_week_by_platform": None})
    for rule in ("platform_daily_cap", "platform_weekly_cap", "campaign_daily_cap", "campaign_weekly_cap"):
        assert says(rule, set_budget("55"), facts(budget=unsummed)) == "refuse"


UNREAD = UnreadDay(campaign_id="c1", platform="meta", day=date(2026, 11, 24), assumed=brl("70"))


@pytest.mark.parametrize(
    ("rule", "law"),
    [
        ("weekly_cap", policy(weekly_cap=400)),
        ("platform_weekly_cap", policy(platform_weekly_cap={"meta": brl(400)}, weekly_cap=9000)),
        ("campaign_weekly_cap", policy(campaign_weekly_cap=brl(400), weekly_cap=9000)),
    ],
)
def test_a_day_that_nobody_has_read_counts_at_its_worst(rule: str, law: Policy) -> None:
    """225 measured, 70 assumed, 105 at worst today: exactly 400."""
    now = facts(budget=books(exposure(spent_week="225"), days_left=0, spent_week="225", meta="225", unread=[UNREAD]))
    assert says(rule, set_budget("60"), now, law) == "allow"
    refusing = finding_of(judge(set_budget("60.01"), now, law), rule)
    assert (refusing.answer, refusing.numbers["assumed"]) == ("refuse", brl("70"))
    for locale, word in (("en", "nobody has read"), ("pt-BR", "ninguém leu")):
        assert word in render(refusing.message, locale)
    ahead = facts(budget=books(exposure(spent_week="225"), days_left=3, spent_week="225", meta="225", unread=[UNREAD]))
    asking = finding_of(judge(set_budget("60"), ahead, law), rule)
    assert asking.answer == "ask"
    for locale, word in (("en", "nobody has read"), ("pt-BR", "ninguém leu")):
        assert word in render(asking.message, locale)


def test_an_unread_day_of_another_platform_or_campaign_is_the_workspaces_matter() -> None:
    law = policy(platform_weekly_cap={"meta": brl(400)}, campaign_weekly_cap=brl(400), weekly_cap=400)
    elsewhere = UNREAD.model_copy(update={"platform": "tiktok", "campaign_id": "t"})
    now = facts(budget=books(exposure(spent_week="225"), days_left=0, spent_week="225", meta="225", unread=[elsewhere]))
    answers = {
        rule: says(rule, set_budget("61"), now, law) for rule in ("weekly_cap", "platform_weekly_cap", "campaign_weekly_cap")
    }
    assert answers == {"weekly_cap": "refuse", "platform_weekly_cap": "allow", "campaign_weekly_cap": "allow"}


def test_without_a_cap_of_its_own_the_workspaces_rule_speaks_alone() -> None:
    full = facts(campaign=None, budget=books(exposure("o", "100")))
    verdict = judge(publish("100"), full, policy())
    refusing = {f.rule for f in verdict.findings if f.answer == "refuse"}
    assert "daily_cap" in refusing
    assert not refusing & {"platform_daily_cap", "campaign_daily_cap", "platform_weekly_cap", "campaign_weekly_cap"}


def test_an_own_cap_above_the_workspaces_does_not_widen_it() -> None:
    law = policy(campaign_daily_cap=brl(5000), platform_daily_cap={"meta": brl(5000)})
    assert law.campaign_cap("day") == law.platform_cap("meta", "day") == brl(300)


@given(
    st.lists(st.tuples(st.sampled_from(["meta", "google", "tiktok", "linkedin"]), st.integers(1, 20_000)), max_size=6),
    st.integers(1, 20_000),
    st.integers(1_000, 60_000),
)
def test_what_is_allowed_keeps_every_platform_within_its_cap(others: list[tuple[str, int]], cents: int, cap: int) -> None:
    law = policy(
        daily_cap=10_000, weekly_cap=90_000, max_campaign_budget=400, platform_daily_cap={"meta": Money(minor=cap, currency="BRL")}
    )
    running = [exposure(f"o{n}", str(Decimal(minor) / 100), platform=name) for n, (name, minor) in enumerate(others)]
    now = facts(campaign=None, budget=books(*running))
    allowed = says("platform_daily_cap", publish(str(Decimal(cents) / 100)), now, law) == "allow"
    mine = sum(-(-minor * 7 // 4) for name, minor in others if name == "meta") + -(-cents * 7 // 4)
    assert allowed == (mine <= cap)


# -- mid-day edits --------------------------------------------------------------------------------------------------------


def test_a_campaign_stopped_today_counts_though_no_figure_has_come_yet() -> None:
    """Insights come hours later: what ran this morning may have spent its whole day."""
    stopped = exposure("c2", "100", delivering=False, start="100", touched=True)
    room = facts(budget=books(exposure(), stopped))
    assert says("daily_cap", set_budget("71.42"), room) == "allow"
    assert says("daily_cap", set_budget("71.43"), room) == "refuse"
    started_and_stopped = exposure("c2", "100", delivering=False, start="0", touched=True)
    assert says("daily_cap", set_budget("71.43"), facts(budget=books(exposure(), started_and_stopped))) == "refuse"


@given(st.lists(st.integers(1, 30_000), min_size=1, max_size=12), st.integers(0, 40_000))
def test_the_day_is_bounded_by_its_highest_budget_whatever_the_order_of_edits(budgets: list[int], spent: int) -> None:
    """Cut and raised again within the day, a campaign is never counted below the highest budget it had, nor below its spend."""
    highest, last = str(Decimal(max(budgets)) / 100), str(Decimal(budgets[-1]) / 100)
    edited = exposure("c1", last, highest=highest, spent=str(Decimal(spent) / 100))
    worst = worst_today(None, facts(budget=books(edited)), policy())
    assert worst is not None
    assert worst.minor == max(-(-max(budgets) * 7 // 4), spent)


# -- the reserve ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("budget", "answer"), [("154.28", "allow"), ("154.29", "ask")])
def test_reserve_share(budget: str, answer: str) -> None:
    """10 % of 300 is kept: a machine plans with 270, which is 154.28 x 1.75; a person with all of it."""
    empty = facts(AGENT, campaign=None, budget=books())
    assert says("reserve_share", publish(budget), empty) == answer
    assert says("reserve_share", publish(budget), facts(USER, campaign=None, budget=books())) == "allow"
    assert says("reserve_share", publish(budget), empty, policy(reserve_share=Decimal(0))) == "allow"


def test_weekly_reserve() -> None:
    """1350 of 1500 for a machine: 175 today, four days of 100, and 775 spent."""
    now = facts(AGENT, campaign=None, budget=books(spent_week="775", days_left=4))
    assert says("weekly_reserve", publish("100"), now) == "allow"
    assert says("weekly_reserve", publish("100.01"), now) == "ask"
    assert says("weekly_reserve", publish("100.01"), facts(USER, campaign=None, budget=books(spent_week="775"))) == "allow"


def test_a_reserve_that_is_used_already_does_not_hold_back_a_cut() -> None:
    used = facts(campaign=campaign("170"), budget=books(exposure("c1", "170")))
    assert says("reserve_share", set_budget("160"), used) == "allow"
    assert says("reserve_share", set_budget("170.01"), used) == "ask"


# -- over a cap -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("spent", "answer"), [("300.00", "allow"), ("300.01", "refuse")])
def test_over_cap(spent: str, answer: str) -> None:
    """Real spend above the cap ends all spending, also of what would not raise the worst case; cuts pass."""
    now = facts(USER, campaign=campaign("50"), budget=books(exposure("c1", "50", highest="200", spent=spent)))
    assert says("over_cap", set_budget("60"), now) == answer
    assert says("over_cap", resume(), now) == answer
    assert says("over_cap", publish("1"), now.model_copy(update={"campaign": None})) == answer
    assert says("over_cap", set_budget("49.99"), now) == "allow"
    assert "over_cap" not in {f.rule for f in judge(pause(), now, policy()).findings}


def test_over_a_platforms_own_cap() -> None:
    law = policy(platform_daily_cap={"meta": brl(100)})
    now = facts(budget=books(exposure("c1", "50", spent="100.01"), exposure("t", "50", platform="tiktok", spent="10")))
    assert says("over_cap", set_budget("55"), now, law) == "refuse"
    assert finding_of(judge(set_budget("55"), now, law), "over_cap").numbers == {"spent": brl("100.01"), "cap": brl(100)}
    assert says("over_cap", publish("5", platform="tiktok"), now.model_copy(update={"campaign": None}), law) == "allow"


@pytest.mark.parametrize(("before", "answer"), [("1490.00", "allow"), ("1490.01", "refuse")])
def test_over_weekly_cap(before: str, answer: str) -> None:
    now = facts(budget=books(exposure("c1", "50", spent="10"), spent_week=before))
    assert says("over_weekly_cap", set_budget("55"), now) == answer
    assert says("over_weekly_cap", set_budget("45"), now) == "allow"


# -- moves of the day -----------------------------------------------------------------------------------------------------


def day(*rows: tuple[str, str, str]) -> list[Exposure]:
    """(campaign, budget this morning, budget now) each; a budget of 0 is one that does not run."""
    return [
        exposure(name, now if now != "0" else start, delivering=now != "0", start=start, touched=now != start)
        for name, start, now in rows
    ]  # fmt: skip


@pytest.mark.parametrize(("to", "machine", "person"), [("160", "allow", "allow"), ("160.01", "refuse", "ask")])
def test_reallocation(to: str, machine: str, person: str) -> None:
    """200 this morning: 60 may move. 80 were taken from c2; c1 may be given 60 of them."""
    state = {"campaign": campaign("100"), "budget": books(*day(("c1", "100", "100"), ("c2", "100", "20")))}
    assert says("reallocation", set_budget(to), facts(AGENT, **state)) == machine
    assert says("reallocation", set_budget(to), facts(USER, **state)) == person


def test_only_growing_or_only_shrinking_is_no_reallocation() -> None:
    grown = facts(campaign=campaign("100"), budget=books(*day(("c1", "100", "100"), ("c2", "100", "190"))))
    assert says("reallocation", set_budget("150"), grown) == "allow"
    shrunk = facts(campaign=campaign("100"), budget=books(*day(("c1", "100", "100"), ("c2", "100", "0"))))
    assert says("reallocation", set_budget("10"), shrunk) == "allow"


def test_a_cut_that_completes_a_reallocation_asks_and_is_never_refused() -> None:
    given = facts(AGENT, campaign=campaign("100"), budget=books(*day(("c1", "100", "100"), ("c2", "100", "190"))))
    assert says("reallocation", set_budget("40"), given) == "allow"
    assert says("reallocation", set_budget("39.99"), given) == "ask"


def test_a_pause_taken_back_moves_nothing() -> None:
    back = facts(AGENT, campaign=campaign("100"), budget=books(*day(("c1", "100", "0"), ("c2", "100", "190"))))
    assert back.budget is not None
    assert moved(back.budget, "c1", 10000) == (9000, 0, 20000)
    assert says("reallocation", resume(), back) == "allow"


def test_what_is_on_its_way_counts_as_moved() -> None:
    held = Reservation(action_id="a", campaign_id="c2", platform="meta", daily_budget=brl(20))
    state = facts(AGENT, campaign=campaign("100"), budget=books(*day(("c1", "100", "100"), ("c2", "100", "100")), held=[held]))
    assert says("reallocation", set_budget("160"), state) == "allow"
    assert says("reallocation", set_budget("160.01"), state) == "refuse"


def test_a_start_of_day_that_is_not_known_asks() -> None:
    blind = exposure().model_copy(update={"start_of_day": None})
    assert says("reallocation", set_budget("55"), facts(AGENT, budget=books(blind))) == "ask"


budgets = st.tuples(st.integers(0, 300), st.integers(0, 300))


@given(st.lists(budgets, min_size=1, max_size=6), st.integers(1, 400))
def test_a_machine_never_moves_more_than_the_share(rows: list[tuple[int, int]], to: int) -> None:
    """Whatever happened before: if the budgets moved more after an allowed raise than before it, they moved within the limit."""
    names = [(f"c{n}", str(start), str(now)) for n, (start, now) in enumerate([(100, 100), *rows], start=1)]
    state = facts(AGENT, campaign=campaign("100"), budget=books(*day(*names)))
    assert state.budget is not None
    answer = says("reallocation", set_budget(to), state, WIDE)
    before, after, morning = moved(state.budget, "c1", to * 100)
    if answer == "allow" and after > before:
        assert after * 10 <= morning * 3
    if answer == "refuse":
        assert to > 100


@pytest.mark.parametrize(
    ("total_campaigns", "touched", "answer"),
    [(6, 2, "allow"), (6, 3, "ask"), (4, 1, "allow"), (4, 2, "ask"), (3, 1, "allow"), (3, 2, "ask"), (2, 1, "allow")],
)
def test_strategy_change_by_campaigns_touched(total_campaigns: int, touched: int, answer: str) -> None:
    """With this one more than half of what ran this morning, and at least three."""
    others = [exposure(f"o{n}", "10", touched=n < touched) for n in range(total_campaigns - 1)]
    state = books(exposure(), *others)
    assert says("strategy_change", set_budget("55"), facts(AGENT, budget=state)) == answer
    assert says("strategy_change", set_budget("55"), facts(USER, budget=state)) == "allow"


def test_strategy_change_by_what_is_paused() -> None:
    """Two pauses stopped 20 + 20 of 100; the third decides: 10 more is exactly half, 11 is above it."""
    for last, rest, answer in (("10", "50", "allow"), ("11", "49", "ask")):
        stopped = [exposure(f"s{n}", "20", delivering=False, start="20", touched=True) for n in range(2)]
        running = [exposure(f"r{n}", str(Decimal(rest) / 5)) for n in range(5)]
        state = books(exposure("c1", last), *stopped, *running)
        assert says("strategy_change", pause(), facts(CLOCK, campaign=campaign(last), budget=state)) == answer
        assert says("strategy_change", pause(emergency=True), facts(CLOCK, campaign=campaign(last), budget=state)) == "allow"


def test_strategy_change_without_books_is_refused() -> None:
    assert says("strategy_change", pause(), facts(budget=None)) == "refuse"


# -- raises that add up ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("to", "answer"), [("100", "allow"), ("100.01", "ask"), ("150", "ask"), ("150.01", "refuse")])
def test_cumulative_change(to: str, answer: str) -> None:
    """50 when the window began: up to double alone, up to three times with a manager."""
    now = facts(AGENT, campaign=campaign("95", window_budget=brl(50)))
    assert says("cumulative_change", set_budget(to), now, WIDE) == answer
    assert says("cumulative_change", set_budget("90"), now, WIDE) == "allow", "a cut is no raise"


def test_cumulative_change_without_a_baseline_asks() -> None:
    assert says("cumulative_change", set_budget("55"), facts(campaign=campaign("50", window_budget=None))) == "ask"
    assert says("cumulative_change", set_budget("55"), facts(campaign=campaign("50", window_budget=brl(0)))) == "ask"


@pytest.mark.parametrize(("to", "answer"), [("150", "allow"), ("150.01", "ask")])
def test_max_scale(to: str, answer: str) -> None:
    now = campaign("140", launch_budget=brl(50))
    assert says("max_scale", set_budget(to), facts(AGENT, campaign=now), WIDE) == answer
    assert says("max_scale", set_budget(to), facts(USER, campaign=now), WIDE) == "allow"
    assert says("max_scale", set_budget("141"), facts(AGENT, campaign=campaign("140", launch_budget=None)), WIDE) == "ask"


@given(st.lists(st.decimals("0.01", "0.5", places=2), min_size=1, max_size=40))
def test_no_sequence_of_small_steps_escapes_the_window(steps: list[Decimal]) -> None:
    """One step every two days, each judged on the budget of seven days ago: alone never above double of it, never above three times."""
    budgets = [brl(50)]  # one entry every 48 hours
    for step in steps:
        window = budgets[-4] if len(budgets) >= 4 else budgets[0]  # three raises lie within seven days, this is the fourth
        now = facts(AGENT, campaign=campaign(str(budgets[-1].amount), window_budget=window, launch_budget=brl(50)))
        proposed = budgets[-1].times(1 + step)
        answer = judge(SetBudget(platform="meta", campaign_id="c1", daily_budget=proposed), now, WIDE).answer
        if answer == "allow":
            assert proposed <= window.times(2) and proposed <= brl(150)
        if answer != "refuse":
            assert proposed <= window.times(3)
            budgets.append(proposed)
        else:
            budgets.append(budgets[-1])


def test_vertical_scaling_of_the_specification_stays_possible_with_a_manager() -> None:
    """M8: +20 % every 48 hours up to three times. No step is refused; the later ones ask."""
    budgets, answers = [brl(50)], list[str]()
    while budgets[-1] < brl(150):
        proposed = min(budgets[-1].times(Decimal("1.2")), brl(150))
        window = budgets[-4] if len(budgets) >= 4 else budgets[0]
        state = campaign(str(budgets[-1].amount), window_budget=window, launch_budget=brl(50))
        now = facts(AGENT, campaign=state, budget=books(exposure("c1", str(budgets[-1].amount))))
        answers.append(judge(SetBudget(platform="meta", campaign_id="c1", daily_budget=proposed), now, WIDE).answer)
        budgets.append(proposed)
    assert answers[:3] == ["allow"] * 3
    assert "refuse" not in answers


def test_caps_in_another_currency_are_a_configuration_error() -> None:
    for dials in (
        {"campaign_daily_cap": Money.of("1", "USD")},
        {"platform_weekly_cap": {"meta": Money.of("1", "USD")}},
        {"platform_daily_cap": {"meta": brl(0)}},
    ):
        with pytest.raises(ValueError, match=r"guardrails\.financial"):
            policy(**dials)
