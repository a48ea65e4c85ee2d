"""The house of the proof over Postgres: an embedded server, and worker processes that are told what to do and may be killed."""

from __future__ import annotations

import asyncio
import contextlib
import json
import multiprocessing
import os
import socket
import tempfile
import time
from pathlib import Path
from types import TracebackType
from typing import Any

from runtime.db.embedded import EmbeddedPostgres
from runtime.db.engine import libpq_url, with_database
from runtime.db.migrate import migrate
from runtime.proof import worker
from runtime.proof.parts import Part

_STARTS = "forkserver" if "forkserver" in multiprocessing.get_all_start_methods() else "spawn"


def _processes() -> Any:
    """Starts worker processes: forks of one that has imported everything, where the system can do that."""
    context = multiprocessing.get_context(_STARTS)
    if _STARTS == "forkserver":
        context.set_forkserver_preload(["runtime.proof.warm"])
    return context


class Hand:
    """A worker process and the line to it. It may be asked several things at once."""

    def __init__(self) -> None:
        self._link, theirs = socket.socketpair()
        self.process = _processes().Process(target=worker.run, args=(theirs,), daemon=True)
        self.process.start()
        theirs.close()
        self._asked: dict[int, asyncio.Future[dict[str, Any] | None]] = {}
        self._number = 0

    async def ready(self) -> Hand:
        reader, self._writer = await asyncio.open_connection(sock=self._link, limit=2**20)
        self._listening = asyncio.create_task(self._listen(reader))
        return self

    async def _listen(self, reader: asyncio.StreamReader) -> None:
        with contextlib.suppress(ConnectionError):
            while line := await reader.readline():
                number, answer = json.loads(line)
                self._tell(self._asked.pop(number), answer)
        while self._asked:
            self._tell(self._asked.popitem()[1], None)
        self._writer.close()

    @staticmethod
    def _tell(asker: asyncio.Future[dict[str, Any] | None], answer: dict[str, Any] | None) -> None:
        if not asker.done():  # whoever asked may have been interrupted
            asker.set_result(answer)

    async def ask(self, command: dict[str, Any]) -> dict[str, Any] | None:
        """The worker's answer; None when it died over it."""
        if self._listening.done():
            return None
        self._number += 1
        answer = self._asked[self._number] = asyncio.get_running_loop().create_future()
        self._writer.write(json.dumps([self._number, command]).encode() + b"\n")
        return await answer

    def kill(self) -> None:
        self.process.kill()

    async def end(self) -> None:
        """It ends when the line does."""
        self._writer.close()
        await self._listening
        await asyncio.to_thread(self.process.join, 5)
        self.kill()


class House:
    """Postgres, a template of the schema, and the worker processes; each part gets a database and a sandbox of its own.

    `server` and `template`: a running Postgres with a migrated database to copy from; an embedded one of its own without them.
    """

    def __init__(self, workers: int, *, server: str | None = None, template: str = "proof_template") -> None:
        self._given, self._template = server, template
        self._workers = max(2, workers)
        self._folder = tempfile.TemporaryDirectory(prefix="ceo-proof-")
        os.chmod(self._folder.name, 0o755)  # Postgres runs as a user of its own when we are root
        self.hands: list[Hand] = []

    def __enter__(self) -> House:
        import psycopg

        self.loop = asyncio.Runner()
        if self._given is not None:
            self.url = self._given
            return self._hire()
        self._server = EmbeddedPostgres(Path(self._folder.name) / "postgres")
        self._server.__enter__()
        self.url = self._server.url
        with psycopg.connect(self._server.libpq_url, autocommit=True) as connection:
            # Nobody cuts the power here: what is proven is what the processes do, not the disk. A part is too short to be vacuumed.
            for setting in ("fsync", "synchronous_commit", "full_page_writes", "autovacuum", "jit"):
                connection.execute(f"alter system set {setting} = off")  # pyright: ignore[reportArgumentType]
            connection.execute("select pg_reload_conf()")
            connection.execute("create database proof_template")
        migrate(with_database(self.url, "proof_template"))
        return self._hire()

    def _hire(self) -> House:
        for _ in range(self._workers):
            self.hands.append(self.loop.run(Hand().ready()))
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        for hand in self.hands:
            self.loop.run(hand.end())
        self.loop.close()
        if self._given is None:
            self._server.__exit__(kind, error, trace)
        self._folder.cleanup()

    def part(self, number: int, seed: int, steps: int, *, tail: int = 30) -> Part:
        """One episode on a database and a sandbox of its own."""
        import psycopg

        began, name = time.monotonic(), f"part_{number}_{time.monotonic_ns()}"
        with psycopg.connect(libpq_url(self.url), autocommit=True) as connection:
            connection.execute(f"create database {name} template {self._template} strategy file_copy".encode())
        from runtime.proof.story import Story

        try:
            story = Story(self, with_database(self.url, name), seed)
            self.loop.run(story.run(steps))
        finally:
            with psycopg.connect(libpq_url(self.url), autocommit=True) as connection:
                connection.execute(f"drop database {name} with (force)".encode())
        judge = story.judge
        return Part(
            number, seed, story.steps, round(time.monotonic() - began, 3), judge.commits, dict(story.counts), dict(story.faults),
            judge.breaches, judge.lines[-tail:] if judge.breaches or tail > 1000 else [],
        )  # fmt: skip
