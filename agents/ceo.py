"""The CEO: a coordinating team with its own reads, and proposals that only the gate may grant."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Literal

from pydantic import BaseModel, ConfigDict

import prompts
from tools.kits.media import MediaKit
from tools.kits.reports import ReportKit
from tools.kits.requests import RequestKit
from tools.kits.research import ResearchKit

if TYPE_CHECKING:
    from agno.agent import Agent
    from agno.models.base import Model
    from agno.team import Team


class ManagerReply(BaseModel):
    """What the manager reads. `tools` names the tools used, in order; `refs` what the answer cites."""

    model_config = ConfigDict(frozen=True)

    text: str | None
    status: Literal["ok", "failed"]
    tools: tuple[str, ...]
    refs: tuple[str, ...]
    model: str
    error: str | None = None


def build_ceo(
    model: Model,
    media: MediaKit,
    reports: ReportKit,
    research: ResearchKit,
    requests: RequestKit,
    members: Sequence[Agent],
    *,
    policy: Sequence[str] = (),
    languages: str = "pt-BR, en",
    fallback_models: Sequence[Model] = (),
    db: Any = None,
) -> Team:
    """The team's leader with its members (agents built by the other build functions). `policy` are the rules' own sentences.

    Kits carry the session's actor, so a CEO that a person talks to is built for that session.
    """
    from agno.team import Team
    from agno.team.mode import TeamMode

    return Team(
        id="ceo",
        name="CEO",
        mode=TeamMode.coordinate,
        model=model,
        fallback_models=list(fallback_models) or None,
        members=list(members),
        instructions=prompts.load("ceo", policy="\n".join(f"- {line}" for line in policy), languages=languages),
        tools=[*media.tools(), *reports.tools(), *research.tools(), *requests.tools()],
        tool_call_limit=12,
        db=db,
        telemetry=False,
        markdown=False,
        store_member_responses=True,
    )


async def ask_ceo(team: Team, text: str, *, session_id: str, user_id: str) -> ManagerReply:
    """One question or command of a manager. Never gives a text when the run did not complete."""
    import re

    from agno.run.base import RunStatus
    from agno.run.team import TeamRunOutput

    runner: Any = team  # Agno's overloads name unparameterised containers
    run: Any = await runner.arun(input=text, stream=False, session_id=session_id, user_id=user_id)
    model = str(team.model.id) if team.model and not isinstance(team.model, str) else ""
    if (
        not isinstance(run, TeamRunOutput)
        or run.status != RunStatus.completed
        or not isinstance(run.content, str)
        or not run.content.strip()
    ):
        error = str(getattr(run, "content", None) or "the run did not complete")[:500]
        return ManagerReply(text=None, status="failed", tools=(), refs=(), model=model, error=error)
    used = tuple(str(tool.tool_name) for tool in run.tools or [] if tool.tool_name)
    refs = tuple(dict.fromkeys(re.findall(r"\[([a-z_]+:[^\]\s]+)\]", run.content)))
    return ManagerReply(text=run.content.strip(), status="ok", tools=used, refs=refs, model=model)
