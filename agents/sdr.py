"""The SDR: answers one lead's turn. The run only collects; the caller stores the outcome and submits the text to the gate."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

import prompts
from agents.offline.intents import AUDIO_MARK, intents
from agents.offline.scoring import qualify
from agents.offline.sdr import REFUSAL_TAG, facts_block
from knowledge.domain.conversation import Turn
from knowledge.domain.lead import LeadProfile, Qualification
from tools.kits.knowledge import KnowledgeKit
from tools.kits.lead import HandoffReason, LeadKit, QuoteRequest

if TYPE_CHECKING:
    from agno.agent import Agent
    from agno.models.base import Model
    from agno.models.message import Message

MAX_HISTORY = 40
_TAGS = re.compile(r"</?\s*(?:turn_facts|gate_refusal|system_prompt|system)\b[^>]*>", re.IGNORECASE)


class TurnInput(BaseModel):
    """One turn of a lead: everything the SDR may know. `texts` are the batch of new messages, in order."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    lead_id: str
    company: str
    profile: LeadProfile
    texts: tuple[str, ...] = Field(min_length=1)
    history: tuple[Turn, ...] = ()
    seed: str | None = Field(default=None, description="what the choice of wording hangs on; the lead's id by default")
    notice: str | None = Field(None, description="privacy notice appended to the very first answer")


class SdrReply(BaseModel):
    """What the lead should read and what the turn learnt. `text` is None when nothing may be sent: the run failed; see `error`."""

    model_config = ConfigDict(frozen=True)

    text: str | None
    status: Literal["ok", "failed"]
    handoff: HandoffReason | None
    profile: LeadProfile
    qualification: Qualification
    quote: QuoteRequest | None
    opt_out: bool
    sources: tuple[str, ...]
    model: str
    error: str | None = None


class Sdr:
    """An Agno agent with the kits of one turn. Built per turn: construction costs microseconds and keeps leads apart."""

    def __init__(self, agent: Agent, lead: LeadKit, knowledge: KnowledgeKit | None) -> None:
        self.agent = agent
        self.lead = lead
        self.knowledge = knowledge


def build_sdr(
    model: Model,
    lead: LeadKit,
    knowledge: KnowledgeKit | None = None,
    *,
    company: str,
    about: str = "",
    policy: Sequence[str] = (),
    fallback_models: Sequence[Model] = (),
    db: Any = None,
) -> Sdr:
    """The SDR for one turn. `policy` holds the sentences with which the conversation rules describe themselves."""
    from agno.agent import Agent

    rules = "\n".join(f"    <rule>{sentence}</rule>" for sentence in policy)
    agent = Agent(
        id="sdr",
        name="SDR",
        role="Attends leads on WhatsApp and qualifies them",
        model=model,
        fallback_models=list(fallback_models) or None,
        system_message=prompts.load("sp_agente_v1", company=company, about=about, policy=rules),
        tools=[*lead.tools(), *(knowledge.tools() if knowledge else [])],
        tool_call_limit=12,
        db=db,
        telemetry=False,
        markdown=False,
    )
    return Sdr(agent, lead, knowledge)


async def qualify_turn(sdr: Sdr, turn: TurnInput) -> SdrReply:
    """Runs the turn, without streaming. Never gives a text when the run did not complete."""
    return await _run(sdr, turn, _messages(turn))


async def rewrite(sdr: Sdr, turn: TurnInput, refused_text: str, reasons: Sequence[str]) -> SdrReply:
    """One second try after the gate refused a text, with its reasons. If this one is refused too, a person takes over."""
    from agno.models.message import Message

    note = "\n".join(f"- {reason}" for reason in reasons)
    asked = (
        f"{REFUSAL_TAG}\nA mensagem acima não foi enviada. Motivos:\n{note}\n"
        "Escreva outra, que respeite os motivos. Não mencione esta revisão.\n</gate_refusal>"
    )
    extra = [Message(role="assistant", content=refused_text), Message(role="user", content=asked)]
    return await _run(sdr, turn, [*_messages(turn), *extra])


def _messages(turn: TurnInput) -> list[Message]:
    from agno.models.message import Message

    facts = {
        "company": turn.company,
        "seed": turn.seed or turn.lead_id,
        "profile": turn.profile.model_dump(exclude_none=True),
        "missing": turn.profile.missing(),
    }
    messages = [Message(role="system", content=facts_block(facts))]
    for line in turn.history[-MAX_HISTORY:]:
        messages.append(Message(role="user" if line.author == "lead" else "assistant", content=_clean(line.text)))
    messages.append(Message(role="user", content="\n".join(_clean(text) for text in turn.texts)))
    return messages


def _clean(text: str) -> str:
    """A lead's words without our own tags: only the house may state facts or refusals."""
    return _TAGS.sub("", text).strip() or "…"


async def _run(sdr: Sdr, turn: TurnInput, messages: list[Message]) -> SdrReply:
    from agno.run.agent import RunOutput
    from agno.run.base import RunStatus

    runner: Any = sdr.agent  # Agno's overloads name unparameterised containers
    run: Any = await runner.arun(input=messages, stream=False, session_id=f"lead:{turn.lead_id}", user_id=turn.lead_id)
    outcome = sdr.lead.outcome()
    said = {i for text in (*(t.text for t in turn.history if t.author == "lead"), *turn.texts) for i in intents(text)}
    error: str | None = None
    text: str | None = None
    if not isinstance(run, RunOutput) or run.status != RunStatus.completed:
        error = str(getattr(run, "content", None) or "the run did not complete")[:500]
    elif not isinstance(run.content, str) or not run.content.strip():
        error = "the model gave no text"
    else:
        text = run.content.strip()
        if turn.notice and not any(line.author != "lead" for line in turn.history):
            text = f"{text}\n\n{turn.notice}"
    return SdrReply(
        text=text,
        status="ok" if text is not None else "failed",
        handoff=outcome.handoff,
        profile=outcome.profile,
        # A model that forgot to record the temperature must not leave the lead without one
        qualification=outcome.qualification or qualify(outcome.profile, said),
        quote=outcome.quote,
        opt_out=outcome.opt_out,
        sources=sdr.knowledge.sources() if sdr.knowledge else (),
        model=str(sdr.agent.model.id) if sdr.agent.model else "",
        error=error,
    )


__all__ = ["AUDIO_MARK", "Sdr", "SdrReply", "TurnInput", "build_sdr", "qualify_turn", "rewrite"]
