"""Who may import whom, who may read the environment and the clock, who knows the database."""

from __future__ import annotations

import ast
import subprocess
import sys

from source import ROOT, calls, importers, modules

from runtime.settings import env_example


def test_import_contracts_hold() -> None:
    code = "import sys; from importlinter.cli import lint_imports_command as m; sys.exit(m())"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-1000:]


def test_env_example_is_generated_from_the_settings() -> None:
    written = (ROOT / ".env.example").read_text(encoding="utf-8")
    assert written.strip() == env_example().strip(), "run: .venv/bin/ceo config env-example > .env.example"


def test_one_file_reads_the_environment() -> None:
    found = {
        path
        for path, tree in modules().items()
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute) and node.attr in {"environ", "getenv", "environb"} and ast.unparse(node.value) == "os"
    }
    assert found == {"runtime/environment.py"}


CLOCKS = {
    "runtime/wiring.py": "SystemClock",
    "runtime/cli_gate.py": "SystemClock of the terminal",
    "runtime/cli_talk.py": "the edge",
}


def test_time_comes_from_the_clock() -> None:
    """A call of now() elsewhere would not move with the simulated clock."""
    names = {"datetime.now", "datetime.utcnow", "datetime.today", "date.today", "time.time", "dt.datetime.now"}
    found = {path for path, tree in modules().items() for call in calls(tree) if ast.unparse(call.func) in names}
    assert found - {p for p in found if p.startswith("runtime/sandbox/")} == set(CLOCKS), "each with its reason in CLOCKS"


KNOWS_SQL = {
    "runtime/desks.py": "read-only figures for a manager's chat",
    "runtime/demo.py": "counts for the demo's summary",
    "runtime/jobs/engine.py": "enqueues in the caller's transaction",
    "runtime/proof/postgres.py": "makes and drops a database for each part",
    "runtime/proof/story.py": "the judge reads the books from outside",
    "runtime/cli_doctor.py": "tells a refused connection from other errors",
}


def test_the_database_is_known_below_runtime_db_only() -> None:
    users = {path for package in ("sqlalchemy", "psycopg") for path in importers(package)}
    outside = {path for path in users if not path.startswith("runtime/db/")}
    assert outside <= set(KNOWS_SQL), f"talk to a repository instead: {sorted(outside - set(KNOWS_SQL))}"
    assert {path for path in importers("chromadb")} <= {"knowledge/library.py"}


def test_no_file_outgrows_a_room() -> None:
    """About five hundred lines; beyond 620 a file holds more than one subject."""
    long = {path: n for path in modules() if (n := len((ROOT / path).read_text(encoding="utf-8").splitlines())) > 620}
    assert long == {}


def test_the_command_line_imports_nothing_heavy_at_the_top() -> None:
    code = "import sys, runtime.cli; print(*sorted({name.partition('.')[0] for name in sys.modules}))"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    heavy = {
        "pydantic",
        "yaml",
        "agno",
        "fastapi",
        "sqlalchemy",
        "psycopg",
        "dbos",
        "chromadb",
        "openai",
        "numpy",
        "httpx",
        "babel",
    }
    assert heavy & set(done.stdout.split()) == set()
