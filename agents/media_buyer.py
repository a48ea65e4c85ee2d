"""The media buyer: campaign figures and proposals."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import prompts
from agents.member import member
from tools.kits.media import MediaKit

if TYPE_CHECKING:
    from agno.agent import Agent
    from agno.models.base import Model


def build_media_buyer(
    model: Model, media: MediaKit, *, policy: Sequence[str] = (), fallback_models: Sequence[Model] = (), db: Any = None
) -> Agent:
    """Its proposals go to the gate under the kit's own actor."""
    role = "Reads spend and performance of campaigns and proposes budget changes, pauses and resumptions"
    text = prompts.load("media_buyer", policy="\n".join(f"- {line}" for line in policy))
    return member("media_buyer", role, model, text, media.tools(), fallback_models, db)
