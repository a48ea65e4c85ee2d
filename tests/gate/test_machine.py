"""The whole gate under everything that may happen to it: a Hypothesis machine, seeded episodes, and gates broken on purpose."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from runtime.proof.episode import OPS, Episode
from runtime.proof.memory_books import MemoryTx
from tools import permit
from tools.gate import care, core, people, performing
from tools.guardrails import budget_step, daily_cap, kill_switch
from tools.guardrails.rule import finding

CHANCE = st.randoms(use_true_random=False)


class Machine(RuleBasedStateMachine):
    """Every step of an episode as a rule, with its chance drawn by Hypothesis, so that what breaks is shrunk to the least."""

    @initialize(seed=st.integers(0, 2**32))
    def house(self, seed: int) -> None:
        self.runner = asyncio.Runner()
        self.episode = Episode(seed)

    def perform(self, op: str, chance: random.Random) -> None:
        self.runner.run(self.episode.perform(op, chance))

    @invariant()
    def no_law_is_broken(self) -> None:
        if hasattr(self, "episode"):
            assert self.episode.judge.breaches == [], "\n".join(self.episode.judge.lines[-30:])

    def teardown(self) -> None:
        if hasattr(self, "episode"):
            self.runner.run(self.episode.finish())
            self.no_law_is_broken()
            self.runner.close()


def _rule(op: str) -> Callable[..., None]:
    def step(self: Machine, chance: random.Random) -> None:
        self.perform(op, chance)

    step.__name__ = op
    return rule(chance=CHANCE)(step)


for _op in OPS:
    setattr(Machine, _op, _rule(_op))
# What a manager or a lead does most must come up most: the same rule under more names.
for _op in ("propose", "propose", "approve", "care", "minutes"):
    setattr(Machine, f"{_op}_{len(vars(Machine))}", _rule(_op))


class TestMachine(Machine.TestCase):  # type: ignore[name-defined, misc]
    settings = settings(
        max_examples=40, stateful_step_count=40, deadline=None, derandomize=True, print_blob=True,
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much, HealthCheck.data_too_large],
    )  # fmt: skip


def episode(seed: int, steps: int) -> Episode:
    made = Episode(seed)
    asyncio.run(made.run(steps))
    return made


@pytest.mark.parametrize("block", range(4))
def test_no_episode_breaks_a_law(block: int) -> None:
    done = 0
    for seed in range(block * 1000, block * 1000 + 8):
        made = episode(seed, 250)
        assert made.judge.breaches == [], "\n".join(made.judge.lines[-30:])
        done += made.counts["done"]
    assert done > 40  # episodes in which nothing happens prove nothing


def test_an_episode_is_the_same_whenever_it_is_run() -> None:
    assert episode(11, 200).judge.lines == episode(11, 200).judge.lines


# -- a proof that cannot fail proves nothing ------------------------------------------------------------------------------------


def found(sentence: str, seeds: int = 60, steps: int = 250) -> int:
    """Steps until a breach that says so; fails when none does."""
    taken = 0
    for seed in range(seeds):
        made = episode(seed, steps)
        taken += made.steps
        if any(sentence in breach for breach in made.judge.breaches):
            return taken
    raise AssertionError(f"{taken} steps over the broken gate and nobody saw it: {sentence}")


async def nothing(*_: Any, **__: Any) -> None:
    pass


async def test_the_judge_sees_room_that_is_not_reserved(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(MemoryTx, "reserve", nothing)
    await asyncio.to_thread(found, "holds no room")


async def test_the_judge_sees_room_that_is_never_given_back(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(MemoryTx, "settle", nothing)
    await asyncio.to_thread(found, "still holds room")


async def test_the_judge_sees_a_cap_that_is_not_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (daily_cap,):
        object.__setattr__(module.RULE, "judge", lambda *_: finding("daily_cap", "allow"))
    try:
        await asyncio.to_thread(found, "daily cap")
    finally:
        object.__setattr__(daily_cap.RULE, "judge", daily_cap._judge)
