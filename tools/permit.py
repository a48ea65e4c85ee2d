"""The leave to write to a vendor. Only the gate issues one; tools.http lets no write out without it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Generator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass


@dataclass(frozen=True)
class Permit:
    """One action's leave to write.

    `key` is the action's idempotency key; `scopes` are the kill-switch scopes it falls under, as (kind, id) pairs such as
    ("platform", "meta"). `guard` reads the kill switch and is awaited immediately before every outgoing write attempt:
    it raises tools.errors.Killed when a scope has been stopped meanwhile.
    """

    action_id: str
    key: str
    scopes: frozenset[tuple[str, str]]
    guard: Callable[[], Awaitable[None]]


class _Grant:
    """A permit and whether it still holds: a task started under it keeps the context, but must not keep the leave."""

    def __init__(self, permit: Permit) -> None:
        self.permit = permit
        self.open = True


_current: ContextVar[_Grant | None] = ContextVar("permit", default=None)


@contextmanager
def use_permit(permit: Permit) -> Generator[Permit]:
    """Grants the permit to the code inside the block. It ends with the block, also for tasks that were started in it."""
    grant = _Grant(permit)
    token = _current.set(grant)
    try:
        yield permit
    finally:
        grant.open = False
        _current.reset(token)


def current_permit() -> Permit | None:
    """The permit under which this code runs, or None outside the gate."""
    grant = _current.get()
    return grant.permit if grant is not None and grant.open else None
