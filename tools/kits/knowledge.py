"""KnowledgeKit: looking things up in the house's catalogue, with sources."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from tools.kits import Tool, as_json


class PassageLike(Protocol):
    """One piece of the catalogue: its text, its title and the document it came from, with a relevance of 0-1."""

    @property
    def text(self) -> str: ...
    @property
    def title(self) -> str: ...
    @property
    def source(self) -> str: ...
    @property
    def score(self) -> float: ...


class Searches(Protocol):
    """Search over the catalogue, best first; empty when nothing is relevant (knowledge.library.Library)."""

    async def search(self, query: str, limit: int = 3) -> Sequence[PassageLike]: ...


class KnowledgeKit:
    """Search for one conversation. Remembers the sources it gave, so that the reply's record can cite them."""

    def __init__(self, library: Searches, limit: int = 3) -> None:
        self._library = library
        self._limit = limit
        self._sources: list[str] = []

    def tools(self) -> list[Tool]:
        """The methods a model is offered."""
        return [self.search_knowledge_base]

    def sources(self) -> tuple[str, ...]:
        """Documents cited so far, without repetition."""
        return tuple(dict.fromkeys(self._sources))

    async def search_knowledge_base(self, query: str) -> str:
        """Search the company's catalogue, FAQ and delivery policy. Answer only from what it returns and name the source.

        Args:
            query: what to look for, in Portuguese, such as "voltagem forno combinado".

        Returns:
            JSON list of {text, title, source, score}; empty when the catalogue says nothing about it.
        """
        found = await self._library.search(query, self._limit)
        self._sources += [passage.source for passage in found]
        return as_json([{"text": p.text, "title": p.title, "source": p.source, "score": p.score} for p in found])
