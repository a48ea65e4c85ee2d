"""A circuit breaker: after a run of failures it spares a vendor (and us) further calls, then lets one through as a trial."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

State = Literal["closed", "open", "half_open"]


class CircuitBreaker:
    """Per vendor account. `failures` in a row open it for `cooldown` seconds; then one trial call decides.

    `monotonic` is the seconds counter; it is passed in so that tests need not wait.
    """

    def __init__(self, monotonic: Callable[[], float], *, failures: int = 5, cooldown: float = 30.0) -> None:
        self._monotonic = monotonic
        self._limit = failures
        self._cooldown = cooldown
        self._failures = 0
        self._opened_at: float | None = None
        self._trial = False

    @property
    def state(self) -> State:
        """closed (calls pass), open (calls are refused here) or half_open (one trial may pass)."""
        if self._opened_at is None:
            return "closed"
        return "half_open" if self._monotonic() - self._opened_at >= self._cooldown else "open"

    @property
    def failures(self) -> int:
        """Failures since the last success."""
        return self._failures

    def admit(self) -> bool:
        """Whether a call may go now. In half_open only one call is admitted until its result is known."""
        state = self.state
        if state == "closed":
            return True
        if state == "open" or self._trial:
            return False
        self._trial = True
        return True

    def succeeded(self) -> None:
        """The vendor answered sensibly, be it with a refusal."""
        self._failures = 0
        self._opened_at = None
        self._trial = False

    def failed(self) -> None:
        """The vendor did not answer, or answered that it is broken."""
        self._failures += 1
        if self._trial or self._failures >= self._limit:
            self._opened_at = self._monotonic()
        self._trial = False

    def abandoned(self) -> None:
        """The call ended without news about the vendor (cancelled, or stopped here): a trial is given back."""
        self._trial = False
