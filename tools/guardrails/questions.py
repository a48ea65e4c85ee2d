"""Not too many questions in one message."""

from __future__ import annotations

from knowledge.domain.action import SendMessage
from knowledge.domain.facts import Facts
from knowledge.domain.message import Message
from knowledge.domain.policy import Policy
from knowledge.domain.verdict import Finding
from tools.guardrails.rule import TALK, Rule, finding


def _judge(action: SendMessage, facts: Facts, policy: Policy) -> Finding:
    limit = policy.guardrails.conversation.max_questions
    asked = action.text.count("?")
    answer = "allow" if action.author == "human" or asked <= limit else "refuse"
    return finding("questions", answer, asked=asked, limit=limit)


RULE = Rule(
    "questions",
    (SendMessage,),
    _judge,
    lambda policy: Message(id="rule.questions", params={"limit": policy.guardrails.conversation.max_questions}),
    (TALK + "max_questions",),
)
