"""Ad copy by rule: wordings made of a product's own facts, cut to the platform's limits. Pure and deterministic.

Nothing is claimed that the product's record does not say: no price (it changes), no scarcity, no superlative.
"""

from __future__ import annotations

import re
from typing import Any

from agents.offline.text import fold

_CTA_TEXT = {
    "SHOP_NOW": "Compre pelo site.",
    "LEARN_MORE": "Saiba mais no site.",
    "ORDER_NOW": "Peça pelo site.",
}
_HEADLINES = ("{name}", "{name}: {benefit}", "Conheça: {name}", "{benefit}", "{name} para {use}")
_TEXTS = ("{first} {cta}", "{benefit}. {first} {cta}", "{second} {cta}", "Para {use}: {first} {cta}", "{name}. {second} {cta}")


def variants(
    product: dict[str, Any], headline_limit: int, text_limit: int, ctas: tuple[str, ...], count: int = 3
) -> list[dict[str, str]]:
    """Up to `count` different {headline, text, cta} that fit. `product` has name, description and keywords."""
    name = str(product.get("name") or "").strip()
    sentences = [s.strip() for s in re.split(r"(?<=[.!])\s+", str(product.get("description") or "")) if s.strip()]
    sentences = [s if s.endswith(".") else s.rstrip("!") + "." for s in sentences] or [f"{name}."]
    keywords = [str(k) for k in product.get("keywords") or () if fold(str(k)) not in fold(name)]
    parts = {
        "name": name,
        "first": sentences[0],
        "second": sentences[1] if len(sentences) > 1 else sentences[0],
        "benefit": (keywords[0][:1].upper() + keywords[0][1:]) if keywords else name,
        "use": keywords[1] if len(keywords) > 1 else (keywords[0] if keywords else name),
    }
    found: list[dict[str, str]] = []
    for round_ in range(len(_TEXTS)):
        for offset in range(len(_HEADLINES)):
            wording = _HEADLINES[(round_ + offset) % len(_HEADLINES)].format(**parts)
            # A headline cut in the middle reads as a mistake; only the plain name may be shortened
            headline = wording if len(wording) <= headline_limit else fit(name, headline_limit)
            cta = ctas[(round_ + offset) % len(ctas)] if ctas else "LEARN_MORE"
            text = fit(_TEXTS[round_].format(**parts, cta=_CTA_TEXT.get(cta, "Saiba mais no site.")), text_limit)
            fresh = all(headline != v["headline"] and text != v["text"] for v in found)
            if headline and text and fresh:
                found.append({"headline": headline, "text": text, "cta": cta})
                break
        if len(found) >= count:
            break
    return found[:count]


def fit(text: str, limit: int) -> str:
    """The text within the limit: whole sentences if some fit, otherwise whole words; empty when not even a word does."""
    text = " ".join(text.split())
    if len(text) <= limit:
        return text
    kept = ""
    for sentence in re.split(r"(?<=[.])\s+", text):
        longer = f"{kept} {sentence}".strip()
        if len(longer) > limit:
            break
        kept = longer
    if kept:
        return kept
    words: list[str] = []
    for word in text.split():
        if len(" ".join([*words, word])) > limit:
            break
        words.append(word)
    while words and (len(words[-1]) <= 2 or fold(words[-1]) in {"com", "para", "por", "das", "dos", "que", "sem"}):
        words.pop()
    return " ".join(words).rstrip(" ,;:-")
