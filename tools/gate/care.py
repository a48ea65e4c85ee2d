"""The gate's own care: requests expire, graces end, and what a dead process left is found out before anything is tried again."""

from __future__ import annotations

from contextlib import suppress
from datetime import datetime, timedelta

from knowledge.domain.action import CAMPAIGN, PublishCampaign
from knowledge.domain.books import ActionRecord, GateTx
from knowledge.domain.facts import Facts
from knowledge.domain.message import Message
from knowledge.domain.verdict import Verdict
from tools.effects import Trace
from tools.errors import VendorError
from tools.gate import people
from tools.gate.answers import Receipt, receipt
from tools.gate.core import Core
from tools.gate.performing import close, execute
from tools.guardrails import kill_switch

STALE = timedelta(minutes=15)
"""An authorised action that nobody executed for this long is judged again before it leaves."""
SETTLE = timedelta(minutes=2)
"""A creation whose answer was lost is not sent again before this: the platforms' lists lag behind what they made."""


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
        if record.status == "executing":
            error = Message(id="gate.executor_died", params={"executor": record.executor or ""})
            await tx.change(action_id, "executing", "unknown", error=error)
            record = record.model_copy(update={"status": "unknown", "error": error})
            await core.note(tx, "action.unknown", record, core.executor, now)
    if record.status == "unknown" and isinstance(record.action, CAMPAIGN):
        try:
            trace = await _trace(core, record)
        except VendorError:
            return receipt(record)  # it stays unknown, and its room reserved, until the platform can be read
        if trace.result is not None:
            return await close(core, record, "done", result=trace.result, before="unknown")
        started = record.execution_started_at or record.decided_at
        if isinstance(record.action, PublishCampaign) and not trace.begun and now - started < SETTLE:
            return receipt(record)
        ended = await _overtaken(core, record, now)
        if ended is not None:
            return ended
    elif record.status == "authorised" and now - record.decided_at > STALE:
        ended = await _outdated(core, record, now)
        if ended is not None:
            return ended
    async with core.books.transaction() as tx:
        stopped = kill_switch.covering(record.action, str(record.proposer), await tx.kills()) is not None
    if record.status == "unknown" and stopped:
        return receipt(record)  # sending is stopped; it waits, without using up its attempts
    return await execute(core, action_id, doubt=not isinstance(record.action, CAMPAIGN))


async def _trace(core: Core, record: ActionRecord) -> Trace:
    """What the platform shows of the lost attempt."""
    assert isinstance(record.action, CAMPAIGN)
    async with core.books.transaction() as tx:
        refs = await tx.refs(record.action)
    return await core.effects.found(record.action, record.key, refs)


async def _overtaken(core: Core, record: ActionRecord, now: datetime) -> Receipt | None:
    """Ends an action in doubt that the platform does not show, when somebody has decided otherwise since, or the law would today.

    None when it may be sent again.
    """
    look = await core.look(record.action)
    async with core.books.transaction() as tx:
        await core.lock(tx, record.action)
        locked = await tx.action(record.id, lock=True)
        if locked is None or locked.status != "unknown":
            return receipt(locked or record)
        later = await tx.later_change(locked)
        if later is not None:
            at = (later.closed_at or later.decided_at).isoformat()
            error = Message(id="gate.superseded", params={"by": str(later.proposer), "at": at})
            return await _given_up(core, tx, locked, error, now)
        if now - locked.decided_at <= STALE:
            return None
        facts, verdict = await core.judged_again(tx, locked, look, now)
        if any(f.rule == "facts_readable" and f.answer == "refuse" for f in verdict.findings):
            return receipt(locked)
        if await _still_lawful(tx, locked, verdict):
            return None
        error = Message(id="gate.no_longer", params={"rules": ", ".join(f.rule for f in verdict.reasons)})
        return await _given_up(core, tx, locked, error, now, facts=facts, verdict=verdict)


async def _given_up(
    core: Core, tx: GateTx, record: ActionRecord, error: Message, now: datetime, **judged: Facts | Verdict
) -> Receipt:
    await tx.change(record.id, "unknown", "failed", error=error, closed_at=now, **judged)
    await tx.settle(record.id, kept=False, now=now)
    failed = record.model_copy(update={"status": "failed", "error": error, "closed_at": now} | judged)
    await core.note(tx, "action.failed", failed, core.executor, now)
    return receipt(failed)


async def _outdated(core: Core, record: ActionRecord, now: datetime) -> Receipt | None:
    """Judges an old authorisation again; None when it still holds."""
    look = await core.look(record.action)
    async with core.books.transaction() as tx:
        await core.lock(tx, record.action)
        locked = await tx.action(record.id, lock=True)
        if locked is None or locked.status != "authorised":
            return receipt(locked or record)
        facts, verdict = await core.judged_again(tx, locked, look, now)
        if await _still_lawful(tx, locked, verdict):
            # It leaves on this verdict, so this verdict and its facts are what the record says.
            await tx.change(record.id, "authorised", "authorised", facts=facts, verdict=verdict)
            return None
        await tx.change(record.id, "authorised", "cancelled", facts=facts, verdict=verdict, closed_at=now)
        await tx.settle(record.id, kept=False, now=now)
        stale = locked.model_copy(update={"status": "cancelled", "verdict": verdict, "facts": facts, "closed_at": now})
        await core.note(tx, "action.cancelled", stale, core.executor, now)
        return receipt(stale)


async def _still_lawful(tx: GateTx, record: ActionRecord, verdict: Verdict) -> bool:
    """Allowed, or asked for and already approved."""
    ticket = await tx.ticket(record.id)
    approved = ticket is not None and ticket.status == "approved"
    return verdict.answer == "allow" or (verdict.answer == "ask" and approved)
