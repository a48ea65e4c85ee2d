"""The gate's bench, for what reads real books."""

from __future__ import annotations

from tests.gate.conftest import bench, engine

__all__ = ["bench", "engine"]
