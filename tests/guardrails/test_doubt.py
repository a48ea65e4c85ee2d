"""What attackers, tired models and broken networks try: leave a figure out, falsify it, split it, or change its currency."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from law_support import (
    AGENT,
    USER,
    books,
    brl,
    campaign,
    exposure,
    facts,
    finding_of,
    message,
    pause,
    policy,
    publish,
    says,
    set_budget,
    talk,
    word,
)
from pydantic import ValidationError

from knowledge.domain.action import SetBudget, parse_action
from knowledge.domain.facts import Facts
from knowledge.domain.message import Message
from knowledge.domain.money import Money
from knowledge.domain.verdict import Finding, Verdict
from tools.guardrails import RULES, judge
from tools.guardrails.exposure import worst_today
from tools.guardrails.rule import Rule


def test_the_caller_has_no_field_for_totals() -> None:
    """What is spent and what a campaign has now comes from ledger and platform: an action that brings its own is no action."""
    good = {
        "kind": "campaign.set_budget",
        "platform": "meta",
        "campaign_id": "c1",
        "daily_budget": {"minor": 5500, "currency": "BRL"},
    }
    assert isinstance(parse_action(good), SetBudget)
    for name in ("current_budget", "total_spend", "daily_total", "roas", "confidence"):
        with pytest.raises(ValidationError):
            parse_action(good | {name: 1})


def test_leaving_out_the_current_budget_does_not_hide_a_ninefold_raise() -> None:
    """+900 %: the current budget is the gate's to read; without it the answer is no, with it too."""
    assert (
        judge(set_budget("500"), facts(USER), policy(max_campaign_budget=1000, daily_cap=5000, weekly_cap=9000)).answer == "refuse"
    )
    unread = facts(USER, campaign=None)
    assert judge(set_budget("500"), unread, policy(max_campaign_budget=1000, daily_cap=5000, weekly_cap=9000)).answer == "refuse"
    assert says("max_increase", set_budget("500"), unread) == "refuse"
    assert says("facts_readable", set_budget("500"), unread) == "refuse"


def test_twenty_four_raises_of_nineteen_percent_do_not_add_up() -> None:
    """Each is below 20 % of what is there; measured from yesterday's budget the second asks and the third is refused."""
    law = policy(max_campaign_budget=10_000, daily_cap=50_000, weekly_cap=90_000)
    current, answers = Decimal("100.00"), list[str]()
    for _ in range(24):
        proposed = (current * Decimal("1.19")).quantize(Decimal("0.01"))
        now = facts(USER, campaign=campaign(str(current), baseline="100.00"), budget=books(exposure("c1", str(current))))
        verdict = judge(set_budget(str(proposed)), now, law)
        answers.append(verdict.answer)
        current = proposed  # as if every step had been done all the same
    assert answers == ["allow", "ask"] + ["refuse"] * 22


@given(st.lists(st.decimals("0.001", "0.5", places=3), min_size=1, max_size=30))
def test_no_sequence_of_steps_passes_the_daily_limit_of_increase(steps: list[Decimal]) -> None:
    """Whatever the steps: alone within 20 % of yesterday's budget, with a manager within 50 %."""
    law = policy(max_campaign_budget=100_000, daily_cap=500_000, weekly_cap=900_000)
    current = base = brl("100.00")
    for step in steps:
        proposed = current.times(1 + step)
        now = facts(
            USER, campaign=campaign(str(current.amount), baseline="100.00"), budget=books(exposure("c1", str(current.amount)))
        )
        answer = judge(SetBudget(platform="meta", campaign_id="c1", daily_budget=proposed), now, law).answer
        if answer == "allow":
            assert proposed <= base.times(Decimal("1.2"))
        if answer != "refuse":
            current = proposed
    assert current <= base.times(Decimal("1.5"))


@given(
    st.lists(st.tuples(st.sampled_from(["meta", "google", "tiktok", "linkedin"]), st.integers(1, 20_000)), max_size=8),
    st.integers(1, 40_000),
)
def test_what_is_allowed_keeps_the_worst_day_within_the_cap(others: list[tuple[str, int]], cents: int) -> None:
    law = policy(max_campaign_budget=400)
    running = [exposure(f"o{n}", str(Decimal(minor) / 100), platform=platform) for n, (platform, minor) in enumerate(others)]
    now = facts(campaign=None, budget=books(*running))
    new = publish(str(Decimal(cents) / 100))
    after, before = worst_today(new, now, law), worst_today(None, now, law)
    assert after is not None and before is not None and after > before
    allowed = says("daily_cap", new, now, law) == "allow"
    assert allowed == (after <= brl(300))


@pytest.mark.parametrize(
    ("amount", "currency", "cap"),
    [("30000", "TWD", 300), ("5000", "JPY", 300), ("301", "JPY", 300), ("300.01", "BRL", 300), ("500000", "JPY", 5000)],
)
def test_a_large_amount_stays_large_in_every_currency(amount: str, currency: str, cap: int) -> None:
    """NT$30,000 is not 300, and ¥5,000 is not 500,000 minor units: amounts know their currency's decimals."""
    law = policy(currency, daily_cap=cap, weekly_cap=cap * 5, max_campaign_budget=cap, pause_asks_above=cap)
    assert says("campaign_budget", publish(amount, currency=currency), facts(campaign=None), law) == "refuse"


def test_yen_have_no_cents() -> None:
    assert Money.of("5000", "JPY").minor == 5000
    assert Money.of("5000", "BRL").minor == 500_000
    with pytest.raises(ValueError, match="decimals"):
        Money.of("5000.50", "JPY")


def test_another_currency_is_refused_and_never_compared_by_number() -> None:
    verdict = judge(set_budget("10", "USD"), facts(USER), policy())
    assert verdict.answer == "refuse"
    assert word(verdict, "campaign_budget") == "refuse"
    assert word(verdict, "max_increase") == "refuse"
    assert any(f.rule == "rule_failed" and f.numbers["failed"] == "daily_cap" for f in verdict.findings)


def test_a_platform_that_cannot_be_read_refuses() -> None:
    blind = facts(unreadable=("meta.list_campaigns",))
    for action in (set_budget("55"), pause(), publish()):
        about = blind if action.campaign_id == "c1" else blind.model_copy(update={"campaign": None})
        verdict = judge(action, about, policy())
        assert verdict.answer == "refuse"
        assert finding_of(verdict, "facts_readable").numbers["facts"] == "meta.list_campaigns"


def test_unreadable_books_refuse_everything_that_spends() -> None:
    for action in (set_budget("55"), publish(), pause()):
        assert judge(action, facts(budget=None), policy()).answer == "refuse"
    assert says("daily_cap", set_budget("55"), facts(budget=None)) == "refuse"
    assert says("weekly_cap", set_budget("55"), facts(budget=None)) == "refuse"
    assert says("adjustments", set_budget("55"), facts(budget=None)) == "refuse"


def test_a_falsified_platform_does_not_lend_its_smaller_multiplier() -> None:
    """The campaign is Meta's (1.75); the action says TikTok (1.2)."""
    assert says("facts_readable", set_budget("55", platform="tiktok"), facts()) == "refuse"


def test_an_unreadable_conversation_is_silence() -> None:
    unknown = Facts(now=talk().now, proposer="agent:sdr")
    verdict = judge(message(), unknown, policy())
    assert {word(verdict, rule) for rule in ("facts_readable", "takeover", "opt_out", "service_window")} == {"refuse"}


def test_a_rule_that_raises_refuses_and_is_named() -> None:
    def broken(*_: object) -> Finding:
        raise ZeroDivisionError("secret detail")

    rules = (*RULES, Rule("broken", (SetBudget,), broken, lambda policy: Message(id="rule.broken")))
    verdict = judge(set_budget("55"), facts(USER), policy(), rules)
    assert verdict.answer == "refuse"
    assert finding_of(verdict, "rule_failed").numbers == {"failed": "broken", "error": "ZeroDivisionError"}


def test_the_worst_answer_wins_and_no_rule_at_all_is_a_no() -> None:
    assert Verdict.of([], "v").answer == "refuse"
    asked = judge(set_budget("60.01"), facts(USER), policy())
    assert (asked.answer, [f.rule for f in asked.reasons]) == ("ask", ["approval_above"])
    assert judge(set_budget("75.01"), facts(USER), policy()).answer == "refuse"


def test_an_agent_is_held_to_more_than_a_person() -> None:
    winner = campaign(spend_7d=brl(10), revenue_7d=brl(90))
    assert judge(set_budget("45"), facts(AGENT, campaign=winner), policy()).answer == "refuse"
    assert judge(set_budget("45"), facts(USER, campaign=winner), policy()).answer == "ask"
