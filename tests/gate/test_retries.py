"""Three attempts with growing, jittered pauses, and the same idempotency key on each of them (G6)."""

from __future__ import annotations

import random
from decimal import Decimal
from typing import Any

import pytest

from knowledge.domain.action import Action
from tests.gate.house import Bench, asks, budget, pause, publication
from tools.effects import Effects, Ports
from tools.errors import RateLimited, Refused, Unavailable
from tools.gate import Gate


def patient_gate(bench: Bench, pauses: list[float], seed: int) -> Gate:
    async def sleep(seconds: float) -> None:
        pauses.append(seconds)

    effects = Effects(Ports(ads={"meta": bench.ads}))
    return Gate(
        bench.books, effects, lambda: bench.policy, bench.clock, executor=bench.executor, sleep=sleep, chance=random.Random(seed)
    )


async def publish_in_bad_weather(bench: Bench, seed: int, failures: int = 3) -> tuple[str, list[float]]:
    bench.ads.fail["publish"] = [Unavailable("meta", "publish", "down") for _ in range(failures)]
    pauses: list[float] = []
    gate = patient_gate(bench, pauses, seed)
    receipt = await gate.submit(asks(publication(f"c{seed}", "5"), f"k{seed}"))
    bench.ads.fail["publish"] = []
    return receipt.status, pauses


async def test_three_attempts_with_exponential_pauses_and_jitter(bench: Bench) -> None:
    seen: set[float] = set()
    for seed in range(8):
        status, pauses = await publish_in_bad_weather(bench, seed)
        assert status == "failed"
        assert len(pauses) == 2, "no pause after the last attempt"
        for attempt, pause_for in enumerate(pauses):
            assert 0.1 * 2**attempt <= pause_for <= 0.3 * 2**attempt
        seen |= set(pauses)
    assert len(seen) == 16, "two workers that failed together do not come back together"
    assert bench.ads.count("publish") == 24


async def test_a_no_is_not_tried_again(bench: Bench) -> None:
    bench.ads.fail["publish"] = [Refused("meta", "publish", "bad image", "100")]
    pauses: list[float] = []
    receipt = await patient_gate(bench, pauses, 1).submit(asks(publication(), "k1"))
    assert (receipt.status, pauses, bench.ads.count("publish")) == ("failed", [], 1)


@pytest.mark.parametrize(
    ("operation", "action"), [("publish", publication("new", "5")), ("set_daily_budget", budget("22")), ("pause", pause())]
)
async def test_every_attempt_of_a_write_carries_the_actions_own_key(bench: Bench, operation: str, action: Action) -> None:
    await bench.running(amount="20")
    bench.ads.fail[operation] = [Unavailable("meta", operation, "down") for _ in range(2)]
    assert (await bench.submit(action, "the-key")).status == "done"
    assert bench.ads.calls == [(operation, "the-key")] * 3


def with_dials(bench: Bench, **dials: Any) -> None:
    limits = bench.policy.guardrails.operational.model_copy(update=dials)
    guardrails = bench.policy.guardrails.model_copy(update={"operational": limits})
    bench.policy = bench.policy.model_copy(update={"guardrails": guardrails})


@pytest.mark.parametrize("attempts", [1, 2, 4])
async def test_the_dial_says_how_often_and_how_long(bench: Bench, attempts: int) -> None:
    with_dials(bench, attempts=attempts, first_wait_seconds=Decimal(2), longest_wait_seconds=Decimal(4))
    status, pauses = await publish_in_bad_weather(bench, seed=attempts, failures=9)
    assert (status, bench.ads.count("publish"), len(pauses)) == ("failed", attempts, attempts - 1)
    assert all(1.0 <= pause_for <= 4.0 for pause_for in pauses)


@pytest.mark.parametrize(("asked", "status", "slept"), [(3.0, "done", [3.0]), (5.0, "done", [5.0]), (5.1, "failed", [])])
async def test_a_vendors_rest_is_kept_to_and_a_long_one_is_not_sat_out(
    bench: Bench, asked: float, status: str, slept: list[float]
) -> None:
    bench.ads.fail["publish"] = [RateLimited("meta", "publish", "slow down", retry_after=asked)]
    pauses: list[float] = []
    receipt = await patient_gate(bench, pauses, 1).submit(asks(publication(budget="5"), "k1"))
    assert (receipt.status, pauses) == (status, slept)
