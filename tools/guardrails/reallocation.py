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
from tools.guardrails.rule import FINANCIAL, Rule, amount, by_person, finding


def moved(facts: BudgetFacts, campaign_id: str, budget: int) -> tuple[int, int, int]:
    """(moved since the day began, the same with the campaign at this budget, total budget in force when it began), minor units."""
    held = {r.campaign_id: r.daily_budget.minor for r in facts.reservations}
    raised = cut = total = own = 0
    start: int | None = None
    for exposure in facts.exposures:
        figures = exposure.minor
        began, after = figures.began, figures.running
        if held:
            after = held.pop(exposure.campaign_id, after)
        if began is None:
            continue
        total += began
        if exposure.campaign_id == campaign_id:
            start, own = began, after
        elif after > began:
            raised += after - began
        else:
            cut += began - after
    for name, after in held.items():  # publications on their way
        if name == campaign_id:
            start, own = 0, after
        else:
            raised += after
    if start is None:
        return min(raised, cut), min(raised, cut), total
    return _of_both(raised, cut, own - start), _of_both(raised, cut, budget - start), total


def _of_both(raised: int, cut: int, own: int) -> int:
    """The smaller of all raises and all cuts, the campaign's own change among them."""
    return min(raised + max(own, 0), cut + max(-own, 0))


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
    (FINANCIAL + "max_reallocation",),
    pace=True,
)
