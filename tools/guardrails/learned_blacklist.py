"""What failed before, or was banned by a person, is not advertised again: products, creatives, words and brands of the blacklist."""

from __future__ import annotations

from knowledge.domain.action import PublishCampaign
from knowledge.domain.facts import Facts, Listed
from knowledge.domain.message import Message
from knowledge.domain.policy import Policy
from knowledge.domain.verdict import Finding
from tools.guardrails.rule import COMPLIANCE, Rule, finding
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
    asked = policy.guardrails.compliance.blacklist_asked
    hits = [entry for entry in facts.blacklist if concerns(entry, action)]
    if not hits:
        return finding("learned_blacklist", "allow", entries=len(facts.blacklist))
    hit = next((entry for entry in hits if entry.kind not in asked), hits[0])  # one that refuses is not hidden by one that asks
    told = {"entry": LABELS[hit.kind], "value": hit.value, "reason": hit.reason, "by": hit.added_by.removeprefix("user:")}
    return finding("learned_blacklist", "ask" if hit.kind in asked else "refuse", **told)


def _sentence(policy: Policy) -> Message:
    asked = tuple(LABELS[kind] for kind in policy.guardrails.compliance.blacklist_asked)
    return Message(id="rule.learned_blacklist", params={"asked": asked or None})


RULE = Rule("learned_blacklist", (PublishCampaign,), _judge, _sentence, (COMPLIANCE + "blacklist_asked",))
