"""What people decide about a request: yes, no, otherwise, later, now. Every yes is judged again on fresh facts before it acts."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from pydantic import ValidationError

from knowledge.domain.action import Action, Actor, PauseCampaign, ResumeCampaign, SetBudget
from knowledge.domain.books import ActionRecord, DecisionRole, GateTx, Status, Ticket, TicketStatus, Vote
from knowledge.domain.ids import derived
from knowledge.domain.message import Message
from knowledge.domain.verdict import Verdict
from tools.gate import requests
from tools.gate.answers import Outcome, may_decide, no, outcome
from tools.gate.core import Core, Look
from tools.gate.performing import execute
from tools.guardrails import judge
from tools.guardrails.exchange_rate import in_policy_currency

RANK: dict[DecisionRole, int] = {"manager": 0, "admin": 1}


async def approve(core: Core, action_id: str, actor: Actor, fingerprint: str | None = None) -> Outcome:
    """A manager's yes. Bound to exactly the arguments shown (`fingerprint`), judged again on fresh facts, then executed.

    A request that needs several people keeps waiting until enough of them have said yes.
    """
    if not may_decide(actor):
        return no("gate.not_allowed", actor=str(actor))
    async with core.books.transaction() as tx:
        record = await tx.action(action_id)
    if record is None:
        return no("gate.not_found", action=action_id)
    if fingerprint is not None and fingerprint != record.fingerprint:
        return no("gate.other_arguments")
    asked = record
    answer = await core.on_fresh_look(asked.action, lambda tx, look: _yes(core, tx, asked, actor, look))
    return outcome(await execute(core, action_id)) if answer.status == "authorised" else answer


async def _yes(core: Core, tx: GateTx, record: ActionRecord, actor: Actor, look: Look) -> Outcome:
    now, policy, who = core.clock.now(), core.policy(), str(actor)
    pending = await _pending(core, tx, record.id, now)
    if isinstance(pending, Outcome):
        return pending
    record, ticket = pending
    if who == str(record.proposer):
        return no("gate.own_proposal")
    if who == ticket.edited_by and not ticket.narrower:
        return no("gate.own_edit")
    if RANK[role_of(actor)] < RANK[ticket.role]:
        return no("gate.role_needed", role=ticket.role)
    facts, verdict = await core.judged_again(tx, record, look, now)
    refusing = tuple(f for f in verdict.findings if f.answer == "refuse")
    if any(f.rule == "facts_readable" for f in refusing):
        # The platform is down for a moment: the ticket stays, the manager may press again.
        return Outcome(ok=False, status="waiting", message=Message(id="gate.unreadable"), findings=refusing)
    if requests.drifted(record.facts, facts):
        await tx.change(record.id, "waiting", "waiting", facts=facts, verdict=verdict)
        changed = record.model_copy(update={"facts": facts, "verdict": verdict})
        # What the others said yes to is no longer so: they are asked again with the new figures.
        exposure = requests.worst_until(record.action, facts, policy, now, ticket.expires_at)
        await tx.save_ticket(ticket.model_copy(update={"votes": (), "exposure": exposure}))
        await core.note(tx, "approval.drifted", changed, who, now)
        return Outcome(ok=False, status="waiting", message=Message(id="gate.drifted"), findings=verdict.reasons)
    if refusing:
        await tx.change(record.id, "waiting", "refused", facts=facts, verdict=verdict, closed_at=now)
        await tx.save_ticket(decided(ticket, "rejected", "policy", now, None))  # the findings say why
        changed = record.model_copy(update={"status": "refused", "facts": facts, "verdict": verdict})
        await core.note(tx, "action.refused", changed, who, now)
        return Outcome(ok=False, status="refused", message=Message(id="gate.refused_now"), findings=refusing)
    # The law of today counts: it may ask for more people than when the request was made, never for fewer.
    people, least = policy.quorum(requests.stake(in_policy_currency(record.action, facts, policy), facts))
    people = max(people, ticket.quorum)
    role: DecisionRole = "admin" if "admin" in (least, ticket.role) else "manager"
    if RANK[role_of(actor)] < RANK[role]:
        return no("gate.role_needed", role=role)
    if any(vote.by == who for vote in ticket.votes):
        return no("gate.already_voted", votes=len(ticket.votes), quorum=people)
    votes = (*ticket.votes, Vote(by=who, role=role_of(actor), at=now))
    ticket = ticket.model_copy(update={"votes": votes, "quorum": people, "role": role})
    if sum(RANK[vote.role] >= RANK[role] for vote in votes) < people:
        await tx.save_ticket(ticket)
        await core.note(tx, "approval.voted", record, who, now, votes=len(votes), quorum=people)
        counted = Message(id="gate.vote_counted", params={"votes": len(votes), "quorum": people})
        return Outcome(ok=True, status="waiting", message=counted, findings=verdict.reasons, action_id=record.id)
    await tx.change(record.id, "waiting", "authorised", facts=facts, verdict=verdict, decided_at=now)
    await tx.save_ticket(decided(ticket, "approved", who, now, None))
    approved = record.model_copy(update={"status": "authorised", "facts": facts, "verdict": verdict, "decided_at": now})
    await tx.reserve(approved, now)
    if ticket.edited_from is None:
        await tx.agree(record, "approved", agreed=True, by=who, at=now)
    await core.note(tx, "approval.approved", approved, who, now, votes=[v.model_dump(mode="json") for v in votes])
    return Outcome(ok=True, status="authorised", message=Message(id="gate.authorised"), findings=verdict.reasons)


async def reject(core: Core, action_id: str, actor: Actor, reason: str) -> Outcome:
    """A manager's no, with the reason that the next decisions will read. One no is enough, whatever the quorum."""
    if not may_decide(actor):
        return no("gate.not_allowed", actor=str(actor))
    if not reason.strip():
        return no("gate.reason_needed")
    now = core.clock.now()
    async with core.books.transaction() as tx:
        if await tx.action(action_id, lock=True) is None:
            return no("gate.not_found", action=action_id)
        pending = await _pending(core, tx, action_id, now)
        if isinstance(pending, Outcome):
            return pending
        record, ticket = pending
        await tx.change(action_id, "waiting", "rejected", closed_at=now)
        await tx.save_ticket(decided(ticket, "rejected", str(actor), now, reason))
        await tx.agree(record, "rejected", agreed=False, by=str(actor), at=now)
        rejected = record.model_copy(update={"status": "rejected"})
        await core.note(tx, "approval.rejected", rejected, str(actor), now, reason=reason)
    return Outcome(ok=True, status="rejected", message=Message(id="gate.rejected", params={"reason": reason}))


async def edit(
    core: Core, action_id: str, actor: Actor, changes: dict[str, Any], reason: str, fingerprint: str | None = None
) -> Outcome:
    """A manager's "do this instead". The old request is replaced by a new one with the changes; nothing is lost when that is refused.

    `changes` are fields of the action as JSON values; Outcome.action_id names the new action. What the rules allow by themselves is
    done at once; what they ask for waits, and its editor may approve it only when the edit asks for less than the request did.
    """
    wanted = await _edited(core, action_id, actor, changes, fingerprint)
    if isinstance(wanted, Outcome):
        return wanted
    record, action = wanted
    expected = await core.expected(action, record.proposer)
    answer, made = await core.on_fresh_look(
        action, lambda tx, look: _instead(core, tx, record, action, actor, reason, look, expected)
    )
    return outcome(await execute(core, made.id)) if made is not None and made.status == "authorised" else answer


async def preview(core: Core, action_id: str, actor: Actor, changes: dict[str, Any]) -> Outcome:
    """What the rules say to a request with these changes, on fresh facts. Changes nothing; `status` is their answer."""
    wanted = await _edited(core, action_id, actor, changes, None)
    if isinstance(wanted, Outcome):
        return wanted
    record, action = wanted
    if record.status != "waiting":
        return no("gate.already_decided", status=record.status)

    async def said(tx: GateTx, look: Look) -> Verdict:
        now = core.clock.now()
        facts = await core.facts(tx, action, record.proposer, record.confidence, look, now, excluding=record.id)
        return judge(action, facts, core.policy())

    verdict = await core.on_fresh_look(action, said)
    message = Message(id=f"gate.preview_{verdict.answer}")
    return Outcome(ok=verdict.answer != "refuse", status=verdict.answer, message=message, findings=verdict.reasons)


async def _edited(
    core: Core, action_id: str, actor: Actor, changes: dict[str, Any], fingerprint: str | None
) -> tuple[ActionRecord, Action] | Outcome:
    """The request and the action that the changes make of it; or what is wrong with them."""
    if not may_decide(actor):
        return no("gate.not_allowed", actor=str(actor))
    async with core.books.transaction() as tx:
        record = await tx.action(action_id)
    if record is None:
        return no("gate.not_found", action=action_id)
    if fingerprint is not None and fingerprint != record.fingerprint:
        return no("gate.other_arguments")
    try:
        action = requests.edited(record.action, changes)
    except LookupError as error:
        allowed = ", ".join(sorted(requests.EDITABLE.get(type(record.action), frozenset()))) or "-"
        return no("gate.edit_field", field=str(error.args[0]), allowed=allowed)
    except ValidationError as error:
        first = error.errors()[0]
        return no("gate.edit_invalid", field=".".join(str(part) for part in first["loc"]), problem=first["msg"], kind=first["type"])
    if action.fingerprint() == record.fingerprint:
        return no("gate.edit_nothing")
    return record, action


async def _instead(
    core: Core,
    tx: GateTx,
    record: ActionRecord,
    action: Action,
    actor: Actor,
    reason: str,
    look: Look,
    expected: dict[str, Any] | None,
) -> tuple[Outcome, ActionRecord | None]:
    now, policy, who = core.clock.now(), core.policy(), str(actor)
    pending = await _pending(core, tx, record.id, now)
    if isinstance(pending, Outcome):
        return pending, None
    record, ticket = pending
    facts = await core.facts(tx, action, record.proposer, record.confidence, look, now, excluding=record.id)
    verdict = judge(action, facts, policy)
    if verdict.answer == "refuse":
        refusing = tuple(f for f in verdict.findings if f.answer == "refuse")
        return Outcome(ok=False, status="waiting", message=Message(id="gate.edit_refused"), findings=refusing), None
    key = f"{record.key}/edit/{action.fingerprint()[:12]}"
    # Against what stands now, and against what was asked at first: nobody widens alone, not back and not in two steps.
    asked = (record.action, await _first_asked(tx, record, ticket))
    narrower = all(requests.narrower(before, action, facts) for before in asked)
    made = record.model_copy(
        update={
            "id": derived(f"agente-ceo:{key}"),
            "action": action,
            "key": key,
            "fingerprint": action.fingerprint(),
            "expected": expected,
            "status": "waiting",
            "verdict": verdict,
            "facts": facts,
            "created_at": now,
            "decided_at": now,
        }
    )
    if verdict.answer == "allow" and narrower:
        made = made.model_copy(update={"status": "authorised"})
    fresh = requests.request(made, policy, now, priority=ticket.priority, expires_at=ticket.expires_at)
    # Editing something does not make it need fewer people than it did.
    fresh = fresh.model_copy(
        update={
            "quorum": max(fresh.quorum, 1 if narrower else ticket.quorum),
            "requested_at": ticket.requested_at,  # nor does it give it a longer life
            "edited_from": record.id,
            "edited_by": who,
            "narrower": narrower,
        }
    )
    await tx.change(record.id, "waiting", "replaced", result={"replaced_by": made.id}, closed_at=now)
    await tx.save_ticket(decided(ticket, "replaced", who, now, reason))
    await tx.agree(record, "edited", agreed=False, by=who, at=now)
    replaced = record.model_copy(update={"status": "replaced", "result": {"replaced_by": made.id}, "closed_at": now})
    await core.note(tx, "approval.edited", replaced, who, now, reason=reason)
    if not await tx.insert(made, fresh if made.status == "waiting" else None):
        raise LookupError(f"action {made.id}: the edited request exists already although its original was waiting")
    if made.status == "authorised":
        await tx.reserve(made, now)
    await core.note(tx, f"action.{made.status}", made, who, now, edited_from=record.id, reason=reason)
    message = Message(id="gate.edited" if narrower else "gate.edited_wider")
    return Outcome(ok=True, status=made.status, message=message, findings=verdict.reasons, action_id=made.id), made


async def _first_asked(tx: GateTx, record: ActionRecord, ticket: Ticket) -> Action:
    """What was asked for before anybody edited it: a person cannot widen a request in two steps and then say yes alone."""
    action, edited_from = record.action, ticket.edited_from
    while edited_from is not None:
        before, asked = await tx.action(edited_from), await tx.ticket(edited_from)
        if before is None or asked is None:
            raise LookupError(f"action {edited_from}: the request that was edited is not in the ledger")
        action, edited_from = before.action, asked.edited_from
    return action


async def extend(core: Core, action_id: str, actor: Actor, hours: int) -> Outcome:
    """More time: for a waiting request until it expires, for a scheduled action until it is done."""
    if not may_decide(actor):
        return no("gate.not_allowed", actor=str(actor))
    if hours < 1:
        return no("gate.extend_hours", hours=hours)
    now, policy = core.clock.now(), core.policy()
    limit = policy.autonomy.max_approval_hours
    async with core.books.transaction() as tx:
        record = await tx.action(action_id, lock=True)
        if record is None:
            return no("gate.not_found", action=action_id)
        if record.status == "scheduled" and record.not_before is not None:
            until = record.not_before + timedelta(hours=hours)
            if until > record.created_at + timedelta(hours=limit):
                return no("gate.extend_limit", limit=limit)
            await tx.change(action_id, "scheduled", "scheduled", not_before=until)
            moved = record.model_copy(update={"not_before": until})
            await core.note(tx, "action.extended", moved, str(actor), now, until=until.isoformat())
            return _extended("scheduled", until)
        pending = await _pending(core, tx, action_id, now)
        if isinstance(pending, Outcome):
            return pending
        record, ticket = pending
        until = ticket.expires_at + timedelta(hours=hours)
        if until > ticket.requested_at + timedelta(hours=limit):
            return no("gate.extend_limit", limit=limit)
        exposure = requests.worst_until(record.action, record.facts, policy, now, until)
        await tx.save_ticket(ticket.model_copy(update={"expires_at": until, "exposure": exposure}))
        await core.note(tx, "approval.extended", record, str(actor), now, until=until.isoformat())
    return _extended("waiting", until)


async def act_early(core: Core, action_id: str, actor: Actor) -> Outcome:
    """A scheduled action is done now instead of at the end of its grace, on fresh facts like any other."""
    if not may_decide(actor):
        return no("gate.not_allowed", actor=str(actor))
    return await release(core, action_id, str(actor), early=True)


async def release(core: Core, action_id: str, by: str, *, early: bool) -> Outcome:
    """Ends the grace: judged again, then done, asked for, or cancelled."""
    async with core.books.transaction() as tx:
        record = await tx.action(action_id)
    if record is None:
        return no("gate.not_found", action=action_id)
    answer = await core.on_fresh_look(record.action, lambda tx, look: _released(core, tx, action_id, by, look, early=early))
    if answer.status == "authorised":
        return outcome(await execute(core, action_id))
    return await _never(core, record, answer) if answer.message.id == "gate.unreadable" else answer


async def _never(core: Core, record: ActionRecord, answer: Outcome) -> Outcome:
    """The end of a grace whose campaign is no more: it is not tried for ever."""
    now, action = core.clock.now(), record.action
    async with core.books.transaction() as tx:
        refs = await tx.refs(action)
    if not isinstance(action, SetBudget | PauseCampaign | ResumeCampaign) or not await core.effects.gone(action, refs):
        return answer
    error = Message(id="gate.campaign_gone")
    async with core.books.transaction() as tx:
        if not await tx.change(record.id, "scheduled", "cancelled", closed_at=now, error=error):
            return answer
        await tx.settle(record.id, kept=False, now=now)
        ended = record.model_copy(update={"status": "cancelled", "error": error, "closed_at": now})
        await core.note(tx, "action.cancelled", ended, core.executor, now)
    return Outcome(ok=False, status="cancelled", message=error, action_id=record.id)


async def _released(core: Core, tx: GateTx, action_id: str, by: str, look: Look, *, early: bool) -> Outcome:
    now, policy = core.clock.now(), core.policy()
    record = await tx.action(action_id, lock=True)
    if record is None or record.status != "scheduled" or record.not_before is None:
        return no("gate.already_decided", status=record.status if record else "")
    if not early and record.not_before > now:  # a manager gave it more time meanwhile
        return no("gate.already_decided", status=record.status)
    facts, verdict = await core.judged_again(tx, record, look, now)
    if any(f.rule == "facts_readable" and f.answer == "refuse" for f in verdict.findings):
        return Outcome(ok=False, status="scheduled", message=Message(id="gate.unreadable"), findings=verdict.reasons)
    seen: dict[str, Any] = {"facts": facts, "verdict": verdict}
    if verdict.answer == "allow":
        await tx.change(action_id, "scheduled", "authorised", **seen, decided_at=now)
        record = record.model_copy(update={"status": "authorised", "decided_at": now} | seen)
        await tx.reserve(record, now)
        if early:
            await tx.agree(record, "approved", agreed=True, by=by, at=now)
        await core.note(tx, "action.released", record, by, now)
        return Outcome(ok=True, status="authorised", message=Message(id="gate.authorised"))
    status = "waiting" if verdict.answer == "ask" else "cancelled"
    await tx.change(action_id, "scheduled", status, **seen, closed_at=now if status == "cancelled" else None)
    await tx.settle(action_id, kept=False, now=now)
    record = record.model_copy(update={"status": status} | seen)
    if status == "waiting":
        await tx.open_ticket(record, requests.request(record, policy, now, priority="normal"))
    await core.note(tx, f"action.{status}", record, by, now)
    message = Message(id="gate.waiting" if status == "waiting" else "gate.refused_now")
    return Outcome(ok=False, status=status, message=message, findings=verdict.reasons, action_id=action_id)


async def withdraw(core: Core, action_id: str, actor: Actor, reason: str) -> Outcome:
    """Takes a waiting or scheduled action back before anything left, also one that was allowed and has to wait. Also the proposer's own
    way out. What is in doubt is given up: a person has looked, and nothing more is to be done; its room is free again."""
    if not may_decide(actor):
        return no("gate.not_allowed", actor=str(actor))
    if not reason.strip():
        return no("gate.reason_needed")
    now, who = core.clock.now(), str(actor)
    async with core.books.transaction() as tx:
        record = await tx.action(action_id, lock=True)
        if record is None:
            return no("gate.not_found", action=action_id)
        if record.status not in ("waiting", "scheduled", "authorised", "unknown"):
            return no("gate.already_decided", status=record.status)
        doubt = record.status == "unknown"
        status: Status = "failed" if doubt else "cancelled"
        error = Message(id="gate.given_up" if doubt else "gate.withdrawn", params={"by": who, "reason": reason})
        await tx.change(action_id, record.status, status, closed_at=now, error=error)
        if record.status == "waiting":
            ticket = await tx.ticket(action_id, lock=True)
            if ticket is not None:
                await tx.save_ticket(decided(ticket, "withdrawn", who, now, reason))
        else:
            await tx.settle(action_id, kept=False, now=now)
        if record.status == "scheduled":
            await tx.agree(record, "withdrawn", agreed=False, by=who, at=now)
        withdrawn = record.model_copy(update={"status": status, "error": error, "closed_at": now})
        await core.note(tx, f"action.{status}", withdrawn, who, now, reason=reason)
    return Outcome(ok=True, status=status, message=error, action_id=action_id)


async def expire(core: Core, tx: GateTx, record: ActionRecord, ticket: Ticket, now: datetime) -> None:
    """Nobody answered in time: the request is over, and nothing was done."""
    await tx.change(record.id, "waiting", "expired", closed_at=now)
    await tx.save_ticket(decided(ticket, "expired", "system:clock", now, None))
    await core.note(tx, "approval.expired", record.model_copy(update={"status": "expired"}), "system:clock", now)


async def _pending(core: Core, tx: GateTx, action_id: str, now: datetime) -> tuple[ActionRecord, Ticket] | Outcome:
    """The waiting action and its pending ticket, locked; or why nobody can decide about it any more."""
    record = await tx.action(action_id, lock=True)
    ticket = await tx.ticket(action_id, lock=True)
    if record is None or ticket is None or ticket.status != "pending" or record.status != "waiting":
        status = ticket.status if ticket and ticket.status != "pending" else (record.status if record else "")
        return no("gate.already_decided", status=status)
    if ticket.expires_at <= now:
        await expire(core, tx, record, ticket, now)
        return no("gate.expired", expires_at=ticket.expires_at.isoformat())
    return record, ticket


def role_of(actor: Actor) -> DecisionRole:
    """The deciding role of somebody who may decide."""
    return "admin" if actor.role == "admin" else "manager"


def decided(ticket: Ticket, status: TicketStatus, by: str, now: datetime, reason: str | None) -> Ticket:
    """The ticket with its decision."""
    return ticket.model_copy(update={"status": status, "decided_by": by, "decided_at": now, "reason": reason})


def _extended(status: str, until: datetime) -> Outcome:
    return Outcome(ok=True, status=status, message=Message(id="gate.extended", params={"until": until.isoformat()}))
