"""One owner per conversation: after a person wrote, no bot message leaves."""

from __future__ import annotations

from knowledge.domain.action import MarkRead, SendMessage
from knowledge.domain.facts import Facts
from knowledge.domain.message import Message
from knowledge.domain.policy import Policy
from knowledge.domain.verdict import Finding
from tools.guardrails.rule import Rule, finding


def _judge(action: SendMessage | MarkRead, facts: Facts, policy: Policy) -> Finding:
    now = facts.conversation
    if now is None:
        return finding("takeover", "refuse", owner=None, epoch=None, written_under=None)
    if isinstance(action, MarkRead) or action.author == "human":
        return finding("takeover", "allow", owner=now.owner, epoch=now.epoch, written_under=None)
    owned = now.owner == "bot" and now.epoch == action.epoch
    return finding("takeover", "allow" if owned else "refuse", owner=now.owner, epoch=now.epoch, written_under=action.epoch)


RULE = Rule("takeover", (SendMessage, MarkRead), _judge, lambda policy: Message(id="rule.takeover"))
