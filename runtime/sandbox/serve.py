"""Runs the sandbox on a real port: inside the running loop (tests, `ceo demo`) or as a process of its own."""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
from collections.abc import Generator
from dataclasses import dataclass

import uvicorn
from starlette.types import ASGIApp


class _QuietServer(uvicorn.Server):
    """A server that leaves the process's signal handlers alone: the loop belongs to somebody else."""

    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None, None, None]:
        """Captures nothing."""
        yield


@dataclass
class ServerHandle:
    """A server that is up. `url` has no trailing slash."""

    host: str
    port: int
    _server: uvicorn.Server
    _task: asyncio.Task[None]

    @property
    def url(self) -> str:
        """http://host:port"""
        return f"http://{self.host}:{self.port}"

    async def stop(self) -> None:
        """Stops serving and waits until the port is free. Requests hanging in a planned timeout are cut off after a second."""
        self._server.should_exit = True
        await self._task


async def serve_in_loop(app: ASGIApp, host: str = "127.0.0.1", port: int = 0) -> ServerHandle:
    """Serves an ASGI app in the running loop; port 0 takes a free one. Returns once it answers. Raises OSError on a taken port."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # The protocol must be named: asyncio switches Nagle off only then, and 40 ms a request would be lost to delayed acknowledgements.
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
    except OSError:
        listener.close()
        raise
    config = uvicorn.Config(app, log_level="warning", access_log=False, lifespan="on", timeout_graceful_shutdown=1)
    server = _QuietServer(config)
    task = asyncio.create_task(server.serve(sockets=[listener]))
    while not server.started:
        if task.done():
            await task
            raise RuntimeError("the sandbox server ended before it was up; see its log above")
        await asyncio.sleep(0.005)
    return ServerHandle(host, int(listener.getsockname()[1]), server, task)


async def serve_process(app: ASGIApp, host: str, port: int, *, announce: bool) -> None:
    """Serves until the process is told to end. With `announce`, prints one JSON line {"port", "url"} once it answers."""
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind((host, port))
    server = uvicorn.Server(uvicorn.Config(app, log_level="warning", access_log=False, timeout_graceful_shutdown=1))
    task = asyncio.create_task(server.serve(sockets=[listener]))
    while not server.started and not task.done():  # noqa: ASYNC110 - uvicorn offers no event to wait for
        await asyncio.sleep(0.01)
    if announce and not task.done():
        bound = int(listener.getsockname()[1])
        print(json.dumps({"port": bound, "url": f"http://{host}:{bound}"}), flush=True)
    await task
