"""The chain: every step is in it, and one changed byte is found where it is."""

from __future__ import annotations

import asyncio

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from runtime.db.audit_reads import verify_chain
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
        ("delete from audit_log where seq = 5", 6),
        ("delete from audit_log where seq = 1", 2),
    ],
)
async def test_a_change_is_located(bench: Bench, change: str, found_at: int) -> None:
    await busy_day(bench)
    await tamper(bench, change)
    assert (await verified(bench))[1] == found_at


async def test_no_session_may_change_a_row_in_the_ordinary_way(bench: Bench) -> None:
    await busy_day(bench)
    for sql in ("update audit_log set actor = 'x'", "delete from audit_log", "truncate audit_log"):
        with pytest.raises(DBAPIError):
            async with bench.engine.begin() as conn:
                await conn.execute(text(sql))
    assert await verified(bench) == (7, None)
