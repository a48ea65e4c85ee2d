"""Deciding: the platform is read, then one transaction holds facts, verdict, room and record together."""

from __future__ import annotations

from datetime import timedelta
from typing import get_args

from knowledge.domain.action import CAMPAIGN, PauseCampaign
from knowledge.domain.books import FINAL, ActionRecord, GateTx, Proposal, Status
from knowledge.domain.ids import derived
from knowledge.domain.policy import Policy
from knowledge.domain.verdict import Answer, Verdict
from tools.gate import requests
from tools.gate.core import Core, Look
from tools.guardrails import autonomy, judge

STATUS: dict[Answer, Status] = {"allow": "authorised", "ask": "waiting", "refuse": "refused"}
assert set(STATUS) == set(get_args(Answer))


async def decide(core: Core, proposal: Proposal) -> tuple[ActionRecord, bool]:
    """The record of this intent, and whether it was made just now, on fresh facts; False for one that was known.

    Raises only when the database cannot be reached.
    """
    async with core.books.reading() as tx:
        known = await _standing(tx, proposal.key)
    if known is None and proposal.expected is None:
        expected = await core.expected(proposal.action, proposal.proposer)
        proposal = proposal.model_copy(update={"expected": expected})
    if known is not None:
        return known, False
    return await core.on_fresh_look(proposal.action, lambda tx, look: _judged(core, tx, proposal, look))


async def _judged(core: Core, tx: GateTx, proposal: Proposal, look: Look) -> tuple[ActionRecord, bool]:
    """Judges and records."""
    action, policy, now = proposal.action, core.policy(), core.clock.now()
    facts = await core.facts(
        tx, action, proposal.proposer, proposal.confidence, look, now, excluding=None, undo_of=proposal.undo_of
    )
    verdict = judge(action, facts, policy)
    status, not_before = _status(proposal, verdict, policy), None
    if status == "authorised" and policy.autonomy.grace_minutes and _waits(proposal):
        status, not_before = "scheduled", now + timedelta(minutes=policy.autonomy.grace_minutes)
    record = ActionRecord(
        id=derived(f"agente-ceo:{proposal.key}"),
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
        not_before=not_before,
        closed_at=now if status in FINAL else None,
    )
    ticket = requests.request(record, policy, now, priority=proposal.priority) if record.status == "waiting" else None
    if not await tx.insert(record, ticket):  # somebody with the same intent was faster
        known = await _standing(tx, proposal.key)
        if known is None:
            raise LookupError(f"action {record.id}: its key was taken and is gone again")
        return known, False
    if record.status in ("authorised", "scheduled"):
        await tx.reserve(record, now)
    await core.note(tx, f"action.{record.status}", record, str(proposal.proposer), now)
    return record, True


async def _standing(tx: GateTx, key: str) -> ActionRecord | None:
    """The action of this intent; of one that a manager edited, what stands in its place."""
    known = await tx.action_by_key(key)
    while known is not None and known.status == "replaced" and known.result is not None:
        known = await tx.action(known.result["replaced_by"])
    return known


def _waits(proposal: Proposal) -> bool:
    """Whether a grace runs first: a machine's change of a campaign, unless it stops a fire. A person's own word needs none."""
    action = proposal.action
    urgent = isinstance(action, PauseCampaign) and action.emergency
    return isinstance(action, CAMPAIGN) and proposal.proposer.kind != "user" and proposal.undo_of is None and not urgent


def _status(proposal: Proposal, verdict: Verdict, policy: Policy) -> Status:
    """What the verdict makes of it. Refused for nothing but its advisory level, it is kept as a suggestion."""
    refusing = {f.rule for f in verdict.reasons if f.answer == "refuse"}
    if refusing == {"autonomy"} and autonomy.advisory(proposal.action, policy):
        return "suggested"
    return STATUS[verdict.answer]
