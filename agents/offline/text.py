"""Folding and cutting of Portuguese text, position by position, so that matches in the fold can be cut from the original."""

from __future__ import annotations

import re
import unicodedata
from decimal import Decimal

NUMBER_WORDS = {
    "um": 1, "uma": 1, "dois": 2, "duas": 2, "tres": 3, "quatro": 4, "cinco": 5, "seis": 6, "sete": 7, "oito": 8,
    "nove": 9, "dez": 10, "onze": 11, "doze": 12, "quinze": 15, "vinte": 20, "trinta": 30, "cinquenta": 50, "cem": 100,
}  # fmt: skip


def number(text: str) -> Decimal:
    """1.234,56 and 1,234.56 and 1234,5 alike. A lone separator before exactly three digits groups thousands."""
    last = max(text.rfind(","), text.rfind("."))
    if (last >= 0 and len(text) - last - 1 != 3) or (text.count(",") and text.count(".")):
        return Decimal(re.sub(r"[.,]", "", text[:last]) + "." + text[last + 1 :])
    return Decimal(re.sub(r"[.,]", "", text))


def compose(text: str) -> str:
    """NFC with uniform spaces; what `fold` and every position refers to."""
    return re.sub(r"[^\S\n]+", " ", unicodedata.normalize("NFC", text)).strip()


def fold(text: str) -> str:
    """Lower case without accents, one character for each character of the (composed) text."""
    return "".join(unicodedata.normalize("NFD", c)[0].lower()[0] for c in text)


def tidy(text: str) -> str:
    """A cut-out without the punctuation and small words that cling to its ends."""
    text = text.strip(" \t\n.,;:!?-–\"'()/")
    text = re.sub(r"(?i)\s+(?:e|de|da|do|em|para|pra|por|com|na|no|que|tb|também|aqui|mesmo|obrigad[oa]|tá|ok)$", "", text)
    return text.strip(" \t\n.,;:!?-–\"'()/")


_SMALL = {"de", "da", "do", "das", "dos", "e", "di"}


def title(text: str) -> str:
    """A proper name in the usual capitals: `santa maria` -> `Santa Maria`, `rio de janeiro` -> `Rio de Janeiro`."""
    words = text.split()
    if text != text.lower() and text != text.upper():
        return " ".join(words)
    return " ".join(w.lower() if i and w.lower() in _SMALL else w[:1].upper() + w[1:].lower() for i, w in enumerate(words))
