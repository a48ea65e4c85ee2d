"""Rows of the gate's tables as what they stand for."""

from __future__ import annotations

from typing import Any

from knowledge.domain.action import Actor, parse_action
from knowledge.domain.books import ActionRecord, Ticket, Vote
from knowledge.domain.chain import canonical
from knowledge.domain.facts import Facts
from knowledge.domain.message import Message
from knowledge.domain.money import Money
from knowledge.domain.verdict import Verdict


def text(value: Any) -> str:
    """A value as its column keeps it."""
    return value.text if isinstance(value, Facts | Verdict) else canonical(value)


def record(row: Any) -> ActionRecord:
    """A row of `actions`."""
    proposer_id = row["proposer_id"]
    if proposer_id.startswith("{"):
        proposer = Actor.model_validate_json(proposer_id)
    else:
        proposer = Actor(kind=row["proposer_kind"], id=proposer_id)
    return ActionRecord(
        id=str(row["id"]),
        action=parse_action(row["args"]),
        key=row["idempotency_key"],
        fingerprint=row["fingerprint"],
        proposer=proposer,
        why=Message.model_validate(row["why"]),
        evidence=tuple(row["evidence"] or ()),
        expected=row["expected"],
        confidence=row["confidence"],
        correlation_id=row["correlation_id"],
        undo_of=str(row["undo_of"]) if row["undo_of"] else None,
        status=row["status"],
        verdict=Verdict.model_validate(row["verdict"]),
        facts=Facts.model_validate(row["facts"]),
        attempts=row["attempts"],
        executor=row["executor"],
        result=row["result"],
        error=Message.model_validate(row["error"]) if row["error"] else None,
        created_at=row["created_at"],
        decided_at=row["decided_at"],
        not_before=row["not_before"],
        execution_started_at=row["execution_started_at"],
        closed_at=row["closed_at"],
    )


def ticket(row: Any) -> Ticket:
    """A row of `approvals`."""
    exposure = None
    if row["exposure_minor"] is not None:
        exposure = Money(minor=row["exposure_minor"], currency=row["exposure_currency"])
    return Ticket(
        action_id=str(row["action_id"]),
        status=row["status"],
        priority=row["priority"],
        exposure=exposure,
        requested_at=row["requested_at"],
        expires_at=row["expires_at"],
        quorum=row["quorum"],
        role=row["role"],
        votes=tuple(Vote.model_validate(vote) for vote in row["votes"]),
        edited_from=str(row["edited_from"]) if row["edited_from"] else None,
        edited_by=row["edited_by"],
        narrower=row["narrower"],
        decided_by=row["decided_by"],
        decided_at=row["decided_at"],
        reason=row["decision_reason"],
    )
