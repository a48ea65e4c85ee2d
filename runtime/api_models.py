"""What the JSON API takes and gives. Amounts are whole minor units with their currency; moments are ISO 8601 with offset."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from knowledge.domain.message import Message
from knowledge.domain.money import Money
from runtime.cockpit import cards
from runtime.cockpit.speak import Speaker
from runtime.db.outcomes import Outcome as Judged
from runtime.typed_text import clean, clean_within
from tools.gate import Outcome

MAX_REASON, MAX_TARGET = 500, 128


def _typed(value: Any) -> Any:
    return clean(value).strip() if isinstance(value, str) else value


def _cut(value: Any) -> Any:
    typed = _typed(value)
    return typed[:MAX_REASON] if isinstance(typed, str) else typed


Typed = BeforeValidator(_typed)
"""Trimmed and without control characters, which the record cannot hold; lengths are those of what is left."""
Reason = Annotated[str, Field(min_length=1, max_length=MAX_REASON), Typed]
MaybeReason = Annotated[str, Field(max_length=MAX_REASON), Typed]
StopReason = Annotated[str, Field(description="Cut after 500 characters, and never refused"), BeforeValidator(_cut)]
Ident = Annotated[str, Field(pattern=r"^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$")]
Fingerprint = Annotated[
    str, Field(pattern=r"^[0-9a-f]{64}$", description="Of the arguments that were shown: the decision is bound to exactly them")
]


class _In(BaseModel):
    model_config = ConfigDict(extra="forbid")


class ApproveIn(_In):
    fingerprint: Fingerprint


class ReasonIn(_In):
    reason: Reason


class UndoIn(_In):
    reason: MaybeReason = ""


class UndoBatchIn(_In):
    correlation_id: Annotated[str, Field(min_length=1, max_length=200), Typed]
    reason: MaybeReason = ""


class PreviewIn(_In):
    changes: Annotated[
        dict[str, Any],
        Field(min_length=1, description='Fields of the action, e.g. {"daily_budget": {"minor": 5000, "currency": "BRL"}}'),
        BeforeValidator(clean_within),
    ]


class EditIn(PreviewIn):
    reason: Reason
    fingerprint: Fingerprint


class ExtendIn(_In):
    hours: Annotated[int, Field(ge=1, le=720)]


class BatchItem(_In):
    action_id: Ident
    fingerprint: Fingerprint


class BatchIn(_In):
    decision: Literal["approve", "reject"]
    items: Annotated[list[BatchItem], Field(min_length=1, max_length=50)]
    reason: MaybeReason = ""


class KillIn(_In):
    scope: Literal["all", "platform", "campaign", "agent", "conversation"]
    target: Annotated[str | None, Field(max_length=MAX_TARGET), Typed] = None
    reason: StopReason


class ProblemOut(BaseModel):
    """RFC 9457, with the field, the way on, and the rules' findings where there are any."""

    type: str
    title: str
    status: int
    detail: str
    instance: str
    field: str | None = None
    remedy: str | None = None
    findings: list[dict[str, Any]] | None = None


class MeOut(BaseModel):
    actor: str
    role: str
    csrf: str | None


class MessageOut(BaseModel):
    id: str
    text: str
    params: dict[str, Any]


class FindingOut(BaseModel):
    """One rule's word; `text` ends with what to do. `measured` and `limit` are (name, value) as people read them.

    `dial` is the setting in agentos.yaml that moves the limit; `ends` is when the rule lets go by itself.
    """

    rule: str
    answer: Literal["allow", "ask", "refuse"]
    text: str
    measured: tuple[str, str] | None
    limit: tuple[str, str] | None
    dial: str | None
    ends: datetime | None


class ChangeOut(BaseModel):
    label: str
    before: str
    after: str
    change: str | None


class VoteOut(BaseModel):
    by: str
    role: str
    at: datetime


class ActionOut(BaseModel):
    """An action as its card says it: what would change, which rule said what, the worst case, the deadline, who must agree."""

    id: str
    kind: str
    status: str
    title: str
    platform: str | None
    campaign_id: str | None
    campaign: str | None
    args: dict[str, Any]
    fingerprint: str
    proposed_by: str
    why: str
    confidence: str | None
    changes: list[ChangeOut]
    findings: list[FindingOut]
    remedies: list[str]
    """What a person can do about what stands in the way, in words."""
    passed: int
    evidence: list[dict[str, Any]]
    expected: dict[str, Any] | None
    last_7_days: dict[str, str]
    priority: str | None
    exposure: Money | None
    worst: str
    otherwise: str
    requested_at: datetime | None
    expires_at: datetime | None
    not_before: datetime | None
    quorum: int
    role: str
    votes: list[VoteOut]
    needed: str | None
    edited_from: str | None
    edited_by: str | None
    replaced_by: str | None
    undo_of: str | None
    undone: bool
    correlation_id: str | None
    decided_by: str | None
    decision_reason: str | None
    result: dict[str, Any] | None
    error: str | None
    created_at: datetime
    policy_version: str | None


class StepOut(BaseModel):
    seq: int
    at: datetime
    kind: str
    actor: str
    hash: str


class VerdictOut(BaseModel):
    """One expected effect and what became of it. `better` is null where above or below says nothing about good or bad."""

    metric: str
    verdict: str
    better: bool | None
    final: bool
    text: str


class ActionPageOut(ActionOut):
    timeline: list[StepOut]
    facts: dict[str, Any] | None
    verdicts: list[VerdictOut]
    """What was expected of it and what was measured; empty while nothing can be judged."""


class QueueOut(BaseModel):
    pending: list[ActionOut]
    scheduled: list[ActionOut]


class OutcomeOut(BaseModel):
    """The gate's answer; `action_id` names the action that stands now (after an edit or an undo it is another one)."""

    ok: bool
    status: str
    message: MessageOut
    findings: list[FindingOut]
    action_id: str | None


class BatchResult(BaseModel):
    action_id: str
    outcome: OutcomeOut


class BatchOut(BaseModel):
    ok: bool
    results: list[BatchResult]


class UndoPlanOut(BaseModel):
    possible: bool
    message: MessageOut
    action: dict[str, Any] | None


class KillOut(BaseModel):
    id: str
    scope: str
    target: str | None
    reason: str
    set_by: str
    set_at: datetime


class HeadOut(BaseModel):
    seq: int
    hash: str
    at: datetime | None


def message_out(say: Speaker, message: Message) -> MessageOut:
    """A message with its sentence in the asker's language."""
    plain = message.model_dump(mode="json")
    return MessageOut(id=message.id, text=say.message(message) or message.id, params=plain["params"])


def finding_out(found: cards.Reason) -> FindingOut:
    return FindingOut.model_validate(
        {name: getattr(found, name) for name in ("rule", "answer", "text", "measured", "limit", "dial", "ends")}
    )


def outcome_out(say: Speaker, outcome: Outcome) -> OutcomeOut:
    """The gate's answer with its reasons in words."""
    reasons = [cards.reason(say, f.model_dump(mode="json")) for f in cards.telling(outcome.findings)]
    return OutcomeOut(
        ok=outcome.ok, status=outcome.status, message=message_out(say, outcome.message),
        findings=[finding_out(one) for one in reasons], action_id=outcome.action_id,
    )  # fmt: skip


def verdict_out(say: Speaker, found: Judged) -> VerdictOut:
    """A verdict with its sentence in the asker's language."""
    text = say.message(found.message) or found.verdict
    return VerdictOut(metric=found.metric, verdict=found.verdict, better=found.better, final=found.final, text=text)


def action_out(card: cards.Card) -> ActionOut:
    """A card as JSON."""
    row = card.row
    same = ("id", "kind", "status", "platform", "campaign_id", "args", "fingerprint", "confidence", "evidence", "expected", "priority",
        "exposure", "requested_at", "expires_at", "not_before", "quorum", "role", "edited_from", "edited_by", "replaced_by", "undo_of",
        "undone", "correlation_id", "decided_by", "decision_reason", "result", "created_at", "policy_version")  # fmt: skip
    return ActionOut(
        **{name: getattr(row, name) for name in same},
        title=card.title, campaign=row.campaign_name or row.args.get("name"), proposed_by=f"{row.proposer_kind}:{card.by}",
        why=card.why, worst=card.worst, otherwise=card.otherwise, needed=card.needed, error=card.error, passed=len(card.passed),
        changes=[ChangeOut(label=d.label, before=d.before, after=d.after, change=d.delta) for d in card.difference],
        findings=[finding_out(one) for one in card.reasons], last_7_days=dict(card.week),
        remedies=list(card.remedies),
        votes=[VoteOut(by=v.by, role=v.role, at=v.at) for v in row.votes],
    )  # fmt: skip


def routes_of(schema: dict[str, Any]) -> list[dict[str, Any]]:
    """The routes of an OpenAPI document for a page: method, path, purpose, what is sent."""
    found: list[dict[str, Any]] = []
    for path, methods in schema["paths"].items():
        for method, route in methods.items():
            body = route.get("requestBody", {}).get("content", {}).get("application/json", {}).get("schema", {})
            ref = body.get("$ref") or next((one.get("$ref") for one in body.get("anyOf", []) if one.get("$ref")), None)
            parts = schema["components"]["schemas"].get(ref.rsplit("/", 1)[1], {}) if ref else {}
            fields = [
                {
                    "name": name,
                    "required": name in parts.get("required", []),
                    "about": about.get("description") or about.get("type", ""),
                }
                for name, about in parts.get("properties", {}).items()
            ]
            tag = (route.get("tags") or [""])[0]
            found.append(
                {"method": method.upper(), "path": path, "summary": route.get("summary", ""), "fields": fields, "tag": tag}
            )
    return found
