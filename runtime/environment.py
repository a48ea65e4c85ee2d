"""The process environment and the `.env` beside it. The only file that reads them; standard library alone, so that asking is cheap."""

from __future__ import annotations

import os
from pathlib import Path

DOTENV = Path(".env")
"""In the working folder. It fills gaps of the environment and never overrides it."""


def variables() -> dict[str, str]:
    """A copy of the environment that the process was given."""
    return dict(os.environ)


def dotenv_bytes() -> bytes | None:
    """The `.env` as it lies on the disk; None when there is none or it is not a file. Raises OSError when it cannot be read."""
    return DOTENV.read_bytes() if DOTENV.is_file() else None


def dotenv_values() -> dict[str, str]:
    """What the `.env` sets to something; empty when there is none."""
    if not DOTENV.is_file():
        return {}
    from dotenv import dotenv_values as parsed

    return {name: value for name, value in parsed(DOTENV).items() if value}
