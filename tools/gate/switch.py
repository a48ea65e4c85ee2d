"""The kill switch: set in one transaction, read again immediately before every write (performing._perform)."""

from __future__ import annotations

import uuid
from typing import Literal, get_args

from knowledge.domain.action import Actor, Platform
from knowledge.domain.books import GateTx
from knowledge.domain.facts import KillSwitch
from knowledge.domain.message import Message
from tools.gate.answers import Outcome, may_decide, no
from tools.gate.core import Core

Scope = Literal["all", "platform", "campaign", "agent", "conversation"]


AGENTS = ("ceo", "scout", "copywriter", "media_buyer", "analyst", "sdr")
"""The crew's names, as they stand on its proposals."""


async def kill(core: Core, scope: Scope, target: str | None, actor: Actor, reason: str) -> Outcome:
    """Stops every write in the scope from now on. In force as soon as this returns.

    Each person has a stop of their own: who lifts somebody else's does not lift this one.
    """
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
                some = {"platform": get_args(Platform), "agent": AGENTS}.get(scope, ())
                known = ", ".join(found or some) or "-"
                return no("gate.kill_unknown", scope=scope, target=target, known=known)
            target = found[0]
        stop = KillSwitch(id=str(uuid.uuid4()), scope=scope, target=target or None, reason=reason, set_by=str(actor), set_at=now)
        if not await tx.add_kill(stop):
            return Outcome(ok=True, status="killed", message=Message(id="gate.already_killed", params={"scope": scope}))
        payload = {"kill_id": stop.id, "scope": scope, "target": target, "reason": reason}
        await tx.audit("kill.set", str(actor), now, payload)
        await tx.emit("kill.set", now, payload | {"actor": str(actor)})
    return Outcome(ok=True, status="killed", message=Message(id="gate.killed", params={"scope": scope, "target": target or ""}))


async def _found(tx: GateTx, scope: Scope, wanted: str) -> list[str]:
    """What the ledger knows by this name: a stop that stops nothing must not be told as one."""
    if scope == "platform":
        return [name for name in get_args(Platform) if name == wanted.lower()]
    if scope == "agent" and (wanted in AGENTS or "@" in wanted):
        return [wanted]  # of the crew, or a person, though they may not have asked for anything yet
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
