"""What every test may lean on: no way out to the network, a clock that stands still, a database of its own, the sandbox.

CEO_TEST_DATABASE_URL points the database tests at another Postgres (its user must be allowed to create databases); without
it they run on the embedded one, shared by all workers of one run.
"""

from __future__ import annotations

import hashlib
import ipaddress
import os
import shutil
import socket
import tempfile
import threading
import time
import uuid
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from knowledge.domain.clock import SettableClock

if TYPE_CHECKING:
    from runtime.db.uow import Database

START = datetime(2026, 11, 23, 11, 0, tzinfo=UTC)
"""A Monday, 08:00 in São Paulo; also where the sandbox's story begins."""


# -- no way out -----------------------------------------------------------------------------------------------------------


class NetworkBlocked(AssertionError):
    """A test tried to leave this machine. Talk to the sandbox, or pass a fake."""


def _is_local(host: object) -> bool:
    if host in (None, "", "localhost"):
        return True
    try:
        return ipaddress.ip_address(str(host).partition("%")[0]).is_loopback
    except ValueError:
        return False


@pytest.fixture(autouse=True, scope="session")
def no_network() -> Iterator[None]:
    """Sockets of this process reach loopback only, and no name is looked up."""
    connect, connect_ex, lookup = socket.socket.connect, socket.socket.connect_ex, socket.getaddrinfo

    def check(sock: socket.socket, address: Any) -> None:
        if sock.family in (socket.AF_INET, socket.AF_INET6) and not _is_local(address[0]):
            raise NetworkBlocked(f"connection to {address[0]}:{address[1]} refused: tests stay on this machine")

    def guarded_connect(self: socket.socket, address: Any) -> None:
        check(self, address)
        return connect(self, address)

    def guarded_connect_ex(self: socket.socket, address: Any) -> int:
        check(self, address)
        return connect_ex(self, address)

    def guarded_lookup(host: Any, *args: Any, **kwargs: Any) -> Any:
        name = host.decode() if isinstance(host, bytes) else host
        if not _is_local(name) and name not in (socket.gethostname(), "0.0.0.0", "::"):
            # An address needs no look-up, so it passes here and is judged at connect.
            try:
                ipaddress.ip_address(str(name))
            except ValueError:
                raise NetworkBlocked(f"look-up of {name!r} refused: tests stay on this machine") from None
        return lookup(host, *args, **kwargs)

    patch = pytest.MonkeyPatch()
    patch.setattr(socket.socket, "connect", guarded_connect)
    patch.setattr(socket.socket, "connect_ex", guarded_connect_ex)
    patch.setattr(socket, "getaddrinfo", guarded_lookup)
    yield
    patch.undo()


# -- time -----------------------------------------------------------------------------------------------------------------


@pytest.fixture
def clock() -> SettableClock:
    """Stands at START until the test moves it."""
    return SettableClock(START)


# -- database -------------------------------------------------------------------------------------------------------------


def _run_folder() -> Path:
    """One folder per test run, the same in all its workers."""
    run = os.environ.setdefault("PYTEST_XDIST_TESTRUNUID", uuid.uuid4().hex)
    return Path(tempfile.gettempdir()) / f"ceo-tests-{run[:12]}"


def pytest_sessionfinish(session: pytest.Session) -> None:
    if not hasattr(session.config, "workerinput"):
        shutil.rmtree(_run_folder(), ignore_errors=True)


@pytest.fixture(scope="session")
def postgres_url() -> Iterator[str]:
    """A running Postgres (any database on it). Durability is off: a test's data need not survive a power cut."""
    given = os.environ.get("CEO_TEST_DATABASE_URL")
    if given:
        yield given
        return
    import psycopg

    from runtime.db.embedded import EmbeddedPostgres

    _run_folder().mkdir(mode=0o755, exist_ok=True)
    with EmbeddedPostgres(_run_folder() / "postgres") as server:
        with psycopg.connect(server.libpq_url, autocommit=True) as connection:
            for setting in ("fsync", "synchronous_commit", "full_page_writes"):
                connection.execute(f"alter system set {setting} = off")  # pyright: ignore[reportArgumentType]
            connection.execute("select pg_reload_conf()")
        yield server.url


@pytest.fixture(scope="session")
def template_database(postgres_url: str) -> str:
    """Name of a migrated database to copy from; made once per server and state of the migrations."""
    import psycopg

    from runtime.db import engine, migrate

    digest = hashlib.sha256("".join(m.version + m.sql for m in migrate.migrations()).encode()).hexdigest()[:12]
    name = f"ceo_template_{digest}"
    with psycopg.connect(engine.libpq_url(postgres_url), autocommit=True) as connection:
        connection.execute("select pg_advisory_lock(hashtext('ceo_template'))")
        if connection.execute("select 1 from pg_database where datname = %s", (name,)).fetchone() is None:
            connection.execute(f"create database {name}_making")  # pyright: ignore[reportArgumentType]
            migrate.migrate(engine.with_database(postgres_url, f"{name}_making"))
            connection.execute(f"alter database {name}_making rename to {name}")  # pyright: ignore[reportArgumentType]
    return name


@pytest.fixture
def empty_database_url(postgres_url: str) -> Iterator[str]:
    """A database without our schema, for tests of the migrations themselves."""
    name = _create(postgres_url, "")
    yield _on(postgres_url, name)
    _drop(postgres_url, name)


class _Reused:
    """One migrated database for test after test: emptied in milliseconds, and copied anew only after a test that changed
    its schema (a copy writes some 10 MB)."""

    def __init__(self, postgres_url: str, template: str) -> None:
        self._server, self._template, self._name = postgres_url, template, ""
        self._shape: object = None

    def take(self) -> str:
        import psycopg

        from runtime.db import engine

        if not self._name:
            self._name = _create(self._server, f"template {self._template} strategy file_copy")
            with psycopg.connect(engine.libpq_url(_on(self._server, self._name))) as connection:
                self._shape = connection.execute(_SHAPE).fetchone()
        return _on(self._server, self._name)

    def give_back(self) -> None:
        import psycopg

        from runtime.db import engine

        with psycopg.connect(engine.libpq_url(_on(self._server, self._name)), autocommit=True) as connection:
            connection.execute(_OTHERS_OUT)
            same = connection.execute(_SHAPE).fetchone() == self._shape
            if same:
                connection.execute(_EMPTY)
        if not same:
            self.drop()

    def drop(self) -> None:
        if self._name:
            _drop(self._server, self._name)
            self._name = ""


_OTHERS_OUT = """select pg_terminate_backend(pid, 5000) from pg_stat_activity
    where datname = current_database() and pid <> pg_backend_pid()"""
_SHAPE = """select count(*), max(c.oid), (select count(*) from pg_proc p join pg_namespace q on q.oid = p.pronamespace
      where q.nspname in ('public', 'app')), (select count(*) from pg_namespace where nspname !~ '^pg_')
    from pg_class c join pg_namespace n on n.oid = c.relnamespace where n.nspname !~ '^pg_(toast|temp)'"""
# As replica, so that the audit log's guard and foreign keys stand aside.
_EMPTY = """
    set session_replication_role = replica;
    do $$
    declare name text; kind "char"; filled boolean;
    begin
      for name, kind in select format('%I.%I', n.nspname, c.relname), c.relkind
        from pg_class c join pg_namespace n on n.oid = c.relnamespace where n.nspname = 'public' and c.relkind in ('r', 'm')
        order by c.relkind desc
      loop
        execute 'select exists (select from ' || name || ')' into filled;
        if filled and kind = 'r' then execute 'delete from ' || name;
        elsif filled then execute 'refresh materialized view ' || name;
        end if;
      end loop;
    end $$;
    alter table live_events alter id restart"""


@pytest.fixture(scope="session")
def _reused(postgres_url: str, template_database: str) -> Iterator[_Reused]:
    reused = _Reused(postgres_url, template_database)
    yield reused
    reused.drop()


@pytest.fixture
def database_url(_reused: _Reused) -> Iterator[str]:
    """A migrated, empty database of this test alone. postgresql+psycopg://…"""
    yield _reused.take()
    _reused.give_back()


def _on(postgres_url: str, name: str) -> str:
    from runtime.db import engine

    return engine.with_database(postgres_url, name)


def _create(postgres_url: str, how: str) -> str:
    import psycopg

    from runtime.db import engine

    name = f"t_{uuid.uuid4().hex[:16]}"
    with psycopg.connect(engine.libpq_url(postgres_url), autocommit=True) as connection:
        connection.execute(f"create database {name} {how}")  # pyright: ignore[reportArgumentType]
    return name


def _drop(postgres_url: str, name: str) -> None:
    import psycopg

    from runtime.db import engine

    with psycopg.connect(engine.libpq_url(postgres_url), autocommit=True) as connection:
        connection.execute(f"drop database {name} with (force)")  # pyright: ignore[reportArgumentType]


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    """The unit of work over this test's own database."""
    from runtime.db.engine import make_engine
    from runtime.db.uow import Database

    engine = make_engine(database_url, pool_size=5, max_overflow=15)
    yield Database(engine)
    await engine.dispose()


# -- sandbox --------------------------------------------------------------------------------------------------------------


@dataclass
class SandboxControl:
    """The sandbox on a real port, and the buttons of /_sandbox. `app` gives its world, ad book and market directly."""

    url: str
    app: Any

    def _ask(self, method: str, path: str, body: dict[str, Any] | None = None) -> Any:
        import httpx

        answer = httpx.request(method, f"{self.url}/_sandbox{path}", json=body, timeout=60)
        answer.raise_for_status()
        return answer.json()

    def now(self) -> datetime:
        return datetime.fromisoformat(self._ask("GET", "/clock")["now"])

    def advance(self, step: timedelta) -> datetime:
        """Moves the simulated world forward; webhooks that fall due are delivered on the way."""
        return datetime.fromisoformat(self._ask("POST", "/advance", {"to": (self.now() + step).isoformat()})["now"])

    def webhooks(self, **targets: dict[str, str | None] | None) -> None:
        """Where each source delivers: zapi={"url": …, "secret": …}."""
        self._ask("POST", "/webhooks", targets)

    def fault(self, match: str, kind: str, times: int = 1, seconds: float = 30.0) -> None:
        self._ask("POST", "/faults", {"match": match, "kind": kind, "times": times, "seconds": seconds})

    def clear_faults(self) -> None:
        self._ask("DELETE", "/faults")

    def shock(self, match: str, hours: float, **factors: float) -> None:
        self._ask("POST", "/shock", {"match": match, "hours": hours, **factors})

    def truth(self, match: str, **values: float) -> None:
        self._ask("POST", "/truth", {"match": match, "values": values})

    def book(self) -> dict[str, Any]:
        """What really happened, to compare with our own ledger."""
        return self._ask("GET", "/book")

    def writes(self, since: int = 0) -> list[dict[str, Any]]:
        return self._ask("GET", f"/writes?since={since}")["writes"]


@pytest.fixture
def sandbox() -> Iterator[SandboxControl]:
    """A sandbox of this test alone (seed 7, no personas that write by themselves), served from a thread."""
    import uvicorn

    from runtime.sandbox.app import create_sandbox

    app = create_sandbox(seed=7, start=START, personas=False)
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.bind(("127.0.0.1", 0))
    server = uvicorn.Server(uvicorn.Config(app, log_level="warning", access_log=False, timeout_graceful_shutdown=1))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
    thread.start()
    deadline = time.monotonic() + 20
    while not server.started:
        if not thread.is_alive() or time.monotonic() > deadline:
            raise RuntimeError("the sandbox did not come up; see the log above")
        time.sleep(0.01)
    yield SandboxControl(f"http://127.0.0.1:{listener.getsockname()[1]}", app)
    server.should_exit = server.force_exit = True
    thread.join(timeout=10)


# -- order ----------------------------------------------------------------------------------------------------------------

LONG_FIRST = (
    "test_proof_can_fail.py", "test_machine.py", "tests/journeys/", "tests/cockpit/", "tests/gate/", "tests/cli/", "tests/autonomy/",
)  # fmt: skip


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Files that take long begin first: one that begins last keeps one worker busy while the others wait."""

    def place(item: pytest.Item) -> int:
        path = item.path.as_posix()
        return next((number for number, part in enumerate(LONG_FIRST) if part in path), len(LONG_FIRST))

    items.sort(key=place)
