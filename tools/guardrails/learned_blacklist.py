"""What failed before, or was banned by a person, is not advertised again: products, creatives, words and brands of the blacklist."""

from __future__ import annotations

from knowledge.domain.action import PublishCampaign
from knowledge.domain.facts import Facts, Listed
from knowledge.domain.message import Message
from knowledge.domain.policy import Policy
from knowledge.domain.verdict import Finding
from tools.guardrails.rule import Rule, finding
from tools.guardrails.words import everything, has_word

LABELS: dict[str, dict[str, str]] = {
    "product": {"pt-BR": "produto", "en": "product"},
    "creative": {"pt-BR": "criativo", "en": "creative"},
    "term": {"pt-BR": "palavra", "en": "word"},
    "brand": {"pt-BR": "marca", "en": "brand"},
}


def concerns(entry: Listed, action: PublishCampaign) -> bool:
    """Whether an entry forbids this publication; words and brands count only when they stand on their own."""
    match entry.kind:
        case "product":
            return entry.value.casefold() == action.product_id.casefold()
        case "creative":
            return any(entry.value.casefold() == creative.id.casefold() for creative in action.creatives)
        case _:
            return has_word(everything(action), entry.value)


def _judge(action: PublishCampaign, facts: Facts, policy: Policy) -> Finding:
    hit = next((entry for entry in facts.blacklist if concerns(entry, action)), None)
    if hit is None:
        return finding("learned_blacklist", "allow", entries=len(facts.blacklist))
    by = hit.added_by.removeprefix("user:")
    return finding("learned_blacklist", "refuse", entry=LABELS[hit.kind], value=hit.value, reason=hit.reason, by=by)


RULE = Rule("learned_blacklist", (PublishCampaign,), _judge, lambda policy: Message(id="rule.learned_blacklist"))
