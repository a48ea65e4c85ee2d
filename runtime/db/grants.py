"""Grants of autonomy: given by an approved action, used up in the gate's own transaction, revoked by people or by regression."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from sqlalchemy import RowMapping

from knowledge.domain.action import GrantAutonomy
from knowledge.domain.books import ActionRecord
from knowledge.domain.grant import GrantSpent, grant_of
from knowledge.domain.ids import derived
from knowledge.domain.message import Message
from knowledge.domain.money import Money
from runtime.db import wire
from runtime.db.repository import DEFAULT_WORKSPACE, Repository, as_json, is_id
from tools.autonomy_record import Case

LIVING = """
(select coalesce(jsonb_agg(jsonb_build_object('id', g.id, 'action_kind', g.action_kind, 'max_amount_minor', g.max_amount_minor,
    'currency', g.currency, 'max_change', g.max_change::text, 'expires_at', g.expires_at,
    'left', g.max_count - g.used + (select count(*) from grant_uses u where u.grant_id = g.id and u.action_id::text = :own),
    'undone', (select count(*) from grant_uses u join actions z on z.undo_of = u.action_id and z.status = 'done'
      where u.grant_id = g.id),
    'rejections_in_row', (select count(*) from agreements x where x.kind = g.action_kind and not x.agreed and x.at > g.granted_at
      and x.at > coalesce((select max(y.at) from agreements y where y.kind = g.action_kind and y.agreed), '-infinity')))
    order by g.expires_at, g.id), '[]')
  from grants g where g.workspace = :workspace and g.action_kind = :kind and g.revoked_at is null and g.expires_at > :now) as grants
"""
"""Living grants of a kind as one column of the gate's own query. `:own` is the judged action: what it used already is still its."""


def living_rows(found: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The column's rows with their moments parsed."""
    return [row | {"expires_at": datetime.fromisoformat(row["expires_at"]).astimezone(UTC)} for row in found]


async def use(conn: wire.Errand, record: ActionRecord, now: datetime) -> None:
    """Takes one from the count of the grant that an authorised action rests on; once per action, whatever is repeated.

    Raises GrantSpent, and the whole transaction with it, when the grant was used up, revoked or ended in between.
    """
    grant = grant_of(record.verdict)
    if grant is None:
        return
    fresh = await wire.do(
        conn,
        "insert into grant_uses (action_id, grant_id, at) values (:action, :grant, :now) on conflict (action_id) do nothing",
        {"action": record.id, "grant": grant, "now": now},
    )
    if fresh != 1:
        return
    taken = await wire.do(
        conn,
        "update grants set used = used + 1 where id = :grant and used < max_count and revoked_at is null and expires_at > :now",
        {"grant": grant, "now": now},
    )
    if taken != 1:
        raise GrantSpent(f"grant {grant}: nothing of it is left for action {record.id}")


async def give(conn: wire.Errand, record: ActionRecord, action: GrantAutonomy, now: datetime) -> None:
    """The grant that a manager approved; its id is the action's own, so that giving it twice is giving it once."""
    approval = await wire.one(conn, "select decided_by from approvals where action_id = :id", {"id": record.id})
    if approval is None or approval["decided_by"] is None:
        raise LookupError(f"action {record.id}: nobody approved this grant")
    await wire.do(
        conn,
        "insert into grants (id, workspace, action_kind, level, max_amount_minor, currency, max_change, max_count, action_id,"
        " proposed_by, granted_by, granted_at, expires_at) values (:id, :workspace, :kind, :level, :minor, :currency, :change,"
        " :count, :action, :proposed, :granted, :now, :expires) on conflict (action_id) do nothing",
        {
            "id": derived(f"grant:{record.id}"),
            "workspace": action.workspace,
            "kind": action.action_kind,
            "level": action.level,
            "minor": action.max_amount.minor,
            "currency": action.max_amount.currency,
            "change": action.max_change,
            "count": action.max_count,
            "action": record.id,
            "proposed": str(record.proposer),
            "granted": approval["decided_by"],
            "now": now,
            "expires": action.expires_at,
        },
    )


@dataclass(frozen=True)
class Grant:
    """A grant as people see it. `state`: living, used_up, ended or revoked."""

    id: str
    workspace: str
    action_kind: str
    max_amount: Money
    max_change: Decimal | None
    max_count: int
    used: int
    proposed_by: str
    granted_by: str
    granted_at: datetime
    expires_at: datetime
    revoked_at: datetime | None
    revoked_by: str | None
    revoke_reason: Message | None

    def state(self, now: datetime) -> str:
        if self.revoked_at is not None:
            return "revoked"
        if now >= self.expires_at:
            return "ended"
        return "used_up" if self.used >= self.max_count else "living"


class Grants(Repository):
    """Tables grants and grant_uses, and the record from which autonomy is earned."""

    async def list(self, *, workspace: str = DEFAULT_WORKSPACE, limit: int = 200) -> list[Grant]:
        """Newest first."""
        rows = await self.all(
            "select * from grants where workspace = :workspace order by granted_at desc, id limit :limit",
            workspace=workspace, limit=limit,
        )  # fmt: skip
        return [_grant(row) for row in rows]

    async def get(self, grant_id: str) -> Grant | None:
        if not is_id(grant_id):
            return None
        row = await self.one("select * from grants where id = :id", id=grant_id)
        return None if row is None else _grant(row)

    async def revoke(self, grant_id: str, by: str, reason: Message, *, at: datetime) -> bool:
        """False when it is not there or was revoked before. Call under the workspace's budget lock."""
        if not is_id(grant_id):
            return False
        return await self.once(
            "update grants set revoked_at = :at, revoked_by = :by, revoke_reason = :reason where id = :id and revoked_at is null",
            id=grant_id, at=at, by=by, reason=as_json(reason),
        )  # fmt: skip

    async def cases(self, kind: str, *, since: datetime | None = None, workspace: str = DEFAULT_WORKSPACE) -> list[Case]:
        """What managers decided on machines' requests of a kind, newest first, with the amounts that were at stake."""
        rows = await self.all(
            """select g.agreed, g.decided, g.at, a.args #>> '{daily_budget,minor}' as wanted, a.args #>> '{daily_budget,currency}' as c1,
                 a.facts #>> '{campaign,daily_budget,minor}' as current, a.facts #>> '{campaign,daily_budget,currency}' as c2
               from agreements g join actions a on a.id = g.action_id
               where a.workspace = :workspace and g.kind = :kind and (cast(:since as timestamptz) is null or g.at > :since)
               order by g.at desc, g.action_id limit 1000""",
            workspace=workspace, kind=kind, since=since,
        )  # fmt: skip
        return [
            Case(
                agreed=row["agreed"], at=row["at"],
                wanted=None if row["wanted"] is None else Money(minor=int(row["wanted"]), currency=row["c1"]),
                current=None if row["current"] is None else Money(minor=int(row["current"]), currency=row["c2"]),
            )
            for row in rows
        ]  # fmt: skip

    async def answers(
        self, kind: str, *, grant_id: str | None = None, machines_only: bool = True, workspace: str = DEFAULT_WORKSPACE
    ) -> list[str]:
        """Headline verdicts of machines' actions of a kind (or of those that used one grant), newest first."""
        rows = await self.all(
            """select o.verdict from outcomes o join actions a on a.id = o.action_id
               where o.workspace = :workspace and o.kind = :kind and o.headline and o.metric <> 'spend'
                 and (not cast(:machines as boolean) or a.proposer_kind <> 'user')
                 and (cast(:grant as uuid) is null or exists (
                   select 1 from grant_uses u where u.action_id = o.action_id and u.grant_id = cast(:grant as uuid)))
               order by o.done_at desc, o.action_id limit 1000""",
            workspace=workspace, kind=kind, grant=grant_id, machines=machines_only,
        )  # fmt: skip
        return [row["verdict"] for row in rows]

    async def incidents(self, grant_id: str) -> list[str]:
        """Actions that used the grant and were taken back since: undone by a person, or by the watchdog after their result fell."""
        rows = await self.all(
            """select distinct u.action_id from grant_uses u join actions a on a.id = u.action_id
               join actions b on b.status = 'done' and b.undo_of = a.id where u.grant_id = cast(:grant as uuid)""",
            grant=grant_id,
        )  # fmt: skip
        return [str(row["action_id"]) for row in rows]

    async def last_no(self, kind: str, *, workspace: str = DEFAULT_WORKSPACE) -> datetime | None:
        """When a promotion of this kind was last rejected or left to expire, or a grant of it revoked."""
        row = await self.one(
            """select greatest(
                 (select max(a.closed_at) from actions a where a.workspace = :workspace and a.kind = 'autonomy.grant'
                    and a.args ->> 'action_kind' = :kind and a.status in ('rejected', 'expired', 'cancelled', 'refused')),
                 (select max(g.revoked_at) from grants g where g.workspace = :workspace and g.action_kind = :kind)) as at""",
            workspace=workspace, kind=kind,
        )  # fmt: skip
        return None if row is None else row["at"]

    async def asked(self, kind: str, *, workspace: str = DEFAULT_WORKSPACE) -> bool:
        """Whether a promotion of this kind waits for a manager now, or is on its way."""
        row = await self.one(
            """select exists (select 1 from actions where workspace = :workspace and kind = 'autonomy.grant'
                 and args ->> 'action_kind' = :kind and status in ('waiting', 'authorised', 'executing', 'unknown')) as yes""",
            workspace=workspace, kind=kind,
        )  # fmt: skip
        return bool(row and row["yes"])


def _grant(row: RowMapping) -> Grant:
    return Grant(
        id=str(row["id"]), workspace=row["workspace"], action_kind=row["action_kind"],
        max_amount=Money(minor=row["max_amount_minor"], currency=row["currency"]), max_change=row["max_change"],
        max_count=row["max_count"], used=row["used"], proposed_by=row["proposed_by"], granted_by=row["granted_by"],
        granted_at=row["granted_at"], expires_at=row["expires_at"], revoked_at=row["revoked_at"], revoked_by=row["revoked_by"],
        revoke_reason=None if row["revoke_reason"] is None else Message.model_validate(row["revoke_reason"]),
    )  # fmt: skip
