"""Actions and their requests as people read them. Read only; amounts leave as Money, moments aware in UTC, missing facts as None."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import text

from knowledge.domain.books import Vote
from knowledge.domain.facts import KillSwitch
from knowledge.domain.money import Money
from knowledge.domain.policy import Policy
from runtime.db.audit_reads import verify_chain
from runtime.db.uow import Database


@dataclass(frozen=True)
class ActionRow:
    """An action with its request and the names it needs to be read by a person."""

    id: str
    kind: str
    platform: str | None
    campaign_id: str | None
    campaign_name: str | None
    campaign_status: str | None
    args: dict[str, Any]
    fingerprint: str
    proposer_kind: str
    proposer_id: str
    why: dict[str, Any] | None
    evidence: list[dict[str, Any]]
    expected: dict[str, Any] | None
    confidence: str | None
    correlation_id: str | None
    undo_of: str | None
    status: str
    verdict: dict[str, Any] | None
    facts: dict[str, Any] | None
    policy_version: str | None
    result: dict[str, Any] | None
    error: dict[str, Any] | None
    created_at: datetime
    not_before: datetime | None
    closed_at: datetime | None
    at: datetime
    undone: bool
    ticket_status: str | None
    priority: str | None
    exposure: Money | None
    requested_at: datetime | None
    expires_at: datetime | None
    decided_by: str | None
    ticket_decided_at: datetime | None
    decision_reason: str | None
    quorum: int
    role: str
    votes: tuple[Vote, ...]
    edited_from: str | None
    edited_by: str | None
    narrower: bool
    replaced_by: str | None


@dataclass(frozen=True)
class Step:
    """One row of the record about an action."""

    seq: int
    at: datetime
    kind: str
    actor: str
    action_id: str | None
    payload: dict[str, Any]
    hash: str


@dataclass(frozen=True)
class Lifted:
    """A stop of the past."""

    stop: KillSwitch
    lifted_by: str
    lifted_at: datetime


@dataclass(frozen=True)
class Agreed:
    """How people decided about one kind of action the house proposed."""

    kind: str
    decided: int
    agreed: int
    last_at: datetime


_ACTION = """
select a.id, a.kind, a.platform, a.campaign_id, c.name as campaign_name, c.status as campaign_status, a.args, a.fingerprint,
  a.proposer_kind, a.proposer_id, a.why, a.evidence, a.expected, a.confidence, a.correlation_id, a.undo_of, a.status, a.verdict,
  a.facts, a.policy_version, a.result, a.error, a.created_at, a.not_before, a.closed_at,
  coalesce(a.closed_at, a.execution_started_at, a.decided_at, a.created_at) as at,
  exists (select from actions u where u.undo_of = a.id
    and u.status not in ('refused', 'failed', 'rejected', 'expired', 'cancelled', 'replaced')) as undone,
  p.status as ticket_status, p.priority, p.exposure_minor, p.exposure_currency, p.requested_at, p.expires_at, p.decided_by,
  p.decided_at as ticket_decided_at, p.decision_reason, coalesce(p.quorum, 1) as quorum, coalesce(p.role, 'manager') as role,
  coalesce(p.votes, '[]'::jsonb) as votes, p.edited_from, p.edited_by, coalesce(p.narrower, false) as narrower,
  (select e.action_id from approvals e where e.edited_from = a.id limit 1) as replaced_by
from actions a left join approvals p on p.action_id = a.id left join campaigns c on c.id = a.campaign_id
"""
_PRESSING = "case p.priority when 'critical' then 0 when 'high' then 1 when 'normal' then 2 else 3 end"
_LATEST = "coalesce(a.closed_at, a.execution_started_at, a.decided_at, a.created_at)"


def _action(row: Any) -> ActionRow:
    fields: dict[str, Any] = dict(row._mapping)  # pyright: ignore[reportPrivateUsage]
    minor, currency = fields.pop("exposure_minor"), fields.pop("exposure_currency")
    fields["exposure"] = None if minor is None else Money(minor=minor, currency=currency)
    fields["confidence"] = None if row.confidence is None else str(row.confidence)
    fields["evidence"] = list(row.evidence or [])
    fields["votes"] = tuple(Vote.model_validate(vote) for vote in row.votes)
    for name in ("id", "undo_of", "edited_from", "replaced_by"):
        fields[name] = None if fields[name] is None else str(fields[name])
    return ActionRow(**fields)


def _stop(row: Any) -> KillSwitch:
    return KillSwitch(
        id=str(row.id), scope=row.scope, target=row.target or None, reason=row.reason, set_by=row.set_by, set_at=row.set_at
    )


class ActionReads:
    """Each method is one short read; the workspace comes from the policy. Without `people`, nothing that quotes a lead is read."""

    def __init__(self, database: Database, policy: Policy) -> None:
        self._engine = database.engine
        self._policy = policy

    async def _all(self, sql: str, **values: Any) -> list[Any]:
        async with self._engine.connect() as connection:
            return list((await connection.execute(text(sql), values)).all())

    async def _actions(self, rest: str, *, people: bool = True, **values: Any) -> list[ActionRow]:
        where = " where a.workspace = :workspace and (:people or a.kind like 'campaign.%') and "
        rows = await self._all(_ACTION + where + rest, workspace=self._policy.workspace, people=people, **values)
        return [_action(row) for row in rows]

    async def pending(self, limit: int, *, people: bool = True) -> list[ActionRow]:
        """Actions that wait for a manager: most pressing first, then the one that expires first."""
        order = f"p.status = 'pending' and a.status = 'waiting' order by {_PRESSING}, p.expires_at, a.id limit :n"
        return await self._actions(order, people=people, n=limit)

    async def scheduled(self, limit: int, *, people: bool = True) -> list[ActionRow]:
        """Authorised actions whose grace runs, the next first."""
        return await self._actions("a.status = 'scheduled' order by a.not_before, a.id limit :n", people=people, n=limit)

    async def refusals(self, since: datetime, limit: int, *, people: bool = True) -> list[ActionRow]:
        """What the rules refused since a moment, newest first."""
        rest = "a.status = 'refused' and a.created_at >= :since order by a.created_at desc, a.id limit :n"
        return await self._actions(rest, people=people, since=since, n=limit)

    async def action(self, action_id: str) -> ActionRow | None:
        """One action by id; None for an unknown or malformed id."""
        try:
            wanted = UUID(action_id)
        except ValueError:
            return None
        found = await self._actions("a.id = :id", id=wanted)
        return found[0] if found else None

    async def many(self, action_ids: Iterable[str]) -> dict[str, ActionRow]:
        """Several by id; unknown ones are absent. Raises ValueError for a malformed id."""
        wanted = [UUID(action_id) for action_id in action_ids]
        return {row.id: row for row in await self._actions("a.id = any(:ids)", ids=wanted)}

    async def together(self, correlation_id: str, *, people: bool = True) -> list[ActionRow]:
        """Every action of one cause, the newest first."""
        rest = "a.correlation_id = :cause order by a.created_at desc, a.id limit 100"
        return await self._actions(rest, people=people, cause=correlation_id)

    async def feed(self, limit: int, *, people: bool) -> list[ActionRow]:
        """The latest actions, whatever became of them, but for bookkeeping."""
        rest = f"a.kind not in ('message.read', 'desk.mirror') order by {_LATEST} desc, a.id limit :n"
        return await self._actions(rest, people=people, n=limit)

    async def decided(self, since: datetime, limit: int) -> list[ActionRow]:
        """Campaign changes that took effect since a moment, oldest first: the marks on the chart."""
        rest = "a.kind like 'campaign.%' and a.status = 'done' and a.closed_at >= :since order by a.closed_at desc limit :n"
        return list(reversed(await self._actions(rest, since=since, n=limit)))

    # -- stops and the record ----------------------------------------------------------------------------------------------

    async def kills(self) -> list[KillSwitch]:
        """Stops in force, oldest first."""
        rows = await self._all("select * from kill_switches where lifted_at is null order by set_at, id")
        return [_stop(row) for row in rows]

    async def lifted(self, limit: int) -> list[Lifted]:
        """Stops of the past, the last lifted first."""
        rows = await self._all(
            "select * from kill_switches where lifted_at is not null order by lifted_at desc, id limit :n", n=limit
        )
        return [Lifted(_stop(row), row.lifted_by, row.lifted_at) for row in rows]

    async def record(self, limit: int, *, action_id: str | None = None, kind: str | None = None, people: bool = True) -> list[Step]:
        """The newest rows of the record first; of one action, or of kinds that begin alike."""
        rows = await self._all(
            """
            select l.seq, l.at, l.kind, l.actor, cast(l.action_id as text) as action_id, l.payload, l.hash
            from audit_log l left join actions a on a.id = l.action_id
            where (cast(:action as uuid) is null or l.action_id = cast(:action as uuid))
              and (cast(:kind as text) is null or starts_with(l.kind, :kind))
              and (:people or a.id is null or a.kind like 'campaign.%')
            order by l.seq desc limit :n
            """,
            action=action_id,
            kind=kind,
            people=people,
            n=limit,
        )
        return [Step(r.seq, r.at, r.kind, r.actor, r.action_id, r.payload, r.hash) for r in rows]

    async def verified(self) -> tuple[int, int | None]:
        """(rows of the record, number of the first that does not fit its chain or None), recomputed from end to end."""
        async with self._engine.connect() as connection:
            return await verify_chain(connection)

    async def agreements(self) -> list[Agreed]:
        """Per kind of action: how often people decided, and how often as the house had proposed."""
        rows = await self._all(
            """
            select g.kind, count(*) as decided, count(*) filter (where g.agreed) as agreed, max(g.at) as last_at
            from agreements g join actions a on a.id = g.action_id where a.workspace = :workspace group by g.kind order by g.kind
            """,
            workspace=self._policy.workspace,
        )
        return [Agreed(r.kind, r.decided, r.agreed, r.last_at) for r in rows]
