"""`ceo blacklist`: a person bans something, sees it, takes it back, and the record says who and why."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from runtime.cli import app
from runtime.db.migrate import migrate
from runtime.settings import Secrets

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(autouse=True)
def url(database_url: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> str:
    for name in Secrets.model_fields:
        monkeypatch.delenv(name.upper(), raising=False)
    monkeypatch.setenv("DATABASE_URL", database_url)
    monkeypatch.setenv("CEO_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.setenv("CEO_CONFIG", str(ROOT / "agentos.yaml"))
    monkeypatch.chdir(tmp_path)
    migrate(database_url)
    return database_url


def ceo(*args: str) -> Result:
    return CliRunner().invoke(app, ["blacklist", *args])


def listed() -> list[dict[str, Any]]:
    return json.loads(ceo("list", "--json").stdout)["blacklist"]


def record(url: str) -> list[tuple[str, str, dict[str, Any]]]:
    import psycopg

    from runtime.db.engine import libpq_url

    with psycopg.connect(libpq_url(url)) as connection:
        return connection.execute("select kind, actor, payload from audit_log order by seq").fetchall()


def test_it_is_listed_in_lower_case_taken_back_and_recorded(url: str) -> None:
    assert listed() == []
    added = ceo("add", "Term", "  Milagroso ", "--reason", "promessa", "--json")
    assert (added.exit_code, json.loads(added.stdout)["value"]) == (0, "milagroso"), added.output
    again = ceo("add", "term", "MILAGROSO", "--reason", "outra")
    assert again.exit_code == 1 and "promessa" in again.stderr
    assert listed() == [{"kind": "term", "value": "milagroso", "reason": "promessa"}]
    assert "milagroso" in ceo("list").stdout
    assert ceo("remove", "term", "Milagroso").exit_code == 0
    assert ceo("remove", "term", "milagroso").exit_code == 1
    assert listed() == []
    told = record(url)
    assert [(kind, payload["value"]) for kind, _, payload in told] == [
        ("blacklist.added", "milagroso"),
        ("blacklist.removed", "milagroso"),
    ]
    assert all(actor.startswith("user:terminal:") for _, actor, _ in told) and told[0][2]["reason"] == "promessa"


@pytest.mark.parametrize(
    ("args", "words"),
    [
        (("add", "word", "x", "--reason", "y"), "one of product, creative, term, brand"),
        (("add", "term", "  ", "--reason", "y"), "value:"),
        (("add", "term", "x" * 501, "--reason", "y"), "value:"),
        (("add", "term", "x", "--reason", " "), "--reason"),
        (("add", "term", "x"), "--reason"),
        (("remove", "word", "x"), "one of product, creative, term, brand"),
    ],
)
def test_wrong_input_is_named_and_changes_nothing(url: str, args: tuple[str, ...], words: str) -> None:
    result = ceo(*args)
    assert result.exit_code == 2 and words in result.output, result.output
    assert listed() == [] and record(url) == []
