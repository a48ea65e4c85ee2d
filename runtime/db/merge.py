"""Two leads turn out to be one person: everything moves to the elder one, and the younger stays as a signpost.

What was recorded about the younger lead (actions, the audit log) still names it, so the row is kept with `merged_into`,
emptied of the person's data.
"""

from __future__ import annotations

from datetime import datetime

from runtime.db.repository import Repository

_SLOTS = ("name", "company", "cnpj", "need", "volume", "urgency", "city", "state", "email", "phone", "summary", "language")
_ALL = (*_SLOTS, "temperature", "score_fit", "score_volume", "score_urgency", "score_intent", "oportunidade_pipe_id")


async def merge_leads(repository: Repository, *, keep: str, gone: str, at: datetime) -> None:
    """Moves everything of lead `gone` to lead `keep`. Both rows must be locked by the caller's transaction.

    Gaps of the kept profile are filled, nothing is overwritten; an opt-out of either counts. Where both talk on one channel
    the messages move into the kept conversation, a human owner of either stays owner, and the epoch rises, so that a reply
    written before the merge is refused at the gate.
    """
    filled = ", ".join(f"{slot} = coalesce(k.{slot}, g.{slot})" for slot in _ALL)
    await repository.run(
        f"""update leads k set {filled}, opted_out_at = least(k.opted_out_at, g.opted_out_at),
              origin = g.origin || k.origin, updated_at = :at
            from leads g where k.id = :keep and g.id = :gone""",
        keep=keep, gone=gone, at=at,
    )  # fmt: skip
    pairs = await repository.all(
        """select k.id as keep, g.id as gone from conversations g join conversations k on k.channel = g.channel
           where g.lead_id = :gone and k.lead_id = :keep order by k.id""",
        keep=keep, gone=gone,
    )  # fmt: skip
    for pair in pairs:
        await _merge_conversations(repository, keep=str(pair["keep"]), gone=str(pair["gone"]), at=at)
    await repository.run(
        "update conversations set lead_id = :keep where lead_id = :gone and merged_into is null", keep=keep, gone=gone
    )
    for table in ("contact_identities", "orders", "orcamentos", "empresa", "consents"):
        await repository.run(f"update {table} set lead_id = :keep where lead_id = :gone", keep=keep, gone=gone)
    # One company, person and deal per lead: where both have one, the kept lead's stays the lead's.
    await repository.run(
        """update crm_links g set lead_id = :keep where g.lead_id = :gone and not exists (
             select from crm_links k where k.vendor = g.vendor and k.entity = g.entity and k.key = g.key and k.lead_id = :keep)""",
        keep=keep, gone=gone,
    )  # fmt: skip
    emptied = ", ".join(f"{slot} = null" for slot in _ALL)
    await repository.run("update leads set merged_into = :keep where merged_into = :gone", keep=keep, gone=gone)
    await repository.run(
        f"update leads set {emptied}, origin = '{{}}', merged_into = :keep, updated_at = :at where id = :gone",
        keep=keep, gone=gone, at=at,
    )  # fmt: skip


async def _merge_conversations(repository: Repository, *, keep: str, gone: str, at: datetime) -> None:
    await repository.all("select id from conversations where id in (:keep, :gone) order by id for update", keep=keep, gone=gone)
    moved = await repository.run(
        """with ordered as (
             select m.id, row_number() over (order by m.seq) - 1 as place from messages m
             where m.conversation_id = :gone and not exists (
               select from messages k where k.conversation_id = :keep and k.external_id = m.external_id))
           update messages m set conversation_id = :keep,
             seq = (select next_seq from conversations where id = :keep) + ordered.place
           from ordered where ordered.id = m.id""",
        keep=keep, gone=gone,
    )  # fmt: skip
    await repository.run(
        """update conversations k set next_seq = k.next_seq + :moved, epoch = greatest(k.epoch, g.epoch) + 1,
             owner = case when 'human' in (k.owner, g.owner) then 'human'
                          when 'bot' in (k.owner, g.owner) then 'bot' else 'closed' end,
             owner_changed_at = :at, owner_reason = 'merged', wake_at = least(k.wake_at, g.wake_at), wake_seq = k.wake_seq + 1,
             desk_contact_id = case when k.desk_conversation_id is null then g.desk_contact_id else k.desk_contact_id end,
             desk_last_message_id =
               case when k.desk_conversation_id is null then g.desk_last_message_id else k.desk_last_message_id end,
             desk_conversation_id = coalesce(k.desk_conversation_id, g.desk_conversation_id),
             line = coalesce(k.line, g.line), last_inbound_at = greatest(k.last_inbound_at, g.last_inbound_at),
             last_outbound_at = greatest(k.last_outbound_at, g.last_outbound_at),
             handed_off_at = coalesce(k.handed_off_at, g.handed_off_at), state = g.state || k.state
           from conversations g where k.id = :keep and g.id = :gone""",
        keep=keep, gone=gone, moved=moved, at=at,
    )  # fmt: skip
    await repository.run("update inbound_events set conversation_id = :keep where conversation_id = :gone", keep=keep, gone=gone)
    await repository.run("update orcamentos set conversation_id = :keep where conversation_id = :gone", keep=keep, gone=gone)
    await repository.run(
        """update conversations set owner = 'closed', epoch = epoch + 1, owner_changed_at = :at, owner_reason = 'merged',
             wake_at = null, merged_into = :keep where id = :gone""",
        keep=keep, gone=gone, at=at,
    )  # fmt: skip
