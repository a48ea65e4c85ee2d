"""Winners are left alone: a campaign that earns more than the limit is neither cut nor paused."""

from __future__ import annotations

from knowledge.domain.action import PauseCampaign, SetBudget
from knowledge.domain.facts import Facts
from knowledge.domain.message import Message
from knowledge.domain.policy import Policy
from knowledge.domain.verdict import Finding
from tools.guardrails.rule import FINANCIAL, Rule, by_person, emergency, finding


def _judge(action: PauseCampaign | SetBudget, facts: Facts, policy: Policy) -> Finding:
    limit = policy.guardrails.financial.no_touch_roas_above
    campaign = facts.campaign
    roas = campaign.roas_7d if campaign else None
    if roas is None or roas <= limit or campaign is None:
        return finding("no_touch", "allow", roas=roas, limit=limit)
    if emergency(action, facts):
        return finding("no_touch", "allow", roas=roas, limit=limit)
    if isinstance(action, SetBudget) and action.daily_budget >= campaign.daily_budget:
        return finding("no_touch", "allow", roas=roas, limit=limit)
    # A person may insist: they are asked to confirm with the number before them. A machine may not.
    return finding("no_touch", "ask" if by_person(facts) else "refuse", roas=roas, limit=limit)


RULE = Rule(
    "no_touch",
    (PauseCampaign, SetBudget),
    _judge,
    lambda policy: Message(id="rule.no_touch", params={"roas": policy.guardrails.financial.no_touch_roas_above}),
    (FINANCIAL + "no_touch_roas_above",),
    pace=True,
)
