"""Quote requests, companies, and the ids that the CRM gave to ours."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from sqlalchemy import RowMapping

from runtime.db.repository import Repository, as_json, new_id

Entity = Literal["company", "person", "deal", "note"]


@dataclass(frozen=True)
class Company:
    """Table empresa: a company, once per CNPJ (14 characters, letters possible)."""

    id: str
    lead_id: str | None
    name: str
    cnpj: str | None
    city: str | None
    state: str | None


@dataclass(frozen=True)
class QuoteRequest:
    """Table orcamentos: what a lead wants quoted."""

    id: str
    lead_id: str
    empresa_id: str | None
    conversation_id: str | None
    need: str
    volume: str | None
    urgency: str | None
    details: dict[str, Any]
    status: str
    created_at: datetime


class Companies(Repository):
    """Table empresa."""

    async def ensure(
        self,
        name: str,
        *,
        at: datetime,
        cnpj: str | None = None,
        lead_id: str | None = None,
        city: str | None = None,
        state: str | None = None,
    ) -> Company:
        """The company of this CNPJ, or of this lead when no CNPJ is known; made if there is none, gaps filled if there is."""
        await self.lock(f"empresa:{cnpj or lead_id}")
        row = await self.one(
            """select id from empresa where (cast(:cnpj as text) is not null and cnpj = :cnpj)
                 or (lead_id = cast(:lead as uuid) and (cnpj is null or cast(:cnpj as text) is null))
               order by cnpj is null, created_at limit 1 for update""",
            cnpj=cnpj, lead=lead_id,
        )  # fmt: skip
        values = {"name": name, "cnpj": cnpj, "lead": lead_id, "city": city, "state": state, "at": at}
        if row is None:
            made = await self.one(
                """insert into empresa (id, lead_id, name, cnpj, city, state, created_at, updated_at)
                   values (:id, :lead, :name, :cnpj, :city, :state, :at, :at) returning *""",
                id=new_id(), **values,
            )  # fmt: skip
        else:
            made = await self.one(
                """update empresa set name = :name, cnpj = coalesce(cnpj, :cnpj), lead_id = coalesce(lead_id, :lead),
                     city = coalesce(:city, city), state = coalesce(:state, state), updated_at = :at where id = :id returning *""",
                id=str(row["id"]), **values,
            )  # fmt: skip
        if made is None:
            raise LookupError(f"company {name}: not stored")
        return Company(
            str(made["id"]), None if made["lead_id"] is None else str(made["lead_id"]), made["name"], made["cnpj"], made["city"],
            made["state"],
        )  # fmt: skip


class QuoteRequests(Repository):
    """Table orcamentos."""

    async def request(
        self,
        lead_id: str,
        need: str,
        *,
        at: datetime,
        volume: str | None = None,
        urgency: str | None = None,
        details: dict[str, Any] | None = None,
        conversation_id: str | None = None,
        empresa_id: str | None = None,
        key: str | None = None,
    ) -> QuoteRequest:
        """The lead's open request, made once; asking again while it is open brings it up to date.

        `key` names the turn or click that asks: under a key that was heard before nothing changes, even when the request has
        been quoted since.
        """
        await self.lock(f"orcamento:{lead_id}")
        heard = None if key is None else await self.one("select * from orcamentos where key = :key", key=key)
        if heard is not None:
            return _quote(heard)
        values = {"need": need, "volume": volume, "urgency": urgency, "details": as_json(details or {}), "at": at,
                  "conversation": conversation_id, "empresa": empresa_id, "key": key}  # fmt: skip
        row = await self.one(
            """update orcamentos set need = :need, volume = coalesce(:volume, volume), urgency = coalesce(:urgency, urgency),
                 details = details || cast(:details as jsonb), conversation_id = coalesce(:conversation, conversation_id),
                 empresa_id = coalesce(:empresa, empresa_id), key = coalesce(:key, key), updated_at = :at
               where lead_id = :lead and status = 'requested' returning *""",
            lead=lead_id, **values,
        )  # fmt: skip
        row = row or await self.one(
            """insert into orcamentos (id, lead_id, empresa_id, conversation_id, need, volume, urgency, details, key, status,
                 created_at, updated_at)
               values (:id, :lead, :empresa, :conversation, :need, :volume, :urgency, :details, :key, 'requested', :at, :at)
               returning *""",
            id=new_id(), lead=lead_id, **values,
        )  # fmt: skip
        if row is None:
            raise LookupError(f"quote request of lead {lead_id}: not stored")
        return _quote(row)

    async def of_lead(self, lead_id: str) -> list[QuoteRequest]:
        """Newest first."""
        rows = await self.all("select * from orcamentos where lead_id = :lead order by created_at desc, id", lead=lead_id)
        return [_quote(row) for row in rows]


class CrmLinks(Repository):
    """Table crm_links: which of the CRM's objects are this lead's."""

    async def get(self, vendor: str, entity: Entity, lead_id: str, key: str = "") -> str | None:
        """The vendor's id, or None."""
        row = await self.one(
            "select external_id from crm_links where vendor = :vendor and entity = :entity and lead_id = :lead and key = :key",
            vendor=vendor, entity=entity, lead=lead_id, key=key,
        )  # fmt: skip
        return None if row is None else row["external_id"]

    async def put(self, vendor: str, entity: Entity, lead_id: str, external_id: str, *, at: datetime, key: str = "") -> bool:
        """Stores or corrects a link; True when it is new or changed."""
        return await self.once(
            """insert into crm_links (vendor, entity, lead_id, key, external_id, created_at)
               values (:vendor, :entity, :lead, :key, :external, :at)
               on conflict (vendor, entity, lead_id, key) do update set external_id = excluded.external_id
                 where crm_links.external_id <> excluded.external_id""",
            vendor=vendor, entity=entity, lead=lead_id, key=key, external=external_id, at=at,
        )  # fmt: skip

    async def lead_of(self, vendor: str, entity: Entity, external_id: str) -> str | None:
        """Whose object it is (a deal won in the CRM → the lead)."""
        row = await self.one(
            """select lead_id from crm_links where vendor = :vendor and entity = :entity and external_id = :external
               order by created_at limit 1""",
            vendor=vendor, entity=entity, external=external_id,
        )  # fmt: skip
        return None if row is None else str(row["lead_id"])


def _quote(row: RowMapping) -> QuoteRequest:
    return QuoteRequest(
        str(row["id"]), str(row["lead_id"]), None if row["empresa_id"] is None else str(row["empresa_id"]),
        None if row["conversation_id"] is None else str(row["conversation_id"]), row["need"], row["volume"], row["urgency"],
        row["details"], row["status"], row["created_at"],
    )  # fmt: skip
