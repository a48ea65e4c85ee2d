"""`ceo config check` from its cache: the same words without the work, and never an answer that no longer holds."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from runtime import check_cache, config_check
from runtime.check_cache import SPAN, Answer, Ask, load
from runtime.config_check import answer
from runtime.settings import Secrets

ROOT = Path(__file__).resolve().parents[2]
NOW = datetime(2026, 11, 23, 11, 30, tzinfo=UTC)


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working folder with the project's agentos.yaml, a cache of its own, and a small product in place of the real one."""
    for name in Secrets.model_fields:
        monkeypatch.delenv(name.upper(), raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    work = tmp_path / "work"
    work.mkdir()
    monkeypatch.chdir(work)
    shutil.copy(ROOT / "agentos.yaml", work / "agentos.yaml")
    for package in check_cache.PACKAGES:
        (tmp_path / "product" / package).mkdir(parents=True)
        (tmp_path / "product" / package / "module.py").write_text("LIMIT = 1\n", encoding="utf-8")
    (tmp_path / "installed").mkdir()
    monkeypatch.setattr(check_cache, "ROOT", tmp_path / "product")
    monkeypatch.setattr(sys, "path", [str(tmp_path / "installed"), *sys.path])
    return tmp_path


def kept(home: Path) -> list[Path]:
    return sorted((home / "cache").rglob("*.json"))


def test_the_second_answer_is_the_first_one(home: Path) -> None:
    first = answer(None, "en", now=NOW)
    again = load(Ask(None, "en"), NOW)
    assert again is not None and first.report is not None
    assert again.report == first.report
    assert load(Ask(None, "pt-BR"), NOW) is None, "another language is another question"
    assert load(Ask("agentos.yaml", "en"), NOW) is None


def test_a_failing_check_is_kept_too(home: Path) -> None:
    file = home / "work" / "agentos.yaml"
    file.write_text(file.read_text(encoding="utf-8").replace("daily_cap", "dayly_cap"), encoding="utf-8")
    first = answer(None, None, now=NOW)
    again = load(Ask(), NOW)
    assert again is not None and again.report is None
    assert again.problems == first.problems and "dayly_cap" in str(first.problems)


def _same_size_edit(home: Path) -> None:
    file = home / "work" / "agentos.yaml"
    file.write_text(file.read_text(encoding="utf-8").replace("daily_cap: 300.00", "daily_cap: 200.00"), encoding="utf-8")


CHANGES: dict[str, Callable[[Path, pytest.MonkeyPatch], object]] = {
    "the operator's file, by one digit": lambda home, _: _same_size_edit(home),
    "the operator's file is gone": lambda home, _: (home / "work" / "agentos.yaml").unlink(),
    "a .env appears": lambda home, _: (home / "work" / ".env").write_text("CEO_SECRET_KEY=" + "k" * 32),
    "a secret is set": lambda _, patch: patch.setenv("ZAPI_TOKEN", "a-token-of-some-length"),
    "a setting is set": lambda _, patch: patch.setenv("CEO_LOG_LEVEL", "debug"),
    "the zone data are elsewhere": lambda home, patch: patch.setenv("PYTHONTZPATH", str(home)),
    "code is edited": lambda home, _: (home / "product" / "tools" / "module.py").write_text("LIMIT = 2\n"),
    "code is added": lambda home, _: (home / "product" / "runtime" / "more.py").write_text(""),
    "words are removed": lambda home, _: (home / "product" / "prompts" / "module.py").unlink(),
    "a package is installed": lambda home, _: (home / "installed" / "pydantic-9.dist-info").mkdir(),
    "another Python": lambda _, patch: patch.setattr(sys, "version", "3.99"),
    "another folder": lambda home, patch: patch.chdir(home),
}


@pytest.mark.parametrize("change", CHANGES)
def test_no_answer_outlives_what_it_was_made_from(home: Path, monkeypatch: pytest.MonkeyPatch, change: str) -> None:
    answer(None, None, now=NOW)
    assert load(Ask(), NOW) is not None
    CHANGES[change](home, monkeypatch)
    assert load(Ask(), NOW) is None


def test_the_value_of_a_set_variable_counts_and_not_only_its_presence(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CEO_CONFIG", "agentos.yaml")
    answer(None, None, now=NOW)
    monkeypatch.setenv("CEO_CONFIG", "other.yaml")
    assert load(Ask(), NOW) is None


def test_a_change_during_the_check_is_not_kept_under_the_new_state(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    read = config_check.load_operator

    def edited_meanwhile(path: Path) -> object:
        operator = read(path)
        _same_size_edit(home)
        return operator

    monkeypatch.setattr(config_check, "load_operator", edited_meanwhile)
    assert answer(None, None, now=NOW).report is not None
    assert kept(home) == []


def test_code_that_changed_while_it_was_loaded_keeps_nothing(home: Path) -> None:
    before = check_cache.code_stamp()
    (home / "product" / "tools" / "module.py").write_text("LIMIT = 3\n", encoding="utf-8")
    assert answer(None, None, now=NOW, code=before).report is not None
    assert kept(home) == []


def test_an_answer_ends_with_its_span_and_does_not_reach_back(home: Path) -> None:
    answer(None, None, now=NOW)
    assert load(Ask(), NOW + SPAN - timedelta(seconds=1)) is not None
    assert load(Ask(), NOW + SPAN) is None
    assert load(Ask(), NOW - timedelta(seconds=1)) is None, "a clock that was set back"


@pytest.mark.parametrize(
    ("zone", "begin"),
    [
        ("America/Sao_Paulo", NOW),
        ("America/Sao_Paulo", datetime(2026, 11, 23, 11, 45, tzinfo=UTC)),  # in the very moment of a run
        ("America/Sao_Paulo", datetime(2026, 11, 23, 11, 59, 59, 999_999, tzinfo=UTC)),
        ("America/New_York", datetime(2026, 11, 1, 5, 40, tzinfo=UTC)),  # clocks go back twenty minutes later
        ("America/New_York", datetime(2026, 3, 8, 6, 40, tzinfo=UTC)),  # and forward
    ],
)
def test_schedules_are_told_as_a_fresh_check_would_at_every_moment_of_the_span(home: Path, zone: str, begin: datetime) -> None:
    file = home / "work" / "agentos.yaml"
    file.write_text(file.read_text(encoding="utf-8").replace("America/Sao_Paulo", ZoneInfo(zone).key), encoding="utf-8")
    answer(None, "en", now=begin)
    for seconds in (0, 0.000_001, 1, 59, 60, 61, 299.5, 300, 900, 1199, 1200, 1201, 1500, SPAN.total_seconds() - 1):
        now = begin + timedelta(seconds=seconds)
        found = load(Ask(None, "en"), now)
        fresh = answer(None, "en", now=now, keep=False)
        assert found is not None and found.report is not None and fresh.report is not None
        assert found.report.schedules == fresh.report.schedules, f"{seconds} s later"
        assert found.report == fresh.report


def test_no_secret_is_written_and_the_file_is_the_users_own(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ZAPI_TOKEN", "s3cr3t-of-zapi")
    (home / "work" / ".env").write_text("OPENAI_API_KEY=s3cr3t-of-openai\n")
    answer(None, None, now=NOW)
    (file,) = kept(home)
    assert "s3cr3t" not in file.read_text(encoding="utf-8")
    assert file.stat().st_mode & 0o777 == 0o600
    assert file.parent.stat().st_mode & 0o777 == 0o700


def test_a_secret_that_somebody_typed_into_the_file_is_not_kept(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ZAPI_TOKEN", "s3cr3t-of-zapi")
    file = home / "work" / "agentos.yaml"
    file.write_text(file.read_text(encoding="utf-8").replace("company: Inox Brasil", "company: s3cr3t-of-zapi"), encoding="utf-8")
    assert answer(None, None, now=NOW).report is not None
    assert kept(home) == []


def _spoil(file: Path) -> None:
    file.write_text(file.read_text(encoding="utf-8")[:-40], encoding="utf-8")


def _swap_for_a_link(file: Path) -> None:
    other = file.with_suffix(".other")
    file.rename(other)
    file.symlink_to(other)


def _change_words(file: Path) -> None:
    found = json.loads(file.read_text(encoding="utf-8"))
    del found["report"]["policy"]
    file.write_text(json.dumps(found), encoding="utf-8")


@pytest.mark.parametrize(
    "harm",
    [
        _spoil,
        _swap_for_a_link,
        _change_words,
        lambda file: file.chmod(0o660),
        lambda file: file.write_bytes(b"\xff\xfe"),
        lambda file: file.write_text("[]"),
        lambda file: (file.unlink(), file.mkdir()),
    ],
)
def test_an_entry_that_cannot_be_trusted_is_no_answer(home: Path, harm: Callable[[Path], object]) -> None:
    answer(None, None, now=NOW)
    (file,) = kept(home)
    harm(file)
    assert load(Ask(), NOW) is None


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="only root can give a file away")
def test_somebody_elses_entry_is_no_answer(home: Path) -> None:
    answer(None, None, now=NOW)
    (file,) = kept(home)
    os.chown(file, 65534, 65534)
    assert load(Ask(), NOW) is None


def test_without_a_place_to_keep_it_the_check_still_answers(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (home / "cache").write_text("a file where the folder should be")
    assert answer(None, None, now=NOW).report is not None
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.delenv("HOME")
    assert check_cache.folder() is None
    assert answer(None, None, now=NOW).report is not None


def test_old_answers_are_thrown_away(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(check_cache, "KEPT", 2)
    found = Answer(None, ["a problem"], NOW, NOW + SPAN)
    for number in range(4):
        recorder = check_cache.Recorder(Ask(f"{number}.yaml"))
        recorder.begin(check_cache.Basis([], [], []))
        assert recorder.keep(found)
    assert len(kept(home)) == 2


# -- the command itself -------------------------------------------------------------------------------------------------------

MODULES = "import sys\nfrom runtime.cli import app\ntry:\n    app()\nfinally:\n    print(*sorted(sys.modules), file=sys.stderr)\n"


def ceo(home: Path, *args: str, program: tuple[str, ...] = ("-m", "runtime.cli")) -> subprocess.CompletedProcess[str]:
    env = {**os.environ, "PYTHONPATH": str(ROOT), "COLUMNS": "100"}
    command = [sys.executable, *program, "config", "check", *args]
    return subprocess.run(command, cwd=home / "work", env=env, capture_output=True, text=True, check=False, timeout=60)


def test_the_command_answers_from_the_cache_in_every_form(home: Path) -> None:
    code = home / "program" / "told.py"
    code.parent.mkdir()
    code.write_text(MODULES, encoding="utf-8")
    fresh = ceo(home, "--no-cache")
    assert kept(home) == []
    assert ceo(home, program=(str(code),)).returncode == 0
    assert len(kept(home)) == 1
    told = ceo(home, program=(str(code),))
    assert told.returncode == 0
    loaded = {name.partition(".")[0] for name in told.stderr.split()}
    assert loaded.isdisjoint({"pydantic", "yaml", "babel", "croniter", "agents", "tools", "prompts", "knowledge"})
    assert _without_clock(told.stdout) == _without_clock(fresh.stdout)
    short = ceo(home, "--no-dials", program=(str(code),))
    assert "guardrails.financial.daily_cap" in fresh.stdout and "guardrails.financial.daily_cap" not in short.stdout
    machine = json.loads(ceo(home, "--json", program=(str(code),)).stdout)
    assert machine["ok"] is True and len(machine["policy"]) >= 20


def test_asking_as_a_module_uses_the_cache_as_well(home: Path) -> None:
    assert ceo(home).returncode == 0
    (file,) = kept(home)
    before = file.read_bytes()
    assert ceo(home, "--config", "./agentos.yaml").returncode == 0
    assert len(kept(home)) == 2
    assert ceo(home).returncode == ceo(home, "--config=agentos.yaml").returncode == 0
    assert len(kept(home)) == 2 and file.read_bytes() == before, "a check that was made anew has a key of its own"


def test_a_failing_check_is_told_alike_from_the_cache(home: Path) -> None:
    (home / "work" / "agentos.yaml").write_text("workspac: x\n")
    for as_json in ((), ("--json",)):
        fresh, first, told = ceo(home, "--no-cache", *as_json), ceo(home, *as_json), ceo(home, *as_json)
        assert fresh.returncode == first.returncode == told.returncode == 2
        assert fresh.stderr == first.stderr == told.stderr and fresh.stdout == first.stdout == told.stdout
        assert "workspace" in fresh.stderr + fresh.stdout


def test_what_is_not_understood_by_hand_is_left_to_typer(home: Path) -> None:
    ceo(home)
    wrong = ceo(home, "--locael", "en")
    assert wrong.returncode == 2 and "--locael" in wrong.stderr
    assert "Usage" in ceo(home, "--help").stdout


def _without_clock(text: str) -> list[str]:
    """The lines without the table of schedules, which moves with the minute."""
    return [line for line in text.splitlines() if "*" not in line and "0 9 " not in line]
