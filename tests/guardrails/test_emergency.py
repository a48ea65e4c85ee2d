"""The watchdog's emergency pause passes whatever protects a running campaign; nobody's word but the house's or a person's makes one."""

from __future__ import annotations

from datetime import timedelta

import pytest

from knowledge.domain.facts import KillSwitch
from knowledge.domain.policy import Autonomy
from tests.guardrails.law_support import AGENT, NOW, USER, books, brl, campaign, exposure, facts, pause, policy, resume, says
from tools.guardrails import judge

WATCHDOG = "system:watchdog"


def stops() -> tuple[KillSwitch, ...]:
    return (KillSwitch(id="k", scope="all", target=None, reason="stop", set_by=USER, set_at=NOW),)


@pytest.mark.parametrize("who", [WATCHDOG, USER])
def test_an_emergency_pause_passes_everything_at_once(who: str) -> None:
    """Advisory level, minutes old, without a single impression, a winner, very large, adjustments used up, a stop set, and blind."""
    law = policy(autonomy=Autonomy(level=3).model_dump())
    new = campaign(
        "6000", launched_at=NOW - timedelta(minutes=5), impressions_7d=0, spend_7d=brl(1), revenue_7d=brl(90), read_at=None
    )
    now = facts(
        who,
        campaign=new,
        budget=books(exposure(budget="6000"), adjustments=999),
        kills=stops(),
        unreadable=("meta.list_campaigns",),
    )
    verdict = judge(pause(emergency=True), now, law)
    assert verdict.answer == "allow", verdict.reasons


def test_an_agent_cannot_declare_one() -> None:
    blind = facts(AGENT, unreadable=("meta.list_campaigns",))
    assert judge(pause(emergency=True), blind, policy()).answer == "refuse"


@pytest.mark.parametrize("lost", ["campaign", "other_platform"])
def test_what_our_own_ledger_does_not_know_is_not_paused_blindly(lost: str) -> None:
    about = None if lost == "campaign" else campaign(platform="tiktok")
    assert judge(pause(emergency=True), facts(WATCHDOG, campaign=about), policy()).answer == "refuse"


@pytest.mark.parametrize(("who", "answer"), [(AGENT, "ask"), (WATCHDOG, "ask"), ("schedule:decide", "ask"), (USER, "allow")])
def test_what_was_stopped_in_an_emergency_is_resumed_by_a_person(who: str, answer: str) -> None:
    stopped = campaign(status="paused", delivery="paused", emergency_stop=True)
    assert says("emergency_stop", resume(), facts(who, campaign=stopped)) == answer
    assert says("emergency_stop", resume(), facts(who, campaign=campaign(status="paused"))) == "allow"


@pytest.mark.parametrize(("who", "answer"), [(AGENT, "refuse"), (WATCHDOG, "refuse"), (USER, "allow")])
def test_the_operator_may_let_no_machine_even_ask_for_what_was_stopped_in_an_emergency(who: str, answer: str) -> None:
    strict = policy(emergency_resume="refuse")
    stopped = campaign(status="paused", delivery="paused", emergency_stop=True)
    assert says("emergency_stop", resume(), facts(who, campaign=stopped), strict) == answer
    assert says("emergency_stop", resume(), facts(who, campaign=campaign(status="paused")), strict) == "allow"
