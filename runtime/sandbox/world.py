"""The state that all twins share: simulated time, seeded chance, faults, webhook delivery, and the book of accepted writes."""

from __future__ import annotations

import asyncio
import hashlib
import heapq
import itertools
import random
import re
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import httpx

if TYPE_CHECKING:
    from runtime.sandbox.adtree import AdBook, Order

Callback = Callable[[], Awaitable[None]]
FaultForm = Callable[["Fault"], tuple[int, dict[str, str], bytes]]


@dataclass(frozen=True)
class Write:
    """One vendor write that a twin accepted (committed). `key` is whatever idempotency mark the request carried, if any."""

    vendor: str
    operation: str
    object_id: str
    key: str | None
    at: datetime
    wall: float
    detail: dict[str, Any] = field(default_factory=dict)


@dataclass
class Fault:
    """A planned misbehaviour. `match` is searched in "METHOD /path?query" and "METHOD /path"; `times` is how many
    more requests it hits.

    kinds: commit_then_500 | error_500 | html_502 | timeout (commits, then never answers within `seconds`) |
    rate_limit | expired_token | drop (closes without committing) | commit_then_drop | upgraded_version (Meta only:
    answers as a newer API version). The twin's dispatcher turns each into the vendor's own wire form.
    """

    match: str
    kind: str
    times: int = 1
    seconds: float = 30.0


@dataclass(frozen=True)
class Refusal:
    """A request that no twin understood: an unknown route, parameter or field. A test that ends with one has a client bug."""

    vendor: str
    method: str
    path: str
    reason: str
    at: datetime


@dataclass(frozen=True)
class WebhookTarget:
    """Where a source's webhooks go, and what signs them (None = the source does not sign)."""

    url: str
    secret: str | None = None


class World:
    """Everything the twins agree on. Deterministic: same seed and same order of advances give the same story.

    Twins hook in here: `book_sections[name]` (a function that describes their state for GET /_sandbox/book),
    `fault_forms[prefix]` (a planned fault -> status, headers, body in the vendor's words) and `order_listeners`
    (told of every true order at the simulated moment it is placed).
    """

    def __init__(self, seed: int, start: datetime) -> None:
        if start.tzinfo is None:
            raise ValueError("start: a naive datetime; give an aware UTC one")
        self.seed = seed
        self.now = start.astimezone(UTC)
        self.started_at = self.now
        self.writes: list[Write] = []
        self.refusals: list[Refusal] = []
        self.faults: list[Fault] = []
        self.fault_forms: dict[str, FaultForm] = {}
        self.targets: dict[str, WebhookTarget] = {}
        self.delivery_errors: list[dict[str, Any]] = []
        self.book_sections: dict[str, Callable[[], dict[str, Any]]] = {}
        self.orders: list[Order] = []
        self.order_listeners: list[Callable[[Order], Awaitable[None]]] = []
        self.ads: AdBook | None = None
        self._events: list[tuple[datetime, int, Callback]] = []
        self._tie = itertools.count()
        self._ids: dict[str, int] = {}
        self._lock = asyncio.Lock()
        self._http: httpx.AsyncClient | None = None

    def rng(self, *key: object) -> random.Random:
        """A generator that depends on the seed and the key only, never on the order of requests."""
        digest = hashlib.sha256(repr((self.seed, *key)).encode()).digest()
        return random.Random(int.from_bytes(digest[:8], "big"))

    def next_id(self, kind: str, start: int) -> int:
        """The next numeric id of a kind; `start` sets the vendor's usual magnitude."""
        self._ids[kind] = self._ids.get(kind, start) + 1
        return self._ids[kind]

    def record(self, vendor: str, operation: str, object_id: str, key: str | None = None, **detail: Any) -> None:
        """Notes an accepted write with simulated and wall time (`wall` is what kill-switch tests read)."""
        self.writes.append(Write(vendor, operation, object_id, key, self.now, time.time(), detail))

    def refuse(self, vendor: str, method: str, path: str, reason: str) -> None:
        """Notes a request that no twin understands; the twin still answers it in the vendor's own error form."""
        self.refusals.append(Refusal(vendor, method, path, reason, self.now))

    def take_fault(self, method: str, path: str, query: str = "") -> Fault | None:
        """The first planned fault that matches this request, its counter reduced. `query` is the decoded query string."""
        for fault in self.faults:
            candidates = (f"{method} {path}", f"{method} {path}?{query}") if query else (f"{method} {path}",)
            if fault.times > 0 and any(re.search(fault.match, text) for text in candidates):
                fault.times -= 1
                return fault
        return None

    def at(self, when: datetime, callback: Callback) -> None:
        """Schedules something for a simulated moment (never earlier than now)."""
        heapq.heappush(self._events, (max(when, self.now), next(self._tie), callback))

    @property
    def next_event_at(self) -> datetime | None:
        """The simulated moment of the next thing that will happen by itself."""
        return self._events[0][0] if self._events else None

    async def advance(self, to: datetime) -> int:
        """Moves simulated time to `to`, running due events in order. Returns how many ran. Never goes backwards."""
        async with self._lock:
            ran = 0
            while self._events and self._events[0][0] <= to:
                when, _, callback = heapq.heappop(self._events)
                self.now = max(self.now, when)
                await callback()
                ran += 1
            self.now = max(self.now, to)
            return ran

    async def deliver(self, source: str, body: bytes, headers: dict[str, str]) -> int | None:
        """Posts a webhook to its registered target as that vendor would. Returns the HTTP status, None without a target."""
        target = self.targets.get(source)
        if target is None:
            return None
        if self._http is None:
            self._http = httpx.AsyncClient(timeout=10)
        try:
            answer = await self._http.post(target.url, content=body, headers=headers)
        except httpx.HTTPError as error:
            self.delivery_errors.append({"source": source, "at": self.now.isoformat(), "error": repr(error)})
            return 599
        if answer.status_code >= 300:
            self.delivery_errors.append({"source": source, "at": self.now.isoformat(), "status": answer.status_code})
        return answer.status_code

    async def close(self) -> None:
        """Closes the webhook client."""
        if self._http is not None:
            await self._http.aclose()
            self._http = None
