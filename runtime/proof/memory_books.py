"""The gate's books without a database: the same promises as runtime.db.gate_books, kept by one contract suite over both."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any, Literal

from knowledge.domain.action import (
    CAMPAIGN,
    CONVERSATION,
    CRM,
    Action,
    Actor,
    GrantAutonomy,
    PauseCampaign,
    Platform,
    PublishCampaign,
    ResumeCampaign,
    SendMessage,
    SetBudget,
)
from knowledge.domain.books import OVERDUE, ActionRecord, Busy, Clearance, Refs, Status, Ticket
from knowledge.domain.campaign import PlatformCampaign
from knowledge.domain.chain import Row, canonical, chain_hash
from knowledge.domain.fact_building import Windows, campaign_facts
from knowledge.domain.facts import ConversationFacts, Facts, KillSwitch
from knowledge.domain.money import Money
from knowledge.domain.policy import Policy
from knowledge.domain.verdict import Verdict
from runtime.proof import memory_apply, memory_facts
from runtime.proof.store import Store, Transaction

_FIELDS = frozenset({"result", "error", "facts", "verdict", "decided_at", "not_before", "closed_at"})


@dataclass(frozen=True)
class Talk:
    """A conversation and what the gate needs to know of its lead."""

    id: str
    lead_id: str
    owner: Literal["bot", "human", "closed"] = "bot"
    epoch: int = 0
    opted_out: bool = False
    last_inbound_at: datetime | None = None
    address: str | None = None
    lead_name: str | None = None
    lead_phone: str | None = None
    desk_conversation: str | None = None


def _written(action: Action) -> tuple[str, bool] | None:
    """What of which campaign one of its kind writes at a time: its budget, or a start. A stop waits for nobody."""
    if isinstance(action, SetBudget | PublishCampaign | ResumeCampaign):
        return action.campaign_id, isinstance(action, SetBudget)
    return None


def _stops(action: Action, campaign_id: str) -> bool:
    return isinstance(action, PauseCampaign) and action.campaign_id == campaign_id


class MemoryTx:
    """knowledge.domain.books.GateTx over a Store."""

    def __init__(self, books: MemoryBooks) -> None:
        self.rows = Transaction(books.store)
        self._books = books
        self._judged: dict[str, tuple[datetime, str]] = {}

    # -- actions --------------------------------------------------------------------------------------------------------------

    async def lock_budget(self, workspace: str, *, soon: bool = False) -> None:
        await self.rows.step()
        await self.rows.lock(("budget", workspace))

    async def action_by_key(self, key: str) -> ActionRecord | None:
        await self.rows.step()
        action_id = self.rows.get("keys", key)
        return self.rows.get("actions", action_id) if action_id is not None else None

    async def action(self, action_id: str, *, lock: bool = False) -> ActionRecord | None:
        await self.rows.step()
        if lock and self.rows.get("actions", action_id) is not None:
            await self.rows.lock(("actions", action_id))
        return self.rows.get("actions", action_id)

    async def insert(self, record: ActionRecord, ticket: Ticket | None) -> bool:
        await self.rows.step()
        await self.rows.lock(("key", record.key))
        if self.rows.get("keys", record.key) is not None or self.rows.get("actions", record.id) is not None:
            return False
        await self.rows.lock(("actions", record.id))
        # What an action is while it runs is written by `change` alone, as the insert of the real books has no such columns.
        fresh = record.model_copy(
            update={"attempts": 0, "executor": None, "result": None, "error": None, "execution_started_at": None}
        )
        self.rows.put("actions", record.id, fresh)
        self.rows.put("decided", record.id, self._books.next_decision())
        self.rows.put("keys", record.key, record.id)
        await self._remember(record.id, record.verdict, record.facts)
        if ticket is not None:
            self.rows.put("tickets", record.id, ticket)
        return True

    async def change(
        self, action_id: str, expected: Status, to: Status, *, holder: tuple[str | None, int] | None = None, **fields: Any
    ) -> bool:
        unknown = set(fields) - _FIELDS
        if unknown:
            raise TypeError(f"change() cannot set {', '.join(sorted(unknown))}")
        await self.rows.step()
        record: ActionRecord | None = self.rows.get("actions", action_id)
        if record is None or record.status != expected:
            return False
        await self.rows.lock(("actions", action_id))
        record = self.rows.get("actions", action_id)  # as it is after the wait
        if record is None or record.status != expected or holder not in (None, (record.executor, record.attempts)):
            return False
        self.rows.put("actions", action_id, record.model_copy(update={"status": to} | fields))
        if "decided_at" in fields:
            self.rows.put("decided", action_id, self._books.next_decision())
        if isinstance(fields.get("verdict"), Verdict) and isinstance(fields.get("facts"), Facts):
            await self._remember(action_id, fields["verdict"], fields["facts"])
        return True

    async def claim(self, action_id: str, expected: Status, *, executor: str, attempts: int, at: datetime) -> bool:
        await self.rows.step()
        record: ActionRecord | None = self.rows.get("actions", action_id)
        if record is None or record.status != expected:
            return False
        await self.rows.lock(("actions", action_id))
        what = _written(record.action)
        if what is not None:
            await self.rows.lock(("one write", what))
        record = self.rows.get("actions", action_id)  # as it is after the wait
        if record is None or (record.status, record.attempts) != (expected, attempts - 1):
            return False
        if isinstance(record.action, CAMPAIGN):
            contrary = "campaign.resume" if record.action.kind == "campaign.pause" else None
            if self._later(record, contrary) is not None or self._in_front(record, what):
                raise Busy(action_id)
        started = {"executor": executor, "attempts": attempts, "execution_started_at": at}
        self.rows.put("actions", action_id, record.model_copy(update={"status": "executing"} | started))
        return True

    def _in_front(self, record: ActionRecord, what: tuple[str, bool] | None) -> bool:
        """Whether what it would write is being written; or, of a start, the campaign is being stopped."""
        if what is None:
            return False
        campaign, budget = what
        return any(
            a.status == "executing"
            and a.id != record.id
            and (_written(a.action) == what or (not budget and _stops(a.action, campaign)))
            for a in self.rows.scan("actions")
        )

    async def clearance(self, action_id: str, executor: str, attempts: int) -> Clearance:
        await self.rows.step()
        return Clearance(self._kills(), self._has(action_id, executor, attempts))

    def _has(self, action_id: str, executor: str, attempts: int) -> bool:
        record: ActionRecord | None = self.rows.get("actions", action_id)
        if record is None or (record.status, record.executor, record.attempts) != ("executing", executor, attempts):
            return False
        starts = isinstance(record.action, PublishCampaign | ResumeCampaign)
        return not starts or self._later(record, "campaign.pause") is None

    async def starting(self, campaign_id: str) -> bool:
        await self.rows.step()
        return any(
            a.status == "executing"
            and isinstance(a.action, PublishCampaign | ResumeCampaign)
            and a.action.campaign_id == campaign_id
            for a in self.rows.scan("actions")
        )

    async def _remember(self, action_id: str, verdict: Verdict, facts: Facts) -> None:
        """Holds a judgement for the audit row that will tell of it; one that nobody told of gets a row of its own."""
        await self._tell(action_id)
        self._judged[action_id] = (facts.now, verdict.answer)

    async def _tell(self, action_id: str) -> None:
        if action_id in self._judged:
            at, answer = self._judged[action_id]
            await self.audit("action.judged", "system:gate", at, {"answer": answer}, action_id)

    async def tell_all(self) -> None:
        """The books call this last."""
        for action_id in list(self._judged):
            await self._tell(action_id)

    # -- room -----------------------------------------------------------------------------------------------------------------

    async def reserve(self, record: ActionRecord, now: datetime) -> None:
        action = record.action
        if not isinstance(action, CAMPAIGN):
            return
        await memory_apply.use_grant(self.rows, record, now)
        budget: Money | None = getattr(action, "daily_budget", None)
        if budget is None:
            if action.kind == "campaign.pause" or record.facts.campaign is None:
                return
            budget = record.facts.campaign.daily_budget
        await self.rows.step()
        await self.rows.lock(("reservations", record.id))
        before = self.rows.get("reservations", record.id)
        if before is not None and before["status"] != "released":
            return
        held = {
            "action_id": record.id,
            "workspace": action.workspace,
            "platform": action.platform,
            "campaign_id": action.campaign_id,
            "exposure_minor": budget.minor,
            "currency": budget.currency,
            "status": "held",
            "created_at": now,
            "expires_at": now + timedelta(days=1),
            "closed_at": None,
        }
        self.rows.put("reservations", record.id, held)

    async def settle(self, action_id: str, *, kept: bool, now: datetime) -> None:
        await self.rows.step()
        held = self.rows.get("reservations", action_id)
        if held is None or held["status"] != "held":
            return
        await self.rows.lock(("reservations", action_id))
        held = self.rows.get("reservations", action_id)
        if held is not None and held["status"] == "held":
            status = "settled" if kept else "released"
            self.rows.put("reservations", action_id, held | {"status": status, "closed_at": now})

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
        await self.rows.step()
        facts = Facts(now=now, proposer=str(proposer), confidence=confidence, kills=self._kills())
        if isinstance(action, CAMPAIGN):
            at = Windows.at(now, policy.time_zone, policy.guardrails)
            rows = memory_facts.ledger_rows(self.rows, action, policy, at, excluding)
            return campaign_facts(facts, action, platform, policy, at, rows, read)
        if isinstance(action, CONVERSATION):
            if self.rows.get("conversations", action.conversation_id) is not None:
                await self.rows.lock(("conversations", action.conversation_id))
            return facts.model_copy(update={"conversation": self._conversation(action.conversation_id)})
        return facts

    def _conversation(self, conversation_id: str) -> ConversationFacts | None:
        talk: Talk | None = self.rows.get("conversations", conversation_id)
        if talk is None:
            return None
        return ConversationFacts(
            conversation_id=talk.id,
            owner=talk.owner,
            epoch=talk.epoch,
            opted_out=talk.opted_out,
            last_inbound_at=talk.last_inbound_at,
        )

    async def conversation_epoch(self, conversation_id: str) -> tuple[str, int] | None:
        await self.rows.step()
        talk: Talk | None = self.rows.get("conversations", conversation_id)
        return (talk.owner, talk.epoch) if talk else None

    # -- kill switches --------------------------------------------------------------------------------------------------------

    def _kills(self) -> tuple[KillSwitch, ...]:
        found = [row["kill"] for row in self.rows.scan("kills") if row["lifted_at"] is None]
        return tuple(sorted(found, key=lambda k: (k.set_at, k.id)))

    async def kills(self) -> tuple[KillSwitch, ...]:
        await self.rows.step()
        return self._kills()

    async def add_kill(self, kill: KillSwitch) -> bool:
        await self.rows.step()
        wanted = (kill.scope, kill.target, kill.set_by)
        await self.rows.lock(("kill", *wanted))
        if any((k.scope, k.target, k.set_by) == wanted for k in self._kills()):
            return False
        self.rows.put("kills", kill.id, {"kill": kill, "lifted_by": None, "lifted_at": None})
        return True

    async def named(self, scope: str, name: str) -> list[str]:
        await self.rows.step()
        if scope == "agent":
            return [name] if any(a.proposer.id == name for a in self.rows.scan("actions")) else []
        if scope == "conversation":
            return [name] if self.rows.get("conversations", name) is not None else []
        asked = {name for a in self.rows.scan("actions") if getattr(a.action, "campaign_id", None) == name}
        called = [
            c for c in self.rows.scan("campaigns") if name in (c["id"], c["external_id"]) or name.lower() == c["name"].lower()
        ]
        ids = sorted(asked | {c["id"] for c in called})
        return [name] if name in ids else ids[:10]

    async def lift_kill(self, kill_id: str, by: str, now: datetime) -> bool:
        await self.rows.step()
        row = self.rows.get("kills", kill_id)
        if row is None or row["lifted_at"] is not None:
            return False
        await self.rows.lock(("kill row", kill_id))
        row = self.rows.get("kills", kill_id)
        if row is None or row["lifted_at"] is not None:
            return False
        self.rows.put("kills", kill_id, row | {"lifted_by": by, "lifted_at": now})
        return True

    # -- tickets --------------------------------------------------------------------------------------------------------------

    async def ticket(self, action_id: str, *, lock: bool = False) -> Ticket | None:
        await self.rows.step()
        if lock and self.rows.get("tickets", action_id) is not None:
            await self.rows.lock(("tickets", action_id))
        return self.rows.get("tickets", action_id)

    async def open_ticket(self, record: ActionRecord, ticket: Ticket) -> None:
        await self.rows.step()
        await self.rows.lock(("tickets", record.id))
        self.rows.put("tickets", record.id, ticket)

    async def save_ticket(self, ticket: Ticket) -> bool:
        await self.rows.step()
        kept = self.rows.get("tickets", ticket.action_id)
        if kept is None or kept.status != "pending":
            return False
        await self.rows.lock(("tickets", ticket.action_id))
        kept = self.rows.get("tickets", ticket.action_id)
        if kept is None or kept.status != "pending":
            return False
        self.rows.put("tickets", ticket.action_id, ticket)
        return True

    async def due_tickets(self, now: datetime) -> list[str]:
        await self.rows.step()
        due = [t for t in self.rows.scan("tickets") if t.status == "pending" and t.expires_at <= now]
        return [t.action_id for t in sorted(due, key=lambda t: (t.expires_at, t.action_id))]

    async def due_actions(self, now: datetime) -> list[str]:
        await self.rows.step()
        due = [a for a in self.rows.scan("actions") if a.status == "scheduled" and a.not_before <= now]
        return [a.id for a in sorted(due, key=lambda a: (a.not_before, a.id))]

    async def agree(self, record: ActionRecord, decided: str, *, agreed: bool, by: str, at: datetime) -> None:
        if record.proposer.kind == "user":
            return
        await self.rows.step()
        await self.rows.lock(("agreements", record.id))
        if self.rows.get("agreements", record.id) is None:
            row = {"action_id": record.id, "kind": record.action.kind, "decided": decided, "agreed": agreed, "by": by, "at": at}
            self.rows.put("agreements", record.id, row)

    async def undos(self, action_id: str) -> list[ActionRecord]:
        await self.rows.step()
        found = [a for a in self.rows.scan("actions") if a.undo_of == action_id]
        return sorted(found, key=lambda a: (a.created_at, a.id))

    async def later_change(self, record: ActionRecord, kind: str | None = None) -> ActionRecord | None:
        await self.rows.step()
        return self._later(record, kind)

    def _later(self, record: ActionRecord, kind: str | None) -> ActionRecord | None:
        campaign = getattr(record.action, "campaign_id", None)
        own = self._decision(record)
        found = [
            a
            for a in self.rows.scan("actions")
            if getattr(a.action, "campaign_id", None) == campaign
            and (a.status in ("executing", "unknown", "done") or (a.status == "authorised" and isinstance(a.action, PauseCampaign)))
            and self._decision(a) > own
            and kind in (None, a.action.kind)
        ]
        return max(found, key=self._decision, default=None)

    def _decision(self, record: ActionRecord) -> int:
        place = self.rows.get("decided", record.id)
        assert isinstance(place, int), "every action has been decided about"
        return place

    async def batch(self, correlation_id: str) -> list[ActionRecord]:
        await self.rows.step()
        found = [a for a in self.rows.scan("actions") if a.correlation_id == correlation_id and a.status == "done"]
        order = {a.id: place for place, a in enumerate(found)}
        return sorted(found, key=lambda a: (a.closed_at, a.decided_at, order[a.id]), reverse=True)

    # -- effects --------------------------------------------------------------------------------------------------------------

    async def refs(self, action: Action) -> Refs:
        await self.rows.step()
        if isinstance(action, CAMPAIGN):
            campaign = self.rows.get("campaigns", action.campaign_id)
            return Refs(external_id=campaign["external_id"] if campaign else None)
        if isinstance(action, CONVERSATION):
            talk: Talk | None = self.rows.get("conversations", action.conversation_id)
            if talk is None:
                return Refs()
            return Refs(
                to=talk.address,
                lead_key=talk.lead_id,
                lead_name=talk.lead_name,
                lead_phone=talk.lead_phone,
                desk_conversation=talk.desk_conversation,
            )
        if isinstance(action, GrantAutonomy):
            return Refs()
        assert isinstance(action, CRM)
        links = {entity: self.rows.get("crm_links", (entity, action.lead_id, "")) for entity in ("company", "person", "deal")}
        return Refs(company_id=links["company"], person_id=links["person"], deal_id=links["deal"])

    async def apply(self, record: ActionRecord, result: dict[str, Any], now: datetime) -> None:
        await self.rows.step()
        memory_apply.apply(self.rows, record, result, now)

    async def executor_alive(self, executor: str) -> bool:
        await self.rows.step()
        return executor in self._books.living

    async def stranded(self, executor: str, now: datetime) -> list[str]:
        await self.rows.step()
        found: list[ActionRecord] = []
        for a in self.rows.scan("actions"):
            if a.status == "executing":
                overdue = a.execution_started_at is not None and a.execution_started_at < now - OVERDUE
                if overdue or a.executor in (None, executor) or a.executor not in self._books.living:
                    found.append(a)
            elif a.status == "unknown":
                started = a.execution_started_at
                rested = started is not None and started < now - timedelta(hours=1)
                if (a.attempts < 10 or rested) and a.action.kind != "message.send":
                    found.append(a)
            elif a.status == "authorised" and a.decided_at < now - timedelta(minutes=1):
                found.append(a)
        first = sorted(found, key=lambda a: (a.action.kind != "campaign.pause", not isinstance(a.action, CAMPAIGN), a.created_at))
        return [a.id for a in first[:500]]

    async def open_sends(self, conversation_id: str) -> list[ActionRecord]:
        await self.rows.step()
        found = [
            a
            for a in self.rows.scan("actions")
            if isinstance(a.action, SendMessage)
            and a.action.conversation_id == conversation_id
            and a.status in ("executing", "unknown")
        ]
        return sorted(found, key=lambda a: (a.created_at, a.id))

    # -- record ---------------------------------------------------------------------------------------------------------------

    async def audit(self, kind: str, actor: str, at: datetime, payload: dict[str, Any], action_id: str | None = None) -> None:
        await self.rows.step()
        await self.rows.lock("audit")
        self._judged.pop(action_id or "", None)
        head: Row | None = self.rows.get("audit head", "")
        seq, prev = (head.seq + 1, head.hash) if head else (1, "")
        body = canonical(payload)
        row = Row(seq, at, kind, actor, action_id, body, prev, chain_hash(prev, seq, at, kind, actor, action_id, body))
        self.rows.put("audit", seq, row)
        self.rows.put("audit head", "", row)

    async def emit(self, kind: str, at: datetime, payload: dict[str, Any]) -> None:
        self.rows.put("events", object(), (kind, at, payload))


class MemoryBooks:
    """knowledge.domain.books.GateBooks in this process alone. `living` are the executors that count as alive."""

    def __init__(self) -> None:
        self.store = Store()
        self.living: set[str] = set()
        self.journal: list[tuple[str, Status | None, Status]] = []
        """(action, status before, status after) of every committed change, in order; for judges."""
        self._decisions = 0

    def next_decision(self) -> int:
        """The place of a decision among all of them: a sequence, which no transaction rolls back."""
        self._decisions += 1
        return self._decisions

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[MemoryTx]:
        tx = MemoryTx(self)
        try:
            yield tx
            await tx.tell_all()
            await tx.rows.step()
            for action_id, record in tx.rows.written("actions").items():
                before = self.one("actions", action_id)
                self.journal.append((action_id, before.status if before else None, record.status))
            tx.rows.commit()
        finally:
            tx.rows.end()

    def reading(self) -> AbstractAsyncContextManager[MemoryTx]:
        """One transaction: what is asked in memory at once is seen at once."""
        return self.transaction()

    # -- what other parts of the house write, and what judges read -----------------------------------------------------------

    def rows(self, table: str) -> list[Any]:
        """The committed rows of a table."""
        return list(self.store.rows(table).values())

    def one(self, table: str, key: Any) -> Any:
        return self.store.rows(table).get(key)

    def put_campaign(
        self, campaign_id: str, platform: str, external_id: str, budget: Money, launched_at: datetime, *,
        name: str | None = None, status: str = "testing", delivery: str = "active", workspace: str = "default",
    ) -> None:  # fmt: skip
        """A campaign that has been running since `launched_at`, as a publication long ago left it."""
        row = memory_apply.campaign_row(
            campaign_id, workspace, platform, name or campaign_id, external_id, status, delivery, budget, launched_at
        )
        self.store.rows("campaigns")[campaign_id] = row

    def put_spend(
        self,
        campaign_id: str | None,
        platform: str,
        external_id: str,
        day: date,
        spend: Money,
        *,
        revenue: int = 0,
        impressions: int = 0,
        workspace: str = "default",
    ) -> None:
        """What the platform reported of a campaign's account-local day; a later report of the same day replaces it."""
        self.store.rows("analytics")[platform, external_id, day] = {
            "workspace": workspace, "campaign_id": campaign_id, "platform": platform, "external_id": external_id,
            "day": day, "spend_minor": spend.minor,
            "currency": spend.currency, "revenue_minor": revenue, "impressions": impressions,
        }  # fmt: skip

    def put_read(self, platform: str, day: date, *, workspace: str = "default") -> None:
        """The platform's figures of a day were read whole after it had ended."""
        self.store.rows("days_read")[workspace, platform, day] = True

    def put_account(self, platform: str, zone: str, *, workspace: str = "default") -> None:
        """The time zone that a platform's ad account stated."""
        self.store.rows("ad_accounts")[workspace, platform] = zone

    def put_conversation(self, talk: Talk) -> None:
        self.store.rows("conversations")[talk.id] = talk
