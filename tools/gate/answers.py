"""What the gate answers: a receipt to a proposer, an outcome to a manager."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict

from knowledge.domain.action import Actor
from knowledge.domain.books import ActionRecord, Status
from knowledge.domain.message import Message
from knowledge.domain.verdict import Finding


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
    """The answer to a manager's click. `action_id` names the action that stands now: after an edit it is another one."""

    model_config = ConfigDict(frozen=True)

    ok: bool
    status: str
    message: Message
    findings: tuple[Finding, ...] = ()
    action_id: str | None = None


def receipt(record: ActionRecord) -> Receipt:
    """The receipt of an action as the ledger has it."""
    message = record.error or Message(id=f"gate.{record.status}", params={"kind": record.action.kind})
    return Receipt(
        action_id=record.id, status=record.status, message=message, findings=record.verdict.reasons, result=record.result
    )


def outcome(given: Receipt) -> Outcome:
    """A receipt as the answer to the manager who set it going."""
    return Outcome(
        ok=given.status in ("done", "authorised"),
        status=given.status,
        message=given.message,
        findings=given.findings,
        action_id=given.action_id,
    )


def no(message_id: str, **params: Any) -> Outcome:
    """A no that changed nothing, with its reason."""
    return Outcome(ok=False, status="refused", message=Message(id=message_id, params=params))


def may_decide(actor: Actor) -> bool:
    """Whether this person decides about requests at all. Agents, schedules and viewers never do."""
    return actor.kind == "user" and actor.role in ("manager", "admin")
