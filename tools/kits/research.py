"""ResearchKit: the products that may be sold, for the scout and the CEO."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from knowledge.domain.campaign import Product
from tools.kits import Tool, as_json
from tools.kits.media import _words as words  # pyright: ignore[reportPrivateUsage]


class Products(Protocol):
    """The sellable products (knowledge.library.shop_products, or the shop's own catalogue)."""

    async def products(self) -> Sequence[Product]: ...


class ResearchKit:
    """Read only."""

    def __init__(self, source: Products) -> None:
        self._source = source

    def tools(self) -> list[Tool]:
        """The methods a model is offered."""
        return [self.list_products, self.find_products]

    async def list_products(self) -> str:
        """Products in stock, the best contribution margin first."""
        rows = [p for p in await self._source.products() if p.in_stock]
        return as_json({"rows": [_row(p) for p in sorted(rows, key=lambda p: (-p.margin, p.id))]})

    async def find_products(self, query: str) -> str:
        """Products whose name, description or keywords hold the words.

        Args:
            query: what to look for, such as "garrafa térmica".
        """
        wanted = set(words(query))
        scored = [
            (len(wanted & set(words(f"{p.name} {p.description} {' '.join(p.keywords)}"))), p) for p in await self._source.products()
        ]
        best = [p for hits, p in sorted(scored, key=lambda pair: (-pair[0], pair[1].id)) if hits and hits >= (len(wanted) + 1) // 2]
        return as_json({"rows": [_row(p) for p in best[:5]], "asked": query})


def _row(product: Product) -> dict[str, object]:
    unit = product.price.times(product.margin)
    return {**{name: getattr(product, name) for name in Product.model_fields}, "contribution": unit, "ref": f"product:{product.id}"}
