"""How much of the budgets in force this morning may move from some campaigns to others within one account-local day.

Moved is what was taken and given: the smaller of all cuts and all raises since the day began, pauses and resumptions included. What
only grows is bounded by the caps; what only shrinks is always welcome.
"""

from __future__ import annotations

from knowledge.domain.action import ResumeCampaign, SetBudget
from knowledge.domain.facts import BudgetFacts, Facts
from knowledge.domain.message import Message
from knowledge.domain.policy import Policy
from knowledge.domain.verdict import Finding
from tools.guardrails.rule import Rule, amount, by_person, finding


def moved(facts: BudgetFacts, campaign_id: str, budget: int) -> tuple[int, int, int]:
    """(moved since the day began, the same with the campaign at this budget, total budget in force when it began), minor units."""
    figures = [(e.campaign_id, e.minor) for e in facts.exposures]
    after = {name: minor.running for name, minor in figures}
    before = {name: minor.began for name, minor in figures if minor.began is not None}
    for held in facts.reservations:
        if held.campaign_id not in after:  # a publication on its way
            before[held.campaign_id] = 0
        after[held.campaign_id] = held.daily_budget.minor
    now = _of_both(after, before)
    after[campaign_id] = budget
    return now, _of_both(after, before), sum(before.values())


def _of_both(after: dict[str, int], before: dict[str, int]) -> int:
    """The smaller of all cuts and all raises."""
    raised = cut = 0
    for name, start in before.items():
        difference = after[name] - start
        if difference > 0:
            raised += difference
        else:
            cut -= difference
    return min(raised, cut)


def _judge(action: SetBudget | ResumeCampaign, facts: Facts, policy: Policy) -> Finding:
    share = policy.guardrails.financial.max_reallocation
    campaign, books = facts.campaign, facts.budget
    own = next((e for e in books.exposures if e.campaign_id == action.campaign_id), None) if books else None
    if campaign is None or books is None or own is None or own.start_of_day is None:
        return finding("reallocation", "ask", moved=None, limit=None, total=None, share=share)
    target = action.daily_budget if isinstance(action, SetBudget) else campaign.daily_budget
    raises = isinstance(action, ResumeCampaign) or target > campaign.daily_budget
    before, after, total = moved(books, action.campaign_id, target.minor)
    limit = int(total * share)
    answer = "allow" if after <= limit or after <= before else "ask" if by_person(facts) or not raises else "refuse"
    return finding(
        "reallocation", answer, moved=amount(after, policy), limit=amount(limit, policy), total=amount(total, policy), share=share
    )  # fmt: skip


RULE = Rule(
    "reallocation",
    (SetBudget, ResumeCampaign),
    _judge,
    lambda policy: Message(id="rule.reallocation", params={"share": policy.guardrails.financial.max_reallocation}),
    pace=True,
)
