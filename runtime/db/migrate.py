"""Applies `supabase/migrations/*.sql` and records them as the Supabase CLI does, so that either may carry on after the other.

Source of the table's shape: supabase/cli, pkg/migration (schema `supabase_migrations`, table `schema_migrations`).
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import LiteralString, cast

import psycopg

from runtime.db.engine import libpq_url

MIGRATIONS = Path(__file__).parent / "supabase" / "migrations"
_NAME = re.compile(r"^([0-9]+)_(.*)\.sql$")
_LOCK = 7218450912331  # any number of our own: one migrating process at a time per database
_TABLE = (
    "create schema if not exists supabase_migrations",
    "create table if not exists supabase_migrations.schema_migrations (version text not null primary key)",
    "alter table supabase_migrations.schema_migrations add column if not exists statements text[]",
    "alter table supabase_migrations.schema_migrations add column if not exists name text",
)


class MigrationError(RuntimeError):
    """A migration failed and nothing of it stayed. The message names the file and the database's own words."""


@dataclass(frozen=True)
class Migration:
    """One file: version (14 digits, also the order), name, SQL."""

    version: str
    name: str
    sql: str

    @property
    def file(self) -> str:
        return f"{self.version}_{self.name}.sql"


def migrations(folder: Path = MIGRATIONS) -> list[Migration]:
    """Every migration of the folder in order of version. Raises MigrationError for a file that the CLI would skip."""
    found: list[Migration] = []
    for path in sorted(folder.glob("*.sql")):
        match = _NAME.match(path.name)
        if match is None:
            raise MigrationError(f"{path.name}: a migration is named <14 digits>_<name>.sql")
        found.append(Migration(match[1], match[2], path.read_text(encoding="utf-8")))
    return found


def pending(url: str, folder: Path = MIGRATIONS) -> list[str]:
    """File names that `migrate` would apply now, in order. Changes nothing. Raises psycopg.OperationalError when unreachable."""
    with psycopg.connect(libpq_url(url), autocommit=True) as connection:
        done = _recorded(connection)
    return [migration.file for migration in migrations(folder) if migration.version not in done]


def migrate(url: str, folder: Path = MIGRATIONS) -> list[str]:
    """Applies what is pending, each file in one transaction, and returns the file names applied (none when up to date).

    Several processes may call it at once: they queue on an advisory lock inside each transaction.
    Raises MigrationError; files before the failing one stay applied.
    """
    applied: list[str] = []
    with psycopg.connect(libpq_url(url), autocommit=True) as connection:
        if _recorded(connection) >= {migration.version for migration in migrations(folder)}:
            return applied
        with connection.transaction():
            _queue(connection)
            for statement in _TABLE:
                connection.execute(statement)
        for migration in migrations(folder):
            with connection.transaction():
                _queue(connection)
                if migration.version in _recorded(connection):
                    continue
                try:
                    connection.execute(cast(LiteralString, migration.sql))
                except psycopg.Error as error:
                    raise MigrationError(f"{migration.file}: {str(error).strip()}") from error
                connection.execute(
                    "insert into supabase_migrations.schema_migrations (version, name, statements) values (%s, %s, %s)",
                    (migration.version, migration.name, split(migration.sql)),
                )
            applied.append(migration.file)
    return applied


async def migrate_async(url: str, folder: Path = MIGRATIONS) -> list[str]:
    """`migrate` off the event loop."""
    return await asyncio.to_thread(migrate, url, folder)


def _queue(connection: psycopg.Connection) -> None:
    connection.execute("select pg_advisory_xact_lock(%s)", (_LOCK,))


def _recorded(connection: psycopg.Connection) -> set[str]:
    known = connection.execute("select to_regclass('supabase_migrations.schema_migrations') is not null").fetchone()
    if known is None or not known[0]:
        return set()
    return {row[0] for row in connection.execute("select version from supabase_migrations.schema_migrations")}


_TOKEN = re.compile(
    r"--[^\n]*"  # line comment
    r"|/\*.*?\*/"  # block comment (ours do not nest)
    r"|'(?:[^']|'')*'"  # string
    r'|"(?:[^"]|"")*"'  # quoted name
    r"|(?P<tag>\$[A-Za-z_0-9]*\$).*?(?P=tag)"  # dollar-quoted body
    r"|;",
    re.DOTALL,
)


def split(sql: str) -> Sequence[str]:
    """The statements of a script without their semicolons, as recorded beside the version. Comments stay with what follows."""
    statements: list[str] = []
    start = 0
    for token in _TOKEN.finditer(sql):
        if token[0] == ";":
            statements.append(sql[start : token.start()].strip())
            start = token.end()
    rest = sql[start:].strip()
    if rest and _TOKEN.sub("", rest).strip():
        statements.append(rest)
    return [statement for statement in statements if statement]
