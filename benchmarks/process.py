"""What runs without a database: the command line's start, and one decision pass."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from benchmarks.measure import Row, pair, row

ROOT = Path(__file__).resolve().parent.parent
IMPORTS = "import typer, rich, pydantic"
SIZES = (1_000, 10_000)


def cli(rounds: int) -> list[Row]:
    """Wall time of whole processes, with their bytecode compiled, as it is after the first start of a version.

    `ceo config check` is measured twice: when nothing it depends on changed since the last one (the promise is about this), and
    when it must be worked out, as after every change.
    """
    rows: list[Row] = []
    with tempfile.TemporaryDirectory(prefix="ceo-bench-") as folder:
        env = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
        env |= {"XDG_CACHE_HOME": f"{folder}/cache", "PYTHONPYCACHEPREFIX": f"{folder}/bytecode"}

        def run(*command: str) -> None:
            out = subprocess.DEVNULL
            subprocess.run([sys.executable, *command], cwd=ROOT, env=env, stdout=out, stderr=out, check=True)

        for name, command, limit in (
            ("ceo --help", ["--help"], 2.0),
            ("ceo config check, nothing changed", ["config", "check"], 2.0),
            ("ceo config check, after a change", ["config", "check", "--no-cache"], None),
        ):
            house, base = pair(lambda c=command: run("-m", "runtime.cli", *c), lambda: run("-c", IMPORTS), rounds)
            rows.append(row(name, house, base, f'python -c "{IMPORTS}"', limit=limit))
    return rows


def decide(rounds: int) -> list[Row]:
    """Each size in a process of its own, so that its peak memory is its own."""
    rows: list[Row] = []
    for size in SIZES:
        command = [sys.executable, "-m", "benchmarks.process", str(size), str(min(rounds, 3))]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
        found = json.loads(done.stdout)
        for strategy, times in found["strategies"].items():
            rows.append(
                row(
                    f"decide: {strategy}, {size:,} campaigns",
                    times["house"],
                    times["base"],
                    "sum and ROAS of the same rows with numpy",
                    us_per_campaign=1e6 * min(times["house"]) / size,
                    peak_mb=times["peak_mb"],
                    rows_read=found["rows"],
                )
            )
    return rows


def account(campaigns: int, days: int = 28) -> dict[str, Any]:
    """A seeded account of daily rows, in the form `tools.optimizer.decide` reads."""
    import numpy as np

    chance = np.random.default_rng(7)
    now = days * 24
    budget = chance.uniform(20, 200, campaigns).round(2)
    who = np.repeat(np.arange(campaigns), days)
    hour = np.tile(np.arange(days) * 24 + 12, campaigns)
    spend = (budget[who] * chance.uniform(0.7, 1.1, who.size)).round(2)
    clicks = chance.poisson(spend / 1.5)
    conversions = chance.binomial(clicks, np.repeat(chance.beta(2, 60, campaigns), days))
    revenue = (conversions * 90 * chance.uniform(0.8, 1.2, who.size)).round(2)
    names = np.array([f"c{n}" for n in range(campaigns)])
    return {
        "now": now,
        "campaigns": [
            {
                "id": f"c{n}", "platform": ("meta", "tiktok")[n % 2], "product_id": f"p{n % 50}", "status": "active",
                "daily_budget": float(budget[n]), "launch_budget": float(budget[n]), "started_at": 0, "margin": 0.4,
                "in_stock": True, "last_change_at": None,
            }
            for n in range(campaigns)
        ],
        "metrics": {
            "campaign_id": names[who], "hour": hour, "impressions": clicks * 60, "clicks": clicks, "spend": spend,
            "conversions": conversions, "revenue": revenue,
        },
        "changes": [],
        "stock_out": [],
        "account": {},
    }  # fmt: skip


def _measure(size: int, rounds: int) -> dict[str, Any]:
    """Times of each strategy and of the baseline, and the memory at the peak beyond what the input itself takes."""
    import tracemalloc

    import numpy as np

    from tools.optimizer import STRATEGIES
    from tools.optimizer import decide as house_decide

    history = account(size)
    policy = {"daily_cap": 1e7, "weekly_cap": 1e8, "max_adjustments_per_day": 50, "max_single_increase": 0.5, "approval_above": 0.2}
    metrics = history["metrics"]

    def bare() -> None:
        _, index = np.unique(metrics["campaign_id"], return_inverse=True)
        spend, revenue = np.bincount(index, metrics["spend"]), np.bincount(index, metrics["revenue"])
        np.divide(revenue, spend, out=np.full_like(spend, np.nan), where=spend > 0)

    found: dict[str, Any] = {"rows": int(metrics["hour"].size), "strategies": {}}
    for strategy in STRATEGIES:
        chosen = policy | {"strategy": strategy}
        house, base = pair(lambda c=chosen: house_decide(history, c), bare, rounds)
        tracemalloc.start()
        began = time.perf_counter()
        house_decide(history, chosen)
        slowed = time.perf_counter() - began
        peak = tracemalloc.get_traced_memory()[1] / 1e6
        tracemalloc.stop()
        found["strategies"][strategy] = {"house": house, "base": base, "peak_mb": round(peak, 1), "traced_s": round(slowed, 2)}
    return found


if __name__ == "__main__":
    print(json.dumps(_measure(int(sys.argv[1]), int(sys.argv[2]))))
