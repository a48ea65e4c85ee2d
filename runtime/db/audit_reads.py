"""Reading the record: the chain from end to end, single judgements with all that a replay needs, decisions of the optimizer.

Everything is streamed: a log of years is read in constant memory.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from knowledge.domain.chain import Anchor, Break, Chain, Row
from runtime.db.engine import make_engine
from tools.replay import Decision, Judgement

_CHAIN = """select seq, at, kind, actor, action_id::text as action_id, payload_text, prev_hash, hash,
    payload::text as copy from audit_log"""
_JUDGEMENTS = """select l.seq, l.kind, l.at, l.actor, l.action_id::text as action_id, l.payload_text,
    j.digest, j.policy_version, j.policy_hash, j.law, j.facts::text as facts, j.verdict::text as verdict, p.document
  from audit_log l left join judgements j on j.seq = l.seq left join policies p on p.version = j.policy_version
  where l.payload ? 'judgement'"""
_DECISIONS = """select d.id::text as id, d.at, d.history::text as history, d.history_hash, d.figures::text as figures,
    d.document::text as document, d.document_hash, d.policy_version, p.document as policy, l.payload_text as told, l.seq
  from decisions d left join policies p on p.version = d.policy_version
  left join audit_log l on l.kind = 'decision.made' and l.payload ->> 'decision_id' = d.id::text"""


Snapshot = AsyncConnection
"""Where everything here reads from: any open connection, or `snapshot`'s."""


@dataclass(frozen=True)
class Gaps:
    """What the tables say that no row of the chain tells of, or the other way round; numbers of rows."""

    actions_without_judgement: int
    judgements_untold: int
    decisions_untold: int
    decisions_missing: int
    """Of which the chain tells, and which are not in the books any more."""

    @property
    def any(self) -> bool:
        return bool(self.actions_without_judgement or self.judgements_untold or self.decisions_untold or self.decisions_missing)


@asynccontextmanager
async def snapshot(url: str) -> AsyncIterator[Snapshot]:
    """A connection of its own that sees one state of the database and can change nothing. `url` as DATABASE_URL is written."""
    engine = make_engine(url, pool_size=1, max_overflow=0)
    try:
        async with engine.connect() as conn:
            await conn.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)
            yield conn
    finally:
        await engine.dispose()


async def head(conn: AsyncConnection) -> tuple[int, str]:
    """(seq, hash) of the newest row; (0, "") of an empty log."""
    row = (await conn.execute(text("select seq, hash from audit_log order by seq desc limit 1"))).first()
    return (row.seq, row.hash) if row else (0, "")


async def hash_at(conn: AsyncConnection, seq: int) -> str | None:
    """The hash of one row; empty for the beginning of the log, None when there is no such row."""
    if seq == 0:
        return ""
    return (await conn.execute(text("select hash from audit_log where seq = :seq"), {"seq": seq})).scalar_one_or_none()


async def walk(conn: AsyncConnection, anchors: Iterable[Anchor] = ()) -> tuple[int, Break | None]:
    """(rows that fit, the first that does not or None), over the whole log."""
    chain = Chain(anchors=anchors)
    # payload is there for queries, payload_text is what was hashed: they must say the same.
    result = await conn.stream(text(f"{_CHAIN} order by seq"))
    async for row in result.mappings():
        broken = chain.take(_row(row), row["copy"])
        if broken is not None:
            return chain.rows, broken
    return chain.rows, chain.end()


async def verify_chain(conn: AsyncConnection) -> tuple[int, int | None]:
    """(rows read, seq of the first row that does not fit the chain or None)."""
    rows, broken = await walk(conn)
    return (rows, None) if broken is None else (rows + 1, broken.seq)


def _row(row: Any) -> Row:
    return Row(
        row["seq"], row["at"], row["kind"], row["actor"], row["action_id"], row["payload_text"], row["prev_hash"], row["hash"]
    )  # fmt: skip


async def stretch(
    conn: AsyncConnection, *, since: datetime | None = None, until: datetime | None = None
) -> tuple[int, str, int, str]:
    """(first seq, hash before it, last seq, its hash) of the unbroken stretch that holds every row of a window; (1, "", 0, "")
    when there is none. Rows between may lie a moment outside: several processes' clocks write one log."""
    row = (
        await conn.execute(
            text(
                """with w as (select min(seq) as first, max(seq) as last from audit_log
                    where at >= coalesce(cast(:since as timestamptz), '-infinity')
                      and at < coalesce(cast(:until as timestamptz), 'infinity'))
                  select w.first, w.last, a.prev_hash, b.hash from w
                  join audit_log a on a.seq = w.first join audit_log b on b.seq = w.last"""
            ),
            {"since": since, "until": until},
        )
    ).first()
    return (row.first, row.prev_hash, row.last, row.hash) if row else (1, "", 0, "")


async def rows(conn: AsyncConnection, *, first: int, last: int, kind: str | None = None) -> AsyncIterator[Row]:
    """Rows of a stretch in their order; `kind` is a whole kind or a beginning like `approval.`."""
    result = await conn.stream(
        text(f"{_CHAIN} where seq between :first and :last and starts_with(kind, :kind) order by seq"),
        {"first": first, "last": last, "kind": kind or ""},
    )
    async for row in result.mappings():
        yield _row(row)


async def newest(conn: AsyncConnection) -> datetime | None:
    """The moment of the newest row."""
    return (await conn.execute(text("select max(at) from audit_log"))).scalar_one()


async def judgements(
    conn: AsyncConnection, *, action_id: str | None = None, since: datetime | None = None, until: datetime | None = None
) -> AsyncIterator[Judgement]:
    """Every judgement that the chain tells of, in its order; of one action, or of a window."""
    where, values = "", dict[str, Any]()
    for clause, name, value in (
        ("l.action_id = :action_id", "action_id", action_id),
        ("l.at >= :since", "since", since),
        ("l.at < :until", "until", until),
    ):
        if value is not None:
            where, values[name] = f"{where} and {clause}", value
    result = await conn.stream(text(f"{_JUDGEMENTS}{where} order by l.seq"), values)
    async for row in result.mappings():
        yield Judgement(
            seq=row["seq"],
            kind=row["kind"],
            at=row["at"],
            actor=row["actor"],
            action_id=row["action_id"],
            payload_text=row["payload_text"],
            digest=row["digest"],
            policy_version=row["policy_version"],
            policy_hash=row["policy_hash"],
            policy_text=row["document"],
            law=row["law"],
            facts_text=row["facts"],
            verdict_text=row["verdict"],
        )


async def decisions(
    conn: AsyncConnection, *, decision_id: str | None = None, since: datetime | None = None, until: datetime | None = None
) -> AsyncIterator[Decision]:
    """Every decision of the optimizer, oldest first; one, or a window."""
    where, values = list[str](), dict[str, Any]()
    for clause, name, value in (
        ("d.id = :decision_id", "decision_id", decision_id),
        ("d.at >= :since", "since", since),
        ("d.at < :until", "until", until),
    ):
        if value is not None:
            where.append(clause)
            values[name] = value
    sql = f"{_DECISIONS}{' where ' if where else ''}{' and '.join(where)} order by d.at, d.id"
    result = await conn.stream(text(sql), values)
    async for row in result.mappings():
        yield Decision(
            id=row["id"],
            at=row["at"],
            history_text=row["history"],
            history_hash=row["history_hash"],
            figures_text=row["figures"],
            document_text=row["document"],
            document_hash=row["document_hash"],
            policy_version=row["policy_version"],
            policy_text=row["policy"],
            told_text=row["told"],
            seq=row["seq"],
        )


async def gaps(conn: AsyncConnection) -> Gaps:
    """What cannot be replayed because its record is not there. Rows cut off the chain's end show here too."""
    row = (
        await conn.execute(
            text(
                """select
                  (select count(*) from actions a where a.verdict is not null
                    and not exists (select 1 from judgements j where j.action_id = a.id)) as unjudged,
                  (select count(*) from judgements j where not exists (
                    select 1 from audit_log l where l.seq = j.seq and l.payload ->> 'judgement' = j.digest)) as untold,
                  (select count(*) from decisions d where not exists (select 1 from audit_log l
                    where l.kind = 'decision.made' and l.payload ->> 'decision_id' = d.id::text)) as decisions,
                  (select count(*) from audit_log l where l.kind = 'decision.made' and not exists (
                    select 1 from decisions d where d.id::text = l.payload ->> 'decision_id')) as missing"""
            )
        )
    ).one()
    return Gaps(row.unjudged, row.untold, row.decisions, row.missing)
