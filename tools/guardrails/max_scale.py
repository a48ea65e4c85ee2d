"""A machine scales a campaign to so many times its launch budget; further only with a manager."""

from __future__ import annotations

from knowledge.domain.action import SetBudget
from knowledge.domain.facts import Facts
from knowledge.domain.message import Message
from knowledge.domain.policy import Policy
from knowledge.domain.verdict import Answer, Finding
from tools.guardrails.rule import FINANCIAL, Rule, by_person, finding


def _judge(action: SetBudget, facts: Facts, policy: Policy) -> Finding:
    limit, campaign = policy.guardrails.financial.max_scale, facts.campaign
    launch = campaign.launch_budget if campaign else None
    if by_person(facts) or (campaign is not None and action.daily_budget <= campaign.daily_budget):
        return finding("max_scale", "allow", times=None, limit=limit, launch=launch, proposed=action.daily_budget)
    times = action.daily_budget.ratio_to(launch) if launch is not None else None
    answer: Answer = "allow" if times is not None and times <= limit else "ask"
    return finding("max_scale", answer, times=times, limit=limit, launch=launch, proposed=action.daily_budget)


RULE = Rule(
    "max_scale",
    (SetBudget,),
    _judge,
    lambda policy: Message(id="rule.max_scale", params={"limit": policy.guardrails.financial.max_scale}),
    (FINANCIAL + "max_scale",),
    pace=True,
)
