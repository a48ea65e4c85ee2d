"""Managers' commands in Portuguese and English, read by rule. Pure.

A command is only recognised when the sentence is clearly one; everything else is `unknown` and answered with what can be done.
"""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Literal, NamedTuple

from agents.offline.orders import Order, OrderKind, read
from agents.offline.text import compose, fold, number

Kind = (
    Literal[
        "spend", "performance", "explain", "budget", "pause", "resume", "approvals", "summary", "stop_all", "campaigns", "products",
        "copy", "worked", "hello", "unknown",
    ]
    | OrderKind
)  # fmt: skip


class Command(NamedTuple):
    """A read command. `percent` is signed; `amount` is the new daily budget in major units; `by` says that it is a difference."""

    kind: Kind
    locale: Literal["pt-BR", "en"]
    campaign: str | None = None
    percent: Decimal | None = None
    amount: Decimal | None = None
    by: bool = False
    about: str | None = None
    days: int | None = None
    order: Order | None = None


_EN = re.compile(
    r"\b(?:the|how|what|why|did|we|you|is|are|show|list|raise|increase|decrease|lower|cut|reduce|resume|stop|"
    r"everything|budget|spent|spend|today|approvals|pending|"
    r"campaign|campaigns|summary|please|hello|products|write|ads?|for|by|"
    r"approve|reject|decline|deny|extend|withdraw|undo|revert|edit|give|more|hours?|days?|last|change|request|requests|all|now|it|at|"
    r"with|yes|confirm|confirmed|freeze|unfreeze|block|unblock|lift|because|cancel|never|mind)\b"
)
_PT = re.compile(
    r"\b(?:o|os|que|quanto|como|por|voce|quais|esta|estao|gastamos|gasto|aumente|aumenta|reduza|diminua|retome|tudo|"
    r"orcamento|hoje|aprovacoes|pendentes|campanha|"
    r"campanhas|resumo|dia|oi|ola|bom|produtos|escreva|anuncios?|para|em|da|do|de|"
    r"aprove|aprova|rejeite|reprove|recuse|estenda|prorrogue|retire|desfaca|desfaz|edite|mais|horas?|dias?|ultim[oa]|mudanca|"
    r"pedidos?|todos|todas|agora|com|sim|confirmo|bloqueie|desbloqueie|porque|nao|reais)\b"
)
_NUMBER = r"(\d{1,3}(?:[.,]\d{3})+(?:[.,]\d{1,2})?|\d+(?:[.,]\d+)?)"
_PERCENT = re.compile(rf"{_NUMBER} ?(?:%|por cento|percent|per cent)")
_MONEY = re.compile(rf"(?:r\$|us\$|\$|brl|usd)? ?{_NUMBER} ?(?:reais|real|dolares|dollars|brl|usd)?")
_UP = r"(?:aument(?:e|a|ar|em)|sub(?:a|ir|e)|elev(?:e|a|ar)|raise|increase|bump|scale(?: up)?)"
_DOWN = r"(?:reduz(?:a|ir)?|diminu(?:a|ir|i)|baix(?:e|a|ar)|cort(?:e|a|ar)|lower|decrease|reduce|cut)"
_SET = r"(?:mud(?:e|a|ar)|alter(?:e|a|ar)|defin(?:a|ir|e)|coloqu?(?:e|a|ar)|ajust(?:e|a|ar)|deix(?:e|a|ar)|set|change|adjust)"
_POLITELY = r"^(?:por favor,? |please,? |pode |voce pode |can you |could you |quero (?:que voce )?|i want (?:you )?to )*"
_BUDGET = re.compile(
    rf"{_POLITELY}(?P<verb>{_UP}|{_DOWN}|{_SET})\b (?:(?:o |the |our )?(?:orcamento|budget|verba|gasto|investimento|"
    rf"daily budget|orcamento diario|verba diaria)(?: diari[oa])? "
    rf"(?:d[aeo] |of |for |on |n[ao] )?)?(?P<rest>.+)"
)
_BUDGET_TAIL = re.compile(r"^(?P<campaign>.*?)\s*\b(?P<link>em|por|by|para|pra|to|de|at)\s+(?P<value>(?:r\$|us\$|\$)? ?\d.*)$")
_BUDGET_FIRST = re.compile(
    rf"{_POLITELY}(?P<verb>{_UP}|{_DOWN}) (?:em |by |in )?(?P<value>{_NUMBER} ?(?:%|por cento|percent|per cent)) "
    rf"(?:n?[oa]s? |the |of the |our )?"
    r"(?:orcamento|budget|verba|investimento|daily budget)(?: diari[oa])? (?:d[aeo] |of |for |on )?(?:(?:a|o|the) "
    r")?(?:campanha |campaign )?(?:d[aeo] )?(?P<campaign>.+)$"
)
_NEGATED = re.compile(r"\b(?:nao|nem|nunca|jamais|do not|don'?t|never|not)\b")
_ARTICLE = r"(?:(?:a|o|as|os|the|our|nossa|nosso|minha) )?(?:(?:campanhas?|campaigns?) )?(?:(?:d[aeo]|of|chamad[ao]|called) )?"
_STOP_ALL = re.compile(
    r"^(?:por favor |please )?(?:pare|para|parem|pausa|pause|parar|pausar|deslig(?:ue|a|ar)|interromp(?:a|er)|"
    r"suspend(?:a|er)|stop|halt|shut down|kill|freeze)(?: com)? "
    r"(?:tudo|todas as campanhas|todas|todos os anuncios|everything|all(?: campaigns| ads)?|it all)(?: agora| now| "
    r"ja| imediatamente| immediately| please| por favor)*$"
    r"|^(?:kill ?switch|parada (?:geral|de emergencia|total)|emergency stop)(?: agora| now| ja)?$"
)
_PAUSE = re.compile(
    rf"^(?:por favor |please |pode |can you |could you )*(?:pause|pausa|pausar|pare|parar|deslig(?:ue|a|ar)|stop|"
    rf"turn off|suspend(?:a|er)?|interromp(?:a|er)) {_ARTICLE}(?P<campaign>.+)$"
)
_RESUME = re.compile(
    rf"^(?:por favor |please |pode |can you |could you )*(?:retom(?:e|a|ar)|reativ(?:e|a|ar)|ative|ativar|"
    rf"religu?(?:e|a|ar)|lig(?:ue|ar)|volte com|despaus(?:e|a|ar)|resume|restart|reactivate|turn on|unpause|"
    rf"activate) {_ARTICLE}(?P<campaign>.+)$"
)
_WHY = re.compile(
    r"\b(?:por ?que|pq|porque|qual (?:foi )?o motivo|o motivo|explique|explica|me explica|justifique|why|explain|"
    r"what was the reason)\b"
)
_WHY_WHAT = re.compile(
    rf"\b(?:(?:pausou|pausaram|pausad[ao]|pausar|parou|paused?|stopped|retomou|reativou|resumed?|aumentou|subiu|"
    rf"raised|increased|reduziu|diminuiu|baixou|cortou|lowered|reduced|cut|criou|publicou|lancou|created|launched|"
    rf"mudou|alterou|changed)(?: foi)?)\s+"
    rf"(?:(?:o |the )?(?:orcamento|budget|verba)\s+(?:d[aeo] |of )?)?{_ARTICLE}(?P<campaign>.+)$"
)
_WHY_WAS = re.compile(
    rf"\b(?:was|were|is|foi|esta)\s+{_ARTICLE}(?P<campaign>.+?)\s+(?:paused|stopped|resumed|raised|reduced|cut|"
    rf"created|pausad[ao]|parad[ao]|retomad[ao]|reduzid[ao])$"
)
_WORKED = re.compile(
    r"\b(?:deu (?:certo|resultado)|funcionou|funcionaram|valeu a pena|compensou|did (?:it|that|this) (?:work|pay off)|"
    r"did (?:pausing|raising|increasing|lowering|cutting|reducing|resuming) .+ (?:work|pay off)|was (?:it|that) worth|paid off|"
    r"vereditos?|verdicts?|acertou|acertamos)\b"
)
_WORKED_OF = re.compile(
    rf"\b(?:deu (?:certo|resultado)|funcionou|valeu a pena|compensou)\s+(?:(?:pausar|retomar|aumentar|subir|reduzir|baixar|cortar|"
    rf"a pausa|a retomada|o aumento|a reducao|o corte|a mudanca)\s+)?(?:d[aeo]\s+)?(?:(?:o )?(?:orcamento|budget|verba)\s+)?"
    rf"(?:(?:em|com|d[aeo]|n[ao])\s+)?{_ARTICLE}(?P<campaign>.+)$"
    rf"|\bdid (?:pausing|raising|increasing|lowering|cutting|reducing|resuming)\s+(?:the budget of )?{_ARTICLE}(?P<named>.+?)"
    rf"\s+(?:work|pay off)$"
)
_PERF = re.compile(
    r"\b(?:roas|roi|cpa|ctr|cvr|desempenho|performance|resultados?|results?|metricas|metrics|rendendo|performing|"
    r"doing|indo|conversoes|conversions|receita|revenue|faturamento|faturamos|vendas|sales)\b"
)
_PERF_OF = re.compile(
    rf"\b(?:roas|roi|cpa|ctr|cvr|desempenho|performance|resultados?|results?|metricas|metrics|conversoes|conversions|"
    rf"receita|revenue|vendas|sales)\s+(?:d[aeo]s?|of|for|n[ao])\s+{_ARTICLE}(?P<campaign>.+)$"
)
_PERF_IS = re.compile(
    rf"\b(?:como (?:esta|vai|anda)|how is|how's)\s+{_ARTICLE}(?P<campaign>.+?)(?:\s+(?:indo|rendendo|performing|doing))?$"
)
_SPEND = re.compile(
    r"\b(?:quanto (?:(?:ja |nos |a gente |foi )*)?(?:gast\w+|investi\w*)|gastos? (?:de |do )?(?:hoje|dia)|gasto "
    r"total|how much (?:did|have|has|was|is)?\s?(?:we|been)?\s?(?:spend|spent)|spend(?:ing)? today|today'?s spend|"
    r"spent today)\b"
)
_APPROVALS = re.compile(
    r"\b(?:aprovac(?:ao|oes)|aprovar|pendentes?|pendencias?|approvals?|pending|waiting for me|esperando (?:por mim|minha))\b"
    r"|\b(?:quais|liste|lista|mostre|mostra|ver|list|show|which|what)\b.*\b(?:pedidos|requests)\b|^(?:os )?(?:pedidos|requests)$"
)
_SUMMARY = re.compile(
    r"\b(?:resumo|resuma|panorama|balanco|como foi (?:o )?(?:dia|hoje)|relatorio|summary|summari[sz]e|overview|"
    r"recap|report|how was (?:the day|today))\b"
)
_CAMPAIGNS = re.compile(
    r"\b(?:(?:liste|lista|mostre|mostra|quais|listar|list|show|which|what)\b.*\b(?:campanhas?|campaigns?)|^campanhas$|^campaigns$)"
)
_PRODUCTS = re.compile(
    r"\b(?:(?:liste|lista|mostre|quais|procure|busque|encontre|ache|sugira|find|list|show|suggest|which|"
    r"what)\b.*\b(?:produtos?|products?))\b"
)
_COPY = re.compile(
    r"\b(?:escrev\w+|cri(?:e|a|ar)|ger(?:e|a|ar)|fac?a|redij\w+|write|create|generate|draft)\b.*\b(?:anuncios?|"
    r"textos?|copy|copies|titulos?|criativos?|ads?|headlines?|creatives?)\b(?:.*?\b(?:para|pra|pro|d[aeo]|for|of|"
    r"about|sobre)\s+(?:[oa]s? |the )?(?:produtos? |products? )?(?P<about>.+))?"
)
_HELLO = re.compile(
    r"^(?:oi+|ola|bom dia|boa tarde|boa noite|hello|hi|hey|good (?:morning|afternoon)|ajuda|help|o que voce (?:faz|"
    r"pode fazer|sabe fazer)|what can you do)\b"
)
_TRAILING = re.compile(
    r"(?:[,.]? (?:por favor|please|agora|now|hoje|today|ontem|yesterday|ja|imediatamente|nesta semana|essa semana|"
    r"this week|obrigad[oa]))+$"
)
_DAYS = re.compile(r"\b(?:ultimos?|last|past) (\d{1,2}) (?:dias|days)\b")


def locale_of(text: str) -> Literal["pt-BR", "en"]:
    """The language of a command; Portuguese in doubt."""
    low = fold(compose(text))
    return "en" if len(_EN.findall(low)) > len(_PT.findall(low)) else "pt-BR"


def parse(text: str) -> Command:
    """The command in a manager's message."""
    text = compose(text).strip(" ?!.")
    low = fold(text)
    locale = locale_of(text)
    days = int(found[1]) if (found := _DAYS.search(low)) else None
    bare = _TRAILING.sub("", low).strip(" ,?!.")
    if _STOP_ALL.search(bare):  # the whole sentence, so that "não pare tudo" is no stop
        return Command("stop_all", locale)
    if (order := read(text, low)) is not None:
        return Command(order.kind, locale, order=order)
    if _WHY.search(low):
        what = _WHY_WAS.search(bare) or _WHY_WHAT.search(bare)
        return Command("explain", locale, campaign=_name(text, what), about=_about(low))
    if _WORKED.search(low):
        what = _WORKED_OF.search(bare)
        named = None if what is None else _cut(text, what, "campaign") or _cut(text, what, "named")
        return Command("worked", locale, campaign=named)
    if not _NEGATED.search(bare):  # "não pause X" must never become a pause
        if (budget := _budget(text, bare, locale)) is not None:
            return budget
        if match := _PAUSE.search(bare):
            return Command("pause", locale, campaign=_name(text, match))
        if match := _RESUME.search(bare):
            return Command("resume", locale, campaign=_name(text, match))
    if _SPEND.search(low):
        return Command("spend", locale)
    if match := _COPY.search(bare):
        return Command("copy", locale, about=_cut(text, match, "about"))
    if _APPROVALS.search(low):
        return Command("approvals", locale)
    if _SUMMARY.search(low):
        return Command("summary", locale)
    if _PERF.search(low) or _PERF_IS.search(bare):
        bare_name = _DAYS.sub("", bare).strip()
        match = _PERF_OF.search(bare_name) or (
            None if re.search(r"\b(?:o|the|our|nosso) (?:roas|roi|cpa|ctr|cvr)\b", bare) else _PERF_IS.search(bare_name)
        )
        name = _name(text, match)
        whole = name is None or fold(name) in {"campanhas", "campaigns", "todas", "all", "tudo", "hoje", "dia", "semana", "today"}
        return Command("performance", locale, campaign=None if whole else name, days=days)
    if _CAMPAIGNS.search(low):
        return Command("campaigns", locale)
    if _PRODUCTS.search(low):
        return Command("products", locale)
    return Command("hello" if _HELLO.search(low) else "unknown", locale)


def _about(low: str) -> str | None:
    """The kind of action a "why" asks for."""
    for kind, pattern in (
        ("campaign.pause", r"paus|parou|stopped"),
        ("campaign.resume", r"retom|reativ|resum"),
        (
            "campaign.set_budget",
            r"aument|subiu|reduz|diminu|baixou|cortou|raised|increas|lower|reduc|\bcut\b|orcamento|budget|verba",
        ),
        ("campaign.publish", r"criou|publicou|lancou|created|launched"),
    ):
        if re.search(pattern, low):
            return kind
    return None


def _cut(text: str, match: re.Match[str], group: str) -> str | None:
    if match[group] is None:
        return None
    name = text[match.start(group) : match.end(group)].strip(" \"'“”‘’.,;?!")
    return name or None


def _name(text: str, match: re.Match[str] | None) -> str | None:
    """The campaign as written, cut from the original by the fold's positions."""
    if match is None:
        return None
    name = _cut(text, match, "campaign")
    return _TRAILING_NAME.sub("", name).strip(" \"'“”‘’.,;?!") or None if name else None


_TRAILING_NAME = re.compile(r"(?i)(?:[,.]? (?:por favor|please|agora|now|hoje|today|ontem|yesterday|já|nos|in|over|the))+$")


def _budget(text: str, low: str, locale: Literal["pt-BR", "en"]) -> Command | None:
    if first := _BUDGET_FIRST.search(low):
        percent = _PERCENT.search(first["value"])
        value = number(percent[1]) if percent else Decimal(0)
        down = re.fullmatch(_DOWN, first["verb"]) is not None
        return Command("budget", locale, campaign=_name(text, first), percent=-value if down else value)
    match = _BUDGET.search(low)
    if match is None:
        return None
    tail = _BUDGET_TAIL.match(match["rest"])
    if tail is None:
        return None
    start = match.start("rest")
    raw = text[start + tail.start("campaign") : start + tail.end("campaign")].strip(" \"'“”‘’.,;")
    raw = re.sub(r"(?i)^(?:a |o |the )?(?:campanha |campaign )?(?:d[aeo] )?", "", raw)
    raw = re.sub(r"(?i)(?:'s)? (?:daily )?budget$|^(?:o )?orçamento(?: diário)? d[aeo] ", "", raw).strip(" \"'“”‘’.,;")
    campaign = raw or None
    down = re.fullmatch(_DOWN, match["verb"]) is not None
    relative = tail["link"] in {"em", "por", "by", "de"}
    if percent := _PERCENT.search(tail["value"]):
        if re.fullmatch(_SET, match["verb"]) and not relative:
            return None
        value = number(percent[1])
        return Command("budget", locale, campaign=campaign, percent=-value if down else value)
    if money := _MONEY.search(tail["value"]):
        value = number(money[1])
        return Command(
            "budget",
            locale,
            campaign=campaign,
            amount=-value if down and relative else value,
            by=relative and re.fullmatch(_SET, match["verb"]) is None,
        )
    return None
