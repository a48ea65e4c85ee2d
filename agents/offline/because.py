"""Telling an order from the reason that follows it, and both from a question about reasons. Pure.

"Pare tudo porque vazou" is an order with a reason; "por que parou tudo?" asks for one. The reason is cut off before anything else is
read, so that it is neither taken for a campaign's name nor for a question.
"""

from __future__ import annotations

import re
from typing import NamedTuple


class Told(NamedTuple):
    """A sentence without its reason: as written, folded position by position, and the reason as written ("" without one)."""

    text: str
    low: str
    reason: str = ""


_WHY = r"(?:por ?que|pq|why)"
_BEFORE = (
    r"(?:(?:por favor|please|ceo|oi|ola|hi|hello|hey|e|mas|and|but|then|entao|afinal|so),? |(?:me )?(?:diz|diga|conte|conta)(?: me)?,? |"
    r"(?:voce )?(?:pode|poderia) (?:me )?(?:dizer|explicar|contar) |(?:can|could|would) you (?:please )?(?:tell me|explain) |tell me )*"
)
_ASKS = re.compile(
    rf"^{_BEFORE}(?:{_WHY}|(?:me )?expli(?:que|ca)|justifique|qual (?:foi |e )?o motivo|o motivo|explain|what was the reason|how come)\b"
    rf"|\b{_WHY}$"
)
_CLAUSE = r"(?:the|we|we're|our|it|it's|its|there|they|they're|i|this|that|stock|sales|he|she)\b"
_WORDS = (
    r"(?:porque|pq|por ?que|pois|(?:ja|visto|uma vez|dado) que|(?:por (?:causa|conta|motivo)|em (?:razao|virtude|funcao)) d[aeo]s?|"
    r"devido (?:a|ao|as|aos)|motivo|razao|because(?: of)?|since|due to|owing to|given that|on account of|reason|"
    rf"as(?= {_CLAUSE}))"
)
EXCEPT = (
    r"(?:menos|exceto|salvo|fora|mas|porem|e|depois|so|somente|apenas|nao|espere?a?|se|quando|ate|amanha|except|but|apart|other than|and|"
    r"then|only|not|don'?t|no|wait|if|when|unless|until|tomorrow|never ?mind)\b"
)
"""What begins an exception or a condition to an order, and is no reason for it."""
_BECAUSE = re.compile(rf"[\s,;:.!–—-]+{_WORDS}(?:\s*:)?\s+(?P<reason>\S.*)$", re.DOTALL)
_COLON = re.compile(rf"\s*:\s+(?!{EXCEPT})(?P<reason>\S.*)$", re.DOTALL)
_NO_NAME = re.compile(r"(?:\b(?=[a-f]*\d)(?=\d*[a-f])[0-9a-f]{3,}|\b(?:tudo|todos|todas|everything|all|it))$")
"""An id or a "all" before a colon: what follows is no rest of a name."""
_QUOTED = re.compile("\"[^\"]*\"|“[^”]*”|‘[^’]*’|(?<!\\w)'[^']*'(?!\\w)")
_WEEKDAY = r"(?:segunda|terca|quarta|quinta|sexta|sabado|domingo|monday|tuesday|wednesday|thursday|friday|saturday|sunday)"
_LEFT_OVER = re.compile(
    r"\b(?:menos|exceto|salvo|mas|porem|depois|somente|apenas|nao|espere?a?|se|caso|quando|amanha|ate(?! \d+ ?%)|"
    r"so (?:se|quando|amanha|depois|ate|n[ao]|em)|except|but|apart from|other than|not|don'?t|wait|if|when|unless|until|tomorrow|"
    r"never ?mind)\b"
    r"|^\W*(?:de |to )?(?:(?:paus|par|retom|re?ativ|ativ|relig|deslig|aument|elev|baix|cort|mud|alter|ajust)(?:ar|ando)|"
    r"(?:sub|reduz|diminu|suspend|interromp)[ei](?:r|ndo)|"
    r"(?:paus|resum|restart|rais|increas|lower|decreas|reduc|stopp|chang|bump)ing)\b"
    rf"|\b(?:segunda|terca|quarta|quinta|sexta)[- ]feira\b|(?<=\w\W)(?<!black )(?<!cyber )(?<!\bd[aeo] ){_WEEKDAY}\W*$"
    r"|[,;]\s*no\W*$"
)
"""What is said of an order and is no part of a name: a condition, an exception, a later day, a denial or another order. A name that has
such a word is written in quotes."""
_TAKEN_BACK = re.compile(
    r"(?:[,;.!]|\s[–—-])\s*(?:(?:nao|no)\b\W*(?:$|espere?a?\b|wait\b|aprov|approve)|(?:espere?a?|wait|hold on|calma|esquec[ae]|deixa|"
    r"never ?mind|ou melhor|alias|quer dizer|or rather|actually|i mean|op[sa]|oops)\b)"
)


def asks_why(low: str) -> bool:
    """Whether a sentence asks for a reason: it begins so, or ends in a bare "why"."""
    return _ASKS.search(low.strip(" \t\n?!.,")) is not None


def unquoted(low: str) -> str:
    """The same with every quoted word blotted out, position by position."""
    return _QUOTED.sub(lambda found: "x" * len(found[0]), low)


def is_question(text: str) -> bool:
    """Whether a question mark stands outside quotes, wherever: "Pausar a Pia? 🙂" asks too."""
    return re.search(r"[?？]", unquoted(text)) is not None


def left_over(name: str) -> bool:
    """Whether what stands where a name is expected, folded and `unquoted`, says more than a name does."""
    return _LEFT_OVER.search(name) is not None


def taken_back(low: str) -> bool:
    """Whether a sentence corrects itself ("rejeite 3f2a, não, espera")."""
    return _TAKEN_BACK.search(unquoted(low)) is not None


def split(text: str, low: str) -> Told:
    """The sentence without its reason. Quoted words are names and hold none; what begins with a capital after a colon may be the rest of
    a campaign's name ("Promo: Verão") and stays."""
    bare = unquoted(low)
    found = _BECAUSE.search(bare)
    if found is None and (colon := _COLON.search(bare)) is not None:
        found = colon if text[colon.start("reason")].islower() or _NO_NAME.search(low[: colon.start()]) else None
    if found is None:
        return Told(text, low)
    reason = text[found.start("reason") :].strip(" \"'“”‘’")
    return Told(text[: found.start()].rstrip(" ,;:.!"), low[: found.start()].rstrip(" ,;:.!"), reason)
