"""The gate's own care: requests expire, graces end, and what a dead process left is found out before anything is tried again."""

from __future__ import annotations

from contextlib import suppress
from datetime import datetime, timedelta
from typing import Any

from knowledge.domain.action import CAMPAIGN, PauseCampaign, PublishCampaign
from knowledge.domain.books import ActionRecord, GateTx, Status
from knowledge.domain.facts import Facts
from knowledge.domain.message import Message
from knowledge.domain.verdict import Verdict
from tools.effects import Trace
from tools.errors import VendorError
from tools.gate import people
from tools.gate.answers import Receipt, receipt
from tools.gate.core import Core, Look
from tools.gate.performing import close, execute
from tools.guardrails import kill_switch

SETTLE = timedelta(minutes=2)
"""A creation whose answer was lost is not sent again before this: the platforms' lists lag behind what they made."""

FOLLOW_UPS = 2


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
    """Finishes what dead processes left: executing becomes unknown and is looked up; what is still to leave is judged anew."""
    async with core.books.transaction() as tx:
        stranded = await tx.stranded(core.executor, core.clock.now())
    receipts: list[Receipt] = []
    for action_id in stranded:
        with suppress(LookupError):
            receipts.append(await recover_one(core, action_id))
    return receipts


async def looked_into(core: Core, action_id: str) -> Receipt | None:
    """What became of a change of a campaign whose answer was lost a moment ago: looked up, and once more a little later; what is
    still in doubt then waits for `recover`. None for what is no such change."""
    async with core.books.transaction() as tx:
        record = await tx.action(action_id)
    if record is None or not isinstance(record.action, CAMPAIGN):
        return None
    answer = receipt(record)
    for look in range(FOLLOW_UPS):
        if answer.status != "unknown":
            break
        await core.sleep(0.2 * 2**look * (0.5 + core.chance.random()))
        answer = await recover_one(core, action_id)
    return answer


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
    if record.status not in ("authorised", "unknown"):
        return receipt(record)  # somebody else brought it to its end meanwhile
    campaign, begun = isinstance(record.action, CAMPAIGN), False
    if record.status == "unknown" and campaign:
        try:
            trace = await _trace(core, record)
        except VendorError:
            return receipt(record)  # it stays unknown, and its room reserved, until the platform can be read
        if trace.result is not None:
            return await close(core, record, "done", result=trace.result, before="unknown")
        if trace.changed is not None:  # what was half made is another campaign by now: switching it on is nobody's decision
            error = Message(id="gate.half_changed", params={"budget": trace.changed})
            return await close(core, record, "failed", error=error, before="unknown")
        begun = trace.begun
        started = record.execution_started_at or record.decided_at
        if isinstance(record.action, PublishCampaign) and not begun and now - started < SETTLE:
            return receipt(record)
    if record.status == "unknown" and await _stopped(core, record):
        return receipt(record)  # sending is stopped; it waits with its room held, without using up its attempts
    if record.status == "authorised" or campaign:
        ended = await _judged_anew(core, record)
        if ended is not None:
            return ended
    return await execute(core, action_id, looked=campaign, doubt=begun or not campaign)


async def _stopped(core: Core, record: ActionRecord) -> bool:
    async with core.books.transaction() as tx:
        return kill_switch.covering(record.action, str(record.proposer), await tx.kills()) is not None


async def _trace(core: Core, record: ActionRecord) -> Trace:
    """What the platform shows of the lost attempt."""
    assert isinstance(record.action, CAMPAIGN)
    async with core.books.transaction() as tx:
        refs = await tx.refs(record.action)
    before = record.facts.campaign.ledger_budget if record.facts.campaign else None
    return await core.effects.found(record.action, record.key, refs, before)


async def _judged_anew(core: Core, record: ActionRecord) -> Receipt | None:
    """Judges what did not leave at once on what is so by now, and ends it when the law, or a later decision, says otherwise.

    None when it may leave: on this verdict, with room for it. While the platform cannot be read it stays as it is, its room held.
    """

    async def anew(tx: GateTx, look: Look) -> Receipt | None:
        now, locked = core.clock.now(), await tx.action(record.id, lock=True)
        if locked is None or locked.status != record.status:
            return receipt(locked or record)
        # Only a start takes a stop back: that a budget was set since does not make a stop wrong.
        contrary = "campaign.resume" if isinstance(locked.action, PauseCampaign) else None
        later = await tx.later_change(locked, contrary) if isinstance(locked.action, CAMPAIGN) else None
        if later is not None:
            at = (later.closed_at or later.decided_at).isoformat()
            error = Message(id="gate.superseded", params={"by": str(later.proposer), "at": at})
            return await _given_up(core, tx, locked, error, now)
        facts, verdict = await core.judged_again(tx, locked, look, now)
        if any(f.rule == "facts_readable" and f.answer == "refuse" for f in verdict.findings):
            return receipt(locked)
        seen: dict[str, Any] = {"facts": facts, "verdict": verdict}
        if not await _lawful(tx, locked, verdict):
            error = Message(id="gate.no_longer", params={"rules": ", ".join(f.rule for f in verdict.reasons)})
            return await _given_up(core, tx, locked, error, now, **seen)
        # It leaves on this verdict: this is what the record says, and the room is that of the budget just read.
        await tx.change(record.id, locked.status, locked.status, **seen)
        await tx.settle(record.id, kept=False, now=now)
        await tx.reserve(locked.model_copy(update=seen), now)
        return None

    return await core.on_fresh_look(record.action, anew)


async def _given_up(
    core: Core, tx: GateTx, record: ActionRecord, error: Message, now: datetime, **judged: Facts | Verdict
) -> Receipt:
    """What never left is cancelled; what the platform does not show has failed."""
    status: Status = "cancelled" if record.status == "authorised" else "failed"
    ended: dict[str, Any] = {"error": error, "closed_at": now, **judged}
    await tx.change(record.id, record.status, status, **ended)
    await tx.settle(record.id, kept=False, now=now)
    given_up = record.model_copy(update={"status": status} | ended)
    await core.note(tx, f"action.{status}", given_up, core.executor, now)
    return receipt(given_up)


async def _lawful(tx: GateTx, record: ActionRecord, verdict: Verdict) -> bool:
    """Allowed, or asked for and already approved."""
    ticket = await tx.ticket(record.id)
    approved = ticket is not None and ticket.status == "approved"
    return verdict.answer == "allow" or (verdict.answer == "ask" and approved)
