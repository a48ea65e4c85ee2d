"""What the law says about writing to a person (LGPD): consents, and who must not be written to."""

from __future__ import annotations

import hashlib
from collections.abc import Collection
from datetime import datetime
from typing import Any

from knowledge.domain.lead import Identity
from runtime.db.repository import Repository, as_json, new_id


class Consents(Repository):
    """Table consents: every word given or taken back, none overwritten."""

    async def give(
        self,
        lead_id: str,
        *,
        purpose: str,
        basis: str,
        at: datetime,
        notice_version: str | None = None,
        evidence: dict[str, Any] | None = None,
    ) -> None:
        """The lead agreed to a purpose, on a legal basis, after a version of the notice."""
        await self._record(lead_id, purpose, True, basis, at, notice_version, evidence)

    async def withdraw(self, lead_id: str, *, purpose: str, at: datetime, evidence: dict[str, Any] | None = None) -> None:
        """The lead took consent to a purpose back."""
        await self._record(lead_id, purpose, False, "opt_out", at, None, evidence)

    async def given(self, lead_id: str, purpose: str) -> bool | None:
        """The latest word on a purpose; None when the lead was never asked."""
        row = await self.one(
            "select granted from consents where lead_id = :lead and purpose = :purpose order by at desc limit 1",
            lead=lead_id, purpose=purpose,
        )  # fmt: skip
        return None if row is None else row["granted"]

    async def _record(
        self,
        lead_id: str,
        purpose: str,
        granted: bool,
        basis: str,
        at: datetime,
        notice_version: str | None,
        evidence: dict[str, Any] | None,
    ) -> None:
        await self.run(
            """insert into consents (id, lead_id, purpose, granted, basis, notice_version, evidence, at)
               values (:id, :lead, :purpose, :granted, :basis, :notice, :evidence, :at)""",
            id=new_id(), lead=lead_id, purpose=purpose, granted=granted, basis=basis, notice=notice_version,
            evidence=as_json(evidence or {}), at=at,
        )  # fmt: skip


class Suppressions(Repository):
    """Table suppressions: by hash, so that an opt-out outlives the erasure of the lead without keeping the person."""

    async def add(self, identities: Collection[Identity], *, scope: str, reason: str, at: datetime) -> int:
        """Nobody writes to these identities in this scope ("all" for every one) any more; how many were new."""
        added = 0
        for identity in identities:
            added += await self.run(
                """insert into suppressions (identity_hash, scope, reason, at) values (:hash, :scope, :reason, :at)
                   on conflict do nothing""",
                hash=identity_hash(identity), scope=scope, reason=reason, at=at,
            )  # fmt: skip
        return added

    async def holds(self, identities: Collection[Identity], *, scope: str) -> bool:
        """Whether any of the identities is suppressed in this scope, or in all."""
        row = await self.one(
            "select 1 as found from suppressions where identity_hash = any(:hashes) and scope in (:scope, 'all') limit 1",
            hashes=[identity_hash(identity) for identity in identities], scope=scope,
        )  # fmt: skip
        return row is not None

    async def lift(self, identities: Collection[Identity], *, scope: str) -> int:
        """The person asked to be written to again; how many entries went."""
        return await self.run(
            "delete from suppressions where identity_hash = any(:hashes) and scope = :scope",
            hashes=[identity_hash(identity) for identity in identities], scope=scope,
        )  # fmt: skip


def identity_hash(identity: Identity) -> str:
    """sha256 of kind and value: recognises a person who comes back. A phone number can be found by trying all of them, so
    the hash hides it from a glance, not from an attacker who has the table."""
    return hashlib.sha256(f"{identity.kind}:{identity.value}".encode()).hexdigest()
