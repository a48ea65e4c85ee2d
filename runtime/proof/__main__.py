"""`make prove STEPS=… [BOOKS=memory|postgres] [SEED=…]`: steps over the whole gate, in parts, until so many are done or one breaks a law."""

from __future__ import annotations

import argparse
import asyncio
import sys
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from pathlib import Path

from runtime.proof.parts import ROOT, Part, Parts, seed_of

TAIL = 30
OUTCOMES = (
    "done", "failed", "unknown", "cancelled", "refused", "suggested", "waiting", "scheduled", "rejected", "expired", "replaced",
)  # fmt: skip


def memory_part(number: int, seed: int, steps: int) -> Part:
    """One episode over books in memory."""
    from runtime.proof.episode import Episode

    began = time.monotonic()
    episode = Episode(seed)
    asyncio.run(episode.run(steps))
    judge = episode.judge
    return Part(
        number, seed, episode.steps, round(time.monotonic() - began, 3), judge.commits, dict(episode.counts),
        episode.trouble.injected, judge.breaches, judge.lines[-TAIL:] if judge.breaches else [],
    )  # fmt: skip


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m runtime.proof", description=__doc__)
    parser.add_argument("--steps", type=int, default=20_000, help="how many steps in all, those of earlier runs included")
    parser.add_argument("--books", choices=("memory", "postgres"), default="memory")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--part", type=int, default=500, help="steps a part; each part has a fresh ledger")
    parser.add_argument("--workers", type=int, default=2, help="processes: parts at once (memory), racing gates (postgres)")
    parser.add_argument("--folder", type=Path, default=ROOT / ".prove", help="where finished parts are kept")
    parser.add_argument("--replay", type=int, metavar="SEED", help="run the one part with this seed again and print every line")
    options = parser.parse_args()
    if options.replay is not None:
        return replay(options.books, options.replay, options.part, options.workers)
    parts = Parts(options.folder, options.books, options.seed, options.part)
    if parts.done:
        print(f"prove: going on after {len(parts.done)} parts, {parts.steps} steps ({parts.path})", flush=True)
    began, before = time.monotonic(), parts.steps
    told = began
    for _ in runs(options, parts):
        if parts.broken() is not None:
            break
        if time.monotonic() - told > 5:
            told = time.monotonic()
            rate = (parts.steps - before) / (told - began)
            print(f"prove: {parts.steps} of {options.steps} steps, {rate:.0f} a second, 0 breaches", flush=True)
    return report(options, parts, before, time.monotonic() - began)


def runs(options: argparse.Namespace, parts: Parts) -> Iterator[Part]:
    """Runs the parts that are missing, as many at once as there are workers (one at a time over Postgres)."""
    numbers = (number for number in range(10**9) if number not in parts.done)
    if options.books == "postgres":
        from runtime.proof.postgres import House

        with House(options.workers) as house:
            while parts.steps < options.steps and parts.broken() is None:
                number = next(numbers)
                part = house.part(number, seed_of(options.seed, number), options.part)
                parts.add(part)
                yield part
        return
    with ProcessPoolExecutor(options.workers) as pool:
        running: set[Future[Part]] = set()
        while parts.steps < options.steps and parts.broken() is None:
            while len(running) < options.workers and parts.steps + len(running) * options.part < options.steps:
                number = next(numbers)
                running.add(pool.submit(memory_part, number, seed_of(options.seed, number), options.part))
            finished, running = wait(running, return_when=FIRST_COMPLETED)
            for future in finished:
                parts.add(future.result())
                yield future.result()
        for future in running:
            parts.add(future.result())


def report(options: argparse.Namespace, parts: Parts, before: int, seconds: float) -> int:
    """The figures of all parts, this run's speed, and the first breach with the way to it. Exit code 1 with a breach."""
    counts, faults = Counter[str](), Counter[str]()
    for part in parts.done.values():
        counts.update(part.counts)
        faults.update(part.faults)
    here, broken = parts.steps - before, parts.broken()
    breaches = sum(len(part.breaches) for part in parts.done.values())
    print(f"books      {options.books}, seed {options.seed}, code {parts.code}")
    rate = f"; this run {here} in {seconds:.0f} s, {here / seconds:.0f} a second" if here else ""
    print(f"steps      {parts.steps} in {len(parts.done)} parts{rate}")
    print("actions    " + ", ".join(f"{name} {counts[name]}" for name in OUTCOMES if counts[name]))
    print("happened   " + ", ".join(f"{name} {n}" for name, n in sorted(counts.items()) if name not in OUTCOMES))
    print("faults     " + ", ".join(f"{name} {n}" for name, n in sorted(faults.items())))
    print(f"writes     {sum(part.commits for part in parts.done.values())} accepted by the platforms' own book")
    numbers = sorted(parts.done)
    print(f"parts      {_ranges(numbers)} kept in {parts.path}")
    print(f"breaches   {breaches}")
    if broken is None:
        return 0
    print(f"\nprove: part {broken.number} (seed {broken.seed}) broke a law; the last lines before it:")
    print("\n".join(broken.lines))
    print("\n".join(f"BREACH {sentence}" for sentence in broken.breaches))
    print(f"again: make prove BOOKS={options.books} ARGS='--replay {broken.seed} --part {options.part}'")
    return 1


def replay(books: str, seed: int, steps: int, workers: int) -> int:
    """One part again, with every line."""
    if books == "postgres":
        from runtime.proof.postgres import House

        with House(workers) as house:
            part = house.part(0, seed, steps, tail=10**9)
        lines, breaches = part.lines, part.breaches
    else:
        from runtime.proof.episode import Episode

        episode = Episode(seed)
        asyncio.run(episode.run(steps))
        lines, breaches = episode.judge.lines, episode.judge.breaches
    print("\n".join(lines))
    print("\n".join(f"BREACH {sentence}" for sentence in breaches) or f"no breach in {steps} steps of seed {seed}")
    return 1 if breaches else 0


def _ranges(numbers: list[int]) -> str:
    """0-5, 7, 9-12."""
    found: list[list[int]] = []
    for number in numbers:
        if found and number == found[-1][-1] + 1:
            found[-1][1:] = [number]
        else:
            found.append([number])
    return ", ".join("-".join(str(n) for n in pair) for pair in found) or "none"


if __name__ == "__main__":
    sys.exit(main())
