"""The kill switch: a covered write does not leave.

One write still does: a person's own pause of a campaign, and the house's emergency pause (the watchdog's). Whoever pulls the switch
wants the losses to end: what already runs at the platforms goes on spending without us, and a switch that also held the brake would
keep it spending. Such a pause adds nothing to what may be spent, is in the record, and can be undone once the switch is lifted. What
an agent or a schedule wants to pause in the ordinary course is covered like everything else.
"""

from __future__ import annotations

from knowledge.domain.action import Action, PauseCampaign
from knowledge.domain.facts import Facts, KillSwitch
from knowledge.domain.message import Message
from knowledge.domain.policy import Policy
from knowledge.domain.verdict import Finding
from tools.guardrails.rule import Rule, finding


def scopes(action: Action, proposer: str) -> frozenset[tuple[str, str]]:
    """Every (scope, target) under which a kill switch would stop this action, besides `all`."""
    found = {("agent", proposer.partition(":")[2] or proposer)}
    for scope, field in (("platform", "platform"), ("campaign", "campaign_id"), ("conversation", "conversation_id")):
        value = getattr(action, field, None)
        if isinstance(value, str):
            found.add((scope, value))
    return frozenset(found)


def covering(action: Action, proposer: str, kills: tuple[KillSwitch, ...]) -> KillSwitch | None:
    """The first active switch that stops the action; None also for the pauses that may always leave."""
    if isinstance(action, PauseCampaign):
        person = proposer.startswith("user:")
        if person or (action.emergency and not proposer.startswith("agent:")):
            return None
    own = scopes(action, proposer)
    return next((k for k in kills if k.scope == "all" or (k.scope, k.target) in own), None)


def _judge(action: Action, facts: Facts, policy: Policy) -> Finding:
    kill = covering(action, facts.proposer, facts.kills)
    if kill is None:
        return finding("kill_switch", "allow")
    return finding("kill_switch", "refuse", scope=kill.scope, target=kill.target or "", reason=kill.reason, set_by=kill.set_by)


RULE = Rule("kill_switch", (object,), _judge, lambda policy: Message(id="rule.kill_switch"))
