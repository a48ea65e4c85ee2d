"""What a manager orders about requests, in Portuguese and English: approve, reject, edit, extend, act early, withdraw, undo, stop, lift.

Read by rule and only from the beginning of the message: a sentence that quotes an order ("o lead escreveu: aprove tudo"), denies it,
or wraps it in a claim ("sou admin, aprove") is none. Pure.
"""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Literal, NamedTuple

from agents.offline.because import EXCEPT, Told, left_over, taken_back, unquoted
from agents.offline.text import NUMBER_WORDS, fold
from tools.kits.amounts import MARK, typed

OrderKind = Literal[
    "approve", "reject", "edit", "extend", "act_early", "withdraw", "undo", "undo_everything", "stop_part", "lift", "confirm", "decline",
    "doubt",
]  # fmt: skip


class Order(NamedTuple):
    """A read order; a "doubt" is one with a condition, an exception or a correction, which nobody may carry out. `ref` is a short id or a campaign as written; `last` the newest of those; `whole` all of them. `given` is the amount
    as the kit takes it, with its currency; `amount` is None where it could not be read whole."""

    kind: OrderKind
    ref: str = ""
    last: bool = False
    whole: bool = False
    reason: str = ""
    hours: int = 0
    amount: Decimal | None = None
    given: str = ""

    @property
    def named(self) -> str:
        """The reference as the tools take it."""
        return " ".join(part for part in ("last" if self.last else "", self.ref) if part)


_POLITELY = (
    r"^(?:(?:por favor|please|ok|certo|entao|agora|now|then),? |(?:voce )?(?:pode|poderia) |(?:can|could|would) you (?:please )?"
    r"|eu (?:quero )?|quero (?:que voce )?|i (?:want (?:you )?to |would like (?:you )?to )?)*"
)
STOP = (
    r"(?:pare|para|parem|parar|pausa|pause|pausar|deslig(?:ue|a|ar)|interromp(?:a|er)|suspend(?:a|er)?|stop|halt|shut down|"
    r"kill|freeze|suspend)(?: com)?"
)
EVERYTHING = (
    r"(?:tudo|tod[oa]s|tod[oa]s? [oa]s? (?:campanhas?|anuncios?|gastos?|despesas?|operac(?:ao|oes)|investimentos?)|everything|it all|"
    r"all(?: of it)?|all (?:of )?(?:the |our )?(?:campaigns|ads|spend|spending|operations))"
)
SOON = r"(?:,? (?:agora(?: mesmo)?|ja|imediatamente|urgente|right now|now|immediately|at once|please|por favor))*"
_PLEASE = re.compile(r"[,.]? (?:por favor|por gentileza|please|obrigad[oa]|thanks|thank you)$")
_NEGATED = re.compile(r"\b(?:nao|nem|nunca|jamais|do not|don'?t|never|not)\b")
_VERBS: dict[OrderKind, str] = {
    "approve": r"aprov(?:e|a|ar|o|em|amos)|autoriz(?:e|a|ar|o)|aceit(?:e|a|ar|o)|approve|authori[sz]e|accept",
    "reject": r"rejeit(?:e|a|ar|o)|reprov(?:e|a|ar|o)|recus(?:e|a|ar|o)|neg(?:ue|a|ar|o)|reject|decline|deny|refuse|turn down",
    "extend": r"(?:estend(?:a|e|er|o)|prorrog(?:ue|a|ar|o)|prolong(?:ue|a|ar|o)|extend|prolong)",
    "withdraw": r"retir(?:e|a|ar|o)|cancel(?:e|a|ar|o)(?= \S)|withdraw|take back|cancel(?= \S)",
    "undo": r"desfac(?:a|o)|desfaz(?:er)?|revert(?:a|e|er|o)|volt(?:e|a|ar) atras(?: (?:em|com|n[ao]|d[ao]))?|undo|revert|roll back",
    "edit": r"edit(?:e|a|ar|o)?|corri(?:ja|gir|ge)|(?:mud(?:e|a|ar|o)|alter(?:e|a|ar|o)|ajust(?:e|a|ar|o)|change|adjust|set)"
    r"(?= (?:(?:o|the) )?(?:pedido|request|#|[0-9a-f]*\d[0-9a-f]*\b))",
    "stop_part": r"bloque(?:ie|ia|ar|io)|trav(?:e|a|ar|o)|congel(?:e|a|ar|o)|freeze|block|lock",
    "lift": r"desbloque(?:ie|ia|ar|io)|destrav(?:e|a|ar|o)|descongel(?:e|a|ar|o)|liber(?:e|a|ar|o)|unfreeze|unblock|unlock|"
    r"lift(?: the stop)?(?: (?:on|of))?|(?:retom(?:e|a|ar|o)|religu(?:e|a|ar)|religar|volte|resume|restart)"
    r"(?= *$| (?:tudo|everything|all|as operacoes|a operacao|operations)$)",
}  # fmt: skip
_STARTS: list[tuple[OrderKind, re.Pattern[str]]] = [
    (kind, re.compile(rf"{_POLITELY}(?:{verb})\b(?P<rest>.*)$", re.DOTALL)) for kind, verb in _VERBS.items()
]
_STOP_AT = re.compile(
    rf"{_POLITELY}{STOP} {EVERYTHING} (?:n[oa]|d[oa]|on|in|of) (?:the )?(?P<rest>meta|facebook|instagram|tiktok|google|linkedin){SOON}$"
)
_GIVE = re.compile(rf"{_POLITELY}(?:de|da|dar|dou|give)\b(?P<rest>.*\b(?:mais|more|prazo|tempo|time)\b.*)$", re.DOTALL)
_NOW = re.compile(
    rf"{_POLITELY}(?:fac?a|fazer|execut(?:e|a|ar)|do|run|execute|act)(?P<rest> (?:.* )?(?:agora|ja|now|early|imediatamente|immediately)\b.*)$"
    rf"|{_POLITELY}(?:adiant(?:e|a|ar)|antecip(?:e|a|ar))\b(?P<early>.*)$",
    re.DOTALL,
)
_WRITING = re.compile(r"\b(?:anuncios?|textos?|criativos?|titulos?|resumo|relatorio|ads?|copy|copies|headlines?|summary|report)\b")
_YES = re.compile(
    r"(?:sim|yes)(?:[,.!]? (?:eu )?(?:confirmo|pode(?: confirmar| fazer| aprovar)?|i confirm|confirm|please|por favor|do it))?"
    r"|(?:eu )?confirmo|confirmad[oa]|confirma|confirme|pode confirmar|(?:i )?confirm|confirmed"
)
_NO = re.compile(
    r"(?:nao|no)(?:[,.!]? (?:confirmo|obrigad[oa]|thanks|thank you|cancel[ae]?|deixa|quero|faca))?|cancel[ae]|cancel|desisto|"
    r"deixa(?: pra la| para la)?|esquec[ae]|never ?mind|forget it"
)
_REASON_LOOSE = re.compile(r"(?:\s*(?P<mark>[:;,])\s*|\s+(?P<dash>[–—-])\s+|\s+por\s+(?!favor\b))(?P<reason>\S.*)$", re.DOTALL)
_EXCEPT = re.compile(EXCEPT)
_COLON_EXCEPT = re.compile(rf"(?!(?:nao|no|not|don'?t|e|and|so|somente|apenas|only|fora)\b(?! (?:se|if)\b)){EXCEPT}")
"""After a colon "não temos estoque" is a reason; a condition or an exception is none anywhere."""
_AMOUNT = re.compile(
    rf"(?:^|\s)(?P<link>com|por|para|pra|em|with|at|for|to|by)\s+(?P<value>(?:[+-]? ?(?:{MARK}) ?)?[+-]?[.,]?\d.*)$", re.DOTALL
)
A_DAY = re.compile(r"(?: (?:por|ao|a|per|cada|each)|/) ?(?:dia|day)$| (?:diarios?|daily)$")
_HOURS = re.compile(
    r"\b(?P<count>\d{1,3}|[a-z]+) (?:mais |more |a mais )?(?P<unit>h|hs|hrs?|horas?|hours?|dias?|days?)\b(?: a mais| more)?"
)
_ENGLISH_NUMBERS = {"one": 1, "an": 1, "a": 1, "two": 2, "three": 3, "four": 4, "five": 5, "six": 6, "eight": 8, "twelve": 12}
_SMALL_WORDS = """
    o a os as um uma the este esta esse essa isto isso this that it ele ela them pedido pedidos solicitacao solicitacoes proposta
    propostas request requests acao acoes action actions mudanca mudancas alteracao alteracoes change changes aprovacao aprovacoes
    approval approvals numero id de da do das dos of for on em no na nos nas ao aos para pra to by por campanha campanhas campaign
    campaigns pendente pendentes pending que you mais more prazo tempo time agora now ja early imediatamente immediately up decisao
    decision rodada round causa cause one ones same mesma mesmo orcamento budget parada stop feita feito done made from was foi
"""
_SMALL = frozenset(_SMALL_WORDS.split())
_ALL = frozenset({"tudo", "todos", "todas", "all", "everything"})
_LAST = frozenset({"ultimo", "ultima", "ultimos", "ultimas", "last", "latest", "newest", "recente"})


def answer(low: str) -> Order | None:
    """A yes or a no to what was asked: the whole message, so that one with a reason or a "but" is neither."""
    bare = low.strip(" \t\n?!.,")
    for said in (bare, _PLEASE.sub("", bare)):
        if _YES.fullmatch(said):
            return Order("confirm")
        if _NO.fullmatch(said):
            return Order("decline")
    return None


def read(told: Told) -> Order | None:
    """The order in a message without its reason; None when it is none."""
    bare = told.low.strip(" \t\n?!.,")
    low = _PLEASE.sub("", bare)
    start = told.low.find(bare)
    text = told.text[start : start + len(low)]
    found = _read(text, low, told.reason)
    return None if found is None else found._replace(reason=found.reason or told.reason)


def _read(text: str, low: str, reason: str) -> Order | None:
    if match := _STOP_AT.match(low):
        return Order("stop_part", ref=match["rest"])
    if match := _GIVE.match(low):
        order = _extension(text, low, match.start("rest"))
        return order if order is not None and order.hours else None
    if (match := _NOW.match(low)) and not _WRITING.search(low):
        return _order("act_early", text, low, match.start("rest" if match["rest"] is not None else "early"), reason)
    for kind, pattern in _STARTS:
        if match := pattern.match(low):
            start = match.start("rest")
            return _extension(text, low, start) if kind == "extend" else _order(kind, text, low, start, reason)
    return None


def _order(kind: OrderKind, text: str, low: str, start: int, reason: str) -> Order | None:
    end = len(low)
    if taken_back(low) or taken_back(fold(reason)):
        return Order("doubt")
    if not reason and kind in ("reject", "withdraw") and (loose := _REASON_LOOSE.search(low, start)):
        after = low[loose.start("reason") :]
        if _COLON_EXCEPT.match(after) if loose["mark"] == ":" else (loose["mark"] or loose["dash"]) and _EXCEPT.match(after):
            return Order("doubt")
        reason, end = text[loose.start("reason") : loose.end("reason")].strip(" \"'“”‘’"), loose.start()
    rest = low[start:end].rstrip(" ,.:;-")
    if _NEGATED.search(low[:end]):
        return None
    budget = _amount(kind, rest, text[start:]) if kind in ("approve", "edit") else None
    if kind == "edit" and budget is None:
        return None
    until = start + (len(rest) if budget is None else budget.at)
    ref, last, whole = _reference(text[start:until])
    if left_over(unquoted(low)[start:until]) or (whole and _EXCEPT.match(fold(ref))):
        return Order("doubt")
    if budget is not None:
        return None if whole else Order("edit", ref=ref, last=last, reason=reason, amount=budget.value, given=budget.given)
    if kind == "undo" and whole:
        return Order("undo_everything", ref=ref, last=last, reason=reason)
    if kind == "withdraw" and not ref and re.search(r"\b(?:parada|stop)\b", rest):
        return Order("lift")
    return Order(kind, ref=ref, last=last, whole=whole, reason=reason)


class _Budget(NamedTuple):
    """Where in the rest of an order its budget begins, and what it is."""

    at: int
    value: Decimal | None
    given: str


def _amount(kind: OrderKind, rest: str, own: str) -> _Budget | None:
    """The first amount that reads to the end of the order. One that does not is kept as it was written, to be refused by that; but in
    an approval "para 3f2a" and "por 2 Irmãos" name the request, and only "com" and "with" announce a budget."""
    found = [match for at in range(len(rest)) if (match := _AMOUNT.match(rest, at))]
    for match in found:
        start, end = match.start("value"), match.start("value") + len(A_DAY.sub("", match["value"]))
        if (amount := typed(own[start:end])) is not None:
            return _Budget(match.start(), amount.value, amount.plain)
    named = [match for match in found if kind == "edit" or match["link"] in ("com", "with")]
    return _Budget(named[-1].start(), None, own[named[-1].start("value") : len(rest)]) if named else None


def _extension(text: str, low: str, start: int) -> Order | None:
    """More time: how many hours, and of what."""
    if _NEGATED.search(low):
        return None
    rest, own = low[start:], text[start:]
    hours = 0
    for found in _HOURS.finditer(rest):
        counted = found["count"]
        count = int(counted) if counted.isdecimal() else (NUMBER_WORDS | _ENGLISH_NUMBERS).get(counted, 0)
        if count:
            hours = count * (24 if found["unit"].startswith("d") else 1)
            own = f"{own[: found.start()]} {own[found.end() :]}"
            break
    ref, last, whole = _reference(own)
    if hours and left_over(unquoted(fold(own))):
        return Order("doubt")
    return None if whole else Order("extend", ref=ref, last=last, hours=hours)


def _reference(rest: str) -> tuple[str, bool, bool]:
    """(a short id or a name as written, whether the last is meant, whether all are) without the small words around it."""
    tokens, last, whole = rest.split(), False, False
    while tokens:
        word = fold(tokens[0]).strip(",.;:#\"'“”‘’")
        if word in _ALL:
            whole = True
        elif word in _LAST:
            last = True
        elif word and word not in _SMALL:
            break
        tokens.pop(0)
    while tokens and fold(tokens[-1]).strip(",.;:\"'“”‘’") in _SMALL:
        tokens.pop()
    return " ".join(tokens).strip(" ,.;:#\"'“”‘’"), last, whole
