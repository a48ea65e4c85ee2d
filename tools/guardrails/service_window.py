"""Free text leaves only within the service window after the lead's last message."""

from __future__ import annotations

from knowledge.domain.action import SendMessage
from knowledge.domain.facts import Facts
from knowledge.domain.message import Message
from knowledge.domain.policy import Policy
from knowledge.domain.verdict import Finding
from tools.guardrails.rule import TALK, Rule, finding


def _judge(action: SendMessage, facts: Facts, policy: Policy) -> Finding:
    limit = policy.guardrails.conversation.service_window_hours
    last = facts.conversation.last_inbound_at if facts.conversation else None
    if last is None:
        return finding("service_window", "refuse", hours=None, limit=limit)
    hours = int((facts.now - last).total_seconds() // 3600)
    return finding("service_window", "allow" if hours < limit else "refuse", hours=hours, limit=limit)


RULE = Rule(
    "service_window",
    (SendMessage,),
    _judge,
    lambda policy: Message(id="rule.service_window", params={"hours": policy.guardrails.conversation.service_window_hours}),
    (TALK + "service_window_hours",),
)
