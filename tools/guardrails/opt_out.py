"""Who asked us to stop hears nothing more from the bot, but the one confirmation."""

from __future__ import annotations

from knowledge.domain.action import SendMessage
from knowledge.domain.facts import Facts
from knowledge.domain.message import Message
from knowledge.domain.policy import Policy
from knowledge.domain.verdict import Finding
from tools.guardrails.rule import Rule, finding


def _judge(action: SendMessage, facts: Facts, policy: Policy) -> Finding:
    out = facts.conversation is None or facts.conversation.opted_out
    silent = out and action.author == "bot" and not action.closing
    return finding("opt_out", "refuse" if silent else "allow", opted_out=out)


RULE = Rule("opt_out", (SendMessage,), _judge, lambda policy: Message(id="rule.opt_out"))
