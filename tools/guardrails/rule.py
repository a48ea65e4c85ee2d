"""The form of a rule: pure, one subject, and able to say itself in a sentence."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from functools import lru_cache
from typing import Any

from knowledge.domain.action import Action, PauseCampaign, SetBudget
from knowledge.domain.facts import Facts
from knowledge.domain.message import Message
from knowledge.domain.money import Money
from knowledge.domain.policy import Policy
from knowledge.domain.verdict import Answer, Finding

FINANCIAL, QUALITY, COMPLIANCE = "guardrails.financial.", "guardrails.quality.", "guardrails.compliance."
TALK = "guardrails.conversation."
ANSWERS: dict[str, dict[str, str]] = {
    "ask": {"pt-BR": "um gestor decide", "en": "a manager decides"},
    "refuse": {"pt-BR": "é recusado", "en": "it is refused"},
}
"""How a dial that chooses between asking and refusing reads in a rule's sentence."""


@dataclass(frozen=True, eq=False)
class Rule:
    """A rule of the law.

    `applies` names the action types it looks at; `judge` returns a Finding (also an allowing one, so that the record shows what was
    looked at); `sentence` is the rule in words with the policy's numbers (for prompts, `ceo config check` and the cockpit).
    """

    id: str
    applies: tuple[type, ...]
    judge: Callable[[Any, Facts, Policy], Finding]
    sentence: Callable[[Policy], Message]
    dials: tuple[str, ...] = ()
    """The settings of agentos.yaml that move it, the first one first. Empty: it keeps the books right or people's
    word, and nobody may move that."""
    pace: bool = False
    """Limits how fast and on what evidence things move on. An undo moves back to where they were, so it is not held by these."""

    def concerns(self, action: Action) -> bool:
        return isinstance(action, self.applies)


def finding(rule: str, answer: Answer, /, **params: Any) -> Finding:
    """A finding whose sentence is `guard.<rule>.<answer>` with the parameters, which are also its numbers (words aside)."""
    try:
        key = tuple([(name, _exactly(value)) for name, value in params.items()])
    except TypeError:
        return _made(rule, answer, params)
    known = _KNOWN.get((rule, answer, key))
    if known is None:
        if len(_KNOWN) >= _MANY:
            _KNOWN.clear()
        known = _KNOWN[rule, answer, key] = _made(rule, answer, params)
    return known


def _made(rule: str, answer: Answer, params: dict[str, Any]) -> Finding:
    numbers = {name: value for name, value in params.items() if not isinstance(value, dict)}
    return Finding(rule=rule, answer=answer, message=Message(id=f"guard.{rule}.{answer}", params=params), numbers=numbers)


_KNOWN: dict[tuple[object, ...], Finding] = {}
"""Findings that were made before: of some thirty in a pass, most say what they said in the last one. They never change."""
_MANY = 4096


def _exactly(value: object) -> object:
    """A value as a key that only values of the same spelling share. Raises TypeError for what is not a plain one."""
    kind = type(value)
    if kind is Money:
        return value.minor, value.currency  # type: ignore[attr-defined]
    if value is None or kind is str or kind is int or kind is bool:
        return kind, value
    if kind is Decimal:
        return kind, str(value)  # 1.0 and 1.00 are equal, but they are not spelled alike
    raise TypeError(kind.__name__)


def unread(made: Finding, minor: int, policy: Policy) -> Finding:
    """The finding; where a part of its figure is the worst case of days that nobody has read, that part is said beside it."""
    if minor == 0:
        return made
    part, wording = {"assumed": amount(minor, policy)}, "" if made.answer == "allow" else ".unread"
    message = Message(id=made.message.id + wording, params=dict(made.message.params) | part)
    return made.model_copy(update={"message": message, "numbers": dict(made.numbers) | part})


def emergency(action: Action, facts: Facts) -> bool:
    """Whether a pause may pass the rules that protect a running campaign. An agent's own word for it does not count."""
    return isinstance(action, PauseCampaign) and action.emergency and not facts.proposer.startswith("agent:")


def restoring(facts: Facts) -> bool:
    """Whether the action restores exactly what the ledger says was before. An agent's undo is judged like any other change."""
    return facts.restores is not None and not facts.proposer.startswith("agent:")


def lowers(action: Action, facts: Facts) -> bool:
    """Whether the action only takes money away: a cap that is broken already must not stand in the way of that.

    Switching on, or raising, is no such thing even when the day's worst case already counts the amount.
    """
    return isinstance(action, SetBudget) and facts.campaign is not None and action.daily_budget < facts.campaign.daily_budget


def by_person(facts: Facts) -> bool:
    """Whether a signed-in person who may decide asked. What an agent says a person said is the agent's."""
    return facts.proposer.startswith("user:") and not facts.viewer


def amount(minor: int | None, policy: Policy) -> Money | None:
    """Minor units of the policy's currency as an amount; None stays unknown."""
    return None if minor is None else _amount(minor, policy.currency)


@lru_cache(maxsize=4096)
def _amount(minor: int, currency: str) -> Money:
    """Amounts are frozen, and a dozen rules say the same ones."""
    return Money(minor=minor, currency=currency)


def hours_since(moment: datetime | None, now: datetime) -> int | None:
    """Whole hours passed; None when the moment is not known."""
    return None if moment is None else int((now - moment).total_seconds() // 3600)
