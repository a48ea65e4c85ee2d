"""`ceo autonomy`: what stands, and a manager's way to take it back."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest
from typer.testing import CliRunner

from runtime.cli import app
from runtime.settings import Secrets
from tests.autonomy.grants import granted
from tests.gate.house import Bench, budget

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(autouse=True)
def place(database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in Secrets.model_fields:
        monkeypatch.delenv(name.upper(), raising=False)
    monkeypatch.setenv("CEO_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.setenv("CEO_CONFIG", str(ROOT / "agentos.yaml"))
    monkeypatch.setenv("DATABASE_URL", database_url)


async def ceo(*args: str) -> tuple[int, str]:
    """The command in a thread: it runs a loop of its own."""
    import asyncio

    result = await asyncio.to_thread(CliRunner().invoke, app, list(args))
    return result.exit_code, result.output


async def test_listed_and_taken_back(bench: Bench) -> None:
    await bench.running(amount="100")
    grant = await granted(bench, expires_at=datetime(2027, 1, 1, tzinfo=UTC))
    code, out = await ceo("autonomy", "list", "--json")
    assert code == 0
    found = json.loads(out)
    ((row,), kinds) = found["grants"], {k["kind"]: k for k in found["kinds"]}
    assert (row["id"], row["state"], row["used"], row["count"], row["max_amount"]) == (grant, "living", 0, 2, "120.00 BRL")
    assert kinds["campaign.set_budget"]["agreement_at_least"] is None
    assert "veredito" in found["expectations"]
    assert grant in (await ceo("autonomy", "list"))[1]
    code, out = await ceo("autonomy", "revoke", grant, "--reason", "cautela", "--json")
    assert (code, json.loads(out)["ok"]) == (0, True)
    assert (await ceo("autonomy", "revoke", grant))[0] == 1
    assert (await ceo("autonomy", "revoke", "not-an-id"))[0] == 2
    ((row,),) = [json.loads((await ceo("autonomy", "list", "--json"))[1])["grants"]]
    assert row["state"] == "revoked" and row["revoked_by"].startswith("user:terminal:") and "cautela" in row["reason"]
    assert (await bench.submit(budget("105"), "k1")).status == "waiting"
