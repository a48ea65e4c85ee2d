"""The gate's books on Postgres. One transaction per errand; money is read under the workspace's budget lock."""

from __future__ import annotations

from datetime import datetime, timedelta
from decimal import Decimal
from types import TracebackType
from typing import Any

from psycopg.errors import UniqueViolation
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncEngine

from knowledge.domain.action import CAMPAIGN, CONVERSATION, CRM, Action, Actor, GrantAutonomy, Platform
from knowledge.domain.books import OVERDUE, ActionRecord, Busy, Clearance, Refs, Status, Ticket
from knowledge.domain.campaign import PlatformCampaign
from knowledge.domain.chain import Spelled, canonical
from knowledge.domain.facts import Facts, KillSwitch
from knowledge.domain.ids import derived
from knowledge.domain.money import Money
from knowledge.domain.policy import Policy
from knowledge.domain.verdict import Verdict
from runtime.db import audit_write, gate_apply, gate_facts, gate_rows, grants, wire
from runtime.db.drivers import Errand
from runtime.db.engine import begin
from runtime.db.judgements import Judged, LawBook
from runtime.db.lease import alive
from runtime.db.operations import LiveEvents
from runtime.db.repository import is_id


class PgGateTx:
    """knowledge.domain.books.GateTx on one Postgres connection."""

    def __init__(self, conn: wire.Errand, crm_vendor: str, law: LawBook) -> None:
        self.conn = conn
        self.live = LiveEvents(conn)
        self._crm_vendor = crm_vendor
        self._law = law
        self._judged: dict[str, Judged] = {}
        self._told: list[Judged] = []

    async def _rows(self, sql: str, **params: Any) -> list[Any]:
        return await wire.rows(self.conn, sql, params)

    async def _one(self, sql: str, **params: Any) -> Any | None:
        return await wire.one(self.conn, sql, params)

    async def _do(self, sql: str, **params: Any) -> int:
        return await wire.do(self.conn, sql, params)

    async def _later(self, sql: str, **params: Any) -> None:
        await wire.later(self.conn, sql, params)

    # -- actions --------------------------------------------------------------------------------------------------------------

    async def lock_budget(self, workspace: str, *, soon: bool = False) -> None:
        lock = self._later if soon else self._do
        await lock("select pg_advisory_xact_lock(hashtextextended(:key, 0))", key=f"budget:{workspace}")

    async def action_by_key(self, key: str) -> ActionRecord | None:
        row = await self._one("select * from actions where idempotency_key = :key", key=key)
        return gate_rows.record(row) if row else None

    async def action(self, action_id: str, *, lock: bool = False) -> ActionRecord | None:
        if not is_id(action_id):
            return None
        row = await self._one(f"select * from actions where id = :id{' for update' if lock else ''}", id=action_id)
        return gate_rows.record(row) if row else None

    async def insert(self, record: ActionRecord, ticket: Ticket | None) -> bool:
        action, facts, verdict = record.action, record.facts.text, record.verdict.text
        written = await self._do(
            "insert into actions (id, workspace, kind, platform, campaign_id, conversation_id, lead_id, args, fingerprint,"
            " idempotency_key, proposer_kind, proposer_id, why, evidence, expected, confidence, correlation_id, status, verdict,"
            " facts, policy_version, undo_of, created_at, decided_at, not_before, closed_at)"
            " values (:id, :workspace, :kind, :platform, :campaign_id, :conversation_id, :lead_id, :args, :fingerprint, :key,"
            " :proposer_kind, :proposer_id, :why, :evidence, :expected, :confidence, :correlation_id, :status, :verdict, :facts,"
            " :policy_version, :undo_of, :created_at, :decided_at, :not_before, :closed_at) on conflict do nothing",
            id=record.id,
            workspace=action.workspace,
            kind=action.kind,
            platform=getattr(action, "platform", None),
            campaign_id=getattr(action, "campaign_id", None),
            conversation_id=getattr(action, "conversation_id", None),
            lead_id=getattr(action, "lead_id", None),
            args=action.spelled,
            fingerprint=record.fingerprint,
            key=record.key,
            proposer_kind=record.proposer.kind,
            proposer_id=canonical(record.proposer) if record.proposer.role else record.proposer.id,
            why=record.why.text,
            evidence=canonical(list(record.evidence)),
            expected=canonical(record.expected) if record.expected is not None else None,
            confidence=record.confidence,
            correlation_id=record.correlation_id,
            status=record.status,
            verdict=verdict,
            facts=facts,
            policy_version=record.verdict.policy_version,
            undo_of=record.undo_of,
            created_at=record.created_at,
            decided_at=record.decided_at,
            not_before=record.not_before,
            closed_at=record.closed_at,
        )
        if not written:
            return False
        await self._remember(record.id, record.verdict, record.facts, verdict, facts)
        if ticket is not None:
            await self.open_ticket(record, ticket)
        return True

    async def open_ticket(self, record: ActionRecord, ticket: Ticket) -> None:
        await self._do(
            "insert into approvals (id, action_id, workspace, status, priority, exposure_minor, exposure_currency, requested_at,"
            " expires_at, quorum, role, votes, edited_from, edited_by, narrower) values (:id, :action_id, :workspace, :status,"
            " :priority, :minor, :currency, :requested_at, :expires_at, :quorum, :role, :votes, :edited_from, :edited_by, :narrower)",
            id=derived(f"ticket:{record.id}"),
            action_id=record.id,
            workspace=record.action.workspace,
            status=ticket.status,
            priority=ticket.priority,
            minor=ticket.exposure.minor if ticket.exposure else None,
            currency=ticket.exposure.currency if ticket.exposure else None,
            requested_at=ticket.requested_at,
            expires_at=ticket.expires_at,
            quorum=ticket.quorum,
            role=ticket.role,
            votes=canonical(list(ticket.votes)),
            edited_from=ticket.edited_from,
            edited_by=ticket.edited_by,
            narrower=ticket.narrower,
        )

    async def change(
        self, action_id: str, expected: Status, to: Status, *, holder: tuple[str | None, int] | None = None, **fields: Any
    ) -> bool:
        columns = {"result", "error", "facts", "verdict", "decided_at", "not_before", "closed_at"}
        unknown = set(fields) - columns
        if unknown:
            raise TypeError(f"change() cannot set {', '.join(sorted(unknown))}")
        jsons = {"result", "error", "facts", "verdict"}
        values: dict[str, Any] = {k: gate_rows.text(v) if k in jsons and v is not None else v for k, v in fields.items()}
        if isinstance(fields.get("verdict"), Verdict):
            values["policy_version"] = fields["verdict"].policy_version
        sets = "".join(f", {name} = :{name}" for name in values)
        if "decided_at" in values:
            sets += ", decided_order = nextval('actions_decided')"
        mine = ""
        if holder is not None:
            mine = " and executor is not distinct from :holder and attempts = :attempt"
            values |= {"holder": holder[0], "attempt": holder[1]}
        count = await self._do(
            f"update actions set status = :to{sets} where id = :id and status = :expected{mine}",
            id=action_id,
            expected=expected,
            to=to,
            **values,
        )
        judged, seen = fields.get("verdict"), fields.get("facts")
        if count == 1 and isinstance(judged, Verdict) and isinstance(seen, Facts):
            await self._remember(action_id, judged, seen, values["verdict"], values["facts"])
        return count == 1

    async def claim(self, action_id: str, expected: Status, *, executor: str, attempts: int, at: datetime) -> bool:
        fields: dict[str, Any] = {"id": action_id, "expected": expected, "executor": executor, "attempts": attempts, "at": at}
        try:
            count = await self._do(
                "update actions a set status = 'executing', executor = :executor, attempts = :attempts, execution_started_at = :at"
                " where id = :id and status = :expected and attempts = :attempts - 1 and not exists (select 1 from actions later"
                f" where {_LATER} and (a.kind <> 'campaign.pause' or later.kind = 'campaign.resume'))"
                " and not (a.kind in ('campaign.resume', 'campaign.publish') and exists (select 1 from actions stop"
                " where stop.campaign_id = a.campaign_id and stop.kind = 'campaign.pause' and stop.status = 'executing'))",
                **fields,
            )
        except IntegrityError as error:
            if isinstance(error.orig, UniqueViolation) and error.orig.diag.constraint_name == "actions_one_write":
                raise Busy(action_id) from error
            raise
        if count == 0 and await self._one(
            "select 1 from actions where id = :id and status = :expected and attempts = :attempts - 1", **fields
        ):
            raise Busy(action_id)
        return count == 1

    async def clearance(self, action_id: str, executor: str, attempts: int) -> Clearance:
        row = await self._one(
            f"select {gate_facts.KILLS} as kills, exists (select 1 from actions a where id = :id and status = 'executing'"
            " and executor = :executor and attempts = :attempts and not exists (select 1 from actions later"
            f" where a.kind in ('campaign.resume', 'campaign.publish') and later.kind = 'campaign.pause' and {_LATER})) as held",
            id=action_id,
            executor=executor,
            attempts=attempts,
        )
        assert row is not None  # a select without a table has one row
        return Clearance(gate_facts.kill_switches(row["kills"]), row["held"])

    async def starting(self, campaign_id: str) -> bool:
        found = await self._one(
            "select 1 from actions where campaign_id = :id and status = 'executing'"
            " and kind in ('campaign.resume', 'campaign.publish') limit 1",
            id=campaign_id,
        )
        return found is not None

    async def _remember(self, action_id: str, verdict: Verdict, facts: Facts, verdict_text: str, facts_text: str) -> None:
        """Holds a judgement for the audit row that will tell of it."""
        await self._tell(action_id)
        version = verdict.policy_version
        judged = Judged(action_id, facts.now, verdict.answer, version, self._law.hash_of(version), facts_text, verdict_text)
        self._judged[action_id] = judged
        self._told.append(judged)

    async def _tell(self, action_id: str) -> None:
        """A judgement that nobody told of gets a row of its own: the record misses none."""
        judged = self._judged.get(action_id)
        if judged is not None:
            await self.audit("action.judged", "system:gate", judged.at, {"answer": judged.answer}, action_id)

    async def tell_all(self) -> list[str]:
        """The books call this last; returns the policies that are kept if it commits."""
        for action_id in list(self._judged):
            await self._tell(action_id)
        return await self._law.keep(self.conn, self._told)

    # -- room -----------------------------------------------------------------------------------------------------------------

    async def reserve(self, record: ActionRecord, now: datetime) -> None:
        action = record.action
        if not isinstance(action, CAMPAIGN):
            return
        await grants.use(self.conn, record, now)
        budget: Money | None = getattr(action, "daily_budget", None)
        if budget is None:
            if action.kind == "campaign.pause" or record.facts.campaign is None:
                return
            budget = record.facts.campaign.daily_budget
        await self._later(
            "insert into reservations (id, action_id, workspace, platform, campaign_id, exposure_minor, currency, status, created_at,"
            " expires_at) values (:id, :action_id, :workspace, :platform, :campaign_id, :minor, :currency, 'held', :now, :expires)"
            " on conflict (action_id) do update set status = 'held', exposure_minor = excluded.exposure_minor,"
            " expires_at = excluded.expires_at, closed_at = null where reservations.status = 'released'",
            id=record.id,
            action_id=record.id,
            workspace=action.workspace,
            platform=action.platform,
            campaign_id=action.campaign_id,
            minor=budget.minor,
            currency=budget.currency,
            now=now,
            expires=now + timedelta(days=1),
        )

    async def settle(self, action_id: str, *, kept: bool, now: datetime) -> None:
        await self._later(
            "update reservations set status = :status, closed_at = :now where action_id = :id and status = 'held'",
            id=action_id,
            status="settled" if kept else "released",
            now=now,
        )

    # -- facts ----------------------------------------------------------------------------------------------------------------

    async def ledger_facts(
        self,
        action: Action,
        proposer: Actor,
        confidence: Decimal | None,
        platform: tuple[PlatformCampaign, ...] | None,
        policy: Policy,
        now: datetime,
        *,
        excluding: str | None,
        read: frozenset[Platform] | None = None,
    ) -> Facts:
        self._law.seen(policy)
        of = gate_facts.Question(action, str(proposer), confidence, policy, now, excluding)
        return await gate_facts.answer(self.conn, of, platform, read)

    async def conversation_epoch(self, conversation_id: str) -> tuple[str, int] | None:
        row = await self._one("select owner, epoch from conversations where id = :id", id=conversation_id)
        return (row["owner"], row["epoch"]) if row else None

    # -- kill switches --------------------------------------------------------------------------------------------------------

    async def kills(self) -> tuple[KillSwitch, ...]:
        return await gate_facts.kills(self.conn)

    async def add_kill(self, kill: KillSwitch) -> bool:
        count = await self._do(
            "insert into kill_switches (id, scope, target, reason, set_by, set_at)"
            " values (:id, :scope, :target, :reason, :set_by, :set_at)"
            " on conflict (scope, target, set_by) where lifted_at is null do nothing",
            **(kill.model_dump() | {"target": kill.target or ""}),
        )
        return count == 1

    async def named(self, scope: str, name: str) -> list[str]:
        if scope == "agent":
            rows = await self._rows(
                "select distinct case when proposer_id like '{%' then proposer_id::jsonb ->> 'id' else proposer_id end as id"
                " from actions where proposer_id = :name or proposer_id like '{%' and proposer_id::jsonb ->> 'id' = :name",
                name=name,
            )
        elif scope == "conversation":
            rows = await self._rows("select id::text from conversations where id::text = :name", name=name)
        else:
            rows = await self._rows(
                "select id from campaigns where id = :name or external_id = :name or lower(name) = lower(:name)"
                " union select campaign_id from actions where campaign_id = :name order by id limit 10",
                name=name,
            )
        ids = [str(row["id"]) for row in rows]
        return [name] if name in ids else ids

    async def lift_kill(self, kill_id: str, by: str, now: datetime) -> bool:
        if not is_id(kill_id):
            return False
        count = await self._do(
            "update kill_switches set lifted_by = :by, lifted_at = :now where id = :id and lifted_at is null",
            id=kill_id,
            by=by,
            now=now,
        )
        return count == 1

    # -- tickets --------------------------------------------------------------------------------------------------------------

    async def ticket(self, action_id: str, *, lock: bool = False) -> Ticket | None:
        if not is_id(action_id):
            return None
        row = await self._one(f"select * from approvals where action_id = :id{' for update' if lock else ''}", id=action_id)
        return None if row is None else gate_rows.ticket(row)

    async def save_ticket(self, ticket: Ticket) -> bool:
        written = await self._do(
            "update approvals set status = :status, decided_by = :by, decided_at = :at, decision_reason = :reason,"
            " expires_at = :expires_at, exposure_minor = :minor, exposure_currency = :currency, quorum = :quorum, role = :role,"
            " votes = :votes where action_id = :id and status = 'pending'",
            id=ticket.action_id,
            status=ticket.status,
            by=ticket.decided_by,
            at=ticket.decided_at,
            reason=ticket.reason,
            expires_at=ticket.expires_at,
            minor=ticket.exposure.minor if ticket.exposure else None,
            currency=ticket.exposure.currency if ticket.exposure else None,
            quorum=ticket.quorum,
            role=ticket.role,
            votes=canonical(list(ticket.votes)),
        )
        return written == 1

    async def due_tickets(self, now: datetime) -> list[str]:
        rows = await self._rows(
            "select action_id from approvals where status = 'pending' and expires_at <= :now order by expires_at, action_id",
            now=now,
        )
        return [str(r["action_id"]) for r in rows]

    async def due_actions(self, now: datetime) -> list[str]:
        rows = await self._rows(
            "select id from actions where status = 'scheduled' and not_before <= :now order by not_before, id", now=now
        )
        return [str(r["id"]) for r in rows]

    async def agree(self, record: ActionRecord, decided: str, *, agreed: bool, by: str, at: datetime) -> None:
        if record.proposer.kind == "user":  # what people propose to each other says nothing about the house's judgement
            return
        await self._do(
            "insert into agreements (action_id, kind, proposed, decided, agreed, decided_by, at)"
            " values (:id, :kind, :proposed, :decided, :agreed, :by, :at) on conflict (action_id) do nothing",
            id=record.id,
            kind=record.action.kind,
            proposed=record.fingerprint,
            decided=decided,
            agreed=agreed,
            by=by,
            at=at,
        )

    async def undos(self, action_id: str) -> list[ActionRecord]:
        if not is_id(action_id):
            return []
        return [
            gate_rows.record(row)
            for row in await self._rows("select * from actions where undo_of = :id order by created_at, id", id=action_id)
        ]

    async def later_change(self, record: ActionRecord, kind: str | None = None) -> ActionRecord | None:
        row = await self._one(
            f"select later.* from actions a, actions later where a.id = :id and {_LATER}"
            " and (cast(:kind as text) is null or later.kind = :kind) order by later.decided_order desc limit 1",
            id=record.id,
            kind=kind,
        )
        return gate_rows.record(row) if row else None

    async def batch(self, correlation_id: str) -> list[ActionRecord]:
        rows = await self._rows(
            "select * from actions where correlation_id = :id and status = 'done'"
            " order by closed_at desc, decided_at desc, seq desc",
            id=correlation_id,
        )
        return [gate_rows.record(row) for row in rows]

    async def done(self) -> list[ActionRecord]:
        """Every done action that is no undo, the newest first."""
        rows = await self._rows(
            "select * from actions where status = 'done' and undo_of is null order by closed_at desc, decided_at desc, seq desc"
        )
        return [gate_rows.record(row) for row in rows]

    # -- effects --------------------------------------------------------------------------------------------------------------

    async def refs(self, action: Action) -> Refs:
        if isinstance(action, CAMPAIGN):
            row = await self._one("select external_id from campaigns where id = :id", id=action.campaign_id)
            return Refs(external_id=row["external_id"] if row else None)
        if isinstance(action, CONVERSATION):
            row = await self._one(
                "select c.desk_conversation_id, l.id as lead_id, l.name, l.phone,"
                " (select value from contact_identities i where i.lead_id = l.id"
                "   order by array_position(array['wa_id', 'phone_e164', 'lid', 'bsuid'], i.kind), first_seen_at limit 1) as address"
                " from conversations c join leads l on l.id = c.lead_id where c.id = :id",
                id=action.conversation_id,
            )
            if row is None:
                return Refs()
            return Refs(
                to=row["address"],
                lead_key=str(row["lead_id"]),
                lead_name=row["name"],
                lead_phone=row["phone"],
                desk_conversation=row["desk_conversation_id"],
            )
        if isinstance(action, GrantAutonomy):
            return Refs()
        assert isinstance(action, CRM)
        rows = await self._rows(
            "select entity, external_id from crm_links where vendor = :vendor and lead_id = :id and key = ''",
            vendor=self._crm_vendor,
            id=action.lead_id,
        )
        links = {r["entity"]: r["external_id"] for r in rows}
        return Refs(company_id=links.get("company"), person_id=links.get("person"), deal_id=links.get("deal"))

    async def apply(self, record: ActionRecord, result: dict[str, Any], now: datetime) -> None:
        await gate_apply.apply(self.conn, record, result, now, self._crm_vendor)

    async def executor_alive(self, executor: str) -> bool:
        return await alive(self.conn, executor)

    async def stranded(self, executor: str, now: datetime) -> list[str]:
        rows = await self._rows(
            "select id, kind, status, executor, coalesce(execution_started_at < :overdue, false) as overdue from actions"
            " where status = 'executing' or (status = 'unknown' and (attempts < 10 or execution_started_at < :hour_ago)"
            " and kind <> 'message.send') or (status = 'authorised' and decided_at < :before)"
            " order by kind <> 'campaign.pause', kind not like 'campaign.%', created_at, seq limit 500",
            before=now - timedelta(minutes=1),
            hour_ago=now - timedelta(hours=1),
            overdue=now - OVERDUE,
        )
        found: list[str] = []
        living: dict[str, bool] = {}
        for row in rows:
            owner = row["executor"]
            if row["status"] == "executing" and not row["overdue"] and owner is not None and owner != executor:
                if owner not in living:
                    living[owner] = await self.executor_alive(owner)
                if living[owner]:
                    continue
            found.append(str(row["id"]))
        return found

    async def open_sends(self, conversation_id: str) -> list[ActionRecord]:
        rows = await self._rows(
            "select * from actions where conversation_id = :id and kind = 'message.send' and status in ('executing', 'unknown')"
            " order by created_at, id",
            id=conversation_id,
        )
        return [gate_rows.record(row) for row in rows]

    # -- record ---------------------------------------------------------------------------------------------------------------

    async def audit(self, kind: str, actor: str, at: datetime, payload: dict[str, Any], action_id: str | None = None) -> None:
        await audit_write.append(self.conn, kind, actor, at, payload, action_id, self._judged.pop(action_id or "", None))

    async def emit(self, kind: str, at: datetime, payload: dict[str, Any]) -> None:
        self.live.publish(kind, Spelled(canonical(payload)), at=at)


class PgGateBooks:
    """knowledge.domain.books.GateBooks on a Postgres engine."""

    def __init__(self, engine: AsyncEngine, *, crm_vendor: str = "piperun") -> None:
        self._engine = engine
        self._crm_vendor = crm_vendor
        self._law = LawBook()

    def transaction(self) -> _Transaction:
        return _Transaction(begin(self._engine), self._crm_vendor, self._law)

    def reading(self) -> _Transaction:
        """Without a transaction around it, which would cost two journeys more than one question."""
        return _Transaction(begin(self._engine, reading=True), self._crm_vendor, self._law)


class _Transaction:
    """One errand: what it judged and what open pages are told of go into the books with it, or not at all.

    A class and not a generator, because a pass of the gate opens five.
    """

    __slots__ = ("_crm_vendor", "_errand", "_law", "_tx")

    def __init__(self, errand: Errand, crm_vendor: str, law: LawBook) -> None:
        self._errand, self._crm_vendor, self._law = errand, crm_vendor, law

    async def __aenter__(self) -> PgGateTx:
        self._tx = PgGateTx(await self._errand.__aenter__(), self._crm_vendor, self._law)
        return self._tx

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if error is not None:
            await self._errand.__aexit__(kind, error, trace)
            return
        try:
            kept = await self._tx.tell_all()
            await self._tx.live.flush()
        except BaseException as failed:
            await self._errand.__aexit__(type(failed), failed, failed.__traceback__)
            raise
        await self._errand.__aexit__(None, None, None)
        self._law.settle(kept)


_LATER = (
    "later.campaign_id = a.campaign_id and later.decided_order > a.decided_order"
    " and (later.status in ('executing', 'unknown', 'done') or later.status = 'authorised' and later.kind = 'campaign.pause')"
)
"""A decision about the campaign of `a` that came after it and counts: it was done, or may have been, or is a stop that will be."""
