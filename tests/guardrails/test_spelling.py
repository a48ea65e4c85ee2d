"""What is hashed has one spelling, however it was made: whole, or of parts that were spelled before."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from knowledge.domain.action import SetBudget
from knowledge.domain.chain import Spelled, canonical
from knowledge.domain.facts import BudgetFacts, Exposure, Facts
from knowledge.domain.message import Message
from knowledge.domain.money import Money
from knowledge.domain.verdict import Finding, Verdict
from tests.guardrails.law_support import policy

AT = datetime(2026, 11, 23, 14, 20, tzinfo=UTC)
MONEY = st.builds(Money, minor=st.integers(-(10**20), 10**20), currency=st.sampled_from(["BRL", "JPY"]))
TEXT = st.text(st.characters(exclude_categories=["Cs"]))
PLAIN = st.none() | st.booleans() | st.integers() | st.decimals() | TEXT | MONEY | st.just(AT) | st.floats(allow_nan=False)
VALUE = st.recursive(PLAIN, lambda inner: st.lists(inner) | st.tuples(inner) | st.dictionaries(TEXT, inner), max_leaves=4)
VALUES = st.dictionaries(TEXT, VALUE, max_size=5)


@given(VALUES, VALUES, TEXT.filter(bool), TEXT)
def test_a_verdict_is_spelled_as_its_model_is(params: dict[str, Any], numbers: dict[str, Any], rule: str, version: str) -> None:
    found = Finding(rule=rule, answer="ask", message=Message(id=f"guard.{rule}", params=params), numbers=numbers)
    verdict = Verdict.of([found, found], version)
    assert verdict.text == canonical(verdict.model_dump(mode="json"))
    assert canonical({"z": 1, "findings": verdict.told}) == canonical(
        {"z": 1, "findings": verdict.model_dump(mode="json")["findings"]}
    )


EXPOSURE = st.builds(
    Exposure, campaign_id=TEXT, platform=st.just("meta"), delivering=st.booleans(), daily_budget=MONEY, highest_today=MONEY,
    spent_today=MONEY, spent_week=st.none() | MONEY, start_of_day=st.none() | MONEY, touched_today=st.booleans(),
)  # fmt: skip


@given(st.lists(EXPOSURE, max_size=3))
def test_facts_are_spelled_as_their_model_is(exposures: list[Exposure]) -> None:
    budget = BudgetFacts(
        exposures=tuple(exposures), reservations=(), spent_week_before_today=Money.zero("BRL"), days_left_after_today=3,
        adjustments_today=0, spent_week_by_platform={"meta": Money.zero("BRL")},
    )  # fmt: skip
    for facts in (Facts(now=AT, proposer="user:ana", confidence=Decimal("0.90"), budget=budget), Facts(now=AT, proposer="agent:x")):
        assert facts.text == canonical(facts.model_dump(mode="json"))


def test_a_copy_does_not_say_the_words_of_its_original() -> None:
    verdict = Verdict(answer="allow", findings=(), policy_version="one")
    assert '"one"' in verdict.text
    assert '"two"' in verdict.model_copy(update={"policy_version": "two"}).text
    law = policy()
    assert law.model_copy(update={"time_zone": "UTC"}).version != law.version
    assert law.model_copy().version == law.version


def test_a_spelled_value_that_is_hidden_deeper_is_no_silent_text() -> None:
    with pytest.raises(TypeError, match="Spelled"):
        canonical({"outer": {"inner": Spelled("1")}})


@given(TEXT.filter(bool), MONEY)
def test_an_action_is_spelled_as_its_arguments_are_and_a_copy_as_its_own(name: str, budget: Money) -> None:
    action = SetBudget(platform="meta", campaign_id=name[:128], daily_budget=budget)
    assert action.spelled == canonical(action.args())
    changed = action.model_copy(update={"daily_budget": Money(minor=budget.minor + 1, currency=budget.currency)})
    assert changed.spelled == canonical(changed.args()) != action.spelled
    assert changed.fingerprint() != action.fingerprint()
