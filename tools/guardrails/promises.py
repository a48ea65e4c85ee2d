"""The bot promises no price, discount, deadline or availability, in digits or in words (pt-BR and en)."""

from __future__ import annotations

import re
from functools import cache

from knowledge.domain.action import SendMessage
from knowledge.domain.facts import Facts
from knowledge.domain.message import Message
from knowledge.domain.policy import Policy
from knowledge.domain.verdict import Finding
from tools.guardrails.rule import Rule, finding

_ONE = r"(?:um|uma|one)"
_NUMBER_WORD = (
    r"(?:um|uma|dois|duas|tr[eê]s|quatro|cinco|seis|sete|oito|nove|dez|onze|doze|treze|quatorze|catorze|quinze|dezesseis|dezessete|"
    r"dezoito|dezenove|vinte|trinta|quarenta|cinquenta|sessenta|setenta|oitenta|noventa|cem|cento|duzent[oa]s|trezent[oa]s|"
    r"quatrocent[oa]s|quinhent[oa]s|seiscent[oa]s|setecent[oa]s|oitocent[oa]s|novecent[oa]s|mil|milh[aã]o|milh[oõ]es|"
    r"one|two|three|four|five|six|seven|eight|nine|ten|eleven|twelve|fifteen|twenty|thirty|forty|fifty|sixty|seventy|eighty|ninety|"
    r"hundred|thousand)"
)
_AMOUNT = rf"(?:\d[\d.,]{{0,20}}|{_NUMBER_WORD}\b(?:[\s-]+e?\s*{_NUMBER_WORD}\b){{0,8}})"
_SUM = rf"(?!{_ONE}\b(?!\s+(?:mil|milh|hundred|thousand))){_AMOUNT}"
"""An amount that is not a lone "um": "o preço é um detalhe" names none."""
_CODE = r"(?:reais|real\b|contos?\b|pilas?\b|mangos|pratas|d[oó]lares|dollars|euros|brl\b|usd\b|r\$)"
_DAY = (
    r"(?:amanh[aã]|hoje|segunda-feira|ter[cç]a-feira|quarta-feira|quinta-feira|sexta-feira|segunda|ter[cç]a|quarta|quinta|sexta|"
    r"s[aá]bado|semana que vem|pr[oó]xima semana|m[eê]s que vem|tomorrow|today|next week)\b"
)
_SPAN = r"(?:dias?|horas?|hs?\b|hrs?\b|semanas?|m[eê]s(?:es)?|days?|hours?|weeks?|months?)"
_MOVE = (
    r"(?:entreg\w*|cheg\w*|envi(?:o|amos|aremos|ado|ada)\b|despach\w*|prazo|instal\w*|fica(?:m|r[aá])? pront\w+|deliver\w*|ship\w*)"
)

PATTERNS: dict[str, str] = {
    "price": (
        rf"(?:r\s?\$|us\$|\$|€|\bbrl|\busd)\s*\d|\b{_AMOUNT}\s*{_CODE}|"
        rf"\b(?:custa(?:m|r[aá])?|sai por|fica por|fica em|pre[cç]o (?:é|e|de)|valor (?:é|e|de)|por apenas|s[oó] por|"
        rf"(?:fa[cç]o|fazemos|fecho|fechamos|vendo|vendemos) por|costs?|priced at)\s+(?:de\s+)?{_SUM}|"
        rf"\b(?:pre[cç]o|valor|price)\s*:\s*{_SUM}|"
        rf"\b{_AMOUNT}\s*(?:x|vezes|parcelas)\s+(?:de\s+\d|sem juros|no cart[aã]o|iguais)|\b{_AMOUNT}\s+[aà] vista\b|\bsem juros\b"
    ),
    "discount": (
        rf"\b(?!100\s*%(?!\s*(?:de\s+)?(?:desconto|off)))(?!cem por cento(?!\s+de desconto)){_AMOUNT}\s*(?:%|por cento|percent)|"
        r"\b(?:posso|podemos|consigo|conseguimos|vou|vamos|damos|dou|fa[cç]o|fazemos|tem|temos|ganha|com|"
        r"garanto|garantimos|we can|i can)\b[^.?!]{0,40}\b(?:desconto|abatimento|brinde|cortesia|gr[aá]tis|de gra[cç]a|discount)\b|"
        r"\b(?:frete|entrega|instala[cç][aã]o)\s+(?:é\s+)?(?:gr[aá]tis|gratuit[oa]|de gra[cç]a|por nossa conta|sem custo)\b|"
        r"\bfree (?:shipping|delivery|installation)\b|\bmetade do pre[cç]o\b|\bhalf price\b"
    ),
    "deadline": (
        rf"\b{_MOVE}[^.?!]{{0,40}}\b{_AMOUNT}\s*{_SPAN}|\b(?:em|in) (?:at[eé] )?{_AMOUNT}\s*{_SPAN}[^.?!]{{0,25}}\b{_MOVE}|"
        rf"\b{_MOVE}[^.?!]{{0,25}}\b{_DAY}|\b{_DAY}(?: mesmo)?[^.?!]{{0,15}}\b(?:entreg\w*|cheg\w*|despach\w*|deliver\w*)\b|"
        rf"\b(?:em|in) at[eé] {_AMOUNT}\s*{_SPAN}"
    ),
    "availability": (
        r"\b(?:temos|tem|h[aá]|est[aá]|possu[ií]mos)\b[^.?!]{0,30}\b(?:em estoque|no estoque|pronta[- ]entrega|"
        r"dispon[ií]ve(?:l|is) (?:agora|hoje|j[aá]|sim|imediat\w+|para retirada|em estoque))|\bpronta[- ]entrega\b|\bin stock\b|"
        r"\b(?:temos|restam|s[oó] temos|sobraram)\s+(?:s[oó]\s+|apenas\s+|mais\s+)?(?!um\b|uma\b)"
        rf"{_AMOUNT}\s+(?:unidades?|pe[cç]as?)"
    ),
}


@cache
def _patterns() -> dict[str, re.Pattern[str]]:
    """Compiled on the first text: most processes, such as a command that prints the policy, never judge one."""
    return {kind: re.compile(pattern, re.I) for kind, pattern in PATTERNS.items()}


_MARKS = re.compile(r"[*_~`\u200b-\u200f\u2060\ufeff]")
"""WhatsApp's bold, italics and struck text, and characters that cannot be seen: an amount stays one in bold."""
_SENTENCE = re.compile(r"[^.?!]*(?:[.](?=\d)[^.?!]*)*[.?!]*")
_INTERROGATIVE = re.compile(r"\?\s*$")


def promised(text: str) -> list[tuple[str, str]]:
    """(kind, the words) of every promise in the text.

    A sentence that asks ("para quando você precisa?") promises no deadline and no stock, but may well name a price.
    """
    found: list[tuple[str, str]] = []
    # Lines are joined: "custa" at the end of one and the amount on the next is still a price.
    for match in _SENTENCE.finditer(re.sub(r"\s+", " ", _MARKS.sub("", text))):
        sentence = match[0]
        for kind, pattern in _patterns().items():
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
