"""The kill switch: set in one transaction, read again immediately before every write (performing._perform)."""

from __future__ import annotations

import uuid
from typing import Any, Literal, get_args

from knowledge.domain.action import Actor, Platform
from knowledge.domain.books import GateTx
from knowledge.domain.facts import KillSwitch
from knowledge.domain.message import Message
from tools.gate.answers import Outcome, may_decide, no
from tools.gate.core import Core

Scope = Literal["all", "platform", "campaign", "agent", "conversation"]


async def kill(core: Core, scope: Scope, target: str | None, actor: Actor, reason: str) -> Outcome:
    """Stops every write in the scope from now on. In force as soon as this returns."""
    if not may_decide(actor):
        return no("gate.not_allowed", actor=str(actor))
    target = target.strip() if target is not None else None
    if (scope == "all") != (not target):
        return no("gate.kill_target", scope=scope)
    now = core.clock.now()
    async with core.books.transaction() as tx:
        if target:
            found = await _found(tx, scope, target)
            if len(found) != 1:
                known = ", ".join(found or get_args(Platform) if scope == "platform" else found) or "-"
                return no("gate.kill_unknown", scope=scope, target=target, known=known)
            target = found[0]
        stop = KillSwitch(id=str(uuid.uuid4()), scope=scope, target=target or None, reason=reason, set_by=str(actor), set_at=now)
        replaced = await _added(tx, stop)
        if replaced is stop:
            return Outcome(ok=True, status="killed", message=Message(id="gate.already_killed", params={"scope": scope}))
        payload: dict[str, Any] = {"kill_id": stop.id, "scope": scope, "target": target, "reason": reason}
        if replaced is not None:
            payload["replaces"] = replaced.id
        await tx.audit("kill.set", str(actor), now, payload)
        await tx.emit("kill.set", now, payload | {"actor": str(actor)})
    return Outcome(ok=True, status="killed", message=Message(id="gate.killed", params={"scope": scope, "target": target or ""}))


async def _added(tx: GateTx, stop: KillSwitch) -> KillSwitch | None:
    """Sets the stop. Returns the other person's that it took the place of; the stop itself when they had set it already.

    Who presses it wants it in force from now on: somebody who lifts, in that moment, the stop that they saw has not seen this one.
    """
    while not await tx.add_kill(stop):
        standing = next((k for k in await tx.kills() if (k.scope, k.target) == (stop.scope, stop.target)), None)
        if standing is None:
            continue  # lifted just now
        if standing.set_by == stop.set_by:
            return stop
        if await tx.lift_kill(standing.id, stop.set_by, stop.set_at) and await tx.add_kill(stop):
            return standing
    return None


async def _found(tx: GateTx, scope: Scope, wanted: str) -> list[str]:
    """What the ledger knows by this name: a stop that stops nothing must not be told as one."""
    if scope == "platform":
        return [name for name in get_args(Platform) if name == wanted.lower()]
    return await tx.named(scope, wanted)


async def lift(core: Core, kill_id: str, actor: Actor) -> Outcome:
    """Lifts a kill switch. What it cancelled stays cancelled: it must be proposed anew."""
    if not may_decide(actor):
        return no("gate.not_allowed", actor=str(actor))
    now = core.clock.now()
    async with core.books.transaction() as tx:
        if not await tx.lift_kill(kill_id, str(actor), now):
            return no("gate.stop_gone", stop=kill_id)
        await tx.audit("kill.lifted", str(actor), now, {"kill_id": kill_id})
        await tx.emit("kill.lifted", now, {"kill_id": kill_id, "actor": str(actor)})
    return Outcome(ok=True, status="resumed", message=Message(id="gate.resumed"))
