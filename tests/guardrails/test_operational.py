"""How calls to vendors behave when something fails: at the border of each dial, pure, and in the gate and the wire that ask for it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from decimal import Decimal

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from knowledge.domain.policy import Operational
from tools.errors import Unavailable
from tools.guardrails import operational
from tools.http import CircuitOpen, VendorHttp

DIALS = Operational(
    attempts=2, first_wait_seconds=Decimal("0.5"), longest_wait_seconds=Decimal("3"), breaker_failures=3, breaker_seconds=60
)


@pytest.mark.parametrize(
    ("failed", "asked", "more"),
    [(1, 0.0, True), (2, 0.0, False), (1, 3.0, True), (1, 3.01, False), (2, 3.0, False)],
)
def test_a_call_is_made_again_up_to_the_dial_and_never_through_a_long_rest(failed: int, asked: float, more: bool) -> None:
    assert operational.again(failed, DIALS, asked) is more


@given(failed=st.integers(1, 10), chance=st.floats(0, 1))
def test_waits_double_vary_by_half_and_end_at_the_longest(failed: int, chance: float) -> None:
    middle = 0.5 * 2 ** (failed - 1)
    wait = operational.rest(failed, DIALS, chance)
    assert min(3.0, middle / 2) <= wait <= min(3.0, middle * 1.5)


def test_one_attempt_is_one_call() -> None:
    assert not operational.again(1, Operational(attempts=1))


class Line:
    """A vendor that is down; counts what reaches it."""

    def __init__(self) -> None:
        self.calls = 0
        self.now = 0.0

    def wire(self, limits: Operational) -> VendorHttp:
        def answer(_: httpx.Request) -> httpx.Response:
            self.calls += 1
            return httpx.Response(503)

        transport = httpx.MockTransport(answer)
        return VendorHttp("x", "https://x.example", transport=transport, limits=limits, monotonic=lambda: self.now)


@pytest.fixture
def line() -> Line:
    return Line()


async def down(read: Callable[[], Awaitable[object]]) -> type[Unavailable]:
    with pytest.raises(Unavailable) as caught:
        await read()
    return type(caught.value)


async def test_the_wire_keeps_tries_and_breaker_of_the_dials(line: Line) -> None:
    quick = DIALS.model_copy(update={"first_wait_seconds": Decimal("0.001"), "longest_wait_seconds": Decimal("0.002")})
    http = line.wire(quick)

    async def read() -> object:
        return await http.read("GET", "/list", operation="list")

    assert await down(read) is Unavailable and line.calls == 2, "two tries, not the shipped three"
    assert await down(read) is CircuitOpen and line.calls == 3, "the third failure in a row opened it"
    line.now = 59.9
    assert await down(read) is CircuitOpen and line.calls == 3
    line.now = 60.0
    await down(read)
    assert line.calls == 4, "one trial after the dial's rest"
