"""The schema from nothing, twice, and as the Supabase CLI would record it."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psycopg
import pytest

from runtime.db import engine, migrate


def test_an_empty_database_gets_every_file_once(empty_database_url: str) -> None:
    files = [path.name for path in sorted(migrate.MIGRATIONS.glob("*.sql"))]
    assert migrate.pending(empty_database_url) == files
    assert migrate.migrate(empty_database_url) == files
    assert migrate.pending(empty_database_url) == []
    assert migrate.migrate(empty_database_url) == []


def test_versions_are_recorded_in_the_table_of_the_supabase_cli(database_url: str) -> None:
    with psycopg.connect(engine.libpq_url(database_url)) as connection:
        rows = connection.execute(
            "select version, name, statements from supabase_migrations.schema_migrations order by version"
        ).fetchall()
    assert [f"{version}_{name}.sql" for version, name, _ in rows] == [m.file for m in migrate.migrations()]
    assert all(len(version) == 14 and version.isdigit() for version, _, _ in rows)
    assert all(any("create" in s or "alter" in s for s in statements) for _, name, statements in rows if name != "rights")


def test_two_processes_at_once_share_the_work(empty_database_url: str) -> None:
    with ThreadPoolExecutor(2) as pool:
        applied = list(pool.map(lambda _: migrate.migrate(empty_database_url), range(2)))
    assert sorted(applied[0] + applied[1]) == [m.file for m in migrate.migrations()]


def test_a_failing_file_leaves_nothing_of_itself_and_keeps_the_ones_before(empty_database_url: str, tmp_path: Path) -> None:
    (tmp_path / "20260101000000_good.sql").write_text("create table good (id int);")
    (tmp_path / "20260101000001_bad.sql").write_text("create table half (id int); create table good (id int);")
    with pytest.raises(migrate.MigrationError, match=r"20260101000001_bad\.sql.*already exists"):
        migrate.migrate(empty_database_url, tmp_path)
    with psycopg.connect(engine.libpq_url(empty_database_url)) as connection:
        tables = connection.execute("select to_regclass('good')::text, to_regclass('half')::text").fetchone()
    assert tables == ("good", None)
    assert migrate.pending(empty_database_url, tmp_path) == ["20260101000001_bad.sql"]


def test_a_file_that_the_cli_would_skip_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "add_things.sql").write_text("select 1;")
    with pytest.raises(migrate.MigrationError, match="add_things"):
        migrate.migrations(tmp_path)


def test_semicolons_inside_bodies_strings_and_comments_do_not_split() -> None:
    script = """-- one; two
    create function f() returns int language sql as $$ select 1; $$;
    do $body$ begin perform ';'; end $body$;
    insert into t values ('it''s; fine', "odd;name"); /* a; b */
    """
    assert [statement.split()[-1] for statement in migrate.split(script)] == ["$$", "$body$", '"odd;name")']
