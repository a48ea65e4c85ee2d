"""kill -9 in mid-publication: what was half done is finished by another process, once."""

from __future__ import annotations

import asyncio
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from runtime.db.lease import Lease
from tests.conftest import START, SandboxControl
from tests.gate.house import Bench, asks, publication
from tests.gate.publisher import gate_at

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize(
    ("stuck_at", "shown"),
    [
        (r"POST .*/campaigns", "create_campaign"),
        (r"POST .*/adsets", "create_adset"),
        (r"POST /meta/v[0-9.]+/[0-9]+($|\?)", "update"),
    ],
)
async def test_killed_publisher_is_finished_once(
    bench: Bench, engine: AsyncEngine, database_url: str, sandbox: SandboxControl, stuck_at: str, shown: str
) -> None:
    """The write is committed at the platform and its answer hangs; there the process dies."""
    sandbox.fault(stuck_at, "timeout", times=1, seconds=30)
    dying = subprocess.Popen(  # noqa: ASYNC220 - it must be a process that dies
        [sys.executable, "-m", "tests.gate.publisher", sandbox.url, database_url], cwd=ROOT
    )
    try:
        deadline = time.monotonic() + 20
        world = sandbox.app.state.world
        while not (world.faults and world.faults[0].times == 0):
            assert dying.poll() is None and time.monotonic() < deadline, "it ended before it was killed"
            await asyncio.sleep(0.02)
        await asyncio.sleep(0.1)  # the twin commits before it hangs
    finally:
        dying.send_signal(signal.SIGKILL)
        dying.wait()
    assert await bench.rows("select status from actions") == [("executing",)]
    assert await bench.held() == {"pia-meta": "held"}

    leases = [await Lease.acquire(engine, START) for _ in range(2)]
    heirs = [gate_at(sandbox.url, database_url, lease.incarnation) for lease in leases]
    # Several live processes look for what is left behind at the same moment.
    found = await asyncio.gather(*(heir.recover() for heir in heirs))
    statuses = [r.status for receipts in found for r in receipts]
    assert statuses.count("done") >= 1, found
    assert await heirs[0].recover() == []
    again = await heirs[1].submit(asks(publication(), "k1"))
    assert again.status == "done"

    book = sandbox.book()
    assert [(c["status"], c["groups"], c["ads"]) for c in book["ads"]["campaigns"]] == [("ACTIVE", 1, 1)]
    assert book["refusals"] == []
    external = book["ads"]["campaigns"][0]["id"]
    assert await bench.rows("select external_id, status from campaigns") == [(external, "testing")]
    assert await bench.held() == {"pia-meta": "settled"}
    assert await bench.rows("select status, attempts from actions") == [("done", 2)]
    kinds = [r[0] for r in await bench.rows("select kind from audit_log order by seq")]
    assert "action.judged" in kinds  # whoever finishes it judges it anew before it leaves again
    assert [kind for kind in kinds if kind != "action.judged"] == ["action.authorised", "action.unknown", "action.done"]
    for lease in leases:
        await lease.release()
