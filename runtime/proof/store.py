"""Tables in memory with the transactions of Postgres at READ COMMITTED: own writes at once, others' when they commit, locks held to the end.

A transaction keeps what it writes to itself until it commits, so that one that fails leaves nothing. Who changes what another one has
changed waits for it; who waits in a circle is told so, as Postgres does. Time and chance play no part: the event loop's order decides.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from typing import Any, Final

_GONE: Final = object()
Pause = Callable[[], Awaitable[None]]


class Deadlock(RuntimeError):
    """Two transactions wait for each other; this one gave way."""


class Store:
    """The committed rows: table -> key -> row. Rows are never changed in place, only replaced."""

    def __init__(self) -> None:
        self.tables: dict[str, dict[Any, Any]] = {}
        self.owners: dict[Any, Transaction] = {}
        self.pause: Pause | None = None
        """Awaited before every operation: where a test lets another task run, or lets this one die."""

    def rows(self, table: str) -> dict[Any, Any]:
        return self.tables.setdefault(table, {})


class Transaction:
    """One unit of work on a store."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._new: dict[str, dict[Any, Any]] = {}
        self._held: list[Any] = []
        self._waits_for: Any = None
        self._ended = asyncio.Event()

    async def step(self) -> None:
        """A round trip to the books, as others see it."""
        if self._store.pause is not None:
            await self._store.pause()

    def get(self, table: str, key: Any) -> Any | None:
        own = self._new.get(table)
        if own is not None and key in own:
            value = own[key]
            return None if value is _GONE else value
        return self._store.rows(table).get(key)

    def scan(self, table: str) -> Iterator[Any]:
        """Every row, in the order in which they were first written."""
        kept, own = self._store.rows(table), self._new.get(table)
        if not own:
            yield from kept.values()
            return
        for key, value in kept.items():
            now = own.get(key, value)
            if now is not _GONE:
                yield now
        for key, value in own.items():
            if key not in kept and value is not _GONE:
                yield value

    def put(self, table: str, key: Any, value: Any) -> None:
        self._new.setdefault(table, {})[key] = value

    def drop(self, table: str, key: Any) -> None:
        self.put(table, key, _GONE)

    def written(self, table: str) -> dict[Any, Any]:
        """What this transaction has written to a table so far."""
        return {key: value for key, value in self._new.get(table, {}).items() if value is not _GONE}

    async def lock(self, name: Any) -> None:
        """Waits until no other transaction holds the lock; keeps it to the end. Raises Deadlock when the waiting would never end."""
        owners = self._store.owners
        while (owner := owners.get(name)) is not None and owner is not self:
            self._waits_for = name
            walked: Transaction | None = owner
            while walked is not None and walked._waits_for is not None:
                walked = owners.get(walked._waits_for)
                if walked is self:
                    self._waits_for = None
                    raise Deadlock(f"waits for {name} in a circle")
            try:
                await owner._ended.wait()
            finally:
                self._waits_for = None
            await self.step()
        if owner is None:
            owners[name] = self
            self._held.append(name)

    def commit(self) -> None:
        for table, rows in self._new.items():
            kept = self._store.rows(table)
            for key, value in rows.items():
                if value is _GONE:
                    kept.pop(key, None)
                else:
                    kept[key] = value
        self.end()

    def end(self) -> None:
        """Forgets what was not committed and lets go of every lock."""
        self._new = {}
        for name in self._held:
            del self._store.owners[name]
        self._held = []
        self._ended.set()
