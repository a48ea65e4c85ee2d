"""Who is alive: one advisory lock per process incarnation, freed by the database when the process dies.

The lock's key is derived from the incarnation, so any process can ask whether another one still lives by trying to take its lock.
Needs a session of its own (port 5432 on Supabase, not the transaction pooler).
"""

from __future__ import annotations

import os
import socket
import uuid
from datetime import datetime

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from runtime.db import wire

SPACE = 0x0CE0
"""First half of the two-part advisory lock keys of incarnations; slots use the next number."""


async def alive(conn: wire.Errand, incarnation: str) -> bool:
    """Whether the process of that incarnation still holds its lock. Asked inside a transaction; leaves no lock behind it."""
    asked = {"space": SPACE, "id": incarnation}
    row = await wire.one(conn, "select pg_try_advisory_xact_lock(cast(:space as int), hashtext(:id)) as free", asked)
    assert row is not None
    return not row["free"]


class Lease:
    """This process's claim to be alive, and the lowest free executor slot."""

    def __init__(self, conn: AsyncConnection, incarnation: str, slot: int) -> None:
        self._conn = conn
        self.incarnation = incarnation
        self.slot = slot

    @property
    def executor_id(self) -> str:
        """The durable engine's executor id: a restart takes a freed slot, and the engine's own start-up recovery its work."""
        return f"ceo-{self.slot}"

    @classmethod
    async def acquire(cls, engine: AsyncEngine, now: datetime, *, slots: int = 64) -> Lease:
        """Takes the lowest free slot. Raises RuntimeError when all are held."""
        incarnation = str(uuid.uuid4())
        conn = await engine.connect()
        await conn.execution_options(isolation_level="AUTOCOMMIT")
        await conn.execute(text("select pg_advisory_lock(:space, hashtext(:id))"), {"space": SPACE, "id": incarnation})
        for slot in range(slots):
            got = await conn.execute(text("select pg_try_advisory_lock(:space, :slot)"), {"space": SPACE + 1, "slot": slot})
            if got.scalar_one():
                await conn.execute(
                    text("update executors set lost_at = :now where slot = :slot and lost_at is null"),
                    {"now": now, "slot": slot},
                )
                await conn.execute(
                    text(
                        "insert into executors (incarnation, slot, pid, host, started_at)"
                        " values (:incarnation, :slot, :pid, :host, :now)"
                    ),
                    {"incarnation": incarnation, "slot": slot, "pid": os.getpid(), "host": socket.gethostname(), "now": now},
                )
                return cls(conn, incarnation, slot)
        await conn.close()
        raise RuntimeError(f"all {slots} executor slots are held; stop a worker or raise the number of slots")

    async def held(self) -> bool:
        """Whether the claim still stands. A process that lost it must stop: others already do its work."""
        try:
            await self._conn.execute(text("select 1"))
        except Exception:  # any failure of this connection means the lock is gone or cannot be trusted
            return False
        return True

    async def release(self) -> None:
        """Gives slot and incarnation back."""
        await self._conn.execute(
            text("update executors set lost_at = clock_timestamp() where incarnation = :id"), {"id": self.incarnation}
        )
        await self._conn.execute(text("select pg_advisory_unlock_all()"))
        await self._conn.close()
