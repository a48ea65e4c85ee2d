"""Imported by the process that worker processes are forked from: what each of them would load by and by is loaded once."""

from __future__ import annotations

import importlib
from datetime import UTC, datetime

from knowledge.domain.clock import SettableClock
from runtime.db.engine import make_engine
from runtime.proof.worker import clients

for _name in ("httpcore", "anyio._backends._asyncio"):  # httpx and httpcore import these at the first request
    importlib.import_module(_name)
make_engine("postgresql://nowhere/nothing")
clients(SettableClock(datetime(2026, 1, 1, tzinfo=UTC)), "http://nowhere")
