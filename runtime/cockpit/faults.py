"""A fault that nobody expected, for the log: where it was, and nothing of what people wrote or the database was told."""

from __future__ import annotations

import traceback

import structlog

log = structlog.get_logger()


def note(fault: Exception, path: str) -> None:
    """One line of the log. The fault's own words are left out: those of a database repeat the values it was given."""
    frames = traceback.extract_tb(fault.__traceback__)
    where = [f"{frame.filename.rpartition('/')[2]}:{frame.lineno} {frame.name}" for frame in frames]
    log.error("unexpected_fault", path=path, fault=type(fault).__name__, where=where)
