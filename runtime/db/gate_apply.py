"""What an effect did, written into the ledger's own tables, in the transaction that closes the action."""

from __future__ import annotations

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
from knowledge.domain.ids import derived
from knowledge.domain.money import Money
from runtime.db import grants, wire

BUDGETS = ["campaign.set_budget"]
STATES = ["campaign.pause", "campaign.resume"]


async def apply(conn: wire.Errand, record: ActionRecord, result: dict[str, Any], now: datetime, crm_vendor: str) -> None:
    """Dispatches on the action's type. Raises LookupError when the ledger lacks what the action was about."""
    action = record.action
    match action:
        case PublishCampaign():
            await _published(conn, record, action, result, now)
        case SetBudget():
            await _budget(conn, record, action, result, now)
        case PauseCampaign() | ResumeCampaign():
            await _status(conn, record, action, result, now)
        case SendMessage():
            await _sent(conn, record, action, result, now)
        case MirrorToDesk():
            await _desk(conn, action.conversation_id, result)
            await wire.later(
                conn,
                "update messages set desk_message_id = :desk where id = :id",
                {"desk": result["desk_message_id"], "id": action.message_id},
            )
        case PostDeskNote() | SetDeskStatus():
            await _desk(conn, action.conversation_id, result)
        case UpsertCompany() | UpsertPerson() | OpenDeal() | AddDealNote():
            await _crm(conn, action, result, now, crm_vendor)
        case GrantAutonomy():
            await grants.give(conn, record, action, now)
        case MarkRead():
            pass  # nothing of ours changes when ticks turn blue


async def _published(
    conn: wire.Errand, record: ActionRecord, action: PublishCampaign, result: dict[str, Any], now: datetime
) -> None:
    campaign = result["campaign"]
    shown = Money.model_validate(campaign["daily_budget"]) if campaign["daily_budget"] else action.daily_budget
    ordered = action.daily_budget if shown.currency == action.daily_budget.currency else shown
    budget = ordered.model_dump()
    await wire.later(
        conn,
        "insert into campaigns (id, workspace, platform, product_id, name, key, external_id, status, delivery, currency,"
        " daily_budget_minor, launch_budget_minor, created_at, launched_at, last_change_at, synced_at)"
        " values (:id, :workspace, :platform, (select id from products where id = :product_id), :name, :key, :external_id, 'testing', :delivery, :currency, :minor,"
        " :minor, :now, :now, :now, :now)"
        " on conflict (id) do update set external_id = excluded.external_id, status = 'testing', delivery = excluded.delivery,"
        " currency = excluded.currency, daily_budget_minor = excluded.daily_budget_minor, key = excluded.key,"
        " launch_budget_minor = excluded.launch_budget_minor, launched_at = excluded.launched_at, error = null,"
        " last_change_at = excluded.last_change_at, synced_at = excluded.synced_at, name = excluded.name",
        {
            "id": action.campaign_id,
            "workspace": action.workspace,
            "platform": action.platform,
            "product_id": action.product_id,
            "name": action.name,
            "key": record.key,
            "external_id": campaign["external_id"],
            "delivery": campaign["delivery"],
            "currency": budget["currency"],
            "minor": budget["minor"],
            "now": now,
        },
    )
    await _change(conn, record, action.campaign_id, None, budget, now)
    if shown != ordered:
        # Found again after its answer was lost, and changed by somebody meanwhile: it was in force as it was ordered all the same.
        await _seen(conn, record, action.campaign_id, shown, now)
        await wire.later(
            conn,
            "update campaigns set daily_budget_minor = :minor where id = :id",
            {"minor": shown.minor, "id": action.campaign_id},
        )
    sets: dict[str, str] = {}
    for level, table in (("ad_set", "ad_sets"), ("ad", "ads")):
        for item in (o for o in result["objects"] if o["level"] == level):
            own = derived(f"{action.platform}:{level}:{item['external_id']}")
            columns = {
                "id": own,
                "campaign_id": action.campaign_id,
                "platform": action.platform,
                "external_id": item["external_id"],
                "name": item["name"],
                "delivery": item["delivery"],
                "now": now,
            }
            if level == "ad_set":
                sets[item["external_id"]] = own
                extra_names, extra_values = "", ""
            else:
                columns["ad_set_id"] = sets.get(item["parent_external_id"])
                extra_names, extra_values = ", ad_set_id", ", :ad_set_id"
            await wire.later(
                conn,
                f"insert into {table} (id, campaign_id, platform, external_id, name, status, delivery, created_at, synced_at{extra_names})"
                f" values (:id, :campaign_id, :platform, :external_id, :name, 'testing', :delivery, :now, :now{extra_values})"
                " on conflict (platform, external_id) do update set delivery = excluded.delivery, synced_at = excluded.synced_at",
                columns,
            )


async def _change(
    conn: wire.Errand, record: ActionRecord, campaign_id: str, before: int | None, after: dict[str, Any], now: datetime
) -> None:
    await wire.later(
        conn,
        "insert into budget_changes (id, campaign_id, action_id, from_minor, to_minor, currency, at, reason)"
        " values (:id, :campaign_id, :action_id, :before, :after, :currency, :now, :reason) on conflict (id) do nothing",
        {
            "id": record.id,
            "campaign_id": campaign_id,
            "action_id": record.id,
            "before": before,
            "after": after["minor"],
            "currency": after["currency"],
            "now": now,
            "reason": record.why.id,
        },
    )


async def _seen(conn: wire.Errand, record: ActionRecord, campaign_id: str, seen: Money | None, now: datetime) -> None:
    """A budget that the platform showed and our ledger did not know: somebody set it by hand. It counts among the day's budgets."""
    if seen is not None:
        mark = derived(f"budget-seen:{record.id}")
        await wire.later(conn, SEEN, {"mark": mark, "id": campaign_id, "minor": seen.minor, "currency": seen.currency, "now": now})


SEEN = (
    "insert into budget_changes (id, campaign_id, from_minor, to_minor, currency, at, reason)"
    " select cast(:mark as uuid), id, daily_budget_minor, cast(:minor as bigint), currency, cast(:now as timestamptz), 'budget.seen'"
    " from campaigns where id = :id and currency = :currency and daily_budget_minor <> cast(:minor as bigint)"
    " on conflict (id) do nothing"
)


async def _overtaken(conn: wire.Errand, record: ActionRecord, campaign_id: str, kinds: list[str]) -> bool:
    """Whether an action of such a kind is, or was since this attempt began, at work on the campaign: then what was read back beside
    our own change may be from before it, and is not taken for the world's."""
    found = await wire.one(conn, f"select {_OVERTAKEN} as so", _beside(record, campaign_id, kinds))
    return found is not None and found["so"]


_OVERTAKEN = (
    "exists (select 1 from actions x where x.campaign_id = :campaign and x.kind = any(:kinds) and x.id <> :own"
    " and (x.status = 'executing' or x.closed_at >= :began))"
)


def _beside(record: ActionRecord, campaign_id: str, kinds: list[str]) -> dict[str, Any]:
    """What `_OVERTAKEN` asks by."""
    return {"campaign": campaign_id, "kinds": kinds, "own": record.id, "began": record.execution_started_at or record.decided_at}


async def _budget(conn: wire.Errand, record: ActionRecord, action: SetBudget, result: dict[str, Any], now: datetime) -> None:
    after = result["campaign"]["daily_budget"]
    if after is None:
        raise LookupError(f"the platform names no daily budget for {action.campaign_id} after the change")
    # From what the platform had just before, which may differ from our ledger when somebody changed it by hand.
    found = record.facts.campaign.budget_at_platform if record.facts.campaign else None
    before = found.minor if found else None
    await _seen(conn, record, action.campaign_id, found, now)
    await wire.later(
        conn,
        "update campaigns set daily_budget_minor = :minor, currency = :currency, last_change_at = :now,"
        f" delivery = case when {_OVERTAKEN} then delivery else :delivery end,"
        " synced_at = :now, status = case when status = 'testing' and :raised then 'scaling' else status end where id = :id",
        {
            "id": action.campaign_id,
            "minor": after["minor"],
            "currency": after["currency"],
            "delivery": result["campaign"]["delivery"],
            **_beside(record, action.campaign_id, STATES),
            "raised": before is not None and after["minor"] > before,
            "now": now,
        },
    )
    await _change(conn, record, action.campaign_id, before, after, now)


async def _status(
    conn: wire.Errand, record: ActionRecord, action: PauseCampaign | ResumeCampaign, result: dict[str, Any], now: datetime
) -> None:
    paused = isinstance(action, PauseCampaign)
    budget = result["campaign"].get("daily_budget")
    seen = Money.model_validate(budget) if budget else None
    if await _overtaken(conn, record, action.campaign_id, BUDGETS):
        seen = None
    await _seen(conn, record, action.campaign_id, seen, now)
    await wire.later(
        conn,
        "update campaigns set status = :status, delivery = :delivery, last_change_at = :now, synced_at = :now,"
        " paused_at = case when :paused then cast(:now as timestamptz) else null end, emergency_stop = :emergency,"
        " daily_budget_minor = case when currency = :currency then cast(:minor as bigint) else daily_budget_minor end where id = :id",
        {
            "currency": seen.currency if seen else None,
            "minor": seen.minor if seen else None,
            "id": action.campaign_id,
            "status": "paused" if paused else "active",
            "delivery": result["campaign"]["delivery"],
            "paused": paused,
            "emergency": isinstance(action, PauseCampaign) and action.emergency,
            "now": now,
        },
    )


async def _sent(conn: wire.Errand, record: ActionRecord, action: SendMessage, result: dict[str, Any], now: datetime) -> None:
    if action.author == "human":  # the desk told us of this message, so its row is there already
        await wire.later(
            conn,
            "update messages set external_id = :external_id, status = 'sent', sent_at = :now, action_id = :action_id"
            " where conversation_id = :conversation_id and desk_message_id = :desk",
            {
                "external_id": result["external_id"],
                "now": now,
                "action_id": record.id,
                "conversation_id": action.conversation_id,
                "desk": action.desk_message_id,
            },
        )
    else:
        taken = await wire.one(
            conn,
            "update conversations set next_seq = next_seq + 1, last_outbound_at = :now where id = :id returning next_seq - 1 as seq",
            {"id": action.conversation_id, "now": now},
        )
        if taken is None:
            raise LookupError(f"conversation {action.conversation_id} is not in the ledger")
        await wire.later(
            conn,
            "insert into messages (id, conversation_id, seq, direction, author, body, external_id, status, sent_at, created_at,"
            " action_id) values (:id, :conversation_id, :seq, 'out', 'bot', :body, :external_id, 'sent', :now, :now, :action_id)",
            {
                "id": derived(f"message:{record.id}"),
                "conversation_id": action.conversation_id,
                "seq": taken["seq"],
                "body": action.text,
                "external_id": result["external_id"],
                "now": now,
                "action_id": record.id,
            },
        )


async def _desk(conn: wire.Errand, conversation_id: str, result: dict[str, Any]) -> None:
    if "desk_conversation_id" in result:
        await wire.later(
            conn,
            "update conversations set desk_contact_id = :contact, desk_conversation_id = :conversation where id = :id",
            {"id": conversation_id, "contact": result["desk_contact_id"], "conversation": result["desk_conversation_id"]},
        )


async def _crm(
    conn: wire.Errand,
    action: UpsertCompany | UpsertPerson | OpenDeal | AddDealNote,
    result: dict[str, Any],
    now: datetime,
    vendor: str,
) -> None:
    entity = action.kind.partition(".")[2]
    await wire.later(
        conn,
        "insert into crm_links (vendor, entity, lead_id, key, external_id, created_at)"
        " values (:vendor, :entity, :lead_id, :key, :external_id, :now)"
        " on conflict (vendor, entity, lead_id, key) do update set external_id = excluded.external_id",
        {
            "vendor": vendor,
            "entity": entity,
            "lead_id": action.lead_id,
            "key": action.ref if isinstance(action, AddDealNote) else "",
            "external_id": result["external_id"],
            "now": now,
        },
    )
    if isinstance(action, OpenDeal):
        await wire.later(
            conn,
            "update leads set oportunidade_pipe_id = :deal where id = :id",
            {"deal": result["external_id"], "id": action.lead_id},
        )
    if isinstance(action, UpsertCompany):
        await wire.later(
            conn,
            "insert into empresa (id, lead_id, name, cnpj, city, state, created_at, updated_at)"
            " values (:id, :lead_id, :name, :cnpj, :city, :state, :now, :now)"
            " on conflict (cnpj) do update set name = excluded.name, city = coalesce(excluded.city, empresa.city),"
            " state = coalesce(excluded.state, empresa.state), updated_at = excluded.updated_at",
            {
                "id": derived(f"empresa:{action.cnpj or action.lead_id}"),
                "lead_id": action.lead_id,
                "name": action.name,
                "cnpj": action.cnpj,
                "city": action.city,
                "state": action.state,
                "now": now,
            },
        )
