"""Property: whatever is granted, only what asks by the autonomy level or the approval line may become allow; all else stays."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from knowledge.domain.action import PauseCampaign, PublishCampaign, ResumeCampaign, SetBudget
from knowledge.domain.facts import Facts, KillSwitch
from knowledge.domain.grant import GrantFact, grant_of
from knowledge.domain.verdict import Finding
from tests.guardrails.law_support import NOW, books, brl, campaign, exposure, policy
from tools.guardrails import autonomy, judge

LIFTABLE = {"autonomy", "approval_above"}
amounts = st.integers(min_value=100, max_value=40_000).map(lambda minor: brl(f"{minor / 100:.2f}"))


@st.composite
def worlds(draw: st.DrawFn) -> tuple[Any, Facts, Any]:
    """An action of anybody, on a campaign in some state, under some policy, with grants of every kind."""
    current, kind = draw(amounts), draw(st.sampled_from(["set", "pause", "resume"]))
    action: Any = {
        "set": SetBudget(platform="meta", campaign_id="c1", daily_budget=draw(amounts)),
        "pause": PauseCampaign(platform="meta", campaign_id="c1", emergency=draw(st.booleans())),
        "resume": ResumeCampaign(platform="meta", campaign_id="c1"),
    }[kind]
    level = draw(st.sampled_from([1, 2, 3]))
    law = policy(
        autonomy={"level": level, "shadow": draw(st.booleans())} | ({"by_action": {action.kind: draw(st.sampled_from([1, 2, 3]))}} if draw(st.booleans()) else {}),
        quality={"min_impressions": 0} if draw(st.booleans()) else {},
    )  # fmt: skip
    grants = tuple(
        GrantFact(
            id=f"g{n}",
            action_kind=draw(st.sampled_from([action.kind, "campaign.pause", "campaign.set_budget"])),
            max_amount=draw(amounts),
            max_change=draw(st.none() | st.decimals(min_value="0.01", max_value="5", places=2)),
            left=draw(st.integers(min_value=0, max_value=3)),
            expires_at=NOW + timedelta(minutes=draw(st.integers(min_value=-2, max_value=2))),
            rejections_in_row=draw(st.integers(min_value=0, max_value=3)),
        )
        for n in range(draw(st.integers(min_value=0, max_value=3)))
    )
    kills = (KillSwitch(id="k", scope="all", target=None, reason="x", set_by="user:a", set_at=NOW),) if draw(st.booleans()) else ()
    facts = Facts(
        now=NOW,
        proposer=draw(st.sampled_from(["agent:media_buyer", "schedule:decide", "user:ana@x.br", "system:watchdog"])),
        confidence=draw(st.none() | st.decimals(min_value="0", max_value="1", places=2)),
        kills=kills,
        campaign=campaign(str(current.amount), str(draw(amounts).amount)),
        budget=books(exposure("c1", str(current.amount)), exposure("c2", str(draw(amounts).amount))),
        grants=grants,
    )
    return action, facts, law


def answers(findings: tuple[Finding, ...]) -> list[tuple[str, str]]:
    return [(f.rule, f.answer) for f in findings]


@settings(max_examples=400, deadline=None)
@given(worlds())
def test_a_grant_changes_only_a_question_of_level_or_line_into_allow(world: tuple[Any, Facts, Any]) -> None:
    action, facts, law = world
    with_grants = judge(action, facts, law)
    without = judge(action, facts.model_copy(update={"grants": ()}), law)
    assert len(with_grants.findings) == len(without.findings)
    for new, old in zip(with_grants.findings, without.findings, strict=True):
        if new == old:
            continue
        assert new.rule == old.rule and new.rule in LIFTABLE
        assert (old.answer, new.answer) == ("ask", "allow")
        grant = next(g for g in facts.grants if g.id == new.numbers["grant"])
        assert grant.action_kind == action.kind and grant.left > 0 and facts.now < grant.expires_at
        assert not facts.proposer.startswith("user:") and not law.autonomy.shadow
        assert facts.campaign is not None and facts.campaign.daily_budget <= grant.max_amount
        if isinstance(action, SetBudget):
            assert action.daily_budget <= grant.max_amount
            change = abs(action.daily_budget.amount / facts.campaign.daily_budget.amount - 1)
            assert grant.max_change is None or change <= grant.max_change
            assert new.rule != "approval_above" or grant.max_change is not None
    if without.answer == "refuse":
        assert with_grants.answer == "refuse"
    if grant_of(with_grants) is not None:
        assert without.answer == "ask"
    if without.answer == "allow":
        assert grant_of(with_grants) is None, "nobody spends a grant on what needs none"


def test_publication_is_never_covered() -> None:
    from tests.gate.house import publication

    action: PublishCampaign = publication()
    grant = GrantFact(
        id="g",
        action_kind="campaign.publish",
        max_amount=brl("1000"),
        max_change=Decimal(5),
        left=9,
        expires_at=NOW + timedelta(days=1),
    )
    facts = Facts(now=NOW, proposer="agent:media_buyer", grants=(grant,), budget=books())
    assert autonomy.granted(action, facts, policy()) is None
