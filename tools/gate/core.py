"""What every room of the gate shares: the books, the effects, the law in force, the clock, and the one way to record."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from knowledge.domain.action import CAMPAIGN, Action, Actor
from knowledge.domain.books import ActionRecord, GateBooks, GateTx
from knowledge.domain.campaign import PlatformCampaign
from knowledge.domain.clock import Clock
from knowledge.domain.facts import Facts
from knowledge.domain.policy import Policy
from knowledge.domain.verdict import Verdict
from tools.effects import Effects
from tools.errors import VendorError
from tools.guardrails import judge

Expect = Callable[[Action, Actor], Awaitable[dict[str, Any] | None]]
"""States the expected effect of an action nobody stated it for (knowledge.domain.outcome.Expectation). Never raises for figures."""


@dataclass(frozen=True)
class Look:
    """A platform read made for judging: what the platform said, or the reads that failed."""

    campaigns: tuple[PlatformCampaign, ...] = ()
    unreadable: tuple[str, ...] = ()


@dataclass(frozen=True)
class Core:
    """The gate's ports and state of this process. `in_hand` counts the actions it executes at this moment."""

    books: GateBooks
    effects: Effects
    policy: Callable[[], Policy]
    clock: Clock
    executor: str
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
    chance: random.Random = field(default_factory=lambda: random.Random(0))
    in_hand: Counter[str] = field(default_factory=Counter[str])
    expect: Expect | None = None

    async def expected(self, action: Action, proposer: Actor) -> dict[str, Any] | None:
        """What the action is expected to change, as it is stored beside it; None where nobody can say. Outside any transaction."""
        return await self.expect(action, proposer) if self.expect is not None and isinstance(action, CAMPAIGN) else None

    async def look(self, action: Action) -> Look:
        """The platform's own word, fresh. Outside any transaction: a slow vendor must not hold the budget lock."""
        try:
            return Look(campaigns=await self.effects.read(action))
        except VendorError as error:
            return Look(unreadable=(f"{error.vendor}.{error.operation}",))

    async def lock(self, tx: GateTx, action: Action) -> None:
        """From here to the commit nobody else judges or reserves spend of the workspace."""
        if isinstance(action, CAMPAIGN):
            await tx.lock_budget(action.workspace)

    async def facts(
        self, tx: GateTx, action: Action, proposer: Actor, confidence: Any, look: Look, now: datetime, *, excluding: str | None
    ) -> Facts:
        """Ledger and platform read put together; what could not be read is named."""
        facts = await tx.ledger_facts(action, proposer, confidence, look.campaigns, self.policy(), now, excluding=excluding)
        return facts.model_copy(update={"unreadable": facts.unreadable + look.unreadable}) if look.unreadable else facts

    async def judged_again(self, tx: GateTx, record: ActionRecord, look: Look, now: datetime) -> tuple[Facts, Verdict]:
        """The verdict on a recorded action by today's facts and law. Call under the budget lock."""
        facts = await self.facts(tx, record.action, record.proposer, record.confidence, look, now, excluding=record.id)
        return facts, judge(record.action, facts, self.policy())

    async def alive(self, tx: GateTx, record: ActionRecord) -> bool:
        """Whether somebody is at it right now. Of this process itself: a cancelled task leaves its claim behind."""
        if record.status != "executing" or record.executor is None:
            return False
        if record.executor == self.executor:
            return record.id in self.in_hand
        return await tx.executor_alive(record.executor)

    async def note(self, tx: GateTx, kind: str, record: ActionRecord, actor: str, now: datetime, **more: Any) -> None:
        """One audit row and one live event for what just happened to an action."""
        payload: dict[str, Any] = {
            "action": record.action.args(),
            "fingerprint": record.fingerprint,
            "key": record.key,
            "status": record.status,
            "proposer": str(record.proposer),
            "why": record.why.model_dump(mode="json"),
            "policy_version": record.verdict.policy_version,
            "answer": record.verdict.answer,
            "findings": record.verdict.told,
            "expected": record.expected,
            "result": record.result,
            "error": record.error.model_dump(mode="json") if record.error else None,
            "attempts": record.attempts,
            **more,
        }
        await tx.audit(kind, actor, now, payload, record.id)
        await tx.emit(
            kind,
            now,
            {
                "action_id": record.id,
                "kind": record.action.kind,
                "status": record.status,
                "actor": actor,
                "proposer": str(record.proposer),
                "platform": getattr(record.action, "platform", None),
                "campaign_id": getattr(record.action, "campaign_id", None),
                "conversation_id": getattr(record.action, "conversation_id", None),
                "why": payload["why"],
                "reasons": [f.model_dump(mode="json") for f in record.verdict.reasons],
            },
        )
