"""A worker of its own process: the house with the durable engine, no web. May be killed at any line.

Arguments: database URL, sandbox URL, data folder, epoch (real seconds at which the simulated story began; its clock ticks on).
"""

from __future__ import annotations

import asyncio
import sys
import time
from datetime import datetime, timedelta
from pathlib import Path

from runtime.demo import START
from runtime.settings import Schedules, Settings
from tests.journeys.town import NEVER, settings_for


class Ticking:
    """START plus the real time since `epoch`: processes that share the epoch share the moment."""

    def __init__(self, epoch: float) -> None:
        self._epoch = epoch

    def now(self) -> datetime:
        return START + timedelta(seconds=time.time() - self._epoch)


def quick(sandbox: str, data: Path, schedules: Schedules = NEVER) -> Settings:
    """No debounce: these tests run in real seconds. New campaigns go without asking."""
    settings = settings_for(sandbox, data, schedules)
    operator = settings.operator
    money = operator.guardrails.financial.model_copy(update={"new_campaign_asks": False})
    return settings.model_copy(
        update={
            "operator": operator.model_copy(
                update={
                    "conversation": operator.conversation.model_copy(update={"debounce_seconds": 0}),
                    "guardrails": operator.guardrails.model_copy(update={"financial": money}),
                    "autonomy": operator.autonomy.model_copy(update={"publication": "auto"}),
                }
            )
        }
    )


async def work(url: str, sandbox: str, data: str, epoch: str) -> None:
    from runtime.wiring import build_house

    house = await build_house(quick(sandbox, Path(data)), url, Ticking(float(epoch)), poll_seconds=0.05)
    await house.jobs.launch()
    house.jobs.start_beating(0.05)
    print("ready", flush=True)
    await asyncio.sleep(120)


if __name__ == "__main__":
    asyncio.run(work(*sys.argv[1:5]))
