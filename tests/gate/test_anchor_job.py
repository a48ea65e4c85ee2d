"""The hourly anchor: written while the log is whole, refused and cried out when an anchored row is gone."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from sqlalchemy import text

from knowledge.domain.chain import Anchor
from knowledge.domain.clock import SettableClock
from knowledge.domain.message import Message
from prompts.messages import LOCALES, render
from runtime import anchors
from runtime.jobs.anchors import anchor
from runtime.settings import ConfigError
from tests.conftest import START
from tests.gate.house import ANA, Bench


class House:
    """What the job needs of the house."""

    def __init__(self, bench: Bench, data: Path) -> None:
        self.db, self.clock = bench.db, bench.clock
        self.settings: Any = SimpleNamespace(secrets=SimpleNamespace(ceo_data_dir=data))
        self.alerts: dict[str, dict[str, Any]] = {}

    async def alert(self, cause: str, kind: str, severity: str, **params: Any) -> None:
        for locale in LOCALES:
            assert render(Message(id=f"alert.{kind}", params=params), locale)
        self.alerts[cause] = {"severity": severity, **params}

    async def resolve(self, cause: str) -> None:
        self.alerts.pop(cause, None)


async def test_the_head_is_written_down_each_hour_and_a_cut_log_is_cried_out(bench: Bench, tmp_path: Path) -> None:
    house: Any = House(bench, tmp_path / "data")
    assert (await anchor(house, START))["ok"]  # the empty log has a head too
    await bench.gate.kill("platform", "meta", ANA, "um")
    await bench.gate.kill("platform", "tiktok", ANA, "dois")
    assert (await anchor(house, START))["seq"] == 2
    file = anchors.place(tmp_path / "data")
    assert [a.seq for a in anchors.read(file)] == [0, 2]
    async with bench.engine.begin() as conn:
        await conn.execute(text("set local session_replication_role = replica"))
        await conn.execute(text("delete from audit_log where seq = 2"))
    assert not (await anchor(house, START))["ok"]
    assert house.alerts["audit:anchor"]["severity"] == "critical" and house.alerts["audit:anchor"]["seq"] == 2
    assert len(anchors.read(file)) == 2  # the loss was not made the truth
    await bench.gate.kill("platform", "google", ANA, "outra linha 2")
    assert not (await anchor(house, START))["ok"]  # another row in its place does not pass for it


async def test_the_job_is_scheduled_and_has_words() -> None:
    from runtime.jobs.care import SCHEDULED
    from runtime.settings import Schedules

    assert SCHEDULED["anchor"] is anchor and Schedules().anchor


def test_the_newest_anchor_is_read_from_the_end_of_a_long_file(tmp_path: Path, clock: SettableClock) -> None:
    file = tmp_path / "a.jsonl"
    for seq in range(300):
        anchors.add(file, Anchor(clock.now(), seq, f"{seq:064x}"))
    last = anchors.latest(file)
    assert last is not None and last.seq == 299
    assert anchors.latest(tmp_path / "none") is None and len(anchors.read(file)) == 300


@pytest.mark.parametrize("bad", ["{", "[]", json.dumps({"at": "2026-11-23T11:00:00", "seq": 1, "hash": "x"}), '{"seq": 1}'])
def test_a_file_that_somebody_wrote_into_is_named(tmp_path: Path, clock: SettableClock, bad: str) -> None:
    file = tmp_path / "a.jsonl"
    anchors.add(file, Anchor(clock.now(), 1, "0" * 64))
    with file.open("a") as out:
        out.write(bad + "\n")
    for look in (anchors.read, anchors.latest):
        with pytest.raises(ConfigError, match="is no anchor"):
            look(file)
