"""Hourly: the audit log's head is written down outside the database, and the last one written is looked for in it."""

from __future__ import annotations

import asyncio
import logging
from datetime import datetime
from typing import TYPE_CHECKING, Any

from knowledge.domain.chain import Anchor
from runtime import anchors
from runtime.db import audit_reads

if TYPE_CHECKING:
    from runtime.wiring import House

log = logging.getLogger("ceo.audit")
CAUSE = "audit:anchor"


async def anchor(house: House, slot: datetime) -> dict[str, Any]:
    """Appends the head to the data folder's file and says it in the log, from where it goes to whoever collects logs.

    A row that an earlier anchor names and that is gone or another is a critical alert, and no new anchor is written: it would
    make the loss the truth. The whole chain is `ceo audit verify`'s to recompute; this looks at one row.
    """
    file = anchors.place(house.settings.secrets.ceo_data_dir)
    last = await asyncio.to_thread(anchors.latest, file)
    async with house.db.transaction() as tx:
        seq, digest = await audit_reads.head(tx.conn)
        known = None if last is None else await audit_reads.hash_at(tx.conn, last.seq)
    if last is not None and known != last.hash:
        await house.alert(CAUSE, "audit_broken", "critical", seq=last.seq, at=last.at)
        log.critical("audit anchor %s:%s of %s is not in the log", last.seq, last.hash, last.at.isoformat())
        return {"ok": False, "seq": last.seq}
    await house.resolve(CAUSE)
    await asyncio.to_thread(anchors.add, file, Anchor(house.clock.now(), seq, digest))
    log.info("audit anchor %s:%s", seq, digest)
    return {"ok": True, "seq": seq, "hash": digest}
