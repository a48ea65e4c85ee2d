"""`ceo audit`, `ceo replay`, `ceo policy diff` on a real database: what a manager and a machine are told, and the exit codes."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest
from typer.testing import CliRunner, Result

from knowledge.domain.clock import SettableClock
from runtime.cli import app
from runtime.db.engine import libpq_url, make_engine
from runtime.settings import Secrets, load_operator
from tests.conftest import START
from tests.gate.ads import FakeAds
from tests.gate.house import ANA, Bench, budget, pause, publication

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(autouse=True)
def logging_as_it_was() -> Iterator[None]:
    import logging

    import structlog

    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:], root.level = handlers, level
    structlog.reset_defaults()


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in Secrets.model_fields:
        monkeypatch.delenv(name.upper(), raising=False)
    source = (ROOT / "agentos.yaml").read_text(encoding="utf-8").replace("locale: pt-BR", "locale: en")
    source = re.sub(r"min_impressions: \d+", "min_impressions: 0", source)  # the campaigns of these tests were never shown
    (tmp_path / "agentos.yaml").write_text(source, encoding="utf-8")
    monkeypatch.setenv("CEO_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.setenv("CEO_CONFIG", str(tmp_path / "agentos.yaml"))
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def lived(database_url: str, place: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A database in which the operator's own policy has judged for a day."""
    monkeypatch.setenv("DATABASE_URL", database_url)

    async def live() -> None:
        engine = make_engine(database_url)
        clock = SettableClock(START)
        bench = Bench(engine, clock, FakeAds(), load_operator(place / "agentos.yaml").policy())
        await bench.running(amount="50")
        asked = await bench.submit(budget("65"), "k1")
        clock.advance(timedelta(minutes=30))
        await bench.gate.approve(asked.action_id, ANA)
        await bench.submit(budget("900"), "k2")
        await bench.submit(publication("new", "20"), "k3")
        await bench.submit(pause(), "k4")
        clock.advance(timedelta(minutes=30))
        await bench.submit(publication("newer", "20"), "k5")
        await engine.dispose()

    asyncio.run(live())
    return database_url


def ceo(*args: str) -> Result:
    return CliRunner().invoke(app, list(args))


def said(result: Result) -> dict[str, Any]:
    return json.loads(result.stdout)


def intrude(url: str, sql: str) -> None:
    with psycopg.connect(libpq_url(url), autocommit=True) as connection:
        connection.execute("set session_replication_role = replica")
        assert connection.execute(sql).rowcount >= 1  # pyright: ignore[reportArgumentType, reportCallIssue]


def test_the_whole_record_is_replayed(lived: str) -> None:
    result = ceo("replay", "--all", "--json")
    found = said(result)
    assert result.exit_code == 0, found
    assert found["ok"] and found["identical"] == found["judgements"] == 6 and found["different"] == 0
    assert "6 of 6 made again to the letter" in ceo("replay", "--all").stdout


def test_one_action_is_replayed_by_its_id(lived: str) -> None:
    with psycopg.connect(libpq_url(lived)) as connection:
        row = connection.execute("select id from actions where idempotency_key = 'k1'").fetchone()
    assert row is not None
    found = said(ceo("replay", str(row[0]), "--json"))
    assert (found["judgements"], found["identical"], found["ok"]) == (2, 2, True)


@pytest.mark.parametrize("args", [[], ["nonsense"], ["00000000-0000-0000-0000-000000000000"], ["x", "--all"]])
def test_what_cannot_be_replayed_is_bad_input(lived: str, args: list[str]) -> None:
    assert ceo("replay", *args).exit_code == 2


def test_a_touched_verdict_is_told_and_ends_with_1(lived: str) -> None:
    intrude(lived, "update judgements set verdict = replace(verdict::text, 'refuse', 'allow')::json where seq = 4")
    result = ceo("replay", "--all", "--json")
    assert result.exit_code == 1
    assert said(result)["not_replayable"] == {"record_changed": 1}
    assert "changed since" in ceo("replay", "--all").stdout
    verified = ceo("audit", "verify", "--json")
    assert verified.exit_code == 1 and said(verified)["first_bad_seq"] == 4


def test_an_action_without_any_judgement_on_record_is_no_success(lived: str) -> None:
    intrude(lived, "delete from judgements where seq = 4")
    result = ceo("replay", "--all", "--json")
    assert result.exit_code == 1
    assert said(result)["without_record"]["actions"] == 1


def test_a_cut_tail_is_found_by_the_anchor_in_the_data_folder(lived: str, place: Path) -> None:
    none = ceo("audit", "verify")
    assert none.exit_code == 0 and "No anchor is known" in none.stdout
    anchored = said(ceo("audit", "anchor", "--json"))
    assert anchored["ok"] and (place / "data/audit-anchors.jsonl").read_text().count("\n") == 1
    assert said(ceo("audit", "verify", "--json"))["anchors"] == 1
    last = anchored["seq"]
    intrude(lived, f"delete from audit_log where seq = {last}")
    intrude(lived, f"delete from judgements where seq = {last}")  # whoever cuts thoroughly cuts this too
    cut = ceo("audit", "verify", "--json")
    assert cut.exit_code == 1 and said(cut)["first_bad_seq"] == last
    assert ceo("audit", "anchor").exit_code == 1  # a broken chain is not made the truth
    (place / "data/audit-anchors.jsonl").unlink()
    assert ceo("audit", "verify", "--json").exit_code == 0  # without any anchor nobody can know
    assert ceo("audit", "verify", "--anchor", anchored["anchor"]).exit_code == 1


def test_a_tail_cut_without_its_judgement_is_found_without_an_anchor(lived: str) -> None:
    intrude(lived, "delete from audit_log where seq >= (select max(seq) from judgements)")
    cut = ceo("audit", "verify", "--json")
    assert cut.exit_code == 1 and "no row in the chain" in said(cut)["problem"]


def test_an_export_is_checked_without_the_database(lived: str, place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    done = said(ceo("audit", "export", "all.jsonl", "--json"))
    assert done["complete"] and done["rows"] == done["to"]
    assert ceo("audit", "export", "all.jsonl").exit_code == 2  # never over an older one unless told
    assert ceo("audit", "export", "all.jsonl", "--force").exit_code == 0
    assert said(ceo("audit", "export", "asked.jsonl", "--kind", "approval.", "--json"))["rows"] == 1
    monkeypatch.setenv("DATABASE_URL", "postgresql://nobody@127.0.0.1:1/none")
    whole = said(ceo("audit", "verify", "--file", "all.jsonl", "--anchor", done["anchor"], "--json"))
    assert (whole["ok"], whole["rows"], whole["anchors"]) == (True, done["rows"], 1)
    assert ceo("audit", "verify", "--file", "asked.jsonl").exit_code == 0
    data = (place / "all.jsonl").read_bytes()
    (place / "all.jsonl").write_bytes(data.replace(b"ana@example.com", b"rui@example.com", 1))
    broken = ceo("audit", "verify", "--file", "all.jsonl", "--json")
    assert broken.exit_code == 1
    line = data[: data.index(b"ana@example.com")].count(b"\n") + 1
    assert said(broken)["first_bad_line"] == line
    assert f"Line {line}:" in ceo("audit", "verify", "--file", "all.jsonl").stderr


def test_windows_are_stretches_of_the_chain(lived: str) -> None:
    part = said(ceo("audit", "export", "later.jsonl", "--since", "2026-11-23T08:30", "--json"))
    assert 1 < part["from"] <= part["to"] and part["rows"] == part["to"] - part["from"] + 1
    assert ceo("audit", "verify", "--file", "later.jsonl").exit_code == 0
    assert said(ceo("audit", "export", "none.jsonl", "--since", "2030-01-01", "--json"))["rows"] == 0
    assert ceo("audit", "verify", "--file", "none.jsonl").exit_code == 0
    assert ceo("audit", "export", "x.jsonl", "--since", "2026-11-24", "--until", "2026-11-23").exit_code == 2
    assert ceo("audit", "export", "no/such/folder.jsonl").exit_code == 2


@pytest.mark.parametrize("anchor", ["", "1", "1:abc", "x:" + "0" * 64])
def test_an_anchor_that_is_none_is_bad_input(lived: str, anchor: str) -> None:
    assert ceo("audit", "verify", "--anchor", anchor).exit_code == 2


def test_a_torn_anchor_file_is_named_with_its_line(lived: str, place: Path) -> None:
    ceo("audit", "anchor")
    with (place / "data/audit-anchors.jsonl").open("a") as out:
        out.write("{torn\n")
    result = ceo("audit", "verify")
    assert result.exit_code == 2 and "audit-anchors.jsonl:2" in result.stderr


def another(place: Path, old: str, new: str) -> str:
    source = (place / "agentos.yaml").read_text(encoding="utf-8")
    assert source.count(old) == 1
    (place / "new.yaml").write_text(source.replace(old, new), encoding="utf-8")
    return "new.yaml"


def test_another_policy_names_what_would_have_changed_the_rule_and_the_number(lived: str, place: Path) -> None:
    same = said(ceo("policy", "diff", "agentos.yaml", "--json"))
    assert (same["changed"], same["actions"], same["decisions"]) == (0, 5, [])
    file = another(place, "approval_above: 0.20", "approval_above: 0.40")
    found = said(ceo("policy", "diff", file, "--json"))
    changed = [d for d in found["decisions"] if d["kind"] == "campaign.set_budget"]
    assert [(d["old"], d["new"]) for d in changed] == [("ask", "allow")]
    assert "R$50.00 to R$65.00" in changed[0]["action"]
    assert [b["rule"] for b in changed[0]["because"]] == ["approval_above"]
    told = ceo("policy", "diff", file).stdout
    assert "1 of 5 decisions would have changed" in told and "approval_above" in told and "30%" in told
    assert said(ceo("policy", "diff", file, "--days", "0.01", "--json"))["actions"] == 1


def test_a_file_that_is_no_policy_is_explained_as_settings_are(lived: str, place: Path) -> None:
    absent = ceo("policy", "diff", "absent.yaml")
    assert absent.exit_code == 2 and "no such file" in absent.stderr
    file = another(place, "approval_above: 0.20", "aproval_above: 0.20")
    result = ceo("policy", "diff", file)
    assert result.exit_code == 2 and "did you mean 'approval_above'" in result.stderr
