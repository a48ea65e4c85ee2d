"""Who decides. One file per agent, each with a build function; CREW is the list.

Nothing is imported until an agent is asked for: agno costs seconds and `ceo --help` must not pay for it.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any, NamedTuple


class Member(NamedTuple):
    """Where an agent is built and which offline brain plays it."""

    module: str
    build: str
    brain: str


CREW: dict[str, Member] = {
    "ceo": Member("agents.ceo", "build_ceo", "agents.offline.ceo:ManagerBrain"),
    "scout": Member("agents.scout", "build_scout", "agents.offline.studio:ScoutBrain"),
    "copywriter": Member("agents.copywriter", "build_copywriter", "agents.offline.studio:CopyBrain"),
    "media_buyer": Member("agents.media_buyer", "build_media_buyer", "agents.offline.ceo:ManagerBrain"),
    "analyst": Member("agents.analyst", "build_analyst", "agents.offline.ceo:ManagerBrain"),
    "sdr": Member("agents.sdr", "build_sdr", "agents.offline.sdr:SdrBrain"),
}


def builder(name: str) -> Any:
    """The build function of an agent. Raises KeyError naming the crew for an unknown name."""
    member = _member(name)
    return getattr(import_module(member.module), member.build)


def offline_brain(name: str) -> Any:
    """A fresh offline brain for an agent, to hand to `agents.models.build_model`."""
    module, _, kind = _member(name).brain.partition(":")
    return getattr(import_module(module), kind)()


def _member(name: str) -> Member:
    if name not in CREW:
        raise KeyError(f"agent {name!r} is not of the crew; known: {', '.join(CREW)}")
    return CREW[name]
