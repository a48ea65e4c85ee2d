"""The gate's own care: requests expire, graces end, and what a dead process left is found out before anything is tried again."""

from __future__ import annotations

from contextlib import suppress
from datetime import timedelta

from knowledge.domain.message import Message
from tools.gate import people
from tools.gate.answers import Receipt, receipt
from tools.gate.core import Core
from tools.gate.performing import execute
from tools.guardrails import kill_switch

STALE = timedelta(minutes=15)
"""An authorised action that nobody executed for this long is judged again before it leaves."""


async def expire_due(core: Core) -> int:
    """Rejects every request whose time is over. Returns how many."""
    now, count = core.clock.now(), 0
    async with core.books.transaction() as tx:
        due = await tx.due_tickets(now)
    for action_id in due:
        async with core.books.transaction() as tx:
            record = await tx.action(action_id, lock=True)
            ticket = await tx.ticket(action_id, lock=True)
            if record and ticket and ticket.status == "pending" and ticket.expires_at <= now:
                await people.expire(core, tx, record, ticket, now)
                count += 1
    return count


async def release_due(core: Core) -> int:
    """Ends every grace whose time is over. Returns how many actions were released, asked for or cancelled by it."""
    async with core.books.transaction() as tx:
        due = await tx.due_actions(core.clock.now())
    count = 0
    for action_id in due:
        answer = await people.release(core, action_id, "system:clock", early=False)
        count += answer.status != "scheduled"
    return count


async def recover(core: Core) -> list[Receipt]:
    """Finishes what dead processes left: executing becomes unknown and is looked up; old authorisations are judged again."""
    async with core.books.transaction() as tx:
        stranded = await tx.stranded(core.executor, core.clock.now())
    receipts: list[Receipt] = []
    for action_id in stranded:
        with suppress(LookupError):
            receipts.append(await recover_one(core, action_id))
    return receipts


async def recover_one(core: Core, action_id: str) -> Receipt:
    """Takes one stranded action further, unless a living process has it. Raises LookupError when it is not in the ledger."""
    now = core.clock.now()
    async with core.books.transaction() as tx:
        record = await tx.action(action_id, lock=True)
        if record is None:
            raise LookupError(action_id)
        if await core.alive(tx, record):  # somebody else was faster with it
            return receipt(record)
        if record.status == "unknown" and kill_switch.covering(record.action, str(record.proposer), await tx.kills()):
            return receipt(record)  # looking it up may have to write; it waits, without using up its attempts
        if record.status == "executing":
            error = Message(id="gate.executor_died", params={"executor": record.executor or ""})
            await tx.change(action_id, "executing", "unknown", error=error)
            record = record.model_copy(update={"status": "unknown", "error": error})
            await core.note(tx, "action.unknown", record, core.executor, now)
    if record.status == "authorised" and now - record.decided_at > STALE:
        look = await core.look(record.action)
        async with core.books.transaction() as tx:
            await core.lock(tx, record.action)
            locked = await tx.action(action_id, lock=True)
            if locked is None or locked.status != "authorised":
                return receipt(locked or record)
            facts, verdict = await core.judged_again(tx, locked, look, now)
            ticket = await tx.ticket(action_id)
            approved = ticket is not None and ticket.status == "approved"
            if verdict.answer == "refuse" or (verdict.answer == "ask" and not approved):
                await tx.change(action_id, "authorised", "cancelled", facts=facts, verdict=verdict, closed_at=now)
                await tx.settle(action_id, kept=False, now=now)
                stale = record.model_copy(update={"status": "cancelled", "verdict": verdict, "facts": facts})
                await core.note(tx, "action.cancelled", stale, core.executor, now)
                return receipt(stale)
    return await execute(core, action_id)
