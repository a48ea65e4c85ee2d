"""The commands on a real database: exit codes, JSON, plain errors. Each test has its own database."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from runtime.cli import app
from runtime.cli_doctor import same_days
from runtime.settings import Secrets

ROOT = Path(__file__).resolve().parents[2]
FILES = len(list((ROOT / "runtime/db/supabase/migrations").glob("*.sql")))


@pytest.fixture(autouse=True)
def logging_as_it_was() -> Iterator[None]:
    """Commands set up logging for a process of their own; here they share one."""
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
    monkeypatch.setenv("CEO_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.setenv("CEO_CONFIG", str(ROOT / "agentos.yaml"))
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def configured(database_url: str, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("DATABASE_URL", database_url)
    return database_url


def ceo(*args: str) -> Result:
    return CliRunner().invoke(app, list(args))


def said(result: Result) -> dict[str, Any]:
    return json.loads(result.stdout)


def test_every_command_has_help_and_a_purpose() -> None:
    from typer.main import get_command

    root: Any = get_command(app)

    def walk(command: Any, path: list[str]) -> None:
        assert command.help, f"ceo {' '.join(path)} has no purpose in words"
        for name, sub in getattr(command, "commands", {}).items():
            walk(sub, [*path, name])

    walk(root, [])
    assert {"demo", "serve", "worker", "migrate", "doctor", "config", "backtest", "approvals", "kill"} <= set(root.commands)
    assert ceo("--help").exit_code == 0


def test_migrate_says_what_is_pending_then_applies_it_once(empty_database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", empty_database_url)
    before = ceo("migrate", "--check", "--json")
    assert (before.exit_code, len(said(before)["pending"])) == (
        1,
        FILES,
    )
    assert said(ceo("migrate", "--json"))["applied"] == said(before)["pending"]
    assert ceo("migrate", "--check").exit_code == 0
    assert said(ceo("migrate", "--json")) == {"applied": []}


def test_a_command_on_an_old_schema_says_what_to_run(empty_database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", empty_database_url)
    result = ceo("approvals", "list")
    assert result.exit_code == 2
    assert "ceo migrate" in result.stderr


def test_an_unreachable_database_is_3_and_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", "postgresql://nobody:secret-word@127.0.0.1:1/none")
    for command in (["migrate"], ["audit", "verify"], ["kill"]):
        result = ceo(*command)
        assert result.exit_code == 3, result.output
        assert "does not answer" in result.stderr
        assert "secret-word" not in result.output and "Traceback" not in result.output


def test_the_stop_is_set_listed_lifted_and_recorded(configured: str) -> None:
    assert said(ceo("kill", "--reason", "teste", "--json"))["status"] == "killed"
    assert said(ceo("kill", "platform", "meta", "--json"))["ok"] is True
    several = ceo("resume", "--json")
    assert several.exit_code == 1
    assert len(said(several)["findings"]) == 2
    assert len(said(ceo("resume", "--all", "--json"))["lifted"]) == 2
    assert said(ceo("resume", "--json"))["status"] == "none"
    none = ceo("resume", "--all", "--json")
    assert (none.exit_code, said(none)["status"]) == (0, "none")
    whole = said(ceo("audit", "verify", "--json"))
    assert (whole["rows"], whole["ok"], whole["first_bad_seq"], whole["problem"]) == (4, True, None, None)


def test_a_scope_that_does_not_exist_and_a_target_too_few_are_bad_input(configured: str) -> None:
    assert ceo("kill", "everything").exit_code == 2
    assert ceo("kill", "campaign").exit_code == 2
    assert ceo("kill", "all", "meta").exit_code == 2


@pytest.mark.parametrize("wrong", [b"locale: en\nbogus: 1\n", b"\xff\xfe", b"locale: [\n", b"", None])
def test_a_stop_does_not_wait_for_a_broken_configuration(
    configured: str, place: Path, monkeypatch: pytest.MonkeyPatch, wrong: bytes | None
) -> None:
    file = place / "broken.yaml"
    if wrong is not None:
        file.write_bytes(wrong)
    monkeypatch.setenv("CEO_CONFIG", str(file))
    monkeypatch.setenv("CEO_LOG_LEVEL", "loud")
    assert ceo("approvals", "list").exit_code == 2
    stopped = ceo("kill", "all", "--reason", "agora", "--json")
    assert (stopped.exit_code, said(stopped)["status"]) == (0, "killed"), stopped.output
    assert "broken.yaml" in stopped.stderr and "CEO_LOG_LEVEL" in stopped.stderr
    lifted = ceo("resume", "--json")
    assert (lifted.exit_code, said(lifted)["status"]) == (0, "resumed"), lifted.output


def test_a_stop_takes_a_reason_that_is_no_text(configured: str) -> None:
    assert ceo("kill", "all", "--reason", "\udcff pare").exit_code == 0
    (one,) = stops(configured)
    assert one == "\ufffd pare"
    assert ceo("kill", "platform", "meta\udcff").exit_code == 1, "no such platform, in words"
    assert ceo("kill", "platform", "meta", "--reason", "  ").exit_code == 0
    assert "stopped from the terminal" in stops(configured)


def stops(url: str) -> list[str]:
    import psycopg

    from runtime.db.engine import libpq_url

    with psycopg.connect(libpq_url(url)) as connection:
        return [row[0] for row in connection.execute("select reason from kill_switches order by set_at").fetchall()]


def test_a_stop_on_an_empty_database_says_what_to_run(empty_database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", empty_database_url)
    result = ceo("kill")
    assert result.exit_code == 2 and "ceo migrate" in result.stderr


def test_a_place_that_cannot_be_used_is_bad_input(configured: str, place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (place / "latin.yaml").write_bytes("locale: pt-BR # não\n".encode("latin-1"))
    for args, words in (
        (("policy", "diff", "latin.yaml"), "UTF-8"),
        (("policy", "diff", str(place)), str(place)),
        (("audit", "verify", "--anchors", str(place)), "ceo audit anchor"),
        (("audit", "export", "/nonexistent/x"), "folder that exists"),
        (("replay", "00000000-0000-0000-0000-000000000000"), "ceo audit export"),
        (("undo", "--batch", "nope"), "terminal: {"),
        (("undo", "--batch", "\udcff"), "terminal: {"),
        (("autonomy", "revoke", "zz"), "ceo autonomy list"),
    ):
        result = ceo(*args)
        assert result.exit_code == 2 and words in result.output and "unexpected" not in result.output, (args, result.output)
    monkeypatch.delenv("DATABASE_URL")
    monkeypatch.setenv("CEO_DATA_DIR", "/dev/null/x")
    result = ceo("approvals", "list")
    assert result.exit_code == 2 and "/dev/null/x" in result.stderr and "CEO_DATA_DIR" in result.stderr, result.output


def test_a_changed_audit_row_breaks_the_chain(configured: str) -> None:
    import psycopg

    from runtime.db.engine import libpq_url

    ceo("kill")
    ceo("resume")
    with psycopg.connect(libpq_url(configured), autocommit=True) as connection:
        connection.execute("set session_replication_role = replica")  # past the trigger that forbids it, as an intruder would
        connection.execute("update audit_log set payload_text = replace(payload_text, 'terminal', 'nobody') where seq = 1")
    result = ceo("audit", "verify", "--json")
    assert result.exit_code == 1
    assert (said(result)["ok"], said(result)["first_bad_seq"]) == (False, 1)


def test_approvals_of_nothing_and_of_nonsense(configured: str) -> None:
    assert said(ceo("approvals", "list", "--json")) == {"pending": [], "scheduled": []}
    assert ceo("approvals", "approve", "not-an-id").exit_code == 2
    unknown = ceo("approvals", "reject", "00000000-0000-0000-0000-000000000000", "--reason", "x", "--json")
    assert (unknown.exit_code, said(unknown)["ok"]) == (1, False)


def test_dead_letters_are_listed_and_an_unknown_one_is_a_no(configured: str) -> None:
    assert said(ceo("dead-letters", "list", "--json")) == {"dead_letters": []}


def test_doctor_names_what_is_broken_and_how_to_mend_it(configured: str, monkeypatch: pytest.MonkeyPatch) -> None:
    result = ceo("doctor", "--json")
    checks = {c["name"]: c for c in said(result)["checks"]}
    assert checks["database"]["ok"] and checks["configuration"]["ok"] and checks["model:offline"]["ok"]
    assert result.exit_code == 1
    assert "openssl" in checks["secret key"]["remedy"]
    monkeypatch.setenv("CEO_SECRET_KEY", "k" * 32)
    assert ceo("doctor").exit_code == 0


def test_doctor_asks_the_vendors(configured: str, sandbox: Any, place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from runtime.sandbox import piperun

    source = (ROOT / "agentos.yaml").read_text(encoding="utf-8")
    vendor = f'vendors:\n  piperun: {{base_url: "{sandbox.url}/piperun", pipeline_id: "{piperun.PIPELINE_ID}", stage_id: "1"}}\n'
    (place / "agentos.yaml").write_text(source.replace("vendors: {}", vendor), encoding="utf-8")
    monkeypatch.setenv("CEO_CONFIG", str(place / "agentos.yaml"))
    monkeypatch.setenv("CEO_SECRET_KEY", "k" * 32)
    monkeypatch.setenv("PIPERUN_TOKEN", "wrong-token")
    wrong = ceo("doctor", "--json")
    assert wrong.exit_code == 3, wrong.output
    crm = next(c for c in said(wrong)["checks"] if c["name"] == "vendor:crm")
    assert not crm["ok"] and crm["remedy"] and "wrong-token" not in wrong.output


@pytest.mark.parametrize(
    ("account", "ok"), [("America/Sao_Paulo", True), ("America/Argentina/Buenos_Aires", True), ("America/New_York", False), ("?", False)]
)  # fmt: skip
def test_doctor_says_how_to_mend_an_account_with_other_days(account: str, ok: bool) -> None:
    check = same_days("meta", account, "America/Sao_Paulo", datetime(2026, 11, 23, 12, tzinfo=UTC))
    assert check.ok is ok
    assert ok or all(
        word in f"{check.detail} {check.remedy}" for word in (account, "America/Sao_Paulo", "time_zone", "agentos.yaml")
    )


def test_backtest_of_a_file_without_figures_names_what_is_missing(place: Path) -> None:
    (place / "x.csv").write_text("a,b\n1,2\n", encoding="utf-8")
    result = ceo("backtest", "x.csv", "--json")
    assert result.exit_code == 2
    assert "spend" in said(result)["error"]
    assert ceo("backtest", "absent.csv").exit_code == 2


def test_an_unexpected_error_is_one_line_and_a_log(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import runtime.backtest

    def broken(*_: Any, **__: Any) -> int:
        raise ZeroDivisionError("inside")

    monkeypatch.setattr(runtime.backtest, "run", broken)
    result = ceo("backtest", "x.csv")
    assert result.exit_code == 4, "1 would say that the answer is no"
    assert "unexpected ZeroDivisionError" in result.stderr and "Traceback" not in result.stderr
    log = (place / "data" / "ceo.log").read_text(encoding="utf-8")
    assert "Traceback" in log and "inside" in log
    shown = ceo("--debug", "backtest", "x.csv")
    assert isinstance(shown.exception, ZeroDivisionError)


def test_the_sandbox_announces_its_address() -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", "runtime.cli", "sandbox", "--no-personas"], cwd=ROOT, stdout=subprocess.PIPE, text=True
    )
    try:
        assert process.stdout is not None
        found = json.loads(process.stdout.readline())
        assert found["url"] == f"http://127.0.0.1:{found['port']}"
    finally:
        process.terminate()
        process.wait(timeout=20)
