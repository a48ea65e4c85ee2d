"""The analyst: what the day's figures show."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import prompts
from agents.member import member
from tools.kits.media import MediaKit
from tools.kits.reports import ReportKit

if TYPE_CHECKING:
    from agno.agent import Agent
    from agno.models.base import Model


def build_analyst(
    model: Model, reports: ReportKit, media: MediaKit, *, fallback_models: Sequence[Model] = (), db: Any = None
) -> Agent:
    """Reads only: give it a MediaKit that may not propose. Raises ValueError for one that may."""
    if media.may_propose:
        raise ValueError("the analyst only reads: build its MediaKit with may_propose=False")
    role = "Reads the day's summary and campaign performance and says what they show"
    return member("analyst", role, model, prompts.load("analyst"), [*reports.tools(), *media.tools()], fallback_models, db)
