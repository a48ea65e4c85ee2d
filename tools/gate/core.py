"""What every room of the gate shares: the books, the effects, the law in force, the clock, and the one way to record."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, TypeVar

from knowledge.domain.action import CAMPAIGN, Action, Actor, Platform
from knowledge.domain.books import OVERDUE, ActionRecord, GateBooks, GateTx
from knowledge.domain.campaign import PlatformCampaign
from knowledge.domain.chain import Spelled
from knowledge.domain.clock import Clock
from knowledge.domain.fact_building import LIVE, RUNNING
from knowledge.domain.facts import Facts
from knowledge.domain.policy import Policy
from knowledge.domain.verdict import Verdict
from tools.effects import Effects
from tools.gate import undoing
from tools.guardrails import judge

Expect = Callable[[Action, Actor], Awaitable[dict[str, Any] | None]]
"""States the expected effect of an action nobody stated it for (knowledge.domain.outcome.Expectation). Never raises for figures."""


LOOKS = 4
"""How often the platform is read anew while our own ledger moves under the reading."""
Odds = tuple[object, ...]
T = TypeVar("T")


@dataclass(frozen=True)
class Look:
    """A platform read made for judging: what the platforms said, and the reads that failed.

    `unreadable`: of the action's own platform; `unclear`: of the others. `odds`: where ledger and platform differed at the look before
    this one; the same again is somebody's change on the platform, not ours on the way.
    """

    campaigns: tuple[PlatformCampaign, ...] = ()
    read: frozenset[Platform] = frozenset()
    unreadable: tuple[str, ...] = ()
    unclear: tuple[str, ...] = ()
    odds: Odds = ()
    last: bool = False


class LookAgain(Exception):
    """Ledger and platform differ, and the read may be from before a change of our own. Nothing was written."""

    def __init__(self, odds: Odds) -> None:
        self.odds = odds


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
        """The platforms' own word, fresh. Outside any transaction: a slow vendor must not hold the budget lock."""
        reading = await self.effects.read(action)
        if not reading.failed:
            return Look(reading.campaigns, reading.read)
        own = getattr(action, "platform", None)
        missed = {name: f"{error.vendor}.{error.operation}" for name, error in reading.failed.items()}
        unclear = tuple(sorted(named for name, named in missed.items() if name != own))
        return Look(reading.campaigns, reading.read, (missed[own],) if own in missed else (), unclear)

    async def on_fresh_look(self, action: Action, errand: Callable[[GateTx, Look], Awaitable[T]]) -> T:
        """Runs the errand in one transaction, under the budget lock, on a platform read that no change of ours has overtaken.

        The platform is read before the lock. Where it and our ledger then differ, either somebody worked on the platform or another
        process of ours was faster: it is read again, until the ledger has stood still around a reading.
        """
        odds: Odds = ()
        for _ in range(LOOKS):
            look = replace(await self.look(action), odds=odds)
            try:
                async with self.books.transaction() as tx:
                    await self.lock(tx, action)
                    return await errand(tx, look)
            except LookAgain as again:
                odds = again.odds
        async with self.books.transaction() as tx:
            await self.lock(tx, action)
            return await errand(tx, Look(unreadable=(f"{getattr(action, 'platform', '')}.list_campaigns",), last=True))

    async def lock(self, tx: GateTx, action: Action, *, soon: bool = False) -> None:
        """From here to the commit nobody else judges or reserves spend of the workspace; `soon`: from the next statement on."""
        if isinstance(action, CAMPAIGN):
            await tx.lock_budget(action.workspace, soon=soon)

    async def facts(
        self,
        tx: GateTx,
        action: Action,
        proposer: Actor,
        confidence: Any,
        look: Look,
        now: datetime,
        *,
        excluding: str | None,
        undo_of: str | None = None,
    ) -> Facts:
        """Ledger and platform read put together; what could not be read is named. Raises LookAgain (see `on_fresh_look`)."""
        policy = self.policy()
        facts = await tx.ledger_facts(
            action, proposer, confidence, look.campaigns, policy, now, excluding=excluding, read=look.read
        )
        odds = _odds(facts)
        if odds != look.odds and odds and not look.last and not look.unreadable:
            raise LookAgain(odds)
        news: dict[str, Any] = {}
        if look.unreadable or action.workspace != policy.workspace:
            # Another workspace's books are empty, and its caps untouched: nothing may be asked of them here.
            strange = () if action.workspace == policy.workspace else ("workspace",)
            news["unreadable"] = facts.unreadable + look.unreadable + strange
        if look.unclear:
            news["unclear"] = facts.unclear + look.unclear
        if proposer.kind == "user" and proposer.role not in ("manager", "admin"):
            news["viewer"] = True
        if undo_of is not None:
            # That it restores what was is read from the ledger: a caller's word for it would be a way around the rules.
            news["undo_of"] = undo_of
            undone = await tx.action(undo_of)
            if undone is not None and facts.campaign is not None and undoing.restores(action, undone, facts.campaign):
                news["restores"] = undone.id
        return facts.model_copy(update=news) if news else facts

    async def judged_again(self, tx: GateTx, record: ActionRecord, look: Look, now: datetime) -> tuple[Facts, Verdict]:
        """The verdict on a recorded action by today's facts and law. Call under the budget lock."""
        facts = await self.facts(
            tx, record.action, record.proposer, record.confidence, look, now, excluding=record.id, undo_of=record.undo_of
        )
        return facts, judge(record.action, facts, self.policy())

    async def alive(self, tx: GateTx, record: ActionRecord) -> bool:
        """Whether somebody is at it right now. Of this process itself: a cancelled task leaves its claim behind."""
        if record.status != "executing" or record.executor is None:
            return False
        if record.execution_started_at is not None and record.execution_started_at < self.clock.now() - OVERDUE:
            return False  # it is stuck, and may not write any more
        if record.executor == self.executor:
            return record.id in self.in_hand
        return await tx.executor_alive(record.executor)

    async def note(self, tx: GateTx, kind: str, record: ActionRecord, actor: str, now: datetime, **more: Any) -> None:
        """One audit row and one live event for what just happened to an action."""
        why = Spelled(record.why.text)
        payload: dict[str, Any] = {
            "action": Spelled(record.action.spelled),
            "fingerprint": record.fingerprint,
            "key": record.key,
            "status": record.status,
            "proposer": str(record.proposer),
            "why": why,
            "policy_version": record.verdict.policy_version,
            "answer": record.verdict.answer,
            "findings": record.verdict.told,
            "expected": record.expected,
            "result": record.result,
            "error": Spelled(record.error.text) if record.error else None,
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
                "why": why,
                "reasons": Spelled("[" + ",".join([f.text for f in record.verdict.reasons]) + "]"),
            },
        )


def _odds(facts: Facts) -> Odds:
    """Where the platform read and our ledger differ, by the ledger's side of it; empty where they agree."""
    campaign, names = facts.campaign, (*facts.unreadable, *facts.unclear)
    if campaign is None:
        return names
    runs = (campaign.delivery in LIVE) == (campaign.status in RUNNING)
    if runs and campaign.daily_budget == campaign.ledger_budget:
        return names
    return (*names, campaign.status, campaign.ledger_budget, campaign.last_raise_at)
