"""Managers' commands in Portuguese and English, read by rule. Pure.

A command is only recognised when the sentence is clearly one; everything else is `unknown` and answered with what can be done.
"""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Literal, NamedTuple

from agents.offline.because import EXCEPT, Told, asks_why, is_question, left_over, split, taken_back, unquoted
from agents.offline.orders import A_DAY, EVERYTHING, SOON, STOP, Order, OrderKind, answer, read
from agents.offline.text import compose, fold, number
from knowledge.domain.message import Message
from knowledge.domain.money import Money
from tools.kits.amounts import MARK, Typed, money, refusal, typed

Kind = (
    Literal[
        "spend", "performance", "explain", "budget", "pause", "resume", "approvals", "summary", "stop_all", "campaigns", "products",
        "copy", "worked", "hello", "amount", "doubt", "unknown",
    ]
    | OrderKind
)  # fmt: skip


class Command(NamedTuple):
    """A read command. `percent` is signed; `amount` is the new daily budget in major units; `by` says that it is a difference.

    `given` is an amount as it was written, with its currency: the kind "amount" has nothing else, since it could not be read whole.
    A "doubt" is an order with a condition, an exception, a day or a correction, or one that ends in a question: never carried out.
    `way` is "up" or "down" where the verb says so; `reason` is why, as written, of a stop.
    """

    kind: Kind
    locale: Literal["pt-BR", "en"]
    campaign: str | None = None
    percent: Decimal | None = None
    amount: Decimal | None = None
    by: bool = False
    about: str | None = None
    days: int | None = None
    order: Order | None = None
    given: str = ""
    way: Literal["up", "down"] | None = None
    reason: str = ""


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
_UP = r"(?:aument(?:e|a|ar|em)|sub(?:a|ir|e)|elev(?:e|a|ar)|raise|increase|bump|scale(?: up)?)"
_DOWN = r"(?:reduz(?:a|ir)?|diminu(?:a|ir|i)|baix(?:e|a|ar)|cort(?:e|a|ar)|lower|decrease|reduce|cut)"
_SET = r"(?:mud(?:e|a|ar)|alter(?:e|a|ar)|defin(?:a|ir|e)|coloqu?(?:e|a|ar)|ajust(?:e|a|ar)|deix(?:e|a|ar)|set|change|adjust)"
_KINDLY = r"(?:por favor,? |please,? |(?:voce )?(?:pode|poderia) |(?:can|could|would) you (?:please )?)"
_ASKED_KINDLY = re.compile(rf"^{_KINDLY}")
"""A question that is an order all the same."""
_POLITELY = rf"^(?:{_KINDLY}|quero (?:que voce )?|i want (?:you )?to )*"
_BUDGET = re.compile(
    rf"{_POLITELY}(?P<verb>{_UP}|{_DOWN}|{_SET})\b (?:(?:o |a |the |our )?(?:orcamento|budget|verba|gasto|investimento|"
    rf"daily budget|orcamento diario|verba diaria)(?: diari[oa])? "
    rf"(?:d[aeo] |of |for |on |n[ao] )?)?(?P<rest>.+)"
)
_BUDGET_TAIL = re.compile(
    rf"\b(?P<link>em|por|by|para|pra|to|de|at)\s+(?P<value>(?:[+-]? ?(?:{MARK}) ?)?[+-]?[.,]?\d.*)$", re.DOTALL
)
_BUDGET_FIRST = re.compile(
    rf"{_POLITELY}(?P<verb>{_UP}|{_DOWN}) (?:em |by |in )?(?P<value>{_NUMBER} ?(?:%|por cento|percent|per cent)) "
    rf"(?:n?[oa]s? |the |of the |our )?"
    r"(?:orcamento|budget|verba|investimento|daily budget)(?: diari[oa])? (?:d[aeo] |of |for |on )?(?:(?:a|o|the) "
    r")?(?:campanha |campaign )?(?:d[aeo] )?(?P<campaign>.+)$"
)
_NEGATED = re.compile(r"\b(?:nao|nem|nunca|jamais|do not|don'?t|never|not)\b")
_ARTICLE = r"(?:(?:a|o|as|os|the|our|nossa|nosso|minha) )?(?:(?:campanhas?|campaigns?) )?(?:(?:d[aeo]|of|chamad[ao]|called) )?"
_ALARM = r"(?:(?:emergencia|urgente|urgencia|socorro|atencao|emergency|urgent|help|ceo|por favor|please)[,.!:;–—-]* )*"
_STOP_ALL = re.compile(
    rf"^{_ALARM}(?:(?:(?:voce )?pode|can you|could you|quero) )?"
    rf"(?:(?:{STOP} {EVERYTHING}|(?:pare|parem|para|parar) de gastar|stop (?:all )?spending)|"
    rf"kill ?switch|parada (?:geral|de emergencia|total)|emergency stop){SOON}(?:\s*(?:[,;:.!]|\s[–—-])\s+(?!{EXCEPT})(?P<reason>\S.*))?$",
    re.DOTALL,
)
_PAUSE = re.compile(
    rf"^{_KINDLY}*(?:pause|pausa|pausar|pare|parar|deslig(?:ue|a|ar)|stop|"
    rf"turn off|suspend(?:a|er)?|interromp(?:a|er)) {_ARTICLE}(?P<campaign>.+)$"
)
_RESUME = re.compile(
    rf"^{_KINDLY}*(?:retom(?:e|a|ar)|reativ(?:e|a|ar)|ative|ativar|"
    rf"religu?(?:e|a|ar)|lig(?:ue|ar)|volte com|despaus(?:e|a|ar)|resume|restart|reactivate|turn on|unpause|"
    rf"activate) {_ARTICLE}(?P<campaign>.+)$"
)
_STATES: tuple[tuple[Literal["pause", "resume"], re.Pattern[str]], ...] = (("pause", _PAUSE), ("resume", _RESUME))
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
    r"\b(?:aprovac(?:ao|oes)|aprovar|pendentes?|pendencias?|approvals?|pending|waiting for me|(?:esperando|esperam?) (?:por mim|minha)|"
    r"what (?:waits|needs) (?:for )?me|(?:preciso|tenho (?:que|de)|falta(?: eu)?) (?:decidir|aprovar))\b"
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
    asking = is_question(text)
    text = compose(text).strip(" ?!.")
    low = fold(text)
    locale = locale_of(text)
    if asks_why(low) or (ordered := _ordered(text, low, locale)) is None:
        return _asked(text, low, locale)
    if not asking or (ordered.kind in _OF_CAMPAIGNS and _ASKED_KINDLY.search(low)):
        return ordered
    if ordered.kind in _OF_CAMPAIGNS or ordered.kind == "confirm":  # "reativar a Pia?" and "confirmado?" want an answer
        asked = _asked(text, low, locale)
        return Command("doubt", locale) if asked.kind == "unknown" else asked
    return ordered


_OF_CAMPAIGNS = frozenset({"budget", "pause", "resume"})


def _ordered(text: str, low: str, locale: Literal["pt-BR", "en"]) -> Command | None:
    """What is to be done, read from the sentence without its reason."""
    told = split(text, low)
    if (stop := _stop_all(told, locale) or _stop_all(Told(text, low), locale)) is not None:
        return stop
    if (order := answer(low) or read(told)) is not None:
        return Command("doubt", locale) if order.kind == "doubt" else Command(order.kind, locale, order=order)
    bare = _TRAILING.sub("", told.low).strip(" ,?!.")
    if _NEGATED.search(bare) or _WHY.search(bare) or _WORKED.search(bare):  # "não pause X" must never become a pause
        return None
    if (budget := _budget(told.text, bare, locale)) is not None:
        return Command("doubt", locale) if _corrected(told) else budget
    for kind, pattern in _STATES:
        if match := pattern.search(bare):
            doubted = _corrected(told) or left_over(unquoted(bare)[match.start("campaign") :])
            return Command("doubt", locale) if doubted else Command(kind, locale, campaign=_name(told.text, match))
    return None


def _corrected(told: Told) -> bool:
    return taken_back(told.low) or taken_back(fold(told.reason))


def _stop_all(told: Told, locale: Literal["pt-BR", "en"]) -> Command | None:
    """The whole sentence, so that "não pare tudo" and "pare tudo menos a Pia" are no stop."""
    match = _STOP_ALL.search(told.low)
    if match is None:
        return None
    after = "" if match["reason"] is None else told.text[match.start("reason") : match.end("reason")]
    return Command("stop_all", locale, reason=told.reason or after.strip(" \"'“”‘’"))


_PERIOD = re.compile(r"(?: (?:n?est[ea]|dest[ea]|n[oa]|this|last|the) (?:mes|semana|week|month)(?: (?:passad[oa]|atual))?)+$")
"""A stretch of time behind a name in a question. It is no part of the name, which must match word by word."""


def _asked(text: str, low: str, locale: Literal["pt-BR", "en"]) -> Command:
    """What is asked for that changes nothing."""
    days = int(found[1]) if (found := _DAYS.search(low)) else None
    bare = _TRAILING.sub("", low).strip(" ,?!.")
    if _WHY.search(low):
        what = _WHY_WAS.search(bare) or _WHY_WHAT.search(bare)
        return Command("explain", locale, campaign=_name(text, what), about=_about(low))
    if _WORKED.search(low):
        what = _WORKED_OF.search(bare)
        named = None if what is None else _cut(text, what, "campaign") or _cut(text, what, "named")
        return Command("worked", locale, campaign=named)
    if _SPEND.search(low):
        return Command("spend", locale)
    if match := _COPY.search(bare):
        return Command("copy", locale, about=_cut(text, match, "about"))
    if _APPROVALS.search(low):
        return Command("approvals", locale)
    if _SUMMARY.search(low):
        return Command("summary", locale)
    if _PERF.search(low) or _PERF_IS.search(bare):
        bare_name = _PERIOD.sub("", _DAYS.sub("", bare).strip())
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
        if left_over(unquoted(low)[first.start("campaign") :]):
            return Command("doubt", locale)
        down = re.fullmatch(_DOWN, first["verb"]) is not None
        return Command("budget", locale, campaign=_name(text, first), percent=-value if down else value)
    match = _BUDGET.search(low)
    if match is None:
        return None
    start = match.start("rest")
    tail = _tail(match["rest"], text[start:])
    if tail is None:
        return None
    way = "up" if re.fullmatch(_UP, match["verb"]) else "down" if re.fullmatch(_DOWN, match["verb"]) else None
    if tail.amount is None and tail.percent is None:
        return Command("amount", locale, given=tail.given)
    if left_over(unquoted(low)[start : start + tail.at]):
        return Command("doubt", locale)
    campaign = _budget_of(text[start : start + tail.at])
    sign = -1 if way == "down" else 1
    if tail.percent is not None:
        change = sign * tail.percent if tail.by else tail.percent - 100
        if not tail.by and (way is None or change * sign <= 0):  # "aumente para 30%" is no raise, and "mude para 30%" may be either
            return Command("amount", locale, given=tail.given)
        return Command("budget", locale, campaign=campaign, percent=change)
    assert tail.amount is not None
    amount, by = tail.amount.value, tail.by
    if by and amount <= 0:
        return Command("amount", locale, given=tail.given)
    return Command(
        "budget", locale, campaign=campaign, amount=sign * amount if by else amount, by=by and way is not None,
        given=tail.given, way=None if by else way,
    )  # fmt: skip


class _Tail(NamedTuple):
    """Where in a sentence about a budget its amount begins, and what it is; neither an amount nor a share where none can be read."""

    at: int
    by: bool
    given: str
    amount: Typed | None = None
    percent: Decimal | None = None


def _tail(rest: str, own: str) -> _Tail | None:
    """The first amount that reads to the end of the sentence ("a Linha de 3 litros para 200"), else the last that does not."""
    tail: _Tail | None = None
    for link in re.finditer(r"\b(?:em|por|by|para|pra|to|de|at)\s", rest):
        found = _BUDGET_TAIL.match(rest, link.start())
        if found is None:
            continue
        value = A_DAY.sub("", found["value"])
        start = found.start("value")
        tail = _Tail(link.start(), found["link"] in {"em", "por", "by", "de"}, own[start : start + len(value)])
        if percent := _PERCENT.fullmatch(value):
            return tail._replace(percent=number(percent[1]))
        if (amount := typed(tail.given)) is not None:
            return tail._replace(amount=amount, given=amount.plain)
    return tail


def _budget_of(raw: str) -> str | None:
    """The campaign before an amount, without the small words around it."""
    raw = re.sub(r"(?i)^(?:a |o |the )?(?:campanha |campaign )?(?:d[aeo] )?", "", raw.strip(" \"'“”‘’.,;"))
    raw = re.sub(r"(?i)(?:'s)? (?:daily )?budget$|^(?:o )?orçamento(?: diário)? d[aeo] ", "", raw).strip(" \"'“”‘’.,;")
    return raw or None


def objection(command: Command, campaign: str, current: Money | None) -> Message | None:
    """Why an order about a budget may not be carried out as it was said, judged by the budget that stands: it names another currency,
    or what it calls a raise would be a cut, or the other way round. None when nothing speaks against it."""
    if command.kind != "budget" or command.amount is None:
        return None
    if current is None:
        marked = (said := typed(command.given, "plain")) is not None and bool(said.marks)
        return None if command.way is None and not marked else Message(id="chat.amount.unknown", params={"campaign": campaign})
    wanted, wrong = money(command.given, current.currency, "plain")
    if wanted is None:
        return refusal(wrong or "amount", command.given, current.currency, "plain")
    if (command.way == "up" and wanted < current) or (command.way == "down" and wanted > current):
        contrary = "no_raise" if command.way == "up" else "no_cut"
        return Message(id=f"chat.amount.{contrary}", params={"campaign": campaign, "current": current, "wanted": wanted})
    return None
