"""The whole gate under everything that may happen to it: a Hypothesis machine, and seeded episodes over memory and over Postgres."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from runtime.proof.__main__ import memory_part
from runtime.proof.episode import OPS, Episode
from runtime.proof.parts import Parts, seed_of
from runtime.proof.postgres import House

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


def test_worker_processes_over_postgres_break_no_law(postgres_url: str, template_database: str) -> None:
    with House(2, server=postgres_url, template=template_database) as house:
        part = house.part(0, 6000003, 120)
    assert part.breaches == [], "\n".join(part.lines)
    assert part.commits > 3


def test_parts_are_kept_and_a_run_goes_on_where_it_stopped(tmp_path: Path) -> None:
    first = Parts(tmp_path, "memory", 1, 50)
    first.add(memory_part(0, seed_of(1, 0), 50))
    first.add(memory_part(2, seed_of(1, 2), 50))
    with first.path.open("a") as file:
        file.write('{"number": 3, "seed"')  # interrupted in the middle of a line
    again = Parts(tmp_path, "memory", 1, 50)
    assert sorted(again.done) == [0, 2]
    assert again.steps == first.steps >= 100
    assert again.broken() is None
    assert memory_part(2, seed_of(1, 2), 50).counts == again.done[2].counts
