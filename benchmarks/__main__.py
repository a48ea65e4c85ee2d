"""`make bench`: what the house costs, as ratios against a bare baseline measured in the same run, rounds interleaved.

`make bench ARGS="gate kill"` picks; `--json` prints one object; `--rounds` sets how often each pair is measured. Ratios travel between
machines, milliseconds do not: both are printed, the ratio first. Medians, not means. Ends with 1 when a promise is not kept.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
from collections.abc import Callable
from typing import Any

from benchmarks.measure import Row

NAMES = ("cli", "decide", "gate", "workers", "cpu", "kill", "webhook", "turn")


def collect(names: list[str], rounds: int, quiet: bool) -> list[Row]:
    """The rows of every chosen bench, in order."""
    from benchmarks import gate, house, kill, process

    benches: dict[str, Callable[[], list[Row]]] = {
        "cli": lambda: process.cli(rounds),
        "decide": lambda: process.decide(rounds),
        "gate": lambda: asyncio.run(house.with_database(gate.gate, rounds)),
        "workers": lambda: asyncio.run(house.with_database(gate.workers, rounds)),
        "cpu": lambda: asyncio.run(house.with_database(gate.cpu, rounds)),
        "kill": lambda: asyncio.run(house.with_database(kill.kill, rounds)),
        "webhook": lambda: asyncio.run(house.with_database(house.webhook, rounds)),
        "turn": lambda: asyncio.run(house.with_database(house.turn, rounds)),
    }
    rows: list[Row] = []
    for name in names:
        if not quiet:
            print(f"bench: {name} …", file=sys.stderr, flush=True)
        rows += benches[name]()
    return rows


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--json", action="store_true", dest="as_json")
    parser.add_argument("names", nargs="*", metavar="BENCH", help=f"which ones; default all: {' '.join(NAMES)}")
    parser.add_argument("--rounds", type=int, default=7)
    options = parser.parse_args()
    names: list[str] = options.names or list(NAMES)
    if unknown := [name for name in names if name not in NAMES]:
        parser.error(f"no bench called {', '.join(unknown)}; there are {', '.join(NAMES)}")
    from runtime.observability import configure

    configure("critical")  # what is measured speaks through its figures
    rows = collect(names, max(1, options.rounds), options.as_json)
    if options.as_json:
        print(json.dumps({"python": sys.version.split()[0], "rows": [row.as_dict() for row in rows]}))
    else:
        show(rows)
    return 0 if all(row.kept is not False for row in rows) else 1


def show(rows: list[Row]) -> None:
    """The table."""
    from rich.console import Console
    from rich.table import Table

    table = Table(title="Cost of the house against a bare baseline (medians)", title_justify="left")
    for heading, justify in (
        ("what", "left"),
        ("ratio", "right"),
        ("house", "right"),
        ("baseline", "right"),
        ("baseline is", "left"),
        ("promise", "left"),
    ):
        table.add_column(heading, justify=justify)  # type: ignore[arg-type]
    table.add_column("more", justify="left")
    for row in rows:
        more = ", ".join(f"{name} {_short(value)}" for name, value in row.more.items())
        table.add_row(
            row.name, f"{row.ratio:.2f}x", f"{row.house_ms:.2f} ms", f"{row.base_ms:.2f} ms", row.baseline, _promise(row), more
        )
    Console(width=190).print(table)


def _promise(row: Row) -> str:
    if row.limit is None:
        return ""
    unit = "x" if row.limited is None else " ms"
    return f"{'kept' if row.kept else 'BROKEN'}, at most {_short(row.limit)}{unit}"


def _short(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)


if __name__ == "__main__":
    sys.exit(main())
