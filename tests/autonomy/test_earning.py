"""The way up and the way down: agreement and outcomes earn a promotion that a manager gives; regression takes it back by itself."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from knowledge.domain.action import Actor
from knowledge.domain.message import Message
from prompts.messages import LOCALES, render
from runtime.db.outcomes import Outcome, Range
from runtime.jobs.autonomy import review
from tests.autonomy.conftest import asking
from tests.autonomy.grants import granted, used
from tests.autonomy.street import Street, later
from tests.gate.books_pair import record
from tests.gate.house import ANA, RUI, Bench, brl, budget

CALM = {"min_hours_between_raises": 0, "min_impressions": 0, "test_hours": 0, "rejection_memory_hours": 0}
WIDE = {"daily_cap": brl("900"), "weekly_cap": brl("6000"), "max_adjustments_per_day": 500, "strategy_min_campaigns": 99}


@pytest.fixture
async def street(bench: Bench) -> Street:
    bench.policy = asking(WIDE).model_copy(update={"guardrails": asking(WIDE).guardrails.model_copy(
        update={"quality": asking(WIDE).guardrails.quality.model_copy(update=CALM)})})  # fmt: skip
    await bench.running(amount="100", launched_hours_ago=400)
    return Street(bench)


async def decided(street: Street, pattern: str, prefix: str = "d") -> list[str]:
    """Requests to move the budget 10 % and back, decided by a manager: y approved, n rejected; oldest first.
    Every other one is a raise, which alone earn anything."""
    out: list[str] = []
    for n, letter in enumerate(pattern):
        later(street, hours=3)
        (external,) = street.bench.ads.campaigns
        now = street.bench.ads.campaigns[external].daily_budget
        receipt = await street.bench.submit(budget("110" if now == brl("100") else "100"), f"{prefix}{n}")
        assert receipt.status == "waiting", receipt
        answer = street.gate.approve(receipt.action_id, ANA) if letter == "y" else street.gate.reject(receipt.action_id, ANA, "não")
        assert (await answer).ok
        out.append(receipt.action_id)
    return out


async def judged(street: Street, actions: list[str], *answers: str, grant: str | None = None) -> None:
    """Verdicts as the job would have written them."""
    now = street.clock.now()
    base = Outcome(
        action_id="", metric="profit", horizon_hours=72, kind="campaign.set_budget", platform="meta", campaign_id="pia-meta",
        strategy="bayes", grant_id=grant, headline=True, verdict="as_expected", reason=None, currency="BRL",
        expected=Range(brl("1"), brl("2"), brl("3")), measured=Range(brl("1"), brl("2"), brl("3")), observed=brl("2"),
        counterfactual=brl("0"), z=Decimal(0), method="own_level", controls=(), window_from=None, window_until=None, days=3,
        provisional=False, final=True, revision=0, done_at=now, recorded_at=now,
    )  # fmt: skip
    async with street.db.transaction() as tx:
        for action_id, answer in zip(actions, answers, strict=False):
            why = "overtaken" if answer == "undefined" else None
            await tx.outcomes.put(replace(base, action_id=action_id, verdict=answer, reason=why))  # type: ignore[arg-type]


async def run(street: Street) -> dict[str, Any]:
    return await review(street, street.clock.now())  # type: ignore[arg-type]


async def test_a_record_that_earned_it_asks_a_manager_once_and_then_acts_within_it(street: Street) -> None:
    actions = await decided(street, "y" * 38)
    await judged(street, actions, *["as_expected"] * 6)
    assert (await run(street))["proposed"] == [], "19 raises are not 20"
    await decided(street, "y", "last")
    (asked,) = (await run(street))["proposed"]
    assert (await run(street))["proposed"] == [], "one request waits already"
    record = await street.bench.action(asked)
    assert record.status == "waiting"
    for locale in LOCALES:
        said = render(record.why, locale)
        assert "{" not in said and "20" in said
        for found in record.verdict.findings:
            assert "{" not in render(found.message, locale)
    assert record.action.args()["max_change"] == "0.10" and record.action.args()["max_amount"] == brl("110").model_dump()
    assert (await street.gate.approve(asked, RUI)).status == "done"
    assert await used(street.bench) == [(0, 20)]
    later(street, hours=3)
    (now,) = [c.daily_budget for c in street.bench.ads.campaigns.values()]
    assert (await street.bench.submit(budget("101" if now == brl("100") else "109"), "own")).status == "done"
    assert await used(street.bench) == [(1, 20)]
    later(street, hours=1)
    assert (await run(street)) == {"revoked": [], "proposed": []}, "what lives is not asked for again"


async def test_a_no_to_the_promotion_rests_and_trust_is_earned_anew(street: Street) -> None:
    actions = await decided(street, "y" * 40)
    await judged(street, actions, *["as_expected"] * 6)
    (asked,) = (await run(street))["proposed"]
    assert (await street.gate.reject(asked, ANA, "ainda não")).ok
    later(street, days=6)
    assert (await run(street))["proposed"] == []
    later(street, days=2)
    assert (await run(street))["proposed"] == [], "the old cases were answered already"


async def test_bad_outcomes_earn_nothing(street: Street) -> None:
    actions = await decided(street, "y" * 40)
    await judged(street, actions, *["below"] * 3, *["as_expected"] * 4)
    assert (await run(street))["proposed"] == []


async def test_the_house_may_be_told_not_to_ask(street: Street) -> None:
    actions = await decided(street, "y" * 40)
    await judged(street, actions, *["as_expected"] * 6)
    dials = street.bench.policy.autonomy
    quiet = dials.model_copy(update={"earned": dials.earned.model_copy(update={"propose": False})})
    street.bench.policy = street.bench.policy.model_copy(update={"autonomy": quiet})
    assert (await run(street))["proposed"] == []


async def test_rejections_in_a_row_take_it_back_with_a_word_to_the_managers(street: Street) -> None:
    grant = await granted(street.bench, max_change=Decimal("0.05"), max_count=9)
    await decided(street, "n", "one")
    assert (await run(street))["revoked"] == []
    await decided(street, "n", "two")
    assert (await run(street))["revoked"] == [grant]
    assert (await run(street))["revoked"] == []
    ((cause, words),) = street.alerts
    assert grant in cause and "2 rejections in a row" in words
    assert await street.bench.rows("select actor from audit_log where kind = 'autonomy.revoked'") == [("system:autonomy",)]
    later(street, hours=1)
    assert (await street.bench.submit(budget("104"), "after")).status == "waiting"


async def test_outcomes_below_expectation_take_it_back(street: Street) -> None:
    grant = await granted(street.bench, max_change=Decimal("0.05"), max_count=9)
    done: list[str] = []
    for n in range(3):
        later(street, hours=3)
        receipt = await street.bench.submit(budget("104" if n % 2 == 0 else "100"), f"own{n}")
        assert receipt.status == "done", receipt.findings
        done.append(receipt.action_id)
    await judged(street, done, "as_expected", "below", "undefined")
    assert (await run(street))["revoked"] == []
    await judged(street, done, "as_expected", "below", "below")
    assert (await run(street))["revoked"] == [grant]
    assert "2 of 3" in street.alerts[0][1]


async def test_an_undone_action_is_an_incident(street: Street) -> None:
    grant = await granted(street.bench, max_change=Decimal("0.05"), max_count=9)
    later(street, hours=3)
    receipt = await street.bench.submit(budget("104"), "own")
    assert receipt.status == "done"
    assert (await run(street))["revoked"] == []
    undone = await street.gate.undo(receipt.action_id, ANA, "não gostei")
    if undone.status == "waiting":
        assert undone.action_id is not None
        undone = await street.gate.approve(undone.action_id, RUI)
    assert undone.status == "done", undone
    assert (await run(street))["revoked"] == [grant]


@pytest.mark.parametrize("undoes", ["the grant's", "somebody else's"])
async def test_a_rollback_is_an_incident_of_the_grant_only_when_it_takes_back_what_used_it(street: Street, undoes: str) -> None:
    bench = street.bench
    grant = await granted(bench, max_count=9)
    mine = await bench.submit(budget("104"), "own")
    assert mine.status == "done" and await used(bench) == [(1, 9)]
    later(street, days=2)
    now = street.clock.now()
    by_hand = record(budget("114"), "by-hand", status="done", at=now, proposer=ANA, closed_at=now)
    taken_back = mine.action_id if undoes == "the grant's" else by_hand.id
    later(street, days=2)
    back = record(
        budget("104"), "rollback", status="done", at=street.clock.now(), proposer=Actor(kind="system", id="watchdog"),
        undo_of=taken_back, closed_at=street.clock.now(),
    ).model_copy(update={"why": Message(id="why.rollback", params={})})  # fmt: skip
    async with bench.books.transaction() as tx:
        await tx.insert(by_hand, None)
        await tx.insert(back, None)
    assert (await run(street))["revoked"] == ([grant] if undoes == "the grant's" else [])


async def test_a_grant_that_ended_is_left_in_peace(street: Street) -> None:
    await granted(street.bench, max_count=9)
    later(street, days=8)
    await decided(street, "nn")
    assert (await run(street))["revoked"] == []


def test_every_reason_has_words() -> None:
    for name, params in (
        ("incident", {"actions": 1}), ("rejections", {"count": 2}), ("outcomes", {"below": 2, "judged": 3}), ("person", {"reason": "x"}),
    ):  # fmt: skip
        for locale in LOCALES:
            assert "{" not in render(Message(id=f"autonomy.lost.{name}", params=params), locale)
