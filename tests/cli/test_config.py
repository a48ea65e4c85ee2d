"""`ceo config …`: typos answered with file, line, path and what was meant; the policy in sentences; secrets by name only."""

from __future__ import annotations

import ast
import json
import shutil
from datetime import UTC, datetime
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from runtime.cli import app
from runtime.config_check import ADVISED, NEEDS, agentos_fields, check
from runtime.settings import Secrets, Settings, load_operator

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The project's own agentos.yaml, in a folder of its own, with an empty environment."""
    for name in Secrets.model_fields:
        monkeypatch.delenv(name.upper(), raising=False)
    monkeypatch.setenv("CEO_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)
    return Path(shutil.copy(ROOT / "agentos.yaml", tmp_path / "agentos.yaml"))


def ceo(*args: str) -> Result:
    return CliRunner().invoke(app, list(args))


def edit(file: Path, old: str, new: str) -> int:
    """Replaces text and returns the line it now stands on."""
    source = file.read_text(encoding="utf-8")
    assert old in source
    file.write_text(source.replace(old, new, 1), encoding="utf-8")
    return source[: source.index(old)].count("\n") + 1


def test_the_shipped_file_is_sound_and_speaks_both_languages(file: Path) -> None:
    for locale, words in (("pt-BR", "Gasto máximo por dia"), ("en", "Most that may be spent a day")):
        result = ceo("config", "check", "--locale", locale)
        assert result.exit_code == 0, result.output
        assert words in result.output
        assert "300" in result.output


def test_json_names_policy_dials_models_and_the_next_time_of_each_schedule(file: Path) -> None:
    found = json.loads(ceo("config", "check", "--json").stdout)
    assert found["ok"] is True
    assert len(found["policy"]) >= 20
    assert {d["dial"] for d in found["dials"]} >= {"guardrails.financial.daily_cap", "autonomy.level", "targets.strategy"}
    assert {m["agent"]: m["model"] for m in found["models"]}["sdr"] == "offline"
    assert all(s["next"] is not None for s in found["schedules"])


def test_schedules_are_told_in_the_workspaces_zone(file: Path) -> None:
    settings = Settings(operator=load_operator(file), secrets=Secrets.model_validate({}), path=file)
    report = check(settings, "en", now=datetime(2026, 11, 23, 11, 30, tzinfo=UTC))  # 08:30 in São Paulo
    due = {s["schedule"]: s["next"] for s in report.schedules}
    assert due["launch"] == "2026-11-23T09:00:00-03:00"
    assert due["alerts"] == "2026-11-23T08:45:00-03:00"


def test_a_key_set_twice_is_named_with_both_lines(file: Path) -> None:
    line = edit(file, "daily_cap: 300.00", "daily_cap: 300.00\n    daily_cap: 1200.00")
    result = ceo("config", "check", "--json")
    assert result.exit_code == 2
    (problem,) = json.loads(result.stdout)["problems"]
    for part in (f":{line + 1} ", "guardrails.financial.daily_cap", f"line {line} and on line {line + 1}"):
        assert part in problem, problem


@pytest.mark.parametrize("text", ["a: &a [*a]", "locale: 2026-13-45", "currency: .inf"])
def test_what_yaml_cannot_make_a_value_of_is_no_fault_of_ours(file: Path, text: str) -> None:
    file.write_text(text, encoding="utf-8")
    result = ceo("config", "check")
    assert result.exit_code == 2 and "not readable as YAML" in result.output


@pytest.mark.parametrize(
    ("old", "new", "place", "meant"),
    [
        ("daily_cap:", "dayly_cap:", "guardrails.financial.dayly_cap", "daily_cap"),
        ("min_impressions:", "min_impresions:", "guardrails.quality.min_impresions", "min_impressions"),
        ("targets:", "target:", "target", "targets"),
        ("time_zone: America/Sao_Paulo", "time_zone: America/Sao_Paolo", "time_zone", "America/Sao_Paulo"),
        ("level: 1 ", "level: 7 ", "autonomy.level", "7"),
        ("daily_cap: 300.00", "daily_cap: 300.001", "guardrails.financial.daily_cap", "decimals"),
        ('launch: "0 9 * * *"', 'launch: "each morning"', "schedules.launch", "cron"),
        ("weekly_cap: 1500.00", "weekly_cap: 100.00", "weekly_cap", "daily_cap"),
    ],
)
def test_a_mistake_is_answered_with_place_and_remedy(file: Path, old: str, new: str, place: str, meant: str) -> None:
    line = edit(file, old, new)
    result = ceo("config", "check")
    assert result.exit_code == 2
    assert place in result.stderr and meant in result.stderr, result.stderr
    assert "Traceback" not in result.stderr
    if place != "weekly_cap":  # that one is about two lines at once
        assert f"agentos.yaml:{line} " in result.stderr, result.stderr


def test_every_mistake_is_told_at_once_and_machines_get_json(file: Path) -> None:
    edit(file, "roas: 1.5", "roaz: 1.5")
    edit(file, "max_questions: 2", "max_questions: none")
    found = json.loads(ceo("config", "check", "--json").stdout)
    assert len(found["problems"]) == 2


def test_a_missing_file_says_how_to_get_one(file: Path) -> None:
    result = ceo("config", "check", "--config", "other.yaml")
    assert result.exit_code == 2
    assert "other.yaml" in result.stderr and "agentos.yaml" in result.stderr


def test_a_configured_vendor_without_its_secret_is_a_problem_and_no_secret_is_printed(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    edit(file, "vendors: {}", 'vendors:\n  zapi: {instance_id: "3C01"}\n  tiktok: {advertiser_id: "7"}')
    monkeypatch.setenv("ZAPI_TOKEN", "s3cr3t-value-of-zapi")
    result = ceo("config", "check", "--json")
    found = json.loads(result.stdout)
    assert result.exit_code == 2
    assert {v["vendor"]: v["missing"] for v in found["vendors"] if v["configured"]} == {
        "zapi": ["ZAPI_CLIENT_TOKEN"],
        "tiktok": ["TIKTOK_ACCESS_TOKEN"],
    }
    assert "s3cr3t" not in result.output


def test_a_model_without_its_key_and_one_that_cannot_be_read(file: Path) -> None:
    edit(file, "model: offline", "model: openai:gpt-5-mini")
    assert "OPENAI_API_KEY" in ceo("config", "check").output
    edit(file, "model: openai:gpt-5-mini", "model: gpt-5-mini")
    result = ceo("config", "check", "--locale", "en")
    assert result.exit_code == 2
    assert "openai:<model>" in result.output


def test_a_key_that_agentos_would_drop_is_answered(file: Path) -> None:
    known = agentos_fields()
    assert "available_models" in known
    edit(file, "agentos: {}", "agentos: {availble_models: []}")
    result = ceo("config", "check", "--locale", "en")
    assert result.exit_code == 2
    assert "agentos.availble_models" in result.output and "available_models" in result.output


def test_the_fields_read_from_source_are_those_of_the_class() -> None:
    from agno.os.config import AgentOSConfig

    assert agentos_fields() == list(AgentOSConfig.model_fields)


def test_secrets_listed_for_a_vendor_are_those_its_wiring_asks_for() -> None:
    tree = ast.parse((ROOT / "runtime/wiring.py").read_text(encoding="utf-8"))
    asked: dict[str, set[str]] = {"need": set(), "get": set()}
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and ast.unparse(node.func.value).endswith("secrets"):
            asked[node.func.attr].add(ast.literal_eval(node.args[0]))
    assert {name for names in NEEDS.values() for name in names} == asked["need"]
    assert {name for names in ADVISED.values() for name in names} == asked["get"] - {"openai_api_key", "anthropic_api_key"}


def test_env_example_is_printed_as_the_file_is(file: Path) -> None:
    assert ceo("config", "env-example").stdout.strip() == (ROOT / ".env.example").read_text(encoding="utf-8").strip()
