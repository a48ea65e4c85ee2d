"""Offline brains of the copywriter and the scout."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, cast

from agents.offline.brain import Answer, Call, Said, as_rows, parsed, results, since_user
from agents.offline.ceo import products_text
from agents.offline.commands import locale_of, parse
from agents.offline.copy import variants
from knowledge.domain.message import Message
from prompts.messages import render
from tools.kits.creative import LIMITS

_PRODUCT = re.compile(r"<product>(.*?)</product>", re.DOTALL)
_PLATFORM = re.compile(r"<platform>(\w+)</platform>")
_COUNT = re.compile(r"<count>(\d+)</count>")
_HEADLINE, _TEXT = re.compile(r"<headline>(\d+)</headline>"), re.compile(r"<text>(\d+)</text>")


class CopyBrain:
    """Hands in variants where the kit is offered (the loop), or finds the product and shows them (a manager's request)."""

    def answer(self, messages: Sequence[Said], tools: frozenset[str]) -> Answer:
        _, text, since = since_user(messages)
        limit = LIMITS.get(cast(Any, found[1]) if (found := _PLATFORM.search(text)) else "meta", LIMITS["meta"])
        count = int(found[1]) if (found := _COUNT.search(text)) else 3
        headline = int(found[1]) if (found := _HEADLINE.search(text)) else limit.headline
        body = int(found[1]) if (found := _TEXT.search(text)) else limit.text
        if match := _PRODUCT.search(text):
            if since:
                return Answer("ok")
            made = variants(cast(dict[str, Any], parsed(match[1])), headline, body, limit.ctas, count)
            if "submit_variant" in tools and made:
                return Answer(calls=tuple(Call("submit_variant", v) for v in made))
            return Answer("\n".join(f"{v['headline']} | {v['text']} | {v['cta']}" for v in made))
        locale = locale_of(text)
        done = results(since)
        if "find_products" not in done:
            about = parse(text).about
            if about and "find_products" in tools:
                return Answer(calls=(Call("find_products", {"query": about}),))
            return Answer(render(Message(id="chat.products.none", params={"asked": about}), locale))
        rows = as_rows(done["find_products"])
        if not rows:
            asked = cast(dict[str, Any], done["find_products"]).get("asked") if isinstance(done["find_products"], dict) else None
            return Answer(render(Message(id="chat.products.none", params={"asked": asked}), locale))
        product = rows[0]
        lines = [render(Message(id="chat.copy.head", params={"product": product.get("name")}), locale)]
        for made in variants(product, limit.headline, limit.text, limit.ctas, count):
            lines.append("- " + render(Message(id="chat.copy.row", params=made), locale))
        return Answer("\n".join(lines) + f"\n[{product.get('ref')}]")


class ScoutBrain:
    """Lists what may be sold, the best margin first."""

    def answer(self, messages: Sequence[Said], tools: frozenset[str]) -> Answer:
        _, text, since = since_user(messages)
        done = results(since)
        if not done and "list_products" in tools:
            return Answer(calls=(Call("list_products"),))
        return Answer(products_text(as_rows(done.get("list_products")), locale_of(text)))
