"""Sentences as data: a message id with parameters, rendered per locale only where a person reads it."""

from __future__ import annotations

from functools import cached_property
from typing import Any

from pydantic import Field

from knowledge.domain.chain import canonical
from knowledge.domain.frozen import Frozen


class Message(Frozen):
    """A message id ("guard.daily_cap") and its parameters. Words live in prompts/messages/<locale>.yaml."""

    id: str = Field(min_length=1)
    params: dict[str, Any] = Field(default_factory=dict)

    @cached_property
    def text(self) -> str:
        """`canonical(self)`, made once: the ledger, the record and open pages are told of the same one."""
        return canonical(self)
