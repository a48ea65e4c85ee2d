"""The collector and what lives as long as the process."""

from __future__ import annotations

import gc


def settle() -> None:
    """Call once, when a process has started and begins its work.

    Start-up leaves some hundred thousand objects (modules, models, routes) that are never garbage, and every full collection walks all
    of them: a tenth of the processor time of a gate pass. From here on the collector looks only at what was made later.
    """
    gc.collect()
    gc.freeze()
