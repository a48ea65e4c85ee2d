"""The scout: products worth selling."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import prompts
from agents.member import member
from tools.kits.research import ResearchKit

if TYPE_CHECKING:
    from agno.agent import Agent
    from agno.models.base import Model


def build_scout(model: Model, research: ResearchKit, *, fallback_models: Sequence[Model] = (), db: Any = None) -> Agent:
    """Reads products; changes nothing."""
    role = "Finds products worth selling in the catalogue and ranks them by contribution"
    return member("scout", role, model, prompts.load("scout"), research.tools(), fallback_models, db)
