"""Leads and the identities by which channels name them. Many identities, one person."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import RowMapping

from knowledge.domain.lead import Identity, LeadProfile, Qualification
from runtime.db.merge import merge_leads
from runtime.db.repository import DEFAULT_WORKSPACE, Repository, as_json, is_id, new_id

_PROFILE = ("name", "company", "cnpj", "need", "volume", "urgency", "city", "state", "email", "phone")


@dataclass(frozen=True)
class LeadRecord:
    """A lead as stored. `qualification` is None until the lead was qualified; `merged_into` names the surviving lead."""

    id: str
    workspace: str
    profile: LeadProfile
    qualification: Qualification | None
    summary: str | None
    language: str | None
    origin: dict[str, Any]
    oportunidade_pipe_id: str | None
    opted_out_at: datetime | None
    erased_at: datetime | None
    created_at: datetime
    updated_at: datetime


class Leads(Repository):
    """Tables leads and contact_identities."""

    async def resolve(
        self,
        identities: Collection[Identity],
        *,
        at: datetime,
        name: str | None = None,
        origin: dict[str, Any] | None = None,
        workspace: str = DEFAULT_WORKSPACE,
    ) -> LeadRecord:
        """The one lead of these identities: found, or made, or merged when they named several leads so far.

        Safe under concurrency: equal identities queue on a lock in one order, so two deliveries make one lead. `name` and
        `origin` fill a gap and never overwrite. Raises ValueError without any identity.
        """
        wanted = sorted({(identity.kind, identity.value) for identity in identities})
        if not wanted:
            raise ValueError("identities: none given; a lead is known by at least one")
        for kind, value in wanted:
            await self.lock(f"identity:{kind}:{value}")
        found = await self._owners(wanted)
        lead_id = new_id() if not found else found[0]
        if not found:
            phone = next((value for kind, value in wanted if kind == "phone_e164"), None)
            await self.run(
                """insert into leads (id, workspace, name, phone, origin, created_at, updated_at)
                   values (:id, :workspace, :name, :phone, :origin, :at, :at)""",
                id=lead_id, workspace=workspace, name=name, phone=phone, origin=as_json(origin or {}), at=at,
            )  # fmt: skip
        for other in found[1:]:
            await merge_leads(self, keep=lead_id, gone=other, at=at)
        for kind, value in wanted:
            await self.run(
                """insert into contact_identities (kind, value, lead_id, first_seen_at) values (:kind, :value, :lead, :at)
                   on conflict (kind, value) do nothing""",
                kind=kind, value=value, lead=lead_id, at=at,
            )  # fmt: skip
        if found and (name is not None or origin):
            await self.run(
                """update leads set name = coalesce(name, :name), updated_at = :at,
                     origin = case when origin = '{}' then cast(:origin as jsonb) else origin end where id = :id
                     and (name is null or origin = '{}')""",
                id=lead_id, name=name, origin=as_json(origin or {}), at=at,
            )  # fmt: skip
        record = await self.get(lead_id)
        if record is None:
            raise LookupError(f"lead {lead_id}: vanished while it was resolved")
        return record

    async def get(self, lead_id: str) -> LeadRecord | None:
        """The lead, or the one that it was merged into."""
        if not is_id(lead_id):
            return None
        row = await self.one(
            "select * from leads where id = (select coalesce(merged_into, id) from leads where id = :id)", id=lead_id
        )
        return None if row is None else _lead(row)

    async def find(self, identity: Identity) -> LeadRecord | None:
        """The lead of one identity, without making one."""
        row = await self.one(
            "select l.* from contact_identities i join leads l on l.id = i.lead_id where i.kind = :kind and i.value = :value",
            kind=identity.kind, value=identity.value,
        )  # fmt: skip
        return None if row is None else _lead(row)

    async def identities(self, lead_id: str) -> list[Identity]:
        """How channels name the lead, earliest first."""
        rows = await self.all(
            "select kind, value from contact_identities where lead_id = :id order by first_seen_at, kind, value", id=lead_id
        )
        return [Identity(kind=row["kind"], value=row["value"]) for row in rows]

    async def list(self, *, workspace: str = DEFAULT_WORKSPACE, limit: int = 200) -> list[LeadRecord]:
        """Newest first, without the merged ones."""
        rows = await self.all(
            "select * from leads where workspace = :w and merged_into is null order by created_at desc, id limit :limit",
            w=workspace, limit=limit,
        )  # fmt: skip
        return [_lead(row) for row in rows]

    async def save_profile(self, lead_id: str, profile: LeadProfile, *, at: datetime, language: str | None = None) -> bool:
        """Writes every slot as it is in the profile. False when there is no such lead."""
        slots = ", ".join(f"{slot} = :{slot}" for slot in _PROFILE)
        return await self.once(
            f"update leads set {slots}, language = coalesce(:language, language), updated_at = :at where id = :id",
            id=lead_id, at=at, language=language, **{slot: getattr(profile, slot) for slot in _PROFILE},
        )  # fmt: skip

    async def qualify(self, lead_id: str, found: Qualification, *, summary: str | None, at: datetime) -> bool:
        """Writes temperature, score parts and the summary (None keeps the earlier one)."""
        return await self.once(
            """update leads set temperature = :temperature, score_fit = :fit, score_volume = :volume, score_urgency = :urgency,
                 score_intent = :intent, summary = coalesce(:summary, summary), updated_at = :at where id = :id""",
            id=lead_id, temperature=found.temperature, fit=found.fit, volume=found.volume, urgency=found.urgency,
            intent=found.intent, summary=summary, at=at,
        )  # fmt: skip

    async def set_deal(self, lead_id: str, deal_id: str, *, at: datetime) -> bool:
        """Stores the CRM's deal id on the lead (oportunidade_pipe_id)."""
        return await self.once(
            "update leads set oportunidade_pipe_id = :deal, updated_at = :at where id = :id", id=lead_id, deal=deal_id, at=at
        )

    async def opt_out(self, lead_id: str, *, at: datetime) -> bool:
        """Marks the lead as not to be written to; the first moment stays. True only when it was not marked yet."""
        return await self.once(
            "update leads set opted_out_at = :at, updated_at = :at where id = :id and opted_out_at is null", id=lead_id, at=at
        )

    async def _owners(self, wanted: list[tuple[str, str]]) -> list[str]:
        """Leads named by the identities, oldest first, locked. A merge elsewhere may move identities while we wait for
        the row locks, so it looks again until what it locked is what it sees."""
        locked: list[str] = []
        while True:
            rows = await self.all(
                """select distinct l.id, l.created_at
                   from unnest(cast(:kinds as text[]), cast(:values as text[])) as w (kind, value)
                   join contact_identities i on i.kind = w.kind and i.value = w.value
                   join leads l on l.id = i.lead_id order by l.created_at, l.id""",
                kinds=[kind for kind, _ in wanted], values=[value for _, value in wanted],
            )  # fmt: skip
            seen = [str(row["id"]) for row in rows]
            if set(seen) <= set(locked) or not seen:
                return seen
            await self.all("select id from leads where id = any(cast(:ids as uuid[])) order by id for update", ids=seen)
            locked = seen


def _lead(row: RowMapping) -> LeadRecord:
    parts = {part: row[f"score_{part}"] for part in ("fit", "volume", "urgency", "intent")}
    qualified = row["temperature"] is not None and None not in parts.values()
    return LeadRecord(
        id=str(row["id"]), workspace=row["workspace"], profile=LeadProfile(**{slot: row[slot] for slot in _PROFILE}),
        qualification=Qualification(temperature=row["temperature"], **parts) if qualified else None, summary=row["summary"],
        language=row["language"], origin=row["origin"], oportunidade_pipe_id=row["oportunidade_pipe_id"],
        opted_out_at=row["opted_out_at"], erased_at=row["erased_at"], created_at=row["created_at"],
        updated_at=row["updated_at"],
    )  # fmt: skip
