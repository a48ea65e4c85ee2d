"""Nothing is decided on a fact that could not be read.

One exception: an emergency pause of a campaign that our own ledger knows. It can only lower what is spent, and the moment in which a
platform cannot be read, or another campaign's figures are missing, is the one in which it may be needed most.
"""

from __future__ import annotations

from knowledge.domain.action import CAMPAIGN, CONVERSATION, Action, PublishCampaign
from knowledge.domain.facts import Facts
from knowledge.domain.message import Message
from knowledge.domain.policy import Policy
from knowledge.domain.verdict import Finding
from tools.guardrails.rule import Rule, emergency, finding


def _judge(action: Action, facts: Facts, policy: Policy) -> Finding:
    missing = list(facts.unreadable)
    if isinstance(action, CAMPAIGN):
        if facts.budget is None:
            missing.append("budget_ledger")
        if facts.campaign is None and not isinstance(action, PublishCampaign):
            missing.append("campaign")
        elif facts.campaign is not None and (facts.campaign.platform, facts.campaign.campaign_id) != (
            action.platform,
            action.campaign_id,
        ):
            # The action names another platform than the ledger: its multiplier would be the wrong one.
            missing.append("campaign.platform")
    elif isinstance(action, CONVERSATION) and facts.conversation is None:
        missing.append("conversation")
    known = facts.campaign is not None and "campaign.platform" not in missing
    if missing and not (emergency(action, facts) and known):
        return finding("facts_readable", "refuse", facts=", ".join(sorted(set(missing))))
    return finding("facts_readable", "allow")


RULE = Rule("facts_readable", (object,), _judge, lambda policy: Message(id="rule.facts_readable"))
