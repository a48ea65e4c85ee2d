"""Decision documents, reports, the blacklist and exchange rates: what later decisions look back on."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Any, Literal

from sqlalchemy import RowMapping

from knowledge.domain.chain import canonical, sha256
from knowledge.domain.money import Money
from knowledge.domain.policy import Policy
from knowledge.domain.rates import Rate
from runtime.db.audit_write import append
from runtime.db.judgements import keep_policy
from runtime.db.repository import DEFAULT_WORKSPACE, Repository, as_json, is_id, money, new_id

BlacklistKind = Literal["product", "creative", "term", "brand"]


@dataclass(frozen=True)
class DecisionRecord:
    """A decision document with everything it was made from, so that it can be made again."""

    id: str
    workspace: str
    at: datetime
    strategy: str
    document: dict[str, Any]
    history: Any
    history_hash: str
    policy_version: str


@dataclass(frozen=True)
class Report:
    """A finished report over period_start..period_end inclusive."""

    id: str
    kind: str
    period_start: date
    period_end: date
    document: dict[str, Any]
    created_at: datetime


class Decisions(Repository):
    """Table decisions."""

    async def add(
        self,
        *,
        strategy: str,
        document: Any,
        history: Any,
        policy: Policy,
        figures: Any,
        dials: dict[str, Any],
        proposals_hash: str,
        at: datetime,
        workspace: str = DEFAULT_WORKSPACE,
        decision_id: str | None = None,
    ) -> str:
        """Stores a decision with all that it was made from, tells the audit log, and returns its id.

        `history`, `figures` and `document` are kept in their canonical spelling, which is what the hashes are of;
        `dials` is the policy in the engine's terms, `proposals_hash` is of what it said before it was worded as a document. Give
        `decision_id` to make a retried job store it once.
        """
        chosen = decision_id or new_id()
        texts = {"document": canonical(document), "history": canonical(history), "figures": canonical(figures)}
        hashes = {f"{name}_hash": sha256(words) for name, words in texts.items()}
        stored = await self.once(
            """insert into decisions (id, workspace, at, strategy, document, history, figures, history_hash, document_hash,
                 policy_version) values (:id, :workspace, :at, :strategy, cast(:document as json), cast(:history as json),
                 cast(:figures as json), :history_hash, :document_hash, :policy) on conflict (id) do nothing""",
            id=chosen, workspace=workspace, at=at, strategy=strategy, **texts, history_hash=hashes["history_hash"],
            document_hash=hashes["document_hash"], policy=policy.version,
        )  # fmt: skip
        if stored:
            told = {"decision_id": chosen, "strategy": strategy, "policy_version": policy.version, **hashes}
            told |= {"dials": dials, "proposals_hash": proposals_hash}
            await append(self.connection, "decision.made", "system:optimizer", at, told)
            await keep_policy(self.connection, policy, at)
        return chosen

    async def get(self, decision_id: str) -> DecisionRecord | None:
        if not is_id(decision_id):
            return None
        row = await self.one("select * from decisions where id = :id", id=decision_id)
        return None if row is None else _decision(row)

    async def list(self, *, workspace: str = DEFAULT_WORKSPACE, limit: int = 50) -> list[DecisionRecord]:
        """Newest first."""
        rows = await self.all(
            "select * from decisions where workspace = :w order by at desc, id limit :limit", w=workspace, limit=limit
        )
        return [_decision(row) for row in rows]

    async def changes(
        self, since: datetime, *, exchange: Callable[[Money], Money | None], workspace: str = DEFAULT_WORKSPACE
    ) -> list[dict[str, Any]]:
        """Changes asked of campaigns since a moment, as the optimizer reads them: hours since the epoch, major units of the currency
        that `exchange` brings amounts into (None: it cannot)."""
        rows = await self.all(
            """select a.campaign_id, a.kind, a.status, extract(epoch from a.created_at) as at,
                 a.facts #>> '{campaign,daily_budget,currency}' as before_in, a.args #>> '{daily_budget,currency}' as after_in,
                 (a.facts #>> '{campaign,daily_budget,minor}')::bigint as before,
                 (a.args #>> '{daily_budget,minor}')::bigint as after, p.decision_reason
               from actions a left join approvals p on p.action_id = a.id
               where a.workspace = :workspace and a.created_at >= :since
                 and a.kind in ('campaign.set_budget', 'campaign.pause', 'campaign.resume')
                 and a.status not in ('refused', 'suggested', 'failed', 'cancelled', 'replaced') order by a.created_at, a.id""",
            workspace=workspace, since=since,
        )  # fmt: skip
        states = {"done": "applied", "rejected": "rejected", "expired": "rejected"}

        def major(minor: int | None, currency: str | None) -> float | None:
            amount = money(minor, currency)
            value = None if amount is None else exchange(amount)
            return None if value is None else float(value.amount)

        return [
            {
                "campaign_id": r["campaign_id"],
                "at": int(r["at"] // 3600),
                "action": r["kind"].partition(".")[2],
                "from": major(r["before"], r["before_in"]),
                "to": 0.0 if r["kind"] == "campaign.pause" else major(r["after"], r["after_in"]),
                "state": states.get(r["status"], "pending"),
                # A person's no, as a fact for the next decisions; a request that nobody answered is none.
                **({"reason": r["decision_reason"] or ""} if r["status"] == "rejected" else {}),
            }
            for r in rows
        ]


class Reports(Repository):
    """Table reports."""

    async def put(
        self, kind: str, period_start: date, period_end: date, document: Any, *, at: datetime, workspace: str = DEFAULT_WORKSPACE
    ) -> str:
        """Stores the report of a period, over an earlier one of the same; returns its id."""
        row = await self.one(
            """insert into reports (id, workspace, kind, period_start, period_end, document, created_at)
               values (:id, :workspace, :kind, :first, :last, :document, :at)
               on conflict (workspace, kind, period_start, period_end) do update
                 set document = excluded.document, created_at = excluded.created_at returning id""",
            id=new_id(), workspace=workspace, kind=kind, first=period_start, last=period_end, document=as_json(document), at=at,
        )  # fmt: skip
        if row is None:
            raise LookupError(f"report {kind} {period_start}: not stored")
        return str(row["id"])

    async def get(self, report_id: str) -> Report | None:
        if not is_id(report_id):
            return None
        row = await self.one("select * from reports where id = :id", id=report_id)
        return None if row is None else _report(row)

    async def list(self, *, kind: str | None = None, workspace: str = DEFAULT_WORKSPACE, limit: int = 100) -> list[Report]:
        """Newest period first."""
        rows = await self.all(
            """select * from reports where workspace = :w and (cast(:kind as text) is null or kind = :kind)
               order by period_end desc, created_at desc, id limit :limit""",
            w=workspace, kind=kind, limit=limit,
        )  # fmt: skip
        return [_report(row) for row in rows]


class Blacklist(Repository):
    """Table blacklist: banned and failed products, creatives, words, brands. Values are compared in lower case."""

    async def add(self, kind: BlacklistKind, value: str, *, reason: str, by: str, at: datetime) -> bool:
        """False when it was listed already."""
        return await self.once(
            """insert into blacklist (kind, value, reason, added_by, at) values (:kind, :value, :reason, :by, :at)
               on conflict do nothing""",
            kind=kind, value=value.strip().lower(), reason=reason, by=by, at=at,
        )  # fmt: skip

    async def remove(self, kind: BlacklistKind, value: str) -> bool:
        return await self.once(
            "delete from blacklist where kind = :kind and value = :value", kind=kind, value=value.strip().lower()
        )

    async def reason(self, kind: BlacklistKind, value: str) -> str | None:
        """Why it is listed, or None when it is not."""
        row = await self.one(
            "select reason from blacklist where kind = :kind and value = :value", kind=kind, value=value.strip().lower()
        )
        return None if row is None else row["reason"]

    async def values(self, kind: BlacklistKind) -> frozenset[str]:
        """Everything listed of one kind."""
        return frozenset(row["value"] for row in await self.all("select value from blacklist where kind = :kind", kind=kind))


class ExchangeRates(Repository):
    """Table exchange_rates: dated, so that a conversion can be repeated."""

    async def put(self, base: str, quote: str, day: date, rate: Decimal, *, source: str, at: datetime) -> None:
        """One unit of `base` costs `rate` units of `quote` on that day."""
        await self.run(
            """insert into exchange_rates (base, quote, day, rate, source, recorded_at)
               values (:base, :quote, :day, :rate, :source, :at)
               on conflict (base, quote, day) do update set rate = excluded.rate, source = excluded.source,
                 recorded_at = excluded.recorded_at""",
            base=base, quote=quote, day=day, rate=rate, source=source, at=at,
        )  # fmt: skip

    async def on(self, base: str, quote: str, day: date) -> tuple[Decimal, date] | None:
        """The newest rate up to that day with its day, or None: an unknown rate is never 1."""
        row = await self.one(
            """select rate, day from exchange_rates where base = :base and quote = :quote and day <= :day
               order by day desc limit 1""",
            base=base, quote=quote, day=day,
        )  # fmt: skip
        return None if row is None else (row["rate"], row["day"])

    async def known(self, since: date, until: date) -> list[Rate]:
        """Every rate of since..until inclusive, newest first; what `knowledge.domain.rates.convert` chooses from."""
        rows = await self.all(
            "select * from exchange_rates where day between :since and :until order by day desc, base, quote",
            since=since,
            until=until,
        )
        return [Rate(day=r["day"], base=r["base"], quote=r["quote"], rate=r["rate"], source=r["source"]) for r in rows]


def _decision(row: RowMapping) -> DecisionRecord:
    return DecisionRecord(
        str(row["id"]), row["workspace"], row["at"], row["strategy"], row["document"], row["history"], row["history_hash"],
        row["policy_version"],
    )  # fmt: skip


def _report(row: RowMapping) -> Report:
    return Report(str(row["id"]), row["kind"], row["period_start"], row["period_end"], row["document"], row["created_at"])
