"""Every rule at its border: the last value that passes, and the first that does not."""

from __future__ import annotations

import re
from datetime import timedelta
from decimal import Decimal
from pathlib import Path

import pytest
from law_support import (
    AGENT,
    CLOCK,
    NOW,
    USER,
    books,
    brl,
    campaign,
    exposure,
    facts,
    message,
    pause,
    policy,
    publish,
    resume,
    says,
    set_budget,
    talk,
)

from knowledge.domain.action import MarkRead, UpsertPerson
from knowledge.domain.facts import KillSwitch, Reservation
from tools.guardrails import RULES, judge


@pytest.mark.parametrize(
    ("budget", "answer"), [("200.00", "allow"), ("200.01", "refuse"), ("0.01", "allow"), ("0", "refuse"), ("-5", "refuse")]
)
def test_campaign_budget(budget: str, answer: str) -> None:
    assert says("campaign_budget", set_budget(budget), facts()) == answer
    assert says("campaign_budget", publish(budget), facts(campaign=None)) == answer


@pytest.mark.parametrize(
    ("platform", "last", "first"),
    [
        ("meta", "171.42", "171.43"),
        ("google", "150.00", "150.01"),
        ("tiktok", "250.00", "250.01"),
        ("linkedin", "200.00", "200.01"),
    ],
)
def test_daily_cap_counts_what_each_platform_may_overspend(platform: str, last: str, first: str) -> None:
    law = policy(max_campaign_budget=300)
    for budget, answer in ((last, "allow"), (first, "refuse")):
        new = publish(budget, platform=platform)
        assert says("daily_cap", new, facts(campaign=None, budget=books()), law) == answer


def test_a_platform_without_multiplier_counts_as_the_worst_one() -> None:
    law = policy(overspend_multiplier={"meta": "1.75"}, max_campaign_budget=300)
    empty = facts(campaign=None, budget=books())
    assert says("daily_cap", publish("171.42", platform="tiktok"), empty, law) == "allow"
    assert says("daily_cap", publish("171.43", platform="tiktok"), empty, law) == "refuse"


def test_daily_cap_counts_all_campaigns_and_what_is_reserved() -> None:
    held = Reservation(action_id="a9", campaign_id="c9", platform="tiktok", daily_budget=brl(50))  # 60 at worst
    other = exposure("c2", "80")  # 140 at worst
    room = facts(budget=books(exposure(), other, held=[held]))  # 300 - 200 = 100 left for c1: 57.14 at 1.75
    assert says("daily_cap", set_budget("57.14"), room) == "allow"
    assert says("daily_cap", set_budget("57.15"), room) == "refuse"


def test_a_budget_lowered_today_still_counts_at_its_highest() -> None:
    lowered = exposure("c2", "20", highest="120")  # the platform may have spent by 120 already: 210
    room = facts(budget=books(exposure(), lowered))
    assert says("daily_cap", set_budget("51.42"), room) == "allow"
    assert says("daily_cap", set_budget("51.43"), room) == "refuse"


def test_a_paused_campaign_counts_what_it_spent() -> None:
    stopped = exposure("c2", "100", delivering=False, spent="30")  # may still bill up to its day: 175
    quiet = exposure("c3", "100", delivering=False)  # never ran today: nothing
    room = facts(budget=books(exposure(), stopped, quiet))
    assert says("daily_cap", set_budget("71.42"), room) == "allow"
    assert says("daily_cap", set_budget("71.43"), room) == "refuse"


def test_a_cap_already_broken_does_not_hold_back_a_cut() -> None:
    broken = facts(campaign=campaign("190"), budget=books(exposure("c1", "190"), exposure("c2", "190")))
    assert says("daily_cap", set_budget("180"), broken) == "allow"
    assert says("daily_cap", set_budget("190.01"), broken) == "refuse"


def test_resuming_counts_the_budget_the_campaign_has() -> None:
    asleep = {"campaign": campaign("100"), "budget": books(exposure("c1", "100", delivering=False), exposure("c2", "71.42"))}
    assert says("daily_cap", resume(), facts(**asleep)) == "allow"
    asleep["budget"] = books(exposure("c1", "100", delivering=False), exposure("c2", "71.43"))
    assert says("daily_cap", resume(), facts(**asleep)) == "refuse"


def test_weekly_cap_on_the_last_day_is_hard() -> None:
    """No day is left: today's worst case (1.75 x 100) is all that can still come."""
    last_day = dict(spent_week="1325.00", days_left=0)
    now = {"campaign": campaign("90"), "budget": books(exposure("c1", "90"), **last_day)}
    assert says("weekly_cap", set_budget("100"), facts(**now)) == "allow"
    assert says("weekly_cap", set_budget("100.01"), facts(**now)) == "refuse"


def test_weekly_cap_asks_when_the_week_only_heads_for_too_much() -> None:
    """175 at worst today, then four days of 100: 575, with 925 spent before it makes exactly 1500."""
    now = {"campaign": campaign("90"), "budget": books(exposure("c1", "90"), spent_week="925", days_left=4)}
    assert says("weekly_cap", set_budget("100"), facts(**now)) == "allow"
    now["budget"] = books(exposure("c1", "90"), spent_week="925.01", days_left=4)
    assert says("weekly_cap", set_budget("100"), facts(**now)) == "ask"


@pytest.mark.parametrize(("to", "answer"), [("75.00", "allow"), ("75.01", "refuse"), ("10", "allow")])
def test_max_increase(to: str, answer: str) -> None:
    assert says("max_increase", set_budget(to), facts()) == answer


@pytest.mark.parametrize(("to", "answer"), [("60.00", "allow"), ("60.01", "ask"), ("40.00", "allow"), ("39.99", "ask")])
def test_approval_above(to: str, answer: str) -> None:
    assert says("approval_above", set_budget(to), facts()) == answer


def test_a_raise_is_measured_from_the_lower_of_now_and_yesterday() -> None:
    raised = facts(campaign=campaign("60", baseline="50"))
    assert says("max_increase", set_budget("75.00"), raised) == "allow"
    assert says("max_increase", set_budget("75.01"), raised) == "refuse"
    cut = facts(campaign=campaign("40", baseline="80"))
    assert says("max_increase", set_budget("60.00"), cut) == "allow"
    assert says("max_increase", set_budget("60.01"), cut) == "refuse"


def test_a_change_from_nothing_has_no_ratio_and_is_refused() -> None:
    nothing = facts(campaign=campaign("0"))
    assert says("max_increase", set_budget("10"), nothing) == "refuse"
    assert says("approval_above", set_budget("10"), nothing) == "refuse"


@pytest.mark.parametrize(
    ("asks", "publication", "answer"),
    [(True, "auto", "ask"), (False, "approval", "ask"), (False, "auto", "allow"), (True, "dry_run", "ask")],
)
def test_new_campaign(asks: bool, publication: str, answer: str) -> None:
    law = policy(autonomy={"publication": publication}, new_campaign_asks=asks)
    assert says("new_campaign", publish(), facts(campaign=None), law) == answer


@pytest.mark.parametrize(("hours", "answer"), [(72, "allow"), (71.99, "refuse"), (0, "refuse")])
def test_min_runtime(hours: float, answer: str) -> None:
    young = facts(campaign=campaign(launched_at=NOW - timedelta(hours=hours)))
    assert says("min_runtime", pause(), young) == answer


def test_min_runtime_unknown_asks_and_a_person_may_always_pause() -> None:
    unknown = campaign(launched_at=None)
    assert says("min_runtime", pause(), facts(campaign=unknown)) == "ask"
    assert says("min_runtime", pause(), facts(USER, campaign=unknown)) == "allow"


@pytest.mark.parametrize(("revenue", "answer"), [("500.00", "allow"), ("500.01", "refuse")])
def test_no_touch(revenue: str, answer: str) -> None:
    """ROAS of exactly 5 is not above 5."""
    winner = facts(campaign=campaign(spend_7d=brl(100), revenue_7d=brl(revenue)))
    assert says("no_touch", pause(), winner) == answer
    assert says("no_touch", set_budget("49.99"), winner) == answer
    assert says("no_touch", set_budget("50.00"), winner) == "allow"


def test_no_touch_asks_a_person_and_does_not_guess_without_spend() -> None:
    winner = campaign(spend_7d=brl(100), revenue_7d=brl(600))
    assert says("no_touch", pause(), facts(USER, campaign=winner)) == "ask"
    assert says("no_touch", pause(), facts(campaign=campaign(spend_7d=brl(0), revenue_7d=brl(0)))) == "allow"


@pytest.mark.parametrize(("done", "answer"), [(49, "allow"), (50, "refuse")])
def test_adjustments(done: int, answer: str) -> None:
    many = facts(budget=books(exposure(), adjustments=done))
    assert says("adjustments", set_budget("55"), many) == answer
    assert says("adjustments", resume(), many) == answer
    assert "adjustments" not in {f.rule for f in judge(pause(), many, policy()).findings}, "pausing stays possible"


@pytest.mark.parametrize(("hours", "machine", "person"), [(48, "allow", "allow"), (47.99, "refuse", "ask")])
def test_raise_spacing(hours: float, machine: str, person: str) -> None:
    recent = campaign(last_raise_at=NOW - timedelta(hours=hours))
    assert says("raise_spacing", set_budget("55"), facts(campaign=recent)) == machine
    assert says("raise_spacing", set_budget("55"), facts(USER, campaign=recent)) == person
    assert says("raise_spacing", set_budget("50"), facts(campaign=recent)) == "allow", "not a raise"


@pytest.mark.parametrize(("sure", "answer"), [("0.85", "allow"), ("0.8499", "ask"), (None, "ask")])
@pytest.mark.parametrize("proposer", [AGENT, CLOCK])
def test_confidence(sure: str | None, answer: str, proposer: str) -> None:
    told = facts(proposer, confidence=None if sure is None else Decimal(sure))
    assert says("confidence", set_budget("55"), told) == answer
    assert says("confidence", set_budget("55"), facts(USER, confidence=Decimal("0.1"))) == "allow"


def test_without_a_figure_only_the_houses_own_rules_may_save_money() -> None:
    for proposer, answer in (
        (AGENT, "ask"),
        ("webhook:meta", "ask"),
        (CLOCK, "allow"),
        ("system:watchdog", "allow"),
        (USER, "allow"),
    ):
        for action in (pause(), set_budget("45")):
            assert says("confidence", action, facts(proposer, confidence=None)) == answer
    assert says("confidence", resume(), facts(CLOCK, confidence=None)) == "ask", "a resumption spends"


@pytest.mark.parametrize(("budget", "answer"), [("5000.00", "allow"), ("5000.01", "ask")])
def test_pause_size(budget: str, answer: str) -> None:
    assert says("pause_size", pause(), facts(campaign=campaign(budget))) == answer


@pytest.mark.parametrize(("level", "answer"), [(1, "allow"), (2, "ask"), (3, "refuse")])
def test_autonomy(level: int, answer: str) -> None:
    general, own = policy(autonomy={"level": level}), policy(autonomy={"by_action": {"campaign.set_budget": level}})
    assert says("autonomy", set_budget("55"), facts(), general) == answer
    assert says("autonomy", set_budget("55"), facts(), own) == answer
    assert says("autonomy", pause(), facts(), own) == "allow"


def test_dry_run_executes_no_publication() -> None:
    assert says("autonomy", publish(), facts(campaign=None), policy(autonomy={"publication": "dry_run"})) == "refuse"


def test_an_emergency_pause_passes_what_protects_a_campaign_but_not_on_an_agents_word() -> None:
    law = policy(autonomy={"level": 2}, pause_asks_above=10)
    young = campaign(launched_at=NOW, spend_7d=brl(100), revenue_7d=brl(900))
    assert judge(pause(emergency=True), facts(CLOCK, campaign=young), law).answer == "allow"
    assert judge(pause(emergency=True), facts(AGENT, campaign=young), law).answer == "refuse"
    assert judge(pause(emergency=True), facts(AGENT), policy(autonomy={"level": 3})).answer == "refuse"


def kill(scope: str, target: str | None = None) -> KillSwitch:
    return KillSwitch.model_validate(
        {"id": "k", "scope": scope, "target": target, "reason": "teste", "set_by": USER, "set_at": NOW}
    )


@pytest.mark.parametrize(
    ("stop", "answer"),
    [
        (kill("all"), "refuse"),
        (kill("platform", "meta"), "refuse"),
        (kill("platform", "tiktok"), "allow"),
        (kill("campaign", "c1"), "refuse"),
        (kill("campaign", "c2"), "allow"),
        (kill("agent", "decide"), "refuse"),
        (kill("agent", "sdr"), "allow"),
    ],
)
def test_kill_switch(stop: KillSwitch, answer: str) -> None:
    assert says("kill_switch", set_budget("55"), facts(kills=(stop,))) == answer
    assert says("kill_switch", pause(), facts(kills=(stop,))) == answer
    assert says("kill_switch", pause(), facts(USER, kills=(stop,))) == "allow", "a person's stop is never stopped"
    assert says("kill_switch", pause(emergency=True), facts("system:watchdog", kills=(stop,))) == "allow"
    assert says("kill_switch", pause(emergency=True), facts("agent:decide", kills=(stop,))) == answer


def test_kill_switch_of_a_conversation() -> None:
    stopped = talk().model_copy(update={"kills": (kill("conversation", "t1"),)})
    assert says("kill_switch", message(), stopped) == "refuse"
    assert says("kill_switch", UpsertPerson(lead_id="l1", name="Ana"), stopped) == "allow"


@pytest.mark.parametrize(
    ("owner", "epoch", "answer"), [("bot", 1, "allow"), ("bot", 2, "refuse"), ("human", 1, "refuse"), ("closed", 1, "refuse")]
)
def test_takeover(owner: str, epoch: int, answer: str) -> None:
    assert says("takeover", message(epoch=1), talk(owner, epoch)) == answer
    assert says("takeover", message(epoch=1, author="human"), talk(owner, epoch)) == "allow"
    assert says("takeover", MarkRead(conversation_id="t1", external_id="m"), talk(owner, epoch)) == "allow"


def test_opt_out() -> None:
    gone = talk(opted_out=True)
    assert says("opt_out", message(), gone) == "refuse"
    assert says("opt_out", message(closing=True), gone) == "allow", "the farewell itself"
    assert says("opt_out", message(author="human"), gone) == "allow"
    assert says("opt_out", message(), talk()) == "allow"


@pytest.mark.parametrize(("hours", "answer"), [(23.99, "allow"), (24, "refuse"), (None, "refuse")])
def test_service_window(hours: float | None, answer: str) -> None:
    assert says("service_window", message(), talk(hours_ago=hours)) == answer


@pytest.mark.parametrize(("text", "answer"), [("Oi? Tudo bem?", "allow"), ("Oi? Tudo? Bem?", "refuse"), ("Oi.", "allow")])
def test_questions(text: str, answer: str) -> None:
    assert says("questions", message(text), talk()) == answer
    assert says("questions", message(text, author="human"), talk()) == "allow"


def test_promises_bind_the_bot_only() -> None:
    assert says("promises", message("Sai por R$ 100"), talk()) == "refuse"
    assert says("promises", message("Sai por R$ 100", author="human"), talk()) == "allow"


def test_an_unread_platform_asks_of_what_spends_more() -> None:
    unread = facts(unclear=("tiktok.list_campaigns",))
    assert says("other_platforms", set_budget("55"), unread) == "ask"
    assert says("other_platforms", publish("40"), unread) == "ask"
    assert says("other_platforms", resume(), unread) == "ask"
    assert says("other_platforms", set_budget("45"), unread) == "allow"  # 50 -> 45 only takes away
    assert says("other_platforms", set_budget("55"), facts()) == "allow"


def test_an_undo_without_its_object_is_none() -> None:
    assert says("undo_object", set_budget("55"), facts(undo_of="a1")) == "refuse"
    assert says("undo_object", pause(), facts(undo_of="a1")) == "refuse"
    assert says("undo_object", set_budget("55"), facts(undo_of="a1", restores="a1")) == "allow"
    assert says("undo_object", set_budget("55"), facts()) == "allow"


def test_a_campaign_is_switched_on_within_the_largest_budget_only() -> None:
    at, above = (facts(campaign=campaign(daily_budget=brl(limit))) for limit in ("200", "200.01"))
    assert says("campaign_budget", resume(), at) == "allow"
    assert says("campaign_budget", resume(), above) == "refuse"


def test_a_viewer_is_no_person_who_decides() -> None:
    assert says("confidence", set_budget("55"), facts(USER, confidence=None)) == "allow"
    assert says("confidence", set_budget("55"), facts(USER, confidence=None, viewer=True)) == "ask"


def test_every_rule_is_named_by_a_test() -> None:
    source = "".join(path.read_text(encoding="utf-8") for path in Path(__file__).parent.glob("test_*.py"))
    tested = set(re.findall(r'(?:says|word|finding_of)\((?:\w+, )?"(\w+)"', source))
    assert {rule.id for rule in RULES} - tested == set()


def test_nothing_more_is_spent_where_a_day_is_another_day() -> None:
    """An account in another time zone: raising, launching and resuming wait; cutting and stopping never do."""
    elsewhere = facts(account_zone="America/Los_Angeles")
    assert [says("account_zone", action, elsewhere) for action in (set_budget("55"), publish("40"), resume())] == ["refuse"] * 3
    assert says("account_zone", set_budget("45"), elsewhere) == "allow"
    assert says("account_zone", set_budget("55"), facts()) == "allow"
    assert judge(pause(), elsewhere, policy()).answer == judge(pause(), facts(), policy()).answer
