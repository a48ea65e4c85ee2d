"""Sentences as data: a message id with parameters, rendered per locale only where a person reads it."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict, Field


class Message(BaseModel):
    """A message id ("guard.daily_cap") and its parameters. Words live in prompts/messages/<locale>.yaml."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    id: str = Field(min_length=1)
    params: dict[str, Any] = Field(default_factory=dict)
