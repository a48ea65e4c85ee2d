"""The gate's own care: requests expire, graces end, and what a dead process left is found out before anything is tried again."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import Any

import structlog

from knowledge.domain.action import CAMPAIGN, PauseCampaign, PublishCampaign, ResumeCampaign, SetBudget
from knowledge.domain.books import ActionRecord, GateTx, Status, Ticket
from knowledge.domain.facts import Facts
from knowledge.domain.message import Message
from knowledge.domain.verdict import Verdict
from tools.effects import Trace
from tools.errors import VendorError
from tools.gate import people, requests
from tools.gate.answers import Receipt, receipt
from tools.gate.core import Core, Look
from tools.gate.performing import close, execute
from tools.guardrails import kill_switch
from tools.guardrails.exchange_rate import in_policy_currency

SETTLE = timedelta(minutes=2)
"""A creation whose answer was lost is not sent again before this: the platforms' lists lag behind what they made."""

FOLLOW_UPS = 2
_log = structlog.get_logger("tools.gate")


async def expire_due(core: Core) -> int:
    """Rejects every request whose time is over. Returns how many."""
    now, count = core.clock.now(), 0
    async with core.books.transaction() as tx:
        due = await tx.due_tickets(now)
    faults: list[Exception] = []
    for action_id in due:
        with _apart(faults):
            async with core.books.transaction() as tx:
                record = await tx.action(action_id, lock=True)
                ticket = await tx.ticket(action_id, lock=True)
                if record and ticket and ticket.status == "pending" and ticket.expires_at <= now:
                    await people.expire(core, tx, record, ticket, now)
                    count += 1
    _tell(faults)
    return count


async def release_due(core: Core) -> int:
    """Ends every grace whose time is over. Returns how many actions were released, asked for or cancelled by it."""
    async with core.books.transaction() as tx:
        due = await tx.due_actions(core.clock.now())
    count, faults = 0, list[Exception]()
    for action_id in due:
        with _apart(faults):
            answer = await people.release(core, action_id, "system:clock", early=False)
            count += answer.status != "scheduled"
    _tell(faults)
    return count


async def recover(core: Core) -> list[Receipt]:
    """Finishes what dead processes left: executing becomes unknown and is looked up; what is still to leave is judged anew."""
    async with core.books.transaction() as tx:
        stranded = await tx.stranded(core.executor, core.clock.now())
    receipts, faults = list[Receipt](), list[Exception]()
    for action_id in stranded:
        with _apart(faults):
            receipts.append(await recover_one(core, action_id))
    _tell(faults)
    return receipts


@contextmanager
def _apart(faults: list[Exception]) -> Generator[None]:
    """What goes wrong with one action keeps no other one waiting."""
    try:
        yield
    except Exception as fault:
        faults.append(fault)


def _tell(faults: list[Exception]) -> None:
    """Everything else is done; that something went wrong is still told to who runs the round."""
    if faults:
        raise ExceptionGroup("some actions could not be taken further", faults)


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
        try:
            answer = await recover_one(core, action_id)
        except Exception:  # it is in doubt as before, and who asked is told so; `recover` tells whoever runs the house
            _log.exception("gate.look_failed", action_id=action_id)
            break
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
    begun, looked = False, record.status == "unknown" and isinstance(record.action, CAMPAIGN)
    if looked:
        try:
            trace = await _trace(core, record)
        except VendorError:
            # It stays unknown, and its room reserved, until the platform can be read, or says that the campaign is no more.
            return await _gone(core, record) or receipt(record)
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
    if record.status == "authorised" or looked:
        ended = await _judged_anew(core, record, begun)
        if ended is not None:
            return await _gone(core, record) or ended if ended.status == record.status else ended
    return await execute(core, action_id, looked=looked, doubt=begun or not looked)


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


async def _gone(core: Core, record: ActionRecord) -> Receipt | None:
    """Ends what is about a campaign that the platform does not have any more. None while it has it, or cannot say."""
    action = record.action
    if not isinstance(action, SetBudget | PauseCampaign | ResumeCampaign):
        return None
    async with core.books.transaction() as tx:
        refs = await tx.refs(action)
    if not await core.effects.gone(action, refs):
        return None
    now = core.clock.now()
    async with core.books.transaction() as tx:
        await core.lock(tx, action)
        locked = await tx.action(record.id, lock=True)
        if locked is None or (locked.status, locked.attempts) != (record.status, record.attempts):
            return receipt(locked or record)
        return await _given_up(core, tx, locked, Message(id="gate.campaign_gone"), now)


async def _judged_anew(core: Core, record: ActionRecord, begun: bool) -> Receipt | None:
    """Judges what did not leave at once on what is so by now, and ends it when the law, or a later decision, says otherwise.

    None when it may leave: on this verdict, with room for it. While the platform cannot be read it stays as it is, its room held.
    `begun`: half of it is there already.
    """

    async def anew(tx: GateTx, look: Look) -> Receipt | None:
        now, locked = core.clock.now(), await tx.action(record.id, lock=True)
        if locked is None or (locked.status, locked.attempts) != (record.status, record.attempts):
            return receipt(locked or record)  # somebody else had it meanwhile: what was looked at is no longer all there is
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
        ticket = await tx.ticket(record.id)
        if verdict.answer == "ask" and ticket is None and locked.status == "authorised":
            return await _asked(core, tx, locked.model_copy(update=seen), now)  # it never left, and a person can still say yes
        if not _lawful(core, locked, facts, verdict, ticket, begun):
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


async def _asked(core: Core, tx: GateTx, record: ActionRecord, now: datetime) -> Receipt:
    """What was allowed, had to wait, and is a manager's to decide by now."""
    waiting = record.model_copy(update={"status": "waiting"})
    await tx.change(record.id, "authorised", "waiting", facts=record.facts, verdict=record.verdict)
    await tx.settle(record.id, kept=False, now=now)
    await tx.open_ticket(waiting, requests.request(waiting, core.policy(), now, priority="normal"))
    await core.note(tx, "action.waiting", waiting, core.executor, now)
    return receipt(waiting)


def _lawful(
    core: Core, record: ActionRecord, facts: Facts, verdict: Verdict, ticket: Ticket | None, begun: bool
) -> bool:  # fmt: skip
    """Allowed; or asked for, and approved by enough people for what it is about by now."""
    if verdict.answer != "ask" or ticket is None or ticket.status != "approved":
        return verdict.answer == "allow"
    if begun:
        return True  # half of it is there: finishing it is what they said yes to
    if requests.drifted(record.facts, facts):
        return False
    people_, least = core.policy().quorum(requests.stake(in_policy_currency(record.action, facts, core.policy()), facts))
    enough = sum(people.RANK[vote.role] >= people.RANK[least] for vote in ticket.votes)
    return enough >= max(people_, ticket.quorum)
