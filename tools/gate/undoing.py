"""Undo: what would restore the state before an action, and whether the object is still as the action left it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from pydantic import BaseModel, ConfigDict

from knowledge.domain.action import CAMPAIGN, Action, PauseCampaign, PublishCampaign, ResumeCampaign, SetBudget
from knowledge.domain.books import ActionRecord
from knowledge.domain.campaign import PlatformCampaign
from knowledge.domain.facts import CampaignFacts
from knowledge.domain.message import Message
from knowledge.domain.money import Money

LIVE = ("active", "in_review", "with_issues", "unknown")
"""Deliveries that may spend. A review that ends is the platform's doing, not a change by somebody."""
OPEN = ("waiting", "authorised", "scheduled", "executing", "unknown")


class UndoPlan(BaseModel):
    """Whether an action can be undone now, by which action, and in words why or why not."""

    model_config = ConfigDict(frozen=True)

    possible: bool
    message: Message
    action: Action | None = None


def inverse(record: ActionRecord) -> Action | None:
    """The action that restores what was before this one; None when nothing can (a text that was read, a note in the CRM).

    A publication is undone by stopping it: what it spent stays spent, and its name and history stay on the platform.
    """
    action, before = record.action, record.facts.campaign
    if isinstance(action, PublishCampaign):
        return PauseCampaign(workspace=action.workspace, platform=action.platform, campaign_id=action.campaign_id)
    if not isinstance(action, CAMPAIGN) or before is None:
        return None
    where: dict[str, Any] = {"workspace": action.workspace, "platform": action.platform, "campaign_id": action.campaign_id}
    ran = before.delivery in LIVE
    if isinstance(action, SetBudget):
        was = before.budget_at_platform
        return SetBudget(daily_budget=was, **where) if was != action.daily_budget else None
    if isinstance(action, PauseCampaign):
        return ResumeCampaign(**where) if ran else None
    return PauseCampaign(**where) if not ran else None


def restores(action: Action, undone: ActionRecord, now: CampaignFacts) -> bool:
    """Whether the action goes back to exactly what was before a done one, and the campaign is still as that one left it."""
    if undone.status != "done" or undone.result is None or inverse(undone) != action or touched(undone) != now.external_id:
        return False
    left = undone.result["campaign"]
    budget = Money.model_validate(left["daily_budget"]) if left.get("daily_budget") else None
    return (budget is None or budget == now.budget_at_platform) and (now.delivery in LIVE) == (left["delivery"] in LIVE)


def touched(record: ActionRecord) -> str | None:
    """The platform's id of the campaign that a done action changed."""
    return record.result["campaign"]["external_id"] if record.result and "campaign" in record.result else None


def plan(
    record: ActionRecord,
    undos: Iterable[ActionRecord],
    now: PlatformCampaign | None,
    later: ActionRecord | None,
    external_id: str | None,
) -> UndoPlan:
    """The plan on a fresh platform read (`now`) and the newest later change of the same campaign (`later`), if any.

    `external_id` is the object for which the ledger's campaign stands today: an undo goes to what was changed, or nowhere.
    """
    if record.status != "done" or record.result is None:
        return _no("undo.not_done", status=record.status)
    for undo in undos:
        if undo.status == "done":
            return _no("undo.already", at=(undo.closed_at or undo.decided_at).isoformat())
        if undo.status in OPEN:
            return _no("undo.open", status=undo.status)
    action = inverse(record)
    if action is None:
        return _no("undo.irreversible" if not isinstance(record.action, CAMPAIGN) else "undo.nothing", kind=record.action.kind)
    if touched(record) != external_id:
        return _no(
            "undo.other_object",
            campaign=getattr(record.action, "campaign_id", ""),
            external_id=external_id or "-",
            left=touched(record) or "-",
        )
    if now is None:
        return _no("undo.gone", campaign=getattr(record.action, "campaign_id", ""))
    left = record.result["campaign"]
    left_budget = Money.model_validate(left["daily_budget"]) if left.get("daily_budget") else None
    same = now.daily_budget == left_budget and (now.delivery in LIVE) == (left["delivery"] in LIVE)
    if not same:
        params = {
            "left_budget": left_budget, "left_delivery": left["delivery"], "budget": now.daily_budget, "delivery": now.delivery,
        }  # fmt: skip
        if later is None:
            return _no("undo.changed_outside", **params)
        return _no("undo.changed", by=str(later.proposer), at=(later.closed_at or later.decided_at).isoformat(), **params)
    return UndoPlan(possible=True, message=Message(id=f"undo.possible.{action.kind}", params=_shown(action)), action=action)


def _shown(action: Action) -> dict[str, object]:
    budget = getattr(action, "daily_budget", None)
    return {"campaign": getattr(action, "campaign_id", "")} | ({"budget": budget} if budget is not None else {})


def _no(message_id: str, **params: object) -> UndoPlan:
    return UndoPlan(possible=False, message=Message(id=message_id, params=params))
