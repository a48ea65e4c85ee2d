"""Temperature of a lead by rule: four parts of 0-25 each (spec C4). Pure.

Hot from 70 points, warm from 40. A lead who said it only looks around is cold whatever the sum, and without a need nobody is hot.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from agents.offline.text import NUMBER_WORDS, fold
from knowledge.domain.lead import LeadProfile, Qualification

HOT_FROM = 70
WARM_FROM = 40
_SOON = re.compile(r"urgen|ontem|quanto antes|rapido|imediat|pressa|hoje|amanha|semana|\b(?:[1-9]|1[0-9]|2[01]) dias?")
_MONTH = re.compile(r"\bmes\b|\b(?:2[2-9]|[3-5]\d|60) dias?|ate (?:o )?dia|ate [a-z]+")
_LATER = re.compile(
    r"sem pressa|sem urgencia|nao (?:tenho|temos|ha|tem) pressa|nao e urgente|pesquisando|olhando|sondando|"
    r"curiosidade|ano|futur|pra frente|sem prazo|sem data|meses"
)


def qualify(profile: LeadProfile, intents: Iterable[str] = ()) -> Qualification:
    """The qualification of what is known so far. `intents` are those of the whole conversation (agents.offline.intents)."""
    wants = frozenset(intents)
    fit = (10 if profile.need else 0) + (8 if profile.company else 0) + (7 if profile.cnpj else 0)
    volume = _volume(profile.volume)
    urgency, later = _urgency(profile.urgency)
    intent = 5 if profile.need else 0
    intent += 8 if wants & {"price", "availability", "delivery", "payment"} else 0
    intent += 12 if "buy" in wants else 0
    intent += 4 if profile.email or profile.phone else 0
    intent = min(intent, 25)
    score = fit + volume + urgency + intent
    if later or "cold" in wants or wants & {"opt_out", "erasure"}:
        temperature = "cold"
    elif score >= HOT_FROM and profile.need:
        temperature = "hot"
    else:
        temperature = "warm" if score >= WARM_FROM else "cold"
    return Qualification(temperature=temperature, fit=fit, volume=volume, urgency=urgency, intent=intent)


def _volume(said: str | None) -> int:
    if said is None:
        return 0
    low = fold(said)
    numbers = [int(n.replace(".", "")) for n in re.findall(r"\d[\d.]*", low) if n.replace(".", "")]
    numbers += [NUMBER_WORDS[word] for word in low.split() if word in NUMBER_WORDS]
    count = max(numbers, default=1)
    if re.search(r"dia|mes|semana|refeic|prato|pao|paes|pizza|client", low):  # output of a kitchen, not pieces to buy
        return 25 if count >= 300 else 18 if count >= 80 else 10
    return 25 if count >= 5 else 20 if count >= 2 else 12


def _urgency(said: str | None) -> tuple[int, bool]:
    """(points, whether the lead puts it off)."""
    if said is None:
        return 0, False
    low = fold(said)
    if _LATER.search(low):
        return 3, bool(re.search(r"pesquisando|olhando|sondando|curiosidade|ano|futur|pra frente", low))
    if _SOON.search(low):
        return 25, False
    return (18, False) if _MONTH.search(low) else (12, False)
