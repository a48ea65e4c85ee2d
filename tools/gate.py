"""The one door. Every effect on the world is submitted here, judged on fresh facts, recorded, and only then performed.

    submit: key known? -> platform read -> one transaction {facts, judge, reserve, record} -> allow: execute | ask: ticket | refuse
    approve: the same on fresh facts, with the manager's yes in place of what only asks; what refuses still refuses
    execute: claim -> permit -> vendor -> read back -> one transaction {ledger, reservation, audit}

The record is written before the call, so a crash at any line leaves a row that says how far it came; `recover` takes it from there.
"""

from __future__ import annotations

import asyncio
import random
import uuid
from collections import Counter
from collections.abc import Awaitable, Callable
from contextlib import suppress
from datetime import datetime, timedelta
from decimal import ROUND_CEILING
from typing import Any, Literal
from zoneinfo import ZoneInfo

from pydantic import BaseModel, ConfigDict

from knowledge.domain.action import CAMPAIGN, SPENDING, Action, Actor, PublishCampaign, ResumeCampaign, SendMessage, SetBudget
from knowledge.domain.books import FINAL, ActionRecord, GateBooks, GateTx, Proposal, Refs, Status, Ticket
from knowledge.domain.campaign import PlatformCampaign
from knowledge.domain.clock import Clock
from knowledge.domain.facts import Facts, KillSwitch
from knowledge.domain.message import Message
from knowledge.domain.money import Money
from knowledge.domain.policy import Policy
from knowledge.domain.verdict import Finding, Verdict
from tools.effects import Effects, repeatable
from tools.errors import Killed, RateLimited, Refused, Unavailable, UnknownOutcome, VendorError
from tools.guardrails import autonomy, judge, kill_switch
from tools.permit import Permit, use_permit

ATTEMPTS = 3
STALE = timedelta(minutes=15)
"""An authorised action that nobody executed for this long is judged again before it leaves."""


class Receipt(BaseModel):
    """What became of an action, as its proposer may know it."""

    model_config = ConfigDict(frozen=True)

    action_id: str
    status: Status
    message: Message
    findings: tuple[Finding, ...] = ()
    result: dict[str, Any] | None = None

    @property
    def done(self) -> bool:
        return self.status == "done"


class Outcome(BaseModel):
    """The answer to a manager's click."""

    model_config = ConfigDict(frozen=True)

    ok: bool
    status: str
    message: Message
    findings: tuple[Finding, ...] = ()


class Gate:
    """Decides and performs typed actions. Knows no wire format and no database: both come in through ports."""

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
    ) -> None:
        self._books = books
        self._effects = effects
        self._policy = policy
        self._clock = clock
        self._executor = executor
        self._sleep = sleep
        self._chance = chance or random.Random(executor)
        self._in_hand = Counter[str]()

    # -- asking -------------------------------------------------------------------------------------------------------------

    async def submit(self, proposal: Proposal) -> Receipt:
        """Judges an action and, when allowed, performs it. The same key always answers with the same action.

        Never raises for a vendor's failure: the receipt says what became of it. Raises only when the database cannot be reached,
        in which case nothing was sent.
        """
        async with self._books.transaction() as tx:
            known = await tx.action_by_key(proposal.key)
        for last in (False, True):
            if known is None:
                platform, unreadable = await self._read(proposal.action)
                async with self._books.transaction() as tx:
                    known = await self._decide(tx, proposal, platform, unreadable, last=last)
        assert known is not None  # the last round always decides
        if known.status == "authorised":
            return await self.execute(known.id)
        if known.status in ("executing", "unknown") and not await self._in_living_hands(known):
            return await self._recover_one(known.id)
        return _receipt(known)

    async def _in_living_hands(self, record: ActionRecord) -> bool:
        async with self._books.transaction() as tx:
            return await self._alive(tx, record)

    async def _alive(self, tx: GateTx, record: ActionRecord) -> bool:
        """Whether somebody is at it right now. Of this process itself: a cancelled task leaves its claim behind."""
        if record.status != "executing" or record.executor is None:
            return False
        if record.executor == self._executor:
            return record.id in self._in_hand
        return await tx.executor_alive(record.executor)

    async def _read(self, action: Action) -> tuple[tuple[PlatformCampaign, ...], tuple[str, ...]]:
        try:
            return await self._effects.read(action), ()
        except VendorError as error:
            return (), (f"{error.vendor}.{error.operation}",)

    async def _decide(
        self,
        tx: GateTx,
        proposal: Proposal,
        platform: tuple[PlatformCampaign, ...],
        unreadable: tuple[str, ...],
        *,
        last: bool,
    ) -> ActionRecord | None:
        """Judges and records. None, and nothing written, when ledger and platform disagree and another look is allowed."""
        action, policy, now = proposal.action, self._policy(), self._clock.now()
        if isinstance(action, CAMPAIGN):
            await tx.lock_budget(action.workspace)
        known = await tx.action_by_key(proposal.key)
        if known is not None:  # somebody with the same intent was faster
            return known
        facts = await tx.ledger_facts(action, proposal.proposer, proposal.confidence, platform, policy, now, excluding=None)
        if facts.unreadable and not unreadable and not last:
            # Another process published between our platform read and our lock: what we read was true a moment ago.
            return None
        facts = facts.model_copy(update={"unreadable": facts.unreadable + unreadable})
        verdict = judge(action, facts, policy)
        status: Status = {"allow": "authorised", "ask": "waiting", "refuse": "refused"}[verdict.answer]  # pyright: ignore
        if (
            status == "refused"
            and autonomy.advisory(action, policy)
            and {f.rule for f in verdict.reasons if f.answer == "refuse"} == {"autonomy"}
        ):
            status = "suggested"
        record = ActionRecord(
            id=str(uuid.uuid5(uuid.NAMESPACE_URL, f"agente-ceo:{proposal.key}")),
            action=action,
            key=proposal.key,
            fingerprint=action.fingerprint(),
            proposer=proposal.proposer,
            why=proposal.why,
            evidence=proposal.evidence,
            expected=proposal.expected,
            confidence=proposal.confidence,
            correlation_id=proposal.correlation_id,
            undo_of=proposal.undo_of,
            status=status,
            verdict=verdict,
            facts=facts,
            created_at=now,
            decided_at=now,
            closed_at=now if status in FINAL else None,
        )
        ticket = None
        if status == "waiting":
            expires = now + policy.approval_time
            ticket = Ticket(
                action_id=record.id,
                status="pending",
                priority=proposal.priority,
                exposure=worst_until(action, facts, policy, now, expires),
                requested_at=now,
                expires_at=expires,
            )
        if not await tx.insert(record, ticket):
            known = await tx.action_by_key(proposal.key)
            if known is None:
                raise LookupError(f"action {record.id}: its key was taken and is gone again")
            return known
        if status == "authorised":
            await tx.reserve(record, now)
        await self._note(tx, f"action.{status}", record, str(proposal.proposer), now)
        return record

    # -- performing -----------------------------------------------------------------------------------------------------------

    async def execute(self, action_id: str) -> Receipt:
        """Performs an authorised action, or looks into one whose outcome is unknown. One caller gets the claim."""
        self._in_hand[action_id] += 1  # before the claim is visible, so that `recover` never takes it for an abandoned one
        try:
            record = await self._claim(action_id)
            return await self._attempts(record) if record.status == "executing" else _receipt(record)
        finally:
            self._in_hand[action_id] -= 1
            if not self._in_hand[action_id]:
                del self._in_hand[action_id]

    async def _attempts(self, record: ActionRecord) -> Receipt:
        async with self._books.transaction() as tx:
            refs = await tx.refs(record.action)
        # An action is claimed again only after a claim whose outcome stayed unknown. Once in doubt it may have happened, so only a
        # success or the vendor's own no ends it; anything else leaves it unknown and its room reserved. What neither spends nor
        # reaches a lead (desk, CRM) is as good later: an outage parks it too, and `recover` brings it after.
        patient = repeatable(record.action) and not isinstance(record.action, CAMPAIGN)
        doubt = record.attempts > 1 or patient
        for attempt in range(ATTEMPTS):
            last = attempt == ATTEMPTS - 1
            try:
                result = await self._perform(record, refs)
                return await self._close(record, "done", result=result)
            except Killed as stop:
                error = Message(id="gate.cancelled", params={"reason": str(stop)})
                unsure = doubt and not patient
                return await (self._park(record, error) if unsure else self._close(record, "cancelled", error=error))
            except UnknownOutcome as lost:
                doubt = True
                error = Message(id="gate.unknown", params={"vendor": lost.vendor, "detail": lost.detail})
                if last or not repeatable(record.action):
                    return await self._park(record, error)
            except (Unavailable, RateLimited) as weather:
                wait = getattr(weather, "retry_after", 0.0)
                if last or wait > 5:
                    error = Message(id="gate.unavailable", params={"vendor": weather.vendor, "detail": weather.detail})
                    return await (self._park(record, error) if doubt else self._close(record, "failed", error=error))
            except VendorError as refusal:
                error = Message(
                    id="gate.vendor_refused",
                    params={"vendor": refusal.vendor, "detail": refusal.detail, "code": refusal.code or ""},
                )
                unsure = doubt and not isinstance(refusal, Refused)
                return await (self._park(record, error) if unsure else self._close(record, "failed", error=error))
            await self._sleep(0.2 * 2**attempt * (0.5 + self._chance.random()))
        raise AssertionError("unreachable: the last attempt returns")

    async def _claim(self, action_id: str) -> ActionRecord:
        """Takes the action for this process; the returned record is `executing` only for the one caller who got it."""
        now = self._clock.now()
        async with self._books.transaction() as tx:
            record = await tx.action(action_id, lock=True)
            if record is None:
                raise LookupError(f"action {action_id} is not in the ledger")
            resend = record.status == "unknown" and not repeatable(record.action)
            if record.status not in ("authorised", "unknown") or resend:
                return record if record.status != "executing" else record.model_copy(update={"status": "authorised"})
            fields: dict[str, Any] = {"executor": self._executor, "attempts": record.attempts + 1}
            await tx.change(action_id, record.status, "executing", **fields, execution_started_at=now)
            return record.model_copy(update={"status": "executing", **fields})

    async def _perform(self, record: ActionRecord, refs: Refs) -> dict[str, Any]:
        scopes = kill_switch.scopes(record.action, str(record.proposer))

        async def guard() -> None:
            """Read immediately before every byte leaves: the kill switch, and who owns the conversation."""
            async with self._books.transaction() as tx:
                kill = kill_switch.covering(record.action, str(record.proposer), await tx.kills())
                if kill is not None:
                    raise Killed(f"kill switch {kill.scope} {kill.target or ''} by {kill.set_by}: {kill.reason}")
                if isinstance(record.action, SendMessage) and record.action.author == "bot":
                    owner = await tx.conversation_epoch(record.action.conversation_id)
                    if owner != ("bot", record.action.epoch):
                        raise Killed("a person took the conversation over")

        with use_permit(Permit(action_id=record.id, key=record.key, scopes=scopes, guard=guard)):
            return await self._effects.perform(record.action, record.key, refs)

    async def echoed(self, conversation_id: str, words: str, external_id: str) -> Receipt | None:
        """The line itself told of a text that left: a send whose answer was lost, or is still awaited, is done after all.

        None when no such text of this conversation is open.
        """
        async with self._books.transaction() as tx:
            sends = [r for r in await tx.open_sends(conversation_id) if getattr(r.action, "text", None) == words]
        if not sends:
            return None
        return await self._close(sends[0], "done", result={"external_id": external_id}, before=sends[0].status)

    async def _close(
        self,
        record: ActionRecord,
        status: Status,
        *,
        result: dict[str, Any] | None = None,
        error: Message | None = None,
        before: Status = "executing",
    ) -> Receipt:
        now = self._clock.now()
        closed = record.model_copy(update={"status": status, "result": result, "error": error, "closed_at": now})
        async with self._books.transaction() as tx:
            if isinstance(record.action, CAMPAIGN):
                await tx.lock_budget(record.action.workspace)
            if not await tx.change(record.id, before, status, result=result, error=error, closed_at=now):
                current = await tx.action(record.id)
                return _receipt(current or closed)
            if result is not None:
                await tx.apply(closed, result, now)
            await tx.settle(record.id, kept=status == "done", now=now)
            await self._note(tx, f"action.{status}", closed, self._executor, now)
        return _receipt(closed)

    async def _park(self, record: ActionRecord, error: Message) -> Receipt:
        """Outcome unknown: the room stays reserved until a look-up or a person settles it."""
        now = self._clock.now()
        parked = record.model_copy(update={"status": "unknown", "error": error})
        async with self._books.transaction() as tx:
            if not await tx.change(record.id, "executing", "unknown", error=error):
                return _receipt(await tx.action(record.id) or parked)
            await self._note(tx, "action.unknown", parked, self._executor, now)
        return _receipt(parked)

    # -- people -----------------------------------------------------------------------------------------------------------------

    async def approve(self, action_id: str, actor: Actor, fingerprint: str | None = None) -> Outcome:
        """A manager's yes. Bound to exactly the arguments shown (`fingerprint`), judged again on fresh facts, then executed."""
        if not _may_decide(actor):
            return _no("gate.not_allowed", actor=str(actor))
        async with self._books.transaction() as tx:
            record = await tx.action(action_id)
        if record is None:
            return _no("gate.not_found", action=action_id)
        if fingerprint is not None and fingerprint != record.fingerprint:
            return _no("gate.other_arguments")
        platform, unreadable = await self._read(record.action)
        async with self._books.transaction() as tx:
            outcome = await self._approve(tx, record, actor, platform, unreadable)
        if outcome.status != "authorised":
            return outcome
        receipt = await self.execute(action_id)
        return Outcome(ok=receipt.done, status=receipt.status, message=receipt.message, findings=receipt.findings)

    async def _approve(
        self,
        tx: GateTx,
        record: ActionRecord,
        actor: Actor,
        platform: tuple[PlatformCampaign, ...],
        unreadable: tuple[str, ...],
    ) -> Outcome:
        now, policy = self._clock.now(), self._policy()
        if isinstance(record.action, CAMPAIGN):
            await tx.lock_budget(record.action.workspace)
        locked = await tx.action(record.id, lock=True)
        ticket = await tx.ticket(record.id, lock=True)
        if locked is None or ticket is None or ticket.status != "pending" or locked.status != "waiting":
            return _no("gate.already_decided", status=ticket.status if ticket else record.status)
        if ticket.expires_at <= now:
            await self._expire(tx, locked, ticket, now)
            return _no("gate.expired", expires_at=ticket.expires_at.isoformat())
        if str(actor) == str(record.proposer):
            return _no("gate.own_proposal")
        facts = await tx.ledger_facts(record.action, record.proposer, record.confidence, platform, policy, now, excluding=record.id)
        facts = facts.model_copy(update={"unreadable": facts.unreadable + unreadable})
        verdict = judge(record.action, facts, policy)
        refusing = [f for f in verdict.findings if f.answer == "refuse"]
        if any(f.rule == "facts_readable" for f in refusing):
            # The platform is down for a moment: the ticket stays, the manager may press again.
            return Outcome(ok=False, status="waiting", message=Message(id="gate.unreadable"), findings=tuple(refusing))
        if _drifted(record.facts, facts):
            await tx.change(record.id, "waiting", "waiting", facts=facts, verdict=verdict)
            changed = record.model_copy(update={"facts": facts, "verdict": verdict})
            await self._note(tx, "approval.drifted", changed, str(actor), now)
            return Outcome(ok=False, status="waiting", message=Message(id="gate.drifted"), findings=verdict.reasons)
        if refusing:
            await tx.change(record.id, "waiting", "refused", facts=facts, verdict=verdict, closed_at=now)
            await tx.close_ticket(_decided(ticket, "rejected", "policy", now, "refused on fresh facts"))
            changed = record.model_copy(update={"status": "refused", "facts": facts, "verdict": verdict})
            await self._note(tx, "action.refused", changed, str(actor), now)
            return Outcome(ok=False, status="refused", message=Message(id="gate.refused_now"), findings=tuple(refusing))
        await tx.change(record.id, "waiting", "authorised", facts=facts, verdict=verdict, decided_at=now)
        await tx.close_ticket(_decided(ticket, "approved", str(actor), now, None))
        approved = record.model_copy(update={"status": "authorised", "facts": facts, "verdict": verdict, "decided_at": now})
        await tx.reserve(approved, now)
        await self._note(tx, "approval.approved", approved, str(actor), now)
        return Outcome(ok=True, status="authorised", message=Message(id="gate.authorised"), findings=verdict.reasons)

    async def reject(self, action_id: str, actor: Actor, reason: str) -> Outcome:
        """A manager's no, with the reason that the next decisions will read."""
        if not _may_decide(actor):
            return _no("gate.not_allowed", actor=str(actor))
        now = self._clock.now()
        async with self._books.transaction() as tx:
            record = await tx.action(action_id, lock=True)
            ticket = await tx.ticket(action_id, lock=True)
            if record is None:
                return _no("gate.not_found", action=action_id)
            if ticket is None or ticket.status != "pending" or record.status != "waiting":
                return _no("gate.already_decided", status=ticket.status if ticket else record.status)
            await tx.change(action_id, "waiting", "rejected", closed_at=now)
            await tx.close_ticket(_decided(ticket, "rejected", str(actor), now, reason))
            rejected = record.model_copy(update={"status": "rejected"})
            await self._note(tx, "approval.rejected", rejected, str(actor), now, reason=reason)
        return Outcome(ok=True, status="rejected", message=Message(id="gate.rejected", params={"reason": reason}))

    async def kill(
        self, scope: Literal["all", "platform", "campaign", "agent", "conversation"], target: str | None, actor: Actor, reason: str
    ) -> Outcome:
        """Stops every write in the scope from now on. In force as soon as this returns."""
        if not _may_decide(actor):
            return _no("gate.not_allowed", actor=str(actor))
        if (scope == "all") != (target is None):
            return _no("gate.kill_target", scope=scope)
        now = self._clock.now()
        kill = KillSwitch(id=str(uuid.uuid4()), scope=scope, target=target, reason=reason, set_by=str(actor), set_at=now)
        async with self._books.transaction() as tx:
            if any((k.scope, k.target) == (scope, target) for k in await tx.kills()):
                return Outcome(ok=True, status="killed", message=Message(id="gate.already_killed", params={"scope": scope}))
            await tx.add_kill(kill)
            payload = {"kill_id": kill.id, "scope": scope, "target": target, "reason": reason}
            await tx.audit("kill.set", str(actor), now, payload)
            await tx.emit("kill.set", now, payload | {"actor": str(actor)})
        return Outcome(ok=True, status="killed", message=Message(id="gate.killed", params={"scope": scope, "target": target or ""}))

    async def resume(self, kill_id: str, actor: Actor) -> Outcome:
        """Lifts a kill switch. What it cancelled stays cancelled: it must be proposed anew."""
        if not _may_decide(actor):
            return _no("gate.not_allowed", actor=str(actor))
        now = self._clock.now()
        async with self._books.transaction() as tx:
            if not await tx.lift_kill(kill_id, str(actor), now):
                return _no("gate.not_found", action=kill_id)
            await tx.audit("kill.lifted", str(actor), now, {"kill_id": kill_id})
            await tx.emit("kill.lifted", now, {"kill_id": kill_id, "actor": str(actor)})
        return Outcome(ok=True, status="resumed", message=Message(id="gate.resumed"))

    # -- the house's own care -----------------------------------------------------------------------------------------------------

    async def expire_due(self) -> int:
        """Rejects every request whose time is over. Returns how many."""
        now, count = self._clock.now(), 0
        async with self._books.transaction() as tx:
            due = await tx.due_tickets(now)
        for action_id in due:
            async with self._books.transaction() as tx:
                record = await tx.action(action_id, lock=True)
                ticket = await tx.ticket(action_id, lock=True)
                if record and ticket and ticket.status == "pending" and ticket.expires_at <= now:
                    await self._expire(tx, record, ticket, now)
                    count += 1
        return count

    async def _expire(self, tx: GateTx, record: ActionRecord, ticket: Ticket, now: datetime) -> None:
        await tx.change(record.id, "waiting", "expired", closed_at=now)
        await tx.close_ticket(_decided(ticket, "expired", "system:clock", now, None))
        await self._note(tx, "approval.expired", record.model_copy(update={"status": "expired"}), "system:clock", now)

    async def recover(self) -> list[Receipt]:
        """Finishes what dead processes left: executing becomes unknown and is looked up; old authorisations are judged again."""
        async with self._books.transaction() as tx:
            stranded = await tx.stranded(self._executor, self._clock.now())
        receipts: list[Receipt] = []
        for action_id in stranded:
            with suppress(LookupError):
                receipts.append(await self._recover_one(action_id))
        return receipts

    async def _recover_one(self, action_id: str) -> Receipt:
        now = self._clock.now()
        async with self._books.transaction() as tx:
            record = await tx.action(action_id, lock=True)
            if record is None:
                raise LookupError(action_id)
            if await self._alive(tx, record):  # somebody else was faster with it
                return _receipt(record)
            if record.status == "unknown" and kill_switch.covering(record.action, str(record.proposer), await tx.kills()):
                return _receipt(record)  # looking it up may have to write; it waits, without using up its attempts
            if record.status == "executing":
                error = Message(id="gate.executor_died", params={"executor": record.executor or ""})
                await tx.change(action_id, "executing", "unknown", error=error)
                record = record.model_copy(update={"status": "unknown", "error": error})
                await self._note(tx, "action.unknown", record, self._executor, now)
        if record.status == "authorised" and now - record.decided_at > STALE:
            platform, unreadable = await self._read(record.action)
            async with self._books.transaction() as tx:
                if isinstance(record.action, CAMPAIGN):
                    await tx.lock_budget(record.action.workspace)
                locked = await tx.action(action_id, lock=True)
                if locked is None or locked.status != "authorised":
                    return _receipt(locked or record)
                facts = await tx.ledger_facts(
                    record.action,
                    record.proposer,
                    record.confidence,
                    platform,
                    self._policy(),
                    now,
                    excluding=action_id,
                )
                facts = facts.model_copy(update={"unreadable": facts.unreadable + unreadable})
                verdict = judge(record.action, facts, self._policy())
                ticket = await tx.ticket(action_id)
                approved = ticket is not None and ticket.status == "approved"
                if verdict.answer == "refuse" or (verdict.answer == "ask" and not approved):
                    await tx.change(action_id, "authorised", "cancelled", facts=facts, verdict=verdict, closed_at=now)
                    await tx.settle(action_id, kept=False, now=now)
                    stale = record.model_copy(update={"status": "cancelled", "verdict": verdict, "facts": facts})
                    await self._note(tx, "action.cancelled", stale, self._executor, now)
                    return _receipt(stale)
        return await self.execute(action_id)

    async def _note(self, tx: GateTx, kind: str, record: ActionRecord, actor: str, now: datetime, **more: Any) -> None:
        """One audit row and one live event for what just happened to an action."""
        reasons = [f.model_dump(mode="json") for f in record.verdict.reasons]
        payload: dict[str, Any] = {
            "action": record.action.args(),
            "fingerprint": record.fingerprint,
            "key": record.key,
            "status": record.status,
            "proposer": str(record.proposer),
            "why": record.why.model_dump(mode="json"),
            "policy_version": record.verdict.policy_version,
            "answer": record.verdict.answer,
            "findings": [f.model_dump(mode="json") for f in record.verdict.findings],
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
                "reasons": reasons,
            },
        )


def worst_until(action: Action, facts: Facts, policy: Policy, now: datetime, until: datetime) -> Money | None:
    """The most that doing the action could cost beyond today's plan before `until`; None for actions that spend nothing."""
    if not isinstance(action, SPENDING):
        return None
    after: Money | None = None
    before = Money.zero(policy.currency)
    if isinstance(action, PublishCampaign | SetBudget):
        after = action.daily_budget
    if isinstance(action, ResumeCampaign) and facts.campaign is not None:
        after = facts.campaign.daily_budget
    if isinstance(action, SetBudget) and facts.campaign is not None:
        before = facts.campaign.daily_budget
    if after is None or after.currency != before.currency or after <= before:
        return Money.zero(policy.currency)
    # The platform may spend a whole day's overspend at once; every further local day that begins adds another.
    zone = ZoneInfo(policy.time_zone)
    days = 1 + (until.astimezone(zone).date() - now.astimezone(zone).date()).days
    return (after - before).times(policy.multiplier(action.platform) * days, ROUND_CEILING)


def _drifted(asked: Facts, fresh: Facts) -> bool:
    """Whether what the manager saw is no longer so: the budget or the campaign's state moved under the request."""
    if asked.campaign is None or fresh.campaign is None:
        return False
    return (asked.campaign.daily_budget, asked.campaign.status) != (fresh.campaign.daily_budget, fresh.campaign.status)


def _may_decide(actor: Actor) -> bool:
    return actor.kind == "user" and actor.role in ("manager", "admin")


def _decided(
    ticket: Ticket, status: Literal["approved", "rejected", "expired"], by: str, now: datetime, reason: str | None
) -> Ticket:
    return ticket.model_copy(update={"status": status, "decided_by": by, "decided_at": now, "reason": reason})


def _no(message_id: str, **params: Any) -> Outcome:
    return Outcome(ok=False, status="refused", message=Message(id=message_id, params=params))


def _receipt(record: ActionRecord) -> Receipt:
    message = record.error or Message(id=f"gate.{record.status}", params={"kind": record.action.kind})
    return Receipt(
        action_id=record.id, status=record.status, message=message, findings=record.verdict.reasons, result=record.result
    )


__all__ = ["Gate", "Outcome", "Receipt", "Verdict", "worst_until"]
