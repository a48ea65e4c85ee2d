"""Logs: structured, to standard error, with whatever correlation id the context carries. Secrets never reach a line."""

from __future__ import annotations

import logging
import sys
from typing import Any

import structlog

_QUIET = ("httpx", "httpcore", "chromadb", "dbos", "alembic", "psycopg.pool", "uvicorn.access", "agno", "asyncio", "openai")


def configure(level: str = "info", *, json: bool = False) -> None:
    """Sets up structlog and the standard library's loggers alike. `json` for machines, plain lines for people."""
    number = getattr(logging, level.upper())
    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.ExtraAdder(),
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.make_filtering_bound_logger(number),
        cache_logger_on_first_use=True,
    )
    last: Any = structlog.processors.JSONRenderer() if json else structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty())
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, structlog.processors.format_exc_info, last]
            if json
            else [structlog.stdlib.ProcessorFormatter.remove_processors_meta, last],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(number)
    for name in _QUIET:
        logging.getLogger(name).setLevel(max(number, logging.WARNING))


def _from_warning(record: logging.LogRecord) -> bool:
    return record.levelno >= logging.WARNING


def quiet_agno() -> None:
    """Only what matters from Agno. By filter, since it sets its loggers' levels anew at every run; and they write to standard
    output, where a command's JSON belongs."""
    for name in ("agno", "agno-team", "agno-workflow"):
        logger = logging.getLogger(name)
        if _from_warning not in logger.filters:
            logger.addFilter(_from_warning)
