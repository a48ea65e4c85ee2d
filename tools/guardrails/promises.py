"""The bot promises no price, discount, deadline or availability, in digits or in words (pt-BR and en)."""

from __future__ import annotations

import re

from knowledge.domain.action import SendMessage
from knowledge.domain.facts import Facts
from knowledge.domain.message import Message
from knowledge.domain.policy import Policy
from knowledge.domain.verdict import Finding
from tools.guardrails.rule import Rule, finding

_NUMBER_WORD = (
    r"(?:um|uma|dois|duas|tr[eê]s|quatro|cinco|seis|sete|oito|nove|dez|onze|doze|quinze|vinte|trinta|quarenta|cinquenta|"
    r"sessenta|setenta|oitenta|noventa|cem|cento|duzent[oa]s|trezent[oa]s|quinhent[oa]s|mil|milh[aã]o|milh[oõ]es|"
    r"one|two|three|four|five|six|seven|eight|nine|ten|twenty|thirty|fifty|hundred|thousand)"
)
_AMOUNT = rf"(?:\d[\d.,]*|{_NUMBER_WORD}(?:\s+e?\s*{_NUMBER_WORD})*)"

PATTERNS: dict[str, re.Pattern[str]] = {
    "price": re.compile(
        rf"(?:r\$|us\$|\$|€)\s*\d|\b{_AMOUNT}\s*(?:reais|real\b|conto|pila|mangos|d[oó]lares|dollars|brl|usd)\b|"
        rf"\b(?:custa|sai por|fica por|fica em|pre[cç]o (?:é|e|de)|valor (?:é|e|de)|por apenas|costs?)\s+(?:de\s+)?{_AMOUNT}",
        re.I,
    ),
    "discount": re.compile(
        rf"\b{_AMOUNT}\s*(?:%|por cento|percent)|\b(?:posso|podemos|consigo|conseguimos|vou|vamos|damos|dou|fa[cç]o|fazemos|tem|"
        r"garanto|garantimos)\b[^.?!\n]{0,40}\b(?:desconto|abatimento|brinde|gr[aá]tis|de gra[cç]a)\b|\bfrete gr[aá]tis\b",
        re.I,
    ),
    "deadline": re.compile(
        rf"\b(?:entreg\w*|cheg\w*|envi\w*|despach\w*|prazo|instal\w*|deliver\w*|ship\w*)\b[^.?!\n]{{0,40}}\b{_AMOUNT}\s*"
        r"(?:dias?|horas?|semanas?|m[eê]s(?:es)?|days?|hours?|weeks?)\b|"
        r"\b(?:entreg\w*|cheg\w*|envi\w*|despach\w*)\b[^.?!\n]{0,25}\b(?:amanh[aã]|hoje|segunda|ter[cç]a|quarta|quinta|sexta|s[aá]bado)\b",
        re.I,
    ),
    "availability": re.compile(
        r"\b(?:temos|tem|h[aá]|est[aá])\b[^.?!\n]{0,30}\b(?:em estoque|pronta[- ]entrega|dispon[ií]ve(?:l|is) (?:agora|hoje|j[aá]|"
        r"imediat\w+))|\bpronta[- ]entrega\b|\bin stock\b",
        re.I,
    ),
}
_INTERROGATIVE = re.compile(r"\?\s*$")


def promised(text: str) -> list[tuple[str, str]]:
    """(kind, the words) of every promise in the text. A sentence that asks ("para quando você precisa?") promises nothing but money."""
    found: list[tuple[str, str]] = []
    for sentence in re.findall(r"[^.?!\n]*(?:[.](?=\d)[^.?!\n]*)*[.?!]?", text):
        for kind, pattern in PATTERNS.items():
            hit = pattern.search(sentence)
            if hit and not (kind in ("deadline", "availability") and _INTERROGATIVE.search(sentence)):
                found.append((kind, hit.group(0).strip()))
    return found


def _judge(action: SendMessage, facts: Facts, policy: Policy) -> Finding:
    if action.author == "human":
        return finding("promises", "allow", kind=None, words=None)
    hits = promised(action.text)
    if hits:
        return finding("promises", "refuse", kind=hits[0][0], words=hits[0][1])
    return finding("promises", "allow", kind=None, words=None)


RULE = Rule("promises", (SendMessage,), _judge, lambda policy: Message(id="rule.promises"))
