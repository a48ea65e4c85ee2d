"""What an effect did, written into the tables in memory: the twin of runtime.db.gate_apply."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from typing import Any

from knowledge.domain.action import (
    AddDealNote,
    GrantAutonomy,
    MarkRead,
    MirrorToDesk,
    OpenDeal,
    PauseCampaign,
    PostDeskNote,
    PublishCampaign,
    ResumeCampaign,
    SendMessage,
    SetBudget,
    SetDeskStatus,
    UpsertCompany,
    UpsertPerson,
)
from knowledge.domain.books import ActionRecord
from knowledge.domain.grant import GrantSpent, grant_of
from knowledge.domain.ids import derived
from knowledge.domain.money import Money
from runtime.proof.store import Transaction


def campaign_row(
    campaign_id: str, workspace: str, platform: str, name: str, external_id: str, status: str, delivery: str, budget: Money,
    launched_at: datetime,
) -> dict[str, Any]:  # fmt: skip
    """A row of the table campaigns."""
    return {
        "id": campaign_id, "workspace": workspace, "platform": platform, "name": name, "external_id": external_id,
        "status": status, "delivery": delivery, "currency": budget.currency, "daily_budget_minor": budget.minor, "launch_budget_minor": budget.minor,
        "launched_at": launched_at, "last_change_at": launched_at, "synced_at": launched_at, "paused_at": None,
        "emergency_stop": False,
    }  # fmt: skip


def apply(rows: Transaction, record: ActionRecord, result: dict[str, Any], now: datetime) -> None:
    """Dispatches on the action's type. Raises LookupError when the ledger lacks what the action was about."""
    action = record.action
    match action:
        case PublishCampaign():
            campaign = result["campaign"]
            shown = Money.model_validate(campaign["daily_budget"] or action.daily_budget.model_dump())
            budget = action.daily_budget if shown.currency == action.daily_budget.currency else shown
            made = campaign_row(
                action.campaign_id, action.workspace, action.platform, action.name, campaign["external_id"], "testing",
                campaign["delivery"], budget, now,
            )  # fmt: skip
            before = rows.get("campaigns", action.campaign_id)
            # Where a row is there already, workspace, platform and the pause stay as they were.
            kept = {k: before[k] for k in ("workspace", "platform", "paused_at", "emergency_stop")} if before else {}
            rows.put("campaigns", action.campaign_id, made | kept)
            _change(rows, record, action.campaign_id, None, budget, now)
            if shown != budget:  # in force as it was ordered, and changed by somebody before it was found again
                _seen(rows, action.campaign_id, shown, now)
                rows.put("campaigns", action.campaign_id, made | kept | {"daily_budget_minor": shown.minor})
        case SetBudget():
            _budget(rows, record, action, result, now)
        case PauseCampaign() | ResumeCampaign():
            paused = isinstance(action, PauseCampaign)
            row = rows.get("campaigns", action.campaign_id)
            if row is not None:
                budget = result["campaign"].get("daily_budget")
                seen = Money.model_validate(budget) if budget else None
                if _overtaken(rows, record, action.campaign_id, ("campaign.set_budget",)):
                    seen = None
                _seen(rows, action.campaign_id, seen, now)
                same = seen is not None and seen.currency == row["currency"]
                news = {
                    "daily_budget_minor": seen.minor if seen is not None and same else row["daily_budget_minor"],
                    "status": "paused" if paused else "active",
                    "delivery": result["campaign"]["delivery"],
                    "last_change_at": now,
                    "synced_at": now,
                    "paused_at": now if paused else None,
                    "emergency_stop": isinstance(action, PauseCampaign) and action.emergency,
                }
                rows.put("campaigns", action.campaign_id, row | news)
        case SendMessage():
            talk = rows.get("conversations", action.conversation_id)
            message = {"body": action.text, "author": action.author, "external_id": result["external_id"], "action_id": record.id}
            if action.author == "bot" and talk is None:
                raise LookupError(f"conversation {action.conversation_id} is not in the ledger")
            rows.put("messages", record.id, message | {"conversation_id": action.conversation_id})
        case MirrorToDesk() | PostDeskNote() | SetDeskStatus():
            talk = rows.get("conversations", action.conversation_id)
            if talk is not None and "desk_conversation_id" in result:
                rows.put("conversations", talk.id, replace(talk, desk_conversation=result["desk_conversation_id"]))
        case UpsertCompany() | UpsertPerson() | OpenDeal() | AddDealNote():
            entity = action.kind.partition(".")[2]
            key = action.ref if isinstance(action, AddDealNote) else ""
            rows.put("crm_links", (entity, action.lead_id, key), result["external_id"])
        case GrantAutonomy():
            _grant(rows, record, action, now)
        case MarkRead():
            pass  # nothing of ours changes when ticks turn blue


def _overtaken(rows: Transaction, record: ActionRecord, campaign_id: str, kinds: tuple[str, ...]) -> bool:
    """Whether such an action is, or was since this attempt began, at work on the campaign."""
    began = record.execution_started_at or record.decided_at
    return any(
        getattr(a.action, "campaign_id", None) == campaign_id
        and a.action.kind in kinds
        and a.id != record.id
        and (a.status == "executing" or (a.closed_at is not None and a.closed_at >= began))
        for a in rows.scan("actions")
    )


def _budget(rows: Transaction, record: ActionRecord, action: SetBudget, result: dict[str, Any], now: datetime) -> None:
    after = result["campaign"]["daily_budget"]
    if after is None:
        raise LookupError(f"the platform names no daily budget for {action.campaign_id} after the change")
    budget = Money.model_validate(after)
    found = record.facts.campaign.budget_at_platform if record.facts.campaign else None
    before = found.minor if found else None
    _seen(rows, action.campaign_id, found, now)
    row = rows.get("campaigns", action.campaign_id)
    if row is not None:
        raised = before is not None and budget.minor > before
        stale = _overtaken(rows, record, action.campaign_id, ("campaign.pause", "campaign.resume"))
        news = {
            "daily_budget_minor": budget.minor,
            "currency": budget.currency,
            "delivery": row["delivery"] if stale else result["campaign"]["delivery"],
            "last_change_at": now,
            "synced_at": now,
            "status": "scaling" if row["status"] == "testing" and raised else row["status"],
        }
        rows.put("campaigns", action.campaign_id, row | news)
    _change(rows, record, action.campaign_id, before, budget, now)


def _seen(rows: Transaction, campaign_id: str, seen: Money | None, now: datetime) -> None:
    """A budget that the platform showed and our ledger did not know counts among the day's budgets."""
    row = rows.get("campaigns", campaign_id)
    if row is None or seen is None or row["currency"] != seen.currency or row["daily_budget_minor"] in (None, seen.minor):
        return
    kept = rows.get("budget_changes", campaign_id) or ()
    change = {
        "action_id": None, "from_minor": row["daily_budget_minor"], "to_minor": seen.minor, "currency": seen.currency, "at": now,
        "since": None,
    }  # fmt: skip
    rows.put("budget_changes", campaign_id, (*kept, change))


def _change(rows: Transaction, record: ActionRecord, campaign_id: str, before: int | None, after: Money, now: datetime) -> None:
    kept = rows.get("budget_changes", campaign_id) or ()
    if any(x["action_id"] == record.id for x in kept):
        return
    row = {
        "action_id": record.id,
        "from_minor": before,
        "to_minor": after.minor,
        "currency": after.currency,
        "at": now,
        "since": record.decided_at,
    }
    rows.put("budget_changes", campaign_id, (*kept, row))


def _grant(rows: Transaction, record: ActionRecord, action: GrantAutonomy, now: datetime) -> None:
    ticket = rows.get("tickets", record.id)
    if ticket is None or ticket.decided_by is None:
        raise LookupError(f"action {record.id}: nobody approved this grant")
    ident = derived(f"grant:{record.id}")
    if rows.get("grants", ident) is None:
        row = {
            "id": ident, "workspace": action.workspace, "action_kind": action.action_kind, "max_change": action.max_change,
            "max_amount_minor": action.max_amount.minor, "currency": action.max_amount.currency, "max_count": action.max_count,
            "used": 0, "granted_at": now, "expires_at": action.expires_at,
        }  # fmt: skip
        rows.put("grants", ident, row)


async def use_grant(rows: Transaction, record: ActionRecord, now: datetime) -> None:
    """Takes one from the count of the grant the action rests on, once per action. Raises GrantSpent when nothing of it is left."""
    ident = grant_of(record.verdict)
    if ident is None or rows.get("grant_uses", record.id) is not None:
        return
    await rows.lock(("grants", ident))
    grant = rows.get("grants", ident)
    if grant is None or grant["used"] >= grant["max_count"] or grant["expires_at"] <= now:
        raise GrantSpent(f"grant {ident}: nothing of it is left for action {record.id}")
    rows.put("grant_uses", record.id, ident)
    rows.put("grants", ident, grant | {"used": grant["used"] + 1})
