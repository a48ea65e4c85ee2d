"""Creating and changing things at a vendor so that a lost answer never becomes a second object. Used by the ad platforms."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar

from tools.errors import Killed, UnknownOutcome, VendorError

_T = TypeVar("_T")


class Reconciler:
    """Looks before it creates, and looks again when an answer was lost.

    `waits` are the pauses (seconds) before each look after a lost answer, since a vendor's lists lag behind. Until `settle`
    seconds after such a loss nothing is created again under the same name, even when no list shows it yet.
    """

    def __init__(
        self,
        vendor: str,
        *,
        waits: Sequence[float] = (0.3, 1.0, 3.0),
        settle: float = 20.0,
        monotonic: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._vendor = vendor
        self._waits = tuple(waits)
        self._settle = settle
        self._monotonic = monotonic
        self._sleep = sleep
        self._unsettled: dict[str, float] = {}
        # What this process created itself: a list that lags must not make it create that again.
        self._made: dict[str, str] = {}
        self._meant: dict[str, dict[str, int]] = {}

    async def ensure(
        self,
        name: str,
        operation: str,
        find: Callable[[], Awaitable[str | None]],
        create: Callable[[], Awaitable[str]],
        *,
        deduplicated: bool = False,
    ) -> str:
        """The id of the object called `name`: found, or created once.

        `deduplicated` says that the vendor itself recognises a repeated creation, so that there is no need to let a lost one
        settle. Raises UnknownOutcome when a lost answer stays unexplained.
        """
        found = await find()
        if found is not None:
            self._unsettled.pop(name, None)
            return found
        if name in self._made:
            return self._made[name]
        since = self._unsettled.get(name)
        if since is not None and self._monotonic() - since < self._settle and not deduplicated:
            raise UnknownOutcome(self._vendor, operation, "an earlier attempt was not answered and may still appear in the lists")
        try:
            self._made[name] = await create()
            return self._made[name]
        except UnknownOutcome:
            self._unsettled[name] = self._monotonic()
            for wait in self._waits:
                await self._sleep(wait)
                try:
                    found = await find()
                except VendorError:
                    # The creation stays unknown, whatever this look failed of.
                    continue
                if found is not None:
                    self._unsettled.pop(name, None)
                    return found
            raise

    async def change(
        self,
        operation: str,
        write: Callable[[], Awaitable[object]],
        read: Callable[[], Awaitable[_T]],
        agrees: Callable[[_T], bool],
    ) -> _T:
        """Writes absolute values, then returns the fresh read that shows them: a vendor's "success" alone proves nothing.

        Raises UnknownOutcome when no read shows them.
        """
        lost = "written, but the fresh read shows something else"
        try:
            await write()
        except UnknownOutcome as error:
            lost = error.detail
        return await self.proven(operation, read, agrees, lost)

    async def proven(self, operation: str, read: Callable[[], Awaitable[_T]], agrees: Callable[[_T], bool], lost: str) -> _T:
        """Reads until a read shows what was written. Raises UnknownOutcome saying `lost`, or what a read failed of."""
        for wait in (0.0, *self._waits):
            if wait:
                await self._sleep(wait)
            try:
                seen = await read()
            except VendorError as error:
                lost = f"written, but it could not be read back: {error.detail}"
                continue
            if agrees(seen):
                return seen
        raise UnknownOutcome(self._vendor, operation, lost)

    def split(self, key: str, now: dict[str, int], whole: int) -> dict[str, int]:
        """`shares`, the same for every attempt under a key: what half happened is finished as it was meant, not divided anew."""
        meant = self._meant.get(key)
        if meant is None or meant.keys() != now.keys() or sum(meant.values()) != whole:
            meant = self._meant[key] = shares(now, whole)
        return meant

    async def in_turn(self, operation: str, steps: Sequence[Callable[[], Awaitable[object]]]) -> None:
        """Takes the steps of one change. Once the first is taken, whatever stops the rest, be it the vendor's own no, a rate limit
        or the kill switch, is an UnknownOutcome: a part of the change is in force, so it is no failure."""
        for done, step in enumerate(steps):
            try:
                await step()
            except (VendorError, Killed) as error:
                if not done or isinstance(error, UnknownOutcome):
                    raise
                why = error.detail if isinstance(error, VendorError) else str(error)
                code = error.code if isinstance(error, VendorError) else None
                raise UnknownOutcome(self._vendor, operation, f"{done} of {len(steps)} parts are done, then: {why}", code) from None


def shares(now: dict[str, int], whole: int) -> dict[str, int]:
    """Splits a new total over parts in proportion to what they have (whole units); the new parts add up exactly."""
    before = sum(now.values())
    parts = {ident: whole * have // before for ident, have in now.items()}
    left = whole - sum(parts.values())
    for ident in sorted(now, key=lambda one: (-(whole * now[one] % before), one))[:left]:
        parts[ident] += 1
    return parts
