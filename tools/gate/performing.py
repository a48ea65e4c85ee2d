"""Performing: claim, permit, vendor, read back, and the ledger closed in one transaction. Also what an echo says of a lost answer."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import structlog

from knowledge.domain.action import CAMPAIGN, PauseCampaign, SendMessage
from knowledge.domain.books import ActionRecord, Busy, GateTx, Refs, Status
from knowledge.domain.message import Message
from tools.effects import repeatable
from tools.errors import Killed, RateLimited, Refused, Unavailable, UnknownOutcome, VendorError
from tools.gate.answers import Receipt, receipt
from tools.gate.core import Core
from tools.guardrails import kill_switch, operational
from tools.permit import Permit, use_permit

_log = structlog.get_logger("tools.gate")


async def execute(
    core: Core, action_id: str, *, looked: bool = False, doubt: bool = True, known: ActionRecord | None = None
) -> Receipt:
    """Performs an authorised action, or one whose outcome is unknown. One caller gets the claim.

    What spends and is unknown is taken only by who `looked` at the platform, and without `doubt` when that shows nothing of an
    earlier attempt. `known` is the action as this process itself recorded it a moment ago: unless its status has moved since, it is
    not read again.
    """
    core.in_hand[action_id] += 1  # before the claim is visible, so that `recover` never takes it for an abandoned one
    try:
        try:
            record, refs = await _claim(core, action_id, known, looked)
        except Busy:
            return await _behind(core, action_id)
        return await _attempts(core, record, refs, doubt) if record.status == "executing" else receipt(record)
    finally:
        core.in_hand[action_id] -= 1
        if not core.in_hand[action_id]:
            del core.in_hand[action_id]


async def _attempts(core: Core, record: ActionRecord, refs: Refs, before: bool) -> Receipt:
    # An action is claimed again only after a claim whose outcome stayed unknown. Once in doubt it may have happened, so only a
    # success or the vendor's own no ends it; anything else leaves it unknown and its room reserved. What spends is never sent again
    # blindly: `recover_one` looks, and judges it anew. A stop, and what neither spends nor reaches a lead (desk, CRM), is as good
    # later: an outage parks it too, and `recover` brings it after.
    spends = isinstance(record.action, CAMPAIGN)
    patient = repeatable(record.action) and (not spends or isinstance(record.action, PauseCampaign))
    doubt = record.attempts > 1 and before
    limits, failed = core.policy().guardrails.operational, 0
    while True:
        failed, asked = failed + 1, 0.0  # should this one fail
        try:
            result = await _perform(core, record, refs)
            return await close(core, record, "done", result=result)
        except Killed as stop:
            error = Message(id="gate.cancelled", params={"reason": str(stop)})
            return await (_park(core, record, error) if doubt else close(core, record, "cancelled", error=error))
        except UnknownOutcome as lost:
            doubt = True
            error = Message(id="gate.unknown", params={"vendor": lost.vendor, "detail": lost.detail})
            if spends or not repeatable(record.action) or not operational.again(failed, limits):
                return await _park(core, record, error)
        except (Unavailable, RateLimited) as weather:
            asked = float(getattr(weather, "retry_after", 0.0))
            if not operational.again(failed, limits, asked):
                error = Message(id="gate.unavailable", params={"vendor": weather.vendor, "detail": weather.detail})
                return await (_park(core, record, error) if doubt or patient else close(core, record, "failed", error=error))
        except VendorError as refusal:
            error = Message(
                id="gate.vendor_refused",
                params={"vendor": refusal.vendor, "detail": refusal.detail, "code": refusal.code or ""},
            )
            # A platform's no to the second try says nothing of the first: what spends stays in doubt until it was looked up.
            unsure = (doubt and spends) or ((doubt or patient) and not isinstance(refusal, Refused))
            return await (_park(core, record, error) if unsure else close(core, record, "failed", error=error))
        except Exception as fault:  # nobody foresaw it, so that nobody knows how far it came
            _log.exception("gate.unexpected", action_id=record.id, kind=record.action.kind)
            return await _park(core, record, Message(id="gate.unexpected", params={"error": type(fault).__name__}))
        await core.sleep(max(asked, operational.rest(failed, limits, core.chance.random())))


async def _behind(core: Core, action_id: str) -> Receipt:
    """It stays as it is, its room held. What is in front of it changes what it was judged on: `recover` judges it anew, then sends it."""
    async with core.books.transaction() as tx:
        record = await tx.action(action_id)
    assert record is not None, "it was there to be claimed"
    waits = receipt(record)
    return waits.model_copy(update={"message": Message(id="gate.behind")}) if record.status == "authorised" else waits


async def _claim(core: Core, action_id: str, known: ActionRecord | None, looked: bool) -> tuple[ActionRecord, Refs]:
    """Takes the action for this process, with what its effect needs; the record is `executing` only for the one caller who got it."""
    now = core.clock.now()
    async with core.books.transaction() as tx:
        if known is not None and known.status == "authorised":
            claimed = await _taken(core, tx, known, now)
            if claimed is not None:
                return claimed, await _refs(tx, known)
        record = await tx.action(action_id, lock=True)
        if record is None:
            raise LookupError(f"action {action_id} is not in the ledger")
        blind = not looked if isinstance(record.action, CAMPAIGN) else not repeatable(record.action)
        resend = record.status == "unknown" and blind
        if record.status not in ("authorised", "unknown") or resend:
            return (record if record.status != "executing" else record.model_copy(update={"status": "authorised"})), Refs()
        if record.action.fingerprint() != record.fingerprint:
            return await _tampered(core, tx, record, now), Refs()
        claimed = await _taken(core, tx, record, now)
        assert claimed is not None, "its row is locked"
        return claimed, await tx.refs(record.action)


async def _refs(tx: GateTx, known: ActionRecord) -> Refs:
    """What the effect needs; of a campaign that was judged a moment ago, its facts hold the one thing, which never changes."""
    judged = known.facts.campaign
    if judged is not None and judged.external_id is not None:
        return Refs(external_id=judged.external_id)
    return await tx.refs(known.action)


async def _taken(core: Core, tx: GateTx, record: ActionRecord, now: datetime) -> ActionRecord | None:
    attempts = record.attempts + 1
    if not await tx.claim(record.id, record.status, executor=core.executor, attempts=attempts, at=now):
        return None
    started = {"executor": core.executor, "attempts": attempts, "execution_started_at": now}
    return record.model_copy(update={"status": "executing"} | started)


async def _tampered(core: Core, tx: GateTx, record: ActionRecord, now: datetime) -> ActionRecord:
    """The arguments in the ledger are not those that were judged and agreed to: somebody wrote into the table. They never leave."""
    error = Message(id="gate.tampered", params={"kind": record.action.kind})
    await tx.change(record.id, record.status, "failed", error=error, closed_at=now)
    await tx.settle(record.id, kept=False, now=now)
    failed = record.model_copy(update={"status": "failed", "error": error, "closed_at": now})
    await core.note(tx, "action.tampered", failed, core.executor, now)
    return failed


async def _perform(core: Core, record: ActionRecord, refs: Refs) -> dict[str, Any]:
    scopes = kill_switch.scopes(record.action, str(record.proposer))

    async def guard() -> None:
        """Read immediately before every byte leaves: the kill switch, whose attempt this is, and who owns the conversation."""
        async with core.books.reading() as tx:
            kills, held = await tx.clearance(record.id, core.executor, record.attempts)
            kill = kill_switch.covering(record.action, str(record.proposer), kills)
            if kill is not None:
                raise Killed(f"kill switch {kill.scope} {kill.target or ''} by {kill.set_by}: {kill.reason}")
            if not held:
                raise Killed("it was taken over, or stopped by a later decision")
            if isinstance(record.action, SendMessage) and record.action.author == "bot":
                owner = await tx.conversation_epoch(record.action.conversation_id)
                if owner != ("bot", record.action.epoch):
                    raise Killed("a person took the conversation over")

    with use_permit(Permit(action_id=record.id, key=record.key, scopes=scopes, guard=guard)):
        return await core.effects.perform(record.action, record.key, refs)


async def echoed(core: Core, conversation_id: str, words: str, external_id: str) -> Receipt | None:
    """The line itself told of a text that left: a send whose answer was lost, or is still awaited, is done after all.

    None when no such text of this conversation is open.
    """
    async with core.books.transaction() as tx:
        sends = [r for r in await tx.open_sends(conversation_id) if getattr(r.action, "text", None) == words]
    if not sends:
        return None
    return await close(core, sends[0], "done", result={"external_id": external_id}, before=sends[0].status)


async def close(
    core: Core,
    record: ActionRecord,
    status: Status,
    *,
    result: dict[str, Any] | None = None,
    error: Message | None = None,
    before: Status = "executing",
) -> Receipt:
    """Ends an action: status, ledger tables, room and record in one transaction. Whoever was faster is right."""
    now = core.clock.now()
    closed = record.model_copy(update={"status": status, "result": result, "error": error, "closed_at": now})
    async with core.books.transaction() as tx:
        await core.lock(tx, record.action, soon=True)
        if status == "done" and isinstance(record.action, PauseCampaign) and await tx.starting(record.action.campaign_id):
            return await _unsettled(tx, record, before)
        holder = (record.executor, record.attempts)
        if not await tx.change(record.id, before, status, holder=holder, result=result, error=error, closed_at=now):
            return receipt(await tx.action(record.id) or closed)
        if result is not None:
            await tx.apply(closed, result, now)
        await tx.settle(record.id, kept=status == "done", now=now)
        await core.note(tx, f"action.{status}", closed, core.executor, now)
    return receipt(closed)


async def _unsettled(tx: GateTx, record: ActionRecord, before: Status) -> Receipt:
    """A stop was made while a start is on its way: which of both the platform saw last is not known before that one is through. It
    stays in doubt, and `recover` looks whether it held."""
    error = Message(id="gate.start_on_its_way")
    parked = record.model_copy(update={"status": "unknown", "error": error})
    await tx.change(record.id, before, "unknown", holder=(record.executor, record.attempts), error=error)
    return receipt(await tx.action(record.id) or parked)


async def _park(core: Core, record: ActionRecord, error: Message) -> Receipt:
    """Outcome unknown: the room stays reserved until a look-up or a person settles it."""
    now = core.clock.now()
    parked = record.model_copy(update={"status": "unknown", "error": error})
    async with core.books.transaction() as tx:
        if not await tx.change(record.id, "executing", "unknown", holder=(record.executor, record.attempts), error=error):
            return receipt(await tx.action(record.id) or parked)
        await core.note(tx, "action.unknown", parked, core.executor, now)
    return receipt(parked)
