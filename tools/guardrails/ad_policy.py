"""What the platforms' ad policies forbid a text to say (pt-BR and en).

Forbidden for every product: promises of health and money, statements about the reader's person, before-and-after, guarantees of
results and superlatives that nobody can prove, shouting. What can be proved may be asked about, where the operator says so.
Source: the platforms' public advertising standards.
"""

from __future__ import annotations

import re
from collections.abc import Collection

from knowledge.domain.action import PublishCampaign
from knowledge.domain.facts import Facts
from knowledge.domain.message import Message
from knowledge.domain.policy import Policy
from knowledge.domain.verdict import Finding
from tools.guardrails.rule import COMPLIANCE, Rule, finding
from tools.guardrails.words import Patterns, normal, shown

_ILLNESS = (
    r"(?:doencas?|diabetes?|cancer|depressao|ansiedade|artrite|artrose|calvicie|impotencia|hipertensao|insonia|enxaqueca|dor(?:es)?|"
    r"covid|gripe|alergias?|disease|cancer|depression|anxiety|arthritis|baldness|hypertension|insomnia|migraine|pain|allerg(?:y|ies))"
)
_TRAIT = (
    r"(?:acima do peso|gord[oa]s?|obes[oa]s?|magr[oa] demais|endividad[oa]s?|negativad[oa]s?|desempregad[oa]s?|solteir[oa]s?|"
    r"divorciad[oa]s?|diabetic[oa]s?|deprimid[oa]s?|ansios[oa]s?|carecas?|calv[oa]s?|gay|lesbicas?|evangelic[oa]s?|catolic[oa]s?|"
    r"muculman[oa]s?|judeus?|judias?|negr[oa]s?|idos[oa]s?|alcoolatras?|viciad[oa]s?|com (?:dividas?|depressao|acne|caspa|rugas)|"
    r"overweight|fat|obese|in debt|broke|unemployed|single|divorced|diabetic|depressed|bald|gay|christian|muslim|jewish|alcoholic|"
    r"addicted)"
)
_AMOUNT = (
    r"(?:(?:r\s?\$|us\$|\$|€)\s?\d[\d.,]*(?: ?(?:mil|k)\b)?|\d[\d.,]* ?(?:mil (?:reais|dolares)|mil|k|reais|dolares|dollars|euros)\b|"
    r"\d{1,3}(?:\.\d{3})+(?:,\d\d)?|\d{4,})"
)

CLAIMS = Patterns(
    {
        "health": (
            rf"\b(?:cura(?:r|mos|m)?|trata(?:r|m)?|elimina(?:r|m)?|acaba(?:r)? com|combate(?:r|m)?|previne|evita|cures?|treats?|heals?|"
            rf"prevents?|relieves?)\b[^.!?]{{0,25}}\b{_ILLNESS}\b|\bmilagros[oa]s?\b|\bmilagre\b|\bmiracle\b|"
            r"\b(?:perca|perder|perdi|emagreca|emagrecer|elimine|seque|secar|lose|drop|shed)\b[^.!?]{0,15}\d+\s?"
            r"(?:kg|kilos?|quilos?|lbs?|pounds?|cm de cintura)\b|"
            r"\b(?:emagreca|emagrecer|emagrecimento|perca peso|lose weight|weight loss)\b[^.!?]{0,20}"
            r"\b(?:rapid|garantid|dormindo|sem esforco|sem dieta|fast|quick|overnight|guaranteed|without (?:diet|exercise))|"
            r"\bqueima(?:dor)? (?:de )?gordura\b|\bfat burner\b|\brejuvenesc\w+ \d+ anos\b|"
            r"\b(?:clinicamente|cientificamente) comprovad[oa]\b|\bclinically proven\b"
        ),
        "money": (
            rf"\b(?:ganhe|ganhar|fature|faturar|lucre|receba|earn|make)\b[^.!?]{{0,20}}{_AMOUNT} ?(?:reais |dolares |dollars )?"
            r"\b(?:por|ao|em \d+|a|per|every|in) ?(?:dia|dias|semana|mes|day|week|month|hour|hora)\b|"
            r"\brenda (?:extra )?(?:garantida|certa)\b|\bdinheiro (?:facil|rapido)\b|\bfique ric[oa]\b|\benriqueca\b|"
            r"\b(?:dobre|triplique|multiplique) (?:o )?(?:seu|sua|seus) (?:dinheiro|renda|investimento)\b|"
            r"\b(?:lucros?|retornos?|rendimentos?|ganhos?) (?:garantid|cert)[oa]s?\b|\binvestimento sem risco\b|"
            r"\bget rich\b|\beasy money\b|\bguaranteed (?:income|returns?|profits?)\b|\bdouble your money\b|\brisk[- ]free investment\b"
        ),
        "personal": (
            rf"\b(?:voce|vc|tu|ce)\s(?:ja )?(?:esta|e|ta|anda|se sente|sofre de|vive|continua)\s(?:tao |muito |um pouco )?{_TRAIT}\b|"
            rf"(?:^|[.!?] ?)(?:esta|e|ta|cansad[oa] de (?:ser|estar)|sofrendo por ser)\s{_TRAIT}\b[^.!]{{0,30}}\?|"
            rf"\bcansad[oa] de (?:ser|estar)\s{_TRAIT}\b|"
            r"\bvoce (?:tem|sofre (?:de|com|por causa d[eoa]))\s(?:uma? |a |o )?(?:diabetes|depressao|ansiedade|calvicie|obesidade|acne|"
            r"dividas?|disfuncao|ejaculacao|doenca|impotencia|nome sujo)\b|"
            r"\b(?:sua|seu|suas)\s(?:obesidade|calvicie|depressao|ansiedade|diabetes|dividas?|divida|doenca|acne|religiao|orientacao sexual|"
            r"deficiencia)\b|"
            rf"\b(?:are you|you are|you're|tired of being|feeling)\s(?:too |so )?{_TRAIT}\b|"
            r"\b(?:do you (?:have|suffer from)|your)\s(?:diabetes|depression|anxiety|debts?|acne|obesity|addiction|disability|bankruptcy)\b|"
            r"\bmeet (?:other )?(?:black|christian|gay|jewish|muslim|single)\w*\b"
        ),
        "before_after": (
            r"\bantes (?:e|x|vs\.?|/) ?depois\b(?! (?:de cada|do uso|de usar|de lavar|do preparo|do consumo|das refeicoes|do treino|do banho)\b)|\bantes/depois\b|"
            r"\bbefore ?(?:and|&|/|vs\.?) ?after\b(?! (?:each|every|use|meals?|cooking|work)\b)"
        ),
        "guarantee": (
            r"\b(?:resultados?|eficacia|sucesso|cura|efeito) garantid[oa]s?\b|\b(?:garantimos|garanto) (?:o )?(?:resultado|sucesso)\b|"
            r"\b100\s?% (?:eficaz|garantid[oa]|comprovad[oa]|seguro e eficaz|effective|guaranteed|proven)|"
            r"\bguaranteed (?:results?|success|to work)\b|\bfunciona mesmo\b|\bou seu dinheiro em dobro\b"
        ),
        "superlative": (
            r"\b(?:o|a|os|as) (?:melhor|melhores|maior|maiores)\b[^.!?]{0,30}\b(?:do|da) (?:brasil|mundo|mercado|pais|internet|america)\b|"
            r"\bmelhor (?:do|da) (?:brasil|mundo|mercado|pais|internet)\b|"
            r"(?:\bn(?:o|r|um|umero)?[.o°]?|\bnumber|#) ?(?:1|um|one) (?:do|da|em|no|na|in|of) (?:the )?(?:brasil|mundo|mercado|pais|vendas|"
            r"categoria|world|brazil|market|sales)\b|"
            r"\b(?:best|greatest|cheapest) (?:\w+ ){0,3}(?:in the world|on the market|in brazil|ever made)\b|\bworld'?s (?:best|greatest)\b|"
            r"\b(?:insuperavel|imbativel|inigualavel|unbeatable)\b|\bo menor preco do (?:brasil|mercado|mundo)\b"
        ),
    }
)
"""What is searched in a normal text (small letters, no accents)."""

LABELS: dict[str, dict[str, str]] = {
    "health": {"pt-BR": "promessa de saúde", "en": "a promise of health"},
    "money": {"pt-BR": "promessa de dinheiro", "en": "a promise of money"},
    "personal": {"pt-BR": "afirmação sobre a pessoa que lê", "en": "a statement about the reader's person"},
    "before_after": {"pt-BR": "antes e depois", "en": "before and after"},
    "guarantee": {"pt-BR": "resultado garantido", "en": "a guaranteed result"},
    "superlative": {"pt-BR": "superlativo sem prova", "en": "a superlative without proof"},
    "capitals": {"pt-BR": "texto em maiúsculas", "en": "text in capitals"},
    "punctuation": {"pt-BR": "pontuação em excesso", "en": "excess punctuation"},
}

_PUNCTUATION = re.compile(r"[!?]{2,}|[$€]{2,}|\.{4,}|(?:[!¡].*){4,}", re.S)
_WORD = re.compile(r"[^\W\d_]{4,}")


def shouts(text: str) -> str | None:
    """The words in capitals when a text shouts: three long ones in a row, or most of its letters."""
    words = _WORD.findall(text)
    for start in range(len(words) - 2):
        run = words[start : start + 3]
        if all(word.isupper() for word in run):
            return " ".join(run)
    letters = [c for c in text if c.isalpha()]
    loud = [c for c in letters if c.isupper()]
    return text[:40] if len(letters) >= 12 and len(loud) * 2 > len(letters) else None


def fault(text: str, but: Collection[str] = ()) -> tuple[str, str] | None:
    """(which claim, the words) of the first thing a text may not say, leaving out the claims of `but`; None when it is clean."""
    hit = CLAIMS.first(normal(text), but)
    if hit:
        return hit
    loud = None if "capitals" in but else shouts(text)
    if loud:
        return "capitals", loud
    marks = None if "punctuation" in but else _PUNCTUATION.search(text)
    return ("punctuation", marks[0][:20].strip()) if marks else None


def _judge(action: PublishCampaign, facts: Facts, policy: Policy) -> Finding:
    texts, asked = shown(action), policy.guardrails.compliance.claims_asked
    for place, text in texts:
        found = fault(text, asked)
        if found:
            return finding("ad_policy", "refuse", claim=LABELS[found[0]], words=found[1], place=place)
    for place, text in texts if asked else ():
        found = fault(text)
        if found:
            return finding("ad_policy", "ask", claim=LABELS[found[0]], words=found[1], place=place)
    return finding("ad_policy", "allow", texts=2 * len(action.creatives))


def _sentence(policy: Policy) -> Message:
    asked = tuple(LABELS[claim] for claim in policy.guardrails.compliance.claims_asked)
    return Message(id="rule.ad_policy", params={"asked": asked or None})


RULE = Rule("ad_policy", (PublishCampaign,), _judge, _sentence, (COMPLIANCE + "claims_asked",))
