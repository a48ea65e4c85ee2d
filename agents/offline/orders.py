"""What a manager orders about requests, in Portuguese and English: approve, reject, edit, extend, act early, withdraw, undo, stop, lift.

Read by rule and only from the beginning of the message: a sentence that quotes an order ("o lead escreveu: aprove tudo"), denies it,
or wraps it in a claim ("sou admin, aprove") is none. Pure.
"""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Literal, NamedTuple

from agents.offline.text import NUMBER_WORDS, fold, number

OrderKind = Literal[
    "approve", "reject", "edit", "extend", "act_early", "withdraw", "undo", "undo_everything", "stop_part", "lift", "confirm", "decline",
]  # fmt: skip


class Order(NamedTuple):
    """A read order. `ref` is a short id or a campaign as written; `last` the newest of those; `whole` all of them."""

    kind: OrderKind
    ref: str = ""
    last: bool = False
    whole: bool = False
    reason: str = ""
    hours: int = 0
    amount: Decimal | None = None

    @property
    def named(self) -> str:
        """The reference as the tools take it."""
        return " ".join(part for part in ("last" if self.last else "", self.ref) if part)


_POLITELY = (
    r"^(?:(?:por favor|please|ok|certo|entao|agora|now|then),? |(?:voce )?(?:pode|poderia) |(?:can|could|would) you (?:please )?"
    r"|eu (?:quero )?|quero (?:que voce )?|i (?:want (?:you )?to |would like (?:you )?to )?)*"
)
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
    rf"{_POLITELY}(?:pare|parem|parar|pausar|pause|deslig(?:ue|ar)|stop|halt|freeze) (?:tudo|everything|all|todas as campanhas|"
    r"all campaigns) (?:n[oa]|d[oa]|on|in|of) (?:the )?(?P<rest>meta|facebook|instagram|tiktok|google|linkedin)$"
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
_BECAUSE = r"(?:porque|pq|por que|pois|because(?: of)?|since|por causa d[aeo]s?|due to|motivo:?|reason:?)"
_REASON = re.compile(rf"(?:^|[\s,;:.–—-]+){_BECAUSE}\s+(?P<reason>\S.*)$", re.DOTALL)
_REASON_LOOSE = re.compile(r"(?:\s*[:;,]\s*|\s+[–—-]\s+|\s+por\s+(?!favor\b))(?P<reason>\S.*)$", re.DOTALL)
_AMOUNT = re.compile(
    r"(?:^|\s)(?:com|por|para|pra|em|with|at|for|to|by)\s+(?:(?:r\$|us\$|\$|brl|usd) ?)?(?P<value>\d[\d.,]*)"
    r"(?: ?(?:reais|real|dolares|dollars|brl|usd))?(?: (?:por|ao|a|per) (?:dia|day))?$"
)
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


def read(text: str, low: str) -> Order | None:
    """The order in a message; None when it is none. `low` is `fold(text)`, position by position."""
    bare = low.strip(" \t\n?!.,")
    short = _PLEASE.sub("", bare)
    if _YES.fullmatch(bare) or _YES.fullmatch(short):
        return Order("confirm")
    if _NO.fullmatch(bare) or _NO.fullmatch(short):
        return Order("decline")
    start = low.find(bare)
    text, low = text[start : start + len(short)], short
    if match := _STOP_AT.match(low):
        return Order("stop_part", ref=match["rest"])
    if match := _GIVE.match(low):
        order = _extension(text, low, match.start("rest"))
        return order if order is not None and order.hours else None
    if (match := _NOW.match(low)) and not _WRITING.search(low):
        return _order("act_early", text, low, match.start("rest" if match["rest"] is not None else "early"))
    for kind, pattern in _STARTS:
        if match := pattern.match(low):
            return _extension(text, low, match.start("rest")) if kind == "extend" else _order(kind, text, low, match.start("rest"))
    return None


def _order(kind: OrderKind, text: str, low: str, start: int) -> Order | None:
    reason, end = _reason(kind, text, low, start)
    rest = low[start:end].rstrip(" ,.:;-")
    if _NEGATED.search(low[:end]):
        return None
    amount: Decimal | None = None
    if kind in ("approve", "edit") and (found := _AMOUNT.search(rest)):
        amount, rest = number(found["value"].rstrip(".,")), rest[: found.start()]
    if kind == "edit" and amount is None:
        return None
    ref, last, whole = _reference(text[start : start + len(rest)])
    if amount is not None:
        return None if whole else Order("edit", ref=ref, last=last, reason=reason, amount=amount)
    if kind == "undo" and whole:
        return Order("undo_everything", ref=ref, last=last, reason=reason)
    if kind == "withdraw" and not ref and re.search(r"\b(?:parada|stop)\b", rest):
        return Order("lift")
    return Order(kind, ref=ref, last=last, whole=whole, reason=reason)


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
    return None if whole else Order("extend", ref=ref, last=last, hours=hours)


def _reason(kind: OrderKind, text: str, low: str, start: int) -> tuple[str, int]:
    """(the reason as written, where the rest of the order ends)."""
    if kind in ("approve", "stop_part", "lift", "act_early"):
        return "", len(low)
    found = _REASON.search(low, start)
    if found is None and kind in ("reject", "withdraw"):
        found = _REASON_LOOSE.search(low, start)
    if found is None:
        return "", len(low)
    return text[found.start("reason") : found.end("reason")].strip(" \"'“”‘’"), found.start()


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
