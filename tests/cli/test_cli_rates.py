"""`ceo rates`: a rate that is entered is used, wrong input is named, and the record says who entered it."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from knowledge.domain.clock import SettableClock
from runtime import cli_rates
from runtime.db.migrate import migrate
from runtime.settings import ConfigError, Settings, load

ROOT = Path(__file__).resolve().parents[2]
CLOCK = SettableClock(datetime(2026, 11, 24, 1, 0, tzinfo=UTC))  # still the 23rd in São Paulo


@pytest.fixture
def settings(database_url: str) -> Settings:
    migrate(database_url)
    return load(ROOT / "agentos.yaml", {"DATABASE_URL": database_url})


def audited(settings: Settings) -> list[dict[str, Any]]:
    import psycopg

    from runtime.db.engine import libpq_url

    assert settings.secrets.database_url is not None
    with psycopg.connect(libpq_url(settings.secrets.database_url.get_secret_value())) as connection:
        return [
            row[0] for row in connection.execute("select payload from audit_log where kind = 'rate.set' order by seq").fetchall()
        ]


def test_a_rate_is_entered_listed_corrected_and_recorded(settings: Settings) -> None:
    assert cli_rates.put(settings, "usd", "brl", "5.63", None, CLOCK)["day"] == "2026-11-23"
    cli_rates.put(settings, "USD", "BRL", "5.10", "2026-11-17", CLOCK)
    cli_rates.put(settings, "USD", "BRL", "5.64", "2026-11-23", CLOCK)
    rows = cli_rates.known(settings, CLOCK)
    assert [(r["day"], Decimal(r["rate"]), r["fresh"]) for r in rows] == [
        ("2026-11-23", Decimal("5.64"), True), ("2026-11-17", Decimal("5.10"), False),
    ]  # fmt: skip
    assert rows[0]["source"].startswith("terminal:")
    told = audited(settings)
    assert [(row["rate"], row["before"]) for row in told] == [("5.63", None), ("5.10", None), ("5.64", "5.63")]


@pytest.mark.parametrize(
    ("base", "quote", "rate", "day", "problem"),
    [
        ("XXX", "BRL", "5", None, "base: currency 'XXX' is not known"),
        ("USD", "USD", "1", None, "same currency"),
        ("USD", "BRL", "5,63", None, "write it like 5.63"),
        ("USD", "BRL", "0", None, "above zero"),
        ("USD", "BRL", "NaN", None, "above zero"),
        ("USD", "BRL", "5.63", "yesterday", "write it like 2026-11-20"),
        ("USD", "BRL", "5.63", "2026-11-24", "in the future"),
    ],
)
def test_wrong_input_is_named(settings: Settings, base: str, quote: str, rate: str, day: str | None, problem: str) -> None:
    with pytest.raises(ConfigError, match=problem):
        cli_rates.put(settings, base, quote, rate, day, CLOCK)
    assert cli_rates.known(settings, CLOCK) == []


def test_the_command_itself(database_url: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    from typer.testing import CliRunner

    from runtime.cli import app

    monkeypatch.setenv("DATABASE_URL", database_url)
    monkeypatch.setenv("CEO_CONFIG", str(ROOT / "agentos.yaml"))
    monkeypatch.chdir(tmp_path)
    migrate(database_url)
    done = CliRunner().invoke(app, ["rates", "set", "USD", "BRL", "5.63", "--json"])
    assert (done.exit_code, json.loads(done.stdout)["rate"]) == (0, "5.63")
    listed = json.loads(CliRunner().invoke(app, ["rates", "list", "--json"]).stdout)["rates"]
    assert [(row["base"], row["quote"], row["fresh"]) for row in listed] == [("USD", "BRL", True)]
    wrong = CliRunner().invoke(app, ["rates", "set", "USD", "BRL", "five"])
    assert wrong.exit_code == 2
    assert date.fromisoformat(listed[0]["day"]) <= datetime.now(UTC).date()
