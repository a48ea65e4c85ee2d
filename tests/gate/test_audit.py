"""The chain: every step is in it, and one changed byte is found where it is."""

from __future__ import annotations

import asyncio

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from knowledge.domain.chain import Anchor, chain_hash
from runtime.db.audit_reads import head, verify_chain, walk
from runtime.db.audit_reads import rows as rows_of
from tests.gate.house import ANA, Bench, budget, publication


async def busy_day(bench: Bench) -> None:
    await bench.running(amount="50")
    await bench.submit(publication("new", "20"), "k1")
    waiting = await bench.submit(budget("65"), "k2")
    await bench.gate.approve(waiting.action_id, ANA)
    await bench.submit(budget("900"), "k3")
    await bench.gate.kill("platform", "tiktok", ANA, "manutenção às 14 h")


async def verified(bench: Bench) -> tuple[int, int | None]:
    async with bench.engine.connect() as conn:
        return await verify_chain(conn)


async def tamper(bench: Bench, sql: str, **params: object) -> None:
    """As the database's owner could, with the guards switched off."""
    async with bench.engine.begin() as conn:
        await conn.execute(text("set local session_replication_role = replica"))
        assert (await conn.execute(text(sql), params)).rowcount == 1


async def test_every_step_is_in_the_chain(bench: Bench) -> None:
    await busy_day(bench)
    kinds = [r[0] for r in await bench.rows("select kind from audit_log order by seq")]
    assert kinds == [
        "action.authorised", "action.done", "action.waiting", "approval.approved", "action.done", "action.refused", "kill.set",
    ]  # fmt: skip
    assert await verified(bench) == (7, None)


async def test_concurrent_writers_make_one_chain(bench: Bench) -> None:
    await asyncio.gather(*(bench.beside().submit(publication(f"c{n}", "5"), f"k{n}") for n in range(12)))
    assert await verified(bench) == (24, None)


@pytest.mark.parametrize(
    ("change", "found_at"),
    [
        ("update audit_log set payload_text = replace(payload_text, '6500', '6600') where seq = 3", 3),
        ("update audit_log set payload = jsonb_set(payload, '{action,daily_budget,minor}', '6600') where seq = 3", 3),
        ("update audit_log set actor = 'user:rui@example.com' where seq = 4", 4),
        ("update audit_log set at = at + interval '1 microsecond' where seq = 1", 1),
        ("update audit_log set kind = 'action.done' where seq = 6", 6),
        ("update audit_log set action_id = null where seq = 2", 2),
        ("delete from audit_log where seq = 5", 5),
        ("delete from audit_log where seq = 1", 1),
        ("update audit_log set seq = 100 where seq = 6", 6),
    ],
)
async def test_a_change_is_located(bench: Bench, change: str, found_at: int) -> None:
    await busy_day(bench)
    await tamper(bench, change)
    assert (await verified(bench))[1] == found_at


TEXTS = ("kind", "actor", "payload_text", "prev_hash", "hash")


async def test_any_one_byte_of_any_row_is_found_where_it_was_flipped(bench: Bench) -> None:
    """Hypothesis's own choice of row, column, place and bit; each flip is taken back before the next."""
    await busy_day(bench)
    rows = await bench.rows("select seq, kind, actor, payload_text, prev_hash, hash, action_id::text from audit_log order by seq")
    draws: list[tuple[int, str, int, int]] = []

    @settings(max_examples=250, deadline=None, database=None)
    @given(
        st.sampled_from([r[0] for r in rows]), st.sampled_from([*TEXTS, "at", "action_id"]), st.integers(0, 5000), st.integers(0, 6)
    )
    def draw(seq: int, column: str, place: int, bit: int) -> None:
        draws.append((seq, column, place, bit))

    draw()
    flipped = 0
    async with bench.engine.connect() as conn:
        for seq, column, place, bit in draws:
            row = rows[seq - 1]
            change, values = "", {"seq": seq}
            if column == "at":
                change, values["step"] = "at = at + make_interval(secs => :step)", (1 << bit) / 1e6
            elif column == "action_id":
                other = None if row[6] and bit == 0 else f"{(int((row[6] or '0').replace('-', ''), 16) ^ (1 << place % 128)):032x}"
                change, values["value"] = "action_id = cast(:value as uuid)", other
            else:
                old = row[1 + TEXTS.index(column)]
                if not old:
                    continue
                at = place % len(old)
                new = old[:at] + chr(ord(old[at]) ^ (1 << bit)) + old[at + 1 :]
                if "\x00" in new or new == old:
                    continue
                change, values["value"] = f"{column} = :value", new
            await conn.execute(text("set local session_replication_role = replica"))
            await conn.execute(text(f"update audit_log set {change} where seq = :seq"), values)
            _, broken = await walk(conn)
            assert broken is not None and broken.seq == seq, (seq, column, place, bit, broken)
            flipped += 1
            await conn.rollback()
        assert await walk(conn) == (7, None)
    assert flipped > 150


async def test_rows_cut_off_the_end_are_found_by_an_anchor(bench: Bench) -> None:
    """The chain that is left is whole in itself: only what was written down outside tells of the missing end."""
    await busy_day(bench)
    async with bench.engine.connect() as conn:
        anchor = Anchor(bench.clock.now(), *await head(conn))
    await tamper(bench, "delete from audit_log where seq = 7")
    async with bench.engine.connect() as conn:
        assert (await walk(conn))[1] is None
        broken = (await walk(conn, [anchor]))[1]
    assert broken is not None and (broken.seq, broken.fault) == (7, "cut")


async def test_a_log_rewritten_from_a_row_on_is_found_by_an_anchor(bench: Bench) -> None:
    """Every hash recomputed, as the database's owner could: whole in itself, and not what the anchor saw."""
    await busy_day(bench)
    async with bench.engine.connect() as conn:
        anchors = [
            Anchor(bench.clock.now(), seq, digest)
            for seq, digest in await bench.rows("select seq, hash from audit_log order by seq")
        ]
        old = [row async for row in rows_of(conn, first=1, last=7)]
    prev = old[2].hash
    for row in old[3:]:
        actor = "user:eva@example.com" if row.seq == 4 else row.actor
        digest = chain_hash(prev, row.seq, row.at, row.kind, actor, row.action_id, row.payload_text)
        change = "update audit_log set actor = :actor, prev_hash = :prev, hash = :hash where seq = :seq"
        await tamper(bench, change, actor=actor, prev=prev, hash=digest, seq=row.seq)
        prev = digest
    async with bench.engine.connect() as conn:
        assert (await walk(conn))[1] is None
        broken = (await walk(conn, anchors[2:7:3]))[1]  # anchors at rows 3 and 6
    assert broken is not None and (broken.seq, broken.fault) == (6, "anchor")


async def test_no_session_may_change_a_row_in_the_ordinary_way(bench: Bench) -> None:
    await busy_day(bench)
    for sql in ("update audit_log set actor = 'x'", "delete from audit_log", "truncate audit_log"):
        with pytest.raises(DBAPIError):
            async with bench.engine.begin() as conn:
                await conn.execute(text(sql))
    assert await verified(bench) == (7, None)
