"""The embedded server as a thing of its own: shared, found again, and stopped by whoever leaves last."""

import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from runtime.db import embedded
from runtime.db.embedded import EmbeddedPostgres, EmbeddedPostgresError
from runtime.db.engine import DatabaseUrlError, libpq_url, make_engine, normalise_url, with_database

USER = """
import sys, time
from runtime.db.embedded import EmbeddedPostgres
server = EmbeddedPostgres(sys.argv[1]).start()
print("up", flush=True)
sys.stdin.readline()
"""


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder with a space in its name, for a data folder inside."""
    base = Path(tempfile.mkdtemp(prefix="ceo embedded "))
    yield base
    embedded.stop(base / "pg")
    shutil.rmtree(base, ignore_errors=True)


def another_user(data: Path) -> subprocess.Popen[str]:
    """Another process that uses the server until its stdin closes."""
    process = subprocess.Popen(
        [sys.executable, "-c", USER, str(data)],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=Path(__file__).parents[2],
    )  # fmt: skip
    assert process.stdout is not None and process.stdout.readline() == "up\n"
    return process


def write(server: EmbeddedPostgres) -> None:
    with psycopg.connect(server.libpq_url) as connection:
        connection.execute("create table if not exists kept (id int)")
        connection.execute("insert into kept values (1)")


def rows(server: EmbeddedPostgres) -> int:
    with psycopg.connect(server.libpq_url) as connection:
        row = connection.execute("select count(*) from kept").fetchone()
    assert row is not None
    return row[0]


def test_the_last_user_stops_the_server_also_after_a_killed_one(folder: Path) -> None:
    data = folder / "pg"
    assert not embedded.is_running(data)
    with EmbeddedPostgres(data) as server:
        write(server)
        with EmbeddedPostgres(data) as second:
            assert second.url == server.url
        assert embedded.is_running(data)
        other = another_user(data)
    assert embedded.is_running(data), "the other process still uses it"

    other.kill()
    other.wait()
    assert embedded.is_running(data), "nobody was left to stop it"

    with EmbeddedPostgres(data) as again:
        assert rows(again) == 1
    assert not embedded.is_running(data)
    with pytest.raises(EmbeddedPostgresError, match="not started"):
        _ = again.url

    last = another_user(data)
    last.communicate("\n", timeout=30)
    assert last.returncode == 0
    assert not embedded.is_running(data), "a process that just ends stops it too"

    (data / "postmaster.pid").write_text("1\n" * 8)  # left by a power cut; the process id is somebody else's by now
    with EmbeddedPostgres(data) as recovered:
        assert rows(recovered) == 1
        assert embedded.stop(data)
        assert not embedded.is_running(data)
        assert not embedded.stop(data)


@pytest.mark.parametrize("scheme", ["postgres", "postgresql", "postgresql+psycopg"])
def test_every_usual_spelling_of_an_address_is_understood(scheme: str) -> None:
    url = normalise_url(f"{scheme}://me:p%40ss@db.example:5432/app?sslmode=require")
    assert url == "postgresql+psycopg://me:p%40ss@db.example:5432/app?sslmode=require"
    assert libpq_url(url) == "postgresql://me:p%40ss@db.example:5432/app?sslmode=require"
    assert with_database(url, "other") == "postgresql+psycopg://me:p%40ss@db.example:5432/other?sslmode=require"


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("postgresql://me:secret@pooler.example:6543/postgres", "6543"),
        ("mysql://me:secret@db.example/app", "mysql"),
        ("postgresql+asyncpg://me:secret@db.example/app", "asyncpg"),
        ("postgresql://me:secret@db.example:5432", "names no database"),
        ("postgresql://me:secret@db.example:port/app", "cannot be read"),
        ("db.example", "scheme"),
        ("", "scheme"),
    ],
)
def test_an_address_that_cannot_work_is_refused_without_telling_the_password(url: str, says: str) -> None:
    with pytest.raises(DatabaseUrlError, match=says) as refusal:
        normalise_url(url)
    assert "secret" not in str(refusal.value)


async def test_every_session_speaks_utc(postgres_url: str) -> None:
    from sqlalchemy import text

    engine = make_engine(postgres_url, pool_size=1)
    async with engine.connect() as connection:
        zone = (await connection.execute(text("show time zone"))).scalar_one()
    await engine.dispose()
    assert zone == "UTC"
