"""Where a twin keeps its state: on the world it belongs to, one instance per class, gone when the world is."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from runtime.sandbox.world import World

T = TypeVar("T")


def state_of(world: World, make: Callable[[World], T]) -> tuple[T, bool]:
    """The state that `make` builds for this world, built on first use. Returns it and whether it is new."""
    kept: dict[object, T] = vars(world).setdefault("_twin_states", {})
    fresh = make not in kept
    if fresh:
        kept[make] = make(world)
    return kept[make], fresh
