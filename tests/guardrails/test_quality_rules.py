"""How much must be known before a machine acts, what it remembers of a no, and what is taken back."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
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
    finding_of,
    pause,
    policy,
    publish,
    resume,
    says,
    set_budget,
)

from knowledge.domain.facts import LastRaise, Rejection
from tools.guardrails import judge, rollback


@pytest.mark.parametrize(("seen", "answer"), [(1000, "allow"), (999, "refuse"), (0, "refuse")])
def test_min_data(seen: int, answer: str) -> None:
    now = campaign(impressions_7d=seen)
    for action in (pause(), set_budget("55"), set_budget("45")):
        assert says("min_data", action, facts(AGENT, campaign=now)) == answer
        assert says("min_data", action, facts(USER, campaign=now)) == "allow"
    assert says("min_data", pause(emergency=True), facts(CLOCK, campaign=now)) == "allow"
    assert says("min_data", pause(emergency=True), facts(AGENT, campaign=now)) == answer, "an agent's word is no emergency"


@pytest.mark.parametrize(("hours", "answer"), [(24, "allow"), (23.99, "refuse")])
def test_test_period(hours: float, answer: str) -> None:
    young = campaign(launched_at=NOW - timedelta(hours=hours))
    assert says("test_period", set_budget("55"), facts(AGENT, campaign=young)) == answer
    assert says("test_period", set_budget("45"), facts(AGENT, campaign=young)) == answer
    assert says("test_period", set_budget("55"), facts(USER, campaign=young)) == "allow"
    longer = policy(quality={"test_hours": 48})
    assert says("test_period", set_budget("55"), facts(AGENT, campaign=young), longer) == "refuse"


def test_test_period_unknown_asks() -> None:
    assert says("test_period", set_budget("55"), facts(AGENT, campaign=campaign(launched_at=None))) == "ask"


# -- a manager's no -------------------------------------------------------------------------------------------------------


def no(kind: str = "campaign.set_budget", direction: Any = "up", hours: float = 1, reason: str | None = "é cedo") -> Rejection:
    return Rejection(
        action_id="a1", kind=kind, direction=direction, by="user:ana@x.br", reason=reason, at=NOW - timedelta(hours=hours)
    )  # fmt: skip


@pytest.mark.parametrize(("hours", "answer"), [(71.99, "refuse"), (72, "allow")])
def test_recent_no(hours: float, answer: str) -> None:
    told = {"rejections": (no(hours=hours),)}
    assert says("recent_no", set_budget("55"), facts(AGENT, **told)) == answer
    assert says("recent_no", set_budget("55"), facts(USER, **told)) == "allow", "a person may change their mind"


def test_a_no_binds_its_own_kind_and_direction_only() -> None:
    up = {"rejections": (no(),)}
    assert says("recent_no", set_budget("45"), facts(AGENT, **up)) == "allow"
    assert says("recent_no", pause(), facts(AGENT, **up)) == "allow"
    assert says("recent_no", resume(), facts(AGENT, **up)) == "allow"
    stop = {"rejections": (no("campaign.pause", None),)}
    assert says("recent_no", pause(), facts(AGENT, **stop)) == "refuse"
    assert says("recent_no", pause(emergency=True), facts(CLOCK, **stop)) == "allow"
    new = {"campaign": None, "rejections": (no("campaign.publish", None),)}
    assert says("recent_no", publish(), facts(AGENT, **new)) == "refuse"


def test_the_managers_own_reason_is_quoted() -> None:
    finding = finding_of(
        judge(set_budget("55"), facts(AGENT, rejections=(no(reason="o estoque acaba sexta"),)), policy()), "recent_no"
    )
    assert finding.message.params["reason"] == "o estoque acaba sexta"
    assert finding.message.params["by"] == "ana@x.br"
    assert (finding.numbers["hours"], finding.numbers["limit"]) == (1, 72)


# -- rollback -------------------------------------------------------------------------------------------------------------


def raised(before: str, since: str, impressions: int = 5000, frm: str = "40", to: str = "50") -> LastRaise:
    """ROAS before and since the raise, on a spend of 100 each."""
    return LastRaise(
        at=NOW - timedelta(days=3), from_budget=brl(frm), to_budget=brl(to), spend_before=brl(100), revenue_before=brl(before),
        spend_since=brl(100), revenue_since=brl(since), impressions_since=impressions,
    )  # fmt: skip


@pytest.mark.parametrize(("since", "machine", "person"), [("240", "allow", "allow"), ("239.99", "refuse", "ask")])
def test_rollback(since: str, machine: str, person: str) -> None:
    """From 3.0 a fall to 2.4 is exactly 20 %."""
    now = campaign(last_raise=raised("300", since))
    assert says("rollback", set_budget("55"), facts(AGENT, campaign=now)) == machine
    assert says("rollback", set_budget("55"), facts(USER, campaign=now)) == person
    assert says("rollback", set_budget("45"), facts(AGENT, campaign=now)) == "allow"


@pytest.mark.parametrize(
    ("last", "budget", "expected"),
    [
        (raised("300", "239"), "50", brl(40)),
        (raised("300", "240"), "50", None),  # exactly the limit
        (raised("300", "100", impressions=999), "50", None),  # too little seen
        (raised("300", "100"), "40", None),  # taken back already
        (raised("300", "100"), "45", brl(40)),  # half taken back
        (raised("0", "0"), "50", None),  # nothing to fall from
        (None, "50", None),
    ],
)
def test_what_is_due(last: LastRaise | None, budget: str, expected: Any) -> None:
    found = rollback.due(campaign(budget, last_raise=last), policy())
    assert (found.to if found else None) == expected


def test_undefined_roas_is_no_fall() -> None:
    """Without spend on either side ROAS is undefined, which is not zero."""
    silent = raised("300", "0").model_copy(update={"spend_since": brl(0)})
    assert rollback.due(campaign(last_raise=silent), policy()) is None


def test_the_way_back_is_open_to_the_house_without_asking() -> None:
    """A third off, without a probability, on few impressions of the week: it only takes back what failed, so it is done at once."""
    fallen = campaign("60", baseline="60", last_raise=raised("300", "100", frm="40", to="60"))
    now = facts("system:watchdog", confidence=None, campaign=fallen, budget=books(exposure("c1", "60")))
    assert judge(set_budget("40"), now, policy()).answer == "allow"
    assert judge(set_budget("39.99"), now, policy()).answer == "ask", "further down is a decision of its own"


@given(st.integers(0, 100_000), st.integers(0, 100_000), st.integers(1, 50_000), st.integers(1, 50_000))
def test_due_is_exactly_a_fall_beyond_the_limit(before: int, since: int, spend_before: int, spend_since: int) -> None:
    last = raised("1", "1").model_copy(
        update={
            "revenue_before": brl(0).model_copy(update={"minor": before}),
            "revenue_since": brl(0).model_copy(update={"minor": since}),
            "spend_before": brl(0).model_copy(update={"minor": spend_before}),
            "spend_since": brl(0).model_copy(update={"minor": spend_since}),
        }
    )
    found = rollback.due(campaign(last_raise=last), policy())
    # since/spend_since < 0.8 before/spend_before, in whole numbers
    assert (found is not None) == (before > 0 and 5 * since * spend_before < 4 * before * spend_since)
    if found is not None:
        assert found.drop > Decimal("0.2")
