"""A process that is up keeps what start-up left out of the collector's way."""

from __future__ import annotations

import gc

from runtime import heap


def test_what_start_up_left_is_walked_no_more() -> None:
    try:
        heap.settle()
        assert gc.get_freeze_count() > 10_000
        assert gc.isenabled()
    finally:
        gc.unfreeze()
