"""The database as commands need it: the configured one, or the embedded one for as long as the command runs."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from runtime.db.embedded import EmbeddedPostgres
from runtime.settings import Secrets


@contextmanager
def database(secrets: Secrets) -> Iterator[str]:
    """Address of the configured database, or of the embedded one, which is stopped again unless somebody else uses it."""
    given = secrets.get("database_url")
    if given:
        yield given
        return
    with EmbeddedPostgres(embedded_folder(secrets)) as server:
        yield server.url


def embedded_folder(secrets: Secrets) -> Path:
    """Where the embedded Postgres keeps its files."""
    return secrets.ceo_data_dir / "postgres"


def migrate(secrets: Secrets, *, check: bool) -> list[str]:
    """Applies what is pending, or only names it. Raises MigrationError, EmbeddedPostgresError, psycopg.OperationalError."""
    from runtime.db.migrate import migrate as apply
    from runtime.db.migrate import pending

    with database(secrets) as url:
        return pending(url) if check else apply(url)
