"""The one door. Every effect on the world is submitted here, judged on fresh facts, recorded, and only then performed.

    submit: key known? -> platform read -> one transaction {facts, judge, reserve, record} -> allow: execute | ask: ticket | refuse
    approve: the same on fresh facts, with the managers' yes in place of what only asks; what refuses still refuses
    execute: claim -> permit -> vendor -> read back -> one transaction {ledger, reservation, audit}

The record is written before the call, so a crash at any line leaves a row that says how far it came; `recover` takes it from there.
Rooms: deciding, performing, people (yes, no, otherwise, later, now), undoing, switch (kill), care (expiry, grace, recovery).
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable, Iterable
from typing import Any

from knowledge.domain.action import CAMPAIGN, Actor
from knowledge.domain.books import ActionRecord, GateBooks, Proposal
from knowledge.domain.clock import Clock
from knowledge.domain.message import Message
from knowledge.domain.policy import Policy
from tools.effects import Effects
from tools.gate import care, deciding, people, performing, switch, undoing
from tools.gate.answers import Outcome, Receipt, may_decide, no, outcome, receipt
from tools.gate.core import Core, Expect
from tools.gate.requests import worst_until
from tools.gate.undoing import UndoPlan


class Gate:
    """Decides and performs typed actions. Knows no wire format and no database: both come in through ports.

    What people decide answers with an Outcome and never raises for a wrong id, role or moment.
    """

    def __init__(
        self,
        books: GateBooks,
        effects: Effects,
        policy: Callable[[], Policy],
        clock: Clock,
        *,
        executor: str,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        chance: random.Random | None = None,
        expect: Expect | None = None,
    ) -> None:
        self._core = Core(books, effects, policy, clock, executor, sleep, chance or random.Random(executor), expect=expect)

    async def submit(self, proposal: Proposal) -> Receipt:
        """Judges an action and, when allowed, performs it. The same key always answers with the same action.

        Never raises for a vendor's failure: the receipt says what became of it. Raises only when the database cannot be reached,
        in which case nothing was sent.
        """
        record, fresh = await deciding.decide(self._core, proposal)
        if fresh and record.status == "authorised":
            given = await self.execute(record.id, record)
            found = await care.looked_into(self._core, record.id) if given.status == "unknown" else None
            return found or given
        if record.status in ("authorised", "executing", "unknown"):  # from an earlier call, which may have died over it
            async with self._core.books.transaction() as tx:
                alive = await self._core.alive(tx, record)
            if not alive:
                return await care.recover_one(self._core, record.id)
        return receipt(record)

    async def execute(self, action_id: str, known: ActionRecord | None = None) -> Receipt:
        """Performs an authorised action. One caller gets the claim.

        `known` is the action as this process recorded it a moment ago; it saves a read.
        """
        return await performing.execute(self._core, action_id, known=known)

    async def _settled(self, given: Outcome) -> Outcome:
        """What was set going and never answered is looked up before anybody is told of it."""
        found = await care.looked_into(self._core, given.action_id) if given.status == "unknown" and given.action_id else None
        return outcome(found) if found is not None else given

    async def echoed(self, conversation_id: str, words: str, external_id: str) -> Receipt | None:
        """The line itself told of a text that left; None when no such text of this conversation is open."""
        return await performing.echoed(self._core, conversation_id, words, external_id)

    # -- people ---------------------------------------------------------------------------------------------------------------

    async def approve(self, action_id: str, actor: Actor, fingerprint: str | None = None) -> Outcome:
        """A manager's yes to exactly the arguments shown (`fingerprint`)."""
        return await self._settled(await people.approve(self._core, action_id, actor, fingerprint))

    async def approve_many(self, requests: Iterable[tuple[str, str | None]], actor: Actor) -> list[Outcome]:
        """A yes to each (action id, fingerprint), in order: each judged on what those before it left of the room."""
        return [await self.approve(action_id, actor, fingerprint) for action_id, fingerprint in requests]

    async def reject(self, action_id: str, actor: Actor, reason: str) -> Outcome:
        """A manager's no, with the reason that the next decisions will read."""
        return await people.reject(self._core, action_id, actor, reason)

    async def reject_many(self, action_ids: Iterable[str], actor: Actor, reason: str) -> list[Outcome]:
        """A no to each of them for one reason."""
        return [await self.reject(action_id, actor, reason) for action_id in action_ids]

    async def edit(
        self, action_id: str, actor: Actor, changes: dict[str, Any], reason: str, fingerprint: str | None = None
    ) -> Outcome:
        """A manager's "do this instead"; Outcome.action_id names the new request."""
        return await self._settled(await people.edit(self._core, action_id, actor, changes, reason, fingerprint))

    async def preview(self, action_id: str, actor: Actor, changes: dict[str, Any]) -> Outcome:
        """What the rules would say to an edit. Changes nothing; Outcome.status is allow, ask or refuse."""
        return await people.preview(self._core, action_id, actor, changes)

    async def extend(self, action_id: str, actor: Actor, hours: int) -> Outcome:
        """More time for a waiting request, or a longer grace for a scheduled action."""
        return await people.extend(self._core, action_id, actor, hours)

    async def act_early(self, action_id: str, actor: Actor) -> Outcome:
        """A scheduled action is done now."""
        return await self._settled(await people.act_early(self._core, action_id, actor))

    async def withdraw(self, action_id: str, actor: Actor, reason: str) -> Outcome:
        """Takes a waiting or scheduled action back."""
        return await people.withdraw(self._core, action_id, actor, reason)

    # -- undo -----------------------------------------------------------------------------------------------------------------

    async def undo_plan(self, action_id: str) -> UndoPlan:
        """Whether an action can be undone now, by what, and why not: on a fresh platform read. Changes nothing."""
        plan, _ = await self._undo_plan(action_id)
        return plan

    async def _undo_plan(self, action_id: str) -> tuple[UndoPlan, tuple[ActionRecord, int] | None]:
        async with self._core.books.transaction() as tx:
            record = await tx.action(action_id)
            undos = await tx.undos(action_id)
            ours = record is not None and isinstance(record.action, CAMPAIGN)
            later = await tx.later_change(record) if record is not None and ours else None
            stands_for = (await tx.refs(record.action)).external_id if record is not None and ours else None
        if record is None:
            return UndoPlan(possible=False, message=Message(id="gate.not_found", params={"action": action_id})), None
        now = None
        if record.status == "done" and record.result is not None and isinstance(record.action, CAMPAIGN):
            look = await self._core.look(record.action)
            if look.unreadable:
                return UndoPlan(possible=False, message=Message(id="undo.unreadable")), None
            where = (record.action.platform, undoing.touched(record))
            now = next((c for c in look.campaigns if (c.platform, c.external_id) == where), None)
        return undoing.plan(record, undos, now, later, stands_for), (record, len(undos))

    async def undo(self, action_id: str, actor: Actor, why: str = "") -> Outcome:
        """Restores what was before an action, as an action of its own through the same rules. Refuses if somebody changed the object."""
        if not may_decide(actor):
            return no("gate.not_allowed", actor=str(actor))
        plan, found = await self._undo_plan(action_id)
        if plan.action is None or found is None:
            return Outcome(ok=False, status="refused", message=plan.message, action_id=action_id)
        record, before = found
        # Numbered by the attempts so far: two clicks at once are one undo, a new attempt after a refusal is a new one.
        proposal = Proposal(
            action=plan.action,
            key=f"undo:{action_id}:{before}",
            proposer=actor,
            why=Message(id="why.undo", params={"kind": record.action.kind, "reason": why}),
            evidence=({"undo_of": action_id, "why": record.why.model_dump(mode="json")},),
            correlation_id=record.correlation_id,
            undo_of=action_id,
            priority="high",
        )
        given = await self.submit(proposal)
        good = given.status in ("done", "authorised", "waiting", "unknown")
        return Outcome(ok=good, status=given.status, message=given.message, findings=given.findings, action_id=given.action_id)

    async def undo_batch(self, correlation_id: str, actor: Actor, why: str = "") -> list[Outcome]:
        """Undoes every done action of one cause, the newest first; each answers for itself."""
        async with self._core.books.transaction() as tx:
            records = await tx.batch(correlation_id)
        return [await self.undo(record.id, actor, why) for record in records if record.undo_of is None]

    # -- stop and care --------------------------------------------------------------------------------------------------------

    async def kill(self, scope: switch.Scope, target: str | None, actor: Actor, reason: str) -> Outcome:
        """Stops every write in the scope from now on. In force as soon as this returns."""
        return await switch.kill(self._core, scope, target, actor, reason)

    async def resume(self, kill_id: str, actor: Actor) -> Outcome:
        """Lifts a kill switch. What it cancelled stays cancelled."""
        return await switch.lift(self._core, kill_id, actor)

    async def expire_due(self) -> int:
        """Rejects every request whose time is over. Returns how many."""
        return await care.expire_due(self._core)

    async def release_due(self) -> int:
        """Ends every grace whose time is over. Returns how many."""
        return await care.release_due(self._core)

    async def recover(self) -> list[Receipt]:
        """Finishes what dead processes left."""
        return await care.recover(self._core)


__all__ = ["Gate", "Outcome", "Receipt", "UndoPlan", "worst_until"]
