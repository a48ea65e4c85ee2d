"""The common shape of the CEO's members."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from tools.kits import Tool

if TYPE_CHECKING:
    from agno.agent import Agent
    from agno.models.base import Model


def member(
    id: str, role: str, model: Model, instructions: str, tools: Sequence[Tool], fallback_models: Sequence[Model], db: Any
) -> Agent:
    """An Agno agent with our settings: no telemetry, no markdown, a limit on tool calls."""
    from agno.agent import Agent

    return Agent(
        id=id,
        name=id,
        role=role,
        model=model,
        fallback_models=list(fallback_models) or None,
        instructions=instructions,
        tools=list(tools),
        tool_call_limit=12,
        db=db,
        telemetry=False,
        markdown=False,
    )
