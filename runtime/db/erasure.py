"""The person's rights (LGPD art. 18): everything about one lead as data, and its removal with a receipt.

Removed here is what our own database holds. The CRM, the desk and the channel are asked by the saga around this, which adds
its answers to the receipt. Kept: orders and quote requests as numbers (accounting duties) without the person, actions
without their words, and the append-only audit log, which for that reason must be given no person's data.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from runtime.db.repository import Repository, as_json, is_id, new_id

_OF_LEAD = ("contact_identities", "conversations", "orcamentos", "empresa", "consents", "crm_links", "orders")
_PROFILE = (
    "name", "company", "cnpj", "need", "volume", "urgency", "city", "state", "email", "phone", "temperature", "score_fit",
    "score_volume", "score_urgency", "score_intent", "summary", "language", "oportunidade_pipe_id",
)  # fmt: skip
_WORDS = ("text", "name", "title")  # required by the typed actions, which must stay readable
_DETAILS = ("phone", "email", "cnpj", "city", "state")


class OpenActions(RuntimeError):
    """The lead has actions that may still be carried out; their words cannot be removed under them."""


@dataclass(frozen=True)
class Erasure:
    """A receipt: rows touched per table, and what others answered. Holds no person's data."""

    id: str
    lead_id: str
    requested_by: str
    requested_at: datetime
    finished_at: datetime | None
    receipt: dict[str, Any]


class Erasures(Repository):
    """Table erasures, and the lead's rows everywhere else."""

    async def export(self, lead_id: str) -> dict[str, list[dict[str, Any]]]:
        """Every row about the lead by table, for the person to read. Raises LookupError when there is no such lead."""
        found = {"leads": await self._rows("select * from leads where id = :id or merged_into = :id", lead_id)}
        if not found["leads"]:
            raise LookupError(f"lead {lead_id}: no such row")
        for table in _OF_LEAD:
            found[table] = await self._rows(f"select * from {table} where lead_id = :id", lead_id)
        found["messages"] = await self._rows(
            """select m.* from messages m join conversations c on c.id = m.conversation_id where c.lead_id = :id
               order by m.conversation_id, m.seq""",
            lead_id,
        )
        return found

    async def erase(self, lead_id: str, *, requested_by: str, at: datetime) -> Erasure:
        """Removes the person in one transaction and returns the receipt; asked again, it finds nothing more to remove.

        The lead's row stays, empty and marked, so that records which name it still point somewhere. Raises LookupError when
        there is no such lead, OpenActions while something is still to be sent to it.
        """
        held = (
            await self.one("select coalesce(merged_into, id) as id from leads where id = :id", id=lead_id)
            if is_id(lead_id)
            else None
        )
        if held is None:
            raise LookupError(f"lead {lead_id}: no such row")
        lead = str(held["id"])
        await self.all("select id from leads where id = :id for update", id=lead)
        waiting = await self.one(
            """select count(*) as n from actions where status in ('waiting', 'authorised', 'scheduled', 'executing', 'unknown')
                 and (lead_id = :ref or conversation_id in (select id::text from conversations where lead_id = :id))""",
            id=lead,
            ref=lead,
        )
        if waiting is not None and waiting["n"]:
            raise OpenActions(f"lead {lead}: {waiting['n']} actions are still open; cancel or finish them, then erase")
        empty = ", ".join(f"{slot} = null" for slot in _PROFILE)
        count: dict[str, int] = {}
        # What the webhooks said first: only the conversations know whose events they were.
        count["webhook_events"] = await self._on(
            """delete from webhook_events where id in (
                 select m.webhook_event_id from messages m join conversations c on c.id = m.conversation_id where c.lead_id = :id
                 union select i.webhook_event_id from inbound_events i join conversations c on c.id = i.conversation_id
                   where c.lead_id = :id)""",
            lead,
        )
        count["inbound_events"] = await self._on(
            """update inbound_events set payload = '{}' where payload <> '{}' and (
                 conversation_id in (select id from conversations where lead_id = :id)
                 or exists (select from contact_identities k, jsonb_array_elements(payload -> 'identities') e
                   where k.lead_id = :id and e ->> 'kind' = k.kind and e ->> 'value' = k.value))""",
            lead,
        )
        count["actions"] = await self.run(
            """update actions a set result = null, evidence = null, args = a.args || (
                 select jsonb_object_agg(k, case when k = any(cast(:words as text[])) then '"[erased]"'::jsonb else 'null' end)
                 from jsonb_object_keys(a.args) k where k = any(cast(:words as text[]) || cast(:details as text[])))
               where (a.kind like 'message.%' or a.kind like 'desk.%' or a.kind like 'crm.%')
                 and a.args ?| cast(:words as text[]) and not '[erased]' in (
                   coalesce(a.args ->> 'text', ''), coalesce(a.args ->> 'name', ''), coalesce(a.args ->> 'title', ''))
                 and (a.lead_id = :ref or a.conversation_id in (select id::text from conversations where lead_id = :id))""",
            id=lead, ref=lead, words=list(_WORDS), details=list(_DETAILS),
        )  # fmt: skip
        count["messages"] = await self._on(
            "delete from messages where conversation_id in (select id from conversations where lead_id = :id)", lead
        )
        count["orcamentos"] = await self._on(
            """update orcamentos set need = '', volume = null, urgency = null, details = '{}' where lead_id = :id
                 and (need, details) is distinct from ('', '{}'::jsonb)""",
            lead,
        )
        count["orders"] = await self._on("update orders set lead_id = null, raw = '{}' where lead_id = :id", lead)
        for table in ("contact_identities", "conversations", "crm_links", "consents", "empresa"):
            count[table] = await self._on(f"delete from {table} where lead_id = :id", lead)
        count["leads"] = await self.run(
            f"""update leads set {empty}, origin = '{{}}', erased_at = :at, updated_at = :at
                where (id = :id or merged_into = :id) and erased_at is null""",
            id=lead, at=at,
        )  # fmt: skip
        return await self._file(lead, requested_by, at, {"ours": count})

    async def finish(self, erasure_id: str, answers: dict[str, Any], *, at: datetime) -> bool:
        """Adds what the other systems answered and closes the receipt."""
        return await self.once(
            "update erasures set receipt = receipt || cast(:answers as jsonb), finished_at = :at where id = :id",
            id=erasure_id, answers=as_json(answers), at=at,
        )  # fmt: skip

    async def get(self, erasure_id: str) -> Erasure | None:
        if not is_id(erasure_id):
            return None
        row = await self.one("select * from erasures where id = :id", id=erasure_id)
        if row is None:
            return None
        return Erasure(
            str(row["id"]), row["lead_ref"], row["requested_by"], row["requested_at"], row["finished_at"], row["receipt"]
        )

    async def _file(self, lead: str, by: str, at: datetime, receipt: dict[str, Any]) -> Erasure:
        filed = Erasure(new_id(), lead, by, at, None, receipt)
        await self.run(
            "insert into erasures (id, lead_ref, requested_by, requested_at, receipt) values (:id, :lead, :by, :at, :receipt)",
            id=filed.id, lead=lead, by=by, at=at, receipt=as_json(receipt),
        )  # fmt: skip
        return filed

    async def _on(self, sql: str, lead: str) -> int:
        return await self.run(sql, id=lead)

    async def _rows(self, sql: str, lead: str) -> list[dict[str, Any]]:
        return [dict(row) for row in await self.all(sql, id=lead)] if is_id(lead) else []
