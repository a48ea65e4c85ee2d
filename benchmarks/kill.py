"""The kill switch under load: two workers write to the sandbox over HTTP, a switch is set, and the sandbox's own book tells when
it accepted the last write. Nothing of the house's own clockwork is believed.

Then writes that have to wait for their connection while the switch is set, because every pooled one hangs in a read or because the
vendor is slow to accept one. What they are written to notes when it has a whole request."""

from __future__ import annotations

import asyncio
import json
import socket
import statistics
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.measure import Row

ROOT = Path(__file__).resolve().parent.parent
TRIALS = 20
WORKERS = 2
LIMIT_MS = 1000.0
FLOWING = 6
"""Writes after which both workers are at it (again)."""
PATIENCE = 30.0
WATCH = 1.6
"""Seconds after the switch in which a late write would still be seen."""
WAITERS = 5
"""Trials of each way in which a write waits for its connection."""
HOLD = 1.5
"""Seconds after the switch for which such a connection does not come; a write let out then is later than the limit."""


@dataclass(frozen=True)
class Trial:
    """One switch. `last_ms`: from asking for it to the last write that the sandbox accepted; 0 when none came after."""

    before: int
    after: int
    last_ms: float
    late: int
    returned_ms: float


@asynccontextmanager
async def process(*command: str) -> AsyncIterator[asyncio.subprocess.Process]:
    """A process of ours; gone at the end."""
    pipe = asyncio.subprocess.PIPE
    child = await asyncio.create_subprocess_exec(sys.executable, *command, cwd=ROOT, stdin=pipe, stdout=pipe)
    try:
        yield child
    finally:
        if child.stdin is not None:
            child.stdin.close()
        if child.returncode is None and "sandbox" in command:
            child.terminate()
        try:
            await asyncio.wait_for(child.wait(), 10)
        except TimeoutError:
            child.kill()
            await child.wait()


async def line(child: asyncio.subprocess.Process) -> str:
    """The next line that a child says. Raises RuntimeError when it ended instead."""
    assert child.stdout is not None
    said = await asyncio.wait_for(child.stdout.readline(), 60)
    if not said:
        raise RuntimeError("a process of the bench ended early; its error is above")
    return said.decode().strip()


async def start(*workers: asyncio.subprocess.Process) -> None:
    """Lets workers begin at the same moment, once all of them are ready."""
    for worker in workers:
        if (said := await line(worker)) != "ready":
            raise RuntimeError(f"a worker said {said!r}")
    for worker in workers:
        assert worker.stdin is not None
        worker.stdin.write(b"go\n")
        await worker.stdin.drain()


async def trials(url: str, count: int) -> list[Trial]:
    """Sets and lifts the switch `count` times while the workers write without a pause."""
    import httpx

    from benchmarks.gate import law
    from benchmarks.worker import START
    from knowledge.domain.action import Actor
    from knowledge.domain.clock import SettableClock
    from runtime.db.engine import make_engine
    from runtime.db.gate_books import PgGateBooks
    from tools.effects import Effects, Ports
    from tools.gate import Gate

    found: list[Trial] = []
    ana = Actor(kind="user", id="ana@example.com", role="manager")
    async with process("-m", "runtime.cli", "sandbox", "--no-personas") as sandbox:
        address = json.loads(await line(sandbox))["url"]
        async with (
            process("-m", "benchmarks.worker", "writes", url, "0", address) as one,
            process("-m", "benchmarks.worker", "writes", url, "1", address) as other,
            httpx.AsyncClient(base_url=address, timeout=10) as http,
        ):
            await start(one, other)
            engine = make_engine(url, pool_size=2)
            policy = law()
            gate = Gate(PgGateBooks(engine), Effects(Ports()), lambda: policy, SettableClock(START), executor="bench")

            async def since(position: int) -> tuple[int, list[dict[str, Any]]]:
                answer = (await http.get("/_sandbox/writes", params={"since": str(position)})).json()
                return answer["next"], answer["writes"]

            hours = asyncio.create_task(_hours_pass(http))
            for _ in range(count):
                begin, _ = await since(10**9)
                position, patience = begin, time.monotonic() + PATIENCE
                while position < begin + FLOWING:
                    if time.monotonic() > patience:
                        raise RuntimeError(f"the workers write nothing: {position - begin} writes in {PATIENCE} s")
                    await asyncio.sleep(0.1)
                    position, _ = await since(10**9)
                asked = time.time()
                outcome = await gate.kill("all", None, ana, "bench")
                returned = time.time()
                if not outcome.ok:
                    raise RuntimeError(f"the switch was not set: {outcome.message}")
                await asyncio.sleep(WATCH)
                _, rows = await since(begin)
                after = [row["wall"] - asked for row in rows if row["wall"] > asked]
                found.append(
                    Trial(
                        before=len(rows) - len(after),
                        after=len(after),
                        last_ms=1000 * max(after, default=0.0),
                        late=sum(1 for seconds in after if 1000 * seconds > LIMIT_MS),
                        returned_ms=1000 * (returned - asked),
                    )
                )
                async with gate._core.books.transaction() as tx:
                    kills = await tx.kills()
                for switch in kills:
                    await gate.resume(switch.id, ana)
            hours.cancel()
            await engine.dispose()
    return found


async def _hours_pass(http: Any) -> None:
    """The sandbox's clock moves on: an ad set's budget may be changed four times an hour there, as at Meta."""
    from datetime import datetime, timedelta

    while True:
        now = datetime.fromisoformat((await http.get("/_sandbox/clock")).json()["now"])
        await http.post("/_sandbox/advance", json={"to": (now + timedelta(hours=1)).isoformat()})
        await asyncio.sleep(0.3)


class SlowVendor:
    """A vendor on a socket of its own. Reads hang until `release`; `writes` are the moments at which it had a whole write.

    Before `open` it accepts no connection: its queue of one is full, and the kernel lets further ones knock again and again.
    """

    def __init__(self) -> None:
        self.writes: list[float] = []
        self.release = asyncio.Event()
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=0)
        self._queued: list[socket.socket] = []
        self._server: asyncio.Server | None = None
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"

    def block(self) -> None:
        """Fills the queue."""
        self._queued.append(socket.create_connection(self._listener.getsockname()))

    async def open(self) -> None:
        """Accepts from now on."""
        for one in self._queued:
            one.close()
        self._listener.listen(128)
        self._server = await asyncio.start_server(self._serve, sock=self._listener)

    def close(self) -> None:
        self.release.set()
        if self._server is not None:
            self._server.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(asyncio.IncompleteReadError, ConnectionError):
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).lower()
                if head.startswith(b"post"):
                    await reader.readexactly(int(head.split(b"content-length:")[1].split(b"\r\n")[0]))
                    self.writes.append(time.time())
                else:
                    await self.release.wait()
                writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}")
                await writer.drain()
        writer.close()


async def waiting(url: str, count: int) -> dict[str, list[Trial]]:
    """Sets the switch while a write waits for its connection, `count` times each way; lifts it and sees that writes flow again."""
    from benchmarks.gate import law
    from benchmarks.worker import START
    from knowledge.domain.action import Actor, SetBudget
    from knowledge.domain.clock import SettableClock
    from runtime.db.engine import make_engine
    from runtime.db.gate_books import PgGateBooks
    from tests.gate.house import brl
    from tools.effects import Effects, Ports
    from tools.errors import Killed
    from tools.gate import Gate
    from tools.guardrails import kill_switch
    from tools.http import VendorHttp
    from tools.permit import Permit, use_permit

    ana = Actor(kind="user", id="ana@example.com", role="manager")
    action = SetBudget(platform="meta", campaign_id="waits", daily_budget=brl("100"))
    engine = make_engine(url, pool_size=2)
    books, policy = PgGateBooks(engine), law()
    gate = Gate(books, Effects(Ports()), lambda: policy, SettableClock(START), executor="bench")

    async def guard() -> None:
        async with books.transaction() as tx:
            if kill_switch.covering(action, str(ana), await tx.kills()) is not None:
                raise Killed("bench")

    async def write(http: VendorHttp) -> None:
        with use_permit(Permit("a", "k", kill_switch.scopes(action, str(ana)), guard)):
            await http.write("POST", "/budget", operation="budget.set", json={"daily_budget": 1})

    async def busy(vendor: SlowVendor, http: VendorHttp) -> list[asyncio.Task[Any]]:
        await vendor.open()
        return [asyncio.create_task(http.read("GET", "/list", operation="list")) for _ in range(20)]

    async def slow(vendor: SlowVendor, _http: VendorHttp) -> list[asyncio.Task[Any]]:
        vendor.block()
        return []

    async def trial(prepare: Callable[[SlowVendor, VendorHttp], Awaitable[list[asyncio.Task[Any]]]]) -> Trial:
        vendor = SlowVendor()
        http = VendorHttp("bench", vendor.url, per_second=1000)
        reads = await prepare(vendor, http)
        await asyncio.sleep(0.3)
        late = asyncio.create_task(write(http))
        await asyncio.sleep(0.2)
        if late.done() or vendor.writes:
            raise RuntimeError("the write did not have to wait")
        asked = time.time()
        if not (outcome := await gate.kill("all", None, ana, "bench")).ok:
            raise RuntimeError(f"the switch was not set: {outcome.message}")
        returned = time.time()
        await asyncio.sleep(HOLD)
        if not reads:
            await vendor.open()
        vendor.release.set()
        with suppress(Killed):
            await late
        await asyncio.gather(*reads)
        after = [moment - asked for moment in vendor.writes]
        async with books.transaction() as tx:
            kills = await tx.kills()
        for switch in kills:
            await gate.resume(switch.id, ana)
        await write(http)
        if len(vendor.writes) != len(after) + 1:
            raise RuntimeError("after the switch was lifted nothing was written")
        await http.aclose()
        vendor.close()
        last = 1000 * max(after, default=0.0)
        return Trial(0, len(after), last, sum(1 for each in after if 1000 * each > LIMIT_MS), 1000 * (returned - asked))

    ways = {"every connection hangs in a read": busy, "the vendor is slow to accept a connection": slow}
    try:
        return {name: [await trial(prepare) for _ in range(count)] for name, prepare in ways.items()}
    finally:
        await engine.dispose()


async def kill(url: str, _folder: Path, rounds: int) -> list[Row]:
    """p50, p95 and maximum over the trials, and how many writes came later than the limit (none may)."""
    found = {f"{WORKERS} workers": await trials(url, max(TRIALS, rounds)), **await waiting(url, WAITERS)}
    return [_row(name, each) for name, each in found.items()]


def _row(name: str, found: list[Trial]) -> Row:
    last = sorted(trial.last_ms for trial in found)
    return Row(
        f"kill switch: last write accepted after it, {name}",
        statistics.median(last),
        statistics.median(trial.returned_ms for trial in found),
        "the switch itself being set (committed)",
        {
            "p95_ms": last[min(len(last) - 1, int(0.95 * len(last)))],
            "max_ms": last[-1],
            "trials": len(found),
            "writes_before": sum(trial.before for trial in found),
            "writes_after": sum(trial.after for trial in found),
            "writes_later_than_1s": sum(trial.late for trial in found),
        },
        limit=LIMIT_MS,
        limited=last[-1],
    )
